/* What all routes have in common, the server's own routes, and HTTP itself, byte by byte. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/wait.h"

static struct forum *forum;

static void attach(void)
{
    forum = forum_attach();
}

TestSuite(own_routes, .init = attach);
TestSuite(headers, .init = attach);
TestSuite(methods, .init = attach);
TestSuite(wire, .init = attach);

Test(own_routes, root_says_name_version_and_links)
{
    struct reply *reply = forum_get(forum, "/");
    CHECK_OK(reply);
    CHECK_TEXT(reply, "name", "forumd");
    cr_assert(json_has(reply, "version") && json_has(reply, "links"));
}

Test(own_routes, health_is_healthy)
{
    struct reply *reply = forum_get(forum, "/health");
    CHECK_OK(reply);
    CHECK_TEXT(reply, "status", "healthy");
}

Test(own_routes, ready_lists_every_engine)
{
    static const char *const engines[] = {"users", "subreddits", "posts", "comments", "dms", "feed"};
    struct reply *reply = forum_get(forum, "/ready");
    CHECK_OK(reply);
    for (size_t i = 0; i < ARRAY_LEN(engines); i++)
        cr_assert(strstr(reply->body, keep_format("\"%s\"", engines[i])), "%s is missing: %s", engines[i],
                  reply->body);
}

/* The value behind "NAME{...LABEL...} VALUE"; labels NULL: of the first line of that name. */
static double metric(const char *text, const char *name, const char *label)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t length = strcspn(line, "\n");
        const char *copy = keep_copy(line, length);
        double value;
        const char *space = strrchr(copy, ' ');
        if (strncmp(copy, name, strlen(name)) == 0 && (!label || strstr(copy, label)) && space &&
            sscanf(space, "%lf", &value) == 1)
            return value;
    }
    return -1;
}

static const char *metrics_text(void)
{
    struct reply *reply = forum_get(forum, "/metrics");
    CHECK_STATUS(reply, 200);
    const char *type = http_header(reply, "Content-Type");
    cr_assert(type && strncmp(type, "text/plain", 10) == 0, "Content-Type: %s", type ? type : "none");
    return reply->body;
}

static bool has_counted_ten_more(void *arg)
{
    return metric(metrics_text(), "forumd_http_requests_total", "/api/r/:name") >= *(double *)arg + 10;
}

Test(own_routes, metrics_sum_up_all_workers)
{
    CHECK_PROBLEM(forum_get(forum, "/api/r/not_here"), 404, "subreddit_not_found");
    double before = metric(metrics_text(), "forumd_http_requests_total", "/api/r/:name");
    for (int i = 0; i < 10; i++)
        CHECK_PROBLEM(forum_get(forum, "/api/r/not_here"), 404, "subreddit_not_found");
    cr_assert(wait_until(has_counted_ten_more, &before, 5000), "%f before: %s", before, metrics_text());
}

Test(own_routes, metrics_are_well_formed)
{
    for (const char *line = metrics_text(); *line; line += strcspn(line, "\n") + 1) {
        const char *copy = keep_copy(line, strcspn(line, "\n"));
        double value;
        const char *space = strrchr(copy, ' ');
        cr_assert(copy[0] == '#' || copy[0] == '\0' || (space && sscanf(space, "%lf", &value) == 1), "%s",
                  copy);
        if (line[strcspn(line, "\n")] == '\0')
            break;
    }
}

Test(headers, request_id_is_taken_over_when_well_formed_and_made_when_not)
{
    struct reply *given =
        forum_request(forum, "GET", "/health", "X-Request-Id: abc-DEF_0123456789\r\n", NULL);
    cr_assert_str_eq(http_header(given, "X-Request-Id"), "abc-DEF_0123456789");
    struct reply *bad = forum_request(forum, "GET", "/health", "X-Request-Id: a b\"c\r\n", NULL);
    CHECK_OK(bad);
    cr_assert(!strstr(http_header(bad, "X-Request-Id"), "\""));
    const char *one = http_header(forum_get(forum, "/health"), "X-Request-Id");
    cr_assert_str_neq(one, http_header(forum_get(forum, "/health"), "X-Request-Id"));
    struct reply *problem =
        forum_request(forum, "GET", "/nowhere", "X-Request-Id: abc-DEF_0123456789\r\n", NULL);
    cr_assert_str_eq(http_header(problem, "X-Request-Id"), "abc-DEF_0123456789");
}

Test(headers, etag_gives_304_until_something_changes)
{
    const char *user = make_user(forum), *post = make_post(forum, make_subreddit(forum, user), user, "T");
    const char *path = keep_format("/api/posts/%s", post);
    struct reply *first = forum_get(forum, "%s", path);
    const char *tag = http_header(first, "ETag");
    cr_assert(tag && strchr(tag, '"'), "ETag: %s", tag ? tag : "none");
    const char *const conditions[] = {keep_format("If-None-Match: %s\r\n", tag),
                                      keep_format("If-None-Match: \"other\", %s\r\n", tag),
                                      "If-None-Match: *\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        struct reply *same = forum_request(forum, "GET", path, conditions[i], NULL);
        CHECK_STATUS(same, 304);
        cr_assert_eq(same->length, 0);
        cr_assert_str_eq(http_header(same, "ETag"), tag);
    }
    CHECK_OK(forum_request(forum, "GET", path, "If-None-Match: \"other\"\r\n", NULL));
    make_vote(forum, post, user, "upvote");
    struct reply *changed = forum_request(forum, "GET", path, conditions[0], NULL);
    CHECK_OK(changed);
    cr_assert_str_neq(http_header(changed, "ETag"), tag);
}

Test(methods, head_is_get_without_the_body)
{
    const char *user = make_user(forum);
    const char *const paths[] = {"/",
                                 "/health",
                                 "/ready",
                                 "/metrics",
                                 "/openapi.json",
                                 "/api/subreddits",
                                 keep_format("/api/users/%s", user),
                                 keep_format("/api/feed/%s", user),
                                 "/nowhere"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct reply *get = forum_get(forum, "%s", paths[i]);
        struct connection *connection = http_open(forum_port(forum));
        const char *request =
            keep_format("HEAD %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", paths[i]);
        cr_assert(http_write(connection, request, strlen(request)));
        struct reply *head = http_read(connection, true);
        cr_assert_eq(head->status, get->status, "%s: %u", paths[i], head->status);
        cr_assert_str_eq(http_header(head, "Content-Type"), http_header(get, "Content-Type"));
        cr_assert(http_closed(connection, 5000), "%s: bytes behind the head", paths[i]);
        http_close(connection);
    }
}

Test(methods, options_names_what_the_route_takes)
{
    static const struct {
        const char *path, *allow;
    } routes[] = {{"/api/subreddits", "GET, HEAD, OPTIONS"},
                  {"/api/subreddits/create", "POST, OPTIONS"},
                  {"/api/posts/post_1", "GET, HEAD, OPTIONS"}};
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        struct reply *reply = forum_request(forum, "OPTIONS", routes[i].path, NULL, NULL);
        CHECK_STATUS(reply, 204);
        cr_assert_str_eq(http_header(reply, "Allow"), routes[i].allow);
        cr_assert(!http_header(reply, "Access-Control-Allow-Origin"));
    }
    CHECK_PROBLEM(forum_request(forum, "OPTIONS", "/nowhere", NULL, NULL), 404, "not_found");
}

Test(methods, that_the_route_does_not_take_are_405_with_allow)
{
    static const struct {
        const char *method, *path, *allow;
    } calls[] = {{"POST", "/api/subreddits", "GET, HEAD, OPTIONS"},
                 {"GET", "/api/subreddits/create", "POST, OPTIONS"},
                 {"HEAD", "/api/posts/create", "POST, OPTIONS"},
                 {"DELETE", "/api/posts/post_1", "GET, HEAD, OPTIONS"},
                 {"PUT", "/api/dm/send", "POST, OPTIONS"},
                 {"PATCH", "/api/feed/user_1", "GET, HEAD, OPTIONS"},
                 {"POST", "/health", "GET, HEAD, OPTIONS"}};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct reply *reply = forum_request(forum, calls[i].method, calls[i].path, NULL, NULL);
        CHECK_STATUS(reply, 405);
        cr_assert_str_eq(http_header(reply, "Allow"), calls[i].allow, "%s %s: Allow: %s", calls[i].method,
                         calls[i].path, http_header(reply, "Allow"));
        if (strcmp(calls[i].method, "HEAD") != 0)
            CHECK_PROBLEM(reply, 405, "method_not_allowed");
    }
}

Test(methods, unknown_paths_are_404)
{
    static const char *const paths[] = {"/nowhere",
                                        "/api",
                                        "/api/",
                                        "/api/posts",
                                        "/api/posts/post_1/",

                                        "/api/subreddits/",
                                        "/API/subreddits",
                                        "/api/users//posts"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        CHECK_PROBLEM(forum_get(forum, "%s", paths[i]), 404, "not_found");
}

Test(cors, lets_pages_of_listed_origins_read_and_no_others)
{
    static const char *const flags[] = {"--cors-origins=https://a.example,https://b.example", NULL};
    struct forum *own = forum_start(&(struct forum_spec){.flags = flags});
    struct reply *listed =
        forum_request(own, "GET", "/api/subreddits", "Origin: https://b.example\r\n", NULL);
    CHECK_OK(listed);
    const char *allowed = http_header(listed, "Access-Control-Allow-Origin");
    cr_assert(allowed && strcmp(allowed, "https://b.example") == 0, "%s", listed->head);
    cr_assert(http_header(listed, "Vary"), "%s", listed->head);
    struct reply *preflight =
        forum_request(own, "OPTIONS", "/api/posts/create",
                      "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n", NULL);
    CHECK_STATUS(preflight, 204);
    cr_assert(http_header(preflight, "Access-Control-Allow-Origin"), "%s", preflight->head);
    cr_assert(strstr(http_header(preflight, "Access-Control-Allow-Methods"), "POST"), "%s", preflight->head);
    struct reply *other =
        forum_request(own, "GET", "/api/subreddits", "Origin: https://a.example.evil\r\n", NULL);
    CHECK_OK(other);
    cr_assert(!http_header(other, "Access-Control-Allow-Origin"), "%s", other->head);
    cr_assert_eq(forum_stop(own, SIGINT), 0);
}

static struct reply *exchange(const char *bytes, size_t length)
{
    struct connection *connection = http_open(forum_port(forum));
    (void)!http_write(connection, bytes, length);
    struct reply *reply = http_read(connection, strncmp(bytes, "HEAD", 4) == 0);
    reply->request = keep_copy(bytes, length < 300 ? length : 300);
    http_close(connection);
    return reply;
}

#define GET_HEAD  "GET /health HTTP/1.1\r\nHost: x\r\n"
#define POST_HEAD "POST /api/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

Test(wire, malformed_heads_are_400_and_close_the_connection)
{
    static const char *const heads[] = {
        "GET /health HTTP/1.1\r\n\r\n",                                /* no Host */
        "GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",          /* two */
        "GET /health HTTP/1.1\nHost: x\n\n",                           /* bare LF */
        GET_HEAD "X : y\r\n\r\n",                                      /* space before the colon */
        GET_HEAD ": y\r\n\r\n",                                        /* no name */
        GET_HEAD "A: b\r\n folded\r\n\r\n",                            /* obs-fold */
        GET_HEAD "A(b): c\r\n\r\n",                                    /* no token */
        "GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",                    /* two spaces */
        "GET /health\r\nHost: x\r\n\r\n",                              /* no version */
        "GET /hea lth HTTP/1.1\r\nHost: x\r\n\r\n",                    /* space in the target */
        POST_HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", /* which? */
        POST_HEAD "Content-Length: +3\r\n\r\nabc",                     /* sign */
        POST_HEAD "Content-Length: 0x3\r\n\r\nabc",                    /* hex */
        POST_HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", /* smuggling */
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",                        /* no chunk */
        POST_HEAD "Content-Length: 99999999999999999999\r\n\r\n",                     /* saturates */
    };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct reply *reply = exchange(heads[i], strlen(heads[i]));
        cr_assert(reply->status == 400 || reply->status == 413, "%s", http_describe(reply));
        CHECK_PROBLEM(reply, reply->status, NULL);
        cr_assert(reply->closed, "%s", reply->head);
    }
    static const char nul[] = GET_HEAD "A: b\0c\r\n\r\n";
    CHECK_PROBLEM(exchange(nul, sizeof(nul) - 1), 400, NULL);
}

Test(wire, what_is_too_large_or_unknown_has_its_own_status)
{
    const char *zeros = keep_format("%020000d", 0);
    const struct {
        const char *request;
        unsigned status;
    } calls[] = {
        {keep_format("GET /%.9000s HTTP/1.1\r\nHost: x\r\n\r\n", zeros), 414},
        {keep_format(GET_HEAD "X-Big: %.17000s\r\n\r\n", zeros), 431},
        {POST_HEAD "Content-Length: 262145\r\n\r\n", 413},
        {POST_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", 501},
        {"GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"GET /health HTTP/4294967297.1\r\nHost: x\r\n\r\n", 400},
        {"POST /api/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: "
         "2\r\n\r\n{}",
         415},
        {"POST /api/auth/register HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 415},
        {POST_HEAD "Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}", 417},
    };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        CHECK_PROBLEM(exchange(calls[i].request, strlen(calls[i].request)), calls[i].status, NULL);
}

Test(wire, a_body_may_come_in_chunks)
{
    const char *name = make_name("chunky");
    const char *body = keep_format("{\"username\":\"%s\"}", name);
    const char *request = keep_format(POST_HEAD "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                                                "5\r\n%.5s\r\n%zx\r\n%s\r\n0\r\n\r\n",
                                      body, strlen(body) - 5, body + 5);
    CHECK_CREATED(exchange(request, strlen(request)));
}

Test(wire, a_charset_of_utf_8_and_100_continue_are_understood)
{
    const char *name = make_name("e");
    const char *body = keep_format("{\"username\":\"%s\"}", name);
    const char *request = keep_format(
        "POST /api/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; "
        "charset=utf-8\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(body), body);
    CHECK_CREATED(exchange(request, strlen(request)));
}

Test(wire, requests_on_one_connection_are_answered_in_order)
{
    static const char first[] = "GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: first-request\r\n\r\n"
                                "GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Request-Id: second-request\r\n\r\n";
    struct connection *connection = http_open(forum_port(forum));
    cr_assert(http_write(connection, first, sizeof(first) - 1));
    struct reply *one = http_read(connection, false), *two = http_read(connection, false);
    CHECK_OK(one);
    cr_assert_str_eq(http_header(one, "X-Request-Id"), "first-request");
    CHECK_PROBLEM(two, 404, "not_found");
    cr_assert_str_eq(http_header(two, "X-Request-Id"), "second-request");
    http_close(connection);
}

Test(wire, percent_escapes_mean_their_characters)
{
    const char *name = make_name("per-cent");
    make_user_named(forum, name);
    CHECK_OK(forum_get(forum, "/api/auth/user/%%%02x%s", name[0], name + 1));
    CHECK_OK(forum_get(forum, "/%%61pi/subreddits?s%%6frt=new"));
    struct reply *nul = forum_get(forum, "/api/auth/user/%s%%00", name);
    cr_assert(nul->status == 400 || nul->status == 404, "%s", http_describe(nul));
    struct reply *broken = forum_get(forum, "/api/auth/user/%%zz");
    cr_assert(broken->status == 400 || broken->status == 404, "%s", http_describe(broken));
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
