/*
 * JSON -> message -> JSON: what decodes is valid by its own rules, so written out again it decodes to the
 * same message. What the scan lets through json-c can read, and reads alike. Input: a byte that chooses the
 * command; a byte, odd for a body, even for "name=value&" parameters of a GET.
 */
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "gateway/json_decode.h"
#include "gateway/json_encode.h"
#include "gateway/json_scan.h"
#include "gateway/routes.h"
#include "gateway/utf8.h"
#include "proto/schema_commands.h"
#include "tests/fuzz/fuzz.h"

#define PARAMS_MAX 8

static void check_errors(enum status status, const struct field_errors *errors)
{
    if (status == STATUS_INVALID_FIELDS)
        ensure(errors->count > 0);
    if (status == STATUS_INVALID_FIELDS || status == STATUS_INVALID_JSON)
        for (size_t i = 0; i < errors->count; i++)
            ensure(errors->rows[i].detail != NULL && errors->rows[i].detail[0] != '\0');
}

static bool shown_whole(const struct schema_message *schema)
{
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++)
        if (schema->fields[i].header != NULL || schema->fields[i].internal || schema->fields[i].cursor)
            return false;
    return true;
}

static void expect_same(const ProtobufCMessage *a, const ProtobufCMessage *b, struct arena *arena)
{
    size_t length = protobuf_c_message_get_packed_size(a);
    ensure(length == protobuf_c_message_get_packed_size(b));
    uint8_t *packed_a = arena_alloc_raw(arena, length), *packed_b = arena_alloc_raw(arena, length);
    protobuf_c_message_pack(a, packed_a);
    protobuf_c_message_pack(b, packed_b);
    ensure(memcmp(packed_a, packed_b, length) == 0);
}

static void check_round_trip(const struct schema_message *schema, const ProtobufCMessage *message,
                             struct arena *arena)
{
    static struct text text;
    struct field_errors errors;
    ProtobufCMessage *again;
    text_clear(&text);
    json_encode(&text, schema, message);
    ensure(utf8_is_valid(text.bytes, text.length));
    struct decode_input input = {.schema = schema, .body = text.bytes, .body_length = text.length};
    ensure(json_decode(&input, arena, &again, &errors) == STATUS_OK);
    expect_same(message, again, arena);
}

static void check_body(const struct schema_message *schema, const char *body, size_t length,
                       struct arena *arena)
{
    struct decode_input input = {.schema = schema, .body = body, .body_length = length};
    struct field_errors errors;
    ProtobufCMessage *message;
    enum status status = json_decode(&input, arena, &message, &errors);
    check_errors(status, &errors);
    ensure(status == STATUS_OK || status == STATUS_INVALID_FIELDS || status == STATUS_INVALID_JSON);
    if (status == STATUS_OK && shown_whole(schema))
        check_round_trip(schema, message, arena);
}

static void check_scan(const char *body, size_t length, struct arena *arena)
{
    struct json_fault fault;
    struct json_tokener *tokener;
    if (!json_scan(body, length, arena, &fault)) {
        ensure(fault.detail != NULL && fault.offset <= length);
        return;
    }
    ensure(utf8_is_valid(body, length));
    tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *object = json_tokener_parse_ex(tokener, body, (int)length);
    ensure(json_object_is_type(object, json_type_object));
    ensure(utf8_is_valid(json_object_to_json_string(object), strlen(json_object_to_json_string(object))));
    json_object_put(object);
    json_tokener_free(tokener);
}

static size_t split_params(struct arena *arena, const char *text, size_t length, struct text_param *params)
{
    size_t count = 0;
    for (size_t at = 0; at < length && count < PARAMS_MAX;) {
        const char *end = memchr(text + at, '&', length - at);
        size_t size = end != NULL ? (size_t)(end - text) - at : length - at;
        const char *equals = memchr(text + at, '=', size);
        size_t name = equals != NULL ? (size_t)(equals - text) - at : size;
        size_t value = equals != NULL ? name + 1 : size;
        params[count].name = arena_strndup(arena, text + at, name);
        char *copy = arena_alloc(arena, size - value + 1); /* a NUL may be in it */
        memcpy(copy, text + at + value, size - value);
        params[count].value = copy;
        params[count].length = size - value;
        params[count].from_path = count == 0;
        count++;
        at += size + 1;
    }
    return count;
}

static void check_params(const struct schema_message *schema, const char *text, size_t length,
                         struct arena *arena)
{
    struct text_param params[PARAMS_MAX];
    struct decode_input input = {.schema = schema, .params = params};
    struct field_errors errors;
    ProtobufCMessage *message;
    input.param_count = split_params(arena, text, length, params);
    enum status status = json_decode(&input, arena, &message, &errors);
    check_errors(status, &errors);
    ensure(status == STATUS_OK || status == STATUS_INVALID_FIELDS || status == STATUS_NOT_FOUND);
}

static const struct route *take_route(struct fuzz_input *input)
{
    const uint8_t *end = memchr(input->at, '\n', input->left);
    size_t length = end != NULL ? (size_t)(end - input->at) : 0;
    for (size_t i = 0; end != NULL && i < route_count; i++) {
        if (strlen(routes[i].path) != length || memcmp(routes[i].path, input->at, length) != 0)
            continue;
        input->at += length + 1;
        input->left -= length + 1;
        return &routes[i];
    }
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct fuzz_input input = {data, size};
    if (arena == NULL)
        arena = arena_new();
    arena_reset(arena);
    const struct route *route = take_route(&input);
    if (route == NULL || route->kind != ROUTE_COMMAND)
        return -1; /* not worth keeping */
    const struct schema_message *schema = schema_commands[route->command].request;
    /* Of its own size, so that AddressSanitizer sees a look beyond it. */
    char *text = xmalloc(input.left > 0 ? input.left : 1);
    memcpy(text, input.at, input.left);
    if (strcmp(route->method, "POST") == 0) {
        check_scan(text, input.left, arena);
        check_body(schema, text, input.left, arena);
    } else {
        check_params(schema, text, input.left, arena);
    }
    free(text);
    return 0;
}
