#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "gateway/head_checker.h"

#define HOST    "Host: a\r\n"
#define GET     "GET / HTTP/1.1\r\n" HOST
#define POST    "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT    "GET /next HTTP/1.1\r\nHost: b\r\n\r\n"

/* STATUS_OK: taken, `requests` of them. Else refused so, after `requests` good ones. */
struct row {
    const char *bytes;
    size_t length;
    enum status status;
    unsigned requests;
    const char *filtered; /* what is left for evhttp; NULL: everything */
};

#define TAKEN(TEXT, REQUESTS)                                                                                \
    {                                                                                                        \
        TEXT, sizeof(TEXT) - 1, STATUS_OK, REQUESTS, NULL                                                    \
    }
#define THINNED(TEXT, REQUESTS, LEFT)                                                                        \
    {                                                                                                        \
        TEXT, sizeof(TEXT) - 1, STATUS_OK, REQUESTS, LEFT                                                    \
    }
#define REFUSED(TEXT, STATUS)                                                                                \
    {                                                                                                        \
        TEXT, sizeof(TEXT) - 1, STATUS_##STATUS, 0, NULL                                                     \
    }
#define REFUSED_AFTER(TEXT, STATUS, N)                                                                       \
    {                                                                                                        \
        TEXT, sizeof(TEXT) - 1, STATUS_##STATUS, N, NULL                                                     \
    }

/* Feeds `bytes` in pieces of `size` (0: of random sizes) and says where it was refused; SIZE_MAX: nowhere. */
static size_t feed(struct head_checker *checker, const char *bytes, size_t length, size_t size,
                   unsigned *seed)
{
    for (size_t at = 0; at < length;) {
        size_t piece = size > 0 ? size : 1 + (size_t)rand_r(seed) % (1 + (size_t)rand_r(seed) % length);
        if (piece > length - at)
            piece = length - at;
        char *copy = xmalloc(piece); /* AddressSanitizer sees a look beyond it */
        memcpy(copy, bytes + at, piece);
        enum head_verdict verdict = head_checker_feed(checker, copy, piece);
        free(copy);
        if (verdict == HEAD_REFUSED)
            return at;
        at += piece;
    }
    return SIZE_MAX;
}

static void expect_row(const struct row *row, size_t size, unsigned *seed)
{
    struct head_checker *checker = head_checker_new();
    bool refused = feed(checker, row->bytes, row->length, size, seed) != SIZE_MAX;
    enum status status = head_checker_status(checker);
    if (row->status == STATUS_OK) {
        cr_expect_not(refused, "refused (%s):\n%s", refused ? head_checker_detail(checker) : "", row->bytes);
        if (row->requests > 0)
            cr_expect_eq(head_checker_phase(checker), HEAD_PHASE_IDLE, "not whole:\n%s", row->bytes);
    } else {
        cr_expect(refused, "taken:\n%s", row->bytes);
        cr_expect_eq(status, row->status, "status %d (%s), not %d:\n%s", status,
                     refused ? head_checker_detail(checker) : "", row->status, row->bytes);
        cr_expect_gt(strlen(head_checker_detail(checker)), 0);
    }
    cr_expect_eq(head_checker_requests(checker), row->requests, "%u requests:\n%s",
                 (unsigned)head_checker_requests(checker), row->bytes);
    head_checker_free(checker);
}

static void expect_filtered(const struct row *row, size_t size)
{
    struct head_checker *checker = head_checker_new();
    char *left = xmalloc(row->length + 1);
    size_t length = 0;
    for (size_t at = 0; at < row->length;) {
        size_t piece = size < row->length - at ? size : row->length - at;
        memcpy(left + length, row->bytes + at, piece);
        size_t kept = piece;
        cr_assert_eq(head_checker_filter(checker, left + length, &kept), HEAD_MORE);
        at += piece;
        length += kept;
    }
    const char *expected = row->filtered != NULL ? row->filtered : row->bytes;
    size_t expected_length = row->filtered != NULL ? strlen(row->filtered) : row->length;
    left[length] = '\0';
    cr_expect(length == expected_length && memcmp(left, expected, length) == 0,
              "left:\n%s\n   instead of\n%s", left, expected);
    free(left);
    head_checker_free(checker);
}

static void expect_rows(const struct row *rows, size_t count)
{
    unsigned seed = (unsigned)time(NULL);
    fprintf(stderr, "seed %u\n", seed);
    for (size_t i = 0; i < count; i++) {
        expect_row(&rows[i], rows[i].length, &seed);
        expect_row(&rows[i], 1, &seed);
        for (int round = 0; round < 8; round++)
            expect_row(&rows[i], 0, &seed);
        if (rows[i].status == STATUS_OK)
            for (size_t size = 1; size <= rows[i].length; size = size * 3 + 1)
                expect_filtered(&rows[i], size);
    }
}

Test(head_checker, takes_what_http_1_1_allows)
{
    static const struct row rows[] = {
        TAKEN(GET "\r\n", 1),
        TAKEN("GET / HTTP/1.0\r\n\r\n", 1), /* 1.0 knows no Host */
        TAKEN("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", 1),
        TAKEN("HEAD /x HTTP/1.1\r\n" HOST "\r\n" NEXT, 2),
        TAKEN("OPTIONS * HTTP/1.1\r\n" HOST "\r\n" NEXT, 2),
        TAKEN("PUT /x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok" NEXT, 2),
        TAKEN("PATCH /x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok" NEXT, 2),
        TAKEN("DELETE /x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok" NEXT, 2),
        TAKEN("OPTIONS /x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok" NEXT, 2),
        TAKEN("TRACE / HTTP/1.1\r\n" HOST "\r\n" NEXT, 2), /* the worker says 405 */
        TAKEN(POST "\r\n" NEXT, 2),                        /* no length: no body */
        TAKEN(POST "Content-Length: 0\r\n\r\n" NEXT, 2),
        TAKEN(POST "Content-Length: 3\r\n\r\nabc" NEXT, 2),
        TAKEN(POST "CONTENT-LENGTH:3\r\n\r\nabc" NEXT, 2),
        TAKEN(POST "Content-Length:   3  \r\n\r\nabc" NEXT, 2),
        TAKEN(POST "Content-Length: 31\r\n\r\n" NEXT NEXT, 2), /* a body that looks like a request */
        TAKEN(POST "Content-Length: 4\r\n\r\n\0\xff\r\n" NEXT, 2),
        TAKEN(GET "Content-Length: 0\r\n\r\n" NEXT, 2),
        TAKEN(POST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", 1),
        TAKEN(POST "Content-Length: 3\r\nexpect:100-Continue\r\n\r\nabc", 1),
        TAKEN(GET "Empty:\r\nBlank:   \r\nTab: x\ty\t\r\n\r\n", 1),
        THINNED(GET "Authorization:\t \tBearer x\r\nBlank: \t\r\n\r\n", 1,
                GET "Authorization: Bearer x\r\nBlank: \r\n\r\n"),
        TAKEN(GET "!#$%&'*+-.^_`|~09azAZ: all of tchar\r\n\r\n", 1),
        TAKEN(GET "Latin: \x80\xff\xc3\xa9\r\n\r\n", 1),
        TAKEN(GET "Content_Length: 9\r\nTransfer_Encoding: chunked\r\n\r\n" NEXT,
              2), /* other names, no meaning */
        TAKEN(GET "TE: trailers\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n" NEXT, 2),
        TAKEN(GET "X: 1\r\nX: 2\r\nCookie: a\r\nCookie: b\r\n\r\n", 1),
        TAKEN(GET "Authorization: Bearer x\r\nContent-Type: a/b\r\nIdempotency-Key: k\r\n\r\n", 1),
        TAKEN(GET "A-Name-Longer-Than-Any-That-Is-Looked-At-Content-Length: x\r\n\r\n", 1),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(head_checker, takes_every_form_of_target)
{
    static const struct row rows[] = {
        TAKEN("GET /a/b/c.d?e=f&g=h%20i HTTP/1.1\r\n" HOST "\r\n", 1),
        TAKEN("GET /%C3%A9%0d%0a%2f%2e HTTP/1.1\r\n" HOST "\r\n", 1), /* the router sees what they mean */
        TAKEN("GET /-._~!$&'()*+,;=:@//?/?? HTTP/1.1\r\n" HOST "\r\n", 1),
        TAKEN("GET /..//../ HTTP/1.1\r\n" HOST "\r\n", 1),
        THINNED("GET http://example.org/a?b HTTP/1.1\r\n" HOST "\r\n", 1,
                "GET /a?b HTTP/1.1\r\n" HOST "\r\n"),
        THINNED("GET HTTPS://Example.ORG:65535 HTTP/1.1\r\n" HOST "\r\n", 1,
                "GET / HTTP/1.1\r\n" HOST "\r\n"),
        THINNED("GET http://[::1]:8080?q HTTP/1.1\r\n" HOST "\r\n", 1, "GET /?q HTTP/1.1\r\n" HOST "\r\n"),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(head_checker, refuses_bad_request_lines)
{
    static const struct row rows[] = {
        REFUSED("GET /\r\n" HOST "\r\n", BAD_REQUEST), /* HTTP/0.9 */
        REFUSED("GET / \r\n\r\n", BAD_REQUEST),
        REFUSED("GET\r\n\r\n", BAD_REQUEST),
        REFUSED("GET \r\n\r\n", BAD_REQUEST),
        REFUSED("GET HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST), /* no target */
        REFUSED("GET  / HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /  HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.1 \r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.1x\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED(" GET / HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET\t/\tHTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /\tHTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /a b HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("G\x00T / HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("G@T / HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("\x16\x03\x01\x02\x00\x01", BAD_REQUEST), /* TLS */
        REFUSED("\n", BAD_REQUEST),
        REFUSED("\r\r\n", BAD_REQUEST),
        REFUSED("\0", BAD_REQUEST),
        REFUSED("GET / HTTP/1.1\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.1\r" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.1\r\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /\rHTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / http/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/ 1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1,1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/01.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.01\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.10\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/-1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/4294967297.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.4294967297\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / RTSP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTPS/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/0.9\r\n" HOST "\r\n", VERSION_NOT_SUPPORTED),
        REFUSED("GET / HTTP/1.2\r\n" HOST "\r\n", VERSION_NOT_SUPPORTED),
        REFUSED("GET / HTTP/2.0\r\n" HOST "\r\n", VERSION_NOT_SUPPORTED),
        REFUSED("GET / HTTP/9.9\r\n" HOST "\r\n", VERSION_NOT_SUPPORTED),
        REFUSED("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NOT_IMPLEMENTED), /* HTTP/2's preface */
        REFUSED("get / HTTP/1.1\r\n" HOST "\r\n", NOT_IMPLEMENTED),   /* methods have a case */
        REFUSED("FOO / HTTP/1.1\r\n" HOST "\r\n", NOT_IMPLEMENTED),
        REFUSED("GETS / HTTP/1.1\r\n" HOST "\r\n", NOT_IMPLEMENTED),
        REFUSED("GE / HTTP/1.1\r\n" HOST "\r\n", NOT_IMPLEMENTED),
        REFUSED("PROPFIND / HTTP/1.1\r\n" HOST "\r\n", NOT_IMPLEMENTED),
        REFUSED("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", NOT_IMPLEMENTED),
        REFUSED("ABCDEFGHIJKLMNOPQ", NOT_IMPLEMENTED), /* before its end is seen */
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(head_checker, refuses_bad_targets)
{
    static const struct row rows[] = {
        REFUSED("GET /%00 HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /a?b=%00 HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /% HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /%4 HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /%4g HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /%%41 HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /%u0041 HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /\0 HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /\x7f HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /\x01 HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /\xc0\xaf HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /a\\b HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /<a> HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /\"a\" HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET /a#b HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET //evil.example/ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST), /* a host, to evhttp */
        REFUSED("GET //a:99999/ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http://a//b HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET api HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET ?a HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET * HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("OPTIONS */ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("OPTIONS ** HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http:/a HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http:///a HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http:// HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http://a:65536/ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http://a:x/ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http://[::1/ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http://[::1\0]/ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST), /* not "::1" */
        REFUSED("GET http://[1.2.3.4]/ HTTP/1.1\r\n" HOST "\r\n", BAD_REQUEST),
        REFUSED("GET http://a\r\n\r\n", BAD_REQUEST),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(head_checker, refuses_bad_field_syntax)
{
    static const struct row rows[] = {
        REFUSED(GET "Content-Length : 3\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X : y\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X\t: y\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X Y: z\r\n\r\n", BAD_REQUEST),
        REFUSED(GET ": y\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X\r\n\r\n", BAD_REQUEST),

        REFUSED(GET "[X]: y\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X\xc3\xab: y\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X\0: y\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X@Y: z\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X: a\r\n b\r\n\r\n", BAD_REQUEST), /* obs-fold */
        REFUSED(GET "X: a\r\n\tb\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X:\r\n a\r\n\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.1\r\n " HOST "\r\n", BAD_REQUEST),
        REFUSED(GET "X: a\n\r\n", BAD_REQUEST),
        REFUSED(GET "X: a\rY: b\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X: a\r\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "\n", BAD_REQUEST),
        REFUSED(GET "\rX", BAD_REQUEST),
        REFUSED(GET "X: a\0b\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X: \x01\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X: \x0b\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X: \x0c\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X: \x1b[2J\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "X: \x7f\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "Authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", BAD_REQUEST),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

#define HOST_IS(VALUE) "GET / HTTP/1.1\r\nHost: " VALUE "\r\n\r\n"

Test(head_checker, wants_exactly_one_valid_host)
{
    static const struct row rows[] = {
        TAKEN(HOST_IS("localhost:8080"), 1),
        TAKEN(HOST_IS("127.0.0.1"), 1),
        THINNED("GET / HTTP/1.1\r\nhoSt:\t a\t \r\n\r\n", 1, "GET / HTTP/1.1\r\nhoSt: a\t \r\n\r\n"),
        TAKEN(HOST_IS("a_b-c.example:0"), 1),
        TAKEN(HOST_IS("[::1]"), 1),
        TAKEN(HOST_IS("[2001:db8::192.0.2.1]:443"), 1),
        REFUSED("GET / HTTP/1.1\r\n\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", BAD_REQUEST),
        REFUSED(GET HOST "\r\n", BAD_REQUEST),
        REFUSED(GET "host: b\r\n\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.0\r\n" HOST HOST "\r\n", BAD_REQUEST),
        REFUSED("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", BAD_REQUEST),
        REFUSED(HOST_IS(""), BAD_REQUEST),
        REFUSED(HOST_IS("a,b"), BAD_REQUEST),
        REFUSED(HOST_IS("a b"), BAD_REQUEST),
        REFUSED(HOST_IS("a\tb"), BAD_REQUEST),
        REFUSED(HOST_IS("a/b"), BAD_REQUEST),
        REFUSED(HOST_IS("http://a"), BAD_REQUEST),
        REFUSED(HOST_IS("u@a"), BAD_REQUEST),
        REFUSED(HOST_IS("a%41"), BAD_REQUEST),
        REFUSED(HOST_IS("a:"), BAD_REQUEST),
        REFUSED(HOST_IS("a:65536"), BAD_REQUEST),
        REFUSED(HOST_IS("a:99999999999999999999"), BAD_REQUEST),
        REFUSED(HOST_IS("a:+80"), BAD_REQUEST),
        REFUSED(HOST_IS("a:80:80"), BAD_REQUEST),
        REFUSED(HOST_IS(":80"), BAD_REQUEST),
        REFUSED(HOST_IS("::1"), BAD_REQUEST),
        REFUSED(HOST_IS("[::1"), BAD_REQUEST),
        REFUSED(HOST_IS("[]"), BAD_REQUEST),
        REFUSED(HOST_IS("[a]"), BAD_REQUEST),
        REFUSED(HOST_IS("[::1]x"), BAD_REQUEST),
        REFUSED(HOST_IS("[fe80::1%25eth0]"), BAD_REQUEST),
        REFUSED(HOST_IS("\xc3\xa9"), BAD_REQUEST),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

#define LENGTH(VALUE) POST "Content-Length:" VALUE "\r\n\r\nabc"

Test(head_checker, refuses_any_content_length_but_one_plain_number)
{
    static const struct row rows[] = {
        REFUSED(LENGTH(""), BAD_REQUEST),
        REFUSED(LENGTH(" "), BAD_REQUEST),
        REFUSED(LENGTH(" +3"), BAD_REQUEST),
        REFUSED(LENGTH(" -3"), BAD_REQUEST),
        REFUSED(LENGTH(" -0"), BAD_REQUEST),
        REFUSED(LENGTH(" 0x3"), BAD_REQUEST),
        REFUSED(LENGTH(" 0o3"), BAD_REQUEST),
        REFUSED(LENGTH(" 03"), BAD_REQUEST),
        REFUSED(LENGTH(" 00"), BAD_REQUEST),
        REFUSED(LENGTH(" 3.0"), BAD_REQUEST),
        REFUSED(LENGTH(" 3e0"), BAD_REQUEST),
        REFUSED(LENGTH(" 1_0"), BAD_REQUEST),
        REFUSED(LENGTH(" 1 0"), BAD_REQUEST),
        REFUSED(LENGTH(" 3, 3"), BAD_REQUEST),
        REFUSED(LENGTH(" 3,3,3"), BAD_REQUEST),
        REFUSED(LENGTH(" 3, 4"), BAD_REQUEST),
        REFUSED(LENGTH(" 3,"), BAD_REQUEST),
        REFUSED(LENGTH(" 3;a"), BAD_REQUEST),
        REFUSED(LENGTH(" \"3\""), BAD_REQUEST),
        REFUSED(LENGTH(" three"), BAD_REQUEST),
        REFUSED(LENGTH("\t3"), BAD_REQUEST),
        REFUSED(LENGTH(" 3\t"), BAD_REQUEST),
        REFUSED(LENGTH(" 3\0"), BAD_REQUEST),
        REFUSED(LENGTH(" \xd9\xa3"), BAD_REQUEST), /* an arabic 3 */
        REFUSED(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", BAD_REQUEST),
        REFUSED(POST "Content-Length: 3\r\ncontent-length: 4\r\n\r\nabc", BAD_REQUEST),
        REFUSED(LENGTH(" 262145"), BODY_TOO_LARGE),
        REFUSED(LENGTH(" 18446744073709551619"), BODY_TOO_LARGE), /* 2^64 + 3 */
        REFUSED(LENGTH(" 99999999999999999999999999999999999999999"), BODY_TOO_LARGE),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

#define CODED(VALUE) POST "Transfer-Encoding:" VALUE "\r\n\r\n0\r\n\r\n"

Test(head_checker, knows_one_way_alone_to_tell_where_a_body_ends)
{
    static const struct row rows[] = {
        TAKEN(CODED(" chunked") NEXT, 2),
        TAKEN(CODED("Chunked  ") NEXT, 2),
        REFUSED(CODED(" gzip, chunked"), NOT_IMPLEMENTED),
        REFUSED(CODED(" gzip ,deflate,  chunked"), NOT_IMPLEMENTED),
        REFUSED(CODED(" gzip"), BAD_REQUEST),
        REFUSED(CODED(" identity"), BAD_REQUEST),
        REFUSED(CODED(""), BAD_REQUEST),
        REFUSED(CODED(" ,"), BAD_REQUEST),
        REFUSED(CODED(" , chunked"), BAD_REQUEST),
        REFUSED(CODED(" chunked,"), BAD_REQUEST),
        REFUSED(CODED(" chunked, gzip"), BAD_REQUEST),
        REFUSED(CODED(" chunked, chunked"), BAD_REQUEST),
        REFUSED(CODED(" xchunked"), BAD_REQUEST),
        REFUSED(CODED(" chunkedchunked"), BAD_REQUEST),
        REFUSED(CODED(" chunked;a=b"), BAD_REQUEST),
        REFUSED(CODED(" chunked foo"), BAD_REQUEST),
        REFUSED(CODED(" \"chunked\""), BAD_REQUEST),
        REFUSED(CODED("\tchunked"), BAD_REQUEST),
        REFUSED(CODED(" \x0b"
                      "chunked"),
                BAD_REQUEST),
        REFUSED(CODED(" \x0c"
                      "chunked"),
                BAD_REQUEST),
        REFUSED(CODED(" chunked\0"), BAD_REQUEST),
        REFUSED(CODED("\r\n chunked"), BAD_REQUEST),
        REFUSED(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
        REFUSED(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                BAD_REQUEST),
        REFUSED(POST "Transfer-Encoding: gzip, chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                NOT_IMPLEMENTED),
        REFUSED(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
        REFUSED(POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", BAD_REQUEST),
        REFUSED("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
        REFUSED(GET "Content-Length: 1\r\n\r\nx", BAD_REQUEST),
        REFUSED("HEAD / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", BAD_REQUEST),
        REFUSED("TRACE / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", BAD_REQUEST),
        REFUSED("TRACE / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST),
        REFUSED(POST "Expect: 200-ok\r\n\r\n", EXPECTATION_FAILED),
        REFUSED(POST "Expect:\r\n\r\n", EXPECTATION_FAILED),
        REFUSED(POST "Expect: 100-continue, x\r\n\r\n", EXPECTATION_FAILED),
        THINNED(POST "Expect:\t100-continue\t\r\n\r\n", 1, POST "Expect:100-continue\t\r\n\r\n"),
        REFUSED(POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", BAD_REQUEST),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(head_checker, follows_chunks_to_their_end)
{
    static const struct row rows[] = {
        TAKEN(CHUNKED "0\r\n\r\n" NEXT, 2),
        TAKEN(CHUNKED "3\r\nabc\r\n0\r\n\r\n" NEXT, 2),
        TAKEN(CHUNKED "3\r\nabc\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n" NEXT, 2),
        TAKEN(CHUNKED "0003\r\na\r\n\r\n0000\r\n\r\n" NEXT, 2),
        TAKEN(CHUNKED "1f\r\n" NEXT "\r\n0\r\n\r\n" NEXT, 2), /* a chunk that looks like a request */
        THINNED(CHUNKED "3;a\r\nabc\r\n0;b=c;d=\"e;\\\"\t\\\\\"\r\n\r\n" NEXT, 2,
                CHUNKED "3\r\nabc\r\n0\r\n\r\n" NEXT),
        THINNED(CHUNKED "3\r\nabc\r\n0\r\nX: y\r\nZ:\r\n\r\n" NEXT, 2, CHUNKED "3\r\nabc\r\n0\r\n\r\n" NEXT),
        THINNED(CHUNKED "0;a=\"b\";c=d\r\nX: y\r\n\r\n\r\n" NEXT, 2, CHUNKED "0\r\n\r\n" NEXT),
        REFUSED(CHUNKED "\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "x\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0x3\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "+3\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "-1\r\n", BAD_REQUEST),
        REFUSED(CHUNKED " 3\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3 \r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3\t\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "1_0\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "3.0\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "3\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3\rabc", BAD_REQUEST),
        REFUSED(CHUNKED "3\r\nabc\n0\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "3\r\nabc0\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "3\r\nabcd\r\n0\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "3\r\nabc\r0\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "3\r\nabc\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\n\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\n\rX", BAD_REQUEST),
        REFUSED(CHUNKED "3;\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;=a\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a=\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a[\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a=b[\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a b\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3; a\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a=\"b\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a=\"b\"c\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a=\"\\\r\"\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a=\"\0\"\r\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a\nabc", BAD_REQUEST),
        REFUSED(CHUNKED "3;a\rabc", BAD_REQUEST),
        REFUSED(CHUNKED "40001\r\n", BODY_TOO_LARGE),
        REFUSED(CHUNKED "ffffffffffffffff\r\n", BODY_TOO_LARGE),
        REFUSED(CHUNKED "10000000000000003\r\n", BODY_TOO_LARGE), /* 2^64 + 3 */
        REFUSED(CHUNKED "00000000000000003\r\n", BAD_REQUEST),    /* 17 digits */
        REFUSED(CHUNKED "1\r\nx\r\n40000\r\n", BODY_TOO_LARGE),   /* all together */
        REFUSED(CHUNKED "0\r\nX : y\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\n: y\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\n x: y\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\nX: a\r\n b\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\nX: \0\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\nX: y\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\nContent-Length: 3\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\nHost: b\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\nAuthorization: b\r\n\r\n", BAD_REQUEST),
        REFUSED(CHUNKED "0\r\nGET / HTTP/1.1\r\n", BAD_REQUEST), /* the end was left out */
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

Test(head_checker, finds_where_the_next_request_begins)
{
    static const struct row rows[] = {
        TAKEN(NEXT NEXT NEXT NEXT NEXT, 5),
        TAKEN(POST "Content-Length: 1\r\n\r\nx" CHUNKED "1\r\nx\r\n0\r\n\r\n" NEXT, 3),
        THINNED("\r\n" GET "\r\n\r\n\r\n" NEXT, 2, GET "\r\n" NEXT),
        THINNED(POST "Content-Length: 1\r\n\r\nx\r\n" NEXT, 2, POST "Content-Length: 1\r\n\r\nx" NEXT),
        REFUSED("\r\n\r\n\r\n" NEXT, BAD_REQUEST),
        REFUSED_AFTER(NEXT "\n" NEXT, BAD_REQUEST, 1),
        REFUSED_AFTER(POST "Content-Length: 1\r\n\r\nxy" NEXT, NOT_IMPLEMENTED, 1), /* yGET */
        REFUSED_AFTER(POST "Content-Length: 0\r\n\r\n{}" NEXT, BAD_REQUEST, 1),
        REFUSED_AFTER(CHUNKED "0\r\n\r\n0\r\n\r\n" NEXT, BAD_REQUEST, 1),
        REFUSED_AFTER(NEXT NEXT "GET / HTTP/1.1\r\n\r\n" NEXT, BAD_REQUEST, 2),
    };
    expect_rows(rows, ARRAY_LEN(rows));
}

/* A request that grows to `total` bytes by repeating one character in it. */
static struct row grown(const char *before, char filler, const char *after, size_t total)
{
    char *bytes = xmalloc(total + 1);
    size_t head = strlen(before), tail = strlen(after);
    memcpy(bytes, before, head);
    memset(bytes + head, filler, total - head - tail);
    memcpy(bytes + total - tail, after, tail + 1);
    return (struct row){.bytes = bytes, .length = total, .status = STATUS_OK, .requests = 1};
}

static void expect_limit(const char *before, char filler, const char *after, size_t most, enum status status)
{
    struct row fits = grown(before, filler, after, most);
    expect_rows(&fits, 1);
    free((void *)fits.bytes);
    struct row too_long = grown(before, filler, after, most + 1);
    too_long.status = status;
    too_long.requests = 0;
    expect_rows(&too_long, 1);
    free((void *)too_long.bytes);
}

Test(head_checker, bounds_target_and_head_to_the_byte)
{
    static const char version[] = " HTTP/1.1\r\n" HOST "\r\n";
    expect_limit("GET /", 'a', version, 4 + LIMIT_URI_BYTES + strlen(version), STATUS_URI_TOO_LONG);
    struct row too_long = grown("GET http://a/", 'a', version, 4 + LIMIT_URI_BYTES + 1 + strlen(version));
    too_long.status = STATUS_URI_TOO_LONG;
    too_long.requests = 0;
    expect_rows(&too_long, 1);
    free((void *)too_long.bytes);
    expect_limit(GET "X: ", 'a', "\r\n\r\n", LIMIT_HEAD_BYTES, STATUS_HEADERS_TOO_LARGE);
    expect_limit(GET "X", 'a', ": y\r\n\r\n", LIMIT_HEAD_BYTES, STATUS_HEADERS_TOO_LARGE);
    expect_limit(GET "X:", ' ', "y\r\n\r\n", LIMIT_HEAD_BYTES, STATUS_HEADERS_TOO_LARGE);
}

Test(head_checker, bounds_a_body_to_the_byte)
{
    char before[256];
    int head = snprintf(before, sizeof(before), POST "Content-Length: %u\r\n\r\n", LIMIT_BODY_BYTES);
    struct row row = grown(before, 'x', "", (size_t)head + LIMIT_BODY_BYTES);
    expect_rows(&row, 1);
    free((void *)row.bytes);
    head = snprintf(before, sizeof(before), CHUNKED "%x\r\n", LIMIT_BODY_BYTES);
    row = grown(before, 'x', "\r\n0\r\n\r\n", (size_t)head + LIMIT_BODY_BYTES + 7);
    expect_rows(&row, 1);
    free((void *)row.bytes);
}

Test(head_checker, bounds_extensions_and_trailers_to_the_byte)
{
    struct row row =
        grown(CHUNKED "0;a=", 'x', "\r\n\r\n", strlen(CHUNKED) + 1 + HEAD_EXTENSION_BYTES_MAX + 4);
    row.filtered = CHUNKED "0\r\n\r\n";
    /* The CR that ends it is counted with it. */
    row.status = STATUS_BAD_REQUEST;
    row.requests = 0;
    expect_rows(&row, 1);
    free((void *)row.bytes);
    row = grown(CHUNKED "0;a=", 'x', "\r\n\r\n", strlen(CHUNKED) + 1 + HEAD_EXTENSION_BYTES_MAX - 1 + 4);
    row.filtered = CHUNKED "0\r\n\r\n";
    expect_rows(&row, 1);
    free((void *)row.bytes);
    row = grown(CHUNKED "0\r\nX: ", 'x', "\r\n\r\n", strlen(CHUNKED) + 3 + HEAD_TRAILER_BYTES_MAX);
    row.filtered = CHUNKED "0\r\n\r\n";
    expect_rows(&row, 1);
    free((void *)row.bytes);
    row = grown(CHUNKED "0\r\nX: ", 'x', "\r\n\r\n", strlen(CHUNKED) + 3 + HEAD_TRAILER_BYTES_MAX + 1);
    row.status = STATUS_HEADERS_TOO_LARGE;
    row.requests = 0;
    expect_rows(&row, 1);
    free((void *)row.bytes);
}

Test(head_checker, says_what_a_connection_is_in_the_middle_of)
{
    struct head_checker *checker = head_checker_new();
    static const struct {
        const char *bytes;
        enum head_phase phase;
        unsigned heads, requests;
    } steps[] = {
        {"\r\n", HEAD_PHASE_IDLE, 0, 0},
        {"P", HEAD_PHASE_HEAD, 0, 0},
        {"OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r", HEAD_PHASE_HEAD, 0, 0},
        {"\n", HEAD_PHASE_BODY, 1, 0},
        {"x", HEAD_PHASE_BODY, 1, 0},
        {"y", HEAD_PHASE_IDLE, 1, 1},
        {CHUNKED, HEAD_PHASE_BODY, 2, 1},
        {"0\r\nX: y\r\n\r", HEAD_PHASE_BODY, 2, 1},
        {"\nG", HEAD_PHASE_HEAD, 2, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        cr_assert_eq(head_checker_feed(checker, steps[i].bytes, strlen(steps[i].bytes)), HEAD_MORE);
        cr_expect_eq(head_checker_phase(checker), steps[i].phase, "step %zu", i);
        cr_expect_eq(head_checker_heads(checker), steps[i].heads, "step %zu", i);
        cr_expect_eq(head_checker_requests(checker), steps[i].requests, "step %zu", i);
    }
    head_checker_free(checker);
}

/* Whatever comes: the verdict is the same, and falls at the same byte, however the bytes are cut. */
Test(head_checker, judges_random_damage_alike_however_it_is_split)
{
    static const char good[] =
        "POST /a%20b?c=d HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\nX: y\r\n\r\nabc" CHUNKED
        "3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n" NEXT;
    static const char spice[] = "\r\n\t \0:;,%/\"\\0aZ\x7f\x80";
    unsigned seed = (unsigned)time(NULL);
    fprintf(stderr, "seed %u\n", seed);
    for (int round = 0; round < 3000; round++) {
        char bytes[sizeof(good) - 1];
        memcpy(bytes, good, sizeof(bytes));
        for (int change = 0; change <= round % 3; change++)
            bytes[(size_t)rand_r(&seed) % sizeof(bytes)] = spice[(size_t)rand_r(&seed) % (sizeof(spice) - 1)];
        struct head_checker *by_byte = head_checker_new(), *by_chance = head_checker_new();
        size_t at_byte = feed(by_byte, bytes, sizeof(bytes), 1, &seed);
        size_t at_chance = feed(by_chance, bytes, sizeof(bytes), 0, &seed);
        cr_assert_eq(at_byte == SIZE_MAX, at_chance == SIZE_MAX);
        if (at_byte != SIZE_MAX)
            cr_assert_leq(at_chance, at_byte);
        cr_assert_eq(head_checker_status(by_byte), head_checker_status(by_chance));
        cr_assert_eq(head_checker_requests(by_byte), head_checker_requests(by_chance));
        cr_assert_eq(head_checker_phase(by_byte), head_checker_phase(by_chance));
        head_checker_free(by_byte);
        head_checker_free(by_chance);
    }
}
