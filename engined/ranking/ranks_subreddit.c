#include "engined/ranking/ranks_subreddit.h"

#include <stdlib.h>

#include "common/fatal.h"
#include "engined/ranking/ranking.h"

/* The struct itself, in units of an entry. */
#define SUBREDDIT_COST (sizeof(struct rank_subreddit) / sizeof(struct rank_entry) + 1)

static double rank_hot(const struct rank_entry *entry)
{
    return ranking_hot(entry->up, entry->down, entry->created_ms);
}

static double rank_top(const struct rank_entry *entry)
{
    return ranking_top(entry->up, entry->down);
}

static double rank_controversial(const struct rank_entry *entry)
{
    return ranking_controversial(entry->up, entry->down);
}

static double rank_best(const struct rank_entry *entry)
{
    return ranking_best(entry->up, entry->down);
}

static double (*const ordered_sorts[RANK_SORTS])(const struct rank_entry *entry) = {
    [PB__SORT__hot] = rank_hot,
    [PB__SORT__top] = rank_top,
    [PB__SORT__controversial] = rank_controversial,
    [PB__SORT__best] = rank_best,
};

bool rank_sort_is_ordered(Pb__Sort sort)
{
    return ordered_sorts[sort] != NULL;
}

double rank_of(Pb__Sort sort, const struct rank_entry *entry, uint64_t asof_ms)
{
    if (ordered_sorts[sort] != NULL)
        return ordered_sorts[sort](entry);
    if (sort == PB__SORT__rising)
        return ranking_rising(entry->up, entry->down, entry->created_ms, asof_ms);
    return 0;
}

struct rank_subreddit *rank_subreddit_new(uint64_t id)
{
    struct rank_subreddit *subreddit = xcalloc(1, sizeof(*subreddit));
    subreddit->id = id;
    return subreddit;
}

void rank_subreddit_free(struct rank_subreddit *subreddit)
{
    for (size_t sort = 0; sort < RANK_SORTS; sort++)
        rank_order_free(&subreddit->orders[sort]);
    free(subreddit->entries);
    free(subreddit);
}

size_t rank_subreddit_cost(const struct rank_subreddit *subreddit)
{
    size_t copies = 1;
    for (size_t sort = 0; sort < RANK_SORTS; sort++)
        copies += subreddit->built[sort];
    return SUBREDDIT_COST + copies * subreddit->count;
}

bool rank_subreddit_append(struct rank_subreddit *subreddit, const struct rank_entry *entry)
{
    struct rank_entry added = *entry;
    if (subreddit->count > 0) {
        const struct rank_entry *last = &subreddit->entries[subreddit->count - 1];
        if (added.id <= last->id)
            return false;
        if (added.created_ms < last->created_ms)
            added.created_ms = last->created_ms;
    }
    if (subreddit->count == subreddit->capacity) {
        subreddit->capacity = subreddit->capacity > 0 ? subreddit->capacity * 2 : 16;
        ensure(subreddit->capacity <= UINT32_MAX);
        subreddit->entries =
            xrealloc(subreddit->entries, subreddit->capacity * sizeof(subreddit->entries[0]));
    }
    uint32_t index = (uint32_t)subreddit->count++;
    subreddit->entries[index] = added;
    for (size_t sort = 0; sort < RANK_SORTS; sort++) {
        if (subreddit->built[sort]) {
            struct rank_slot slot = {ordered_sorts[sort](&added), index};
            rank_order_insert(&subreddit->orders[sort], &slot);
        }
    }
    return true;
}

static bool find_id(const struct rank_subreddit *subreddit, uint64_t id, uint32_t *index)
{
    size_t low = 0, high = subreddit->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (subreddit->entries[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    *index = (uint32_t)low;
    return low < subreddit->count && subreddit->entries[low].id == id;
}

void rank_subreddit_set_votes(struct rank_subreddit *subreddit, uint64_t id, uint32_t up, uint32_t down)
{
    uint32_t index = 0;
    if (!find_id(subreddit, id, &index))
        return;
    struct rank_entry before = subreddit->entries[index];
    struct rank_entry *entry = &subreddit->entries[index];
    entry->up = up;
    entry->down = down;
    for (size_t sort = 0; sort < RANK_SORTS; sort++) {
        if (!subreddit->built[sort])
            continue;
        struct rank_slot from = {ordered_sorts[sort](&before), index};
        struct rank_slot to = {ordered_sorts[sort](entry), index};
        if (from.rank == to.rank)
            continue;
        rank_order_remove(&subreddit->orders[sort], &from);
        rank_order_insert(&subreddit->orders[sort], &to);
    }
}

const struct rank_order *rank_subreddit_order(struct rank_subreddit *subreddit, Pb__Sort sort)
{
    ensure(rank_sort_is_ordered(sort));
    if (!subreddit->built[sort]) {
        struct rank_slot *slots = xcalloc(subreddit->count + 1, sizeof(slots[0]));
        /* Newest first: nearly what most orders are, which the sort is quicker with. */
        for (size_t i = 0; i < subreddit->count; i++) {
            uint32_t index = (uint32_t)(subreddit->count - 1 - i);
            slots[i] = (struct rank_slot){ordered_sorts[sort](&subreddit->entries[index]), index};
        }
        rank_order_build(&subreddit->orders[sort], slots, subreddit->count);
        free(slots);
        subreddit->built[sort] = true;
    }
    return &subreddit->orders[sort];
}

size_t rank_subreddit_since(const struct rank_subreddit *subreddit, uint64_t cutoff_ms)
{
    return cutoff_ms == UINT64_MAX ? subreddit->count
                                   : rank_subreddit_lower_bound(subreddit, cutoff_ms + 1, 0);
}

size_t rank_subreddit_lower_bound(const struct rank_subreddit *subreddit, uint64_t created_ms, uint64_t id)
{
    size_t low = 0, high = subreddit->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct rank_entry *entry = &subreddit->entries[middle];
        if (entry->created_ms < created_ms || (entry->created_ms == created_ms && entry->id < id))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
