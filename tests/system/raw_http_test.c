/* HTTP byte by byte against a whole server: every rule that evhttp alone does not keep (RFC 9110, RFC 9112).
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/attributes.h"
#include "common/limits.h"
#include "tests/lib/check.h"
#include "tests/lib/events.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/raw.h"
#include "tests/lib/require.h"

static struct forum *forum;
static const char *events_before;

static void attach(void)
{
    forum = forum_attach();
}

static void note_events(void)
{
    attach();
    events_before = events_counted(forum);
}

/* Every refused request would have registered this user, had a handler seen it. */
static void expect_no_change(void)
{
    cr_expect_str_eq(events_counted(forum), events_before);
    struct reply *reply = forum_get(forum, "/api/auth/user/smuggled");
    cr_expect_eq(reply->status, 404, "%s", http_describe(reply));
}

TestSuite(refused, .init = note_events, .fini = expect_no_change);
TestSuite(taken, .init = attach);
TestSuite(split, .init = attach);

#define HOST      "Host: x\r\n"
#define GET       "GET /health HTTP/1.1\r\n" HOST
#define JSON      "Content-Type: application/json\r\n"
#define REGISTER  "POST /api/auth/register HTTP/1.1\r\n" HOST JSON
#define BODY      "{\"username\":\"smuggled\"}" /* 23 bytes */
#define LENGTH    "Content-Length: 23\r\n"
#define HIDDEN    REGISTER LENGTH "\r\n" BODY
#define CHUNKED   "Transfer-Encoding: chunked\r\n"
#define CHUNK     "17\r\n" BODY "\r\n"
#define LAST      "0\r\n\r\n"
#define VOTE      "{\"user_id\":\"user_1\",\"vote_type\":\"upvote\"}" /* 41 bytes */
#define POST_VOTE "POST /api/posts/post_1/vote HTTP/1.1\r\n" HOST JSON

struct row {
    const char *bytes;
    size_t length;
    const char *answers; /* as raw_answers puts it */
    bool head;
};

#define ROW(TEXT, ANSWERS)                                                                                   \
    {                                                                                                        \
        .bytes = TEXT, .length = sizeof(TEXT) - 1, .answers = ANSWERS                                        \
    }
#define HEAD_ROW(TEXT, ANSWERS)                                                                              \
    {                                                                                                        \
        .bytes = TEXT, .length = sizeof(TEXT) - 1, .answers = ANSWERS, .head = true                          \
    }
#define REFUSED(TEXT) ROW(TEXT, "400 closed")

static void expect_row(const struct row *row)
{
    const struct raw raw = {.bytes = row->bytes, .length = row->length, .head = row->head};
    const char *answers = raw_answers(forum_port(forum), &raw);
    cr_expect_str_eq(answers, row->answers, "\"%s\" instead of \"%s\":\n%s", answers, row->answers,
                     raw_describe(row->bytes, row->length));
}

static void expect_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_row(&rows[i]);
}

Test(refused, request_lines)
{
    static const struct row rows[] = {
        REFUSED("POST /api/auth/register\r\n" HOST JSON LENGTH "\r\n" BODY), /* HTTP/0.9 has no version */
        REFUSED("GET /health\r\n"),
        REFUSED("GET /health\r\n\r\n"),
        REFUSED("GET /health \r\n\r\n"),
        REFUSED("GET HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("POST  /api/auth/register HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST /api/auth/register  HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST\t/api/auth/register\tHTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST /api/auth/register HTTP/1.1 \r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED(" POST /api/auth/register HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST /api/auth/register HTTP/4294967297.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST /api/auth/register HTTP/1.4294967297\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST /api/auth/register HTTP/01.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST /api/auth/register HTTP/1.10\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST /api/auth/register HTTP/1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST /api/auth/register http/1.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("POST /api/auth/register HTTPS/1.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        ROW("POST /api/auth/register HTTP/0.9\r\n" HOST JSON LENGTH "\r\n" BODY, "505 closed"),
        ROW("POST /api/auth/register HTTP/1.2\r\n" HOST JSON LENGTH "\r\n" BODY, "505 closed"),
        ROW("POST /api/auth/register HTTP/2.0\r\n" HOST JSON LENGTH "\r\n" BODY, "505 closed"),
        ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "501 closed"),
        REFUSED("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS */
        REFUSED("\n\n" GET "\r\n"),
        REFUSED("\r\n\r\n\r\n" GET "\r\n"),
        REFUSED("\r\r\n" GET "\r\n"),
        REFUSED("\0"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(refused, methods_that_are_unknown_with_json_not_html)
{
    static const struct row rows[] = {
        ROW("BREW /api/auth/register HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY, "501 closed"),
        ROW("post /api/auth/register HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY, "501 closed"),
        ROW("POSTS /api/auth/register HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY, "501 closed"),
        ROW("PROPFIND / HTTP/1.1\r\n" HOST "\r\n", "501 closed"),
        ROW("ANAMETHATISMUCHLONGERTHANANY / HTTP/1.1\r\n" HOST "\r\n", "501 closed"),
        ROW("CONNECT example.org:443 HTTP/1.1\r\n" HOST "\r\n", "501 closed"),
        REFUSED("PO\0T /api/auth/register HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("P@ST /api/auth/register HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        ROW("TRACE /health HTTP/1.1\r\n" HOST "\r\n", "405 marker"),
        ROW("DELETE /api/auth/register HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY, "405 marker"),
        ROW("PUT /api/auth/register HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY, "405 marker"),
        ROW("PATCH /api/auth/register HTTP/1.1\r\n" HOST JSON CHUNKED "\r\n" CHUNK LAST, "405 marker"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(refused, targets)
{
    static const struct row rows[] = {
        REFUSED("GET /api/auth/user/ann%00 HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET /api/subreddits?sort=%00new HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET /health%0 HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET /health%zz HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET /health\0 HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET /hea lth HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET /health#x HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET /health\\ HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET health HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET //x/health HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET * HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET x:80 HTTP/1.1\r\n" HOST "\r\n"), /* an authority is for CONNECT alone */
        REFUSED("POST x:80 HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY),
        REFUSED("GET ftp://x/health HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET http:///health HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET http://u:p@x/health HTTP/1.1\r\n" HOST "\r\n"),
        REFUSED("GET http://x:99999/health HTTP/1.1\r\n" HOST "\r\n"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(refused, line_ends)
{
    static const struct row rows[] = {
        REFUSED("GET /health HTTP/1.1\nHost: x\n\n"),
        REFUSED("GET /health HTTP/1.1\n" HOST "\r\n"),
        REFUSED("GET /health HTTP/1.1\r\nHost: x\n\r\n"),
        REFUSED(GET "\n"),
        REFUSED("GET /health HTTP/1.1\r" HOST "\r\n"),
        REFUSED("GET /health HTTP/1.1\r\nHost: x\rX: y\r\n\r\n"),
        REFUSED(GET "\rX: y\r\n\r\n"),
        REFUSED(GET "X: y\r\r\n\r\n"),
        REFUSED(REGISTER LENGTH "X: a\n\r\n" BODY),
        REFUSED(REGISTER "X: a\n" LENGTH "\r\n" BODY),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(refused, fields)
{
    static const struct row rows[] = {
        REFUSED(REGISTER "Content-Length : 3\r\n\r\nabc" HIDDEN),
        REFUSED(REGISTER "Content-Length\t: 3\r\n\r\nabc" HIDDEN),
        REFUSED(REGISTER " Content-Length: 3\r\n\r\nabc" HIDDEN),
        REFUSED(REGISTER LENGTH "X : y\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X: a\r\n b\r\n\r\n" BODY), /* obs-fold */
        REFUSED(REGISTER LENGTH "X: a\r\n\tb\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X:\r\n a\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X: a\0b\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X: \x01\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X: \x7f\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH ": y\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X Y: z\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X[]: z\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X(Y): z\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X\0: z\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "X\xc3\xa9: z\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH JSON "\r\n" BODY),
        REFUSED(REGISTER LENGTH "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n" BODY),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

#define WITH_HOSTS(LINES) "POST /api/auth/register HTTP/1.1\r\n" LINES JSON LENGTH "\r\n" BODY

Test(refused, hosts_that_are_missing_doubled_or_none)
{
    static const struct row rows[] = {
        REFUSED(WITH_HOSTS("")),
        REFUSED(WITH_HOSTS(HOST HOST)),
        REFUSED(WITH_HOSTS(HOST "host: y\r\n")),
        REFUSED(WITH_HOSTS("Host:\r\n")),
        REFUSED(WITH_HOSTS("Host: a b\r\n")),
        REFUSED(WITH_HOSTS("Host: a,b\r\n")),
        REFUSED(WITH_HOSTS("Host: a/b\r\n")),
        REFUSED(WITH_HOSTS("Host: u@a\r\n")),
        REFUSED(WITH_HOSTS("Host: a:b\r\n")),
        REFUSED(WITH_HOSTS("Host: a:65536\r\n")),
        REFUSED(WITH_HOSTS("Host: [::1\r\n")),
        REFUSED(WITH_HOSTS("Host: http://a\r\n")),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(refused, lengths_that_are_not_one_plain_number)
{
    static const struct row rows[] = {
        REFUSED(REGISTER "Content-Length: +23\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: -23\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: 0x17\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: 023\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: 23.0\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: 2 3\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: 23,\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: 23, 23\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: 23\0\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length:\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: \r\n\r\n" BODY),
        REFUSED(REGISTER LENGTH "Content-Length: 24\r\n\r\n" BODY),
        REFUSED(REGISTER "Content-Length: 0\r\n" LENGTH "\r\n" BODY),
        REFUSED(REGISTER LENGTH LENGTH "\r\n" BODY),
        ROW(REGISTER "Content-Length: 18446744073709551639\r\n\r\n" BODY, "413 closed"), /* 2^64 + 23 */
        ROW(REGISTER "Content-Length: 4294967319\r\n\r\n" BODY, "413 closed"),           /* 2^32 + 23 */
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(refused, transfer_codings)
{
    static const struct row rows[] = {
        REFUSED(REGISTER LENGTH CHUNKED "\r\n" LAST BODY),
        REFUSED(REGISTER CHUNKED LENGTH "\r\n" CHUNK LAST),
        REFUSED(REGISTER "Transfer-Encoding: gzip\r\n\r\n" CHUNK LAST),
        REFUSED(REGISTER "TE: gzip\r\n" CHUNKED LENGTH "\r\n" CHUNK LAST),
        REFUSED(REGISTER "Transfer-Encoding: chunked, chunked\r\n\r\n" CHUNK LAST),
        REFUSED(REGISTER "Transfer-Encoding: xchunked\r\n\r\n" CHUNK LAST),
        REFUSED(REGISTER "Transfer-Encoding: chunked, identity\r\n\r\n" CHUNK LAST),
        REFUSED(REGISTER "Transfer-Encoding: identity\r\n" LENGTH "\r\n" BODY),
        REFUSED(REGISTER "Transfer-Encoding:\tchunked\r\n\r\n" CHUNK LAST),
        REFUSED(REGISTER "Transfer-Encoding: \x0b"
                         "chunked\r\n\r\n" CHUNK LAST),
        REFUSED(REGISTER "Transfer-Encoding : chunked\r\n\r\n" CHUNK LAST),
        REFUSED(REGISTER CHUNKED CHUNKED "\r\n" CHUNK LAST),
        ROW(REGISTER "Transfer-Encoding: gzip, chunked\r\n\r\n" CHUNK LAST, "501 closed"),
        REFUSED("POST /api/auth/register HTTP/1.0\r\n" HOST JSON CHUNKED "\r\n" CHUNK LAST),
        ROW(REGISTER LENGTH "Content-Encoding: gzip\r\n\r\n" BODY, "415 marker"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(refused, chunks)
{
    static const struct row rows[] = {
        REFUSED(REGISTER CHUNKED "\r\n0x17\r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n+17\r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n-17\r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n 17\r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n17 \r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n17\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n17\r" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n17\r\n" BODY "\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n17\r\n" BODY LAST),
        REFUSED(REGISTER CHUNKED "\r\n16\r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n\r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n17;\r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n17;a=\x01\r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n17;a=\"b\r\n" BODY "\r\n" LAST),
        REFUSED(REGISTER CHUNKED "\r\n" CHUNK "0\r\nX : y\r\n\r\n"),
        REFUSED(REGISTER CHUNKED "\r\n" CHUNK "0\r\nX: a\r\n b\r\n\r\n"),
        REFUSED(REGISTER CHUNKED "\r\n" CHUNK "0\r\nContent-Length: 0\r\n\r\n"),
        REFUSED(REGISTER CHUNKED "\r\n" CHUNK "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        REFUSED(REGISTER CHUNKED "\r\n" CHUNK "0\r\nX: y\n\r\n"),
        REFUSED(REGISTER CHUNKED "\r\n" CHUNK "0\r\n"), /* the marker's line is a trailer without a colon */
        ROW(REGISTER CHUNKED "\r\nffffffffffffffff\r\n" BODY "\r\n" LAST, "413 closed"),
        ROW(REGISTER CHUNKED "\r\n10000000000000017\r\n" BODY "\r\n" LAST, "413 closed"), /* 2^64 + 23 */
        REFUSED(REGISTER CHUNKED "\r\n00000000000000017\r\n" BODY "\r\n" LAST),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(refused, bodies_where_there_is_none)
{
    static const struct row rows[] = {
        REFUSED("GET /health HTTP/1.1\r\n" HOST LENGTH "\r\n" BODY),
        REFUSED("GET /health HTTP/1.1\r\n" HOST CHUNKED "\r\n" CHUNK LAST),
        REFUSED("TRACE /health HTTP/1.1\r\n" HOST LENGTH "\r\n" BODY),
        REFUSED("TRACE /health HTTP/1.1\r\n" HOST CHUNKED "\r\n" CHUNK LAST),
        REFUSED("HEAD /health HTTP/1.1\r\n" HOST LENGTH "\r\n" BODY),
        REFUSED("HEAD /health HTTP/1.1\r\n" HOST CHUNKED "\r\n" CHUNK LAST),
        ROW(GET "\r\n" BODY, "200 400 closed"), /* no length: it is the next request, and none */
        ROW(GET "Content-Length: 0\r\n\r\n" BODY, "200 400 closed"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(refused, what_is_unfit_for_the_route_without_harm_to_the_connection)
{
    static const struct row rows[] = {
        ROW(REGISTER "\r\n", "411 marker"),
        ROW(REGISTER "Content-Length: 0\r\n\r\n", "400 marker"),
        ROW("POST /api/auth/register HTTP/1.1\r\n" HOST LENGTH "\r\n" BODY, "415 marker"),
        ROW("POST /api/auth/register HTTP/1.1\r\n" HOST LENGTH "Content-Type: text/plain\r\n\r\n" BODY,
            "415 marker"),
        ROW(REGISTER LENGTH "Expect: 200-ok\r\n\r\n" BODY, "417 closed"),
        ROW(REGISTER LENGTH "Expect: 100-continue, x\r\n\r\n" BODY, "417 closed"),
        ROW("POST /nowhere HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY, "404 marker"),
        ROW("POST /health HTTP/1.1\r\n" HOST JSON LENGTH "\r\n" BODY, "405 marker"),
        ROW("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "204 marker"),
        ROW("OPTIONS /api/auth/register HTTP/1.1\r\n" HOST LENGTH "\r\n" BODY, "204 marker"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

static const char *filler(size_t length)
{
    char *text = keep_alloc(length + 1);
    memset(text, 'a', length);
    return text;
}

Test(refused, what_is_too_large)
{
    const struct {
        const char *bytes, *answers;
    } rows[] = {
        {keep_format("GET /%s HTTP/1.1\r\n" HOST "\r\n", filler(LIMIT_URI_BYTES)), "414 closed"},
        {keep_format("GET /%s HTTP/1.1\r\n" HOST "\r\n", filler(LIMIT_URI_BYTES - 1)), "404 marker"},
        {keep_format("GET http://x/%s HTTP/1.1\r\n" HOST "\r\n", filler(1 << 20)), "414 closed"},
        {keep_format(GET "X: %s\r\n\r\n", filler(LIMIT_HEAD_BYTES)), "431 closed"},
        {keep_format(GET "%s: x\r\n\r\n", filler(LIMIT_HEAD_BYTES)), "431 closed"},
        {keep_format(GET "X: %s\r\n\r\n", filler(LIMIT_HEAD_BYTES - 100)), "200 marker"},
        {keep_format(REGISTER "Content-Length: %u\r\n\r\n" BODY, LIMIT_BODY_BYTES + 1), "413 closed"},
        {keep_format(REGISTER "Expect: 100-continue\r\nContent-Length: %u\r\n\r\n", LIMIT_BODY_BYTES + 1),
         "413 closed"},
        {keep_format(REGISTER CHUNKED "\r\n%x\r\n" BODY, LIMIT_BODY_BYTES + 1), "413 closed"},
        {keep_format(REGISTER CHUNKED "\r\n%x\r\n%s\r\n1\r\na\r\n" LAST, LIMIT_BODY_BYTES,
                     filler(LIMIT_BODY_BYTES)),
         "413 closed"},
        {keep_format(REGISTER CHUNKED "\r\n%x\r\n%s\r\n" LAST, LIMIT_BODY_BYTES, filler(LIMIT_BODY_BYTES)),
         "400 marker"}, /* taken, but no JSON */
        {keep_format(REGISTER CHUNKED "\r\n17;a=%s\r\n" BODY "\r\n" LAST, filler(5000)), "400 closed"},
        {keep_format(REGISTER CHUNKED "\r\n" CHUNK "0\r\nX: %s\r\n\r\n", filler(5000)), "431 closed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_row(&(struct row){
            .bytes = rows[i].bytes, .length = strlen(rows[i].bytes), .answers = rows[i].answers});
}

/* What was whole before the bad bytes is answered, in order; nothing behind them is. */
Test(refused, what_follows_an_error_on_a_connection)
{
    static const struct row rows[] = {
        ROW(GET "\r\n" GET "\r\n"
                "GET /health HTTP/1.1\r\n\r\n" HIDDEN,
            "200 200 400 closed"),
        ROW(GET "\r\nGET /nowhere HTTP/1.1\r\n" HOST "\r\nBREW / HTTP/1.1\r\n" HOST "\r\n" HIDDEN,
            "200 404 501 closed"),
        ROW(GET "Connection: close\r\n\r\n" HIDDEN, "200 closed"),
        ROW(GET "Connection: keep-alive, close\r\n\r\n" HIDDEN, "200 closed"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

/* What is taken out of the good ones must not show, however much is read at once. */
Test(refused, what_follows_many_requests_that_evhttp_could_not_read)
{
    const char *many = "", *answers = "";
    for (int i = 0; i < 40; i++) {
        many = keep_format("%s\r\nGET http://example.org:80/health?%0*d HTTP/1.1\r\nHost:\tx\r\n\r\n", many,
                           i * 7, i);
        answers = keep_format("%s200 ", answers);
    }
    many = keep_format("%sGET /health HTTP/1.1\r\n\r\n" HIDDEN, many);
    struct raw raw = {.bytes = many, .length = strlen(many)};
    answers = keep_format("%s400 closed", answers);
    cr_expect_str_eq(raw_answers(forum_port(forum), &raw), answers);
    for (raw.split = 1; raw.split < raw.length; raw.split += 97)
        cr_assert_str_eq(raw_answers(forum_port(forum), &raw), answers, "cut at %zu", raw.split);
}

Test(taken, in_order_however_many_are_sent_at_once)
{
    static const struct row rows[] = {
        ROW(GET "\r\n", "200 marker"),
        ROW(GET "\r\n" GET "\r\nGET /nowhere HTTP/1.1\r\n" HOST "\r\n" GET "\r\n", "200 200 404 200 marker"),
        ROW(POST_VOTE "Content-Length: 41\r\n\r\n" VOTE GET "\r\n" POST_VOTE
                      "Content-Length: 2\r\n\r\n{}GET /nowhere HTTP/1.1\r\n" HOST "\r\n",
            "200 200 400 404 marker"),
        ROW(POST_VOTE CHUNKED "\r\n29\r\n" VOTE "\r\n" LAST POST_VOTE "Content-Length: 41\r\n\r\n" VOTE,
            "200 200 marker"),
        HEAD_ROW("HEAD /health HTTP/1.1\r\n" HOST "\r\nHEAD /nowhere HTTP/1.1\r\n" HOST "\r\n",
                 "200 404 marker"),
        HEAD_ROW("HEAD /api/posts/post_1 HTTP/1.1\r\n" HOST "\r\n"
                 "HEAD /api/posts/post_9 HTTP/1.1\r\n" HOST "\r\n",
                 "200 404 marker"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
    const char *many = "", *answers = "";
    for (int i = 0; i < 40; i++) {
        many = keep_format("%s" GET "\r\n", many);
        answers = keep_format("%s200 ", answers);
    }
    expect_row(
        &(struct row){.bytes = many, .length = strlen(many), .answers = keep_format("%smarker", answers)});
}

Test(taken, in_every_form_that_http_allows)
{
    static const struct row rows[] = {
        ROW("GET /health HTTP/1.0\r\n\r\n", "200 closed"),
        ROW("GET /health HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n", "200 marker"),
        ROW("GET http://x/health HTTP/1.1\r\n" HOST "\r\n", "200 marker"),
        ROW("GET HTTP://X:80/health HTTP/1.1\r\n" HOST "\r\n", "200 marker"),
        ROW("GET http://x HTTP/1.1\r\n" HOST "\r\n", "200 marker"),
        ROW("GET https://[::1]:8080/api/subreddits?sort=new HTTP/1.1\r\n" HOST "\r\n", "200 marker"),
        ROW("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "204 marker"),
        ROW("\r\n" GET "\r\n", "200 marker"),
        ROW("\r\n\r\n" GET "\r\n\r\n" GET "\r\n", "200 200 marker"),
        ROW("GET /health HTTP/1.1\r\nhOsT:\tx\t\r\nEmpty:\r\n\r\n", "200 marker"),
        ROW(GET "Latin: \xe9\xff\r\n!#$%&'*+-.^_`|~: every character of a name\r\n\r\n", "200 marker"),
        ROW(GET "TE: trailers, gzip\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
            "200 marker"),
        ROW(GET "Expect: 100-continue\r\n\r\n", "200 marker"),
        ROW(POST_VOTE "CONTENT-LENGTH:41   \r\n\r\n" VOTE, "200 marker"),
        ROW(POST_VOTE CHUNKED "\r\n0029\r\n" VOTE "\r\n0000\r\n\r\n", "200 marker"),
        ROW(POST_VOTE CHUNKED "\r\n29;a;b=c;d=\"e\\\"\"\r\n" VOTE "\r\n0;last\r\n\r\n", "200 marker"),
        ROW(POST_VOTE CHUNKED "\r\n29\r\n" VOTE "\r\n0\r\nX: y\r\nExpires: never\r\n\r\n", "200 marker"),
        ROW(POST_VOTE "Transfer-Encoding: CHUNKED\r\n\r\n28\r\n{\"user_id\":\"user_1\",\"vote_type\":\"upvote"
                      "\"\r\n1\r\n}\r\n" LAST,
            "200 marker"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(taken, expecting_100_continue_before_the_body_goes)
{
    static const char head[] = POST_VOTE "Expect: 100-continue\r\nContent-Length: 41\r\n\r\n";
    struct connection *connection = http_open(forum_port(forum));
    cr_assert(http_write(connection, head, sizeof(head) - 1));
    cr_assert(http_read_continue(connection));
    cr_assert(http_write(connection, VOTE, sizeof(VOTE) - 1));
    CHECK_OK(http_read(connection, false));
    http_close(connection);
}

Test(taken, from_a_client_that_says_it_sends_no_more)
{
    struct connection *connection = http_open(forum_port(forum));
    static const char request[] = POST_VOTE "Content-Length: 41\r\n\r\n" VOTE GET "\r\n";
    cr_assert(http_write(connection, request, sizeof(request) - 1));
    http_end_writing(connection);
    CHECK_OK(http_read(connection, false));
    CHECK_OK(http_read(connection, false));
    cr_assert(http_closed(connection, HTTP_TIMEOUT_MS));
    http_close(connection);
}

/* The same answers wherever the bytes are cut. */
static const struct row cut_rows[] = {
    ROW("\r\n" GET "X: y\r\n\r\n", "200 marker"),
    ROW("GET http://x/api/r/c%61ts?a=%62 HTTP/1.1\r\n" HOST "\r\n", "200 marker"),
    ROW(POST_VOTE "Content-Length: 41\r\n\r\n" VOTE GET "\r\n", "200 200 marker"),
    ROW(POST_VOTE CHUNKED "\r\n1;a=\"b\"\r\n{\r\n28\r\n\"user_id\":\"user_1\",\"vote_type\":\"upvote"
                          "\"}\r\n0;c\r\nX: y\r\n\r\n",
        "200 marker"),
    HEAD_ROW("HEAD /health HTTP/1.1\r\n" HOST "\r\n", "200 marker"),
    ROW(GET "\r\n" REGISTER "Content-Length : 3\r\n\r\n", "200 400 closed"),
};

Test(split, anywhere)
{
    const struct row *rows = cut_rows;
    for (size_t i = 0; i < ARRAY_LEN(cut_rows); i++) {
        struct raw raw = {.bytes = rows[i].bytes, .length = rows[i].length, .head = rows[i].head};
        for (raw.split = 1; raw.split < raw.length; raw.split++) {
            const char *answers = raw_answers(forum_port(forum), &raw);
            cr_assert_str_eq(answers, rows[i].answers, "\"%s\" instead of \"%s\", cut at %zu:\n%s", answers,
                             rows[i].answers, raw.split, raw_describe(raw.bytes, raw.length));
        }
        raw.by_byte = true;
        cr_assert_str_eq(raw_answers(forum_port(forum), &raw), rows[i].answers, "byte by byte:\n%s",
                         raw_describe(raw.bytes, raw.length));
    }
}

/* Beyond HTTP_DOZE_AFTER_MS the server looks at such a client now and then only. */
Test(split, by_byte_and_slowly)
{
    for (size_t i = 0; i < ARRAY_LEN(cut_rows); i++) {
        const struct row *row = &cut_rows[i];
        struct raw raw = {
            .bytes = row->bytes, .length = row->length, .head = row->head, .by_byte = true, .pause_ms = 3};
        const char *answers = raw_answers(forum_port(forum), &raw);
        cr_assert_str_eq(answers, row->answers, "\"%s\" instead of \"%s\":\n%s", answers, row->answers,
                         raw_describe(raw.bytes, raw.length));
    }
}

static void prepare(struct forum *fresh)
{
    REQUIRE(strcmp(make_user_named(fresh, "ann"), "user_1") == 0, "not %s", "user_1");
    REQUIRE(strcmp(make_subreddit_named(fresh, "user_1", "cats"), "sub_1") == 0, "not %s", "sub_1");
    REQUIRE(strcmp(make_post(fresh, "sub_1", "user_1", "Cats"), "post_1") == 0, "not %s", "post_1");
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true, .prepare = prepare});
}
