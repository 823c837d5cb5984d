#include "tests/lib/check.h"

#include <json-c/json.h>
#include <string.h>

#include "tests/lib/keep.h"

static const char *is(const char *what, const struct reply *reply)
{
    return keep_format("%s: %s\n%s", what, http_describe(reply), reply->head ? reply->head : "");
}

const char *check_success(const struct reply *reply, unsigned status)
{
    if (reply->status != status)
        return is(keep_format("expected %u", status), reply);
    const char *type = http_header(reply, "Content-Type");
    if (!type || strcmp(type, "application/json") != 0)
        return is("Content-Type is not application/json", reply);
    if (!http_header(reply, "X-Request-Id"))
        return is("no X-Request-Id", reply);
    if (!reply->json)
        return is("the body is not JSON", reply);
    if (status == 201 && !http_header(reply, "Location"))
        return is("201 without Location", reply);
    return NULL;
}

static bool is_text(const struct reply *reply, const char *path)
{
    struct json_object *value;
    return json_find(reply->json, path, &value) && json_object_is_type(value, json_type_string) &&
           json_object_get_string_len(value) > 0;
}

const char *check_problem(const struct reply *reply, unsigned status, const char *code)
{
    if (reply->status != status)
        return is(keep_format("expected %u %s", status, code ? code : ""), reply);
    const char *type = http_header(reply, "Content-Type");
    if (!type || strcmp(type, "application/problem+json") != 0)
        return is("Content-Type is not application/problem+json", reply);
    if (!http_header(reply, "X-Request-Id"))
        return is("no X-Request-Id", reply);
    if (!is_text(reply, "type") || !is_text(reply, "title") || !is_text(reply, "detail") ||
        !is_text(reply, "code"))
        return is("type, title, detail or code is missing", reply);
    if (!json_has(reply, "status") || json_number(reply, "status") != status)
        return is("`status` is not the status", reply);
    if (code && strcmp(json_text(reply, "code"), code) != 0)
        return is(keep_format("expected code %s", code), reply);
    if (status == 405 && !http_header(reply, "Allow"))
        return is("405 without Allow", reply);
    if (status == 503 && !http_header(reply, "Retry-After"))
        return is("503 without Retry-After", reply);
    return NULL;
}

const char *check_field_error(const struct reply *reply, const char *field, const char *code)
{
    const char *wrong = check_problem(reply, 400, "invalid_fields");
    if (wrong)
        return wrong;
    if (!json_has(reply, "errors"))
        return is("no errors", reply);
    for (size_t i = 0; i < json_count(reply, "errors"); i++) {
        const char *at = keep_format("errors.%zu", i);
        if (!is_text(reply, keep_format("%s.field", at)) || !is_text(reply, keep_format("%s.code", at)) ||
            !is_text(reply, keep_format("%s.detail", at)))
            return is("an entry of errors without field, code or detail", reply);
        if (strcmp(json_text(reply, keep_format("%s.field", at)), field) == 0 &&
            (!code || strcmp(json_text(reply, keep_format("%s.code", at)), code) == 0))
            return NULL;
    }
    return is(keep_format("errors does not say %s: %s", field, code ? code : "(anything)"), reply);
}
