#include "engined/ranking/ranks.h"

#include <math.h>
#include <stdlib.h>

#include "common/fatal.h"
#include "engined/ranking/ranking.h"
#include "engined/ranking/ranks_stream.h"
#include "engined/ranking/ranks_subreddit.h"

#define BUCKETS_MIN 64

#define HOUR_MS (3600ull * 1000)
#define DAY_MS  (24 * HOUR_MS)

TAILQ_HEAD(rank_subreddits, rank_subreddit);

struct ranks {
    ranks_load_fn load;
    void *load_arg;
    size_t max_entries;
    size_t cost; /* of all that is loaded */

    struct rank_subreddit **buckets; /* by id; a power of two of them */
    size_t bucket_count, count;
    struct rank_subreddits by_use; /* least recently used first */
};

static const uint64_t windows_ms[] = {
    [PB__WINDOW__hour] = HOUR_MS,      [PB__WINDOW__day] = DAY_MS,        [PB__WINDOW__week] = 7 * DAY_MS,
    [PB__WINDOW__month] = 30 * DAY_MS, [PB__WINDOW__year] = 365 * DAY_MS,
};

struct ranks *ranks_new(ranks_load_fn load, void *load_arg, size_t max_entries)
{
    struct ranks *ranks = xcalloc(1, sizeof(*ranks));
    ranks->load = load;
    ranks->load_arg = load_arg;
    ranks->max_entries = max_entries;
    ranks->bucket_count = BUCKETS_MIN;
    ranks->buckets = xcalloc(ranks->bucket_count, sizeof(struct rank_subreddit *));
    TAILQ_INIT(&ranks->by_use);
    return ranks;
}

void ranks_free(struct ranks *ranks)
{
    if (ranks == NULL)
        return;
    ranks_drop_all(ranks);
    free(ranks->buckets);
    free(ranks);
}

/* Fibonacci hashing: ids count up. */
static size_t bucket_of(const struct ranks *ranks, uint64_t id)
{
    return (size_t)((id * 0x9E3779B97F4A7C15ull) >> 32) & (ranks->bucket_count - 1);
}

static struct rank_subreddit *find_loaded(const struct ranks *ranks, uint64_t id)
{
    struct rank_subreddit *subreddit = ranks->buckets[bucket_of(ranks, id)];
    while (subreddit != NULL && subreddit->id != id)
        subreddit = subreddit->bucket_next;
    return subreddit;
}

static void bucket_insert(struct ranks *ranks, struct rank_subreddit *subreddit)
{
    struct rank_subreddit **bucket = &ranks->buckets[bucket_of(ranks, subreddit->id)];
    subreddit->bucket_next = *bucket;
    *bucket = subreddit;
}

static void buckets_grow(struct ranks *ranks)
{
    free(ranks->buckets);
    ranks->bucket_count *= 2;
    ranks->buckets = xcalloc(ranks->bucket_count, sizeof(struct rank_subreddit *));
    struct rank_subreddit *subreddit;
    TAILQ_FOREACH(subreddit, &ranks->by_use, by_use)
    bucket_insert(ranks, subreddit);
}

static void drop(struct ranks *ranks, struct rank_subreddit *subreddit)
{
    struct rank_subreddit **link = &ranks->buckets[bucket_of(ranks, subreddit->id)];
    while (*link != subreddit)
        link = &(*link)->bucket_next;
    *link = subreddit->bucket_next;
    TAILQ_REMOVE(&ranks->by_use, subreddit, by_use);
    ranks->count--;
    ranks->cost -= rank_subreddit_cost(subreddit);
    rank_subreddit_free(subreddit);
}

void ranks_drop_all(struct ranks *ranks)
{
    while (!TAILQ_EMPTY(&ranks->by_use))
        drop(ranks, TAILQ_FIRST(&ranks->by_use));
    ensure(ranks->cost == 0 && ranks->count == 0);
}

/* One always stays: else a subreddit larger than the bound would be loaded anew for each page. */
static void trim(struct ranks *ranks)
{
    while (ranks->cost > ranks->max_entries && ranks->count > 1)
        drop(ranks, TAILQ_FIRST(&ranks->by_use));
}

static void load_one(void *sink, const struct rank_entry *entry)
{
    ensure(rank_subreddit_append(sink, entry));
}

/* Loaded and marked as just used. Valid until the next trim. */
static struct rank_subreddit *use(struct ranks *ranks, uint64_t id)
{
    struct rank_subreddit *subreddit = find_loaded(ranks, id);
    if (subreddit != NULL) {
        TAILQ_REMOVE(&ranks->by_use, subreddit, by_use);
        TAILQ_INSERT_TAIL(&ranks->by_use, subreddit, by_use);
        return subreddit;
    }
    subreddit = rank_subreddit_new(id);
    ranks->load(ranks->load_arg, id, load_one, subreddit);
    TAILQ_INSERT_TAIL(&ranks->by_use, subreddit, by_use);
    bucket_insert(ranks, subreddit);
    ranks->cost += rank_subreddit_cost(subreddit);
    if (++ranks->count > ranks->bucket_count)
        buckets_grow(ranks);
    return subreddit;
}

void ranks_add(struct ranks *ranks, uint64_t subreddit, const struct rank_entry *entry)
{
    struct rank_subreddit *loaded = find_loaded(ranks, subreddit);
    if (loaded == NULL)
        return;
    size_t before = rank_subreddit_cost(loaded);
    if (!rank_subreddit_append(loaded, entry)) {
        drop(ranks, loaded); /* out of order: the tables know better */
        return;
    }
    ranks->cost += rank_subreddit_cost(loaded) - before;
    trim(ranks);
}

void ranks_set_votes(struct ranks *ranks, uint64_t subreddit, uint64_t id, uint32_t up, uint32_t down)
{
    struct rank_subreddit *loaded = find_loaded(ranks, subreddit);
    if (loaded != NULL)
        rank_subreddit_set_votes(loaded, id, up, down);
}

size_t ranks_count(struct ranks *ranks, uint64_t subreddit)
{
    size_t count = use(ranks, subreddit)->count;
    trim(ranks);
    return count;
}

static bool sort_has_window(Pb__Sort sort)
{
    return sort == PB__SORT__top || sort == PB__SORT__controversial;
}

static Pb__Window window_of(const struct ranks_query *query)
{
    return sort_has_window(query->sort) ? query->window : PB__WINDOW__all;
}

static bool cursor_fits(const struct ranks_query *query)
{
    const Pb__Cursor *after = query->after;
    return after->has_order && after->order == ranks_order(query->sort) && after->has_rank &&
           isfinite(after->rank) && after->has_id && after->has_created_ms && after->has_asof_ms &&
           after->window == (uint32_t)window_of(query);
}

static struct rank_walk walk_of(const struct ranks_query *query, struct arena *arena)
{
    struct rank_walk walk = {
        .sort = query->sort, .after = query->after, .limit = query->limit, .arena = arena};
    walk.asof_ms = query->after != NULL ? query->after->asof_ms : query->now_ms;
    Pb__Window window = window_of(query);
    uint64_t length_ms = query->sort == PB__SORT__rising ? RANKING_RISING_MS : windows_ms[window];
    walk.windowed = length_ms > 0;
    walk.cutoff_ms = walk.asof_ms > length_ms ? walk.asof_ms - length_ms : 0;
    return walk;
}

static bool stream_before(const struct rank_stream *a, const struct rank_stream *b)
{
    const struct rank_head *x = &a->head, *y = &b->head;
    if (x->rank != y->rank)
        return x->rank > y->rank;
    if (x->created_ms != y->created_ms)
        return x->created_ms > y->created_ms;
    return x->id > y->id;
}

static void streams_sift_down(struct rank_stream **heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && stream_before(heap[child + 1], heap[child]))
            child++;
        if (!stream_before(heap[child], heap[at]))
            return;
        struct rank_stream *moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

/* A stream for each subreddit that has something, as a heap. Returns how many. */
static size_t streams_open(struct ranks *ranks, const struct ranks_query *query, const struct rank_walk *walk,
                           struct rank_stream **heap)
{
    struct rank_stream *streams = arena_alloc_raw(walk->arena, query->subreddit_count * sizeof(streams[0]));
    size_t count = 0;
    for (size_t i = 0; i < query->subreddit_count; i++) {
        struct rank_subreddit *subreddit = use(ranks, query->subreddits[i]);
        size_t before = rank_subreddit_cost(subreddit);
        if (rank_stream_start(&streams[count], walk, subreddit)) {
            heap[count] = &streams[count];
            count++;
        }
        ranks->cost += rank_subreddit_cost(subreddit) - before; /* it may have built an order */
    }
    for (size_t i = count / 2; i-- > 0;)
        streams_sift_down(heap, count, i);
    return count;
}

static void cursor_behind(Pb__Cursor *cursor, const struct rank_head *head, const struct ranks_query *query,
                          uint64_t asof_ms)
{
    pb__cursor__init(cursor);
    cursor->has_order = cursor->has_rank = cursor->has_id = true;
    cursor->has_created_ms = cursor->has_asof_ms = true;
    cursor->order = ranks_order(query->sort);
    cursor->rank = head->rank;
    cursor->id = head->id;
    cursor->created_ms = head->created_ms;
    cursor->asof_ms = asof_ms;
    cursor->window = (uint32_t)window_of(query);
    cursor->has_window = cursor->window != 0;
}

bool ranks_page(struct ranks *ranks, const struct ranks_query *query, struct arena *arena,
                struct ranks_page *page)
{
    *page = (struct ranks_page){0};
    if (query->after != NULL && !cursor_fits(query))
        return false;
    struct rank_walk walk = walk_of(query, arena);
    struct rank_stream **heap = arena_alloc_raw(arena, query->subreddit_count * sizeof(heap[0]));
    size_t streams = streams_open(ranks, query, &walk, heap);
    page->ids = arena_alloc_raw(arena, query->limit * sizeof(page->ids[0]));
    page->cursors = arena_alloc_raw(arena, query->limit * sizeof(page->cursors[0]));
    while (streams > 0 && page->count < query->limit) {
        page->ids[page->count] = heap[0]->head.id;
        cursor_behind(&page->cursors[page->count], &heap[0]->head, query, walk.asof_ms);
        page->count++;
        if (!rank_stream_advance(heap[0]))
            heap[0] = heap[--streams];
        streams_sift_down(heap, streams, 0);
    }
    page->more = streams > 0;
    trim(ranks);
    return true;
}
