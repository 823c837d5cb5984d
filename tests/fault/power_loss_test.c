/*
 * Power cuts under load (power_loss.h): whatever was acknowledged is there afterwards. And the controls: with
 * SQLite told to sync less, the same test finds losses.
 *
 * FORUMD_POWER_SEED repeats a run's choices (the moment of a cut is only as exact as a timer),
 * FORUMD_POWER_CUTS asks for more cuts than 24.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/counters.h"
#include "tests/fault/power_loss.h"
#include "tests/fault/sim_load.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define CUTS               24
#define CUTS_PER_STATE     4 /* then a new forum, so that reading all back stays quick */
#define CONTROL_CUTS       4 /* at most; one that finds a loss is enough */
#define LOAD_MS_MIN        30
#define LOAD_MS_MAX        1500
#define TRY_START_MS       10000
#define CHECKPOINTED_BYTES 262144
#define TOOL_MS            20000

static unsigned short dice[3];

static uint64_t environment_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void roll(void)
{
    uint64_t seed = 0;
    cr_assert(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
    seed = environment_number("FORUMD_POWER_SEED", seed % 1000000);
    memcpy(dice, &seed, sizeof(dice));
    printf("fault: power loss: FORUMD_POWER_SEED=%llu\n", (unsigned long long)seed);
}

static uint64_t up_to(uint64_t end)
{
    return (uint64_t)nrand48(dice) % end;
}

static const char *shim(void)
{
    return keep_format("LD_PRELOAD=%s/power_loss_shim.so", FORUMD_BIN_DIR);
}

static const char *new_directory(const char *name)
{
    char *path = keep_format("%s/%s.XXXXXX", forum_run_directory(), name);
    cr_assert(mkdtemp(path));
    return path;
}

struct power_test {
    struct forum *forum;
    const char *record, *state;
};

/* A forum under the shim. Few pages in the log, so that the load meets many checkpoints. */
static struct power_test start(const char *synchronous)
{
    struct power_test test = {.state = new_directory("power")};
    const char **env = keep_alloc(5 * sizeof(env[0]));
    env[0] = shim();
    env[1] = keep_format("%s=%s", POWER_LOSS_DIRECTORY_VARIABLE, test.state);
    env[2] = "FORUMD_FAULT_WAL_PAGES=100";
    env[3] = synchronous ? keep_format("FORUMD_FAULT_SYNCHRONOUS=%s", synchronous) : NULL;
    struct forum_spec *spec = keep_alloc(sizeof(*spec));
    *spec = (struct forum_spec){.state = test.state, .env = env};
    test.forum = forum_start(spec);
    test.record = keep_format("%s.record", test.state);
    return test;
}

/* The load goes on for a time of its own: that waits for nothing. */
static bool never(void *arg)
{
    (void)arg;
    return false;
}

/* One cut at a random moment of a load, and the start after it. NULL: nothing was lost; else what was. */
static const char *cut(struct power_test *test, const char *name)
{
    static const double chances[] = {0, 0.1, 0.5, 0.9};
    uint64_t load_ms = LOAD_MS_MIN + up_to(LOAD_MS_MAX - LOAD_MS_MIN), seed = up_to(1 << 30);
    double survives = chances[up_to(ARRAY_LEN(chances))];
    static const char *const flags[] = {"--users", "60", "--subreddits", "10", NULL};
    struct sim_load *load = sim_load_start(
        test->forum, &(struct sim_load_spec){.record = test->record, .seed = seed, .flags = flags});
    (void)!wait_until(never, NULL, (unsigned)load_ms);
    forum_kill(test->forum);
    sim_load_stop(load);
    struct power_loss_result result = power_loss_play(test->state, seed, survives);
    const char *lost = NULL;
    if (!forum_try_again(test->forum, TRY_START_MS))
        lost = "it does not start";
    else
        lost = sim_load_verify(test->forum, test->record);
    printf("fault: power loss: %s after %llu ms: %u outcomes recorded; of %u unsynced writes %u lost, %u "
           "torn; %u "
           "names "
           "lost; %s\n",
           name, (unsigned long long)load_ms, sim_load_recorded(test->record), result.writes, result.lost,
           result.torn, result.names_lost, lost ? "something is lost" : "0 differences");
    fflush(stdout);
    return lost;
}

static void end(struct forum *forum)
{
    CHECK_NOTHING_WRONG(counters_differences(forum));
    CHECK_NOTHING_WRONG(counters_damage(forum));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(power_loss, in_24_cuts_under_load_loses_nothing_that_was_acknowledged)
{
    roll();
    unsigned cuts = (unsigned)environment_number("FORUMD_POWER_CUTS", CUTS);
    struct power_test test = {0};
    for (unsigned i = 0; i < cuts; i++) {
        if (i % CUTS_PER_STATE == 0) {
            if (test.forum)
                end(test.forum);
            test = start(NULL);
        }
        const char *lost = cut(&test, keep_format("cut %u of %u", i + 1, cuts));
        cr_assert(!lost, "cut %u: %.4000s\n%.4000s", i + 1, lost, forum_log(test.forum));
    }
    cr_assert(sim_load_recorded(test.record) > 0, "there was no load");
    struct stat posts;
    cr_assert(stat(keep_format("%s/posts.db", test.state), &posts) == 0);
    cr_assert_gt(posts.st_size, CHECKPOINTED_BYTES, "there was no checkpoint: all is in the log still");
    end(test.forum);
}

static void control(const char *synchronous)
{
    roll();
    for (unsigned i = 0; i < CONTROL_CUTS; i++) {
        struct power_test test = start(synchronous);
        const char *lost = cut(&test, keep_format("control synchronous=%s, cut %u", synchronous, i + 1));
        if (lost) {
            printf("fault: power loss: it says: %.400s\n", lost);
            return;
        }
        forum_kill(test.forum);
    }
    cr_assert_fail("with synchronous=%s nothing is lost either: this test proves nothing", synchronous);
}

Test(power_loss, with_less_syncing_at_commits_is_found_to_lose)
{
    control("normal");
}

Test(power_loss, with_no_syncing_is_found_to_lose)
{
    control("off");
}

Test(power_loss, right_after_the_first_start_leaves_the_state_directory_and_all_databases_in_it)
{
    const char *parent = new_directory("fresh");
    const char *const env[] = {shim(), keep_format("%s=%s", POWER_LOSS_DIRECTORY_VARIABLE, parent), NULL};
    struct forum *forum =
        forum_start(&(struct forum_spec){.state = keep_format("%s/state", parent), .env = env});
    const char *user = make_user_named(forum, "ann");
    forum_kill(forum);
    struct power_loss_result result = power_loss_play(parent, 1, 0);
    printf("fault: power loss: right after the first start; %u names lost\n", result.names_lost);
    forum_start_again(forum);
    CHECK_TEXT(forum_get(forum, "/api/auth/user/ann"), "user_id", user);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* The sqlite3 shell makes a database under the shim; then the power goes. What the shell says to the
 * database. */
static const char *make_database_and_cut(const char *synchronous)
{
    const char *directory = new_directory("tool");
    const char *const env[] = {shim(), keep_format("%s=%s", POWER_LOSS_DIRECTORY_VARIABLE, directory), NULL};
    const char *make =
        keep_format("sqlite3 %s/a.db 'PRAGMA synchronous=%s; CREATE TABLE t (a); INSERT INTO t "
                    "VALUES (17)'",
                    directory, synchronous);
    struct program_result made =
        program_run((const char *[]){"/bin/sh", "-c", make, NULL}, env, NULL, TOOL_MS);
    cr_assert_eq(made.exit_code, 0, "%s", made.output);
    struct power_loss_result result = power_loss_play(directory, 1, 0);
    cr_assert_eq(result.writes, result.lost);
    const char *ask = keep_format("sqlite3 %s/a.db 'SELECT a FROM t' 2>&1", directory);
    return program_run((const char *[]){"/bin/sh", "-c", ask, NULL}, NULL, NULL, TOOL_MS).output;
}

Test(power_loss, of_this_suite_spares_what_was_synced_and_takes_what_was_not_with_the_files_name)
{
    cr_assert_str_eq(make_database_and_cut("FULL"), "17\n");
    const char *said = make_database_and_cut("OFF");
    cr_assert(strstr(said, "no such table"), "%s", said);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 1800});
}
