#include "engined/ranking/ranks_stream.h"

#include <math.h>
#include <stdlib.h>

/* A window with so few entries is gathered whatever orders there are. */
#define GATHER_SMALL 64
/* One with up to so many, if it is a small part of all, is not worth building an order. */
#define GATHER_UNBUILT 4096

/* The worst is on top. */
static void heap_sift_down(struct rank_slot *heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && rank_slot_before(&heap[child], &heap[child + 1]))
            child++;
        if (!rank_slot_before(&heap[at], &heap[child]))
            return;
        struct rank_slot moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

static void heap_offer(struct rank_slot *heap, size_t *count, size_t capacity, const struct rank_slot *slot)
{
    if (*count < capacity) {
        heap[(*count)++] = *slot;
        if (*count == capacity)
            for (size_t i = capacity / 2; i-- > 0;)
                heap_sift_down(heap, capacity, i);
    } else if (rank_slot_before(slot, &heap[0])) {
        heap[0] = *slot;
        heap_sift_down(heap, capacity, 0);
    }
}

/* The best in the window and behind what was passed: as many as the page can take and one more, which tells
 * that there is more. */
static void stream_gather(struct rank_stream *stream)
{
    const struct rank_subreddit *subreddit = stream->subreddit;
    const struct rank_walk *walk = stream->walk;
    size_t count = subreddit->count - stream->since;
    size_t capacity = count < walk->limit + 1 ? count : walk->limit + 1;
    stream->source = STREAM_GATHERED;
    stream->gathered = arena_alloc_raw(walk->arena, capacity * sizeof(stream->gathered[0]));
    stream->gathered_count = stream->gathered_next = 0;
    for (size_t i = stream->since; i < subreddit->count; i++) {
        struct rank_slot slot = {rank_of(walk->sort, &subreddit->entries[i], walk->asof_ms), (uint32_t)i};
        if (rank_slot_before(&stream->passed, &slot))
            heap_offer(stream->gathered, &stream->gathered_count, capacity, &slot);
    }
    qsort(stream->gathered, stream->gathered_count, sizeof(stream->gathered[0]), rank_slot_compare);
}

static bool next_gathered(struct rank_stream *stream, struct rank_slot *slot)
{
    if (stream->gathered_next == stream->gathered_count)
        return false;
    *slot = stream->gathered[stream->gathered_next++];
    return true;
}

static bool next_newest(struct rank_stream *stream, struct rank_slot *slot)
{
    if (stream->passed.index == 0)
        return false;
    *slot = (struct rank_slot){0, stream->passed.index - 1};
    return true;
}

static bool next_ordered(struct rank_stream *stream, struct rank_slot *slot)
{
    while (rank_order_next(stream->order, &stream->position, slot)) {
        if (slot->index >= stream->since)
            return true;
        if (stream->skips_left-- == 0) {
            /* The old ones lead this order: what is in the window is cheaper looked through directly. */
            stream_gather(stream);
            return next_gathered(stream, slot);
        }
    }
    return false;
}

bool rank_stream_advance(struct rank_stream *stream)
{
    struct rank_slot slot = {0};
    bool found = false;
    switch (stream->source) {
    case STREAM_NEWEST:
        found = next_newest(stream, &slot);
        break;
    case STREAM_ORDER:
        found = next_ordered(stream, &slot);
        break;
    case STREAM_GATHERED:
        found = next_gathered(stream, &slot);
        break;
    }
    if (!found)
        return false;
    const struct rank_entry *entry = &stream->subreddit->entries[slot.index];
    stream->passed = slot;
    stream->head = (struct rank_head){slot.rank, entry->created_ms, entry->id};
    return true;
}

static bool gathering_is_cheaper(const struct rank_stream *stream)
{
    const struct rank_subreddit *subreddit = stream->subreddit;
    size_t count = subreddit->count - stream->since;
    if (!rank_sort_is_ordered(stream->walk->sort))
        return true;
    if (!stream->walk->windowed)
        return false;
    return count <= GATHER_SMALL || (!subreddit->built[stream->walk->sort] && count <= GATHER_UNBUILT &&
                                     count <= subreddit->count / 4);
}

static void start_ordered(struct rank_stream *stream, struct rank_subreddit *subreddit)
{
    stream->source = STREAM_ORDER;
    stream->order = rank_subreddit_order(subreddit, stream->walk->sort);
    stream->skips_left = subreddit->count - stream->since;
    if (stream->walk->after == NULL) {
        stream->position = rank_order_first();
        return;
    }
    stream->position = rank_order_seek(stream->order, &stream->passed);
    struct rank_position behind = stream->position;
    struct rank_slot slot;
    if (rank_order_next(stream->order, &behind, &slot) && !rank_slot_before(&stream->passed, &slot))
        stream->position = behind; /* the last one shown itself */
}

bool rank_stream_start(struct rank_stream *stream, const struct rank_walk *walk,
                       struct rank_subreddit *subreddit)
{
    const Pb__Cursor *after = walk->after;
    *stream = (struct rank_stream){.walk = walk, .subreddit = subreddit};
    stream->passed = (struct rank_slot){INFINITY, (uint32_t)subreddit->count};
    if (after != NULL) {
        stream->passed.rank = after->rank;
        stream->passed.index = (uint32_t)rank_subreddit_lower_bound(subreddit, after->created_ms, after->id);
    }
    if (walk->windowed)
        stream->since = rank_subreddit_since(subreddit, walk->cutoff_ms);
    if (stream->since == subreddit->count)
        return false;
    if (walk->sort == PB__SORT__new)
        stream->source = STREAM_NEWEST;
    else if (gathering_is_cheaper(stream))
        stream_gather(stream);
    else
        start_ordered(stream, subreddit);
    return rank_stream_advance(stream);
}
