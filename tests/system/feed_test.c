/* The feed: posts of what the user joined, and nothing else, at once. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/wait.h"

static struct forum *forum;

static void attach(void)
{
    forum = forum_attach();
}

TestSuite(feed, .init = attach);

static struct reply *feed_of(const char *user, const char *query)
{
    struct reply *reply = forum_get(forum, "/api/feed/%s%s", user, query);
    CHECK_OK(reply);
    return reply;
}

static void check_feed(const struct reply *reply, const char *const *expected)
{
    size_t count = 0;
    for (; expected[count]; count++)
        CHECK_TEXT(reply, keep_format("%zu.post_id", count), expected[count]);
    cr_assert_eq(json_count(reply, ""), count, "%s", http_describe(reply));
}

Test(feed, shows_posts_of_joined_subreddits_only)
{
    const char *user = make_user(forum), *other = make_user(forum);
    const char *joined = make_subreddit(forum, other), *foreign = make_subreddit(forum, other);
    make_member(forum, joined, user);
    const char *first = make_post(forum, joined, other, "First");
    make_post(forum, foreign, other, "Foreign");
    const char *second = make_post(forum, joined, user, "Second");
    check_feed(feed_of(user, "?sort=new"), (const char *[]){second, first, NULL});
    make_member(forum, foreign, user);
    cr_assert_eq(json_count(feed_of(user, ""), ""), 3);
    CHECK_OK(forum_post(forum, keep_format("/api/subreddits/%s/leave", joined),
                        json_body("{'user_id':'%s'}", user)));
    cr_assert_eq(json_count(feed_of(user, ""), ""), 1);
}

Test(feed, shows_what_was_just_written_through_any_worker)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    for (int i = 0; i < 40; i++) {
        const char *post = make_post(forum, subreddit, user, "Now");
        struct reply *reply = feed_of(user, "?sort=new&limit=1");
        cr_assert(http_header(reply, "X-Feed-Stale") || strcmp(json_text(reply, "0.post_id"), post) == 0,
                  "after %s: %s", post, http_describe(reply));
    }
}

Test(feed, ranks_by_votes_just_given)
{
    const char *user = make_user(forum), *other = make_user(forum), *subreddit = make_subreddit(forum, user);
    const char *low = make_post(forum, subreddit, user, "Low"),
               *high = make_post(forum, subreddit, user, "High");
    make_vote(forum, high, user, "upvote");
    make_vote(forum, high, other, "upvote");
    make_vote(forum, low, user, "downvote");
    check_feed(feed_of(user, "?sort=top"), (const char *[]){high, low, NULL});
    check_feed(feed_of(user, ""), (const char *[]){high, low, NULL});
    check_feed(feed_of(user, "?sort=best"), (const char *[]){high, low, NULL});
    make_vote(forum, low, user, "upvote");
    make_vote(forum, high, user, "downvote");
    check_feed(feed_of(user, "?sort=top"), (const char *[]){low, high, NULL});
    check_feed(feed_of(user, "?sort=controversial&t=hour"), (const char *[]){high, low, NULL});
}

Test(feed, shows_whole_posts_and_the_users_own_votes)
{
    const char *name = make_name("ann"), *user = make_user_named(forum, name), *other = make_user(forum);
    const char *subreddit = make_subreddit(forum, user);
    const char *post = make_post(forum, subreddit, user, "Whole");
    make_vote(forum, post, user, "upvote");
    make_vote(forum, post, other, "downvote");
    struct reply *reply = feed_of(user, "");
    CHECK_TEXT(reply, "0.title", "Whole");
    CHECK_TEXT(reply, "0.content", "Text");
    CHECK_TEXT(reply, "0.author_username", name);
    CHECK_NUMBER(reply, "0.upvotes", 1);
    CHECK_NUMBER(reply, "0.downvotes", 1);
    CHECK_TEXT(reply, "0.my_vote", "upvote");
}

Test(feed, takes_every_sort_and_refuses_others)
{
    static const char *const sorts[] = {"hot", "new", "top", "controversial", "rising", "best"};
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    make_post(forum, subreddit, user, "One");
    for (size_t i = 0; i < ARRAY_LEN(sorts); i++)
        cr_assert_eq(json_count(feed_of(user, keep_format("?sort=%s", sorts[i])), ""), 1, "%s", sorts[i]);
    CHECK_FIELD_ERROR(forum_get(forum, "/api/feed/%s?sort=old", user), "sort", "not_one_of");
    CHECK_FIELD_ERROR(forum_get(forum, "/api/feed/%s?t=ever", user), "t", "not_one_of");
    CHECK_FIELD_ERROR(forum_get(forum, "/api/feed/%s?limit=0", user), "limit", "too_small");
}

Test(feed, of_a_new_user_is_empty_and_of_nobody_404)
{
    cr_assert_eq(json_count(feed_of(make_user(forum), ""), ""), 0);
    CHECK_PROBLEM(forum_get(forum, "/api/feed/user_999999"), 404, "user_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/feed/17"), 404, NULL);
}

Test(feed, without_a_user_in_the_path_needs_one_elsewhere)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    make_post(forum, subreddit, user, "Mine");
    struct reply *named = forum_get(forum, "/api/feed?user_id=%s", user);
    CHECK_OK(named);
    cr_assert_eq(json_count(named, ""), 1);
    struct reply *nobody = forum_get(forum, "/api/feed");
    cr_assert(nobody->status == 401 || nobody->status == 400, "%s", http_describe(nobody));
    CHECK_PROBLEM(nobody, nobody->status, NULL);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true, .spec = {.workers = 3}});
}
