/* Posts: writing, voting, reposting, and the orders of a subreddit's list. */
#include <criterion/criterion.h>
#include <stdlib.h>
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

TestSuite(create, .init = attach);
TestSuite(get, .init = attach);
TestSuite(vote, .init = attach);
TestSuite(repost, .init = attach);
TestSuite(order, .init = attach);

static struct reply *create(const char *body)
{
    return forum_post(forum, "/api/posts/create", body);
}

static struct reply *get_post(const char *id)
{
    return forum_get(forum, "/api/posts/%s", id);
}

Test(create, answers_201_with_the_whole_post)
{
    const char *name = make_name("ann"), *place = make_name("Cats");
    const char *user = make_user_named(forum, name), *subreddit = make_subreddit_named(forum, user, place);
    struct reply *reply =
        create(json_body("{'subreddit_id':'%s','author_id':'%s','title':'  A title \\n',"
                         "'content':' keeps\\tits spaces ','url':'https://example.org/a?b=1'}",
                         subreddit, user));
    CHECK_CREATED(reply);
    const char *id = json_text(reply, "post_id");
    cr_assert_str_eq(http_header(reply, "Location"), keep_format("/api/posts/%s", id));
    const struct reply *both[] = {reply, get_post(id)};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        CHECK_TEXT(both[i], "post_id", id);
        CHECK_TEXT(both[i], "title", "A title");
        CHECK_TEXT(both[i], "content", " keeps\tits spaces ");
        CHECK_TEXT(both[i], "url", "https://example.org/a?b=1");
        CHECK_TEXT(both[i], "author_id", user);
        CHECK_TEXT(both[i], "author_username", name);
        CHECK_TEXT(both[i], "subreddit_id", subreddit);
        CHECK_TEXT(both[i], "subreddit_name", place);
        CHECK_NUMBER(both[i], "upvotes", 0);
        CHECK_NUMBER(both[i], "downvotes", 0);
        CHECK_NUMBER(both[i], "score", 0);
        CHECK_NUMBER(both[i], "comment_count", 0);
        cr_assert(!json_flag(both[i], "is_repost"));
        CHECK_NULL(both[i], "original_post_id");
        cr_assert_gt(json_number(both[i], "created_at"), 1700000000000);
        CHECK_NULL(both[i], "edited_at");
        CHECK_NULL(both[i], "signature");
        cr_assert(!strstr(both[i]->body, "\"signature_verified\":true"));
    }
}

Test(create, needs_neither_content_nor_url_nor_membership)
{
    const char *stranger = make_user(forum), *subreddit = make_subreddit(forum, make_user(forum));
    struct reply *reply = create(json_body(
        "{'subreddit_id':'%s','author_id':'%s','title':'T','content':'','url':null}", subreddit, stranger));
    CHECK_CREATED(reply);
    CHECK_NULL(reply, "content");
    CHECK_NULL(reply, "url");
}

Test(create, keeps_every_character_of_the_text)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    const char *escaped =
        "\\u0001\\u001f\\u007f\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20ac\\ud83d\\ude00\\uffff \u00e9\U0001f600";
    const char *plain = "\x01\x1f\x7f\"\\/\b\f\n\r\t\u20ac\U0001f600\uffff \u00e9\U0001f600";
    struct reply *reply = create(
        keep_format("{\"subreddit_id\":\"%s\",\"author_id\":\"%s\",\"title\":\"T\",\"content\":\"%s\"}",
                    subreddit, user, escaped));
    CHECK_CREATED(reply);
    CHECK_TEXT(get_post(json_text(reply, "post_id")), "content", plain);
}

Test(create, counts_characters_not_bytes)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    char title[301 * 4 + 1] = "";
    for (int i = 0; i < 300; i++)
        strcat(title, "\U0001f600");
    CHECK_CREATED(
        create(json_body("{'subreddit_id':'%s','author_id':'%s','title':'%s'}", subreddit, user, title)));
    strcat(title, "\U0001f600");
    CHECK_FIELD_ERROR(
        create(json_body("{'subreddit_id':'%s','author_id':'%s','title':'%s'}", subreddit, user, title)),
        "title", "too_long");
    CHECK_FIELD_ERROR(
        create(json_body("{'subreddit_id':'%s','author_id':'%s','title':' \\n\\t '}", subreddit, user)),
        "title", "too_short");
    CHECK_CREATED(create(json_body("{'subreddit_id':'%s','author_id':'%s','title':'T','content':'%040000d'}",
                                   subreddit, user, 0)));
    CHECK_FIELD_ERROR(
        create(json_body("{'subreddit_id':'%s','author_id':'%s','title':'T','content':'%040001d'}", subreddit,
                         user, 0)),
        "content", "too_long");
}

Test(create, refuses_what_does_not_exist)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    CHECK_PROBLEM(create(json_body("{'subreddit_id':'sub_999999','author_id':'%s','title':'T'}", user)), 404,
                  "subreddit_not_found");
    CHECK_PROBLEM(create(json_body("{'subreddit_id':'%s','author_id':'user_999999','title':'T'}", subreddit)),
                  404, "user_not_found");
}

Test(create, refuses_addresses_of_other_kinds)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    CHECK_FIELD_ERROR(
        create(json_body("{'subreddit_id':'%s','author_id':'%s','title':'T','url':'ftp://x.org/'}", subreddit,
                         user)),
        "url", "bad_characters");
}

Test(get, of_what_is_not_there_is_404)
{
    CHECK_PROBLEM(get_post("post_999999"), 404, "post_not_found");
    CHECK_PROBLEM(get_post("999999"), 404, NULL);
    CHECK_PROBLEM(get_post("sub_1"), 404, NULL);
    CHECK_PROBLEM(get_post("post_9223372036854775808"), 404, NULL);
}

static bool counts_two(void *arg)
{
    return json_number(get_post(arg), "comment_count") == 2;
}

Test(get, counts_its_comments)
{
    const char *user = make_user(forum), *post = make_post(forum, make_subreddit(forum, user), user, "T");
    const char *comment = make_comment(forum, post, user, NULL, "One");
    make_comment(forum, post, user, comment, "Two");
    cr_assert(wait_until(counts_two, (void *)post, 5000), "%s", http_describe(get_post(post)));
}

static struct reply *vote(const char *id, const char *user, const char *type)
{
    return forum_post(forum, keep_format("/api/posts/%s/vote", id),
                      json_body("{'user_id':'%s','vote_type':'%s'}", user, type));
}

static void check_votes(const struct reply *reply, int up, int down, const char *mine)
{
    CHECK_OK(reply);
    CHECK_NUMBER(reply, "upvotes", up);
    CHECK_NUMBER(reply, "downvotes", down);
    CHECK_NUMBER(reply, "score", up - down);
    CHECK_TEXT(reply, "my_vote", mine);
}

Test(vote, is_a_state_not_an_event)
{
    const char *user = make_user(forum), *other = make_user(forum);
    const char *post = make_post(forum, make_subreddit(forum, user), user, "T");
    check_votes(vote(post, user, "upvote"), 1, 0, "upvote");
    check_votes(vote(post, user, "upvote"), 1, 0, "upvote");
    check_votes(vote(post, other, "downvote"), 1, 1, "downvote");
    check_votes(vote(post, user, "downvote"), 0, 2, "downvote");
    check_votes(vote(post, user, "none"), 0, 1, "none");
    check_votes(vote(post, user, "none"), 0, 1, "none");
    struct reply *reply = get_post(post);
    CHECK_NUMBER(reply, "upvotes", 0);
    CHECK_NUMBER(reply, "downvotes", 1);
    CHECK_NUMBER(reply, "score", -1);
}

Test(vote, refuses_what_does_not_exist_and_unknown_kinds)
{
    const char *user = make_user(forum), *post = make_post(forum, make_subreddit(forum, user), user, "T");
    CHECK_PROBLEM(vote("post_999999", user, "upvote"), 404, "post_not_found");
    CHECK_PROBLEM(vote(post, "user_999999", "upvote"), 404, "user_not_found");
    CHECK_FIELD_ERROR(vote(post, user, "Upvote"), "vote_type", "not_one_of");
    CHECK_FIELD_ERROR(vote(post, user, ""), "vote_type", "not_one_of");
    CHECK_NUMBER(get_post(post), "score", 0);
}

static struct reply *repost(const char *id, const char *user, const char *subreddit)
{
    return forum_post(forum, keep_format("/api/posts/%s/repost", id),
                      json_body("{'author_id':'%s','subreddit_id':'%s'}", user, subreddit));
}

Test(repost, is_a_new_post_that_names_the_root_of_the_chain)
{
    const char *author = make_user(forum), *fan_name = make_name("fan"),
               *fan = make_user_named(forum, fan_name);
    const char *here = make_subreddit(forum, author), *there = make_subreddit(forum, fan);
    const char *original = make_post(forum, here, author, "Worth it");
    make_vote(forum, original, fan, "upvote");
    struct reply *first = repost(original, fan, there);
    CHECK_CREATED(first);
    const char *id = json_text(first, "post_id");
    cr_assert_str_eq(http_header(first, "Location"), keep_format("/api/posts/%s", id));
    cr_assert_str_neq(id, original);
    cr_assert(json_flag(first, "is_repost"));
    CHECK_TEXT(first, "original_post_id", original);
    CHECK_TEXT(first, "title", "Worth it");
    CHECK_TEXT(first, "content", "Text");
    CHECK_TEXT(first, "author_id", fan);
    CHECK_TEXT(first, "author_username", fan_name);
    CHECK_TEXT(first, "subreddit_id", there);
    CHECK_NUMBER(first, "score", 0);
    CHECK_NULL(first, "signature");
    struct reply *second = repost(id, author, here);
    CHECK_CREATED(second);
    CHECK_TEXT(second, "original_post_id", original);
}

Test(repost, refuses_what_does_not_exist)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    const char *post = make_post(forum, subreddit, user, "T");
    CHECK_PROBLEM(repost("post_999999", user, subreddit), 404, "post_not_found");
    CHECK_PROBLEM(repost(post, user, "sub_999999"), 404, "subreddit_not_found");
    CHECK_PROBLEM(repost(post, "user_999999", subreddit), 404, "user_not_found");
}

/* Four posts in the order of their writing: up and down votes as in `votes`. */
struct ranked {
    const char *subreddit;
    const char *ids[4];
};

static struct ranked make_ranked(void)
{
    static const struct {
        int up, down;
    } votes[4] = {{1, 0}, {3, 3}, {4, 0}, {0, 2}};
    struct ranked ranked;
    const char *users[6];
    for (size_t i = 0; i < ARRAY_LEN(users); i++)
        users[i] = make_user(forum);
    ranked.subreddit = make_subreddit(forum, users[0]);
    for (size_t i = 0; i < ARRAY_LEN(ranked.ids); i++) {
        ranked.ids[i] = make_post(forum, ranked.subreddit, users[0], "Ranked");
        for (int j = 0; j < votes[i].up + votes[i].down; j++)
            make_vote(forum, ranked.ids[i], users[j], j < votes[i].up ? "upvote" : "downvote");
    }
    return ranked;
}

static void check_order(const struct ranked *ranked, const char *query, const int *expected, size_t count)
{
    struct reply *reply = forum_get(forum, "/api/subreddits/%s/posts?%s", ranked->subreddit, query);
    CHECK_OK(reply);
    cr_assert_eq(json_count(reply, ""), count, "%s: %zu posts", query, json_count(reply, ""));
    for (size_t i = 0; i < count; i++) {
        const char *id = json_text(reply, keep_format("%zu.post_id", i));
        cr_assert_str_eq(id, ranked->ids[expected[i]], "%s: at %zu is %s, not %s", query, i, id,
                         ranked->ids[expected[i]]);
    }
}

Test(order, is_what_each_sort_promises)
{
    struct ranked ranked = make_ranked();
    check_order(&ranked, "sort=new", (int[]){3, 2, 1, 0}, 4);
    check_order(&ranked, "sort=top", (int[]){2, 0, 1, 3}, 4);
    check_order(&ranked, "sort=controversial", (int[]){1, 3, 2, 0},
                4); /* only 1 has both; the rest newer first */
    check_order(&ranked, "sort=best", (int[]){2, 0, 1, 3}, 4);
    check_order(&ranked, "sort=hot", (int[]){2, 1, 0, 3}, 4); /* a score of 1 weighs as much as 0 */
    check_order(&ranked, "", (int[]){2, 1, 0, 3}, 4);
    check_order(&ranked, "sort=top&limit=2", (int[]){2, 0}, 2);
}

Test(order, of_rising_has_all_that_is_young)
{
    struct ranked ranked = make_ranked();
    struct reply *reply = forum_get(forum, "/api/subreddits/%s/posts?sort=rising", ranked.subreddit);
    CHECK_OK(reply);
    cr_assert_eq(json_count(reply, ""), 4);
}

Test(order, of_top_and_controversial_takes_a_window)
{
    static const char *const windows[] = {"hour", "day", "week", "month", "year", "all"};
    struct ranked ranked = make_ranked();
    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        check_order(&ranked, keep_format("sort=top&t=%s", windows[i]), (int[]){2, 0, 1, 3}, 4);
        check_order(&ranked, keep_format("sort=controversial&t=%s", windows[i]), (int[]){1, 3, 2, 0}, 4);
    }
}

Test(order, refuses_sorts_and_windows_that_it_does_not_know)
{
    const char *subreddit = make_subreddit(forum, make_user(forum));
    const char *path = keep_format("/api/subreddits/%s/posts", subreddit);
    CHECK_FIELD_ERROR(forum_get(forum, "%s?sort=worst", path), "sort", "not_one_of");
    CHECK_FIELD_ERROR(forum_get(forum, "%s?sort=top&t=decade", path), "t", "not_one_of");
    CHECK_FIELD_ERROR(forum_get(forum, "%s?limit=1000", path), "limit", "too_large");
    struct reply *both = forum_get(forum, "%s?limit=x&sort=x", path);
    CHECK_FIELD_ERROR(both, "limit", "wrong_type");
    CHECK_FIELD_ERROR(both, "sort", "not_one_of");
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
