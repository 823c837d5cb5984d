#include "gateway/head_fields.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "common/limits.h"
#include "gateway/head_chars.h"

#define PORT_MAX 65535

static const struct {
    const char *name;
    bool may_have_body;   /* evhttp reads none for the others: it would become the next request */
    bool may_be_asterisk; /* the target */
} methods[] = {
    {"GET", false, false},  {"HEAD", false, false},  {"POST", true, false},   {"PUT", true, false},
    {"PATCH", true, false}, {"DELETE", true, false}, {"OPTIONS", true, true}, {"TRACE", false, false},
};

bool head_method_find(const char *name, size_t length, struct head_facts *facts)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (strlen(methods[i].name) == length && memcmp(methods[i].name, name, length) == 0) {
            facts->may_have_body = methods[i].may_have_body;
            facts->may_be_asterisk = methods[i].may_be_asterisk;
            return true;
        }
    }
    return false;
}

static bool refuse(struct head_refusal *refusal, enum status status, const char *detail)
{
    *refusal = (struct head_refusal){.status = status, .detail = detail};
    return false;
}

static bool is_port(const char *text, size_t length)
{
    unsigned port = 0;
    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!head_char_is((unsigned char)text[i], CHAR_DIGIT))
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
        if (port > PORT_MAX)
            return false;
    }
    return true;
}

static bool is_ipv6(const char *text, size_t length)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (length >= sizeof(copy) || memchr(text, '\0', length) != NULL)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

bool head_host_is_valid(const char *host, size_t length)
{
    size_t name = 0;
    if (length > 0 && host[0] == '[') {
        const char *end = memchr(host, ']', length);
        if (end == NULL || !is_ipv6(host + 1, (size_t)(end - host - 1)))
            return false;
        name = (size_t)(end - host) + 1;
    } else {
        while (name < length && head_char_is((unsigned char)host[name], CHAR_HOST))
            name++;
    }
    if (name == 0)
        return false;
    return name == length || (host[name] == ':' && is_port(host + name + 1, length - name - 1));
}

static bool take_host(struct head_facts *facts, const char *value, size_t length,
                      struct head_refusal *refusal)
{
    (void)facts;
    return head_host_is_valid(value, length) ||
           refuse(refusal, STATUS_BAD_REQUEST, "Host is not a valid host");
}

/* Leading zeros are in the grammar, but some read them as octal: nobody who means well sends them. */
static bool take_content_length(struct head_facts *facts, const char *value, size_t length,
                                struct head_refusal *refusal)
{
    if (length == 0 || (length > 1 && value[0] == '0'))
        return refuse(refusal, STATUS_BAD_REQUEST, "Content-Length is not a plain decimal number");
    uint64_t bytes = 0;
    for (size_t i = 0; i < length; i++) {
        if (!head_char_is((unsigned char)value[i], CHAR_DIGIT))
            return refuse(refusal, STATUS_BAD_REQUEST, "Content-Length is not a plain decimal number");
        if (bytes <= LIMIT_BODY_BYTES)
            bytes = bytes * 10 + (uint64_t)(value[i] - '0');
    }
    if (bytes > LIMIT_BODY_BYTES)
        return refuse(refusal, STATUS_BODY_TOO_LARGE, NULL);
    facts->content_length = bytes;
    return true;
}

static bool equals_ignoring_case(const char *value, size_t length, const char *word)
{
    return length == strlen(word) && strncasecmp(value, word, length) == 0;
}

/*
 * Only "chunked" is implemented. A list of codings that ends with one "chunked" could be framed, but not be
 * decoded: 501. With anything else nobody can tell where the body ends: 400 (RFC 9112, 6.3).
 */
static bool take_transfer_encoding(struct head_facts *facts, const char *value, size_t length,
                                   struct head_refusal *refusal)
{
    (void)facts;
    unsigned codings = 0, chunked = 0;
    bool last_is_chunked = false;
    const char *end = value + length;
    for (const char *at = value;; at++) {
        while (at < end && *at == ' ')
            at++;
        const char *word = at;
        while (at < end && head_char_is((unsigned char)*at, CHAR_TOKEN))
            at++;
        last_is_chunked = equals_ignoring_case(word, (size_t)(at - word), "chunked");
        chunked += last_is_chunked;
        codings++;
        bool empty = at == word;
        while (at < end && *at == ' ')
            at++;
        if (empty || (at < end && *at != ','))
            return refuse(refusal, STATUS_BAD_REQUEST, "Transfer-Encoding is not a list of codings");
        if (at == end)
            break;
    }
    if (!last_is_chunked || chunked > 1)
        return refuse(refusal, STATUS_BAD_REQUEST, "Transfer-Encoding must end with chunked, once");
    return codings == 1 ||
           refuse(refusal, STATUS_NOT_IMPLEMENTED, "no Transfer-Encoding but chunked is implemented");
}

static bool take_expect(struct head_facts *facts, const char *value, size_t length,
                        struct head_refusal *refusal)
{
    (void)facts;
    return equals_ignoring_case(value, length, "100-continue") ||
           refuse(refusal, STATUS_EXPECTATION_FAILED, NULL);
}

/* Fields that may stand in a head once at most: two readers might each believe another one. */
static const struct {
    const char *name;
    const char *twice;
    bool (*take)(struct head_facts *facts, const char *value, size_t length, struct head_refusal *refusal);
} fields[HEAD_FIELD_COUNT] = {
    [HEAD_FIELD_HOST] = {"host", "Host is there twice", take_host},
    [HEAD_FIELD_CONTENT_LENGTH] = {"content-length", "Content-Length is there twice", take_content_length},
    [HEAD_FIELD_TRANSFER_ENCODING] = {"transfer-encoding", "Transfer-Encoding is there twice",
                                      take_transfer_encoding},
    [HEAD_FIELD_EXPECT] = {"expect", "Expect is there twice", take_expect},
    [HEAD_FIELD_AUTHORIZATION] = {"authorization", "Authorization is there twice", NULL},
    [HEAD_FIELD_CONTENT_TYPE] = {"content-type", "Content-Type is there twice", NULL},
    [HEAD_FIELD_IDEMPOTENCY_KEY] = {"idempotency-key", "Idempotency-Key is there twice", NULL},
};

enum head_field head_field_find(const char *name, size_t length)
{
    for (size_t i = 0; i < HEAD_FIELD_COUNT; i++)
        if (strlen(fields[i].name) == length && memcmp(fields[i].name, name, length) == 0)
            return (enum head_field)i;
    return HEAD_FIELD_OTHER;
}

bool head_field_has_rule(enum head_field field)
{
    return field != HEAD_FIELD_OTHER && fields[field].take != NULL;
}

bool head_field_frames(enum head_field field)
{
    return field == HEAD_FIELD_CONTENT_LENGTH || field == HEAD_FIELD_TRANSFER_ENCODING;
}

bool head_field_take(struct head_facts *facts, enum head_field field, const char *value, size_t length,
                     struct head_refusal *refusal)
{
    if (field == HEAD_FIELD_OTHER)
        return true;
    if (facts->seen[field])
        return refuse(refusal, STATUS_BAD_REQUEST, fields[field].twice);
    facts->seen[field] = true;
    return fields[field].take == NULL || fields[field].take(facts, value, length, refusal);
}

bool head_facts_check(const struct head_facts *facts, struct head_refusal *refusal)
{
    bool chunked = facts->seen[HEAD_FIELD_TRANSFER_ENCODING];
    if (!facts->http_1_0 && !facts->seen[HEAD_FIELD_HOST])
        return refuse(refusal, STATUS_BAD_REQUEST, "HTTP/1.1 needs a Host");
    if (chunked && facts->seen[HEAD_FIELD_CONTENT_LENGTH])
        return refuse(refusal, STATUS_BAD_REQUEST, "Transfer-Encoding and Content-Length exclude each other");
    if (chunked && facts->http_1_0)
        return refuse(refusal, STATUS_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
    if (!facts->may_have_body && (chunked || facts->content_length > 0))
        return refuse(refusal, STATUS_BAD_REQUEST, "this method takes no body");
    return true;
}
