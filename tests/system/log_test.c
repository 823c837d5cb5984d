/* The log that a person follows: one line per request, which no client can forge. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

/* The line of the request with this id; NULL: there is none yet. */
static const char *line_of(const struct forum *forum, const char *id)
{
    const char *log = forum_log(forum), *found = strstr(log, keep_format(" id=%s ", id));
    if (!found)
        return NULL;
    while (found > log && found[-1] != '\n')
        found--;
    return keep_copy(found, strcspn(found, "\n"));
}

struct awaited {
    const struct forum *forum;
    const char *id;
};

static bool is_logged(void *arg)
{
    const struct awaited *awaited = arg;
    return line_of(awaited->forum, awaited->id) != NULL;
}

static const char *await_line(const struct forum *forum, const char *id)
{
    struct awaited awaited = {forum, id};
    cr_assert(wait_until(is_logged, &awaited, 5000), "no line of %s: %s", id, forum_log(forum));
    return line_of(forum, id);
}

static void ask(const struct forum *forum, const char *path, const char *id, unsigned status)
{
    const char *header = keep_format("X-Request-Id: %s\r\n", id);
    CHECK_STATUS(forum_request(forum, "GET", path, header, NULL), status);
}

Test(log, has_one_line_with_all_that_matters_per_request)
{
    struct forum *forum = forum_start(NULL);
    const char *user = make_user(forum), *post = make_post(forum, make_subreddit(forum, user), user, "T");
    ask(forum, keep_format("/api/posts/%s", post), "one-request", 200);
    const char *line = await_line(forum, "one-request");
    const char *const parts[] = {"method=GET",
                                 "route=/api/posts/:post_id",
                                 keep_format("path=/api/posts/%s", post),
                                 "status=200",
                                 " us=",
                                 " client=127.0.0.1 ",
                                 "engine=posts",
                                 " batch="};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        cr_assert(strstr(line, parts[i]), "no %s: %s", parts[i], line);
    cr_assert(strncmp(line, "20", 2) == 0 && strstr(line, "Z "), "no time: %s", line);
    const char *worker = strstr(line, "worker[");
    cr_assert(worker && strstr(proc_title((pid_t)atoi(worker + 7)), "forumd-gateway: worker"), "%s", line);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(log, shows_problems_with_their_status_and_no_route_where_there_is_none)
{
    struct forum *forum = forum_start(NULL);
    ask(forum, "/api/posts/post_1", "not-there", 404);
    cr_assert(strstr(await_line(forum, "not-there"), "status=404"));
    ask(forum, "/nowhere", "nowhere", 404);
    cr_assert(strstr(await_line(forum, "nowhere"), "route=- "), "%s", line_of(forum, "nowhere"));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static bool has_a_refusal_with_its_address(void *arg)
{
    const char *line = strstr(forum_log(arg), "request method=- route=- path=- status=400 ");
    return line && strstr(keep_copy(line, strcspn(line, "\n")), " client=127.0.0.1 ");
}

Test(log, shows_where_a_malformed_request_came_from)
{
    struct forum *forum = forum_start(NULL);
    struct connection *connection = http_open(forum_port(forum));
    cr_assert(http_write(connection, "nonsense\r\n\r\n", 12));
    CHECK_PROBLEM(http_read(connection, false), 400, "bad_request");
    http_close(connection);
    cr_assert(wait_until(has_a_refusal_with_its_address, forum, 5000), "%s", forum_log(forum));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(log, cannot_be_forged_by_a_path)
{
    struct forum *forum = forum_start(NULL);
    ask(forum, "/x%0a2026-01-01T00:00:00.000Z%20info%20forged", "forger-1", 404);
    ask(forum, "/x%20status=200%20%22", "forger-2", 404);
    for (int i = 1; i <= 2; i++) {
        const char *line = await_line(forum, keep_format("forger-%d", i));
        cr_assert(strstr(line, "status=404") && !strstr(line, " status=200"), "%s", line);
    }
    cr_assert(!strstr(forum_log(forum), "\n2026-01-01T"));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(log, is_silent_about_requests_when_told)
{
    struct forum *forum =
        forum_start(&(struct forum_spec){.flags = (const char *[]){"--access-log=off", NULL}});
    ask(forum, "/health", "quiet-please", 200);
    cr_assert_eq(forum_stop(forum, SIGINT), 0); /* writes what it still has */
    cr_assert(!strstr(forum_log(forum), "quiet-please"));
}

Test(log, at_debug_tells_of_commits)
{
    struct forum *forum =
        forum_start(&(struct forum_spec){.flags = (const char *[]){"--log-level=debug", NULL}});
    make_user(forum);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    cr_assert(strstr(forum_log(forum), "commit"), "%s", forum_log(forum));
}

/* Whether a line has all of these; NULL ends them. */
static bool has_line(const char *log, const char *const *parts)
{
    for (const char *line = log; *line != '\0'; line += line[0] == '\n') {
        size_t length = strcspn(line, "\n"), found = 0;
        const char *copy = keep_copy(line, length);
        while (parts[found] != NULL && strstr(copy, parts[found]))
            found++;
        if (parts[found] == NULL)
            return true;
        line += length;
    }
    return false;
}

struct wanted_line {
    const struct forum *forum;
    const char *const *parts;
};

static bool line_is_there(void *arg)
{
    const struct wanted_line *wanted = arg;
    return has_line(forum_log(wanted->forum), wanted->parts);
}

static void await_parts(const struct forum *forum, const char *const *parts)
{
    struct wanted_line wanted = {forum, parts};
    cr_assert(wait_until(line_is_there, &wanted, 5000), "no line with %s, %s, ...: %s", parts[0], parts[1],
              forum_log(forum));
}
#define AWAIT_LINE(forum, ...) await_parts(forum, (const char *const[]){__VA_ARGS__, NULL})

Test(log, tells_at_worker_and_engine_where_the_time_of_a_slow_request_went)
{
    struct forum *forum = forum_start(&(struct forum_spec){.flags = (const char *[]){"--slow-ms=20", NULL}});
    const char *body = json_body("{'username':'slow_one','password':'correct horse battery'}");
    struct reply *reply =
        forum_request(forum, "POST", "/api/auth/register", "X-Request-Id: a-slow-one\r\n", body);
    CHECK_CREATED(reply); /* Argon2id takes longer than 20 ms on any machine */
    cr_assert_str_eq(http_header(reply, "X-Request-Id"), "a-slow-one");
    AWAIT_LINE(forum, " worker[", " slow id=a-slow-one ", "route=/api/auth/register", "status=201",
               "engine=users", "parked_for=password", " commit_us=", " hop_us=");
    AWAIT_LINE(forum, " users[", " slow id=a-slow-one ", "command=users_create", "parked_for=password");
    reply = forum_post(forum, "/api/auth/register",
                       json_body("{'username':'slow_two','password':'correct horse battery'}"));
    CHECK_CREATED(reply);
    const char *own = keep_format(" slow id=%s ", http_header(reply, "X-Request-Id"));
    AWAIT_LINE(forum, " worker[", own);
    AWAIT_LINE(forum, " users[", own);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* Requests that run into their deadline, more of them than lines a second. */
Test(log, is_not_flooded_by_slow_requests)
{
    enum { REQUESTS = 40 };
    struct forum *forum = forum_start(&(struct forum_spec){
        .workers = 1, .flags = (const char *[]){"--slow-ms=100", "--deadline=200", NULL}});
    struct connection *connections[REQUESTS];
    pid_t engine = forum_process(forum, "forumd-engined: posts");
    cr_assert_eq(kill(engine, SIGSTOP), 0);
    for (int i = 0; i < REQUESTS; i++) {
        static const char request[] = "GET /api/posts/post_1 HTTP/1.1\r\nHost: x\r\n\r\n";
        connections[i] = http_open(forum_port(forum));
        cr_assert(http_write(connections[i], request, sizeof(request) - 1));
    }
    unsigned slow = 0;
    for (int i = 0; i < REQUESTS; i++)
        slow += http_read(connections[i], false)->status == 503;
    cr_assert_eq(kill(engine, SIGCONT), 0);
    cr_assert_eq(slow, REQUESTS);
    AWAIT_LINE(forum, " worker[", "slow requests without a line of their own count=");
    unsigned lines = 0;
    for (const char *at = forum_log(forum); (at = strstr(at, " slow id=")) != NULL; at++)
        lines++;
    cr_assert(lines >= 1 && lines <= 20, "%u lines", lines); /* of two seconds at most */
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(log, at_debug_has_one_id_from_the_worker_to_each_engine_that_decided_something_for_it)
{
    struct forum *forum =
        forum_start(&(struct forum_spec){.flags = (const char *[]){"--log-level=debug", NULL}});
    const char *user = make_user(forum), *post = make_post(forum, make_subreddit(forum, user), user, "T");
    const char *header = "X-Request-Id: through-all\r\n";
    CHECK_OK(forum_request(forum, "GET", keep_format("/api/feed/%s", user), header, NULL));
    AWAIT_LINE(forum, " feed[", "decided id=through-all ", "command=feed_get", "status=ok");
    struct reply *reply = forum_get(forum, "/api/posts/%s", post);
    CHECK_OK(reply);
    AWAIT_LINE(forum, " posts[", keep_format("decided id=%s ", http_header(reply, "X-Request-Id")),
               "command=posts_get");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = false});
}
