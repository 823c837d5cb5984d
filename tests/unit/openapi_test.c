/* The document that openapi_encode makes, against the tables that it is made from. Whether it is valid
 * OpenAPI, and whether the server keeps to it, is for tests/system/openapi. */
#include <criterion/criterion.h>

#include <json-c/json_object.h>
#include <json-c/json_tokener.h>
#include <json-c/linkhash.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "gateway/compose.h"
#include "gateway/json_decode.h"
#include "gateway/openapi.h"
#include "gateway/routes.h"
#include "proto/status.h"

static json_object *document;

static void make_document(void)
{
    struct text text = {0};
    openapi_encode(&text);
    text_append(&text, "", 1);
    enum json_tokener_error error;
    document = json_tokener_parse_verbose(text.bytes, &error);
    cr_assert_not_null(document, "%s", json_tokener_error_desc(error));
    text_dispose(&text);
}

static void free_document(void)
{
    json_object_put(document);
}

TestSuite(openapi, .init = make_document, .fini = free_document);

static json_object *at(json_object *object, const char *key)
{
    json_object *value = NULL;
    (void)json_object_object_get_ex(object, key, &value);
    return value;
}

/* "#/components/schemas/Post"; nothing in this document needs ~ escapes. */
static bool reference_leads_somewhere(const char *reference)
{
    char copy[256];
    json_object *node = document;
    cr_assert_eq(strncmp(reference, "#/", 2), 0, "%s", reference);
    snprintf(copy, sizeof(copy), "%s", reference + 2);
    char *rest;
    for (char *key = strtok_r(copy, "/", &rest); key != NULL && node != NULL;
         key = strtok_r(NULL, "/", &rest))
        node = at(node, key);
    return node != NULL;
}

/* Calls `check` for each object in the document. */
static unsigned each_object(json_object *node, void (*check)(json_object *object))
{
    unsigned count = 0;
    if (json_object_is_type(node, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(node); i++)
            count += each_object(json_object_array_get_idx(node, i), check);
    } else if (json_object_is_type(node, json_type_object)) {
        check(node);
        count = 1;
        json_object_object_foreach(node, key, value)
        {
            (void)key;
            count += each_object(value, check);
        }
    }
    return count;
}

static void check_reference(json_object *object)
{
    json_object *reference = at(object, "$ref");
    if (json_object_is_type(reference, json_type_string))
        cr_expect(reference_leads_somewhere(json_object_get_string(reference)), "%s leads nowhere",
                  json_object_get_string(reference));
}

Test(openapi, every_reference_leads_somewhere)
{
    cr_assert_gt(each_object(document, check_reference), 500);
}

static void check_required(json_object *object)
{
    json_object *required = at(object, "required"), *properties = at(object, "properties");
    if (!json_object_is_type(required, json_type_array) || properties == NULL)
        return;
    for (size_t i = 0; i < json_object_array_length(required); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(required, i));
        cr_expect_not_null(at(properties, name), "%s is required, but is no property", name);
    }
}

Test(openapi, what_is_required_is_described)
{
    (void)each_object(document, check_required);
}

/* "/a/:b/c" -> "/a/{b}/c" */
static const char *template_of(const char *path, char *out)
{
    char *end = out;
    for (; *path != '\0'; path++) {
        if (*path != ':') {
            *end++ = *path;
            continue;
        }
        size_t length = strcspn(path, "/");
        end += sprintf(end, "{%.*s}", (int)length - 1, path + 1);
        path += length - 1;
    }
    *end = '\0';
    return out;
}

static json_object *operation_of(const struct route *route)
{
    char path[256], method[8];
    size_t length = strlen(route->method);
    for (size_t i = 0; i <= length; i++)
        method[i] = (char)(route->method[i] | (i < length ? 0x20 : 0));
    json_object *operation = at(at(at(document, "paths"), template_of(route->path, path)), method);
    cr_assert_not_null(operation, "%s %s is not there", route->method, route->path);
    return operation;
}

Test(openapi, every_route_is_there_and_nothing_else)
{
    size_t operations = 0;
    json_object_object_foreach(at(document, "paths"), path, item)
    {
        (void)path;
        operations += (size_t)json_object_object_length(item);
    }
    cr_assert_eq(operations, route_count);
    for (size_t i = 0; i < route_count; i++) {
        json_object *operation = operation_of(&routes[i]);
        char success[8];
        snprintf(success, sizeof(success), "%u", routes[i].success);
        cr_expect_str_eq(json_object_get_string(at(operation, "summary")), routes[i].summary);
        cr_expect_not_null(at(at(operation, "responses"), success), "%s", routes[i].path);
        cr_expect_eq(at(operation, "requestBody") != NULL, strcmp(routes[i].method, "POST") == 0);
    }
}

Test(openapi, operation_ids_are_unique)
{
    for (size_t i = 0; i < route_count; i++) {
        const char *id = json_object_get_string(at(operation_of(&routes[i]), "operationId"));
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(id, json_object_get_string(at(operation_of(&routes[j]), "operationId")));
    }
}

static bool array_has(json_object *array, const char *text)
{
    for (size_t i = 0; i < json_object_array_length(array); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(array, i)), text) == 0)
            return true;
    return false;
}

Test(openapi, every_code_that_clients_can_see_is_listed)
{
    static const struct {
        unsigned http;
        const char *code;
    } rows[] = {
#define X(number, NAME, http, code, field, detail) {http, code},
        STATUS_TABLE(X)
#undef X
    };
    json_object *properties = at(at(at(at(document, "components"), "schemas"), "Problem"), "properties");
    json_object *codes = at(at(properties, "code"), "enum");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_expect_eq(array_has(codes, rows[i].code), rows[i].http >= 400, "%s", rows[i].code);
        char http[8];
        snprintf(http, sizeof(http), "%u", rows[i].http);
        if (rows[i].http >= 400)
            cr_expect_not_null(at(at(at(document, "components"), "responses"), http), "%s has no response",
                               http);
    }
}

Test(openapi, says_of_a_body_what_the_decoder_demands)
{
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].kind != ROUTE_COMMAND || strcmp(routes[i].method, "POST") != 0)
            continue;
        json_object *content = at(at(operation_of(&routes[i]), "requestBody"), "content");
        json_object *schema = at(at(content, "application/json"), "schema");
        /* The fields that `{}` lacks are those that the document says are required, and those in the path. */
        struct arena *arena = arena_new();
        struct field_errors errors;
        ProtobufCMessage *message;
        struct decode_input input = {
            .schema = schema_commands[routes[i].command].request, .body = "{}", .body_length = 2};
        enum status status = json_decode(&input, arena, &message, &errors);
        cr_assert_eq(status, errors.count > 0 ? STATUS_INVALID_FIELDS : STATUS_OK, "%s", routes[i].path);
        size_t in_body = 0;
        for (size_t e = 0; e < errors.count; e++) {
            char param[64];
            snprintf(param, sizeof(param), ":%s", errors.rows[e].field);
            cr_expect_str_eq(errors.rows[e].code, "required");
            if (strstr(routes[i].path, param) != NULL)
                continue;
            in_body++;
            cr_expect(array_has(at(schema, "required"), errors.rows[e].field), "%s: %s", routes[i].path,
                      errors.rows[e].field);
        }
        cr_expect_eq(in_body, json_object_array_length(at(schema, "required")), "%s", routes[i].path);
        arena_free(arena);
    }
}

/* json_decode and json_encode stop the process at a type that they do not know: no route may have one. */

static bool decodes(const ProtobufCFieldDescriptor *field)
{
    return field->label != PROTOBUF_C_LABEL_REPEATED && field->type != PROTOBUF_C_TYPE_MESSAGE &&
           field->type != PROTOBUF_C_TYPE_DOUBLE && field->type != PROTOBUF_C_TYPE_FLOAT;
}

static void expect_encodes(const struct schema_message *message, unsigned depth)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (message->fields[i].header != NULL || message->fields[i].internal)
            continue;
        cr_expect(field->type != PROTOBUF_C_TYPE_DOUBLE && field->type != PROTOBUF_C_TYPE_FLOAT, "%s.%s",
                  message->descriptor->short_name, field->name);
        if (message->fields[i].message != NULL && depth < 3)
            expect_encodes(message->fields[i].message, depth + 1);
    }
}

Test(openapi, every_route_has_types_that_json_can_carry)
{
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].kind != ROUTE_COMMAND)
            continue;
        const struct schema_message *request = schema_commands[routes[i].command].request;
        for (unsigned f = 0; f < request->descriptor->n_fields; f++)
            cr_expect(request->fields[f].internal || decodes(&request->descriptor->fields[f]), "%s.%s",
                      request->descriptor->short_name, request->fields[f].name);
        expect_encodes(compose_answer_schema(&routes[i]), 0);
    }
}
