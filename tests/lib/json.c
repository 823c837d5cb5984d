#include "tests/lib/json.h"
#include "tests/lib/require.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"

bool json_find(struct json_object *json, const char *path, struct json_object **value)
{
    while (*path) {
        size_t length = strcspn(path, ".");
        char *step = keep_copy(path, length);
        if (json_object_is_type(json, json_type_array)) {
            char *end;
            unsigned long index = strtoul(step, &end, 10);
            if (end == step || *end || index >= json_object_array_length(json))
                return false;
            json = json_object_array_get_idx(json, index);
        } else if (!json_object_is_type(json, json_type_object) ||
                   !json_object_object_get_ex(json, step, &json)) {
            return false;
        }
        path += length + (path[length] == '.');
    }
    *value = json;
    return true;
}

bool json_has(const struct reply *reply, const char *path)
{
    struct json_object *value;
    return json_find(reply->json, path, &value);
}

static struct json_object *get(const struct reply *reply, const char *path, enum json_type type)
{
    struct json_object *value = NULL;
    REQUIRE(json_find(reply->json, path, &value), "no \"%s\" in: %s", path, http_describe(reply));
    REQUIRE(json_object_is_type(value, type), "\"%s\" is not of type %s in: %s", path,
            json_type_to_name(type), http_describe(reply));
    return value;
}

const char *json_text(const struct reply *reply, const char *path)
{
    return json_object_get_string(get(reply, path, json_type_string));
}

int64_t json_number(const struct reply *reply, const char *path)
{
    return json_object_get_int64(get(reply, path, json_type_int));
}

bool json_flag(const struct reply *reply, const char *path)
{
    return json_object_get_boolean(get(reply, path, json_type_boolean));
}

bool json_is_null(const struct reply *reply, const char *path)
{
    struct json_object *value = NULL;
    REQUIRE(json_find(reply->json, path, &value), "no \"%s\" in: %s", path, http_describe(reply));
    return value == NULL;
}

size_t json_count(const struct reply *reply, const char *path)
{
    return json_object_array_length(get(reply, path, json_type_array));
}

char *json_body(const char *format, ...)
{
    char *quoted = keep_copy(format, strlen(format));
    for (char *at = quoted; *at; at++)
        if (*at == '\'')
            *at = '"';
    va_list args;
    va_start(args, format);
    char *text = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (vasprintf(&text, quoted, args) < 0)
        abort();
#pragma GCC diagnostic pop
    va_end(args);
    char *body = keep_copy(text, strlen(text));
    free(text);
    return body;
}

const char *json_quote(const char *text)
{
    struct json_object *string = json_object_new_string(text);
    char *quoted = keep_format("%s", json_object_to_json_string_ext(
                                         string, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(string);
    return quoted;
}
