#include "gateway/problem.h"

#include <string.h>

#include "common/attributes.h"

static const struct {
    unsigned http;
    const char *title;
} titles[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"}, /* RFC 6585 */
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

const char *problem_title(unsigned http)
{
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        if (titles[i].http == http)
            return titles[i].title;
    return "Unknown";
}

static void append_member(struct text *out, const char *name, const char *value)
{
    text_append_string(out, name);
    text_append_json(out, value, strlen(value));
}

static void append_errors(struct text *out, const struct field_error *rows, size_t count)
{
    text_append_string(out, ",\"errors\":[");
    for (size_t i = 0; i < count; i++) {
        append_member(out, i > 0 ? ",{\"field\":" : "{\"field\":", rows[i].field);
        append_member(out, ",\"code\":", rows[i].code);
        append_member(out, ",\"detail\":", rows[i].detail);
        text_append_string(out, "}");
    }
    text_append_string(out, "]");
}

void problem_encode(struct text *out, enum status status, const char *detail,
                    const struct field_errors *errors)
{
    const struct status_row *row = status_row(status);
    const struct field_error own = {.field = row->field, .code = row->code, .detail = row->detail};
    const struct field_error *rows = errors != NULL && errors->count > 0 ? errors->rows : &own;
    size_t count = errors != NULL && errors->count > 0 ? errors->count : 1;
    if (detail == NULL) /* of one fault: what it is; of fields: that each is named below */
        detail = status == STATUS_INVALID_FIELDS ? row->detail : rows[0].detail;
    text_append_string(out, "{\"type\":\"/problems/");
    text_append_string(out, row->code);
    append_member(out, "\",\"title\":", problem_title(row->http));
    text_append_string(out, ",\"status\":");
    text_append_u64(out, row->http);
    append_member(out, ",\"detail\":", detail);
    append_member(out, ",\"code\":", row->code);
    if (rows[0].field != NULL)
        append_errors(out, rows, count);
    text_append_string(out, "}");
}
