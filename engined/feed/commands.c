#include "engined/feed/commands.h"

#include <string.h>

#include "engined/cursor.h"
#include "engined/feed/feed_state.h"
#include "engined/page.h"
#include "proto/feed.pb-c.h"

/* Grows in the arena; a user's list is read once and then kept. */
#define JOINED_FIRST 64

static const uint64_t *load_joined(struct feed *feed, uint64_t user, struct arena *arena, size_t *count)
{
    size_t capacity = JOINED_FIRST;
    uint64_t *subreddits = arena_alloc_raw(arena, capacity * sizeof(subreddits[0]));
    *count = 0;
    query_bind(feed->subreddits_of_user, "u", user);
    while (query_row(feed->subreddits_of_user)) {
        if (*count == capacity) {
            uint64_t *larger = arena_alloc_raw(arena, 2 * capacity * sizeof(larger[0]));
            memcpy(larger, subreddits, capacity * sizeof(larger[0]));
            subreddits = larger;
            capacity *= 2;
        }
        subreddits[(*count)++] = query_u64(feed->subreddits_of_user, 0);
    }
    joined_keep(feed->joined, user, subreddits, *count);
    return subreddits;
}

static const uint64_t *subreddits_of(struct feed *feed, uint64_t user, struct arena *arena, size_t *count)
{
    const uint64_t *kept = joined_get(feed->joined, user, count);
    return kept != NULL ? kept : load_joined(feed, user, arena, count);
}

static Pb__FeedPage *page_of(const struct ranks_page *ranked, const bool *stale, struct arena *arena)
{
    Pb__FeedPage *page = arena_alloc_raw(arena, sizeof(*page));
    pb__feed_page__init(page);
    page->n_post_ids = page->n_cursors = ranked->count;
    page->post_ids = ranked->ids;
    page->cursors = arena_alloc_raw(arena, ranked->count * sizeof(page->cursors[0]));
    for (size_t i = 0; i < ranked->count; i++)
        page->cursors[i] = cursor_pack(&ranked->cursors[i], arena);
    page->has_more = true;
    page->more = ranked->more;
    page->stale = arena_alloc_raw(arena, DOMAIN_COUNT * sizeof(page->stale[0]));
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
        if (stale[domain])
            page->stale[page->n_stale++] = (char *)domain_name((enum domain_id)domain);
    return page;
}

enum status feed_get(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__FeedGet *request = (const Pb__FeedGet *)message;
    struct feed *feed = context->state;
    struct arena *arena = context->arena;
    if (!ranks_knows(request->sort, request->t))
        return STATUS_BAD_FRAME; /* the gateway checks fields by the same schema */
    Pb__Cursor *after = NULL;
    if (!cursor_unpack(request->has_after, request->after, ranks_order(request->sort), arena, &after))
        return STATUS_INVALID_CURSOR;
    bool stale[DOMAIN_COUNT] = {false};
    if (context_barrier(context, stale) == BARRIER_PENDING)
        return STATUS_DEFERRED;
    struct ranks_query query = {
        .sort = request->sort,
        .window = request->t,
        .now_ms = context->now_ms,
        .limit = page_limit(request->limit),
        .after = after,
    };
    query.subreddits = subreddits_of(feed, request->user_id, arena, &query.subreddit_count);
    struct ranks_page ranked;
    if (!ranks_page(feed->ranks, &query, arena, &ranked))
        return STATUS_INVALID_CURSOR;
    Pb__FeedPage *page = page_of(&ranked, stale, arena);
    page->n_subreddit_ids = query.subreddit_count;
    page->subreddit_ids = arena_copy(arena, query.subreddits, query.subreddit_count * sizeof(uint64_t));
    *reply = &page->base;
    return STATUS_OK;
}
