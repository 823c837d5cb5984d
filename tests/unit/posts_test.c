/* Each handler and fold of the posts domain, alone. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/limits.h"
#include "common/log.h"
#include "engined/cursor.h"
#include "engined/domain.h"
#include "proto/comments.pb-c.h"
#include "proto/posts.pb-c.h"
#include "proto/schema_commands.h"
#include "tests/unit/harness.h"

enum { ANN = 1, BOB = 2, NOBODY = 0 };
enum { CATS = 5, DOGS = 9, UNKNOWN = 77 };

static const char *const names[] = {"", "ann", "Bob"};

static struct harness *open_posts(void)
{
    struct harness *harness = harness_open(&posts_domain);
    harness_know(harness, 0, CATS, "cats");
    harness_know(harness, 0, DOGS, "Dogs");
    return harness;
}

static enum status run(struct harness *harness, uint64_t actor, uint16_t command,
                       const ProtobufCMessage *request, void *reply)
{
    const char *name = actor < ARRAY_LEN(names) ? names[actor] : "someone";
    return harness_run(harness, actor, name, command, request, reply);
}

static Pb__PostsCreate create_request(uint64_t subreddit, const char *title)
{
    Pb__PostsCreate request = PB__POSTS_CREATE__INIT;
    request.has_subreddit_id = true;
    request.subreddit_id = subreddit;
    request.title = (char *)title;
    return request;
}

static Pb__Post *create(struct harness *harness, uint64_t actor, uint64_t subreddit, const char *title)
{
    Pb__PostsCreate request = create_request(subreddit, title);
    Pb__Post *post = NULL;
    cr_assert_eq(run(harness, actor, COMMAND_ID_posts_create, &request.base, &post), STATUS_OK);
    return post;
}

static enum status repost(struct harness *harness, uint64_t actor, uint64_t post_id, uint64_t subreddit,
                          Pb__Post **post)
{
    Pb__PostsRepost request = PB__POSTS_REPOST__INIT;
    request.has_post_id = request.has_subreddit_id = true;
    request.post_id = post_id;
    request.subreddit_id = subreddit;
    return run(harness, actor, COMMAND_ID_posts_repost, &request.base, post);
}

static enum status vote(struct harness *harness, uint64_t actor, uint64_t post_id, Pb__VoteType type,
                        Pb__PostVoted **voted)
{
    Pb__PostsVote request = PB__POSTS_VOTE__INIT;
    request.has_post_id = request.has_vote_type = true;
    request.post_id = post_id;
    request.vote_type = type;
    return run(harness, actor, COMMAND_ID_posts_vote, &request.base, voted);
}

static Pb__Post *get(struct harness *harness, uint64_t actor, uint64_t post_id)
{
    Pb__PostsGet request = PB__POSTS_GET__INIT;
    request.has_post_id = true;
    request.post_id = post_id;
    Pb__Post *post = NULL;
    cr_assert_eq(run(harness, actor, COMMAND_ID_posts_get, &request.base, &post), STATUS_OK);
    return post;
}

static void comment(struct harness *harness, uint64_t comment_id, uint64_t post_id)
{
    Pb__CommentCreated event = PB__COMMENT_CREATED__INIT;
    event.has_comment_id = event.has_post_id = true;
    event.comment_id = comment_id;
    event.post_id = post_id;
    harness_feed_event(harness, DOMAIN_COMMENTS, &event.base);
}

static Pb__PostsOfSubreddit of_subreddit_request(uint64_t subreddit, Pb__Sort sort, uint32_t limit)
{
    Pb__PostsOfSubreddit request = PB__POSTS_OF_SUBREDDIT__INIT;
    request.has_subreddit_id = request.has_sort = request.has_limit = true;
    request.subreddit_id = subreddit;
    request.sort = sort;
    request.limit = limit;
    return request;
}

static Pb__PostPage *of_subreddit(struct harness *harness, const Pb__PostsOfSubreddit *request)
{
    Pb__PostPage *page = NULL;
    cr_assert_eq(run(harness, NOBODY, COMMAND_ID_posts_of_subreddit, &request->base, &page), STATUS_OK);
    return page;
}

static Pb__PostPage *of_user(struct harness *harness, uint64_t user, uint32_t limit,
                             const Pb__PostPage *before)
{
    Pb__PostsOfUser request = PB__POSTS_OF_USER__INIT;
    request.has_user_id = request.has_limit = true;
    request.user_id = user;
    request.limit = limit;
    if (before != NULL) {
        request.has_after = true;
        request.after = before->next;
    }
    Pb__PostPage *page = NULL;
    cr_assert_eq(run(harness, NOBODY, COMMAND_ID_posts_of_user, &request.base, &page), STATUS_OK);
    return page;
}

static void assert_ids(const Pb__PostPage *page, size_t count, const uint64_t *ids)
{
    cr_assert_eq(page->n_items, count, "%zu items, not %zu", page->n_items, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(page->items[i]->post_id, ids[i], "place %zu: %" PRIu64 ", not %" PRIu64, i,
                     page->items[i]->post_id, ids[i]);
}
#define ASSERT_IDS(page, ...)                                                                                \
    assert_ids(page, ARRAY_LEN(((uint64_t[]){__VA_ARGS__})), (const uint64_t[]){__VA_ARGS__})

static void assert_same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t length = protobuf_c_message_get_packed_size(a);
    cr_assert_eq(length, protobuf_c_message_get_packed_size(b));
    uint8_t *x = malloc(length + 1), *y = malloc(length + 1);
    protobuf_c_message_pack(a, x);
    protobuf_c_message_pack(b, y);
    cr_assert_arr_eq(x, y, length);
    free(x);
    free(y);
}

Test(posts_create, answers_the_post_with_all_its_fields)
{
    struct harness *harness = open_posts();
    Pb__PostsCreate request = create_request(DOGS, "A title");
    request.content = (char *)"text";
    request.url = (char *)"https://example.org/";
    Pb__Post *post = NULL;
    cr_assert_eq(run(harness, BOB, COMMAND_ID_posts_create, &request.base, &post), STATUS_OK);
    cr_assert_eq(post->post_id, 1);
    cr_assert_str_eq(post->title, "A title");
    cr_assert_str_eq(post->content, "text");
    cr_assert_str_eq(post->url, "https://example.org/");
    cr_assert_eq(post->author_id, BOB);
    cr_assert_str_eq(post->author_username, "Bob");
    cr_assert_eq(post->subreddit_id, DOGS);
    cr_assert_str_eq(post->subreddit_name, "Dogs");
    cr_assert(post->has_upvotes && post->has_downvotes && post->has_score && post->has_comment_count);
    cr_assert(post->upvotes == 0 && post->downvotes == 0 && post->score == 0 && post->comment_count == 0);
    cr_assert(post->has_is_repost && !post->is_repost && !post->has_original_post_id);
    cr_assert_eq(post->created_at, harness_now_ms(harness));
    cr_assert(!post->has_edited_at && post->signature == NULL);
    cr_assert(post->has_signature_verified && !post->signature_verified);
    cr_assert(post->has_my_vote && post->my_vote == PB__VOTE_TYPE__none);
    assert_same_message(&post->base, &get(harness, BOB, 1)->base);
    harness_close(harness);
}

static Pb__PostsCreate signed_request(const char *title)
{
    Pb__PostsCreate request = create_request(DOGS, title);
    request.signature = (char *)"c2lnbmVk";
    request.has_signature_algorithm = request.has_signed_at = true;
    request.signature_algorithm = PB__KEY_ALGORITHM__ED25519;
    request.signed_at = 1234567890123;
    request.author_key = (char *)"a key";
    return request;
}

static void assert_signed(const Pb__Post *post)
{
    cr_assert_str_eq(post->signature, "c2lnbmVk");
    cr_assert(post->has_signature_algorithm && post->has_signed_at);
    cr_assert_eq(post->signature_algorithm, PB__KEY_ALGORITHM__ED25519);
    cr_assert_eq(post->signed_at, 1234567890123);
    cr_assert_str_eq(post->author_key, "a key");
    cr_assert(post->has_signature_verified && !post->signature_verified, "that is for others to say");
}

Test(posts_create, keeps_a_signature_also_over_a_restart_and_a_rebuild)
{
    struct harness *harness = open_posts();
    Pb__PostsCreate request = signed_request("signed");
    Pb__Post *post = NULL;
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_create, &request.base, &post), STATUS_OK);
    assert_signed(post);
    create(harness, ANN, DOGS, "not signed");
    assert_signed(get(harness, BOB, 1));
    cr_assert(harness_rebuild_is_equal(harness));
    harness_restart(harness);
    assert_signed(get(harness, BOB, 1)); /* of the file */
    assert_signed(get(harness, BOB, 1)); /* of memory */
    cr_assert_null(get(harness, BOB, 2)->signature);
    cr_assert_not(get(harness, BOB, 2)->has_signed_at);
    harness_close(harness);
}

Test(posts_create, understands_a_signature_only_whole)
{
    struct harness *harness = open_posts();
    for (int without = 0; without < 4; without++) {
        Pb__PostsCreate request = signed_request("partly signed");
        if (without == 0)
            request.signature = NULL;
        if (without == 1)
            request.author_key = NULL;
        request.has_signature_algorithm = without != 2;
        request.has_signed_at = without != 3;
        cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_create, &request.base, NULL), STATUS_BAD_FRAME);
    }
    cr_assert_eq(harness_head_seq(harness), 0);
    harness_close(harness);
}

Test(posts_create, with_a_key_knows_a_signed_request_again_by_what_was_asked_alone)
{
    struct harness *harness = open_posts();
    Pb__PostsCreate request = signed_request("signed");
    Pb__Post *first = NULL, *again = NULL;
    bool replayed = true;
    cr_assert_eq(harness_run_keyed(harness, ANN, "ann", COMMAND_ID_posts_create, &request.base, "k",
                                   (ProtobufCMessage **)&first, &replayed),
                 STATUS_OK);
    cr_assert_not(replayed);
    request.author_key = (char *)"the same key in other words of the gateway";
    cr_assert_eq(harness_run_keyed(harness, ANN, "ann", COMMAND_ID_posts_create, &request.base, "k",
                                   (ProtobufCMessage **)&again, &replayed),
                 STATUS_OK);
    cr_assert(replayed);
    assert_same_message(&first->base, &again->base);
    request.signature = (char *)"b3RoZXI=";
    cr_assert_eq(
        harness_run_keyed(harness, ANN, "ann", COMMAND_ID_posts_create, &request.base, "k", NULL, &replayed),
        STATUS_KEY_REUSED);
    cr_assert_eq(harness_head_seq(harness), 1);
    harness_close(harness);
}

Test(posts_repost, takes_no_signature_along)
{
    struct harness *harness = open_posts();
    Pb__PostsCreate request = signed_request("signed");
    Pb__Post *post = NULL;
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_create, &request.base, NULL), STATUS_OK);
    cr_assert_eq(repost(harness, ANN, 1, CATS, &post), STATUS_OK);
    cr_assert(post->signature == NULL && post->author_key == NULL);
    cr_assert(!post->has_signature_algorithm && !post->has_signed_at);
    harness_close(harness);
}

Test(posts_create, leaves_absent_texts_absent)
{
    struct harness *harness = open_posts();
    Pb__Post *post = create(harness, ANN, CATS, "only a title");
    cr_assert_null(post->content);
    cr_assert_null(post->url);
    assert_same_message(&post->base, &get(harness, ANN, post->post_id)->base);
    harness_close(harness);
}

Test(posts_create, numbers_from_one_without_gaps_whatever_was_refused)
{
    struct harness *harness = open_posts();
    for (uint64_t id = 1; id <= 10; id++) {
        Pb__PostsCreate refused = create_request(UNKNOWN, "x");
        cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_create, &refused.base, NULL),
                     STATUS_SUBREDDIT_NOT_FOUND);
        if (id == 6)
            harness_restart(harness);
        cr_assert_eq(create(harness, ANN, id % 2 ? CATS : DOGS, "x")->post_id, id);
    }
    cr_assert_eq(harness_head_seq(harness), 10);
    harness_close(harness);
}

Test(posts_create, refuses_frames_that_lack_what_is_required)
{
    struct harness *harness = open_posts();
    Pb__PostsCreate request = create_request(CATS, NULL);
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_create, &request.base, NULL), STATUS_BAD_FRAME);
    request = create_request(CATS, "x");
    cr_assert_eq(run(harness, NOBODY, COMMAND_ID_posts_create, &request.base, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), 0);
    harness_close(harness);
}

Test(posts_create, with_a_key_takes_effect_once_over_restarts)
{
    struct harness *harness = open_posts();
    Pb__PostsCreate request = create_request(CATS, "once");
    Pb__Post *first = NULL, *again = NULL;
    bool replayed = true;
    cr_assert_eq(harness_run_keyed(harness, ANN, "ann", COMMAND_ID_posts_create, &request.base, "k",
                                   (ProtobufCMessage **)&first, &replayed),
                 STATUS_OK);
    cr_assert_not(replayed);
    harness_restart(harness);
    cr_assert_eq(harness_run_keyed(harness, ANN, "ann", COMMAND_ID_posts_create, &request.base, "k",
                                   (ProtobufCMessage **)&again, &replayed),
                 STATUS_OK);
    cr_assert(replayed);
    assert_same_message(&first->base, &again->base);
    cr_assert_eq(harness_head_seq(harness), 1);
    harness_close(harness);
}

Test(posts_get, knows_only_what_is_there)
{
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "x");
    static const uint64_t unknown[] = {0, 2, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        Pb__PostsGet request = PB__POSTS_GET__INIT;
        request.has_post_id = true;
        request.post_id = unknown[i];
        cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_get, &request.base, NULL), STATUS_POST_NOT_FOUND);
    }
    harness_close(harness);
}

Test(posts_get, tells_the_actors_own_vote_and_nobodys_to_nobody)
{
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "x");
    cr_assert_eq(vote(harness, BOB, 1, PB__VOTE_TYPE__downvote, NULL), STATUS_OK);
    cr_assert_eq(get(harness, BOB, 1)->my_vote, PB__VOTE_TYPE__downvote);
    Pb__Post *anns = get(harness, ANN, 1);
    cr_assert(anns->has_my_vote && anns->my_vote == PB__VOTE_TYPE__none);
    cr_assert_not(get(harness, NOBODY, 1)->has_my_vote);
    harness_close(harness);
}

Test(posts_vote, is_a_state_and_counts_follow_it)
{
    static const struct {
        uint64_t voter;
        Pb__VoteType type;
        uint64_t up, down, events;
    } steps[] = {
        {ANN, PB__VOTE_TYPE__none, 0, 0, 0},     {ANN, PB__VOTE_TYPE__upvote, 1, 0, 1},
        {ANN, PB__VOTE_TYPE__upvote, 1, 0, 0},   {BOB, PB__VOTE_TYPE__upvote, 2, 0, 1},
        {ANN, PB__VOTE_TYPE__downvote, 1, 1, 1}, {ANN, PB__VOTE_TYPE__downvote, 1, 1, 0},
        {ANN, PB__VOTE_TYPE__none, 1, 0, 1},     {BOB, PB__VOTE_TYPE__downvote, 0, 1, 1},
        {ANN, PB__VOTE_TYPE__upvote, 1, 1, 1},   {BOB, PB__VOTE_TYPE__none, 1, 0, 1},
    };
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "x");
    create(harness, ANN, CATS, "another");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        Pb__PostVoted *voted = NULL;
        uint64_t before = harness_head_seq(harness);
        if (i % 3 == 0)
            harness_restart(harness);
        cr_assert_eq(vote(harness, steps[i].voter, 1, steps[i].type, &voted), STATUS_OK);
        cr_assert_eq(harness_head_seq(harness) - before, steps[i].events, "step %zu", i);
        cr_assert_eq(voted->post_id, 1);
        cr_assert(voted->upvotes == steps[i].up && voted->downvotes == steps[i].down, "step %zu", i);
        cr_assert_eq(voted->score, (int64_t)steps[i].up - (int64_t)steps[i].down);
        cr_assert_eq(voted->my_vote, steps[i].type);
        Pb__Post *post = get(harness, steps[i].voter, 1);
        cr_assert(post->upvotes == steps[i].up && post->downvotes == steps[i].down, "step %zu", i);
        cr_assert_eq(post->score, voted->score);
        cr_assert_eq(post->my_vote, steps[i].type);
    }
    cr_assert_eq(get(harness, ANN, 2)->upvotes, 0);
    cr_assert(harness_rebuild_is_equal(harness));
    harness_close(harness);
}

Test(posts_vote, refuses_unknown_posts_and_unknown_ways_to_vote)
{
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "x");
    cr_assert_eq(vote(harness, ANN, 2, PB__VOTE_TYPE__upvote, NULL), STATUS_POST_NOT_FOUND);
    cr_assert_eq(vote(harness, ANN, 1, (Pb__VoteType)3, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(vote(harness, ANN, 1, (Pb__VoteType)-1, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(vote(harness, NOBODY, 1, PB__VOTE_TYPE__upvote, NULL), STATUS_BAD_FRAME);
    Pb__PostsVote without = PB__POSTS_VOTE__INIT;
    without.has_post_id = true;
    without.post_id = 1;
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_vote, &without.base, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), 1);
    harness_close(harness);
}

Test(posts_repost, copies_the_root_of_the_chain)
{
    struct harness *harness = open_posts();
    Pb__PostsCreate request = create_request(CATS, "origin");
    request.content = (char *)"text";
    request.url = (char *)"https://example.org/";
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_create, &request.base, NULL), STATUS_OK);
    cr_assert_eq(vote(harness, BOB, 1, PB__VOTE_TYPE__upvote, NULL), STATUS_OK);
    harness_advance_ms(harness, 5000);
    Pb__Post *first = NULL, *second = NULL;
    cr_assert_eq(repost(harness, BOB, 1, DOGS, &first), STATUS_OK);
    cr_assert_eq(repost(harness, ANN, 2, CATS, &second), STATUS_OK);
    cr_assert_eq(first->post_id, 2);
    cr_assert(first->is_repost && first->has_original_post_id && first->original_post_id == 1);
    cr_assert(first->author_id == BOB && first->subreddit_id == DOGS);
    cr_assert_str_eq(first->author_username, "Bob");
    cr_assert_str_eq(first->subreddit_name, "Dogs");
    cr_assert(first->upvotes == 0 && first->score == 0 && first->comment_count == 0);
    cr_assert_eq(first->created_at, harness_now_ms(harness));
    cr_assert_eq(second->original_post_id, 1, "not the root");
    cr_assert_str_eq(second->title, "origin");
    cr_assert_str_eq(second->content, "text");
    cr_assert_str_eq(second->url, "https://example.org/");
    cr_assert(second->signature == NULL && !second->signature_verified);
    assert_same_message(&second->base, &get(harness, ANN, 3)->base);
    harness_close(harness);
}

Test(posts_repost, refuses_unknown_posts_and_subreddits)
{
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "x");
    cr_assert_eq(repost(harness, BOB, 2, CATS, NULL), STATUS_POST_NOT_FOUND);
    cr_assert_eq(repost(harness, BOB, 1, UNKNOWN, NULL), STATUS_SUBREDDIT_NOT_FOUND);
    cr_assert_eq(repost(harness, NOBODY, 1, CATS, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), 1);
    harness_close(harness);
}

Test(posts_of_subreddit, an_unknown_one_is_refused_and_an_empty_one_is_empty)
{
    struct harness *harness = open_posts();
    Pb__PostsOfSubreddit request = of_subreddit_request(UNKNOWN, PB__SORT__hot, 25);
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_of_subreddit, &request.base, NULL),
                 STATUS_SUBREDDIT_NOT_FOUND);
    request.subreddit_id = CATS;
    Pb__PostPage *page = of_subreddit(harness, &request);
    cr_assert_eq(page->n_items, 0);
    cr_assert_not(page->has_next);
    cr_assert(page->has_total && page->total == 0);
    harness_close(harness);
}

Test(posts_of_subreddit, sorts_as_asked_and_shows_that_subreddit_alone)
{
    struct harness *harness = open_posts();
    for (int i = 0; i < 4; i++) {
        create(harness, ANN, CATS, "cat");
        create(harness, ANN, DOGS, "dog");
        harness_advance_ms(harness, 1000);
    }
    /* Cats are 1, 3, 5, 7. */
    for (uint64_t voter = 1; voter <= 4; voter++)
        cr_assert_eq(
            vote(harness, voter, 3, voter <= 2 ? PB__VOTE_TYPE__upvote : PB__VOTE_TYPE__downvote, NULL),
            STATUS_OK);
    cr_assert_eq(vote(harness, ANN, 1, PB__VOTE_TYPE__upvote, NULL), STATUS_OK);
    cr_assert_eq(vote(harness, ANN, 7, PB__VOTE_TYPE__downvote, NULL), STATUS_OK);
    static const struct {
        Pb__Sort sort;
        uint64_t ids[4];
    } rows[] = {
        {PB__SORT__new, {7, 5, 3, 1}},  {PB__SORT__top, {1, 5, 3, 7}},
        {PB__SORT__best, {1, 3, 7, 5}}, {PB__SORT__controversial, {3, 7, 5, 1}},
        {PB__SORT__hot, {7, 5, 3, 1}},  {PB__SORT__rising, {1, 5, 3, 7}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Pb__PostsOfSubreddit request = of_subreddit_request(CATS, rows[i].sort, 25);
        Pb__PostPage *page = of_subreddit(harness, &request);
        assert_ids(page, 4, rows[i].ids);
        cr_assert_not(page->has_next);
        cr_assert_eq(page->total, 4);
    }
    harness_close(harness);
}

Test(posts_of_subreddit, a_window_holds_what_is_young_enough)
{
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "old");
    harness_advance_ms(harness, 2 * 3600 * 1000);
    create(harness, ANN, CATS, "young");
    Pb__PostsOfSubreddit request = of_subreddit_request(CATS, PB__SORT__top, 25);
    request.has_t = true;
    request.t = PB__WINDOW__hour;
    ASSERT_IDS(of_subreddit(harness, &request), 2);
    request.t = PB__WINDOW__day;
    ASSERT_IDS(of_subreddit(harness, &request), 2, 1);
    request.sort = PB__SORT__new;
    request.t = PB__WINDOW__hour;
    ASSERT_IDS(of_subreddit(harness, &request), 2, 1);
    harness_close(harness);
}

Test(posts_of_subreddit, pages_to_the_end_while_posts_and_votes_come_in)
{
    struct harness *harness = open_posts();
    for (int i = 0; i < 23; i++) {
        create(harness, ANN, CATS, "x");
        if (i % 4 == 0)
            harness_advance_ms(harness, 1000);
    }
    for (int sort = PB__SORT__hot; sort <= PB__SORT__best; sort++) {
        unsigned seen[200] = {0}, pages = 0;
        Pb__PostsOfSubreddit request = of_subreddit_request(CATS, (Pb__Sort)sort, 5);
        for (bool more = true; more; pages++) {
            Pb__PostPage *page = of_subreddit(harness, &request);
            for (size_t i = 0; i < page->n_items; i++)
                cr_assert_eq(seen[page->items[i]->post_id]++, 0, "sort %d", sort);
            more = page->has_next;
            request.has_after = true;
            request.after = page->next;
            Pb__Post *late = create(harness, BOB, CATS, "late");
            cr_assert_eq(vote(harness, BOB, late->post_id, PB__VOTE_TYPE__upvote, NULL), STATUS_OK);
            if (pages == 1)
                harness_restart(harness);
        }
        for (uint64_t id = 1; id <= 23; id++)
            cr_assert_eq(seen[id], 1, "sort %d: post %" PRIu64 " was seen %u times", sort, id, seen[id]);
    }
    harness_close(harness);
}

Test(posts_of_subreddit, refuses_cursors_that_are_not_its_own)
{
    struct harness *harness = open_posts();
    for (int i = 0; i < 3; i++)
        create(harness, ANN, CATS, "x");
    Pb__PostsOfSubreddit request = of_subreddit_request(CATS, PB__SORT__top, 1);
    request.has_t = true;
    request.t = PB__WINDOW__year;
    request.after = of_subreddit(harness, &request)->next;
    request.has_after = true;
    cr_assert_eq(of_subreddit(harness, &request)->n_items, 1);
    request.t = PB__WINDOW__day;
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_of_subreddit, &request.base, NULL),
                 STATUS_INVALID_CURSOR);
    request.t = PB__WINDOW__year;
    request.sort = PB__SORT__hot;
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_of_subreddit, &request.base, NULL),
                 STATUS_INVALID_CURSOR);
    request.sort = PB__SORT__top;
    request.after = of_user(harness, ANN, 1, NULL)->next;
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_of_subreddit, &request.base, NULL),
                 STATUS_INVALID_CURSOR);
    request.after = (ProtobufCBinaryData){.len = 3, .data = (uint8_t *)"abc"};
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_of_subreddit, &request.base, NULL),
                 STATUS_INVALID_CURSOR);
    request.after.len = 0;
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_of_subreddit, &request.base, NULL),
                 STATUS_INVALID_CURSOR);
    harness_close(harness);
}

/* 160,000 bytes, as the longest content may have. */
static char *long_content(void)
{
    static char text[40000 * 4 + 1];
    for (size_t i = 0; i + 4 < sizeof(text); i += 4)
        memcpy(text + i, "\xF0\x9F\x90\xB1", 4);
    return text;
}

Test(posts_of_subreddit, a_page_ends_before_the_reply_limit_and_the_next_one_goes_on)
{
    struct harness *harness = open_posts();
    Pb__PostsCreate large = create_request(CATS, "large");
    large.content = long_content();
    for (int i = 0; i < 20; i++)
        cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_create, &large.base, NULL), STATUS_OK);
    Pb__PostsOfSubreddit request = of_subreddit_request(CATS, PB__SORT__new, 100);
    Pb__PostPage *users = NULL;
    uint64_t expected = 20, users_expected = 20;
    for (bool more = true; more;) {
        Pb__PostPage *page = of_subreddit(harness, &request);
        cr_assert_geq(page->n_items, page->has_next ? 5 : 1);
        cr_assert_leq(pb__post_page__get_packed_size(page), LIMIT_REPLY_FRAME_BYTES);
        for (size_t i = 0; i < page->n_items; i++)
            cr_assert_eq(page->items[i]->post_id, expected--);
        more = page->has_next;
        request.has_after = true;
        request.after = page->next;
    }
    cr_assert_eq(expected, 0);
    do {
        users = of_user(harness, ANN, 100, users);
        cr_assert_leq(pb__post_page__get_packed_size(users), LIMIT_REPLY_FRAME_BYTES);
        for (size_t i = 0; i < users->n_items; i++)
            cr_assert_eq(users->items[i]->post_id, users_expected--);
    } while (users->has_next);
    cr_assert_eq(users_expected, 0);
    harness_close(harness);
}

Test(posts_of_user, shows_what_one_wrote_newest_first)
{
    struct harness *harness = open_posts();
    for (int i = 0; i < 6; i++)
        create(harness, i % 2 ? BOB : ANN, i % 3 ? CATS : DOGS, "x");
    cr_assert_eq(repost(harness, ANN, 2, DOGS, NULL), STATUS_OK);
    Pb__PostPage *page = of_user(harness, ANN, 25, NULL);
    ASSERT_IDS(page, 7, 5, 3, 1);
    cr_assert_not(page->has_next);
    cr_assert_eq(of_user(harness, 99, 25, NULL)->n_items, 0);
    harness_close(harness);
}

Test(posts_of_user, pages_to_the_end_while_posts_come_in)
{
    struct harness *harness = open_posts();
    for (int i = 0; i < 9; i++)
        create(harness, ANN, CATS, "x");
    Pb__PostPage *page = of_user(harness, ANN, 4, NULL);
    ASSERT_IDS(page, 9, 8, 7, 6);
    create(harness, ANN, CATS, "late");
    page = of_user(harness, ANN, 4, page);
    ASSERT_IDS(page, 5, 4, 3, 2);
    create(harness, ANN, CATS, "later");
    page = of_user(harness, ANN, 4, page);
    ASSERT_IDS(page, 1);
    cr_assert_not(page->has_next);
    page = of_user(harness, ANN, 11, NULL);
    cr_assert(page->n_items == 11 && !page->has_next, "a last page that is full says there is more");
    harness_close(harness);
}

Test(posts_of_user, refuses_cursors_that_are_not_its_own)
{
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "x");
    create(harness, ANN, CATS, "x");
    Pb__PostsOfSubreddit other = of_subreddit_request(CATS, PB__SORT__new, 1);
    Pb__PostsOfUser request = PB__POSTS_OF_USER__INIT;
    request.has_user_id = request.has_after = true;
    request.user_id = ANN;
    request.after = of_subreddit(harness, &other)->next;
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_of_user, &request.base, NULL), STATUS_INVALID_CURSOR);
    struct arena *arena = arena_new();
    Pb__Cursor cursor = PB__CURSOR__INIT;
    cursor.has_order = true;
    cursor.order = COMMAND_ID_posts_of_user;
    request.after = cursor_pack(&cursor, arena);
    cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_of_user, &request.base, NULL), STATUS_INVALID_CURSOR);
    arena_free(arena);
    harness_close(harness);
}

static Pb__PostPage *multiget(struct harness *harness, uint64_t actor, size_t count, const uint64_t *ids)
{
    Pb__PostsMultiget request = PB__POSTS_MULTIGET__INIT;
    request.n_post_ids = count;
    request.post_ids = (uint64_t *)ids;
    Pb__PostPage *page = NULL;
    cr_assert_eq(run(harness, actor, COMMAND_ID_posts_multiget, &request.base, &page), STATUS_OK);
    return page;
}

Test(posts_multiget, keeps_the_order_and_leaves_out_what_is_unknown)
{
    struct harness *harness = open_posts();
    for (int i = 0; i < 5; i++)
        create(harness, ANN, CATS, "x");
    cr_assert_eq(vote(harness, BOB, 4, PB__VOTE_TYPE__upvote, NULL), STATUS_OK);
    static const uint64_t ids[] = {4, 99, 2, 5, 0};
    Pb__PostPage *page = multiget(harness, BOB, ARRAY_LEN(ids), ids);
    ASSERT_IDS(page, 4, 2, 5);
    cr_assert_eq(page->items[0]->my_vote, PB__VOTE_TYPE__upvote);
    cr_assert_eq(page->items[1]->my_vote, PB__VOTE_TYPE__none);
    cr_assert_eq(multiget(harness, BOB, 0, NULL)->n_items, 0);
    harness_close(harness);
}

Test(posts_multiget, ends_early_at_the_reply_limit)
{
    struct harness *harness = open_posts();
    Pb__PostsCreate large = create_request(CATS, "large");
    large.content = long_content();
    static const uint64_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        cr_assert_eq(run(harness, ANN, COMMAND_ID_posts_create, &large.base, NULL), STATUS_OK);
    ASSERT_IDS(multiget(harness, ANN, ARRAY_LEN(ids), ids), 1, 2, 3, 4, 5, 6);
    harness_close(harness);
}

Test(posts_resolve, tells_which_exist)
{
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "x");
    create(harness, ANN, CATS, "x");
    static const uint64_t ids[] = {2, 3, 0, 1, UINT64_MAX}, expected[] = {2, 1};
    Pb__PostsResolve request = PB__POSTS_RESOLVE__INIT;
    request.n_post_ids = ARRAY_LEN(ids);
    request.post_ids = (uint64_t *)ids;
    Pb__PostsResolved *resolved = NULL;
    cr_assert_eq(run(harness, NOBODY, COMMAND_ID_posts_resolve, &request.base, &resolved), STATUS_OK);
    cr_assert_eq(resolved->n_post_ids, 2);
    cr_assert_arr_eq(resolved->post_ids, expected, sizeof(expected));
    harness_close(harness);
}

Test(posts_comment_counts, are_what_the_comments_engine_told)
{
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "x");
    create(harness, ANN, CATS, "x");
    uint64_t comment_id = 0;
    cr_assert_eq(get(harness, ANN, 1)->comment_count, 0);
    comment(harness, ++comment_id, 1);
    comment(harness, ++comment_id, 2);
    comment(harness, ++comment_id, 1);
    cr_assert_eq(get(harness, ANN, 1)->comment_count, 2);
    cr_assert_eq(get(harness, ANN, 2)->comment_count, 1);
    harness_restart(harness);
    comment(harness, ++comment_id, 1);
    cr_assert_eq(get(harness, ANN, 1)->comment_count, 3);
    cr_assert(harness_rebuild_is_equal(harness));
    cr_assert_eq(get(harness, ANN, 1)->comment_count, 3, "the derived rows were rebuilt away");
    harness_close(harness);
}

Test(posts_comment_counts, begin_anew_when_the_comments_log_is_another)
{
    struct harness *harness = open_posts();
    create(harness, ANN, CATS, "x");
    for (uint64_t id = 1; id <= 5; id++)
        comment(harness, id, 1);
    cr_assert_eq(get(harness, ANN, 1)->comment_count, 5);
    harness_reset_source(harness, DOMAIN_COMMENTS);
    comment(harness, 1, 1);
    cr_assert_eq(get(harness, ANN, 1)->comment_count, 1);
    harness_close(harness);
}

/* What one pull brings, folded at once, as the follower does it. */
Test(posts_comment_counts, of_one_pull_are_summed_by_post)
{
    log_open("test", LOG_LEVEL_WARN);
    struct store *store = store_open(":memory:", "posts", STORE_SYNC_FULL);
    store_migrate(store, posts_domain.migrations, posts_domain.migration_count, NULL, NULL);
    void *state = posts_domain.open(store);
    struct arena *arena = arena_new();
    static const uint64_t on[] = {3, 1, 3, 2, 3, 1};
    Pb__CommentCreated comments[ARRAY_LEN(on)];
    struct followed_event events[ARRAY_LEN(on)];
    for (size_t i = 0; i < ARRAY_LEN(on); i++) {
        pb__comment_created__init(&comments[i]);
        comments[i].post_id = on[i];
        events[i] = (struct followed_event){.seq = i + 1, .type = 0x0401, .message = &comments[i].base};
    }
    cr_assert(store_begin(store));
    posts_domain.follows[0].fold(state, arena, events, ARRAY_LEN(events));
    posts_domain.follows[0].fold(state, arena, events, 1);
    cr_assert(store_commit(store));
    struct query *query = store_prepare(store, "SELECT comment_count FROM comment_counts WHERE post_id = ?1");
    static const uint64_t expected[] = {0, 2, 1, 4};
    for (uint64_t id = 1; id <= 3; id++) {
        uint64_t count = 0;
        query_bind(query, "u", id);
        cr_assert(query_one_u64(query, &count));
        cr_assert_eq(count, expected[id], "post %" PRIu64 ": %" PRIu64, id, count);
    }
    posts_domain.close(state);
    store_close(store);
    arena_free(arena);
}

Test(posts, a_restart_finds_everything_and_a_rebuild_makes_the_same)
{
    struct harness *harness = open_posts();
    Pb__Post *before[30];
    for (uint64_t id = 1; id <= 30; id++) {
        if (id % 5 == 0)
            cr_assert_eq(repost(harness, BOB, id - 1, DOGS, NULL), STATUS_OK);
        else
            create(harness, id % 2 ? ANN : BOB, CATS, "x");
        for (uint64_t voter = 1; voter <= id % 4; voter++)
            cr_assert_eq(
                vote(harness, voter, id, voter % 2 ? PB__VOTE_TYPE__upvote : PB__VOTE_TYPE__downvote, NULL),
                STATUS_OK);
        harness_advance_ms(harness, 10);
    }
    for (uint64_t id = 1; id <= 30; id++)
        before[id - 1] = get(harness, ANN, id);
    Pb__PostsOfSubreddit request = of_subreddit_request(CATS, PB__SORT__hot, 100);
    Pb__PostPage *page = of_subreddit(harness, &request);
    harness_restart(harness);
    for (uint64_t id = 1; id <= 30; id++)
        assert_same_message(&before[id - 1]->base, &get(harness, ANN, id)->base);
    assert_same_message(&page->base, &of_subreddit(harness, &request)->base);
    cr_assert(harness_rebuild_is_equal(harness));
    assert_same_message(&page->base, &of_subreddit(harness, &request)->base);
    cr_assert_eq(create(harness, ANN, CATS, "x")->post_id, 31);
    harness_close(harness);
}

Test(posts, what_was_rolled_back_is_forgotten_by_memory_too)
{
    log_open("test", LOG_LEVEL_WARN);
    struct store *store = store_open(":memory:", "posts", STORE_SYNC_FULL);
    store_migrate(store, posts_domain.migrations, posts_domain.migration_count, NULL, NULL);
    void *state = posts_domain.open(store);
    struct arena *arena = arena_new();
    Pb__PostCreated event = PB__POST_CREATED__INIT;
    event.post_id = 1;
    event.subreddit_id = CATS;
    event.subreddit_name = event.author_username = event.title = (char *)"x";
    event.author_id = ANN;
    for (int round = 0; round < 3; round++) {
        cr_assert(store_begin(store));
        posts_domain.events[0].apply(state, arena, &event.base);
        store_rollback(store);
        posts_domain.rolled_back(state);
    }
    Pb__PostsGet request = PB__POSTS_GET__INIT;
    request.post_id = 1;
    struct context context = {.state = state, .arena = arena, .actor_name = ""};
    ProtobufCMessage *reply = NULL;
    cr_assert(store_begin(store));
    for (size_t i = 0; i < posts_domain.command_count; i++)
        if (posts_domain.commands[i].id == COMMAND_ID_posts_get)
            cr_assert_eq(posts_domain.commands[i].decide(&context, &request.base, &reply),
                         STATUS_POST_NOT_FOUND);
    store_rollback(store);
    posts_domain.close(state);
    store_close(store);
    arena_free(arena);
}

static uint64_t count_rows(struct store *store, const char *table)
{
    char sql[64];
    uint64_t count = UINT64_MAX;
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    struct query *query = store_prepare(store, sql);
    query_bind(query, "");
    cr_assert(query_one_u64(query, &count));
    return count;
}

Test(posts, clearing_empties_what_is_owned_and_nothing_else)
{
    static const char *const owned[] = {"posts", "scores", "votes"};
    log_open("test", LOG_LEVEL_WARN);
    struct store *store = store_open(":memory:", "posts", STORE_SYNC_FULL);
    store_migrate(store, posts_domain.migrations, posts_domain.migration_count, NULL, NULL);
    void *state = posts_domain.open(store);
    struct arena *arena = arena_new();
    Pb__PostCreated created = PB__POST_CREATED__INIT;
    created.post_id = created.author_id = created.subreddit_id = 1;
    created.subreddit_name = created.author_username = created.title = (char *)"x";
    Pb__PostVoteChanged changed = PB__POST_VOTE_CHANGED__INIT;
    changed.post_id = changed.subreddit_id = changed.voter_id = changed.upvotes = 1;
    changed.new_vote = 1;
    Pb__CommentCreated commented = PB__COMMENT_CREATED__INIT;
    commented.post_id = 1;
    struct followed_event event = {.seq = 1, .type = 0x0401, .message = &commented.base};
    cr_assert(store_begin(store));
    posts_domain.events[0].apply(state, arena, &created.base);
    posts_domain.events[1].apply(state, arena, &changed.base);
    posts_domain.follows[0].fold(state, arena, &event, 1);
    for (size_t i = 0; i < ARRAY_LEN(owned); i++)
        cr_assert_eq(count_rows(store, owned[i]), 1, "%s", owned[i]);
    posts_domain.clear(state);
    for (size_t i = 0; i < ARRAY_LEN(owned); i++)
        cr_assert_eq(count_rows(store, owned[i]), 0, "%s", owned[i]);
    cr_assert_eq(count_rows(store, "comment_counts"), 1);
    cr_assert(store_commit(store));
    posts_domain.close(state);
    store_close(store);
    arena_free(arena);
}

Test(posts, every_command_of_the_schema_has_its_handler)
{
    static const uint16_t ids[] = {
#define X(name, id) id,
        COMMANDS_OF_POSTS(X)
#undef X
    };
    cr_assert_eq(posts_domain.command_count, ARRAY_LEN(ids));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        cr_assert_eq(posts_domain.commands[i].id, ids[i]);
        cr_assert_not_null(posts_domain.commands[i].decide);
    }
}
