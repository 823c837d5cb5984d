/*
 * Request smuggling: payloads made from tables of tricks by which one parser sees another end of a request
 * than the next one (CL.TE, TE.CL, TE.TE, CL.0, chunk sizes, line ends, names of fields). Each carries a
 * second request that would register a user, and is followed by a marker request. Nothing malformed gets a
 * 2xx; the answers are exactly those of a strict parser (RFC 9112), or a refusal and the end of the
 * connection.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/attributes.h"
#include "tests/lib/check.h"
#include "tests/lib/events.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/raw.h"

#define PAYLOAD_MAX 4096

static struct forum *forum;
static const char *events_before;
static size_t payloads;

static void note_events(void)
{
    forum = forum_attach();
    events_before = events_counted(forum);
    payloads = 0;
}

static void expect_no_change(void)
{
    fprintf(stderr, "%zu payloads\n", payloads);
    cr_expect_str_eq(events_counted(forum), events_before);
    struct reply *reply = forum_get(forum, "/api/auth/user/smuggled");
    cr_expect_eq(reply->status, 404, "%s", http_describe(reply));
}

TestSuite(smuggling, .init = note_events, .fini = expect_no_change);

#define JSON   "Content-Type: application/json\r\n"
#define START  "POST /api/auth/register HTTP/1.1\r\nHost: x\r\n" JSON
#define BODY   "{\"username\":\"smuggled\"}" /* 23 bytes, hexadecimal 17 */
#define HIDDEN START "Content-Length: 23\r\n\r\n" BODY
#define CHUNK  "17\r\n" BODY "\r\n"
#define LAST   "0\r\n\r\n"

/* A text that may hold NULs. */
struct text {
    const char *bytes;
    size_t length;
};
#define TEXT(LITERAL)                                                                                        \
    {                                                                                                        \
        LITERAL, sizeof(LITERAL) - 1                                                                         \
    }

/* `%` in the form stands for the trick. */
static struct text filled(struct text form, struct text trick)
{
    char *bytes = keep_alloc(PAYLOAD_MAX);
    size_t length = 0;
    for (size_t i = 0; i < form.length; i++) {
        const struct text part = form.bytes[i] == '%' ? trick : (struct text){form.bytes + i, 1};
        cr_assert_lt(length + part.length, PAYLOAD_MAX);
        memcpy(bytes + length, part.bytes, part.length);
        length += part.length;
    }
    return (struct text){bytes, length};
}

static const char *send_payload(struct text payload)
{
    const struct raw raw = {.bytes = payload.bytes, .length = payload.length};
    payloads++;
    return raw_answers(forum_port(forum), &raw);
}

/* `answers` NULL: refused, which is one answer, 4xx or 5xx, and the end. */
static void expect_answers(struct text payload, const char *answers)
{
    const char *got = send_payload(payload);
    if (answers)
        cr_expect_str_eq(got, answers, "\"%s\" instead of \"%s\":\n%s", got, answers,
                         raw_describe(payload.bytes, payload.length));
    else
        cr_expect((got[0] == '4' || got[0] == '5') && strcmp(got + 3, " closed") == 0,
                  "\"%s\" instead of a refusal:\n%s", got, raw_describe(payload.bytes, payload.length));
}

static void expect_all_refused(const struct text *forms, size_t form_count, const struct text *tricks,
                               size_t trick_count)
{
    for (size_t i = 0; i < form_count; i++)
        for (size_t j = 0; j < trick_count; j++)
            expect_answers(filled(forms[i], tricks[j]), NULL);
}

Test(smuggling, by_a_transfer_encoding_that_only_some_recognise)
{
    static const struct text forms[] = {
        TEXT(START "Content-Length: 5\r\n%\r\n\r\n" LAST HIDDEN), /* CL.TE, the hidden one behind both ends */
        TEXT(START "%\r\nContent-Length: 4\r\n\r\n" CHUNK LAST),  /* TE.CL */
        TEXT(START "%\r\n\r\n" CHUNK LAST HIDDEN),                /* no length: TE or nothing */
        TEXT(START "Content-Length: 23\r\n%\r\n\r\n" BODY HIDDEN), /* a body that is no chunk */
    };
    static const struct text tricks[] = {
        TEXT("Transfer-Encoding : chunked"),
        TEXT("Transfer-Encoding\t: chunked"),
        TEXT("Transfer-Encoding:\tchunked"),
        TEXT("Transfer-Encoding: chunked\t"),
        TEXT("Transfer-Encoding:\x0b"
             "chunked"),
        TEXT("Transfer-Encoding:\x0c"
             "chunked"),
        TEXT("Transfer-Encoding: \0chunked"),
        TEXT("Transfer-Encoding: chunked\0"),
        TEXT("Transfer-Encoding: xchunked"),
        TEXT("Transfer-Encoding: chunkedx"),
        TEXT("Transfer-Encoding: chunk"),
        TEXT("Transfer-Encoding: \"chunked\""),
        TEXT("Transfer-Encoding: 'chunked'"),
        TEXT("Transfer-Encoding: chunked;q=1"),
        TEXT("Transfer-Encoding: chunked, identity"),
        TEXT("Transfer-Encoding: identity, chunked"),
        TEXT("Transfer-Encoding: identity"),
        TEXT("Transfer-Encoding: chunked, chunked"),
        TEXT("Transfer-Encoding: chunked,"),
        TEXT("Transfer-Encoding: ,chunked"),
        TEXT("Transfer-Encoding: gzip, chunked"),
        TEXT("Transfer-Encoding: gzip"),
        TEXT("Transfer-Encoding: chunked gzip"),
        TEXT("Transfer-Encoding: cow"),
        TEXT("Transfer-Encoding:"),
        TEXT("Transfer-Encoding: x\r\nTransfer-Encoding: chunked"),
        TEXT("Transfer-Encoding: chunked\r\nTransfer-Encoding: x"),
        TEXT("Transfer-Encoding: chunked\r\nTransfer-encoding: chunked"),
        TEXT("Transfer-Encoding:\r\n chunked"),
        TEXT("Transfer-Encoding\r\n : chunked"),
        TEXT(" Transfer-Encoding: chunked"),
        TEXT("\tTransfer-Encoding: chunked"),
        TEXT("X: y\n Transfer-Encoding: chunked"),
        TEXT("X: y\nTransfer-Encoding: chunked"),
        TEXT("X: y\rTransfer-Encoding: chunked"),
        TEXT("X: y\r\n\rTransfer-Encoding: chunked"),
        TEXT("X: y\0Transfer-Encoding: chunked"),
        TEXT("Transfer-Encoding: chunked\r"),
        TEXT("Transfer-Encoding: chunked\n"),
        TEXT("Transfer\x20"
             "Encoding: chunked"),
        TEXT("Transfer-Encoding\0: chunked"),
        TEXT("\0Transfer-Encoding: chunked"),
        TEXT("\xefTransfer-Encoding: chunked"),
        TEXT("Transfer-Encoding\xa0: chunked"),
        TEXT("Transfer-Encoding;: chunked"),
        TEXT("\"Transfer-Encoding\": chunked"),
        TEXT(":Transfer-Encoding: chunked"),
        TEXT("Transfer-Encoding= chunked"),
        TEXT("Transfer-Encoding chunked"),
        TEXT("Transfer-Encoding: \xe3\x83\x81hunked"),
        TEXT("Transfer-Encoding: chun\xc4\xb8"
             "ed"),
        TEXT("Content-Encoding: chunked\r\nTransfer-Encoding: [chunked]"),
    };
    expect_all_refused(forms, ARRAY_LEN(forms), tricks, ARRAY_LEN(tricks));
}

/* Whoever takes one of these for the real name sees the second request; we see what a strict parser sees. */
Test(smuggling, by_names_that_only_look_like_transfer_encoding)
{
    static const struct text form =
        TEXT("POST /nowhere HTTP/1.1\r\nHost: x\r\n" JSON "%\r\nContent-Length: 125\r\n\r\n" LAST HIDDEN);
    static const struct text names[] = {
        TEXT("Transfer_Encoding: chunked"),
        TEXT("X-Transfer-Encoding: chunked"),
        TEXT("Transfer-Encoding-: chunked"),
        TEXT("Transfer.Encoding: chunked"),
        TEXT("TransferEncoding: chunked"),
        TEXT("Transfer-Encodin: chunked"),
        TEXT("TE: chunked"),
        TEXT("X: Transfer-Encoding: chunked"),
        TEXT("Connection: Transfer-Encoding"),
        TEXT("Trailer: Transfer-Encoding"),
    };
    cr_assert_eq(sizeof(LAST HIDDEN) - 1, 125);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        expect_answers(filled(form, names[i]), "404 marker");
}

Test(smuggling, by_a_length_that_only_some_can_read)
{
    static const struct text forms[] = {
        TEXT(START "%\r\n\r\n" BODY),
        TEXT(START "%\r\n\r\n" BODY HIDDEN),
        TEXT(START "%\r\nTransfer-Encoding: chunked\r\n\r\n" CHUNK LAST HIDDEN),
    };
    static const struct text tricks[] = {
        TEXT("Content-Length : 23"),
        TEXT("Content-Length\t: 23"),
        TEXT("Content-Length:\t23"),
        TEXT("Content-Length: 23\t"),
        TEXT("Content-Length: +23"),
        TEXT("Content-Length: -23"),
        TEXT("Content-Length: 0x17"),
        TEXT("Content-Length: 0b10111"),
        TEXT("Content-Length: 027"),
        TEXT("Content-Length: 0000000023"),
        TEXT("Content-Length: 23.0"),
        TEXT("Content-Length: 2.3e1"),
        TEXT("Content-Length: 2_3"),
        TEXT("Content-Length: 2 3"),
        TEXT("Content-Length: 23 0"),
        TEXT("Content-Length: 23, 23"),
        TEXT("Content-Length: 23,0"),
        TEXT("Content-Length: ,23"),
        TEXT("Content-Length: 23;a"),
        TEXT("Content-Length: \"23\""),
        TEXT("Content-Length: \0"
             "23"),
        TEXT("Content-Length: 23\0"),
        TEXT("Content-Length: 23\x0b"),
        TEXT("Content-Length: \xef\xbc\x92\xef\xbc\x93"), /* wide digits */
        TEXT("Content-Length:"),
        TEXT("Content-Length: nan"),
        TEXT("Content-Length: 18446744073709551639"), /* 2^64 + 23 */
        TEXT("Content-Length: 4294967319"),           /* 2^32 + 23 */
        TEXT("Content-Length: 23\r\nContent-Length: 0"),
        TEXT("Content-Length: 0\r\nContent-Length: 23"),
        TEXT("Content-Length: 23\r\ncontent-length: 23"),
        TEXT("Content-Length:\r\n 23"),
        TEXT("Content-Length: 2\r\n 3"),
        TEXT(" Content-Length: 23"),
        TEXT("X: y\nContent-Length: 23"),
        TEXT("X: y\rContent-Length: 23"),
        TEXT("Content-Length\0: 23"),
        TEXT("Content-Length\xa0: 23"),
        TEXT("Content\x20Length: 23"),
    };
    expect_all_refused(forms, ARRAY_LEN(forms), tricks, ARRAY_LEN(tricks));
}

Test(smuggling, by_names_that_only_look_like_content_length)
{
    static const struct text form = TEXT("OPTIONS /health HTTP/1.1\r\nHost: x\r\n%\r\n\r\n");
    static const struct text names[] = {
        TEXT("Content_Length: 23"),  TEXT("X-Content-Length: 23"), TEXT("Content-Length-: 23"),
        TEXT("ContentLength: 23"),   TEXT("Content-Lengt: 23"),    TEXT("X: Content-Length: 23"),
        TEXT("Content-Lengthh: 23"), TEXT("Content.Length: 23"),   TEXT("Connection: Content-Length"),
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        expect_answers(filled(form, names[i]), "204 marker");
}

/* CL.0 and its kin: a body at a place that wants none must still be read as a body, or be refused. */
Test(smuggling, by_bodies_where_none_is_expected)
{
    static const struct text methods_without[] = {TEXT("GET"), TEXT("HEAD"), TEXT("TRACE")};
    static const struct text refused[] = {
        TEXT("% /health HTTP/1.1\r\nHost: x\r\nContent-Length: 120\r\n\r\n" HIDDEN),
        TEXT("% /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 120\r\n\r\n" HIDDEN),
        TEXT("% /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n78\r\n" HIDDEN "\r\n" LAST),
        TEXT("% /health HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n78\r\n" HIDDEN "\r\n" LAST),
        TEXT("% /health HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 120\r\n\r\n" HIDDEN),
    };
    static const struct text methods_with[] = {TEXT("POST"), TEXT("PUT"), TEXT("PATCH"), TEXT("DELETE")};
    static const struct text read_as_body[] = {
        TEXT("% /health HTTP/1.1\r\nHost: x\r\nContent-Length: 120\r\n\r\n" HIDDEN),
        TEXT("% /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n78\r\n" HIDDEN "\r\n" LAST),
    };
    cr_assert_eq(sizeof(HIDDEN) - 1, 120);
    expect_all_refused(refused, ARRAY_LEN(refused), methods_without, ARRAY_LEN(methods_without));
    for (size_t i = 0; i < ARRAY_LEN(read_as_body); i++)
        for (size_t j = 0; j < ARRAY_LEN(methods_with); j++)
            expect_answers(filled(read_as_body[i], methods_with[j]), "405 marker");
}

/* Each starts a body of chunks; what follows is the hidden request to whoever reads it otherwise. */
Test(smuggling, by_chunks_that_end_elsewhere)
{
    static const struct text forms[] = {
        TEXT(START "Transfer-Encoding: chunked\r\n\r\n%"),
        TEXT(START "Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n%"),
    };
    static const struct text tricks[] = {
        TEXT("0x17\r\n" BODY "\r\n" LAST),
        TEXT("0X0\r\n\r\n" HIDDEN),
        TEXT("+17\r\n" BODY "\r\n" LAST),
        TEXT("-0\r\n\r\n" HIDDEN),
        TEXT(" 17\r\n" BODY "\r\n" LAST),
        TEXT("17 \r\n" BODY "\r\n" LAST),
        TEXT("17\t\r\n" BODY "\r\n" LAST),
        TEXT("1 7\r\n" BODY "\r\n" LAST),
        TEXT("1_7\r\n" BODY "\r\n" LAST),
        TEXT("17h\r\n" BODY "\r\n" LAST),
        TEXT("17.0\r\n" BODY "\r\n" LAST),
        TEXT("17\0\r\n" BODY "\r\n" LAST),
        TEXT("\0"
             "17\r\n" BODY "\r\n" LAST),
        TEXT("100000017\r\n" BODY "\r\n" LAST),         /* 32 bits: 17 */
        TEXT("10000000000000017\r\n" BODY "\r\n" LAST), /* 64 bits: 17 */
        TEXT("ffffffffffffffff\r\n" BODY "\r\n" LAST),  /* -1 */
        TEXT("fffffffffffffffe\r\n\r\n" HIDDEN),        /* -2: back over the CR LF */
        TEXT("000000000000000000000000017\r\n" BODY "\r\n" LAST),
        TEXT("17\n" BODY "\r\n" LAST),
        TEXT("17\r" BODY "\r\n" LAST),
        TEXT("17\r\r\n" BODY "\r\n" LAST),
        TEXT("17\n\r" BODY "\r\n" LAST),
        TEXT("17\r\n" BODY "\n" LAST),
        TEXT("17\r\n" BODY "\r" LAST),
        TEXT("17\r\n" BODY LAST),
        TEXT("17\r\n" BODY "XX" LAST),
        TEXT("16\r\n" BODY "\r\n" LAST),
        TEXT("18\r\n" BODY "\r\n" LAST),
        TEXT("17\r\n" BODY "\r\n0\n\n" HIDDEN),
        TEXT("17\r\n" BODY "\r\n0\r\n\n" HIDDEN),
        TEXT("17\r\n" BODY "\r\n0\r\n\r" HIDDEN),
        TEXT("17\r\n" BODY "\r\n00000000000000000\r\n\r\n" HIDDEN),
        TEXT("17\r\n" BODY "\r\n0 \r\n\r\n" HIDDEN),
        TEXT("17\r\n" BODY "\r\n0\r\n" HIDDEN),
        TEXT("\r\n17\r\n" BODY "\r\n" LAST),
        TEXT(";a\r\n" BODY "\r\n" LAST),
        TEXT("17;\r\n" BODY "\r\n" LAST),
        TEXT("17;a\n" BODY "\r\n" LAST),
        TEXT("17;a\r" BODY "\r\n" LAST),
        TEXT("17;\n" BODY "\r\n" LAST), /* TERM.EXT */
        TEXT("17\n;a\r\n" BODY "\r\n" LAST),
        TEXT("17;a=\"\r\n" BODY "\r\n" LAST),
        TEXT("17;a=b\nX\r\n" BODY "\r\n" LAST), /* EXT.TERM: a line end in an extension */
        TEXT("17;a=b\rX\r\n" BODY "\r\n" LAST),
        TEXT("17;a=\0\r\n" BODY "\r\n" LAST),
        TEXT("17;a=\x0b\r\n" BODY "\r\n" LAST),
        TEXT("17,a\r\n" BODY "\r\n" LAST),
        TEXT("17\r\n" BODY "\r\n0\r\nContent-Length: 120\r\n\r\n" HIDDEN),
        TEXT("17\r\n" BODY "\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" LAST HIDDEN),
        TEXT("17\r\n" BODY "\r\n0\r\nHost: y\r\n\r\n" HIDDEN),
        TEXT("17\r\n" BODY "\r\n0\r\nX : y\r\n\r\n" HIDDEN),
        TEXT("17\r\n" BODY "\r\n0\r\nX: y\n\r\n" HIDDEN),
        TEXT("17\r\n" BODY "\r\n0\r\nX: y\r\n z\r\n\r\n" HIDDEN),
        TEXT("17\r\n" BODY "\r\n0\r\n: y\r\n\r\n" HIDDEN),
    };
    expect_all_refused(forms, ARRAY_LEN(forms), tricks, ARRAY_LEN(tricks));
}

Test(smuggling, by_lines_that_only_some_see_as_ended)
{
    static const struct text forms[] = {
        TEXT("GET /health HTTP/1.1\r\nHost: x%" HIDDEN),
        TEXT("GET /health HTTP/1.1\r\nHost: x\r\nX: y%" HIDDEN),
        TEXT("GET /health?% HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN),
        TEXT("GET /health HTTP/1.1%Host: x\r\n\r\n" HIDDEN),
        TEXT("GET /health HTTP/1.1\r\nHost: x\r\nX%: y\r\n\r\n" HIDDEN),
    };
    static const struct text tricks[] = {
        TEXT("\n\n"),          TEXT("\r\r"),
        TEXT("\n\r\n"),        TEXT("\r\n\n"),
        TEXT("\n\r"),          TEXT("\r\n\r"),
        TEXT("\r\r\n\r\n"),    TEXT("\0\r\n\0"),
        TEXT("\x0b\r\n \r\n"), TEXT("\x85\x00\x85"),
        TEXT("\r\n \r\n"),     TEXT("\x0c"),
        TEXT("\x7f"),          TEXT("\xe2\x80\xa8\x01"),
    };
    expect_all_refused(forms, ARRAY_LEN(forms), tricks, ARRAY_LEN(tricks));
}

Test(smuggling, by_the_host_the_target_or_the_version)
{
    static const struct text forms[] = {TEXT("POST %" JSON "Content-Length: 23\r\n\r\n" BODY HIDDEN)};
    static const struct text tricks[] = {
        TEXT("/api/auth/register HTTP/1.1\r\n"),
        TEXT("/api/auth/register HTTP/1.1\r\nHost: x\r\nHost: y\r\n"),
        TEXT("/api/auth/register HTTP/1.1\r\nHost: x, y\r\n"),
        TEXT("/api/auth/register HTTP/1.1\r\nHost: x\r\n Host: y\r\n"),
        TEXT("/api/auth/register HTTP/1.1\r\n Host: x\r\n"),
        TEXT("/api/auth/register HTTP/1.1\r\nHost : x\r\n"),
        TEXT("/api/auth/register HTTP/1.1\r\nHost: x/api?y\r\n"),
        TEXT("/api/auth/register HTTP/1.1\r\nHost: x:80#y\r\n"),
        TEXT("http://x:y@z/api/auth/register HTTP/1.1\r\nHost: x\r\n"),
        TEXT("http://x y/api/auth/register HTTP/1.1\r\nHost: x\r\n"),
        TEXT("http:/api/auth/register HTTP/1.1\r\nHost: x\r\n"),
        TEXT("//y/api/auth/register HTTP/1.1\r\nHost: x\r\n"),
        TEXT("@y/api/auth/register HTTP/1.1\r\nHost: x\r\n"),
        TEXT("/api/auth/register?a HTTP/1.1 b HTTP/1.1\r\nHost: x\r\n"),
        TEXT("/api/auth/register HTTP/1.1 HTTP/1.1\r\nHost: x\r\n"),
        TEXT("/api/auth/register HTTP/1.1\0\r\nHost: x\r\n"),
        TEXT("/api/auth/register HTTP/1.1;\r\nHost: x\r\n"),
        TEXT("/api/auth/register HTTP/11\r\nHost: x\r\n"),
        TEXT("/api/auth/register HTTP/2.0\r\nHost: x\r\n"),
        TEXT("/api/auth/register\r\nHost: x\r\n"),
        TEXT("/api/auth/register%00 HTTP/1.1\r\nHost: x\r\n"),
    };
    expect_all_refused(forms, ARRAY_LEN(forms), tricks, ARRAY_LEN(tricks));
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
