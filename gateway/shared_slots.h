/*
 * A table of 64-bit states by 64-bit owner (a keyed hash of whom the state is about), in memory that all
 * workers of a gateway map. Fixed size, set-associative, C11 atomics without locks: a worker killed at any
 * instruction leaves every slot usable, since an owner and a state are each one word, and any owner is valid
 * beside any state.
 *
 * A state is a time until which it matters, in a unit of the user's: higher is worse, and what is in the past
 * means nothing. A newcomer takes a slot whose state is past; in a full set the one with the least state,
 * which it inherits. So nobody is ever without a state: in a full set several share one (as in Metwally et
 * al., "Space-Saving"), the worst are never forgotten, and those pushed out come back with no less than the
 * least.
 *
 * Two workers that meet a newcomer at the same instant, while a neighbour's state expires, may give it two
 * slots: the first is used from then on. What the second got, at most one request a worker, is forgotten.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

#define SHARED_SLOTS_WAYS 8 /* slots of a set: two cache lines */

struct shared_slot {
    _Atomic uint64_t owner; /* 0: nobody yet */
    _Atomic uint64_t state;
};

struct shared_slots {
    struct shared_slot *slots; /* all 0 at first */
    size_t sets;               /* a power of 2 */
};

#define SHARED_SLOTS_BYTES(sets) ((sets)*SHARED_SLOTS_WAYS * sizeof(struct shared_slot))

/* The owner's state, a slot being taken for it where it has none. `past`: the highest state that means
 * nothing any more. `owner` is a good hash and not 0. */
_Atomic uint64_t *shared_slots_take(const struct shared_slots *table, uint64_t owner, uint64_t past) MUST_USE;
/* NULL: it has none. */
_Atomic uint64_t *shared_slots_find(const struct shared_slots *table, uint64_t owner) MUST_USE;
