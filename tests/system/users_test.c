/* Accounts: registration, profiles, what they wrote, karma. */
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

TestSuite(register, .init = attach);
TestSuite(profile, .init = attach);
TestSuite(written, .init = attach);

static struct reply *sign_up(const char *body)
{
    return forum_post(forum, "/api/auth/register", body);
}

Test(register, answers_201_with_the_user_and_its_place)
{
    const char *name = make_name("Ann");
    struct reply *reply = sign_up(json_body("{'username':'%s'}", name));
    CHECK_CREATED(reply);
    cr_assert(strncmp(json_text(reply, "user_id"), "user_", 5) == 0);
    CHECK_TEXT(reply, "username", name);
    CHECK_NUMBER(reply, "karma", 0);
    cr_assert_gt(json_number(reply, "created_at"), 1700000000000);
    CHECK_NULL(reply, "public_key");
    CHECK_NULL(reply, "key_algorithm");
    const char *place = http_header(reply, "Location");
    cr_assert_str_eq(place, keep_format("/api/users/%s", json_text(reply, "user_id")));
    struct reply *there = forum_get(forum, "%s", place);
    CHECK_OK(there);
    CHECK_TEXT(there, "username", name);
}

Test(register, refuses_a_taken_name_in_any_case)
{
    const char *name = make_name("Bob");
    make_user_named(forum, name);
    char *other = keep_copy(name, strlen(name));
    memcpy(other, "bOB", 3);
    struct reply *reply = sign_up(json_body("{'username':'%s'}", other));
    CHECK_PROBLEM(reply, 409, "username_taken");
    CHECK_TEXT(reply, "errors.0.field", "username");
}

Test(register, takes_names_of_3_and_of_20_characters)
{
    unsigned seed = (unsigned)wait_now_ms();
    const char *longest = keep_format("x%08x-_ABCDEFGH", seed);
    cr_assert_eq(strlen(longest), 20 - 1);
    CHECK_CREATED(sign_up(json_body("{'username':'%sk'}", longest)));
    CHECK_FIELD_ERROR(sign_up(json_body("{'username':'%skl'}", longest)), "username", "too_long");
    CHECK_CREATED(sign_up("{\"username\":\"a-_\"}"));
    CHECK_FIELD_ERROR(sign_up("{\"username\":\"ab\"}"), "username", "too_short");
}

Test(register, ignores_unknown_fields_and_absent_ones_that_are_null)
{
    const char *name = make_name("c");
    struct reply *reply =
        sign_up(json_body("{'shoe_size':[{'x':1}],'username':'%s','public_key':null}", name));
    CHECK_CREATED(reply);
    cr_assert(!json_has(reply, "shoe_size"));
}

Test(register, names_every_bad_field_at_once)
{
    struct reply *reply = sign_up("{\"username\":\"!\",\"password\":1,\"public_key\":2}");
    CHECK_FIELD_ERROR(reply, "username", NULL);
    CHECK_FIELD_ERROR(reply, "password", NULL);
    CHECK_FIELD_ERROR(reply, "public_key", NULL);
}

static void check_profile(const struct reply *reply, const char *id, const char *name)
{
    CHECK_OK(reply);
    CHECK_TEXT(reply, "user_id", id);
    CHECK_TEXT(reply, "username", name);
    CHECK_NUMBER(reply, "karma", 0);
    CHECK_NUMBER(reply, "post_karma", 0);
    CHECK_NUMBER(reply, "comment_karma", 0);
    cr_assert_gt(json_number(reply, "created_at"), 1700000000000);
    cr_assert(json_has(reply, "is_online"));
    cr_assert_eq(json_count(reply, "joined_subreddits"), 0);
}

Test(profile, is_the_same_by_name_in_any_case_and_by_id)
{
    const char *name = make_name("Eve");
    const char *id = make_user_named(forum, name);
    char *folded = keep_copy(name, strlen(name));
    memcpy(folded, "EVE", 3);
    check_profile(forum_get(forum, "/api/auth/user/%s", name), id, name);
    check_profile(forum_get(forum, "/api/auth/user/%s", folded), id, name);
    check_profile(forum_get(forum, "/api/users/%s", id), id, name);
}

Test(profile, of_nobody_is_404)
{
    CHECK_PROBLEM(forum_get(forum, "/api/auth/user/loadtest_user_20"), 404, "user_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/users/user_999999"), 404, "user_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/users/user_999999/public-key"), 404, "user_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/users/17"), 404, NULL);
    CHECK_PROBLEM(forum_get(forum, "/api/users/post_1"), 404, NULL);
    CHECK_PROBLEM(forum_get(forum, "/api/users/user_01"), 404, NULL);
}

Test(profile, lists_the_subreddits_that_the_user_joined)
{
    const char *id = make_user(forum);
    const char *own = make_subreddit(forum, id);
    const char *other = make_subreddit(forum, make_user(forum));
    make_member(forum, other, id);
    struct reply *reply = forum_get(forum, "/api/users/%s", id);
    CHECK_OK(reply);
    cr_assert_eq(json_count(reply, "joined_subreddits"), 2, "%s", http_describe(reply));
    CHECK_TEXT(reply, "joined_subreddits.0", own);
    CHECK_TEXT(reply, "joined_subreddits.1", other);
}

Test(profile, shows_a_key_that_is_not_set_as_null)
{
    const char *name = make_name("f");
    const char *id = make_user_named(forum, name);
    struct reply *reply = forum_get(forum, "/api/users/%s/public-key", id);
    CHECK_OK(reply);
    CHECK_TEXT(reply, "user_id", id);
    CHECK_TEXT(reply, "username", name);
    CHECK_NULL(reply, "public_key");
    CHECK_NULL(reply, "key_algorithm");
}

static bool is_online(void *arg)
{
    return json_flag(forum_get(forum, "/api/users/%s", (const char *)arg), "is_online");
}

Test(profile, says_online_after_the_user_acted)
{
    const char *id = make_user(forum);
    make_subreddit(forum, id);
    cr_assert(wait_until(is_online, (void *)id, 5000));
}

struct karma {
    const char *user;
    int64_t karma, posts, comments;
};

static bool has_karma(void *arg)
{
    const struct karma *wanted = arg;
    struct reply *reply = forum_get(forum, "/api/users/%s", wanted->user);
    return json_number(reply, "karma") == wanted->karma &&
           json_number(reply, "post_karma") == wanted->posts &&
           json_number(reply, "comment_karma") == wanted->comments;
}

Test(profile, karma_is_the_sum_of_votes_on_posts_and_comments)
{
    const char *author = make_user(forum), *a = make_user(forum), *b = make_user(forum);
    const char *post = make_post(forum, make_subreddit(forum, author), author, "Karma");
    const char *comment = make_comment(forum, post, author, NULL, "Karma");
    make_vote(forum, post, author, "upvote"); /* one's own counts */
    make_vote(forum, post, a, "upvote");
    make_vote(forum, post, b, "downvote");
    make_vote(forum, post, b, "upvote");
    make_vote(forum, comment, a, "downvote");
    make_vote(forum, comment, b, "downvote");
    cr_assert(wait_until(has_karma, &(struct karma){author, 1, 3, -2}, 5000), "%s",
              http_describe(forum_get(forum, "/api/users/%s", author)));
    make_vote(forum, post, b, "none");
    make_vote(forum, comment, b, "none");
    cr_assert(wait_until(has_karma, &(struct karma){author, 1, 2, -1}, 5000), "%s",
              http_describe(forum_get(forum, "/api/users/%s", author)));
}

Test(written, posts_and_comments_come_newest_first)
{
    const char *author = make_user(forum), *other = make_user(forum);
    const char *subreddit = make_subreddit(forum, author);
    const char *first = make_post(forum, subreddit, author, "First");
    make_post(forum, subreddit, other, "Not theirs");
    const char *second = make_post(forum, subreddit, author, "Second");
    struct reply *posts = forum_get(forum, "/api/users/%s/posts", author);
    CHECK_OK(posts);
    cr_assert_eq(json_count(posts, ""), 2);
    CHECK_TEXT(posts, "0.post_id", second);
    CHECK_TEXT(posts, "1.post_id", first);
    const char *early = make_comment(forum, first, author, NULL, "Early");
    const char *late = make_comment(forum, second, author, NULL, "Late");
    struct reply *comments = forum_get(forum, "/api/users/%s/comments", author);
    CHECK_OK(comments);
    cr_assert_eq(json_count(comments, ""), 2);
    CHECK_TEXT(comments, "0.comment_id", late);
    CHECK_TEXT(comments, "1.comment_id", early);
}

Test(written, is_an_empty_list_for_a_new_user_and_404_for_nobody)
{
    const char *id = make_user(forum);
    cr_assert_eq(json_count(forum_get(forum, "/api/users/%s/posts", id), ""), 0);
    cr_assert_eq(json_count(forum_get(forum, "/api/users/%s/comments", id), ""), 0);
    CHECK_PROBLEM(forum_get(forum, "/api/users/user_999999/posts"), 404, "user_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/users/user_999999/comments"), 404, "user_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/users/%s/posts?limit=0", id), 400, "invalid_fields");
    CHECK_PROBLEM(forum_get(forum, "/api/users/%s/comments?limit=101", id), 400, "invalid_fields");
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
