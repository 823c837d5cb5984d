/* The tree order of comments against a plain reference, paging through trees that change, and the bounded
 * memory that trees are kept in. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/comments/threads.h"
#include "engined/comments/walk.h"
#include "engined/cursor.h"
#include "engined/ranking/ranking.h"
#include "tests/unit/seed.h"

enum { TREE_MAX = 1200, POST = 5, SORT_COUNT = 5 };

/* The post as the tables have it. */
struct tree {
    struct thread_entry entries[TREE_MAX];
    unsigned level[TREE_MAX];
    size_t count;
    unsigned loads;
    unsigned seed;
};

static void load_tree(void *arg, uint64_t post_id, void (*add)(void *sink, const struct thread_entry *entry),
                      void *sink)
{
    struct tree *tree = arg;
    tree->loads++;
    for (size_t i = 0; post_id == POST && i < tree->count; i++)
        add(sink, &tree->entries[i]);
}

static unsigned draw(struct tree *tree, unsigned below)
{
    return (unsigned)rand_r(&tree->seed) % below;
}

/* Ids have gaps, as those of a post among others do. Few different votes make many ties. */
static struct thread_entry *grow(struct tree *tree)
{
    cr_assert_lt(tree->count, TREE_MAX);
    struct thread_entry *entry = &tree->entries[tree->count];
    *entry = (struct thread_entry){.id = 1 + draw(tree, 3), .up = draw(tree, 4), .down = draw(tree, 4)};
    if (tree->count > 0)
        entry->id += entry[-1].id;
    tree->level[tree->count] = 0;
    if (tree->count > 0 && draw(tree, 4) != 0) {
        size_t parent = draw(tree, 2) != 0 ? draw(tree, (unsigned)tree->count)
                                           : tree->count - 1 - draw(tree, tree->count < 4 ? 1 : 4);
        if (tree->level[parent] < LIMIT_COMMENT_DEPTH) {
            entry->parent_id = tree->entries[parent].id;
            tree->level[tree->count] = tree->level[parent] + 1;
        }
    }
    tree->count++;
    return entry;
}

static struct tree *new_tree(unsigned seed, size_t count)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    cr_assert_not_null(tree);
    tree->seed = seed;
    while (tree->count < count)
        grow(tree);
    return tree;
}

static double reference_rank(Pb__CommentsOfPost__Sort sort, const struct thread_entry *entry)
{
    switch (sort) {
    case PB__COMMENTS_OF_POST__SORT__best:
        return ranking_best(entry->up, entry->down);
    case PB__COMMENTS_OF_POST__SORT__top:
        return ranking_top(entry->up, entry->down);
    case PB__COMMENTS_OF_POST__SORT__controversial:
        return ranking_controversial(entry->up, entry->down);
    case PB__COMMENTS_OF_POST__SORT__new:
        return (double)entry->id;
    default:
        return -(double)entry->id;
    }
}

struct reference {
    const struct tree *tree;
    Pb__CommentsOfPost__Sort sort;
    unsigned max_level;
    size_t shown[TREE_MAX];
    size_t count;
    bool done[TREE_MAX];
};

/* The best reply that is not done, again and again. */
static void reference_visit(struct reference *reference, uint64_t parent_id, unsigned level)
{
    const struct thread_entry *entries = reference->tree->entries;
    for (;;) {
        size_t best = TREE_MAX;
        for (size_t i = 0; i < reference->tree->count; i++) {
            if (entries[i].parent_id != parent_id || reference->done[i])
                continue;
            double rank = reference_rank(reference->sort, &entries[i]);
            if (best == TREE_MAX || rank >= reference_rank(reference->sort, &entries[best]))
                best = i; /* of equals the later one */
        }
        if (best == TREE_MAX)
            return;
        reference->done[best] = true;
        reference->shown[reference->count++] = best;
        if (level < reference->max_level)
            reference_visit(reference, entries[best].id, level + 1);
    }
}

/* A reader going from page to page. Each cursor goes through its packed form. */
struct reader {
    struct threads *threads;
    struct arena *arena;
    Pb__CommentsOfPost__Sort sort;
    uint64_t root_id; /* 0: none */
    unsigned max_level;
    ProtobufCBinaryData next;
    bool begun, ended;
};

static struct walk_query reader_query(struct reader *reader, size_t limit, Pb__Cursor **after)
{
    const struct thread *thread = threads_get(reader->threads, POST);
    uint32_t root = reader->root_id != 0 ? thread_find(thread, reader->root_id) : THREAD_NONE;
    cr_assert(cursor_unpack(reader->begun, reader->next, 1, reader->arena, after));
    return (struct walk_query){.thread = thread,
                               .root = root,
                               .sort = reader->sort,
                               .max_level = reader->max_level,
                               .limit = limit,
                               .after = *after};
}

/* `shown` <= limit of them, as if the page had to end early. */
static struct walk_page read_on(struct reader *reader, size_t limit, size_t shown)
{
    Pb__Cursor *after = NULL;
    struct walk_query query = reader_query(reader, limit, &after);
    struct walk_page page;
    cr_assert(walk_read(&query, reader->arena, &page));
    cr_assert_leq(page.count, limit);
    cr_assert(!page.more || page.count == limit);
    reader->ended = !page.more && shown >= page.count;
    page.count = shown < page.count ? shown : page.count;
    if (page.count > 0) {
        Pb__Cursor next = PB__CURSOR__INIT;
        next.has_order = true;
        next.order = 1;
        walk_set_path(&query, &page, page.count, reader->arena, &next);
        reader->next = cursor_pack(&next, reader->arena);
        reader->begun = true;
    }
    return page;
}

static struct reader new_reader(struct tree *tree, Pb__CommentsOfPost__Sort sort)
{
    return (struct reader){.threads = threads_new(load_tree, tree, 1 << 20),
                           .arena = arena_new(),
                           .sort = sort,
                           .max_level = LIMIT_COMMENT_DEPTH};
}

static void free_reader(struct reader *reader)
{
    threads_free(reader->threads);
    arena_free(reader->arena);
}

static void compare_pages(struct tree *tree, Pb__CommentsOfPost__Sort sort, size_t root, unsigned max_level)
{
    struct reference *reference = calloc(1, sizeof(*reference));
    cr_assert_not_null(reference);
    reference->tree = tree;
    reference->sort = sort;
    reference->max_level = max_level;
    struct reader reader = new_reader(tree, sort);
    reader.max_level = max_level;
    reader.root_id = root < tree->count ? tree->entries[root].id : 0;
    reference_visit(reference, reader.root_id, 0);

    Pb__Cursor *none = NULL;
    struct walk_query query = reader_query(&reader, 1, &none);
    cr_assert_eq(walk_total(&query, reader.arena), reference->count);
    unsigned base = reader.root_id != 0 ? tree->level[root] + 1 : 0;
    size_t at = 0;
    while (!reader.ended) {
        size_t limit = 1 + draw(tree, 100);
        struct walk_page page = read_on(&reader, limit, draw(tree, 5) == 0 ? 1 + limit / 2 : limit);
        for (size_t i = 0; i < page.count; i++, at++) {
            cr_assert_lt(at, reference->count);
            size_t expected = reference->shown[at];
            cr_assert_eq(page.items[i].id, tree->entries[expected].id, "sort %d place %zu", sort, at);
            cr_assert_eq(page.items[i].level, tree->level[expected] - base);
        }
    }
    cr_assert_eq(at, reference->count);
    free_reader(&reader);
    free(reference);
}

Test(comments_walk, pages_agree_with_a_plain_reference_over_random_trees)
{
    unsigned seed = seed_print();
    for (unsigned round = 0; round < 24; round++) {
        struct tree *tree = new_tree(seed + round, 1 + (round * 37) % 300);
        for (int sort = 0; sort < SORT_COUNT; sort++) {
            compare_pages(tree, (Pb__CommentsOfPost__Sort)sort, TREE_MAX, LIMIT_COMMENT_DEPTH);
            compare_pages(tree, (Pb__CommentsOfPost__Sort)sort, TREE_MAX, draw(tree, 4));
            compare_pages(tree, (Pb__CommentsOfPost__Sort)sort, draw(tree, (unsigned)tree->count),
                          draw(tree, 2) != 0 ? draw(tree, 4) : LIMIT_COMMENT_DEPTH);
        }
        free(tree);
    }
}

Test(comments_walk, goes_down_to_the_deepest_comment_one_at_a_time)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    cr_assert_not_null(tree);
    for (unsigned i = 0; i <= LIMIT_COMMENT_DEPTH; i++, tree->count++) {
        tree->entries[i] = (struct thread_entry){.id = 10 + i, .parent_id = i > 0 ? 9 + i : 0};
        tree->level[i] = i;
    }
    struct reader reader = new_reader(tree, PB__COMMENTS_OF_POST__SORT__best);
    for (unsigned i = 0; i <= LIMIT_COMMENT_DEPTH; i++) {
        struct walk_page page = read_on(&reader, 1, 1);
        cr_assert_eq(page.count, 1);
        cr_assert_eq(page.items[0].id, 10 + i);
        cr_assert_eq(page.items[0].level, i);
        cr_assert_eq(reader.ended, i == LIMIT_COMMENT_DEPTH);
    }
    free_reader(&reader);
    free(tree);
}

/* Reads to the end; between pages `change` does its worst. How often each entry was shown. */
static void read_under_change(struct tree *tree, struct reader *reader, unsigned *shown,
                              void (*change)(struct tree *tree, struct threads *threads,
                                             const unsigned *shown, bool *voted),
                              bool *voted)
{
    while (!reader->ended) {
        struct walk_page page = read_on(reader, 1 + draw(tree, 12), 100);
        const struct thread *thread = threads_get(reader->threads, POST);
        for (size_t i = 0; i < page.count; i++)
            shown[thread_find(thread, page.items[i].id)]++;
        change(tree, reader->threads, shown, voted);
    }
}

static void set_votes(struct tree *tree, struct threads *threads, size_t i, uint32_t up, uint32_t down)
{
    tree->entries[i].up = up;
    tree->entries[i].down = down;
    threads_set_votes(threads, POST, tree->entries[i].id, up, down);
}

static void add_some(struct tree *tree, struct threads *threads)
{
    if (tree->count < TREE_MAX && draw(tree, 2) == 0)
        threads_add(threads, POST, grow(tree));
}

static void vote_anywhere(struct tree *tree, struct threads *threads, const unsigned *shown, bool *voted)
{
    (void)shown;
    add_some(tree, threads);
    size_t i = draw(tree, (unsigned)tree->count);
    set_votes(tree, threads, i, draw(tree, 9), draw(tree, 9));
    voted[i] = true;
}

static bool is_moved(const struct tree *tree, const bool *voted, size_t i)
{
    uint64_t parent_id = tree->entries[i].parent_id;
    if (voted[i] || parent_id == 0)
        return voted[i];
    size_t parent = i;
    while (tree->entries[parent].id != parent_id)
        parent--;
    return is_moved(tree, voted, parent);
}

Test(comments_walk, shows_all_that_no_vote_moved_once_while_others_vote_and_reply)
{
    unsigned seed = seed_print();
    for (unsigned round = 0; round < 60; round++) {
        struct tree *tree = new_tree(seed + round, 20 + round * 5);
        size_t count = tree->count;
        struct reader reader = new_reader(tree, (Pb__CommentsOfPost__Sort)(round % SORT_COUNT));
        unsigned shown[TREE_MAX] = {0};
        bool voted[TREE_MAX] = {false};
        read_under_change(tree, &reader, shown, vote_anywhere, voted);
        for (size_t i = 0; i < count; i++)
            cr_assert(is_moved(tree, voted, i) || shown[i] == 1, "round %u: %zu was shown %u times", round, i,
                      shown[i]);
        free_reader(&reader);
        free(tree);
    }
}

/* Among them the path that the cursor holds: it always ends with something shown. */
static void vote_on_shown(struct tree *tree, struct threads *threads, const unsigned *shown, bool *voted)
{
    (void)voted;
    add_some(tree, threads);
    for (size_t i = 0; i < tree->count; i++)
        if (shown[i] > 0 && draw(tree, 2) == 0)
            set_votes(tree, threads, i, draw(tree, 9), draw(tree, 9));
}

Test(comments_walk, loses_nothing_when_votes_move_what_was_shown)
{
    unsigned seed = seed_print();
    for (unsigned round = 0; round < 60; round++) {
        struct tree *tree = new_tree(seed + round, 20 + round * 5);
        size_t count = tree->count;
        struct reader reader = new_reader(tree, (Pb__CommentsOfPost__Sort)(round % SORT_COUNT));
        unsigned shown[TREE_MAX] = {0};
        read_under_change(tree, &reader, shown, vote_on_shown, NULL);
        for (size_t i = 0; i < count; i++)
            cr_assert_geq(shown[i], 1, "round %u: %zu was lost", round, i);
        free_reader(&reader);
        free(tree);
    }
}

static void lift_shown(struct tree *tree, struct threads *threads, const unsigned *shown, bool *voted)
{
    (void)voted;
    add_some(tree, threads);
    for (size_t i = 0; i < tree->count; i++)
        if (shown[i] > 0 && draw(tree, 2) == 0)
            set_votes(tree, threads, i, tree->entries[i].up + draw(tree, 9), tree->entries[i].down);
}

Test(comments_walk, shows_all_once_when_votes_lift_what_was_shown)
{
    unsigned seed = seed_print();
    for (unsigned round = 0; round < 60; round++) {
        struct tree *tree = new_tree(seed + round, 20 + round * 5);
        size_t count = tree->count;
        struct reader reader = new_reader(tree, PB__COMMENTS_OF_POST__SORT__top);
        unsigned shown[TREE_MAX] = {0};
        read_under_change(tree, &reader, shown, lift_shown, NULL);
        for (size_t i = 0; i < count; i++)
            cr_assert_eq(shown[i], 1, "round %u: %zu was shown %u times", round, i, shown[i]);
        free_reader(&reader);
        free(tree);
    }
}

Test(comments_walk, finishes_below_a_comment_that_fell_and_does_not_show_it_again)
{
    /* 1 { 4, 5 }, 2, 3 by top: 1 4 | 5 2 3 */
    struct tree *tree = calloc(1, sizeof(*tree));
    cr_assert_not_null(tree);
    static const struct thread_entry entries[] = {{.id = 1, .up = 9},
                                                  {.id = 2, .up = 6},
                                                  {.id = 3, .up = 3},
                                                  {.id = 4, .parent_id = 1, .up = 2},
                                                  {.id = 5, .parent_id = 1, .up = 1}};
    memcpy(tree->entries, entries, sizeof(entries));
    tree->count = ARRAY_LEN(entries);
    struct reader reader = new_reader(tree, PB__COMMENTS_OF_POST__SORT__top);
    struct walk_page page = read_on(&reader, 2, 2);
    cr_assert_eq(page.items[0].id, 1);
    cr_assert_eq(page.items[1].id, 4);
    set_votes(tree, reader.threads, 0, 0, 9);
    set_votes(tree, reader.threads, 3, 0, 9);
    page = read_on(&reader, 10, 10);
    static const uint64_t rest[] = {5, 2, 3};
    cr_assert_eq(page.count, ARRAY_LEN(rest));
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        cr_assert_eq(page.items[i].id, rest[i]);
    cr_assert(reader.ended);
    free_reader(&reader);
    free(tree);
}

Test(comments_walk, goes_on_where_an_ancestor_stood_when_it_was_shown)
{
    /* 1 { 4, 5 }, 2, 3 by top; 1 sinks behind 2 while below it is read, and 2 must not get lost by that. */
    struct tree *tree = calloc(1, sizeof(*tree));
    cr_assert_not_null(tree);
    static const struct thread_entry entries[] = {{.id = 1, .up = 9},
                                                  {.id = 2, .up = 6},
                                                  {.id = 3, .up = 3},
                                                  {.id = 4, .parent_id = 1, .up = 2},
                                                  {.id = 5, .parent_id = 1, .up = 1}};
    memcpy(tree->entries, entries, sizeof(entries));
    tree->count = ARRAY_LEN(entries);
    struct reader reader = new_reader(tree, PB__COMMENTS_OF_POST__SORT__top);
    (void)!read_on(&reader, 2, 2).count;
    set_votes(tree, reader.threads, 0, 4, 0);
    cr_assert_eq(read_on(&reader, 1, 1).items[0].id, 5);
    cr_assert_eq(read_on(&reader, 1, 1).items[0].id, 2);
    free_reader(&reader);
    free(tree);
}

static bool accepts(struct tree *tree, struct reader *reader, size_t count, const uint64_t *path)
{
    (void)tree;
    Pb__Cursor cursor = PB__CURSOR__INIT, *none = NULL;
    Pb__CursorStep steps[4], *pointers[4];
    for (size_t i = 0; i < count; i++) {
        pb__cursor_step__init(&steps[i]);
        steps[i].has_id = steps[i].has_rank = true;
        steps[i].id = path[i];
        pointers[i] = &steps[i];
    }
    cursor.n_path = count;
    cursor.path = pointers;
    struct walk_query query = reader_query(reader, 3, &none);
    query.after = &cursor;
    struct walk_page page;
    return walk_read(&query, reader->arena, &page);
}

Test(comments_walk, refuses_paths_that_do_not_lead_through_the_listing)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    cr_assert_not_null(tree);
    static const struct thread_entry entries[] = {
        {.id = 1}, {.id = 2, .parent_id = 1}, {.id = 3, .parent_id = 2}, {.id = 4}};
    memcpy(tree->entries, entries, sizeof(entries));
    tree->count = ARRAY_LEN(entries);
    struct reader reader = new_reader(tree, PB__COMMENTS_OF_POST__SORT__best);
    cr_assert(accepts(tree, &reader, 1, (uint64_t[]){4}));
    cr_assert(accepts(tree, &reader, 3, (uint64_t[]){1, 2, 3}));
    cr_assert_not(accepts(tree, &reader, 0, NULL));
    cr_assert_not(accepts(tree, &reader, 1, (uint64_t[]){2}));
    cr_assert_not(accepts(tree, &reader, 1, (uint64_t[]){9}));
    cr_assert_not(accepts(tree, &reader, 2, (uint64_t[]){4, 2}));
    cr_assert_not(accepts(tree, &reader, 2, (uint64_t[]){1, 1}));
    reader.max_level = 1;
    cr_assert_not(accepts(tree, &reader, 3, (uint64_t[]){1, 2, 3}));
    cr_assert(accepts(tree, &reader, 2, (uint64_t[]){1, 2}));
    reader.root_id = 1;
    cr_assert(accepts(tree, &reader, 2, (uint64_t[]){2, 3}));
    cr_assert_not(accepts(tree, &reader, 1, (uint64_t[]){1}));
    free_reader(&reader);
    free(tree);
}

Test(comments_threads, are_loaded_once_and_kept_up_to_date)
{
    struct tree *tree = new_tree(seed_print(), 50);
    struct threads *threads = threads_new(load_tree, tree, 1 << 20);
    cr_assert_eq(threads_get(threads, POST)->count, 50);
    for (int i = 0; i < 50; i++) {
        threads_add(threads, POST, grow(tree));
        set_votes(tree, threads, draw(tree, (unsigned)tree->count), draw(tree, 9), draw(tree, 9));
    }
    const struct thread *kept = threads_get(threads, POST);
    cr_assert_eq(tree->loads, 1);
    cr_assert_eq(kept->count, tree->count);
    struct threads *others = threads_new(load_tree, tree, 1 << 20);
    const struct thread *fresh = threads_get(others, POST);
    for (uint32_t i = 0; i < kept->count; i++) {
        const struct thread_node *a = &kept->nodes[i], *b = &fresh->nodes[i];
        cr_assert(a->id == b->id && a->up == b->up && a->down == b->down && a->parent == b->parent &&
                      a->first_child == b->first_child && a->next_sibling == b->next_sibling,
                  "node %u", i);
    }
    threads_drop_all(threads);
    cr_assert_eq(threads_node_count(threads), 0);
    cr_assert_eq(threads_get(threads, POST)->count, tree->count);
    cr_assert_eq(tree->loads, 3);
    threads_free(others);
    threads_free(threads);
    free(tree);
}

static void load_hundred(void *arg, uint64_t post_id,
                         void (*add)(void *sink, const struct thread_entry *entry), void *sink)
{
    (void)arg;
    for (uint64_t i = 1; i <= 100; i++) {
        struct thread_entry entry = {.id = post_id * 1000 + i};
        add(sink, &entry);
    }
}

Test(comments_threads, make_room_beyond_their_bound_and_for_others_of_their_slot)
{
    struct threads *threads = threads_new(load_hundred, NULL, 1000);
    for (uint64_t post = 1; post <= 3 * THREAD_SLOTS; post++) {
        const struct thread *thread = threads_get(threads, post);
        cr_assert_eq(thread->post_id, post);
        cr_assert_eq(thread->count, 100);
        cr_assert_eq(thread->nodes[0].id, post * 1000 + 1);
        cr_assert_leq(threads_node_count(threads), 1000);
    }
    for (uint64_t i = 101; i <= 2000; i++) {
        struct thread_entry entry = {.id = 3 * THREAD_SLOTS * 1000 + i};
        threads_add(threads, 3 * THREAD_SLOTS, &entry);
    }
    cr_assert_eq(threads_get(threads, 3 * THREAD_SLOTS)->count, 2000, "what is used stays, however large");
    cr_assert_eq(threads_get(threads, 1)->count, 100);
    cr_assert_leq(threads_node_count(threads), 1000);
    threads_free(threads);
}
