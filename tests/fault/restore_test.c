/* An older copy of one engine's file is put back while all others go on: afterwards everything that others
 * keep of it adds up with what it has now. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/fault/counters.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define TOOL_MS 20000

static void shell(const char *command)
{
    struct program_result result =
        program_run((const char *[]){"/bin/sh", "-c", command, NULL}, NULL, NULL, TOOL_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %s", command, result.output);
}

/* Another user, who joins, posts, comments, votes and writes to user_1; all in sub_1. */
static void make_more(struct forum *forum)
{
    const char *user = make_user(forum);
    make_member(forum, "sub_1", user);
    const char *post = make_post(forum, "sub_1", user, "T");
    const char *comment = make_comment(forum, post, user, NULL, "C");
    make_comment(forum, post, "user_1", comment, "R");
    make_vote(forum, post, "user_1", "upvote");
    make_vote(forum, comment, "user_1", "downvote");
    make_message(forum, user, "user_1", "M");
}

static const char *copy_of(struct forum *forum, const char *domain)
{
    const char *copy = keep_format("%s/older-%s.db", forum_run_directory(), domain);
    shell(keep_format("sqlite3 %s/%s.db \".backup '%s'\"", forum_state_directory(forum), domain, copy));
    return copy;
}

static void put_back(struct forum *forum, const char *domain, const char *copy)
{
    const char *role = keep_format("forumd-engined: %s", domain);
    cr_assert(kill(forum_process(forum, role), SIGSTOP) == 0);
    shell(keep_format("cd %s && rm %s.db-wal %s.db-shm && cp %s %s.db", forum_state_directory(forum), domain,
                      domain, copy, domain));
    forum_kill_and_wait_for_another(forum, role);
}

/* No post that is gone, none twice, and all that there are. */
static void check_feed(struct forum *forum)
{
    struct reply *feed = forum_get(forum, "/api/feed/user_1?sort=new&limit=100");
    struct reply *posts = forum_get(forum, "/api/subreddits/sub_1/posts?sort=new&limit=100");
    CHECK_OK(feed);
    CHECK_OK(posts);
    cr_assert_eq(json_count(feed, ""), json_count(posts, ""), "%s %s", http_describe(feed),
                 http_describe(posts));
}

static void restore(const char *domain)
{
    static const char *const patient[] = {"--hang-timeout=60000", NULL};
    struct forum *forum = forum_start(&(struct forum_spec){.flags = patient});
    make_subreddit(forum, make_user(forum));
    make_more(forum);
    const char *copy = copy_of(forum, domain);
    make_more(forum);
    make_more(forum);
    CHECK_NOTHING_WRONG(counters_differences(forum));
    put_back(forum, domain, copy);
    CHECK_NOTHING_WRONG(counters_differences(forum));
    check_feed(forum);
    /* A member and more again: what they wrote to others is there still. */
    CHECK_CREATED(forum_post(forum, "/api/posts/create",
                             json_body("{'subreddit_id':'sub_1','author_id':'user_1','title':'After'}")));
    make_vote(forum, "post_1", "user_1", "downvote");
    make_comment(forum, "post_1", "user_1", NULL, "After");
    CHECK_NOTHING_WRONG(counters_differences(forum));
    check_feed(forum);
    CHECK_NOTHING_WRONG(counters_damage(forum));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    printf("fault: restore: an older %s.db under five running engines; 0 differences\n", domain);
    fflush(stdout);
}

Test(restore, of_an_older_users_file_adds_up)
{
    restore("users");
}

Test(restore, of_an_older_subreddits_file_adds_up)
{
    restore("subreddits");
}

Test(restore, of_an_older_posts_file_adds_up)
{
    restore("posts");
}

Test(restore, of_an_older_comments_file_adds_up)
{
    restore("comments");
}

Test(restore, of_an_older_dms_file_adds_up)
{
    restore("dms");
}

Test(restore, of_an_older_feed_file_adds_up)
{
    restore("feed");
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
