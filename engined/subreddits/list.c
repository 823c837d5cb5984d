/* The list of all subreddits, under its sorts. Each cursor holds the key of the last one shown, so that what
 * is written meanwhile shifts nothing. */
#include "common/attributes.h"
#include "engined/cursor.h"
#include "engined/page.h"
#include "engined/subreddits/commands.h"
#include "engined/subreddits/subreddits_state.h"

/* One sort: binds the query to what comes behind `after` (NULL: from the top), false when that is not a key
 * of this sort; and makes the key of one shown. */
struct list_order {
    bool (*bind)(struct query *query, const Pb__Cursor *after, uint64_t rows);
    void (*key)(Pb__Cursor *cursor, const Pb__Subreddit *last);
};

static bool has_id(const Pb__Cursor *after)
{
    return after->has_id && after->id <= INT64_MAX;
}

static void key_by_id(Pb__Cursor *cursor, const Pb__Subreddit *last)
{
    cursor->has_id = true;
    cursor->id = last->subreddit_id;
}

/* Counts of members are whole numbers far below 2^53: exact as the cursor's rank. */
static bool bind_popular(struct query *query, const Pb__Cursor *after, uint64_t rows)
{
    double count_max = 1ull << 53;
    if (after != NULL &&
        (!has_id(after) || !after->has_rank || !(after->rank >= 0 && after->rank <= count_max)))
        return false;
    uint64_t count = after != NULL ? (uint64_t)after->rank : INT64_MAX;
    uint64_t id = after != NULL ? after->id : INT64_MAX;
    query_bind(query, "uuu", count, id, rows);
    return true;
}

static void key_popular(Pb__Cursor *cursor, const Pb__Subreddit *last)
{
    key_by_id(cursor, last);
    cursor->has_rank = true;
    cursor->rank = (double)last->member_count;
}

static bool bind_new(struct query *query, const Pb__Cursor *after, uint64_t rows)
{
    if (after != NULL && !has_id(after))
        return false;
    query_bind(query, "uu", after != NULL ? after->id : (uint64_t)INT64_MAX, rows);
    return true;
}

static bool bind_name(struct query *query, const Pb__Cursor *after, uint64_t rows)
{
    if (after != NULL && after->text == NULL)
        return false;
    query_bind(query, "su", after != NULL ? after->text : "", rows);
    return true;
}

static void key_name(Pb__Cursor *cursor, const Pb__Subreddit *last)
{
    cursor->text = last->name;
}

static const struct list_order orders[SUBREDDITS_SORTS] = {
    [PB__SUBREDDITS_LIST__SORT__popular] = {bind_popular, key_popular},
    [PB__SUBREDDITS_LIST__SORT__new] = {bind_new, key_by_id},
    [PB__SUBREDDITS_LIST__SORT__name] = {bind_name, key_name},
};

/* Among all cursors. */
static uint32_t order_number(Pb__SubredditsList__Sort sort)
{
    return (uint32_t)COMMAND_ID_subreddits_list << 8 | (uint32_t)sort;
}

enum status subreddits_list(struct context *context, const ProtobufCMessage *message,
                            ProtobufCMessage **reply)
{
    const Pb__SubredditsList *request = (const Pb__SubredditsList *)message;
    struct subreddits *subreddits = context->state;
    struct arena *arena = context->arena;
    if ((size_t)request->sort >= ARRAY_LEN(orders))
        return STATUS_BAD_FRAME;
    const struct list_order *order = &orders[request->sort];
    struct query *query = subreddits->list[request->sort];
    size_t limit = page_limit(request->limit);
    Pb__Cursor *after = NULL;
    if (!cursor_unpack(request->has_after, request->after, order_number(request->sort), arena, &after) ||
        !order->bind(query, after, limit + 1))
        return STATUS_INVALID_CURSOR;
    Pb__SubredditPage *page = arena_alloc_raw(arena, sizeof(*page));
    pb__subreddit_page__init(page);
    page->items = arena_alloc_raw(arena, limit * sizeof(page->items[0]));
    bool more = false;
    while (!more && query_row(query)) {
        if (page->n_items < limit)
            page->items[page->n_items++] = subreddit_of_row(query, arena);
        else
            more = true;
    }
    query_done(query);
    if (more) {
        Pb__Cursor next = PB__CURSOR__INIT;
        next.has_order = true;
        next.order = order_number(request->sort);
        order->key(&next, page->items[limit - 1]);
        page->has_next = true;
        page->next = cursor_pack(&next, arena);
    }
    page->has_total = true;
    page->total = subreddits_next_id(subreddits) - 1;
    *reply = &page->base;
    return STATUS_OK;
}
