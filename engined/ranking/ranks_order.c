#include "engined/ranking/ranks_order.h"

#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"

#define CHUNK_SLOTS 255 /* with its count: 4 KiB */
#define CHUNK_FILL  192 /* when built or merged: room for what comes */
#define CHUNK_SMALL 64  /* below, it is merged into a neighbour that has room */

struct rank_chunk {
    size_t count;
    struct rank_slot slots[CHUNK_SLOTS];
};

int rank_slot_compare(const void *a, const void *b)
{
    const struct rank_slot *x = a, *y = b;
    return (int)rank_slot_before(y, x) - (int)rank_slot_before(x, y);
}

static struct rank_chunk *chunk_add(struct rank_order *order, size_t at)
{
    if (order->chunk_count == order->capacity) {
        order->capacity = order->capacity > 0 ? order->capacity * 2 : 4;
        order->chunks = xrealloc(order->chunks, order->capacity * sizeof(order->chunks[0]));
    }
    memmove(&order->chunks[at + 1], &order->chunks[at], (order->chunk_count - at) * sizeof(order->chunks[0]));
    struct rank_chunk *chunk = xmalloc(sizeof(*chunk));
    chunk->count = 0;
    order->chunks[at] = chunk;
    order->chunk_count++;
    return chunk;
}

static void chunk_drop(struct rank_order *order, size_t at)
{
    free(order->chunks[at]);
    order->chunk_count--;
    memmove(&order->chunks[at], &order->chunks[at + 1], (order->chunk_count - at) * sizeof(order->chunks[0]));
}

void rank_order_build(struct rank_order *order, struct rank_slot *slots, size_t count)
{
    ensure(order->chunk_count == 0);
    qsort(slots, count, sizeof(slots[0]), rank_slot_compare);
    for (size_t done = 0; done < count;) {
        struct rank_chunk *chunk = chunk_add(order, order->chunk_count);
        chunk->count = count - done < CHUNK_FILL ? count - done : CHUNK_FILL;
        memcpy(chunk->slots, &slots[done], chunk->count * sizeof(slots[0]));
        done += chunk->count;
    }
}

void rank_order_free(struct rank_order *order)
{
    for (size_t i = 0; i < order->chunk_count; i++)
        free(order->chunks[i]);
    free(order->chunks);
    *order = (struct rank_order){0};
}

struct rank_position rank_order_first(void)
{
    return (struct rank_position){0, 0};
}

struct rank_position rank_order_seek(const struct rank_order *order, const struct rank_slot *slot)
{
    /* The first chunk whose last slot does not come before it. */
    size_t low = 0, high = order->chunk_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct rank_chunk *chunk = order->chunks[middle];
        if (rank_slot_before(&chunk->slots[chunk->count - 1], slot))
            low = middle + 1;
        else
            high = middle;
    }
    struct rank_position position = {low, 0};
    if (low == order->chunk_count)
        return position;
    const struct rank_chunk *chunk = order->chunks[low];
    low = 0;
    high = chunk->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rank_slot_before(&chunk->slots[middle], slot))
            low = middle + 1;
        else
            high = middle;
    }
    position.slot = low;
    return position;
}

bool rank_order_next(const struct rank_order *order, struct rank_position *position, struct rank_slot *slot)
{
    if (position->chunk == order->chunk_count)
        return false;
    const struct rank_chunk *chunk = order->chunks[position->chunk];
    *slot = chunk->slots[position->slot++];
    if (position->slot == chunk->count)
        *position = (struct rank_position){position->chunk + 1, 0};
    return true;
}

/* The upper half moves into a chunk behind. */
static void chunk_split(struct rank_order *order, size_t at)
{
    struct rank_chunk *behind = chunk_add(order, at + 1);
    struct rank_chunk *chunk = order->chunks[at];
    size_t keep = chunk->count / 2;
    behind->count = chunk->count - keep;
    memcpy(behind->slots, &chunk->slots[keep], behind->count * sizeof(chunk->slots[0]));
    chunk->count = keep;
}

void rank_order_insert(struct rank_order *order, const struct rank_slot *slot)
{
    struct rank_position at = rank_order_seek(order, slot);
    if (order->chunk_count == 0) {
        (void)chunk_add(order, 0);
    } else if (at.chunk == order->chunk_count) {
        at.chunk--;
        at.slot = order->chunks[at.chunk]->count;
    }
    if (order->chunks[at.chunk]->count == CHUNK_SLOTS) {
        chunk_split(order, at.chunk);
        size_t kept = order->chunks[at.chunk]->count;
        if (at.slot > kept)
            at = (struct rank_position){at.chunk + 1, at.slot - kept};
    }
    struct rank_chunk *chunk = order->chunks[at.chunk];
    memmove(&chunk->slots[at.slot + 1], &chunk->slots[at.slot],
            (chunk->count - at.slot) * sizeof(chunk->slots[0]));
    chunk->slots[at.slot] = *slot;
    chunk->count++;
}

/* Chunks `at` and the one behind become one if both fit. */
static void chunk_merge(struct rank_order *order, size_t at)
{
    if (at + 1 >= order->chunk_count)
        return;
    struct rank_chunk *chunk = order->chunks[at], *behind = order->chunks[at + 1];
    if (chunk->count + behind->count > CHUNK_FILL)
        return;
    memcpy(&chunk->slots[chunk->count], behind->slots, behind->count * sizeof(chunk->slots[0]));
    chunk->count += behind->count;
    chunk_drop(order, at + 1);
}

void rank_order_remove(struct rank_order *order, const struct rank_slot *slot)
{
    struct rank_position at = rank_order_seek(order, slot);
    ensure(at.chunk < order->chunk_count);
    struct rank_chunk *chunk = order->chunks[at.chunk];
    ensure(chunk->slots[at.slot].index == slot->index && chunk->slots[at.slot].rank == slot->rank);
    chunk->count--;
    memmove(&chunk->slots[at.slot], &chunk->slots[at.slot + 1],
            (chunk->count - at.slot) * sizeof(chunk->slots[0]));
    if (chunk->count >= CHUNK_SMALL)
        return;
    if (chunk->count == 0) {
        chunk_drop(order, at.chunk);
        return;
    }
    chunk_merge(order, at.chunk);
    if (at.chunk > 0)
        chunk_merge(order, at.chunk - 1);
}
