/* Limits on requests, as a client meets them. Each test has a forum of its own, with limits that do not give
 * back a request while it runs, unless that is what it is about. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define WORKERS 4

static struct forum *start(const char *const *flags)
{
    return forum_start(&(struct forum_spec){.workers = WORKERS, .flags = flags});
}

/* A write by `user`; `headers` NULL: none. */
static struct reply *write_as(const struct forum *forum, const char *user, const char *headers)
{
    return forum_request(forum, "POST", "/api/subreddits/create", headers,
                         json_body("{'name':'%s','creator_id':'%s'}", make_name("s"), user));
}

static const char *from(const char *client)
{
    return keep_format("X-Forwarded-For: %s\r\n", client);
}

static long long field(const struct reply *reply, const char *name)
{
    const char *text = http_header(reply, name);
    char *end;
    cr_assert(text, "no %s: %s", name, reply->head);
    long long number = strtoll(text, &end, 10);
    cr_assert(*text != '\0' && *end == '\0', "%s: %s", name, text);
    return number;
}

/* As many writes as are let through, up to `most`. */
static unsigned writes_let_through(const struct forum *forum, const char *user, const char *headers,
                                   unsigned most)
{
    unsigned through = 0;
    for (unsigned i = 0; i < most; i++) {
        struct reply *reply = write_as(forum, user, headers);
        if (reply->status == 201)
            through++;
        else
            CHECK_PROBLEM(reply, 429, "rate_limited");
    }
    return through;
}

/* A connection to each worker. */
struct connections {
    const struct forum *forum;
    struct connection *open[WORKERS];
    int64_t pids[WORKERS];
    size_t count;
};

static struct reply *send_on(struct connection *connection, const char *method, const char *path,
                             const char *body)
{
    const char *text = keep_format("%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                   "Content-Length: %zu\r\n\r\n%s",
                                   method, path, strlen(body), body);
    cr_assert(http_write(connection, text, strlen(text)));
    return http_read(connection, false);
}

/* Whoever accepts it: kept if it is a worker that has none yet. */
static bool has_one_to_each_worker(void *arg)
{
    struct connections *all = arg;
    struct connection *connection = http_open(forum_port(all->forum));
    int64_t pid = json_number(send_on(connection, "GET", "/health", ""), "worker_pid");
    size_t i = 0;
    while (i < all->count && all->pids[i] != pid)
        i++;
    if (i < all->count) {
        http_close(connection);
        return all->count == WORKERS;
    }
    all->pids[i] = pid;
    all->open[i] = connection;
    return ++all->count == WORKERS;
}

Test(limits, are_not_multiplied_by_workers)
{
    struct forum *forum = start((const char *[]){"--limit-write=20/h,address=100", NULL});
    struct connections all = {.forum = forum};
    const char *user = make_user(forum);
    unsigned through = 0;
    cr_assert(wait_until(has_one_to_each_worker, &all, 20000), "only %zu workers accept", all.count);
    for (size_t i = 0; i < 20 * WORKERS; i++) {
        struct reply *reply = send_on(all.open[i % WORKERS], "POST", "/api/subreddits/create",
                                      json_body("{'name':'%s','creator_id':'%s'}", make_name("s"), user));
        cr_assert(reply->status == 201 || reply->status == 429, "%s", http_describe(reply));
        through += reply->status == 201;
    }
    cr_expect_eq(through, 20, "%u", through);
    for (size_t i = 0; i < WORKERS; i++)
        http_close(all.open[i]);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(limits, are_told_in_every_answer_and_say_when_to_come_back)
{
    struct forum *forum = start((const char *[]){"--limit-write=3/h", "--limit-read=7/h", NULL});
    const char *user = make_user(forum);
    for (int i = 0; i < 3; i++) {
        struct reply *reply = write_as(forum, user, NULL);
        CHECK_CREATED(reply);
        cr_expect_eq(field(reply, "RateLimit-Limit"), 3);
        cr_expect_eq(field(reply, "RateLimit-Remaining"), 2 - i);
        long long reset_s = field(reply, "RateLimit-Reset");
        cr_expect(reset_s > 1200 * i && reset_s <= 1200 * (i + 1), "%lld", reset_s);
    }
    struct reply *refused = write_as(forum, user, NULL);
    CHECK_PROBLEM(refused, 429, "rate_limited");
    cr_expect_eq(field(refused, "RateLimit-Limit"), 3);
    cr_expect_eq(field(refused, "RateLimit-Remaining"), 0);
    cr_expect_eq(field(refused, "RateLimit-Reset"), field(refused, "Retry-After"));
    cr_expect(field(refused, "Retry-After") > 1100 && field(refused, "Retry-After") <= 1200);
    struct reply *read = forum_get(forum, "/api/subreddits"); /* another class */
    CHECK_OK(read);
    cr_expect_eq(field(read, "RateLimit-Remaining"), 6);
    cr_expect_null(http_header(forum_get(forum, "/health"), "RateLimit-Limit"));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(limits, count_a_refused_body_before_it_is_read)
{
    struct forum *forum = start((const char *[]){"--limit-write=1/h", NULL});
    CHECK_PROBLEM(forum_post(forum, "/api/posts/create", "{nonsense"), 400, "invalid_json");
    CHECK_PROBLEM(forum_post(forum, "/api/posts/create", "{nonsense"), 429, "rate_limited");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

struct moment {
    uint64_t at_ms;
};

static bool has_come(void *arg)
{
    const struct moment *moment = arg;
    return wait_now_ms() >= moment->at_ms;
}

Test(limits, let_through_whoever_waits_as_long_as_retry_after_says)
{
    struct forum *forum = start((const char *[]){"--limit-write=1/2s", NULL});
    const char *user = make_user(forum);
    for (int round = 0; round < 2; round++) {
        struct reply *reply = write_as(forum, user, NULL);
        CHECK_CREATED(reply);
        reply = write_as(forum, user, NULL);
        CHECK_PROBLEM(reply, 429, "rate_limited");
        struct moment moment = {wait_now_ms() + 1000 * (uint64_t)field(reply, "Retry-After")};
        cr_assert(wait_until(has_come, &moment, 10000));
    }
    CHECK_CREATED(write_as(forum, user, NULL));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(limits, of_one_user_are_not_anothers_and_of_an_address_are_all_its_users)
{
    struct forum *forum = start((const char *[]){"--limit-write=5/h,address=3", NULL});
    const char *ann = make_user(forum), *bob = make_user(forum), *eve = make_user(forum);
    cr_expect_eq(writes_let_through(forum, ann, NULL, 6), 5);
    cr_expect_eq(writes_let_through(forum, bob, NULL, 6), 5);
    /* 12 of the address's 15 are gone: refused by a user's limit, a request still counts for its address */
    cr_expect_eq(writes_let_through(forum, eve, NULL, 6), 3);
    struct reply *metrics = forum_get(forum, "/metrics");
    cr_expect(strstr(metrics->body, "\nforumd_http_limited_write_total 5\n"), "%s", metrics->body);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(limits, of_registrations_hold_per_address)
{
    struct forum *forum = start((const char *[]){"--limit-register=2/h", NULL});
    make_user(forum);
    make_user(forum);
    CHECK_PROBLEM(forum_post(forum, "/api/auth/register", json_body("{'username':'late'}")), 429,
                  "rate_limited");
    CHECK_PROBLEM(forum_get(forum, "/api/auth/user/late"), 404, "user_not_found");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static bool has_no_old_worker(void *arg)
{
    const char *const *old = arg; /* [0]: the forum; [1]: pids of the old workers */
    const struct forum *forum = (const struct forum *)(const void *)old[0];
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(forum, "forumd-gateway: worker", pids, PROC_MAX);
    for (size_t i = 0; i < count; i++)
        if (strstr(old[1], keep_format(" %d ", (int)pids[i])))
            return false;
    return count >= WORKERS;
}

static const char *worker_pids(const struct forum *forum)
{
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(forum, "forumd-gateway: worker", pids, PROC_MAX);
    const char *all = " ";
    for (size_t i = 0; i < count; i++)
        all = keep_format("%s%d ", all, (int)pids[i]);
    return all;
}

Test(limits, outlast_killed_workers_and_reloads)
{
    struct forum *forum = start((const char *[]){"--limit-write=4/h", NULL});
    const char *user = make_user(forum);
    cr_expect_eq(writes_let_through(forum, user, NULL, 3), 3);
    for (int i = 0; i < WORKERS; i++)
        forum_kill_and_wait_for_another(forum, "forumd-gateway: worker");
    cr_expect_eq(writes_let_through(forum, user, NULL, 8), 1);
    const char *old[] = {(const char *)(const void *)forum, worker_pids(forum)};
    cr_assert(kill(forum_process(forum, "forumd-gateway: master"), SIGHUP) == 0);
    cr_assert(wait_until(has_no_old_worker, old, FORUM_START_MS), "old workers are left: %s",
              forum_log(forum));
    cr_expect_eq(writes_let_through(forum, user, NULL, 8), 0);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(client, cannot_choose_its_address_by_headers_that_no_trusted_proxy_wrote)
{
    struct forum *forum =
        start((const char *[]){"--limit-write=3/h", "--trusted-proxies=10.0.0.0/8,::1", NULL});
    const char *user[8];
    unsigned through = 0;
    for (size_t i = 0; i < ARRAY_LEN(user); i++)
        user[i] = make_user(forum);
    for (size_t i = 0; i < ARRAY_LEN(user); i++)
        through +=
            write_as(forum, user[i],
                     keep_format("X-Forwarded-For: 192.0.2.%zu\r\nForwarded: for=192.0.2.%zu\r\n", i, i))
                ->status == 201;
    cr_expect_eq(through, 3, "%u", through);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(client, behind_a_trusted_proxy_is_whom_the_proxy_names)
{
    struct forum *forum = start((const char *[]){"--limit-write=3/h", "--trusted-proxies=127.0.0.1", NULL});
    const char *ann = make_user(forum), *bob = make_user(forum), *eve = make_user(forum);
    cr_expect_eq(writes_let_through(forum, ann, from("192.0.2.1"), 5), 3);
    cr_expect_eq(writes_let_through(forum, bob, from("192.0.2.2"), 5), 3);
    /* what a client put before it, in the line or as a line of its own, and the header that is not meant */
    CHECK_PROBLEM(write_as(forum, eve, from("198.51.100.7, 192.0.2.1")), 429, "rate_limited");
    CHECK_PROBLEM(write_as(forum, eve, keep_format("%s%s", from("198.51.100.7"), from("192.0.2.1"))), 429,
                  "rate_limited");
    CHECK_PROBLEM(write_as(forum, eve, keep_format("Forwarded: for=1.1.1.1\r\n%s", from("192.0.2.1"))), 429,
                  "rate_limited");
    CHECK_CREATED(write_as(forum, eve, from("192.0.2.1, 192.0.2.3")));
    const char *id = "X-Request-Id: who-was-it\r\n";
    CHECK_CREATED(write_as(forum, eve, keep_format("%s%s", id, from("[2001:db8::7]:4711"))));
    cr_assert_eq(forum_stop(forum, SIGINT), 0); /* the log is whole then */
    cr_expect(strstr(forum_log(forum), " client=2001:db8::7 id=who-was-it "), "%s", forum_log(forum));
}

Test(client, may_be_named_by_the_forwarded_header_instead)
{
    struct forum *forum = start((const char *[]){"--limit-write=1/h", "--trusted-proxies=127.0.0.0/8",
                                                 "--proxy-header=forwarded", NULL});
    const char *ann = make_user(forum), *bob = make_user(forum), *eve = make_user(forum);
    CHECK_CREATED(write_as(forum, ann, "Forwarded: for=\"[2001:db8::1]:80\";proto=https\r\n"));
    CHECK_PROBLEM(write_as(forum, bob, "Forwarded: for=9.9.9.9\r\nForwarded: For=\"[2001:db8::2]\"\r\n"), 429,
                  "rate_limited");
    CHECK_CREATED(write_as(forum, eve, "X-Forwarded-For: 2001:db8::1\r\nForwarded: for=192.0.2.1\r\n"));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(flags, that_cannot_be_read_end_the_start_with_a_line_that_names_them)
{
    static const struct {
        const char *flag, *named;
    } cases[] = {
        {"--limit-write=10", "--limit-write 10 is neither"},
        {"--limit-read=1/fortnight", "--limit-read 1/fortnight is neither"},
        {"--trusted-proxies=127.0.0.1,nginx", "--trusted-proxies: \"nginx\" is neither"},
        {"--proxy-header=via", "--proxy-header: \"via\" is none of"},
        {"--login-slowdown=maybe", "--login-slowdown: \"maybe\" is none of"},
    };
    struct keeper *keepers[ARRAY_LEN(cases)];
    const char *outputs[ARRAY_LEN(cases)];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        outputs[i] = keep_format("%s/flags-%zu.log", forum_run_directory(), i);
        keepers[i] = forum_launch(NULL, (const char *[]){cases[i].flag, NULL}, outputs[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int status = 0;
        cr_assert(keeper_wait(keepers[i], FORUM_START_MS, &status), "%s: still tries", cases[i].flag);
        cr_expect_neq(status, 0, "%s", cases[i].flag);
        const char *said = keep_file(outputs[i], NULL);
        cr_expect(strstr(said, cases[i].named), "%s: %s", cases[i].flag, said);
    }
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 120});
}
