#include "gateway/shed.h"

#include <string.h>
#include <strings.h>

#include "common/attributes.h"

/* One who asks how the server is must be told, most of all when it has too much to do. */
static const char *const never_refused[] = {"/health", "/ready", "/metrics"};

struct text_range {
    const char *at;
    size_t length;
};

static bool range_is(struct text_range range, const char *text)
{
    return range.length == strlen(text) && strncasecmp(range.at, text, range.length) == 0;
}

/* "METHOD TARGET HTTP/1.1"; the head checker saw to the two spaces. */
static bool line_is_plain(struct text_range line)
{
    static const char version[] = " HTTP/1.1";
    const size_t tail = sizeof(version) - 1;
    struct text_range path = {.at = memchr(line.at, ' ', line.length)};
    if (path.at == NULL || line.length < tail || memcmp(line.at + line.length - tail, version, tail) != 0)
        return false;
    if (memcmp(line.at, "GET ", 4) != 0 && memcmp(line.at, "POST ", 5) != 0)
        return false;
    path.at++;
    if (*path.at != '/')
        return false; /* an absolute form is rare */
    path.length = (size_t)(line.at + line.length - tail - path.at);
    const char *query = memchr(path.at, '?', path.length);
    if (query != NULL)
        path.length = (size_t)(query - path.at);
    for (size_t i = 0; i < ARRAY_LEN(never_refused); i++)
        if (range_is(path, never_refused[i]))
            return false;
    return true;
}

static struct text_range value_of(struct text_range line, const char *colon)
{
    const char *end = line.at + line.length, *at = colon + 1;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct text_range){.at = at, .length = (size_t)(end - at)};
}

/* False: with this field the request is not plain. */
static bool take_field(struct shed_request *request, struct text_range line, bool cors)
{
    const char *colon = memchr(line.at, ':', line.length);
    if (colon == NULL)
        return false;
    struct text_range name = {.at = line.at, .length = (size_t)(colon - line.at)};
    struct text_range value = value_of(line, colon);
    if (range_is(name, "Connection"))
        return range_is(value, "keep-alive");
    if (range_is(name, "Origin"))
        return !cors;
    if (range_is(name, "X-Request-Id")) {
        request->id = value.at;
        request->id_length = value.length;
    }
    return true;
}

/* The line at *at, without its CR LF; moves *at behind it. False: there is no whole line. */
static bool next_line(const char **at, const char *end, struct text_range *line)
{
    const char *lf = memchr(*at, '\n', (size_t)(end - *at));
    if (lf == NULL || lf == *at)
        return false;
    *line = (struct text_range){.at = *at, .length = (size_t)(lf - 1 - *at)};
    *at = lf + 1;
    return true;
}

struct shed_request shed_request_read(const char *bytes, size_t length, bool cors)
{
    struct shed_request request = {.plain = false}, none = {.plain = false};
    const char *at = bytes, *end = bytes + length;
    struct text_range line;
    if (!next_line(&at, end, &line) || !line_is_plain(line))
        return none;
    while (next_line(&at, end, &line)) {
        if (line.length == 0) {
            request.plain = true;
            return request;
        }
        if (!take_field(&request, line, cors))
            return none;
    }
    return none;
}

/* By hand, as it is what most of a flood's answers cost beside the system calls. */
static size_t put(char *out, size_t max, size_t at, const char *bytes, size_t length)
{
    if (at + length <= max)
        memcpy(out + at, bytes, length);
    return at + length;
}

static size_t put_text(char *out, size_t max, size_t at, const char *text)
{
    return put(out, max, at, text, strlen(text));
}

size_t shed_answer_write(const struct shed_answer *answer, char *out, size_t max)
{
    size_t at = put_text(out, max, 0, "HTTP/1.1 503 Service Unavailable\r\nDate: ");
    at = put_text(out, max, at, answer->date);
    at = put_text(out, max, at, "\r\nX-Request-Id: ");
    at = put_text(out, max, at, answer->id);
    at = put_text(out, max, at, answer->fields);
    at = put(out, max, at, answer->body, answer->body_length);
    return at <= max ? at : 0;
}
