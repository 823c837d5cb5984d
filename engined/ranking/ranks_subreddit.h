/* One subreddit's entries and the orders of them that were asked for. Inside of ranks.c and ranks_stream.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/attributes.h"
#include "engined/ranking/ranks.h"
#include "engined/ranking/ranks_order.h"
#include "proto/engine.pb-c.h"

/* Sorts that an order is kept for: those whose rank depends on the votes, and not on the time of asking. */
#define RANK_SORTS ((size_t)PB__SORT__best + 1)

struct rank_subreddit {
    uint64_t id;
    struct rank_entry *entries; /* ascending by (created_ms, id), which is by id */
    size_t count, capacity;
    struct rank_order orders[RANK_SORTS];
    bool built[RANK_SORTS];
    struct rank_subreddit *bucket_next;
    TAILQ_ENTRY(rank_subreddit) by_use;
};

struct rank_subreddit *rank_subreddit_new(uint64_t id) MUST_USE;
void rank_subreddit_free(struct rank_subreddit *subreddit);

/* What it holds, in entries and order slots; an empty one counts too. */
size_t rank_subreddit_cost(const struct rank_subreddit *subreddit);

/* False: its id is not behind the last one's; nothing is changed. A time before the last one's is taken as
 * the last one's: ids ascend with time by contract, and all that walks the entries relies on it. */
bool rank_subreddit_append(struct rank_subreddit *subreddit, const struct rank_entry *entry) MUST_USE;
/* Nothing happens if there is no such entry. */
void rank_subreddit_set_votes(struct rank_subreddit *subreddit, uint64_t id, uint32_t up, uint32_t down);

bool rank_sort_is_ordered(Pb__Sort sort);
/* Of any sort; `asof_ms` counts for rising alone. `new` has none: all are 0, and the newer goes first. */
double rank_of(Pb__Sort sort, const struct rank_entry *entry, uint64_t asof_ms);
/* Built on first need. The sort must be an ordered one. */
const struct rank_order *rank_subreddit_order(struct rank_subreddit *subreddit, Pb__Sort sort);

/* The first entry created after `cutoff_ms`: count if there is none. */
size_t rank_subreddit_since(const struct rank_subreddit *subreddit, uint64_t cutoff_ms);
/* The first entry that is not older than (created_ms, id): those before it come behind it in descending
 * order. */
size_t rank_subreddit_lower_bound(const struct rank_subreddit *subreddit, uint64_t created_ms, uint64_t id);
