#include "tests/lib/raw.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/lib/http.h"
#include "tests/lib/keep.h"

#define DESCRIBE_MAX 400
#define MARKER_ID    "the-marker"
#define ANSWERS_MAX  64

#define MARKER " /health HTTP/1.1\r\nHost: marker\r\nX-Request-Id: " MARKER_ID "\r\nConnection: close\r\n\r\n"

const char *raw_describe(const char *bytes, size_t length)
{
    const char *text = "";
    for (size_t i = 0; i < length && i < DESCRIBE_MAX; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\r')
            text = keep_format("%s\\r", text);
        else if (c == '\n')
            text = keep_format("%s\\n\n", text);
        else
            text = keep_format(c >= ' ' && c < 0x7f ? "%s%c" : "%s\\x%02x", text, c);
    }
    return length > DESCRIBE_MAX ? keep_format("%s... (%zu bytes)", text, length) : text;
}

/* A server that refuses early closes before all is written: its answer counts. */
static void write_all(struct connection *connection, const struct raw *raw)
{
    size_t first = raw->split > 0 ? raw->split : raw->length;
    for (size_t at = 0; at < raw->length;) {
        size_t piece = raw->by_byte ? 1 : at == 0 ? first : raw->length - at;
        if (raw->pause_ms > 0)
            (void)poll(NULL, 0, (int)raw->pause_ms);
        if (!http_write(connection, raw->bytes + at, piece))
            return;
        at += piece;
    }
    const char *marker = raw->head ? "HEAD" MARKER : "GET" MARKER;
    if (http_write(connection, marker, strlen(marker)))
        http_end_writing(connection);
}

static const char *word_of(const struct reply *reply, bool head)
{
    const char *type = http_header(reply, "Content-Type"), *id = http_header(reply, "X-Request-Id");
    if (strstr(reply->body, "<html") || strstr(reply->body, "<HTML"))
        return "html";
    if (!head && reply->length > 0 && (!type || !strstr(type, "json") || !reply->json))
        return "not-json";
    if (reply->status >= 400 && (!type || strcmp(type, "application/problem+json") != 0))
        return "no-problem";
    if (id && strcmp(id, MARKER_ID) == 0)
        return "marker";
    return keep_format("%u", reply->status);
}

const char *raw_answers(unsigned port, const struct raw *raw)
{
    struct connection *connection = http_open(port);
    const char *words = "";
    write_all(connection, raw);
    for (unsigned count = 0; count < ANSWERS_MAX; count++) {
        struct reply *reply = http_read(connection, raw->head);
        if (reply->status == 0)
            break;
        const char *word = word_of(reply, raw->head);
        words = keep_format("%s%s%s", words, *words ? " " : "", word);
        if (strcmp(word, "marker") == 0 || reply->closed)
            break;
    }
    bool closed = http_closed(connection, HTTP_TIMEOUT_MS);
    http_close(connection);
    if (!closed)
        return keep_format("%s open", words);
    size_t length = strlen(words), end = strlen("marker");
    bool marked = length >= end && strcmp(words + length - end, "marker") == 0;
    return marked ? words : keep_format("%s%sclosed", words, *words ? " " : "");
}
