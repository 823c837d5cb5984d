/* Start, stop, restart, and what happens to data and processes meanwhile. Each test has a forum of its own.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/ports.h"
#include "tests/lib/proc.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

static const char *const engines[] = {"forumd-engined: users", "forumd-engined: subreddits",
                                      "forumd-engined: posts", "forumd-engined: comments",
                                      "forumd-engined: dms",   "forumd-engined: feed"};

/* How many lock files the state has, of which *held is one that is held by somebody. */
static size_t count_locks(const struct forum *forum, const char **held)
{
    DIR *directory = opendir(forum_state_directory(forum));
    cr_assert(directory);
    struct dirent *entry;
    size_t locks = 0;
    while ((entry = readdir(directory))) {
        if (!strstr(entry->d_name, ".lock"))
            continue;
        int fd = openat(dirfd(directory), entry->d_name, O_RDWR | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
            *held = keep_format("%s", entry->d_name);
        close(fd);
        locks++;
    }
    closedir(directory);
    return locks;
}

static bool all_locks_are_free(void *arg)
{
    const char *held = NULL;
    return count_locks(arg, &held) >= ARRAY_LEN(engines) && !held;
}

static void check_no_lock_is_held(struct forum *forum)
{
    const char *held = NULL;
    cr_assert(wait_until(all_locks_are_free, forum, 5000), "%zu locks, held: %s", count_locks(forum, &held),
              held ? held : "none");
}

/* The launcher's own word, once all its children are there; the first worker may say so before. */
static bool has_said_where_it_listens(void *arg)
{
    const char *log = forum_log(arg);
    const char *line = strstr(log, keep_format("listening on http://127.0.0.1:%u", forum_port(arg)));
    return line && memmem(line, strcspn(line, "\n"), "open", 4);
}

Test(start, says_where_it_listens_and_which_auth_mode_is_on)
{
    struct forum *forum = forum_start(NULL);
    cr_assert(wait_until(has_said_where_it_listens, forum, 10000), "%s", forum_log(forum));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static bool has_three_workers(void *arg)
{
    pid_t pids[PROC_MAX];
    return forum_processes(arg, "forumd-gateway: worker", pids, PROC_MAX) == 3;
}

Test(start, shows_each_process_plainly_in_ps)
{
    struct forum *forum = forum_start(&(struct forum_spec){.workers = 3});
    pid_t pids[PROC_MAX];
    for (size_t i = 0; i < ARRAY_LEN(engines); i++)
        cr_assert_eq(forum_processes(forum, engines[i], pids, PROC_MAX), 1, "%s", engines[i]);
    cr_assert_eq(forum_processes(forum, "forumd-gateway: master", pids, PROC_MAX), 1);
    cr_assert(wait_until(has_three_workers, forum, 5000)); /* one is enough to be ready */
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(start, is_refused_on_a_state_that_is_in_use)
{
    struct forum *forum = forum_start(NULL);
    const char *output = keep_format("%s/second.log", forum_run_directory());
    struct keeper *second = forum_launch(forum, NULL, output);
    int status;
    cr_assert(keeper_wait(second, FORUM_START_MS, &status), "the second one still runs");
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    cr_assert(keep_file(output, NULL)[0] != '\0', "it says nothing");
    keeper_end(second);
    CHECK_OK(forum_get(forum, "/ready"));
    make_user(forum);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(start, refuses_flags_that_it_does_not_know)
{
    const char *const argv[] = {forum_executable("forumd"), "--no-such-flag", NULL};
    struct program_result result = program_run(argv, NULL, NULL, FORUM_START_MS);
    cr_assert_eq(result.exit_code, 64, "%d: %s", result.exit_code, result.output);
    cr_assert(strstr(result.output, "no-such-flag"), "%s", result.output);
}

Test(start, in_open_mode_is_refused_beyond_loopback)
{
    const char *output = keep_format("%s/open.log", forum_run_directory());
    struct keeper *launcher =
        forum_launch(NULL, (const char *[]){"--listen=0.0.0.0:31989", "--auth=open", NULL}, output);
    int status = 0;
    bool ended = keeper_wait(launcher, 10000, &status);
    const char *said = keep_file(output, NULL);
    keeper_end(launcher);
    cr_assert(ended, "it still tries: %.2000s", said);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    cr_assert(strstr(said, "loopback"), "%s", said);
}

Test(start, ends_with_a_word_when_its_port_is_taken)
{
    struct forum *forum = forum_start(NULL);
    const char *output = keep_format("%s/taken.log", forum_run_directory());
    const char *const flags[] = {keep_format("--listen=127.0.0.1:%u", forum_port(forum)), NULL};
    struct keeper *second = forum_launch(NULL, flags, output);
    int status = 0;
    bool ended = keeper_wait(second, 10000, &status);
    const char *said = keep_file(output, NULL);
    keeper_end(second);
    cr_assert(ended, "it still tries: %.2000s", said);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    cr_assert(strstr(said, keep_format("%u", forum_port(forum))), "%s", said);
    CHECK_OK(forum_get(forum, "/ready"));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static void stop_by(int signal)
{
    struct forum *forum = forum_start(NULL);
    make_user(forum);
    cr_assert_eq(forum_stop(forum, signal), 0); /* and no process is left, see there */
    cr_assert(ports_free(forum_port(forum)));
    check_no_lock_is_held(forum);
    forum_start_again(forum);
    cr_assert_eq(forum_stop(forum, signal), 0);
}

Test(stop, by_ctrl_c_leaves_no_process_and_no_lock)
{
    stop_by(SIGINT);
}

Test(stop, by_sigterm_leaves_no_process_and_no_lock)
{
    stop_by(SIGTERM);
}

static bool all_are_gone(void *arg)
{
    pid_t pids[PROC_MAX];
    return forum_processes(arg, "forumd", pids, PROC_MAX) == 0;
}

Test(stop, of_the_launcher_by_force_takes_everything_with_it)
{
    struct forum *forum = forum_start(NULL);
    make_user(forum);
    cr_assert(kill(forum_launcher(forum), SIGKILL) == 0);
    cr_assert(wait_until(all_are_gone, forum, 10000), "some are left: %s", forum_log(forum));
    check_no_lock_is_held(forum);
    forum_kill(forum);
    forum_start_again(forum);
    CHECK_OK(forum_get(forum, "/api/users/user_1"));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* One of everything, and what all lists say about it. */
static void make_world(const struct forum *forum)
{
    const char *ann = make_user_named(forum, "ann"), *bob = make_user_named(forum, "bob");
    const char *cats = make_subreddit_named(forum, ann, "cats");
    make_member(forum, cats, bob);
    const char *post = make_post(forum, cats, ann, "Cats");
    const char *comment = make_comment(forum, post, bob, NULL, "Yes");
    make_comment(forum, post, ann, comment, "Indeed");
    make_vote(forum, post, bob, "upvote");
    make_vote(forum, comment, ann, "downvote");
    CHECK_CREATED(forum_post(forum, keep_format("/api/posts/%s/repost", post),
                             json_body("{'author_id':'%s','subreddit_id':'%s'}", bob, cats)));
    const char *message = make_message(forum, ann, bob, "Hi");
    CHECK_OK(forum_post(forum, keep_format("/api/dm/conversation/%s/%s/read", ann, bob),
                        json_body("{'user_id':'%s','up_to':'%s'}", bob, message)));
}

static const char *look(const struct forum *forum)
{
    static const char *const paths[] = {"/api/users/user_1",
                                        "/api/users/user_2",
                                        "/api/subreddits",
                                        "/api/r/CATS",
                                        "/api/subreddits/sub_1/posts",
                                        "/api/posts/post_1",
                                        "/api/posts/post_1/comments",
                                        "/api/users/user_1/posts",
                                        "/api/users/user_2/comments",
                                        "/api/feed/user_2?sort=top",
                                        "/api/dm/user/user_2",
                                        "/api/dm/conversation/user_1/user_2"};
    const char *all = "";
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct reply *reply = forum_get(forum, "%s", paths[i]);
        CHECK_OK(reply);
        if (json_object_is_type(reply->json, json_type_object))
            json_object_object_del(reply->json, "is_online"); /* in memory, on purpose */
        all = keep_format("%s%s %s\n", all, paths[i], json_object_to_json_string(reply->json));
    }
    return all;
}

static bool counters_are_there(void *arg)
{
    struct forum *forum = arg;
    struct reply *post = forum_get(forum, "/api/posts/post_1");
    struct reply *ann = forum_get(forum, "/api/users/user_1"), *bob = forum_get(forum, "/api/users/user_2");
    return post->status == 200 && json_number(post, "comment_count") == 2 && ann->status == 200 &&
           json_number(ann, "karma") == 1 && bob->status == 200 && json_number(bob, "karma") == -1;
}

static const char *make_and_look(struct forum *forum)
{
    make_world(forum);
    cr_assert(wait_until(counters_are_there, forum, 10000), "%s",
              http_describe(forum_get(forum, "/api/posts/post_1")));
    return look(forum);
}

struct sight {
    struct forum *forum;
    const char *before;
};

static bool looks_as_before(void *arg)
{
    const struct sight *sight = arg;
    return strcmp(look(sight->forum), sight->before) == 0;
}

static void check_looks_as_before(struct forum *forum, const char *before)
{
    cr_assert(wait_until(looks_as_before, &(struct sight){forum, before}, 10000), "Before:\n%s\nNow:\n%s",
              before, look(forum));
}

Test(restart, keeps_everything_and_goes_on_counting)
{
    struct forum *forum = forum_start(NULL);
    const char *before = make_and_look(forum);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    forum_start_again(forum);
    check_looks_as_before(forum, before);
    cr_assert_str_eq(make_user(forum), "user_3");
    cr_assert_str_eq(make_subreddit(forum, "user_3"), "sub_2");
    cr_assert_str_eq(make_post(forum, "sub_2", "user_3", "T"), "post_3");
    cr_assert_str_eq(make_comment(forum, "post_3", "user_3", NULL, "C"), "comment_3");
    cr_assert_str_eq(make_message(forum, "user_3", "user_1", "M"), "dm_2");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(restart, after_everything_was_killed_at_once_keeps_what_was_acknowledged)
{
    struct forum *forum = forum_start(NULL);
    const char *before = make_and_look(forum);
    for (int i = 0; i < 3; i++) {
        const char *name = make_name("late"); /* acknowledged an instant before the kill */
        const char *user = make_user_named(forum, name);
        forum_kill(forum);
        forum_start_again(forum);
        CHECK_TEXT(forum_get(forum, "/api/auth/user/%s", name), "user_id", user);
        check_looks_as_before(forum, before);
    }
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(restart, makes_the_feed_anew_from_the_other_engines_logs)
{
    struct forum *forum = forum_start(NULL);
    const char *before = make_and_look(forum);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    const char *files = keep_format("rm %s/feed.db*", forum_state_directory(forum));
    cr_assert_eq(program_run((const char *[]){"/bin/sh", "-c", files, NULL}, NULL, NULL, 10000).exit_code, 0);
    forum_start_again(forum);
    check_looks_as_before(forum, before);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(kill, of_any_engine_is_followed_by_another_that_knows_everything)
{
    struct forum *forum = forum_start(NULL);
    const char *before = make_and_look(forum);
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        forum_kill_and_wait_for_another(forum, engines[i]);
        check_looks_as_before(forum, before);
    }
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(kill, of_a_worker_or_the_master_is_followed_by_another)
{
    static const char *const roles[] = {"forumd-gateway: worker", "forumd-gateway: master"};
    struct forum *forum = forum_start(NULL);
    const char *before = make_and_look(forum);
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        forum_kill_and_wait_for_another(forum, roles[i]);
        check_looks_as_before(forum, before);
    }
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(kill, of_the_engine_that_a_request_needs_makes_it_wait_not_fail)
{
    struct forum *forum = forum_start(NULL);
    make_world(forum);
    for (int i = 0; i < 5; i++) {
        cr_assert(kill(forum_process(forum, "forumd-engined: posts"), SIGKILL) == 0);
        struct reply *reply = forum_get(forum, "/api/posts/post_1");
        cr_assert(reply->status == 200 || reply->status == 503, "%s", http_describe(reply));
        if (reply->status == 503)
            CHECK_PROBLEM(reply, 503, NULL);
        CHECK_OK(forum_get(forum, "/api/users/user_1/public-key"));
        cr_assert(forum_wait_ready(forum, FORUM_START_MS));
    }
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static bool posts_are_back(void *arg)
{
    return forum_get(arg, "/api/posts/post_1")->status == 200;
}

Test(stopped_engine, holds_up_only_who_needs_it)
{
    struct forum *forum =
        forum_start(&(struct forum_spec){.flags = (const char *[]){"--hang-timeout=60000", NULL}});
    make_world(forum);
    pid_t posts = forum_process(forum, "forumd-engined: posts");
    cr_assert(kill(posts, SIGSTOP) == 0);
    struct reply *waiting = forum_get(forum, "/api/posts/post_1");
    CHECK_PROBLEM(waiting, 503, NULL);
    CHECK_STATUS(forum_get(forum, "/ready"), 503);
    uint64_t start = wait_now_ms();
    CHECK_OK(forum_get(forum, "/api/subreddits"));
    CHECK_OK(forum_get(forum, "/api/users/user_1"));
    CHECK_OK(forum_get(forum, "/api/comments/comment_1"));
    make_message(forum, "user_1", "user_2", "Still here");
    make_subreddit(forum, "user_1");
    make_comment(forum, "post_1", "user_1", NULL, "That it exists is known");
    cr_assert_lt(wait_now_ms() - start, 5000);
    cr_assert(kill(posts, SIGCONT) == 0);
    cr_assert(wait_until(posts_are_back, forum, 10000));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static bool has_new_workers(void *arg)
{
    const struct sight *sight = arg; /* `before`: the old workers' pids */
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(sight->forum, "forumd-gateway: worker", pids, PROC_MAX), fresh = 0;
    for (size_t i = 0; i < count; i++)
        fresh += !strstr(sight->before, keep_format(" %d ", (int)pids[i]));
    return fresh >= 2;
}

Test(reload, replaces_the_workers_without_refusing_anybody)
{
    struct forum *forum = forum_start(NULL);
    make_world(forum);
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(forum, "forumd-gateway: worker", pids, PROC_MAX);
    const char *old = " ";
    for (size_t i = 0; i < count; i++)
        old = keep_format("%s%d ", old, (int)pids[i]);
    cr_assert(kill(forum_process(forum, "forumd-gateway: master"), SIGHUP) == 0);
    struct sight sight = {forum, old};
    uint64_t deadline = wait_now_ms() + FORUM_START_MS;
    while (!has_new_workers(&sight)) {
        CHECK_OK(forum_get(forum, "/api/posts/post_1"));
        cr_assert_lt(wait_now_ms(), deadline, "no new workers: %s", forum_log(forum));
    }
    for (int i = 0; i < 50; i++)
        CHECK_OK(forum_get(forum, "/api/posts/post_1"));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 180});
}
