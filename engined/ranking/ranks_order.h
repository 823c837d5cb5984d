/*
 * One subreddit's entries in the order of one sort: best first, in chunks, so that a vote moves some
 * kilobytes however large the subreddit is. Entries are named by their index in the subreddit's vector, which
 * ascends with (created, id): so equal ranks are ordered by descending index, and nothing here needs the
 * entries themselves.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

struct rank_slot {
    double rank; /* never NaN */
    uint32_t index;
};

static inline bool rank_slot_before(const struct rank_slot *a, const struct rank_slot *b)
{
    return a->rank > b->rank || (a->rank == b->rank && a->index > b->index);
}
/* For qsort: best first. */
int rank_slot_compare(const void *a, const void *b);

struct rank_chunk;

/* Zero-initialised: empty. */
struct rank_order {
    struct rank_chunk **chunks; /* none of them is empty */
    size_t chunk_count, capacity;
};

/* A place between two slots; ended by any change of the order. */
struct rank_position {
    size_t chunk, slot;
};

/* Sorts `slots` in place and fills the empty order with them. */
void rank_order_build(struct rank_order *order, struct rank_slot *slots, size_t count);
void rank_order_free(struct rank_order *order);

/* No such slot may be there yet. */
void rank_order_insert(struct rank_order *order, const struct rank_slot *slot);
/* The slot must be there, with exactly this rank. */
void rank_order_remove(struct rank_order *order, const struct rank_slot *slot);

struct rank_position rank_order_first(void);
/* The first slot that does not come before `slot`, which itself need not be there. */
struct rank_position rank_order_seek(const struct rank_order *order, const struct rank_slot *slot);
/* The slot at the position, which moves behind it. False: at the end. */
bool rank_order_next(const struct rank_order *order, struct rank_position *position,
                     struct rank_slot *slot) MUST_USE;
