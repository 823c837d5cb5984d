/*
 * Which posts of some subreddits come next under a sort: in memory per subreddit, loaded from tables on first
 * need, kept up to date by apply, dropped on rollback. Used by posts (one subreddit) and feed (a user's
 * subreddits, merged). Actor thread only.
 *
 * A subreddit's entries are {id, created, up, down} by id (ids ascend with time). Per sort an order (a sorted
 * vector of rank and entry) is built on first need and maintained by binary search from then on. `rising`,
 * and windows (t=day) that hold fewer entries than the walk down the order would cost, are computed from the
 * newest entries instead. Subreddits least recently used are dropped beyond max_entries, which counts the
 * slots of orders (16 bytes) as entries (24 bytes) too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "proto/cursor.pb-c.h"
#include "proto/engine.pb-c.h"

struct ranks;

struct rank_entry {
    uint64_t id;
    uint64_t created_ms;
    uint32_t up, down;
};
/* Gives all entries of the subreddit in ascending id order, through `add`. */
typedef void (*ranks_load_fn)(void *arg, uint64_t subreddit,
                              void (*add)(void *sink, const struct rank_entry *entry), void *sink);

struct ranks *ranks_new(ranks_load_fn load, void *load_arg, size_t max_entries) MUST_USE;
void ranks_free(struct ranks *ranks);
void ranks_drop_all(struct ranks *ranks);

/* What the cursors of this sort have as their order: cursor_unpack wants it. */
static inline uint32_t ranks_order(Pb__Sort sort)
{
    return 1 + (uint32_t)sort;
}

/* Whether this version has this sort and window: a newer process may send others. */
static inline bool ranks_knows(Pb__Sort sort, Pb__Window window)
{
    return (unsigned)sort <= PB__SORT__best && (unsigned)window <= PB__WINDOW__year;
}

/* No-ops for subreddits that are not loaded. */
void ranks_add(struct ranks *ranks, uint64_t subreddit, const struct rank_entry *entry);
void ranks_set_votes(struct ranks *ranks, uint64_t subreddit, uint64_t id, uint32_t up, uint32_t down);

struct ranks_query {
    const uint64_t *subreddits;
    size_t subreddit_count;
    Pb__Sort sort;
    Pb__Window window; /* counts for top and controversial, else ignored */
    uint64_t now_ms;
    size_t limit;
    const Pb__Cursor *after; /* NULL: from the top. Its asof_ms takes the place of now_ms */
};
struct ranks_page {
    uint64_t *ids;       /* in the arena */
    Pb__Cursor *cursors; /* behind each id; in the arena; initialised messages */
    size_t count;
    bool more; /* there is at least one behind the last */
};
/* False: `after` is not a cursor of this sort and window. */
bool ranks_page(struct ranks *ranks, const struct ranks_query *query, struct arena *arena,
                struct ranks_page *page) MUST_USE;
/* How many the subreddit has. */
size_t ranks_count(struct ranks *ranks, uint64_t subreddit);
