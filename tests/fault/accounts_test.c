/*
 * Accounts while something is missing: the users engine killed and kept from coming back, workers that never
 * heard which sessions are closed, password processes killed in the middle of a log-in.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/proc.h"
#include "tests/lib/require.h"
#include "tests/lib/wait.h"

#define PASSWORD   "correct horse battery"
#define EVERYWHERE 16 /* connections, spread over the workers */
#define KILLS_MAX  20
#define TAKES_MS   2000
#define WAIT_MS    20000

#define ROLE_USERS     "forumd-engined: users"
#define ROLE_PASSWORDS "forumd-engined: passwords"
#define ROLE_WORKER    "forumd-gateway: worker"
#define ROLE_MASTER    "forumd-gateway: master"

static struct forum *start(const char *deadline)
{
    const char **flags = keep_alloc(3 * sizeof(flags[0]));
    struct forum_spec *spec = keep_alloc(sizeof(*spec));
    flags[0] = "--auth=required";
    flags[1] = deadline;
    spec->flags = flags;
    return forum_start(spec);
}

/* --- keeping the users engine away: another process has its lock --- */

struct usurper {
    pid_t pid;
    int told_fd;
};

/* A process that waits for the lock and, once it has it, says so and keeps it. */
static struct usurper usurp(const struct forum *forum)
{
    int fds[2];
    const char *path = keep_format("%s/users.lock", forum_state_directory(forum));
    cr_assert(pipe2(fds, O_CLOEXEC) == 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX) != 0 || write(fds[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(fds[1]);
    return (struct usurper){pid, fds[0]};
}

static bool has_lock(const struct usurper *usurper)
{
    struct pollfd watched = {.fd = usurper->told_fd, .events = POLLIN};
    return poll(&watched, 1, TAKES_MS) > 0;
}

static struct usurper keep_users_away(struct forum *forum)
{
    struct usurper usurper = usurp(forum);
    for (int i = 0; i < KILLS_MAX; i++) { /* the one that is started again may be faster */
        pid_t pid;
        if (forum_processes(forum, ROLE_USERS, &pid, 1) == 1)
            REQUIRE(kill(pid, SIGKILL) == 0 || errno == ESRCH, "kill: %s", strerror(errno));
        if (has_lock(&usurper))
            return usurper;
    }
    REQUIRE(false, "the users engine was always faster %d", KILLS_MAX);
    return usurper;
}

static void let_users_come_back(struct forum *forum, struct usurper usurper)
{
    cr_assert(kill(usurper.pid, SIGKILL) == 0 && waitpid(usurper.pid, NULL, 0) == usurper.pid);
    close(usurper.told_fd);
    cr_assert(forum_wait_ready(forum, FORUM_START_MS));
}

/* --- what users do --- */

static struct reply *post_as(const struct forum *forum, const char *token, const char *path, const char *body)
{
    return forum_request(forum, "POST", path, make_bearer(token), body);
}

static struct reply *read_feed(const struct forum *forum, const char *token)
{
    return forum_request(forum, "GET", "/api/feed", make_bearer(token), NULL);
}

/* Posts, comments, votes and reads; nothing of it needs the users engine. */
static void check_takes_part(const struct forum *forum, const struct made_user *user, const char *subreddit)
{
    struct reply *post = post_as(forum, user->token, "/api/posts/create",
                                 json_body("{'subreddit_id':'%s','title':'T'}", subreddit));
    CHECK_CREATED(post);
    CHECK_TEXT(post, "author_username", user->name);
    const char *id = json_text(post, "post_id");
    struct reply *comment =
        post_as(forum, user->token, "/api/comments/create", json_body("{'post_id':'%s','content':'C'}", id));
    CHECK_CREATED(comment);
    CHECK_TEXT(comment, "author_id", user->id);
    CHECK_OK(post_as(forum, user->token, keep_format("/api/posts/%s/vote", id),
                     json_body("{'vote_type':'upvote'}")));
    CHECK_OK(post_as(forum, user->token,
                     keep_format("/api/comments/%s/vote", json_text(comment, "comment_id")),
                     json_body("{'vote_type':'downvote'}")));
    CHECK_TEXT(forum_request(forum, "GET", keep_format("/api/posts/%s", id), user->headers, NULL), "my_vote",
               "upvote");
    CHECK_OK(read_feed(forum, user->token));
}

static void check_unavailable(const struct reply *reply, const char *code)
{
    CHECK_PROBLEM(reply, 503, code);
    cr_assert(http_header(reply, "Retry-After"), "%s", reply->head);
}

static const char *make_subreddit_as(const struct forum *forum, const struct made_user *user)
{
    struct reply *reply =
        post_as(forum, user->token, "/api/subreddits/create", json_body("{'name':'%s'}", make_name("s")));
    CHECK_CREATED(reply);
    return json_text(reply, "subreddit_id");
}

struct feed {
    const struct forum *forum;
    const char *token;
    unsigned status;
};

static bool feed_says(void *arg)
{
    const struct feed *feed = arg;
    for (int i = 0; i < EVERYWHERE; i++)
        if (read_feed(feed->forum, feed->token)->status != feed->status)
            return false;
    return true;
}

Test(users_engine, killed_and_kept_away_keeps_nobody_with_a_token_from_taking_part)
{
    struct forum *forum = start("--deadline=2000");
    const struct made_user ann = make_account(forum, NULL), bob = make_account(forum, NULL);
    const char *subreddit = make_subreddit_as(forum, &ann);
    CHECK_OK(post_as(forum, bob.token, "/api/auth/logout", "{}"));
    cr_assert(wait_until(feed_says, &(struct feed){forum, bob.token, 401}, 1000));
    struct usurper usurper = keep_users_away(forum);
    check_takes_part(forum, &ann, subreddit);
    check_unavailable(post_as(forum, ann.token, "/api/auth/renew", "{}"), NULL);
    check_unavailable(post_as(forum, ann.token, "/api/auth/logout", "{}"), NULL);

    /* New workers know what the dead ones knew: who may, and who may no more. */
    pid_t workers[8];
    size_t count = forum_processes(forum, ROLE_WORKER, workers, ARRAY_LEN(workers));
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(kill(workers[i], SIGKILL), 0);
    cr_assert(wait_until(feed_says, &(struct feed){forum, ann.token, 200}, WAIT_MS));
    check_takes_part(forum, &ann, subreddit);
    cr_assert(wait_until(feed_says, &(struct feed){forum, bob.token, 401}, WAIT_MS));

    let_users_come_back(forum, usurper);
    CHECK_OK(post_as(forum, ann.token, "/api/auth/logout", "{}"));
    cr_assert(wait_until(feed_says, &(struct feed){forum, ann.token, 401}, 1000));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(users_engine, that_was_never_heard_makes_a_new_gateway_refuse_tokens_for_a_while)
{
    struct forum *forum = start("--deadline=2000");
    const struct made_user ann = make_account(forum, NULL), bob = make_account(forum, NULL);
    CHECK_OK(post_as(forum, bob.token, "/api/auth/logout", "{}"));
    struct usurper usurper = keep_users_away(forum);
    pid_t master = forum_process(forum, ROLE_MASTER);
    cr_assert_eq(kill(master, SIGKILL), 0);
    cr_assert(wait_until(feed_says, &(struct feed){forum, ann.token, 503}, WAIT_MS));
    check_unavailable(read_feed(forum, ann.token), "sessions_unknown");
    check_unavailable(read_feed(forum, bob.token), "sessions_unknown");
    CHECK_OK(forum_get(forum, "/api/subreddits"));
    CHECK_TEXT(forum_get(forum, "/ready"), "sessions", "unknown");
    let_users_come_back(forum, usurper);
    cr_assert(wait_until(feed_says, &(struct feed){forum, ann.token, 200}, WAIT_MS));
    cr_assert(wait_until(feed_says, &(struct feed){forum, bob.token, 401}, WAIT_MS));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* --- password processes --- */

static struct connection *begin_login(const struct forum *forum, const char *name)
{
    const char *body = json_body("{'username':'%s','password':'" PASSWORD "'}", name);
    const char *request =
        keep_format("POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    "Content-Length: %zu\r\n\r\n%s",
                    strlen(body), body);
    struct connection *connection = http_open(forum_port(forum));
    cr_assert(http_write(connection, request, strlen(request)));
    return connection;
}

/* Both are killed with log-ins under way, again and again: every log-in is answered, with a token. */
Test(passwords, killed_while_they_work_lose_no_login)
{
    enum { LOGINS = 6, ROUNDS = 4 };
    struct forum *forum = start("--deadline=30000");
    const struct made_user ann = make_account(forum, PASSWORD);
    for (int round = 0; round < ROUNDS; round++) {
        struct connection *connections[LOGINS];
        pid_t pids[8];
        for (int i = 0; i < LOGINS; i++)
            connections[i] = begin_login(forum, ann.name);
        size_t count = forum_processes(forum, ROLE_PASSWORDS, pids, ARRAY_LEN(pids));
        cr_assert(round > 0 || count == 2, "%zu processes", count);
        for (size_t i = 0; i < count; i++)
            (void)kill(pids[i], SIGKILL);
        for (int i = 0; i < LOGINS; i++) {
            struct reply *reply = http_read(connections[i], false);
            CHECK_OK(reply);
            cr_assert(json_has(reply, "token"));
            http_close(connections[i]);
        }
    }
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* More than may wait: the rest is told so at once, and others' work goes on. (On a busy machine some of those
 * that wait meet their deadline.) */
Test(passwords, asked_for_more_than_may_wait_refuse_the_rest)
{
    enum { LOGINS = 120 };
    struct forum *forum = start("--deadline=15000");
    const struct made_user ann = make_account(forum, PASSWORD);
    const char *subreddit = make_subreddit_as(forum, &ann);
    struct connection *connections[LOGINS];
    unsigned taken = 0, refused = 0;
    for (int i = 0; i < LOGINS; i++)
        connections[i] = begin_login(forum, ann.name);
    check_takes_part(forum, &ann, subreddit);
    for (int i = 0; i < LOGINS; i++) {
        struct reply *reply = http_read(connections[i], false);
        if (reply->status != 200)
            check_unavailable(reply, NULL);
        taken += reply->status == 200;
        refused += reply->status == 503 && strcmp(json_text(reply, "code"), "overloaded") == 0;
        http_close(connections[i]);
    }
    cr_assert(taken > 0 && refused > 0, "%u taken, %u refused", taken, refused);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 180});
}
