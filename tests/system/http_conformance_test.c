/*
 * What the independent suite "h1spec" (github.com/uNetworking/h1spec, 33 cases about request heads) demands
 * of every HTTP/1.1 server, in its order, told anew for this server: where the suite's server echoes any
 * body, the request here is one whose answer shows that the body arrived whole.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/attributes.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/raw.h"

#define CASES 33

static struct forum *forum;

/* Half a request: the server waits for the rest, and serves it when it comes. */
static const char *const beginnings[] = {
    "G",
    "GET ",
    "GET /health",
    "GET /health ",
    "GET /health HTTP",
    "GET /health HTTP/1.1",
    "GET /health HTTP/1.1\r",
    "GET /health HTTP/1.1\r\n",
    "GET /health HTTP/1.1\r\nHos",
    "GET /health HTTP/1.1\r\nHost:",
    "GET /health HTTP/1.1\r\nHost: ",
    "GET /health HTTP/1.1\r\nHost: localhost",
    "GET /health HTTP/1.1\r\nHost: localhost\r",
    "GET /health HTTP/1.1\r\nHost: localhost\r\n",
    "GET /health HTTP/1.1\r\nHost: localhost\r\n\r",
};
static const char whole[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

#define SILENCE_MS 100 /* no answer within it: the server waits */

Test(h1spec, a_server_waits_for_the_rest_of_a_request)
{
    forum = forum_attach();
    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++) {
        size_t length = strlen(beginnings[i]);
        struct connection *connection = http_open(forum_port(forum));
        cr_assert(http_write(connection, beginnings[i], length));
        cr_assert(http_silent(connection, SILENCE_MS), "answered too soon:\n%s",
                  raw_describe(beginnings[i], length));
        cr_assert(http_write(connection, whole + length, sizeof(whole) - 1 - length));
        CHECK_OK(http_read(connection, false));
        http_close(connection);
    }
}

#define HOST "Host: example.com\r\n"

static const struct {
    const char *request;
    bool taken; /* else 4xx or 5xx, and nothing behind it is served */
} heads[] = {
    {"GET / \r\n\r\n", false},
    {"GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", true},
    {"GET / HTTP/1.1\r\n" HOST "\r\n", true},
    {"GET / HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n", true},
    {"GET / HTTP/1.1\r\n" HOST "X-Invalid[]: test\r\n\r\n", false},
    {"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", false}, /* no Host */
    {"GET / HTTP/1.1\r\n" HOST "Host: example.org\r\n\r\n", false},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: -123456789123456789123456789\r\n\r\n", false},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: -1234\r\n\r\n", false},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: abc\r\n\r\n", false},
    {"GET / HTTP/1.1\r\n" HOST "X-Empty-Header: \r\n\r\n", true},
    {"GET / HTTP/1.1\r\n" HOST "X-Bad-Control-Char: test\x07\r\n\r\n", false},
    {"GET / HTTP/9.9\r\n" HOST "\r\n", false},
    {"Extra lineGET / HTTP/1.1\r\n" HOST "\r\n", false},
    {"GET / HTTP/1.1\r\n" HOST "\rSome-Header: Test\r\n\r\n", false},
    {"POST /api/auth/register HTTP/1.1\r\n" HOST "content-LengtH: 5\r\nTransFer-Encoding: chunked\r\n\r\n"
     "c\r\nHellO world1\r\n0\r\n\r\n",
     false},
};

Test(h1spec, heads_are_taken_or_refused)
{
    forum = forum_attach();
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        const struct raw raw = {.bytes = heads[i].request, .length = strlen(heads[i].request)};
        const char *answers = raw_answers(forum_port(forum), &raw);
        bool refused = (answers[0] == '4' || answers[0] == '5') && strcmp(answers + 3, " closed") == 0;
        cr_expect(heads[i].taken ? strcmp(answers, "200 marker") == 0 : refused, "\"%s\":\n%s", answers,
                  raw_describe(raw.bytes, raw.length));
    }
}

#define REGISTER "POST /api/auth/register HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"

/* By length and in chunks: the name that comes back is the one in the body. */
static const char *const bodies[] = {
    REGISTER "Content-Length: 20\r\n\r\n{\"username\":\"hello\"}",
    REGISTER "Transfer-Encoding: chunked\r\n\r\n1b\r\n{\"username\":\"HellO_world1\"}\r\n0\r\n\r\n",
};
static const char *const names[] = {"hello", "HellO_world1"};

Test(h1spec, bodies_arrive_whole)
{
    forum = forum_attach();
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct connection *connection = http_open(forum_port(forum));
        cr_assert(http_write(connection, bodies[i], strlen(bodies[i])));
        struct reply *reply = http_read(connection, false);
        CHECK_CREATED(reply);
        CHECK_TEXT(reply, "username", names[i]);
        http_close(connection);
    }
}

Test(h1spec, has_all_cases_here)
{
    cr_assert_eq(ARRAY_LEN(beginnings) + ARRAY_LEN(heads) + ARRAY_LEN(bodies), CASES);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
