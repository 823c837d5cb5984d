/* Each handler of the comments domain, alone. Tree order and paging against a reference:
 * comments_walk_test.c. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "common/limits.h"
#include "engined/domain.h"
#include "proto/comments.pb-c.h"
#include "proto/schema_commands.h"
#include "tests/unit/harness.h"
#include "tests/unit/seed.h"

enum { ANN = 1, BOB = 2, CARL = 3, NOBODY = 0 };
enum { POST = 7, OTHER_POST = 8, UNKNOWN = 99 };
enum { SORT_COUNT = 5, LONG_CHARS = 10000 };

static const char *const names[] = {"", "ann", "Bob", "carl"};

static struct harness *open_comments(void)
{
    struct harness *harness = harness_open(&comments_domain);
    harness_know(harness, 0, POST, "");
    harness_know(harness, 0, OTHER_POST, "");
    return harness;
}

static enum status run(struct harness *harness, uint64_t actor, uint16_t command,
                       const ProtobufCMessage *request, void *reply)
{
    const char *name = actor < ARRAY_LEN(names) ? names[actor] : "someone";
    return harness_run(harness, actor, name, command, request, reply);
}

/* parent 0: none. */
static enum status create_status(struct harness *harness, uint64_t actor, uint64_t post_id,
                                 uint64_t parent_id, const char *content, Pb__Comment **comment)
{
    Pb__CommentsCreate request = PB__COMMENTS_CREATE__INIT;
    request.has_post_id = true;
    request.post_id = post_id;
    request.has_parent_id = parent_id != 0;
    request.parent_id = parent_id;
    request.content = (char *)content;
    return run(harness, actor, COMMAND_ID_comments_create, &request.base, comment);
}

static Pb__Comment *create(struct harness *harness, uint64_t actor, uint64_t parent_id)
{
    Pb__Comment *comment = NULL;
    cr_assert_eq(create_status(harness, actor, POST, parent_id, "text", &comment), STATUS_OK);
    return comment;
}

static enum status get_status(struct harness *harness, uint64_t actor, uint64_t comment_id,
                              Pb__Comment **comment)
{
    Pb__CommentsGet request = PB__COMMENTS_GET__INIT;
    request.has_comment_id = true;
    request.comment_id = comment_id;
    return run(harness, actor, COMMAND_ID_comments_get, &request.base, comment);
}

static Pb__Comment *get(struct harness *harness, uint64_t actor, uint64_t comment_id)
{
    Pb__Comment *comment = NULL;
    cr_assert_eq(get_status(harness, actor, comment_id, &comment), STATUS_OK);
    return comment;
}

static enum status vote(struct harness *harness, uint64_t actor, uint64_t comment_id, Pb__VoteType type,
                        Pb__CommentVoted **voted)
{
    Pb__CommentsVote request = PB__COMMENTS_VOTE__INIT;
    request.has_comment_id = request.has_vote_type = true;
    request.comment_id = comment_id;
    request.vote_type = type;
    return run(harness, actor, COMMAND_ID_comments_vote, &request.base, voted);
}

/* So many users vote so. */
static void vote_many(struct harness *harness, uint64_t comment_id, unsigned up, unsigned down)
{
    for (uint64_t i = 0; i < up + down; i++)
        cr_assert_eq(vote(harness, 100 + i, comment_id,
                          i < up ? PB__VOTE_TYPE__upvote : PB__VOTE_TYPE__downvote, NULL),
                     STATUS_OK);
}

static Pb__CommentsOfPost of_post_request(Pb__CommentsOfPost__Sort sort, uint32_t limit)
{
    Pb__CommentsOfPost request = PB__COMMENTS_OF_POST__INIT;
    request.has_post_id = request.has_sort = request.has_limit = true;
    request.post_id = POST;
    request.sort = sort;
    request.limit = limit;
    return request;
}

static Pb__CommentPage *of_post(struct harness *harness, uint64_t actor, const Pb__CommentsOfPost *request)
{
    Pb__CommentPage *page = NULL;
    cr_assert_eq(run(harness, actor, COMMAND_ID_comments_of_post, &request->base, &page), STATUS_OK);
    return page;
}

static enum status of_post_status(struct harness *harness, const Pb__CommentsOfPost *request)
{
    return run(harness, NOBODY, COMMAND_ID_comments_of_post, &request->base, NULL);
}

static Pb__CommentPage *of_user(struct harness *harness, uint64_t actor, uint64_t user, uint32_t limit,
                                const Pb__CommentPage *before)
{
    Pb__CommentsOfUser request = PB__COMMENTS_OF_USER__INIT;
    request.has_user_id = request.has_limit = true;
    request.user_id = user;
    request.limit = limit;
    if (before != NULL) {
        request.has_after = true;
        request.after = before->next;
    }
    Pb__CommentPage *page = NULL;
    cr_assert_eq(run(harness, actor, COMMAND_ID_comments_of_user, &request.base, &page), STATUS_OK);
    return page;
}

static void assert_ids(size_t n_items, Pb__Comment *const *items, size_t count, const uint64_t *ids)
{
    cr_assert_eq(n_items, count, "%zu items, not %zu", n_items, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(items[i]->comment_id, ids[i], "place %zu: %" PRIu64 ", not %" PRIu64, i,
                     items[i]->comment_id, ids[i]);
}
#define ASSERT_IDS(page, ...)                                                                                \
    assert_ids((page)->n_items, (page)->items, ARRAY_LEN(((uint64_t[]){__VA_ARGS__})),                       \
               (const uint64_t[]){__VA_ARGS__})

static void assert_same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t length = protobuf_c_message_get_packed_size(a);
    cr_assert_eq(protobuf_c_message_get_packed_size(b), length);
    uint8_t *bytes = malloc(2 * length);
    cr_assert_not_null(bytes);
    protobuf_c_message_pack(a, bytes);
    protobuf_c_message_pack(b, bytes + length);
    cr_assert_eq(memcmp(bytes, bytes + length, length), 0);
    free(bytes);
}

Test(comments_create, answers_with_the_comment_that_get_then_shows)
{
    struct harness *harness = open_comments();
    Pb__Comment *root = NULL, *reply = NULL;
    cr_assert_eq(create_status(harness, BOB, POST, 0, "a \xe2\x82\xac", &root), STATUS_OK);
    cr_assert(root->has_comment_id && root->has_post_id && root->has_author_id && root->has_depth &&
              root->has_reply_count && root->has_upvotes && root->has_downvotes && root->has_score &&
              root->has_created_at && root->has_my_vote);
    cr_assert_eq(root->comment_id, 1);
    cr_assert_eq(root->post_id, POST);
    cr_assert_not(root->has_parent_id);
    cr_assert_eq(root->author_id, BOB);
    cr_assert_str_eq(root->author_username, "Bob");
    cr_assert_str_eq(root->content, "a \xe2\x82\xac");
    cr_assert_eq(root->created_at, harness_now_ms(harness));
    cr_assert_not(root->has_edited_at);
    cr_assert_null(root->replies);
    assert_same_message(&get(harness, BOB, 1)->base, &root->base);
    reply = create(harness, ANN, 1);
    cr_assert_eq(reply->comment_id, 2);
    cr_assert(reply->has_parent_id);
    cr_assert_eq(reply->parent_id, 1);
    cr_assert_eq(reply->depth, 1);
    assert_same_message(&get(harness, ANN, 2)->base, &reply->base);
    harness_close(harness);
}

Test(comments_create, refuses_what_has_no_place_and_leaves_no_gap)
{
    struct harness *harness = open_comments();
    create(harness, ANN, 0);
    uint64_t head = harness_head_seq(harness);
    cr_assert_eq(create_status(harness, ANN, UNKNOWN, 0, "x", NULL), STATUS_POST_NOT_FOUND);
    cr_assert_eq(create_status(harness, ANN, UNKNOWN, 1, "x", NULL), STATUS_POST_NOT_FOUND);
    cr_assert_eq(create_status(harness, ANN, POST, 9, "x", NULL), STATUS_PARENT_NOT_FOUND);
    cr_assert_eq(create_status(harness, ANN, OTHER_POST, 1, "x", NULL), STATUS_PARENT_OF_OTHER_POST);
    cr_assert_eq(create_status(harness, NOBODY, POST, 0, "x", NULL), STATUS_BAD_FRAME);
    cr_assert_eq(create_status(harness, ANN, POST, 0, NULL, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), head);
    cr_assert_eq(get(harness, ANN, 1)->reply_count, 0);
    cr_assert_eq(create(harness, ANN, 0)->comment_id, 2);
    harness_close(harness);
}

Test(comments_create, goes_fifty_deep_and_no_deeper)
{
    struct harness *harness = open_comments();
    for (unsigned depth = 0; depth <= LIMIT_COMMENT_DEPTH; depth++)
        cr_assert_eq(create(harness, ANN, depth)->depth, depth);
    uint64_t deepest = LIMIT_COMMENT_DEPTH + 1;
    cr_assert_eq(create_status(harness, ANN, POST, deepest, "x", NULL), STATUS_COMMENT_TOO_DEEP);
    cr_assert_eq(create(harness, ANN, deepest - 1)->depth, LIMIT_COMMENT_DEPTH);
    Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__old, 100);
    request.has_view = true;
    request.view = PB__COMMENTS_OF_POST__VIEW__tree;
    Pb__CommentPage *page = of_post(harness, NOBODY, &request);
    cr_assert_eq(page->n_items, 1);
    const Pb__Comment *at = page->items[0];
    for (unsigned depth = 0; depth < LIMIT_COMMENT_DEPTH - 1; depth++) {
        cr_assert_eq(at->replies->n_items, 1);
        at = at->replies->items[0];
    }
    cr_assert_eq(at->replies->n_items, 2);
    cr_assert_eq(at->replies->items[1]->comment_id, deepest + 1);
    harness_close(harness);
}

Test(comments_create, counts_direct_replies_alone)
{
    struct harness *harness = open_comments();
    create(harness, ANN, 0);
    create(harness, BOB, 1);
    create(harness, BOB, 2);
    create(harness, ANN, 1);
    create(harness, ANN, 0);
    static const uint64_t replies[] = {2, 1, 0, 0, 0};
    for (size_t i = 0; i < ARRAY_LEN(replies); i++)
        cr_assert_eq(get(harness, NOBODY, i + 1)->reply_count, replies[i]);
    Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__old, 10);
    Pb__CommentPage *page = of_post(harness, NOBODY, &request);
    cr_assert_eq(page->items[0]->reply_count, 2);
    harness_close(harness);
}

Test(comments_get, shows_my_vote_to_who_acts_and_refuses_unknown_ids)
{
    struct harness *harness = open_comments();
    create(harness, ANN, 0);
    cr_assert_eq(vote(harness, BOB, 1, PB__VOTE_TYPE__downvote, NULL), STATUS_OK);
    Pb__Comment *comment = get(harness, BOB, 1);
    cr_assert(comment->has_my_vote);
    cr_assert_eq(comment->my_vote, PB__VOTE_TYPE__downvote);
    cr_assert_eq(get(harness, ANN, 1)->my_vote, PB__VOTE_TYPE__none);
    cr_assert_not(get(harness, NOBODY, 1)->has_my_vote);
    cr_assert_eq(get_status(harness, ANN, 2, NULL), STATUS_COMMENT_NOT_FOUND);
    cr_assert_eq(get_status(harness, ANN, UINT64_MAX, NULL), STATUS_COMMENT_NOT_FOUND);
    harness_close(harness);
}

Test(comments_vote, is_a_state_and_not_an_event)
{
    struct harness *harness = open_comments();
    create(harness, ANN, 0);
    static const struct {
        uint64_t voter;
        Pb__VoteType type;
        uint64_t up, down;
        bool changes;
    } steps[] = {
        {BOB, PB__VOTE_TYPE__none, 0, 0, false},     {BOB, PB__VOTE_TYPE__upvote, 1, 0, true},
        {BOB, PB__VOTE_TYPE__upvote, 1, 0, false},   {ANN, PB__VOTE_TYPE__upvote, 2, 0, true},
        {BOB, PB__VOTE_TYPE__downvote, 1, 1, true},  {CARL, PB__VOTE_TYPE__downvote, 1, 2, true},
        {BOB, PB__VOTE_TYPE__downvote, 1, 2, false}, {ANN, PB__VOTE_TYPE__none, 0, 2, true},
        {ANN, PB__VOTE_TYPE__none, 0, 2, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        uint64_t head = harness_head_seq(harness);
        Pb__CommentVoted *voted = NULL;
        cr_assert_eq(vote(harness, steps[i].voter, 1, steps[i].type, &voted), STATUS_OK);
        cr_assert(voted->has_comment_id && voted->has_upvotes && voted->has_downvotes && voted->has_score &&
                  voted->has_my_vote);
        cr_assert_eq(voted->comment_id, 1);
        cr_assert_eq(voted->upvotes, steps[i].up, "step %zu", i);
        cr_assert_eq(voted->downvotes, steps[i].down, "step %zu", i);
        cr_assert_eq(voted->score, (int64_t)steps[i].up - (int64_t)steps[i].down);
        cr_assert_eq(voted->my_vote, steps[i].type);
        cr_assert_eq(harness_head_seq(harness), head + steps[i].changes, "step %zu", i);
    }
    Pb__Comment *comment = get(harness, BOB, 1);
    cr_assert_eq(comment->score, -2);
    cr_assert_eq(comment->my_vote, PB__VOTE_TYPE__downvote);
    harness_close(harness);
}

Test(comments_vote, refuses_unknown_comments_and_unknown_votes)
{
    struct harness *harness = open_comments();
    create(harness, ANN, 0);
    cr_assert_eq(vote(harness, BOB, 2, PB__VOTE_TYPE__upvote, NULL), STATUS_COMMENT_NOT_FOUND);
    cr_assert_eq(vote(harness, BOB, 1, (Pb__VoteType)9, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(vote(harness, NOBODY, 1, PB__VOTE_TYPE__upvote, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), 1);
    harness_close(harness);
}

/* 1 { 4 { 6 }, 5 }, 2 { 7 }, 3 with votes so that the sorts differ. */
static struct harness *open_small_tree(void)
{
    static const uint64_t parents[] = {0, 0, 0, 1, 1, 4, 2};
    static const struct {
        unsigned up, down;
    } votes[] = {{3, 2}, {2, 0}, {4, 4}, {0, 1}, {1, 0}, {0, 0}, {5, 5}};
    struct harness *harness = open_comments();
    for (size_t i = 0; i < ARRAY_LEN(parents); i++) {
        create(harness, ANN, parents[i]);
        harness_advance_ms(harness, 10);
        vote_many(harness, i + 1, votes[i].up, votes[i].down);
    }
    return harness;
}

Test(comments_of_post, has_its_orders)
{
    struct harness *harness = open_small_tree();
    static const uint64_t expected[SORT_COUNT][7] = {
        [PB__COMMENTS_OF_POST__SORT__best] = {2, 7, 1, 5, 4, 6, 3},
        [PB__COMMENTS_OF_POST__SORT__top] = {2, 7, 1, 5, 4, 6, 3},
        [PB__COMMENTS_OF_POST__SORT__new] = {3, 2, 7, 1, 5, 4, 6},
        [PB__COMMENTS_OF_POST__SORT__old] = {1, 4, 6, 5, 2, 7, 3},
        [PB__COMMENTS_OF_POST__SORT__controversial] = {3, 1, 5, 4, 6, 2, 7},
    };
    for (int sort = 0; sort < SORT_COUNT; sort++) {
        Pb__CommentsOfPost request = of_post_request((Pb__CommentsOfPost__Sort)sort, 100);
        Pb__CommentPage *page = of_post(harness, NOBODY, &request);
        assert_ids(page->n_items, page->items, 7, expected[sort]);
        cr_assert_not(page->has_next);
        cr_assert(page->has_total);
        cr_assert_eq(page->total, 7);
        for (size_t i = 0; i < 7; i++)
            assert_same_message(&page->items[i]->base,
                                &get(harness, NOBODY, page->items[i]->comment_id)->base);
    }
    harness_close(harness);
}

Test(comments_of_post, sorts_by_best_unless_told_otherwise_and_shows_my_votes)
{
    struct harness *harness = open_small_tree();
    cr_assert_eq(vote(harness, BOB, 5, PB__VOTE_TYPE__upvote, NULL), STATUS_OK);
    Pb__CommentsOfPost request = PB__COMMENTS_OF_POST__INIT;
    request.has_post_id = true;
    request.post_id = POST;
    Pb__CommentPage *page = of_post(harness, BOB, &request);
    ASSERT_IDS(page, 2, 7, 1, 5, 4, 6, 3);
    for (size_t i = 0; i < page->n_items; i++) {
        cr_assert(page->items[i]->has_my_vote);
        cr_assert_eq(page->items[i]->my_vote,
                     page->items[i]->comment_id == 5 ? PB__VOTE_TYPE__upvote : PB__VOTE_TYPE__none);
        cr_assert_null(page->items[i]->replies);
    }
    harness_close(harness);
}

Test(comments_of_post, of_a_post_without_comments_is_empty_and_of_no_post_refused)
{
    struct harness *harness = open_small_tree();
    Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__best, 10);
    request.post_id = OTHER_POST;
    Pb__CommentPage *page = of_post(harness, NOBODY, &request);
    cr_assert_eq(page->n_items, 0);
    cr_assert_not(page->has_next);
    cr_assert(page->has_total);
    cr_assert_eq(page->total, 0);
    request.post_id = UNKNOWN;
    cr_assert_eq(of_post_status(harness, &request), STATUS_POST_NOT_FOUND);
    request.post_id = POST;
    request.sort = (Pb__CommentsOfPost__Sort)9;
    cr_assert_eq(of_post_status(harness, &request), STATUS_BAD_FRAME);
    harness_close(harness);
}

Test(comments_of_post, max_depth_counts_from_the_top_of_the_listing)
{
    struct harness *harness = open_small_tree();
    Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__old, 100);
    request.has_max_depth = true;
    Pb__CommentPage *page = of_post(harness, NOBODY, &request);
    ASSERT_IDS(page, 1, 2, 3);
    cr_assert_eq(page->total, 3);
    request.max_depth = 1;
    page = of_post(harness, NOBODY, &request);
    ASSERT_IDS(page, 1, 4, 5, 2, 7, 3);
    cr_assert_eq(page->total, 6);
    request.max_depth = 50;
    ASSERT_IDS(of_post(harness, NOBODY, &request), 1, 4, 6, 5, 2, 7, 3);
    request.has_parent_id = true;
    request.parent_id = 1;
    request.max_depth = 0;
    page = of_post(harness, NOBODY, &request);
    ASSERT_IDS(page, 4, 5);
    cr_assert_eq(page->total, 2);
    harness_close(harness);
}

Test(comments_of_post, of_a_parent_shows_what_is_below_it)
{
    struct harness *harness = open_small_tree();
    Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__old, 100);
    request.has_parent_id = true;
    request.parent_id = 1;
    Pb__CommentPage *page = of_post(harness, NOBODY, &request);
    ASSERT_IDS(page, 4, 6, 5);
    cr_assert_eq(page->total, 3);
    cr_assert_eq(page->items[1]->depth, 2, "depth is the comment's own");
    request.parent_id = 3;
    cr_assert_eq(of_post(harness, NOBODY, &request)->n_items, 0);
    request.parent_id = 99;
    cr_assert_eq(of_post_status(harness, &request), STATUS_PARENT_NOT_FOUND);
    request.post_id = OTHER_POST;
    request.parent_id = 1;
    cr_assert_eq(of_post_status(harness, &request), STATUS_PARENT_OF_OTHER_POST);
    harness_close(harness);
}

Test(comments_of_post, as_a_tree_nests_the_comments_of_the_same_page)
{
    struct harness *harness = open_small_tree();
    Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__old, 100);
    request.has_view = true;
    request.view = PB__COMMENTS_OF_POST__VIEW__tree;
    Pb__CommentPage *page = of_post(harness, NOBODY, &request);
    ASSERT_IDS(page, 1, 2, 3);
    ASSERT_IDS(page->items[0]->replies, 4, 5);
    ASSERT_IDS(page->items[0]->replies->items[0]->replies, 6);
    ASSERT_IDS(page->items[1]->replies, 7);
    const Pb__CommentReplies *none = page->items[2]->replies;
    cr_assert_not_null(none, "replies are there also when there are none");
    cr_assert_eq(none->n_items, 0);
    cr_assert_eq(page->total, 7);
    /* 1 { 4 } | 6 5 2 | { 7 } 3: what has its parent on an earlier page stands at the top. */
    request.limit = 2;
    page = of_post(harness, NOBODY, &request);
    ASSERT_IDS(page, 1);
    ASSERT_IDS(page->items[0]->replies, 4);
    request.has_after = true;
    request.after = page->next;
    request.limit = 3;
    page = of_post(harness, NOBODY, &request);
    ASSERT_IDS(page, 6, 5, 2);
    request.after = page->next;
    page = of_post(harness, NOBODY, &request);
    ASSERT_IDS(page, 7, 3);
    cr_assert_not(page->has_next);
    harness_close(harness);
}

Test(comments_of_post, refuses_cursors_of_other_listings)
{
    struct harness *harness = open_small_tree();
    Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__old, 3);
    Pb__CommentPage *page = of_post(harness, NOBODY, &request);
    ASSERT_IDS(page, 1, 4, 6);
    request.has_after = true;
    request.after = page->next;
    cr_assert_eq(of_post_status(harness, &request), STATUS_OK);
    request.sort = PB__COMMENTS_OF_POST__SORT__new;
    cr_assert_eq(of_post_status(harness, &request), STATUS_INVALID_CURSOR);
    request.sort = PB__COMMENTS_OF_POST__SORT__old;
    request.post_id = OTHER_POST;
    cr_assert_eq(of_post_status(harness, &request), STATUS_INVALID_CURSOR);
    request.post_id = POST;
    request.has_parent_id = true;
    request.parent_id = 1;
    cr_assert_eq(of_post_status(harness, &request), STATUS_INVALID_CURSOR);
    request.has_parent_id = false;
    request.has_max_depth = true;
    request.max_depth = 1;
    cr_assert_eq(of_post_status(harness, &request), STATUS_INVALID_CURSOR);
    request.has_max_depth = false;
    request.after = of_user(harness, NOBODY, ANN, 1, NULL)->next;
    cr_assert_eq(of_post_status(harness, &request), STATUS_INVALID_CURSOR);
    for (size_t length = 0; length < page->next.len; length++) {
        request.after = (ProtobufCBinaryData){.len = length, .data = page->next.data};
        enum status status = of_post_status(harness, &request);
        cr_assert(status == STATUS_INVALID_CURSOR || status == STATUS_OK);
        cr_assert(length > 0 || status == STATUS_INVALID_CURSOR);
    }
    harness_close(harness);
}

Test(comments_of_post, ends_its_page_before_the_reply_gets_too_large)
{
    struct harness *harness = open_comments();
    static char content[LONG_CHARS * 4 + 1];
    for (size_t i = 0; i < LONG_CHARS; i++)
        memcpy(&content[i * 4], "\xf0\x9f\x90\x88", 4);
    for (uint64_t i = 0; i < 60; i++)
        cr_assert_eq(create_status(harness, ANN, POST, i % 7, content, NULL), STATUS_OK);
    for (int view = 0; view < 2; view++) {
        Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__best, 100);
        request.has_view = true;
        request.view = (Pb__CommentsOfPost__View)view;
        size_t pages = 0;
        Pb__CommentPage *page = NULL;
        do {
            page = of_post(harness, NOBODY, &request);
            cr_assert_gt(page->n_items, 0);
            cr_assert_eq(page->total, 60);
            cr_assert_leq(pb__comment_page__get_packed_size(page), LIMIT_REPLY_FRAME_BYTES);
            request.has_after = true;
            request.after = page->next;
            pages++;
        } while (page->has_next);
        cr_assert_eq(pages, 3, "25 of 40 kB fit");
    }
    size_t shown = 0;
    Pb__CommentPage *page = NULL;
    do {
        page = of_user(harness, NOBODY, ANN, 100, page);
        cr_assert_leq(pb__comment_page__get_packed_size(page), LIMIT_REPLY_FRAME_BYTES);
        for (size_t i = 0; i < page->n_items; i++, shown++)
            cr_assert_eq(page->items[i]->comment_id, 60 - shown);
    } while (page->has_next);
    cr_assert_eq(shown, 60);
    harness_close(harness);
}

/* Whether itself or one above it was voted on. */
static bool is_moved(const uint64_t *parents, const bool *voted, uint64_t id)
{
    return id != 0 && (voted[id] || is_moved(parents, voted, parents[id]));
}

Test(comments_of_post, shows_all_that_no_vote_moved_once_while_others_write)
{
    enum { OLD = 60, ALL = 200 };
    unsigned seed = seed_print();
    for (int sort = 0; sort < SORT_COUNT; sort++) {
        struct harness *harness = open_comments();
        uint64_t parents[ALL] = {0};
        unsigned shown[ALL] = {0};
        bool voted[ALL] = {false};
        uint64_t count = 0;
        while (count < OLD) {
            uint64_t parent = (uint64_t)rand_r(&seed) % (count + 1);
            count++;
            parents[count] = parent;
            cr_assert_eq(create(harness, ANN, parent)->comment_id, count);
            vote_many(harness, count, (unsigned)rand_r(&seed) % 3, (unsigned)rand_r(&seed) % 3);
        }
        Pb__CommentsOfPost request = of_post_request((Pb__CommentsOfPost__Sort)sort, 4);
        Pb__CommentPage *page;
        do {
            page = of_post(harness, NOBODY, &request);
            cr_assert_eq(page->total, count);
            for (size_t i = 0; i < page->n_items; i++)
                shown[page->items[i]->comment_id]++;
            request.has_after = true;
            request.after = page->next;
            if (count + 1 < ALL && rand_r(&seed) % 2 == 0) {
                parents[count + 1] = (uint64_t)rand_r(&seed) % (count + 1);
                create(harness, ANN, parents[count + 1]);
                count++;
            }
            uint64_t target = 1 + (uint64_t)rand_r(&seed) % OLD;
            voted[target] = true;
            vote_many(harness, target, (unsigned)rand_r(&seed) % 4, (unsigned)rand_r(&seed) % 4);
            if (rand_r(&seed) % 5 == 0)
                harness_restart(harness);
        } while (page->has_next);
        for (uint64_t id = 1; id <= OLD; id++)
            cr_assert(is_moved(parents, voted, id) || shown[id] == 1,
                      "sort %d: %" PRIu64 " was shown %u times", sort, id, shown[id]);
        harness_close(harness);
    }
}

Test(comments_of_user, shows_what_the_user_wrote_newest_first_while_more_is_written)
{
    struct harness *harness = open_comments();
    for (int i = 0; i < 20; i++)
        create(harness, i % 2 == 0 ? ANN : BOB, 0);
    uint64_t expected = 19;
    Pb__CommentPage *page = NULL;
    do {
        page = of_user(harness, BOB, ANN, 3, page);
        for (size_t i = 0; i < page->n_items; i++, expected -= 2) {
            cr_assert_eq(page->items[i]->comment_id, expected);
            cr_assert_eq(page->items[i]->author_id, ANN);
            cr_assert(page->items[i]->has_my_vote);
        }
        create(harness, ANN, 1);
    } while (page->has_next);
    cr_assert_eq(expected, UINT64_MAX);
    cr_assert_eq(of_user(harness, NOBODY, CARL, 3, NULL)->n_items, 0);
    Pb__CommentsOfUser request = PB__COMMENTS_OF_USER__INIT;
    Pb__CommentsOfPost of_post_old = of_post_request(PB__COMMENTS_OF_POST__SORT__old, 1);
    request.has_user_id = request.has_after = true;
    request.user_id = ANN;
    request.after = of_post(harness, NOBODY, &of_post_old)->next;
    cr_assert_eq(run(harness, NOBODY, COMMAND_ID_comments_of_user, &request.base, NULL),
                 STATUS_INVALID_CURSOR);
    harness_close(harness);
}

Test(comments, go_on_where_they_were_after_a_restart)
{
    struct harness *harness = open_small_tree();
    Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__best, 100);
    Pb__CommentPage *before = of_post(harness, BOB, &request);
    harness_restart(harness);
    assert_same_message(&before->base, &of_post(harness, BOB, &request)->base);
    cr_assert_eq(create(harness, ANN, 6)->comment_id, 8);
    cr_assert_eq(of_post(harness, BOB, &request)->total, 8);
    harness_close(harness);
}

Test(comments, are_rebuilt_from_the_event_log)
{
    struct harness *harness = open_small_tree();
    Pb__CommentsOfPost request = of_post_request(PB__COMMENTS_OF_POST__SORT__best, 100);
    cr_assert_eq(vote(harness, 100, 1, PB__VOTE_TYPE__none, NULL), STATUS_OK);
    Pb__CommentPage *before = of_post(harness, BOB, &request);
    cr_assert(harness_rebuild_is_equal(harness));
    assert_same_message(&before->base, &of_post(harness, BOB, &request)->base);
    cr_assert_eq(create(harness, ANN, 0)->comment_id, 8);
    harness_close(harness);
}
