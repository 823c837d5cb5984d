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

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = false});
}
