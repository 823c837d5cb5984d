/* A disk that is full, for all engines or for one, and one that fails: what was acknowledged is there
 * afterwards, reads go on where they can, and it heals without a hand. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/counters.h"
#include "tests/fault/sim_load.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/proc.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define SMALL            "size=14m"
#define LARGE            "size=512m"
#define FILL_MS          30000
#define HEAL_MS          10000 /* a probe a second; what it took is printed */
#define FULL_MS          1500  /* how long it is watched while full */
#define FULL_LINES       200   /* of the log in that time: a few a second and engine, no flood */
#define SETTLED_MS       10000
#define REFUSED_MS       1500 /* longer than the time between two probes */
#define LARGE_CHARACTERS 40000

static const char *new_directory(const char *name)
{
    char *path = keep_format("%s/%s.XXXXXX", forum_run_directory(), name);
    cr_assert(mkdtemp(path));
    return path;
}

/* A small disk that this test and its processes alone see, so that nothing of it can be left behind. Skips
 * the test where that is not allowed. */
static void mount_small(const char *directory)
{
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", directory, "tmpfs", 0, SMALL) == 0)
        return;
    const char *reason = strerror(errno);
    printf("fault: disk: SKIPPED, a small file system cannot be mounted here: %s\n", reason);
    fflush(stdout);
    cr_skip_test("a small file system cannot be mounted here: %s", reason);
}

static void make_large(const char *directory)
{
    cr_assert(mount(NULL, directory, NULL, MS_REMOUNT, LARGE) == 0, "remount: %s", strerror(errno));
}

/* Takes what room is left, so that it stays full. */
static void fill(const char *directory)
{
    static char block[65536];
    int fd = open(keep_format("%s/filler", directory), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    cr_assert(fd >= 0, "%s", strerror(errno));
    size_t length = sizeof(block);
    while (length > 0) {
        if (write(fd, block, length) < 0)
            length /= 2;
    }
    close(fd);
}

static const char *const quiet[] = {"--access-log=off", NULL};

/* The load's own beginning must not end it. */
static const char *const persistent[] = {"--retries", "1000", NULL};

static struct reply *write_post(struct forum *forum)
{
    return forum_post(forum, "/api/posts/create",
                      json_body("{'subreddit_id':'sub_1','author_id':'user_1','title':'T'}"));
}

static bool writes_are_refused(void *arg)
{
    return write_post(arg)->status == 503;
}

struct filling {
    struct forum *forum;
    const char *directory, *large; /* a post's body */
    uint64_t since_ms;             /* nothing was written since then */
};

/* What the log's file has allocated is room even on a full disk, whenever the log begins anew: it is used up,
 * with large posts and with small ones, until for longer than a probe takes nothing fits any more. */
static bool is_full_for_good(void *arg)
{
    struct filling *filling = arg;
    fill(filling->directory);
    bool large_fits = forum_post(filling->forum, "/api/posts/create", filling->large)->status == 201;
    if (!writes_are_refused(filling->forum) || large_fits)
        filling->since_ms = wait_now_ms();
    return wait_now_ms() >= filling->since_ms + REFUSED_MS;
}

static void fill_for_good(struct forum *forum, const char *directory)
{
    char *text = keep_alloc(LARGE_CHARACTERS + 1);
    memset(text, 'x', LARGE_CHARACTERS);
    text[LARGE_CHARACTERS] = '\0';
    struct filling filling = {
        .forum = forum,
        .directory = directory,
        .large = json_body("{'subreddit_id':'sub_1','author_id':'user_1','title':'L','content':'%s'}", text),
        .since_ms = wait_now_ms(),
    };
    cr_assert(wait_until(is_full_for_good, &filling, FILL_MS), "it never fills");
}

static bool writes_are_taken(void *arg)
{
    return write_post(arg)->status == 201;
}

static size_t log_lines(const struct forum *forum)
{
    size_t lines = 0;
    for (const char *at = forum_log(forum); (at = strchr(at, '\n')); at++)
        lines++;
    return lines;
}

static size_t starts(const struct forum *forum)
{
    size_t count = 0;
    for (const char *at = forum_log(forum); (at = strstr(at, "child started")); at++)
        count++;
    return count;
}

struct watch {
    struct forum *forum;
    uint64_t end_ms;
    const char *wrong;
    unsigned reads, writes, fitted;
};

/* Reads go on, writes are refused with a word. */
static bool look_at_full(void *arg)
{
    static const char *const paths[] = {"/api/posts/post_1", "/api/users/user_1", "/api/subreddits",
                                        "/api/subreddits/sub_1/posts"};
    struct watch *watch = arg;
    for (size_t i = 0; i < ARRAY_LEN(paths) && !watch->wrong; i++) {
        watch->wrong = check_success(forum_get(watch->forum, "%s", paths[i]), 200);
        watch->reads++;
    }
    /* What the log's file has allocated is room again whenever the log begins anew: a small write may fit. */
    struct reply *written = write_post(watch->forum);
    if (!watch->wrong && written->status == 201)
        watch->fitted++;
    else if (!watch->wrong)
        watch->wrong = check_problem(written, 503, "storage_unavailable");
    watch->writes++;
    return watch->wrong || wait_now_ms() >= watch->end_ms;
}

static struct watch watch_full(struct forum *forum)
{
    struct watch watch = {.forum = forum, .end_ms = wait_now_ms() + FULL_MS};
    size_t lines = log_lines(forum), started = starts(forum);
    cr_assert(wait_until(look_at_full, &watch, FULL_MS * 10));
    cr_assert(!watch.wrong, "%s", watch.wrong);
    cr_assert_lt(watch.fitted * 10, watch.writes, "%u of %u writes fitted", watch.fitted, watch.writes);
    cr_assert_eq(starts(forum), started, "a process was restarted: %s", forum_log(forum));
    lines = log_lines(forum) - lines;
    cr_assert_lt(lines, FULL_LINES, "%zu lines in %d ms: %s", lines, FULL_MS, forum_log(forum));
    return watch;
}

static uint64_t heal(struct forum *forum)
{
    uint64_t start_ms = wait_now_ms();
    cr_assert(wait_until(writes_are_taken, forum, HEAL_MS), "it does not heal: %s", forum_log(forum));
    return wait_now_ms() - start_ms;
}

static void check_nothing_is_lost(struct forum *forum, const char *record)
{
    CHECK_NOTHING_WRONG(sim_load_verify(forum, record));
    CHECK_NOTHING_WRONG(counters_differences(forum));
    CHECK_NOTHING_WRONG(counters_damage(forum));
}

Test(disk, that_is_full_refuses_writes_alone_and_heals_when_there_is_room)
{
    const char *state = new_directory("small");
    mount_small(state);
    struct forum *forum = forum_start(&(struct forum_spec){.state = state, .flags = quiet});
    make_subreddit(forum, make_user(forum));
    make_post(forum, "sub_1", "user_1", "T");
    size_t started = starts(forum);
    const char *record = keep_format("%s.record", state);
    struct sim_load *load =
        sim_load_start(forum, &(struct sim_load_spec){.record = record, .seed = 1, .flags = persistent});
    cr_assert(wait_until(writes_are_refused, forum, FILL_MS), "it never fills");
    sim_load_stop(load);
    fill_for_good(forum, state);
    struct watch watch = watch_full(forum);
    load = sim_load_start(forum, &(struct sim_load_spec){.record = record, .seed = 2, .flags = persistent});
    make_large(state);
    uint64_t healed_ms = heal(forum);
    sim_load_stop(load);
    check_nothing_is_lost(forum, record);
    cr_assert_eq(starts(forum), started, "a process was restarted: %s", forum_log(forum));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    printf("fault: disk: full under load, then %u reads and %u refused writes; room again, healed after %llu "
           "ms; %u "
           "outcomes, "
           "0 differences\n",
           watch.reads, watch.writes, (unsigned long long)healed_ms, sim_load_recorded(record));
}

Test(disk, that_is_full_when_an_engine_starts_lets_it_serve_reads)
{
    const char *state = new_directory("small");
    mount_small(state);
    struct forum *forum = forum_start(&(struct forum_spec){.state = state, .flags = quiet});
    make_subreddit(forum, make_user(forum));
    make_post(forum, "sub_1", "user_1", "T");
    fill_for_good(forum, state);
    forum_kill_and_wait_for_another(forum, "forumd-engined: posts");
    fill_for_good(forum, state); /* recovery may have emptied the log into the file */
    struct watch watch = watch_full(forum);
    forum_kill(forum);
    bool starts_full = forum_try_again(forum, SETTLED_MS);
    cr_assert(starts_full, "it does not start on a full disk: %s", forum_log(forum));
    cr_assert(wait_until(writes_are_refused, forum, FILL_MS), "it writes on a full disk");
    make_large(state);
    uint64_t healed_ms = heal(forum);
    CHECK_NOTHING_WRONG(counters_differences(forum));
    CHECK_NOTHING_WRONG(counters_damage(forum));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    printf("fault: disk: full at the restart of an engine and of all, %u reads and %u refused writes; healed "
           "after "
           "%llu ms\n",
           watch.reads, watch.writes, (unsigned long long)healed_ms);
}

Test(disk, that_is_full_for_one_engine_hinders_no_other)
{
    const char *small = new_directory("small"), *state = new_directory("state");
    mount_small(small);
    cr_assert(symlink(keep_format("%s/posts.db", small), keep_format("%s/posts.db", state)) == 0);
    struct forum *forum = forum_start(&(struct forum_spec){.state = state, .flags = quiet});
    make_subreddit(forum, make_user(forum));
    make_post(forum, "sub_1", "user_1", "T");
    fill_for_good(forum, small);
    struct watch watch = watch_full(forum);
    const char *other = make_user(forum);
    make_member(forum, "sub_1", other);
    make_comment(forum, "post_1", other, NULL, "C");
    make_message(forum, other, "user_1", "M");
    make_large(small);
    uint64_t healed_ms = heal(forum);
    CHECK_NOTHING_WRONG(counters_differences(forum));
    CHECK_NOTHING_WRONG(counters_damage(forum));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    printf("fault: disk: full for posts alone, %u reads and %u refused writes, all others write; healed "
           "after %llu "
           "ms\n",
           watch.reads, watch.writes, (unsigned long long)healed_ms);
}

/* --- a failing disk: libfiu --- */

#define FIU_PRELOADS "/usr/lib/fiu/fiu_run_preload.so:/usr/lib/fiu/fiu_posix_preload.so"
#define FAULTS_MIN   5

/* One word to libfiu in every engine that runs. */
static void tell_engines(const struct forum *forum, const char *pipes, const char *command)
{
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(forum, "forumd-engined:", pids, PROC_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *const argv[] = {
            "/usr/bin/fiu-ctrl", "-f", pipes, "-c", command, keep_format("%d", (int)pids[i]), NULL};
        /* It may have died of the last word. */
        (void)!program_run(argv, NULL, NULL, 5000).exit_code;
    }
}

struct failing {
    struct forum *forum;
    const char *pipes, *command;
    size_t starts, wanted;
};

/* Whoever came back meanwhile is told too. */
static bool has_failed_enough(void *arg)
{
    struct failing *failing = arg;
    tell_engines(failing->forum, failing->pipes, failing->command);
    return starts(failing->forum) - failing->starts >= failing->wanted;
}

static void fail_under_load(const char *name, const char *point)
{
    const char *state = new_directory("failing"), *pipes = keep_format("%s/fiu", new_directory("pipes"));
    const char *const env[] = {"LD_PRELOAD=" FIU_PRELOADS, keep_format("FIU_CTRL_FIFO=%s", pipes), NULL};
    struct forum *forum = forum_start(&(struct forum_spec){.state = state, .flags = quiet, .env = env});
    make_subreddit(forum, make_user(forum));
    make_post(forum, "sub_1", "user_1", "T");
    const char *record = keep_format("%s.record", state);
    struct sim_load *load =
        sim_load_start(forum, &(struct sim_load_spec){.record = record, .seed = 3, .flags = persistent});
    struct failing failing = {forum, pipes,
                              keep_format("enable_random name=%s,probability=0.05,failinfo=5", point),
                              starts(forum), FAULTS_MIN};
    cr_assert(wait_until(has_failed_enough, &failing, FILL_MS), "%zu engines ended of it, not %d: %.8000s",
              starts(forum) - failing.starts, FAULTS_MIN, forum_log(forum));
    sim_load_stop(load);
    size_t restarts = starts(forum) - failing.starts;
    tell_engines(forum, pipes, keep_format("disable name=%s", point));
    cr_assert(forum_wait_ready(forum, FORUM_START_MS), "it does not heal: %s", forum_log(forum));
    uint64_t healed_ms = heal(forum);
    check_nothing_is_lost(forum, record);
    cr_assert(!forum_trouble(forum), "%s", forum_trouble(forum));
    forum_kill(forum); /* libfiu's own thread takes SIGINT and SIGTERM as nobody handled them */
    printf(
        "disk: 5 %% of %s fail under load, %zu restarts; healed after %llu ms; %u outcomes, 0 differences\n",
        name, restarts, (unsigned long long)healed_ms, sim_load_recorded(record));
}

Test(disk, whose_sync_fails_ends_the_engine_and_loses_nothing)
{
    fail_under_load("fdatasync", "posix/io/sync/fdatasync");
}

Test(disk, whose_writes_fail_loses_nothing)
{
    fail_under_load("pwrite64", "posix/io/rw/pwrite");
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
