/*
 * An older copy of an engine's file was put back, and its log had grown beyond the followers' old cursors
 * before they asked again: they went on in the middle of the new events, and kept what came from those that
 * are gone.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define TOOL_MS    20000
#define SETTLED_MS 10000

static void shell(const char *command)
{
    struct program_result result =
        program_run((const char *[]){"/bin/sh", "-c", command, NULL}, NULL, NULL, TOOL_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %s", command, result.output);
}

static bool posts_serve(void *arg)
{
    return forum_get(arg, "/api/posts/post_1")->status == 200;
}

/* The posts engine comes back with the copy instead of its file. */
static void put_back(struct forum *forum, const char *copy)
{
    pid_t posts = forum_process(forum, "forumd-engined: posts");
    cr_assert(kill(posts, SIGSTOP) == 0);
    shell(keep_format("cd %s && rm posts.db-wal posts.db-shm && cp %s posts.db", forum_state_directory(forum),
                      copy));
    cr_assert(kill(posts, SIGKILL) == 0);
    cr_assert(wait_until(posts_serve, forum, SETTLED_MS), "%s",
              http_describe(forum_get(forum, "/api/posts/post_1")));
}

struct wanted {
    struct forum *forum;
    int64_t karma;
    size_t posts;
};

static bool is_as_wanted(void *arg)
{
    const struct wanted *wanted = arg;
    struct reply *user = forum_get(wanted->forum, "/api/users/user_1");
    struct reply *feed = forum_get(wanted->forum, "/api/feed/user_1?limit=100");
    return user->status == 200 && json_number(user, "karma") == wanted->karma && feed->status == 200 &&
           !http_header(feed, "X-Feed-Stale") && json_count(feed, "") == wanted->posts;
}

static void check_wanted(struct forum *forum, int64_t karma, size_t posts)
{
    struct wanted wanted = {forum, karma, posts};
    cr_assert(wait_until(is_as_wanted, &wanted, SETTLED_MS), "wanted karma %lld and %zu posts: %s %s",
              (long long)karma, posts, http_describe(forum_get(forum, "/api/users/user_1")),
              http_describe(forum_get(forum, "/api/feed/user_1?limit=100")));
}

static void make_voted_post(struct forum *forum, const char *vote)
{
    const char *post = make_post(forum, "sub_1", "user_1", "T");
    make_vote(forum, post, "user_1", vote);
}

Test(restored_log, that_grew_beyond_its_followers_cursors_is_pulled_afresh)
{
    static const char *const patient[] = {"--hang-timeout=60000", NULL};
    struct forum *forum = forum_start(&(struct forum_spec){.workers = 1, .flags = patient});
    make_subreddit(forum, make_user(forum));
    make_voted_post(forum, "upvote");
    const char *copy = keep_format("%s/older.db", forum_run_directory());
    shell(keep_format("sqlite3 %s/posts.db \".backup '%s'\"", forum_state_directory(forum), copy));
    for (int i = 0; i < 3; i++)
        make_voted_post(forum, "upvote");
    check_wanted(forum, 4, 4);

    pid_t users = forum_process(forum, "forumd-engined: users"),
          feed = forum_process(forum, "forumd-engined: feed");
    cr_assert(kill(users, SIGSTOP) == 0 && kill(feed, SIGSTOP) == 0);
    put_back(forum, copy);
    for (int i = 0; i < 5; i++) /* as many as there were, and two more */
        make_voted_post(forum, "downvote");
    cr_assert(kill(users, SIGCONT) == 0 && kill(feed, SIGCONT) == 0);

    check_wanted(forum, 1 - 5, 6);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
