#include "gateway/json_decode.h"

#include <inttypes.h>
#include <json-c/json_object.h>
#include <json-c/json_tokener.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "common/fatal.h"
#include "gateway/json_scan.h"
#include "gateway/utf8.h"
#include "proto/base64.h"
#include "proto/ids.h"
#include "proto/rules.h"

struct decoder {
    const struct decode_input *input;
    struct arena *arena;
    json_object *body; /* NULL: none */
    ProtobufCMessage *message;
    struct field_errors *errors;
    bool path_is_wrong;
    /* The field at hand */
    const struct schema_field *rule;
    const ProtobufCFieldDescriptor *field;
    bool from_path;
};

static void add_error(struct decoder *decoder, const char *code, const char *detail)
{
    struct field_errors *errors = decoder->errors;
    if (decoder->from_path)
        decoder->path_is_wrong = true;
    if (errors->count == FIELD_ERRORS_MAX)
        return;
    errors->rows[errors->count++] =
        (struct field_error){.field = decoder->rule->name, .code = code, .detail = detail};
}

static void *field_at(const struct decoder *decoder)
{
    return (char *)decoder->message + decoder->field->offset;
}

static void mark_present(const struct decoder *decoder)
{
    protobuf_c_boolean yes = 1;
    if (decoder->field->label == PROTOBUF_C_LABEL_OPTIONAL && decoder->field->quantifier_offset != 0)
        memcpy((char *)decoder->message + decoder->field->quantifier_offset, &yes, sizeof(yes));
}

static void take_string(struct decoder *decoder, const char *text, size_t length)
{
    const struct schema_field *rule = decoder->rule;
    if (memchr(text, '\0', length) != NULL || !utf8_is_valid(text, length)) {
        add_error(decoder, "bad_characters", "is not UTF-8 without NUL");
        return;
    }
    if (rule->trim)
        utf8_trim(&text, &length);
    size_t chars = rules_count_chars(text, length);
    if (chars < rule->min_chars) {
        add_error(decoder, "too_short",
                  chars == 0
                      ? "must not be empty"
                      : arena_printf(decoder->arena, "has %zu characters; at least %" PRIu32 " are needed",
                                     chars, rule->min_chars));
    } else if (rule->max_chars > 0 && chars > rule->max_chars) {
        add_error(decoder, "too_long",
                  arena_printf(decoder->arena, "has %zu characters; %" PRIu32 " are allowed", chars,
                               rule->max_chars));
    } else if (!rules_pattern_matches(rule->pattern, text, length)) {
        add_error(decoder, "bad_characters",
                  arena_printf(decoder->arena, "is valid only if it %s", rules_pattern_words(rule->pattern)));
    } else {
        char *copy = arena_strndup(decoder->arena, text, length);
        memcpy(field_at(decoder), &copy, sizeof(copy));
        mark_present(decoder);
    }
}

static void take_id(struct decoder *decoder, const char *text, size_t length)
{
    uint64_t number;
    if (!id_parse(decoder->rule->id, text, length, &number)) {
        add_error(
            decoder, "invalid_id",
            arena_printf(decoder->arena, "is not an id like \"%s_17\"", id_kind_prefix(decoder->rule->id)));
        return;
    }
    memcpy(field_at(decoder), &number, sizeof(number));
    mark_present(decoder);
}

static void take_cursor(struct decoder *decoder, const char *text, size_t length)
{
    ProtobufCBinaryData data = {.data = arena_alloc_raw(decoder->arena, length + 1)};
    if (!base64_decode(text, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING, data.data, length + 1,
                       &data.len)) {
        add_error(decoder, "invalid_cursor", "is not a cursor of this list");
        return;
    }
    memcpy(field_at(decoder), &data, sizeof(data));
    mark_present(decoder);
}

static const char *enum_names(struct decoder *decoder, const ProtobufCEnumDescriptor *names)
{
    const char *list = names->values[0].name;
    for (unsigned i = 1; i < names->n_values; i++)
        list = arena_printf(decoder->arena, "%s, %s", list, names->values[i].name);
    return list;
}

static void take_enum(struct decoder *decoder, const char *text, size_t length)
{
    const ProtobufCEnumDescriptor *names = decoder->field->descriptor;
    const ProtobufCEnumValue *value = NULL;
    if (memchr(text, '\0', length) == NULL)
        value =
            protobuf_c_enum_descriptor_get_value_by_name(names, arena_strndup(decoder->arena, text, length));
    if (value == NULL) {
        add_error(decoder, "not_one_of",
                  arena_printf(decoder->arena, "is not one of: %s", enum_names(decoder, names)));
        return;
    }
    memcpy(field_at(decoder), &value->value, sizeof(value->value));
    mark_present(decoder);
}

/* An integer as it was sent: any sign, magnitude up to 2^64-1. */
struct number {
    bool negative;
    uint64_t magnitude;
};

struct range {
    uint64_t below_zero, most; /* -below_zero .. most */
};

static struct range range_of(const struct decoder *decoder)
{
    const struct schema_field *rule = decoder->rule;
    switch (decoder->field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
        return (struct range){.below_zero = (uint64_t)INT32_MAX + 1, .most = INT32_MAX};
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
        return (struct range){.below_zero = (uint64_t)INT64_MAX + 1, .most = INT64_MAX};
    case PROTOBUF_C_TYPE_UINT32:
        return (struct range){.most = rule->max_value > 0 ? rule->max_value : UINT32_MAX};
    default:
        return (struct range){.most = rule->max_value > 0 ? rule->max_value : UINT64_MAX};
    }
}

static void store_number(struct decoder *decoder, struct number number)
{
    uint64_t wide = number.negative ? -number.magnitude : number.magnitude;
    uint32_t narrow = (uint32_t)wide;
    switch (decoder->field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
        memcpy(field_at(decoder), &narrow, sizeof(narrow));
        break;
    default:
        memcpy(field_at(decoder), &wide, sizeof(wide));
        break;
    }
    mark_present(decoder);
}

static void take_number(struct decoder *decoder, struct number number)
{
    struct range range = range_of(decoder);
    uint32_t least = decoder->rule->min_value;
    if (number.magnitude == 0)
        number.negative = false;
    if (number.negative ? number.magnitude > range.below_zero : number.magnitude < least)
        add_error(decoder, "too_small",
                  range.below_zero > 0 ? "is too small"
                                       : arena_printf(decoder->arena, "must be at least %" PRIu32, least));
    else if (!number.negative && number.magnitude > range.most)
        add_error(decoder, "too_large", arena_printf(decoder->arena, "must be at most %" PRIu64, range.most));
    else
        store_number(decoder, number);
}

/* Digits of a query parameter; as many as they like, so what does not fit saturates and is then too large. */
static void take_digits(struct decoder *decoder, const char *text, size_t length)
{
    struct number number = {.negative = length > 0 && text[0] == '-'};
    bool is_number = length > (size_t)number.negative;
    for (size_t i = number.negative; i < length && is_number; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        is_number = text[i] >= '0' && text[i] <= '9';
        if (number.magnitude > (UINT64_MAX - digit) / 10)
            number.magnitude = UINT64_MAX;
        else
            number.magnitude = number.magnitude * 10 + digit;
    }
    if (is_number)
        take_number(decoder, number);
    else
        add_error(decoder, "wrong_type", "must be a whole number");
}

static void take_json_number(struct decoder *decoder, json_object *value)
{
    int64_t small = json_object_get_int64(value);
    struct number number = {.negative = small < 0, .magnitude = (uint64_t)small};
    if (number.negative)
        number.magnitude = -number.magnitude;
    else if (small == INT64_MAX) /* perhaps cut off there */
        number.magnitude = json_object_get_uint64(value);
    take_number(decoder, number);
}

static void take_bool(struct decoder *decoder, bool given)
{
    protobuf_c_boolean value = given;
    memcpy(field_at(decoder), &value, sizeof(value));
    mark_present(decoder);
}

static void take_bool_name(struct decoder *decoder, const char *text, size_t length)
{
    bool yes = length == 4 && memcmp(text, "true", 4) == 0;
    if (yes || (length == 5 && memcmp(text, "false", 5) == 0))
        take_bool(decoder, yes);
    else
        add_error(decoder, "wrong_type", "must be true or false");
}

static void take_json_bool(struct decoder *decoder, json_object *value)
{
    take_bool(decoder, json_object_get_boolean(value));
}

static void take_json_id(struct decoder *decoder, json_object *value)
{
    take_id(decoder, json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

static void take_json_cursor(struct decoder *decoder, json_object *value)
{
    take_cursor(decoder, json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

static void take_json_enum(struct decoder *decoder, json_object *value)
{
    take_enum(decoder, json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

static void take_json_string(struct decoder *decoder, json_object *value)
{
    take_string(decoder, json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

/* How a kind of field is given, by text (path, query) and by JSON. */
struct kind {
    void (*from_text)(struct decoder *decoder, const char *text, size_t length);
    enum json_type json_type;
    void (*from_json)(struct decoder *decoder, json_object *value); /* only for a value of json_type */
    const char *wanted;
};

static const struct kind kind_string = {take_string, json_type_string, take_json_string, "must be a string"};
static const struct kind kind_id = {take_id, json_type_string, take_json_id, "must be an id in a string"};
static const struct kind kind_cursor = {take_cursor, json_type_string, take_json_cursor, "must be a string"};
static const struct kind kind_enum = {take_enum, json_type_string, take_json_enum, "must be a string"};
static const struct kind kind_bool = {take_bool_name, json_type_boolean, take_json_bool,
                                      "must be true or false"};
static const struct kind kind_number = {take_digits, json_type_int, take_json_number,
                                        "must be a whole number"};

static const struct kind *const kinds[] = {
    [PROTOBUF_C_TYPE_INT32] = &kind_number,  [PROTOBUF_C_TYPE_SINT32] = &kind_number,
    [PROTOBUF_C_TYPE_INT64] = &kind_number,  [PROTOBUF_C_TYPE_SINT64] = &kind_number,
    [PROTOBUF_C_TYPE_UINT32] = &kind_number, [PROTOBUF_C_TYPE_UINT64] = &kind_number,
    [PROTOBUF_C_TYPE_BOOL] = &kind_bool,     [PROTOBUF_C_TYPE_ENUM] = &kind_enum,
    [PROTOBUF_C_TYPE_STRING] = &kind_string, [PROTOBUF_C_TYPE_BYTES] = &kind_cursor,
    [PROTOBUF_C_TYPE_MESSAGE] = NULL,
};

static const struct kind *kind_of(const struct decoder *decoder)
{
    /* Lists and messages inside a request: no command has one from outside; schema_test holds that. */
    ensure(decoder->field->label != PROTOBUF_C_LABEL_REPEATED);
    const struct kind *kind = decoder->rule->id != ID_NONE ? &kind_id : kinds[decoder->field->type];
    ensure(kind != NULL);
    return kind;
}

static bool text_counts_as_absent(const struct decoder *decoder, size_t length)
{
    return length == 0 && (decoder->rule->empty_is_absent || decoder->rule->cursor);
}

static const struct text_param *find_param(const struct decoder *decoder, bool from_path, size_t *count)
{
    const struct text_param *found = NULL;
    *count = 0;
    for (size_t i = 0; i < decoder->input->param_count; i++) {
        const struct text_param *param = &decoder->input->params[i];
        if (param->from_path == from_path && strcmp(param->name, decoder->rule->name) == 0) {
            found = param;
            ++*count;
        }
    }
    return found;
}

/* False: the field was not given. */
static bool decode_text(struct decoder *decoder, bool from_path)
{
    size_t count;
    const struct text_param *param = find_param(decoder, from_path, &count);
    if (param == NULL)
        return false;
    decoder->from_path = from_path;
    if (count > 1)
        add_error(decoder, "duplicate", "is there more than once");
    else if (!from_path && text_counts_as_absent(decoder, param->length))
        return false;
    else if (decoder->rule->refused)
        add_error(decoder, "not_supported", "this server does not do this yet");
    else
        kind_of(decoder)->from_text(decoder, param->value, param->length);
    return true;
}

static bool decode_json(struct decoder *decoder)
{
    json_object *value;
    if (!json_object_object_get_ex(decoder->body, decoder->rule->name, &value) || value == NULL)
        return false;
    bool is_text = json_object_is_type(value, json_type_string);
    if (is_text && text_counts_as_absent(decoder, (size_t)json_object_get_string_len(value)))
        return false;
    const struct kind *kind = kind_of(decoder);
    if (decoder->rule->refused)
        add_error(decoder, "not_supported", "this server does not do this yet");
    else if (!json_object_is_type(value, kind->json_type))
        add_error(decoder, "wrong_type", kind->wanted);
    else
        kind->from_json(decoder, value);
    return true;
}

static void take_actor(struct decoder *decoder)
{
    memcpy(field_at(decoder), &decoder->input->actor, sizeof(decoder->input->actor));
    mark_present(decoder);
}

static void decode_fields(struct decoder *decoder)
{
    const struct schema_message *schema = decoder->input->schema;
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++) {
        decoder->rule = &schema->fields[i];
        decoder->field = &schema->descriptor->fields[i];
        decoder->from_path = false;
        if (decoder->rule->internal)
            continue;
        bool given = decode_text(decoder, true);
        if (!given)
            given = decoder->body != NULL ? decode_json(decoder) : decode_text(decoder, false);
        if (!given && decoder->rule->actor && decoder->input->actor != 0)
            take_actor(decoder);
        else if (!given && decoder->rule->required)
            add_error(decoder, "required", "must be given");
    }
}

static enum status refuse_body(struct decoder *decoder, const char *field, const char *detail)
{
    decoder->errors->rows[0] = (struct field_error){.field = field, .code = "invalid_json", .detail = detail};
    decoder->errors->count = 1;
    return STATUS_INVALID_JSON;
}

static enum status parse_body(struct decoder *decoder)
{
    const struct decode_input *input = decoder->input;
    struct json_fault fault;
    if (input->body_length == 0)
        return refuse_body(decoder, NULL, "the body is empty");
    if (!json_scan(input->body, input->body_length, decoder->arena, &fault))
        return refuse_body(decoder, fault.field,
                           arena_printf(decoder->arena, "byte %zu: %s", fault.offset, fault.detail));
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
    ensure(tokener != NULL && input->body_length <= INT32_MAX);
    decoder->body = json_tokener_parse_ex(tokener, input->body, (int)input->body_length);
    const char *fault_text = json_tokener_error_desc(json_tokener_get_error(tokener));
    json_tokener_free(tokener);
    /* What passed the scan is one whole object, so this is not expected; a client must not find the
     * exception. */
    if (!json_object_is_type(decoder->body, json_type_object)) {
        json_object_put(decoder->body);
        return refuse_body(decoder, NULL, fault_text);
    }
    return STATUS_OK;
}

enum status json_decode(const struct decode_input *input, struct arena *arena, ProtobufCMessage **message,
                        struct field_errors *errors)
{
    const ProtobufCMessageDescriptor *descriptor = input->schema->descriptor;
    struct decoder decoder = {.input = input, .arena = arena, .errors = errors};
    errors->count = 0;
    *message = NULL;
    if (input->body != NULL) {
        enum status status = parse_body(&decoder);
        if (status != STATUS_OK)
            return status;
    }
    decoder.message = arena_alloc(arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, decoder.message);
    decode_fields(&decoder);
    json_object_put(decoder.body);
    if (input->check != NULL)
        input->check(decoder.message, errors);
    if (decoder.path_is_wrong)
        return STATUS_NOT_FOUND;
    if (errors->count > 0)
        return STATUS_INVALID_FIELDS;
    *message = decoder.message;
    return STATUS_OK;
}
