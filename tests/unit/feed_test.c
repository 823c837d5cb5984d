/* The feed's handler and folds, alone: what subreddits and posts told, and what a user sees of it. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/log.h"
#include "engined/cursor.h"
#include "engined/domain.h"
#include "engined/feed/feed_state.h"
#include "engined/feed/joined.h"
#include "proto/feed.pb-c.h"
#include "proto/posts.pb-c.h"
#include "proto/schema_commands.h"
#include "proto/subreddits.pb-c.h"
#include "tests/unit/harness.h"

enum { ANN = 1, BOB = 2 };
enum { CATS = 5, DOGS = 9, OWLS = 11 };

static void join(struct harness *harness, uint64_t user, uint64_t subreddit)
{
    Pb__MemberJoined event = PB__MEMBER_JOINED__INIT;
    event.has_user_id = event.has_subreddit_id = true;
    event.user_id = user;
    event.subreddit_id = subreddit;
    harness_feed_event(harness, DOMAIN_SUBREDDITS, &event.base);
}

static void leave(struct harness *harness, uint64_t user, uint64_t subreddit)
{
    Pb__MemberLeft event = PB__MEMBER_LEFT__INIT;
    event.has_user_id = event.has_subreddit_id = true;
    event.user_id = user;
    event.subreddit_id = subreddit;
    harness_feed_event(harness, DOMAIN_SUBREDDITS, &event.base);
}

static Pb__PostCreated created_event(uint64_t id, uint64_t subreddit, uint64_t at_ms)
{
    Pb__PostCreated event = PB__POST_CREATED__INIT;
    event.has_post_id = event.has_subreddit_id = event.has_created_at = true;
    event.post_id = id;
    event.subreddit_id = subreddit;
    event.created_at = at_ms;
    event.title = (char *)"title";
    return event;
}

static void post(struct harness *harness, uint64_t id, uint64_t subreddit)
{
    Pb__PostCreated event = created_event(id, subreddit, harness_now_ms(harness));
    harness_feed_event(harness, DOMAIN_POSTS, &event.base);
}

static Pb__PostVoteChanged votes_event(uint64_t id, uint64_t subreddit, uint64_t up, uint64_t down)
{
    Pb__PostVoteChanged event = PB__POST_VOTE_CHANGED__INIT;
    event.has_post_id = event.has_subreddit_id = event.has_upvotes = event.has_downvotes = true;
    event.post_id = id;
    event.subreddit_id = subreddit;
    event.upvotes = up;
    event.downvotes = down;
    return event;
}

static void votes(struct harness *harness, uint64_t id, uint64_t subreddit, uint64_t up, uint64_t down)
{
    Pb__PostVoteChanged event = votes_event(id, subreddit, up, down);
    harness_feed_event(harness, DOMAIN_POSTS, &event.base);
}

static Pb__FeedGet get_request(uint64_t user, Pb__Sort sort, uint32_t limit)
{
    Pb__FeedGet request = PB__FEED_GET__INIT;
    request.has_user_id = request.has_sort = request.has_limit = true;
    request.user_id = user;
    request.sort = sort;
    request.limit = limit;
    return request;
}

static enum status try_get(struct harness *harness, const Pb__FeedGet *request, Pb__FeedPage **page)
{
    return harness_run(harness, request->user_id, "someone", COMMAND_ID_feed_get, &request->base,
                       (ProtobufCMessage **)page);
}

static Pb__FeedPage *get(struct harness *harness, const Pb__FeedGet *request)
{
    Pb__FeedPage *page = NULL;
    cr_assert_eq(try_get(harness, request, &page), STATUS_OK);
    cr_assert_eq(page->n_cursors, page->n_post_ids);
    cr_assert_eq(page->n_stale, 0);
    return page;
}

static Pb__FeedPage *feed_of(struct harness *harness, uint64_t user, Pb__Sort sort)
{
    Pb__FeedGet request = get_request(user, sort, 100);
    return get(harness, &request);
}

static void assert_ids(const Pb__FeedPage *page, size_t count, const uint64_t *ids)
{
    cr_assert_eq(page->n_post_ids, count, "%zu posts, not %zu", page->n_post_ids, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(page->post_ids[i], ids[i], "place %zu: %" PRIu64 ", not %" PRIu64, i, page->post_ids[i],
                     ids[i]);
}
#define ASSERT_IDS(page, ...)                                                                                \
    assert_ids(page, ARRAY_LEN(((uint64_t[]){__VA_ARGS__})), (const uint64_t[]){__VA_ARGS__})

Test(feed_get, of_a_user_who_joined_nothing_is_empty)
{
    struct harness *harness = harness_open(&feed_domain);
    post(harness, 1, CATS);
    Pb__FeedPage *page = feed_of(harness, ANN, PB__SORT__hot);
    cr_assert_eq(page->n_post_ids, 0);
    cr_assert(page->has_more && !page->more);
    harness_close(harness);
}

Test(feed_get, shows_posts_of_joined_subreddits_alone)
{
    struct harness *harness = harness_open(&feed_domain);
    join(harness, ANN, CATS);
    join(harness, BOB, DOGS);
    for (uint64_t id = 1; id <= 9; id++) {
        static const uint64_t subreddits[] = {CATS, DOGS, OWLS};
        post(harness, id, subreddits[id % 3]);
        harness_advance_ms(harness, 1000);
    }
    ASSERT_IDS(feed_of(harness, ANN, PB__SORT__hot), 9, 6, 3);
    ASSERT_IDS(feed_of(harness, BOB, PB__SORT__hot), 7, 4, 1);
    join(harness, ANN, OWLS);
    ASSERT_IDS(feed_of(harness, ANN, PB__SORT__new), 9, 8, 6, 5, 3, 2);
    leave(harness, ANN, CATS);
    ASSERT_IDS(feed_of(harness, ANN, PB__SORT__new), 8, 5, 2);
    leave(harness, ANN, OWLS);
    cr_assert_eq(feed_of(harness, ANN, PB__SORT__new)->n_post_ids, 0);
    ASSERT_IDS(feed_of(harness, BOB, PB__SORT__new), 7, 4, 1);
    harness_close(harness);
}

Test(feed_get, sorts_as_asked_over_all_joined_subreddits)
{
    struct harness *harness = harness_open(&feed_domain);
    join(harness, ANN, CATS);
    join(harness, ANN, DOGS);
    for (uint64_t id = 1; id <= 4; id++) {
        post(harness, id, id % 2 ? CATS : DOGS);
        harness_advance_ms(harness, 1000);
    }
    static const struct {
        Pb__Sort sort;
        uint64_t ids[4];
    } rows[] = {
        {PB__SORT__new, {4, 3, 2, 1}},  {PB__SORT__top, {1, 3, 2, 4}},
        {PB__SORT__best, {1, 2, 4, 3}}, {PB__SORT__controversial, {2, 4, 3, 1}},
        {PB__SORT__hot, {4, 3, 2, 1}},  {PB__SORT__rising, {1, 3, 2, 4}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        (void)feed_of(harness, ANN, rows[i].sort); /* orders are there before the votes */
    votes(harness, 2, DOGS, 2, 2);
    votes(harness, 1, CATS, 7, 0);
    votes(harness, 1, CATS, 1, 0);
    votes(harness, 4, DOGS, 0, 1);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            Pb__FeedPage *page = feed_of(harness, ANN, rows[i].sort);
            assert_ids(page, 4, rows[i].ids);
            cr_assert_not(page->more);
        }
        harness_restart(harness);
    }
    harness_close(harness);
}

Test(feed_get, a_window_holds_what_is_young_enough)
{
    struct harness *harness = harness_open(&feed_domain);
    join(harness, ANN, CATS);
    join(harness, ANN, DOGS);
    post(harness, 1, CATS);
    harness_advance_ms(harness, 2 * 3600 * 1000);
    post(harness, 2, DOGS);
    Pb__FeedGet request = get_request(ANN, PB__SORT__controversial, 10);
    request.has_t = true;
    request.t = PB__WINDOW__hour;
    ASSERT_IDS(get(harness, &request), 2);
    request.t = PB__WINDOW__week;
    ASSERT_IDS(get(harness, &request), 2, 1);
    harness_close(harness);
}

/* From any place of a page, as the second step may have to end it early. */
Test(feed_get, goes_on_behind_each_of_a_pages_posts)
{
    struct harness *harness = harness_open(&feed_domain);
    join(harness, ANN, CATS);
    join(harness, ANN, DOGS);
    for (uint64_t id = 1; id <= 20; id++) {
        post(harness, id, id % 3 ? CATS : DOGS);
        votes(harness, id, id % 3 ? CATS : DOGS, id % 4, id % 3);
    }
    for (int sort = PB__SORT__hot; sort <= PB__SORT__best; sort++) {
        Pb__FeedGet request = get_request(ANN, (Pb__Sort)sort, 20);
        Pb__FeedPage *whole = get(harness, &request);
        cr_assert_eq(whole->n_post_ids, 20);
        for (size_t i = 0; i < 20; i++) {
            request.has_after = true;
            request.after = whole->cursors[i];
            Pb__FeedPage *rest = get(harness, &request);
            assert_ids(rest, 19 - i, whole->post_ids + i + 1);
            cr_assert_not(rest->more);
        }
    }
    harness_close(harness);
}

Test(feed_get, pages_to_the_end_while_posts_and_votes_come_in)
{
    struct harness *harness = harness_open(&feed_domain);
    join(harness, ANN, CATS);
    join(harness, ANN, DOGS);
    uint64_t last = 0;
    while (last < 23) {
        last++;
        post(harness, last, last % 3 ? CATS : DOGS);
        if (last % 4 == 0)
            harness_advance_ms(harness, 1000);
    }
    for (int sort = PB__SORT__hot; sort <= PB__SORT__best; sort++) {
        unsigned seen[500] = {0}, pages = 0;
        Pb__FeedGet request = get_request(ANN, (Pb__Sort)sort, 5);
        for (bool more = true; more; pages++) {
            Pb__FeedPage *page = get(harness, &request);
            for (size_t i = 0; i < page->n_post_ids; i++)
                cr_assert_eq(seen[page->post_ids[i]]++, 0, "sort %d", sort);
            more = page->more;
            request.has_after = true;
            if (more)
                request.after = page->cursors[page->n_post_ids - 1];
            last++;
            post(harness, last, last % 2 ? CATS : DOGS);
            votes(harness, last, last % 2 ? CATS : DOGS, 1, 0);
            if (pages == 1)
                harness_restart(harness);
        }
        for (uint64_t id = 1; id <= 23; id++)
            cr_assert_eq(seen[id], 1, "sort %d: post %" PRIu64 " was seen %u times", sort, id, seen[id]);
    }
    harness_close(harness);
}

Test(feed_get, refuses_cursors_that_are_not_its_own)
{
    struct harness *harness = harness_open(&feed_domain);
    join(harness, ANN, CATS);
    post(harness, 1, CATS);
    post(harness, 2, CATS);
    Pb__FeedGet request = get_request(ANN, PB__SORT__top, 1);
    request.has_after = request.has_t = true;
    request.t = PB__WINDOW__day;
    request.after = (ProtobufCBinaryData){.len = 3, .data = (uint8_t *)"abc"};
    cr_assert_eq(try_get(harness, &request, NULL), STATUS_INVALID_CURSOR);
    request.has_after = false;
    request.after = get(harness, &request)->cursors[0];
    request.has_after = true;
    ASSERT_IDS(get(harness, &request), 1);
    request.t = PB__WINDOW__all;
    cr_assert_eq(try_get(harness, &request, NULL), STATUS_INVALID_CURSOR);
    request.sort = PB__SORT__new;
    cr_assert_eq(try_get(harness, &request, NULL), STATUS_INVALID_CURSOR);
    harness_close(harness);
}

Test(feed_get, of_a_user_in_more_subreddits_than_memory_keeps)
{
    struct harness *harness = harness_open(&feed_domain);
    uint64_t last = JOINED_LIST_MAX + 20;
    for (uint64_t id = 1; id <= last; id++) {
        join(harness, ANN, id);
        post(harness, id, id);
    }
    Pb__FeedGet request = get_request(ANN, PB__SORT__new, 100);
    Pb__FeedPage *page = get(harness, &request);
    cr_assert_eq(page->n_post_ids, 100);
    cr_assert_eq(page->post_ids[0], last);
    cr_assert(page->more);
    request.has_after = true;
    request.after = page->cursors[99];
    page = get(harness, &request);
    cr_assert_eq(page->n_post_ids, last - 100);
    cr_assert_eq(page->post_ids[page->n_post_ids - 1], 1);
    cr_assert_not(page->more);
    harness_close(harness);
}

Test(feed, a_restart_finds_everything)
{
    struct harness *harness = harness_open(&feed_domain);
    join(harness, ANN, CATS);
    post(harness, 1, CATS);
    post(harness, 2, CATS);
    votes(harness, 1, CATS, 3, 0);
    harness_restart(harness);
    ASSERT_IDS(feed_of(harness, ANN, PB__SORT__top), 1, 2);
    post(harness, 3, CATS);
    ASSERT_IDS(feed_of(harness, ANN, PB__SORT__top), 1, 3, 2);
    cr_assert(harness_rebuild_is_equal(harness));
    cr_assert_eq(harness_head_seq(harness), 0, "the feed has events of its own");
    harness_close(harness);
}

Test(feed, forgets_posts_alone_when_their_log_is_another)
{
    struct harness *harness = harness_open(&feed_domain);
    join(harness, ANN, CATS);
    for (uint64_t id = 1; id <= 5; id++)
        post(harness, id, CATS);
    cr_assert_eq(feed_of(harness, ANN, PB__SORT__new)->n_post_ids, 5);
    harness_reset_source(harness, DOMAIN_POSTS);
    post(harness, 9, CATS);
    ASSERT_IDS(feed_of(harness, ANN, PB__SORT__new), 9);
    harness_reset_source(harness, DOMAIN_POSTS);
    post(harness, 1, CATS);
    ASSERT_IDS(feed_of(harness, ANN, PB__SORT__new), 1);
    harness_close(harness);
}

Test(feed, forgets_memberships_alone_when_their_log_is_another)
{
    struct harness *harness = harness_open(&feed_domain);
    join(harness, ANN, CATS);
    join(harness, BOB, CATS);
    post(harness, 1, CATS);
    ASSERT_IDS(feed_of(harness, ANN, PB__SORT__new), 1);
    ASSERT_IDS(feed_of(harness, BOB, PB__SORT__new), 1);
    harness_reset_source(harness, DOMAIN_SUBREDDITS);
    join(harness, BOB, CATS);
    cr_assert_eq(feed_of(harness, ANN, PB__SORT__new)->n_post_ids, 0);
    ASSERT_IDS(feed_of(harness, BOB, PB__SORT__new), 1);
    harness_close(harness);
}

struct open_feed {
    struct store *store;
    struct arena *arena;
    void *state;
};

static struct open_feed open_alone(void)
{
    log_open("test", LOG_LEVEL_WARN);
    struct open_feed feed = {.store = store_open(":memory:", "feed", STORE_SYNC_NORMAL),
                             .arena = arena_new()};
    store_migrate(feed.store, feed_domain.migrations, feed_domain.migration_count, NULL, NULL);
    feed.state = feed_domain.open(feed.store);
    return feed;
}

static void close_alone(struct open_feed *feed)
{
    feed_domain.close(feed->state);
    store_close(feed->store);
    arena_free(feed->arena);
}

static const struct follow_row *follow_of(enum domain_id source)
{
    for (size_t i = 0; i < feed_domain.follow_count; i++)
        if (feed_domain.follows[i].source == source)
            return &feed_domain.follows[i];
    cr_assert_fail("the feed does not follow %d", (int)source);
    return NULL;
}

Test(feed_fold, of_many_votes_on_a_post_the_last_one_counts)
{
    struct open_feed feed = open_alone();
    Pb__PostCreated created[2] = {created_event(1, CATS, 1000), created_event(2, DOGS, 2000)};
    Pb__PostVoteChanged changed[5] = {votes_event(2, DOGS, 1, 0), votes_event(1, CATS, 1, 0),
                                      votes_event(2, DOGS, 1, 1), votes_event(1, CATS, 0, 1),
                                      votes_event(2, DOGS, 4, 1)};
    struct followed_event events[7];
    for (size_t i = 0; i < 7; i++) {
        events[i] = (struct followed_event){.seq = 100 + i, .type = i < 2 ? 0x0301 : 0x0302};
        events[i].message = i < 2 ? &created[i].base : &changed[i - 2].base;
    }
    cr_assert(store_begin(feed.store));
    follow_of(DOMAIN_POSTS)->fold(feed.state, feed.arena, events, ARRAY_LEN(events));
    struct query *query =
        store_prepare(feed.store, "SELECT upvotes * 10 + downvotes FROM feed_posts WHERE post_id = ?1");
    static const uint64_t expected[] = {0, 1, 41};
    for (uint64_t id = 1; id <= 2; id++) {
        uint64_t both = 0;
        query_bind(query, "u", id);
        cr_assert(query_one_u64(query, &both));
        cr_assert_eq(both, expected[id], "post %" PRIu64 " has %" PRIu64, id, both);
    }
    cr_assert(store_commit(feed.store));
    close_alone(&feed);
}

Test(feed_fold, takes_joins_and_leaves_in_their_order)
{
    struct open_feed feed = open_alone();
    Pb__MemberJoined joined = PB__MEMBER_JOINED__INIT;
    Pb__MemberLeft left = PB__MEMBER_LEFT__INIT;
    joined.user_id = left.user_id = ANN;
    joined.subreddit_id = left.subreddit_id = CATS;
    struct followed_event events[] = {{.seq = 1, .type = 0x0202, .message = &joined.base},
                                      {.seq = 2, .type = 0x0203, .message = &left.base},
                                      {.seq = 3, .type = 0x0202, .message = &joined.base}};
    struct query *query = store_prepare(feed.store, "SELECT count(*) FROM memberships");
    static const uint64_t expected[] = {1, 0, 1};
    for (size_t count = 1; count <= 3; count++) {
        uint64_t members = 99;
        cr_assert(store_begin(feed.store));
        follow_of(DOMAIN_SUBREDDITS)->fold(feed.state, feed.arena, events, count);
        query_bind(query, "");
        cr_assert(query_one_u64(query, &members));
        cr_assert_eq(members, expected[count - 1]);
        store_rollback(feed.store);
        feed_domain.rolled_back(feed.state);
    }
    close_alone(&feed);
}

Test(feed_fold, what_was_rolled_back_is_forgotten_by_memory_too)
{
    struct open_feed alone = open_alone();
    struct feed *feed = alone.state;
    Pb__PostCreated created = created_event(1, CATS, 1000);
    struct followed_event event = {.seq = 1, .type = 0x0301, .message = &created.base};
    static const uint64_t list[] = {CATS};
    size_t count = 0;
    cr_assert(store_begin(alone.store));
    follow_of(DOMAIN_POSTS)->fold(feed, alone.arena, &event, 1);
    joined_keep(feed->joined, ANN, list, 1);
    cr_assert_eq(ranks_count(feed->ranks, CATS), 1);
    store_rollback(alone.store);
    feed_domain.rolled_back(feed);
    cr_assert_null(joined_get(feed->joined, ANN, &count));
    cr_assert_eq(ranks_count(feed->ranks, CATS), 0);
    close_alone(&alone);
}

Test(feed_joined, keeps_lists_until_they_are_dropped_or_pushed_out)
{
    static const uint64_t lists[] = {3, 7, 8};
    struct joined *joined = joined_new();
    size_t count = 99;
    cr_assert_null(joined_get(joined, ANN, &count));
    cr_assert_eq(count, 0);
    joined_keep(joined, ANN, lists, 3);
    joined_keep(joined, BOB, NULL, 0);
    cr_assert_arr_eq(joined_get(joined, ANN, &count), lists, sizeof(lists));
    cr_assert_eq(count, 3);
    cr_assert_not_null(joined_get(joined, BOB, &count), "an empty list is a list");
    cr_assert_eq(count, 0);
    joined_drop(joined, ANN + JOINED_USERS_MAX);
    cr_assert_not_null(joined_get(joined, ANN, &count), "another's was dropped");
    joined_keep(joined, ANN + JOINED_USERS_MAX, lists, 1);
    cr_assert_null(joined_get(joined, ANN, &count));
    cr_assert_not_null(joined_get(joined, ANN + JOINED_USERS_MAX, &count));
    joined_drop(joined, ANN + JOINED_USERS_MAX);
    cr_assert_null(joined_get(joined, ANN + JOINED_USERS_MAX, &count));
    uint64_t many[JOINED_LIST_MAX + 1] = {0};
    joined_keep(joined, ANN, many, JOINED_LIST_MAX + 1);
    cr_assert_null(joined_get(joined, ANN, &count));
    joined_keep(joined, ANN, many, JOINED_LIST_MAX);
    cr_assert_not_null(joined_get(joined, ANN, &count));
    joined_drop_all(joined);
    cr_assert_null(joined_get(joined, ANN, &count));
    cr_assert_null(joined_get(joined, BOB, &count));
    cr_assert_null(joined_get(joined, 0, &count), "nobody has no list");
    joined_free(joined);
}

/* --- pages of the sources --- */

enum { RUN = 7, ANOTHER_RUN = 8 };

static struct harness *open_with_pages(void)
{
    struct harness *harness = harness_open(&feed_domain);
    harness_publish(harness, DOMAIN_SUBREDDITS, RUN, RUN);
    harness_publish(harness, DOMAIN_POSTS, RUN, RUN);
    join(harness, ANN, CATS);
    post(harness, 1, CATS);
    harness_advance_ms(harness, 2000); /* a page that was not there is looked for again */
    feed_of(harness, ANN, PB__SORT__new);
    return harness;
}

/* How often sources are asked for one feed. */
static unsigned asked_for_a_feed(struct harness *harness)
{
    unsigned before = harness_heads_asked(harness);
    feed_of(harness, ANN, PB__SORT__new);
    return harness_heads_asked(harness) - before;
}

Test(feed_pages, that_say_that_all_is_applied_make_it_ask_nobody)
{
    struct harness *harness = open_with_pages();
    cr_assert_eq(asked_for_a_feed(harness), 0);
    post(harness, 2, CATS);
    cr_assert_eq(asked_for_a_feed(harness), 0);
    ASSERT_IDS(feed_of(harness, ANN, PB__SORT__new), 2, 1);
    harness_close(harness);
}

Test(feed_pages, that_tell_of_more_than_is_applied_make_it_ask_that_source)
{
    struct harness *harness = open_with_pages();
    harness_publish_log(harness, DOMAIN_POSTS, 0, 1);
    cr_assert_eq(asked_for_a_feed(harness), 1);
    harness_publish_log(harness, DOMAIN_SUBREDDITS, 0, 1);
    cr_assert_eq(asked_for_a_feed(harness), 2);
    harness_close(harness);
}

Test(feed_pages, of_a_log_that_goes_on_in_another_timeline_are_not_taken_for_the_one_it_knows)
{
    struct harness *harness = open_with_pages();
    harness_publish_log(harness, DOMAIN_POSTS, 1, 0);
    cr_assert_eq(asked_for_a_feed(harness), 1);
    harness_close(harness);
}

/* Between the start of another process and its first answer to this one. */
Test(feed_pages, of_a_process_that_it_has_not_heard_from_are_not_believed)
{
    struct harness *harness = open_with_pages();
    harness_publish(harness, DOMAIN_POSTS, ANOTHER_RUN, RUN);
    cr_assert_eq(asked_for_a_feed(harness), 1);
    cr_assert_eq(asked_for_a_feed(harness), 1, "the answer is of the first process still");
    harness_publish(harness, DOMAIN_POSTS, ANOTHER_RUN, ANOTHER_RUN);
    cr_assert_eq(asked_for_a_feed(harness), 1);
    cr_assert_eq(asked_for_a_feed(harness), 0);
    harness_close(harness);
}

Test(feed_pages, of_a_source_that_does_not_tell_its_run_are_not_believed)
{
    struct harness *harness = open_with_pages();
    harness_publish(harness, DOMAIN_POSTS, RUN, 0);
    post(harness, 2, CATS);
    cr_assert_eq(asked_for_a_feed(harness), 1);
    harness_close(harness);
}

/* Somebody put a copy of the directory in its place while this engine ran. */
Test(feed_pages, whose_file_is_another_one_now_are_let_go)
{
    struct harness *harness = open_with_pages();
    char path[128];
    snprintf(path, sizeof(path), "%s/posts.versions", harness_directory(harness));
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(asked_for_a_feed(harness), 1);
    harness_close(harness);
}
