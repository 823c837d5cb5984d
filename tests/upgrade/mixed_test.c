/* An earlier commit's forum (tests/upgrade/old-commit) and the present one: the one's data served by the
 * other, their processes side by side, and from the one to the other under load. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fault/counters.h"
#include "tests/fault/sim_load.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"
#include "tests/upgrade/old.h"

#define CLIENTS       64
#define BETWEEN       1200 /* writes that are recorded between one step of an upgrade and the next */
#define FILLED        4000
#define RECORDED_MS   60000
#define RELOADED_MS   30000
#define SETTLED_MS    10000
#define WORKERS       2
#define EXIT_DATA     65
#define NO_FAILURE    " 0 not answered 2xx"
#define GATEWAY       "forumd-gateway: worker"
#define GATEWAY_MAKER "forumd-gateway: master"

/* What is followed before who follows it, as an upgrade of the package does it; and the other way round. */
static const char *const forwards[] = {"users", "subreddits", "posts", "comments", "dms", "feed"};
static const char *const backwards[] = {"feed", "dms", "comments", "posts", "subreddits", "users"};

static const char *in_run(const char *name)
{
    return keep_format("%s/%d-%s", forum_run_directory(), (int)getpid(), name);
}

/* ---- load ---- */

struct load {
    struct forum *forum;
    struct sim_load *sim;
    const char *record;
    unsigned wanted;
};

static bool is_recorded(void *arg)
{
    const struct load *load = arg;
    return sim_load_recorded(load->record) >= load->wanted;
}

static void await_writes(struct load *load, unsigned count)
{
    load->wanted = sim_load_recorded(load->record) + count;
    cr_assert(wait_until(is_recorded, load, RECORDED_MS), "the load does not go on");
}

static struct load load_start(struct forum *forum, unsigned long long seed)
{
    static const char *const flags[] = {"--users", "40", "--subreddits", "8", NULL};
    struct load load = {.forum = forum, .record = in_run("record")};
    load.sim = sim_load_start(
        forum,
        &(struct sim_load_spec){.record = load.record, .clients = CLIENTS, .seed = seed, .flags = flags});
    await_writes(&load, BETWEEN);
    return load;
}

/* Nothing failed, and the server holds what it acknowledged. Tells the figures. */
static void load_check(struct load *load, const char *what)
{
    const char *said = sim_load_stop(load->sim), *failures = strstr(said, NO_FAILURE);
    cr_assert(failures, "%s", said);
    CHECK_NOTHING_WRONG(sim_load_verify(load->forum, load->record));
    CHECK_NOTHING_WRONG(counters_differences(load->forum));
    const char *line = failures;
    while (line > said && line[-1] != '\n')
        line--;
    printf("fault: %s: %.*s, 0 differences\n", what, (int)strcspn(line, "\n"), line);
    fflush(stdout);
}

/* ---- steps of an upgrade ---- */

static const char *engine_of(const char *domain)
{
    return keep_format("forumd-engined: %s", domain);
}

static void upgrade_engines(struct forum *forum, const char *programs, const char *const *order,
                            struct load *load)
{
    old_upgrade(programs, "forumd-engined");
    for (size_t i = 0; i < ARRAY_LEN(forwards); i++) {
        old_replace(forum, engine_of(order[i]), SIGTERM);
        await_writes(load, BETWEEN);
    }
    cr_assert_eq(old_running(forum, "forumd-engined: "), 2, "others than the two password processes are old");
    old_replace(forum, "forumd-engined: passwords", SIGTERM);
    cr_assert_eq(old_running(forum, "forumd-engined: "), 0);
}

static bool workers_are_new(void *arg)
{
    pid_t pids[PROC_MAX];
    return forum_processes(arg, GATEWAY, pids, PROC_MAX) == WORKERS && old_running(arg, GATEWAY) == 0;
}

/* The master stays as it was: it has the socket, and touches no request. */
static void upgrade_gateway(struct forum *forum, const char *programs, struct load *load)
{
    old_upgrade(programs, "forumd-gateway");
    cr_assert(kill(forum_process(forum, GATEWAY_MAKER), SIGHUP) == 0, "%s", strerror(errno));
    cr_assert(wait_until(workers_are_new, forum, RELOADED_MS), "the workers are not new, or not all");
    await_writes(load, BETWEEN);
}

/* With the cache on, which the earlier launcher does not know. */
static struct forum *start_old(const char *state, unsigned workers)
{
    const char *const env[] = {keep_format("FORUMD_STATE_DIR=%s", state), NULL};
    return forum_start(&(struct forum_spec){.workers = workers, .state = state, .env = env});
}

static const char *new_state(void)
{
    char *directory = keep_format("%s/state.XXXXXX", forum_run_directory());
    cr_assert(mkdtemp(directory), "%s: %s", directory, strerror(errno));
    return directory;
}

static void check_end(struct forum *forum)
{
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    old_check_clean(forum_state_directory(forum));
}

/* ---- tests ---- */

Test(upgrade, of_the_engines_and_then_the_gateway_under_load_fails_nothing_and_loses_nothing)
{
    const char *programs = old_install();
    struct forum *forum = start_old(new_state(), WORKERS);
    struct load load = load_start(forum, 1);
    upgrade_engines(forum, programs, forwards, &load);
    upgrade_gateway(forum, programs, &load);
    load_check(&load, "upgrade under load, engines before the gateway");
    check_end(forum);
}

Test(upgrade, of_the_gateway_and_then_the_engines_under_load_fails_nothing_and_loses_nothing)
{
    const char *programs = old_install();
    struct forum *forum = start_old(new_state(), WORKERS);
    struct load load = load_start(forum, 2);
    upgrade_gateway(forum, programs, &load);
    upgrade_engines(forum, programs, backwards, &load);
    load_check(&load, "upgrade under load, the gateway before engines");
    check_end(forum);
}

/* An engine that migrated its file cannot be put back. */
static void check_way_back(const struct forum *forum)
{
    const char *state = forum_state_directory(forum);
    struct program_result result =
        old_run(old_program("forumd-engined"),
                (const char *[]){"posts", "--state-dir", state, "--mac-key", keep_format("%s/mac.key", state),
                                 "--port-base", keep_format("%u", forum_engines_port_base(forum)), NULL});
    cr_assert(result.exit_code == EXIT_DATA &&
                  strstr(result.output, "posts.db is of a newer forumd (schema "),
              "exit code %d: %s", result.exit_code, result.output);
}

Test(upgrade, of_a_forum_that_was_stopped_finds_everything_and_is_not_taken_back_by_the_earlier_program)
{
    const char *programs = old_install();
    struct forum *forum = start_old(new_state(), WORKERS);
    struct load load = load_start(forum, 3);
    await_writes(&load, FILLED);
    const char *said = sim_load_stop(load.sim);
    cr_assert(strstr(said, NO_FAILURE), "%s", said);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    old_upgrade(programs, "forumd");
    old_upgrade(programs, "forumd-engined");
    old_upgrade(programs, "forumd-gateway");
    forum_start_again(forum);
    CHECK_NOTHING_WRONG(sim_load_verify(forum, load.record));
    CHECK_NOTHING_WRONG(counters_differences(forum));
    load = load_start(forum, 4);
    load_check(&load, "upgrade of a forum that was stopped, and load after it");
    check_end(forum);
    check_way_back(forum);
}

struct wanted_feed {
    struct forum *forum;
    const char *post;
};

static bool feed_begins_with(void *arg)
{
    const struct wanted_feed *wanted = arg;
    struct reply *feed = forum_get(wanted->forum, "/api/feed/user_1?sort=new");
    return feed->status == 200 && json_count(feed, "") > 0 &&
           strcmp(json_text(feed, "0.post_id"), wanted->post) == 0;
}

/* Reads until an answer was given again: so there is a cache, and the worker has heard of both engines. */
static bool is_given_again(void *arg)
{
    (void)!forum_get(arg, "/api/subreddits/sub_1");
    (void)!forum_get(arg, "/api/posts/post_1");
    const char *hits = strstr(forum_get(arg, "/metrics")->body, "\nforumd_gateway_cache_hits_total ");
    return hits && atoi(strchr(hits, ' ')) >= 4;
}

/* Present workers keep feeds as long as no subreddit in them changes; the earlier feed engine does not say
 * which these are. */
Test(cache, keeps_no_feed_of_an_earlier_engine)
{
    const char *programs = old_install();
    old_upgrade(programs, "forumd-gateway");
    struct forum *forum = start_old(new_state(), 1);
    old_upgrade(programs, "forumd-engined");
    old_replace(forum, engine_of("subreddits"), SIGTERM);
    old_replace(forum, engine_of("posts"), SIGTERM);
    struct wanted_feed wanted = {.forum = forum};
    make_subreddit(forum, make_user(forum));
    wanted.post = make_post(forum, "sub_1", "user_1", "T");
    cr_assert(wait_until(feed_begins_with, &wanted, SETTLED_MS));
    cr_assert(wait_until(is_given_again, forum, SETTLED_MS), "%s", forum_get(forum, "/metrics")->body);
    cr_assert(feed_begins_with(&wanted)); /* this one could have been kept */
    wanted.post = make_post(forum, "sub_1", "user_1", "T");
    cr_assert(wait_until(feed_begins_with, &wanted, SETTLED_MS), "%s is not in %s", wanted.post,
              http_describe(forum_get(forum, "/api/feed/user_1?sort=new")));
    cr_assert_eq(old_running(forum, engine_of("feed")), 1);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 280, .one_by_one = true});
}
