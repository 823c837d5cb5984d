#include "engined/comments/walk.h"

#include <string.h>

#include "common/attributes.h"
#include "engined/ranking/ranking.h"

#define LEVELS (LIMIT_COMMENT_DEPTH + 1)

static const struct sort {
    double (*rank)(uint64_t up, uint64_t down); /* NULL: by age alone */
    bool older_first;
} sorts[] = {
    [PB__COMMENTS_OF_POST__SORT__best] = {ranking_best, false},
    [PB__COMMENTS_OF_POST__SORT__top] = {ranking_top, false},
    [PB__COMMENTS_OF_POST__SORT__new] = {NULL, false},
    [PB__COMMENTS_OF_POST__SORT__old] = {NULL, true},
    [PB__COMMENTS_OF_POST__SORT__controversial] = {ranking_controversial, false},
};

bool walk_knows_sort(Pb__CommentsOfPost__Sort sort)
{
    return (size_t)sort < ARRAY_LEN(sorts);
}

/* A comment among its siblings. */
struct place {
    double rank;
    uint64_t id;
    uint32_t node;
};

static bool is_behind(const struct sort *sort, const struct place *a, const struct place *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank;
    return sort->older_first ? a->id > b->id : a->id < b->id;
}

/* Siblings that are to be shown: the first ones behind `behind`, if that is set, without it. */
struct siblings {
    uint32_t parent;
    bool bounded, opened;
    struct place behind;
    struct place *places;
    size_t count, next;
};

struct walk {
    const struct walk_query *query;
    const struct sort *sort;
    struct arena *arena;
    struct siblings levels[LEVELS];
    unsigned depth; /* levels in use */
};

/* Puts it where it belongs among the best `capacity`. */
static void keep_best(struct siblings *siblings, const struct sort *sort, size_t capacity,
                      const struct place *place)
{
    if (siblings->count == capacity && !is_behind(sort, &siblings->places[capacity - 1], place))
        return;
    size_t low = 0, high = siblings->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_behind(sort, place, &siblings->places[middle]))
            low = middle + 1;
        else
            high = middle;
    }
    if (siblings->count < capacity)
        siblings->count++;
    memmove(&siblings->places[low + 1], &siblings->places[low],
            (siblings->count - 1 - low) * sizeof(siblings->places[0]));
    siblings->places[low] = *place;
}

/* Picks no more than the page can still hold. */
static void open_siblings(struct walk *walk, struct siblings *siblings, size_t capacity)
{
    const struct thread *thread = walk->query->thread;
    siblings->opened = true;
    uint32_t node = thread_first_child(thread, siblings->parent);
    if (node == THREAD_NONE)
        return;
    siblings->places = arena_alloc_raw(walk->arena, capacity * sizeof(siblings->places[0]));
    for (; node != THREAD_NONE; node = thread->nodes[node].next_sibling) {
        const struct thread_node *at = &thread->nodes[node];
        struct place place = {.id = at->id, .node = node};
        if (walk->sort->rank != NULL)
            place.rank = walk->sort->rank(at->up, at->down);
        if (siblings->bounded &&
            (place.id == siblings->behind.id || !is_behind(walk->sort, &place, &siblings->behind)))
            continue;
        keep_best(siblings, walk->sort, capacity, &place);
    }
}

/* Sets the levels to what is behind the cursor. False: its path does not lead through this thread. */
static bool follow_path(struct walk *walk, const Pb__Cursor *after)
{
    uint32_t parent = walk->query->root;
    if (after->n_path == 0 || after->n_path > walk->query->max_level + 1u)
        return false;
    for (size_t i = 0; i < after->n_path; i++) {
        const Pb__CursorStep *step = after->path[i];
        uint32_t node = thread_find(walk->query->thread, step->id);
        if (!step->has_id || !step->has_rank || step->rank != step->rank || node == THREAD_NONE ||
            walk->query->thread->nodes[node].parent != parent)
            return false;
        walk->levels[walk->depth++] = (struct siblings){
            .parent = parent, .bounded = true, .behind = {.rank = step->rank, .id = step->id}};
        parent = node;
    }
    if (walk->depth <= walk->query->max_level)
        walk->levels[walk->depth++] = (struct siblings){.parent = parent};
    return true;
}

/* The next comment in tree order; no more than `left` of them will be asked for. False: that was all. */
static bool next_item(struct walk *walk, size_t left, struct walk_item *item)
{
    while (walk->depth > 0) {
        unsigned level = walk->depth - 1;
        struct siblings *siblings = &walk->levels[level];
        if (!siblings->opened)
            open_siblings(walk, siblings, left);
        if (siblings->next == siblings->count) {
            walk->depth--;
            continue;
        }
        const struct place *place = &siblings->places[siblings->next++];
        *item = (struct walk_item){.id = place->id, .rank = place->rank, .level = level};
        if (level < walk->query->max_level)
            walk->levels[walk->depth++] = (struct siblings){.parent = place->node};
        return true;
    }
    return false;
}

bool walk_read(const struct walk_query *query, struct arena *arena, struct walk_page *page)
{
    struct walk *walk = arena_alloc(arena, sizeof(*walk));
    walk->query = query;
    walk->sort = &sorts[query->sort];
    walk->arena = arena;
    *page = (struct walk_page){0};
    if (query->after == NULL)
        walk->levels[walk->depth++] = (struct siblings){.parent = query->root};
    else if (!follow_path(walk, query->after))
        return false;
    page->items = arena_alloc_raw(arena, (query->limit + 1) * sizeof(page->items[0]));
    size_t found = 0;
    while (found <= query->limit && next_item(walk, query->limit + 1 - found, &page->items[found]))
        found++;
    page->more = found > query->limit;
    page->count = page->more ? query->limit : found;
    return true;
}

void walk_set_path(const struct walk_query *query, const struct walk_page *page, size_t shown,
                   struct arena *arena, Pb__Cursor *cursor)
{
    cursor->n_path = page->items[shown - 1].level + 1;
    cursor->path = arena_alloc(arena, LEVELS * sizeof(cursor->path[0]));
    /* Above where this page began, the path goes on as it was. */
    for (size_t i = 0; query->after != NULL && i < query->after->n_path; i++)
        cursor->path[i] = query->after->path[i];
    for (size_t i = 0; i < shown; i++) {
        Pb__CursorStep *step = arena_alloc_raw(arena, sizeof(*step));
        pb__cursor_step__init(step);
        step->has_rank = step->has_id = true;
        step->rank = page->items[i].rank;
        step->id = page->items[i].id;
        cursor->path[page->items[i].level] = step;
    }
}

size_t walk_total(const struct walk_query *query, struct arena *arena)
{
    const struct thread *thread = query->thread;
    if (query->root == THREAD_NONE && query->max_level >= LIMIT_COMMENT_DEPTH)
        return thread->count;
    /* How far below the listing's root, which itself is 0; LEVELS + 1: elsewhere. Parents stand before
     * replies. */
    uint8_t *below = arena_alloc_raw(arena, thread->count);
    size_t total = 0;
    for (uint32_t i = 0; i < thread->count; i++) {
        uint32_t parent = thread->nodes[i].parent;
        if (parent == query->root)
            below[i] = 1;
        else if (parent == THREAD_NONE || below[parent] > LEVELS)
            below[i] = LEVELS + 1;
        else
            below[i] = below[parent] + 1;
        total += below[i] <= query->max_level + 1;
    }
    return total;
}
