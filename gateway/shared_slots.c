#include "gateway/shared_slots.h"

#define CLAIMS_MAX 4 /* then the slot is used with its owner, who shares it */

static struct shared_slot *set_of(const struct shared_slots *table, uint64_t owner)
{
    return &table->slots[(owner & (table->sets - 1)) * SHARED_SLOTS_WAYS];
}

static struct shared_slot *find(struct shared_slot *set, uint64_t owner)
{
    for (size_t i = 0; i < SHARED_SLOTS_WAYS; i++)
        if (atomic_load_explicit(&set[i].owner, memory_order_relaxed) == owner)
            return &set[i];
    return NULL;
}

/* The first that is past, so that workers who look at the same instant choose the same; else the least. */
static struct shared_slot *choose(struct shared_slot *set, uint64_t past)
{
    struct shared_slot *least = set;
    uint64_t least_state = UINT64_MAX;
    for (size_t i = 0; i < SHARED_SLOTS_WAYS; i++) {
        uint64_t state = atomic_load_explicit(&set[i].state, memory_order_relaxed);
        if (state <= past)
            return &set[i];
        if (state < least_state) {
            least = &set[i];
            least_state = state;
        }
    }
    return least;
}

_Atomic uint64_t *shared_slots_take(const struct shared_slots *table, uint64_t owner, uint64_t past)
{
    struct shared_slot *set = set_of(table, owner), *slot = NULL;
    for (int i = 0; i < CLAIMS_MAX; i++) {
        slot = find(set, owner);
        if (slot != NULL)
            return &slot->state;
        slot = choose(set, past);
        uint64_t before = atomic_load_explicit(&slot->owner, memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(&slot->owner, &before, owner, memory_order_relaxed,
                                                    memory_order_relaxed) ||
            before == owner)
            break;
    }
    return &slot->state;
}

_Atomic uint64_t *shared_slots_find(const struct shared_slots *table, uint64_t owner)
{
    struct shared_slot *slot = find(set_of(table, owner), owner);
    return slot != NULL ? &slot->state : NULL;
}
