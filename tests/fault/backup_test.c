/* forumctl backup and restore: under load, with engines that die and disks that fail in the middle,
 * interrupted at any place. What was acknowledged before a backup began is in it; what is not complete never
 * looks as if it were. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/fault/counters.h"
#include "tests/fault/sim_load.h"
#include "tests/lib/check.h"
#include "tests/lib/faults.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define TOOL_MS  60000
#define RECORDED 1500 /* outcomes of writes */
#define WAIT_MS  30000

static struct program_result tool(const char *const *arguments)
{
    const char *argv[8] = {forum_executable("forumctl")};
    for (size_t i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    return program_run(argv, NULL, forum_run_directory(), TOOL_MS);
}
#define TOOL(...) tool((const char *const[]){__VA_ARGS__, NULL})

static const char *port_base_of(const struct forum *forum)
{
    return keep_format("--port-base=%u", forum_engines_port_base(forum));
}

static const char *state_of(const struct forum *forum)
{
    return keep_format("--state-dir=%s", forum_state_directory(forum));
}

static struct program_result back_up(const struct forum *forum, const char *dir)
{
    return TOOL("backup", dir, state_of(forum), port_base_of(forum));
}

/* Each test has names of its own. */
static const char *in_run(const char *name)
{
    return keep_format("%s/%d-%s", forum_run_directory(), (int)getpid(), name);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void shell(const char *command)
{
    struct program_result result =
        program_run((const char *[]){"/bin/sh", "-c", command, NULL}, NULL, NULL, TOOL_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %s", command, result.output);
}

#define CHECK_WORKED(result)                                                                                 \
    do {                                                                                                     \
        struct program_result result_ = (result);                                                            \
        cr_assert_eq(result_.exit_code, 0, "exit code %d: %s", result_.exit_code, result_.output);           \
    } while (0)
#define CHECK_REFUSED(result, code, text)                                                                    \
    do {                                                                                                     \
        struct program_result result_ = (result);                                                            \
        cr_assert(result_.exit_code == (code) && strstr(result_.output, text), "exit code %d: %s",           \
                  result_.exit_code, result_.output);                                                        \
    } while (0)

/* ---- under load ---- */

struct recording {
    const char *record;
    unsigned lines;
};

static bool is_recorded(void *arg)
{
    const struct recording *recording = arg;
    return sim_load_recorded(recording->record) >= recording->lines;
}

/* Starts a load and waits until it wrote that much. */
static struct sim_load *load_until(struct forum *forum, const char *record, unsigned long long seed,
                                   unsigned lines)
{
    static const char *const flags[] = {"--users", "60", "--subreddits", "10", NULL};
    struct sim_load *load = sim_load_start(
        forum, &(struct sim_load_spec){.record = record, .clients = 16, .seed = seed, .flags = flags});
    cr_assert(wait_until(is_recorded, &(struct recording){record, lines}, WAIT_MS), "no load");
    return load;
}

static void check_clean(const char *dir)
{
    CHECK_WORKED(TOOL("check", dir));
}

Test(backup, under_load_holds_all_that_was_acknowledged_before_it_began)
{
    const char *before = in_run("before.record"), *during = in_run("during.record");
    const char *dir = in_run("backup"), *restored = in_run("restored");
    struct forum *forum =
        forum_start(&(struct forum_spec){.flags = (const char *[]){"--access-log=off", NULL}});
    sim_load_stop(load_until(forum, before, 1, RECORDED));
    struct sim_load *load = load_until(forum, during, 2, 200);
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    const char *post = make_post(forum, subreddit, user, "The last one");
    make_vote(forum, post, user, "upvote");
    unsigned begin = sim_load_recorded(during);
    /* With the keys of tokens: records hold some, and they are to be good where it is restored. */
    CHECK_WORKED(TOOL("backup", dir, state_of(forum), port_base_of(forum), "--token-keys"));
    unsigned end = sim_load_recorded(during);
    cr_assert_gt(end, begin, "nothing was written while the backup was made");
    sim_load_stop(load);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    check_clean(forum_state_directory(forum));
    check_clean(dir);
    CHECK_WORKED(TOOL("restore", dir, restored));
    check_clean(restored);

    struct forum *second = forum_start(&(struct forum_spec){.state = restored});
    CHECK_NOTHING_WRONG(counters_differences(second));
    CHECK_NOTHING_WRONG(sim_load_verify(second, before));
    struct reply *last = forum_get(second, "/api/posts/%s", post);
    CHECK_OK(last);
    cr_assert_eq(json_number(last, "upvotes"), 1);
    make_comment(second, post, user, NULL, "And on it goes");
    CHECK_NOTHING_WRONG(counters_differences(second));
    cr_assert_eq(forum_stop(second, SIGINT), 0);
    struct program_result result = TOOL("check", restored);
    cr_assert(result.exit_code == 0 && !strstr(result.output, "note:"), "%s", result.output);
    printf("fault: backup: %u writes were recorded before, %u while it was made; restored, checked, 0 "
           "differences\n",
           sim_load_recorded(before) + begin, end - begin);
    fflush(stdout);
}

/* ---- what goes wrong in between ---- */

static void check_incomplete(const char *dir, const char *state)
{
    cr_assert_not(is_there(keep_format("%s/manifest.json", dir)));
    CHECK_REFUSED(TOOL("restore", dir, state), 65, "is no complete backup");
    cr_assert_not(is_there(state));
}

static void check_next_one_works(struct forum *forum, const char *dir)
{
    cr_assert(forum_wait_ready(forum, FORUM_START_MS));
    CHECK_WORKED(back_up(forum, dir));
    CHECK_WORKED(TOOL("check", dir));
    cr_assert_not(is_there(keep_format("%s/backup.tmp", forum_state_directory(forum))));
}

Test(backup, ends_with_a_clear_word_when_an_engine_dies_or_its_disk_fails)
{
    static const struct {
        const char *action, *word;
    } rows[] = {
        {"kill", "the posts engine: it"}, {"eio", "disk I/O error"}, {"enospc", "database or disk is full"}};
    faults_open();
    struct forum *forum = forum_start(NULL);
    make_post(forum, make_subreddit(forum, make_user(forum)), "user_1", "P");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *dir = in_run(keep_format("backup-%s", rows[i].action));
        faults_arm("posts", "copy", "action=%s", rows[i].action);
        CHECK_REFUSED(back_up(forum, dir), 69, rows[i].word);
        cr_assert_not(faults_armed("posts", "copy"));
        check_incomplete(dir, in_run("none"));
        CHECK_OK(forum_get(forum, "/api/posts/post_1"));
        check_next_one_works(forum, dir);
        CHECK_REFUSED(back_up(forum, dir), 64, "holds a backup already");
    }
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    CHECK_REFUSED(back_up(forum, in_run("backup-of-none")), 69, "nobody listens there");
    printf("fault: backup: an engine killed, and its storage failing, in the middle of a copy: told, and no "
           "backup\n");
    fflush(stdout);
}

static bool is_copying(void *arg)
{
    return is_there(arg);
}

Test(backup, that_is_killed_leaves_nothing_that_looks_complete)
{
    faults_open();
    struct forum *forum = forum_start(NULL);
    make_post(forum, make_subreddit(forum, make_user(forum)), "user_1", "P");
    const char *dir = in_run("killed"), *state = forum_state_directory(forum);
    faults_arm("comments", "copy", "action=delay ms=200 always");
    struct program *program = program_start((const char *[]){forum_executable("forumctl"), "backup", dir,
                                                             state_of(forum), port_base_of(forum), NULL},
                                            NULL, forum_run_directory());
    cr_assert(wait_until(is_copying, keep_format("%s/backup.tmp/comments.db", state), WAIT_MS), "%s",
              program_output(program));
    CHECK_REFUSED(back_up(forum, in_run("second")), 69, "another backup");
    cr_assert(kill(keeper_program(program_keeper(program)), SIGKILL) == 0);
    cr_assert_eq(program_finish(program, TOOL_MS).exit_code, -1);
    faults_disarm("comments", "copy");
    check_incomplete(dir, in_run("none"));
    check_next_one_works(forum, dir);
    shell(keep_format("mkdir %s && touch %s/mine", in_run("other"), in_run("other")));
    CHECK_REFUSED(back_up(forum, in_run("other")), 64, "\"mine\"");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* ---- restoring ---- */

/* A backup of a little forum, which was stopped. */
static struct forum *make_backup(const char *dir, const char *flag)
{
    struct forum *forum = forum_start(NULL);
    cr_assert(make_account_named(forum, "Ann", "correct horse").id);
    make_post(forum, make_subreddit(forum, "user_1"), "user_1", "P");
    CHECK_WORKED(TOOL("backup", dir, state_of(forum), port_base_of(forum), flag));
    return forum;
}

static const char *copy_of(const char *dir, const char *name)
{
    const char *copy = in_run(name);
    shell(keep_format("cp -a %s %s", dir, copy));
    return copy;
}

Test(restoring, refuses_what_is_not_as_it_was_backed_up_and_what_is_not_empty)
{
    const char *dir = in_run("backup"), *none = in_run("none"), *bad;
    struct forum *forum = make_backup(dir, NULL);
    CHECK_REFUSED(TOOL("restore", dir, forum_state_directory(forum)), 69, "stop the forum first");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    CHECK_REFUSED(TOOL("restore", dir, forum_state_directory(forum)), 64, "is not empty");

    bad = copy_of(dir, "flipped");
    shell(keep_format("printf X | dd of=%s/posts.db bs=1 seek=5000 conv=notrunc 2>/dev/null", bad));
    CHECK_REFUSED(TOOL("restore", bad, none), 65, "its hash is another one");
    CHECK_REFUSED(TOOL("check", bad), 65, "its hash is another one");
    bad = copy_of(dir, "cut");
    shell(keep_format("truncate -s -1 %s/users.db", bad));
    CHECK_REFUSED(TOOL("restore", bad, none), 65, "bytes, not");
    bad = copy_of(dir, "without");
    shell(keep_format("rm %s/feed.db", bad));
    CHECK_REFUSED(TOOL("restore", bad, none), 65, "No such file");
    bad = copy_of(dir, "garbled");
    shell(keep_format("echo '{\"format\":1,' > %s/manifest.json", bad));
    CHECK_REFUSED(TOOL("restore", bad, none), 65, "it is not JSON");
    bad = copy_of(dir, "fewer");
    shell(keep_format("sed -i 's/\"dms\"/\"feed\"/' %s/manifest.json", bad));
    CHECK_REFUSED(TOOL("restore", bad, none), 65, "manifest.json cannot be used");
    bad = copy_of(dir, "newer");
    shell(keep_format("sed -i 's/\"schema\":5/\"schema\":50/' %s/manifest.json", bad));
    CHECK_REFUSED(TOOL("restore", bad, none), 65, "of a newer forumd");
    cr_assert_not(is_there(none));
}

Test(restoring, that_is_interrupted_lets_no_engine_start_until_it_is_complete)
{
    const char *dir = in_run("backup"), *state = in_run("restored");
    struct forum *forum = make_backup(dir, NULL);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    /* As a kill between two renames leaves it: some files in place, some not. */
    CHECK_WORKED(TOOL("restore", dir, state));
    shell(keep_format("mkdir %s/restore.tmp && mv %s/users.db %s/posts.db %s/restore.tmp/", state, state,
                      state, state));
    const char *const engine[] = {forum_executable("forumd-engined"), "posts", "--state-dir", state, NULL};
    CHECK_REFUSED(program_run(engine, NULL, forum_run_directory(), TOOL_MS), 65,
                  "run forumctl restore again");
    cr_assert_not(is_there(keep_format("%s/posts.db", state)));
    CHECK_WORKED(TOOL("restore", dir, state));
    check_clean(state);
    struct forum *second = forum_start(&(struct forum_spec){.state = state});
    CHECK_OK(forum_get(second, "/api/posts/post_1"));
    CHECK_OK(
        forum_post(second, "/api/auth/login", json_body("{'username':'Ann','password':'correct horse'}")));
    cr_assert_eq(forum_stop(second, SIGINT), 0);
}

/* Keys that are there already stay; a backup has token keys only if asked for. */
Test(restoring, takes_over_token_keys_only_where_there_are_none)
{
    const char *dir = in_run("backup"), *state = in_run("restored"), *made = in_run("made");
    struct forum *forum = make_backup(dir, "--token-keys");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    const char *old = keep_file(keep_format("%s/token.key", forum_state_directory(forum)), NULL);
    cr_assert_not(is_there(keep_format("%s/mac.key", dir)));
    CHECK_WORKED(TOOL("restore", dir, state));
    cr_assert_str_eq(keep_file(keep_format("%s/token.key", state), NULL), old);
    CHECK_WORKED(TOOL("init", "--state-dir", made));
    const char *own = keep_file(keep_format("%s/token.key", made), NULL);
    CHECK_WORKED(TOOL("restore", dir, made));
    cr_assert_str_eq(keep_file(keep_format("%s/token.key", made), NULL), own);
    cr_assert_str_neq(own, old);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
