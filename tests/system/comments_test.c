/* Comments: trees of them, votes, the orders and parts of a post's list. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"

static struct forum *forum;

static void attach(void)
{
    forum = forum_attach();
}

TestSuite(create, .init = attach);
TestSuite(get, .init = attach);
TestSuite(vote, .init = attach);
TestSuite(tree, .init = attach);

#define DEPTH_MAX 50

static struct reply *create(const char *body)
{
    return forum_post(forum, "/api/comments/create", body);
}

static const char *make_a_post(const char *user)
{
    return make_post(forum, make_subreddit(forum, user), user, "To talk about");
}

Test(create, answers_201_with_the_whole_comment)
{
    const char *name = make_name("ann"), *user = make_user_named(forum, name), *post = make_a_post(user);
    struct reply *reply =
        create(json_body("{'post_id':'%s','author_id':'%s','content':' Hi\\n'}", post, user));
    CHECK_CREATED(reply);
    const char *id = json_text(reply, "comment_id");
    cr_assert(strncmp(id, "comment_", 8) == 0);
    cr_assert_str_eq(http_header(reply, "Location"), keep_format("/api/comments/%s", id));
    const struct reply *both[] = {reply, forum_get(forum, "/api/comments/%s", id)};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        CHECK_TEXT(both[i], "comment_id", id);
        CHECK_TEXT(both[i], "post_id", post);
        CHECK_NULL(both[i], "parent_id");
        CHECK_TEXT(both[i], "author_id", user);
        CHECK_TEXT(both[i], "author_username", name);
        CHECK_TEXT(both[i], "content", " Hi\n");
        CHECK_NUMBER(both[i], "depth", 0);
        CHECK_NUMBER(both[i], "reply_count", 0);
        CHECK_NUMBER(both[i], "upvotes", 0);
        CHECK_NUMBER(both[i], "downvotes", 0);
        CHECK_NUMBER(both[i], "score", 0);
        cr_assert_gt(json_number(both[i], "created_at"), 1700000000000);
        CHECK_NULL(both[i], "edited_at");
    }
}

Test(create, takes_null_and_an_empty_text_for_no_parent)
{
    const char *user = make_user(forum), *post = make_a_post(user);
    CHECK_NULL(
        create(json_body("{'post_id':'%s','author_id':'%s','content':'C','parent_id':null}", post, user)),
        "parent_id");
    CHECK_NULL(
        create(json_body("{'post_id':'%s','author_id':'%s','content':'C','parent_id':''}", post, user)),
        "parent_id");
}

Test(create, counts_direct_replies_in_their_parent)
{
    const char *user = make_user(forum), *post = make_a_post(user);
    const char *root = make_comment(forum, post, user, NULL, "Root");
    const char *child = make_comment(forum, post, user, root, "Child");
    make_comment(forum, post, user, child, "Grandchild");
    struct reply *reply = forum_get(forum, "/api/comments/%s", root);
    CHECK_NUMBER(reply, "reply_count", 1);
    reply = forum_get(forum, "/api/comments/%s", child);
    CHECK_NUMBER(reply, "depth", 1);
    CHECK_TEXT(reply, "parent_id", root);
}

Test(create, refuses_what_does_not_exist_or_does_not_belong)
{
    const char *user = make_user(forum), *post = make_a_post(user), *other = make_a_post(user);
    const char *comment = make_comment(forum, post, user, NULL, "Here");
    CHECK_PROBLEM(create(json_body("{'post_id':'post_999999','author_id':'%s','content':'C'}", user)), 404,
                  "post_not_found");
    CHECK_PROBLEM(create(json_body("{'post_id':'%s','author_id':'user_999999','content':'C'}", post)), 404,
                  "user_not_found");
    CHECK_PROBLEM(
        create(json_body("{'post_id':'%s','author_id':'%s','content':'C','parent_id':'comment_999999'}", post,
                         user)),
        404, "parent_not_found");
    CHECK_PROBLEM(create(json_body("{'post_id':'%s','author_id':'%s','content':'C','parent_id':'%s'}", other,
                                   user, comment)),
                  400, "parent_of_other_post");
}

Test(create, holds_texts_to_their_length)
{
    const char *user = make_user(forum), *post = make_a_post(user);
    CHECK_CREATED(create(json_body("{'post_id':'%s','author_id':'%s','content':'%010000d'}", post, user, 0)));
    CHECK_FIELD_ERROR(
        create(json_body("{'post_id':'%s','author_id':'%s','content':'%010001d'}", post, user, 0)), "content",
        "too_long");
    CHECK_FIELD_ERROR(create(json_body("{'post_id':'%s','author_id':'%s','content':''}", post, user)),
                      "content", "too_short");
}

Test(create, nests_50_deep_and_no_deeper)
{
    const char *user = make_user(forum), *post = make_a_post(user), *parent = NULL;
    for (int depth = 0; depth <= DEPTH_MAX; depth++)
        parent = make_comment(forum, post, user, parent, "Deeper");
    CHECK_NUMBER(forum_get(forum, "/api/comments/%s", parent), "depth", DEPTH_MAX);
    CHECK_PROBLEM(create(json_body("{'post_id':'%s','author_id':'%s','content':'C','parent_id':'%s'}", post,
                                   user, parent)),
                  400, "comment_too_deep");
}

Test(get, of_what_is_not_there_is_404)
{
    CHECK_PROBLEM(forum_get(forum, "/api/comments/comment_999999"), 404, "comment_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/comments/post_1"), 404, NULL);
    CHECK_PROBLEM(forum_get(forum, "/api/posts/post_999999/comments"), 404, "post_not_found");
}

static struct reply *vote(const char *id, const char *user, const char *type)
{
    return forum_post(forum, keep_format("/api/comments/%s/vote", id),
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
    const char *comment = make_comment(forum, make_a_post(user), user, NULL, "C");
    check_votes(vote(comment, user, "downvote"), 0, 1, "downvote");
    check_votes(vote(comment, user, "downvote"), 0, 1, "downvote");
    check_votes(vote(comment, other, "upvote"), 1, 1, "upvote");
    check_votes(vote(comment, user, "upvote"), 2, 0, "upvote");
    check_votes(vote(comment, user, "none"), 1, 0, "none");
    CHECK_NUMBER(forum_get(forum, "/api/comments/%s", comment), "score", 1);
    CHECK_PROBLEM(vote("comment_999999", user, "upvote"), 404, "comment_not_found");
    CHECK_PROBLEM(vote(comment, "user_999999", "upvote"), 404, "user_not_found");
    CHECK_FIELD_ERROR(vote(comment, user, "up"), "vote_type", "not_one_of");
}

/*
 * a (2 up)            b (1 up, 1 down)      c
 * +- aa               +- ba
 * |  +- aaa
 * +- ab (1 up)
 */
enum { A, B, C, AA, AB, AAA, BA, NODES };
struct tree {
    const char *post;
    const char *ids[NODES];
};

static struct tree make_tree(void)
{
    const char *user = make_user(forum), *other = make_user(forum);
    struct tree tree = {.post = make_a_post(user)};
    static const int parents[NODES] = {-1, -1, -1, A, A, AA, B};
    for (int i = 0; i < NODES; i++)
        tree.ids[i] =
            make_comment(forum, tree.post, user, parents[i] < 0 ? NULL : tree.ids[parents[i]], "Node");
    make_vote(forum, tree.ids[A], user, "upvote");
    make_vote(forum, tree.ids[A], other, "upvote");
    make_vote(forum, tree.ids[B], user, "upvote");
    make_vote(forum, tree.ids[B], other, "downvote");
    make_vote(forum, tree.ids[AB], user, "upvote");
    return tree;
}

static void check_nodes(const struct tree *tree, const char *query, const int *expected, size_t count)
{
    struct reply *reply = forum_get(forum, "/api/posts/%s/comments?%s", tree->post, query);
    CHECK_OK(reply);
    cr_assert_eq(json_count(reply, ""), count, "%s: %s", query, http_describe(reply));
    for (size_t i = 0; i < count; i++)
        cr_assert_str_eq(json_text(reply, keep_format("%zu.comment_id", i)), tree->ids[expected[i]],
                         "%s: at %zu: %s", query, i, http_describe(reply));
}

Test(tree, comes_flat_in_tree_order_by_each_sort)
{
    struct tree tree = make_tree();
    check_nodes(&tree, "sort=old", (int[]){A, AA, AAA, AB, B, BA, C}, NODES);
    check_nodes(&tree, "sort=new", (int[]){C, B, BA, A, AB, AA, AAA}, NODES);
    check_nodes(&tree, "sort=top", (int[]){A, AB, AA, AAA, C, B, BA}, NODES); /* c and b: 0; c is newer */
    check_nodes(&tree, "sort=best", (int[]){A, AB, AA, AAA, B, BA, C}, NODES);
    check_nodes(&tree, "", (int[]){A, AB, AA, AAA, B, BA, C}, NODES);
    check_nodes(&tree, "sort=controversial", (int[]){B, BA, C, A, AB, AA, AAA}, NODES);
    CHECK_FIELD_ERROR(forum_get(forum, "/api/posts/%s/comments?sort=hot", tree.post), "sort", "not_one_of");
}

Test(tree, can_be_cut_by_depth_and_to_a_subtree)
{
    struct tree tree = make_tree();
    check_nodes(&tree, "sort=old&max_depth=0", (int[]){A, B, C}, 3);
    check_nodes(&tree, "sort=old&max_depth=1", (int[]){A, AA, AB, B, BA, C}, 6);
    struct reply *reply =
        forum_get(forum, "/api/posts/%s/comments?sort=old&parent_id=%s", tree.post, tree.ids[A]);
    CHECK_OK(reply);
    size_t count = json_count(reply, "");
    cr_assert(count == 3 || count == 4, "%s", http_describe(reply));
    CHECK_TEXT(reply, keep_format("%zu.comment_id", count - 1), tree.ids[AB]);
    CHECK_PROBLEM(forum_get(forum, "/api/posts/%s/comments?parent_id=comment_999999", tree.post), 404, NULL);
    CHECK_FIELD_ERROR(forum_get(forum, "/api/posts/%s/comments?max_depth=51", tree.post), "max_depth",
                      "too_large");
}

Test(tree, comes_nested_when_asked)
{
    struct tree tree = make_tree();
    struct reply *reply = forum_get(forum, "/api/posts/%s/comments?view=tree&sort=old", tree.post);
    CHECK_OK(reply);
    cr_assert_eq(json_count(reply, ""), 3);
    CHECK_TEXT(reply, "0.comment_id", tree.ids[A]);
    cr_assert_eq(json_count(reply, "0.replies"), 2);
    CHECK_TEXT(reply, "0.replies.0.comment_id", tree.ids[AA]);
    CHECK_TEXT(reply, "0.replies.0.replies.0.comment_id", tree.ids[AAA]);
    CHECK_TEXT(reply, "0.replies.1.comment_id", tree.ids[AB]);
    CHECK_TEXT(reply, "1.replies.0.comment_id", tree.ids[BA]);
    CHECK_TEXT(reply, "2.comment_id", tree.ids[C]);
    CHECK_FIELD_ERROR(forum_get(forum, "/api/posts/%s/comments?view=bush", tree.post), "view", "not_one_of");
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
