/* Pages of ranked posts against a brute-force sort of the same posts. Random data; the seed is printed
 * (RANKS_SEED=n repeats one). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/fatal.h"
#include "engined/ranking/ranking.h"
#include "engined/ranking/ranks.h"
#include "engined/ranking/ranks_order.h"

#define HOUR_MS   3600000ull
#define START_MS  1700000000000ull
#define MODEL_MAX 40000

struct post {
    uint64_t subreddit;
    struct rank_entry entry;
    bool voted; /* since it was last cleared */
    unsigned seen;
};

/* The tables that ranks are loaded from, and what is expected of them. */
struct model {
    struct ranks *ranks;
    struct arena *arena;
    struct post *posts;
    size_t count;
    uint64_t now_ms;
    unsigned subreddits;
    unsigned loads;
    uint64_t random;
};

static const Pb__Sort sorts[] = {PB__SORT__hot,           PB__SORT__new,    PB__SORT__top,
                                 PB__SORT__controversial, PB__SORT__rising, PB__SORT__best};
static const Pb__Window windows[] = {PB__WINDOW__all,  PB__WINDOW__hour,  PB__WINDOW__day,
                                     PB__WINDOW__week, PB__WINDOW__month, PB__WINDOW__year};
static const uint64_t window_hours[] = {0, 1, 24, 7 * 24, 30 * 24, 365 * 24};

/* splitmix64 */
static uint64_t model_random(struct model *model, uint64_t below)
{
    uint64_t z = model->random += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return (z ^ (z >> 31)) % below;
}

static void model_load(void *arg, uint64_t subreddit, void (*add)(void *sink, const struct rank_entry *entry),
                       void *sink)
{
    struct model *model = arg;
    model->loads++;
    for (size_t i = 0; i < model->count; i++)
        if (model->posts[i].subreddit == subreddit)
            add(sink, &model->posts[i].entry);
}

static struct model *model_new(unsigned subreddits, size_t max_entries)
{
    struct model *model = xcalloc(1, sizeof(*model));
    const char *given = getenv("RANKS_SEED");
    if (given != NULL)
        model->random = strtoull(given, NULL, 0);
    else
        cr_assert_eq(getrandom(&model->random, sizeof(model->random), 0), sizeof(model->random));
    fprintf(stderr, "RANKS_SEED=%" PRIu64 "\n", model->random);
    model->posts = xcalloc(MODEL_MAX, sizeof(struct post));
    model->arena = arena_new();
    model->ranks = ranks_new(model_load, model, max_entries);
    model->now_ms = START_MS;
    model->subreddits = subreddits;
    return model;
}

static void model_free(struct model *model)
{
    ranks_free(model->ranks);
    arena_free(model->arena);
    free(model->posts);
    free(model);
}

static struct post *model_add_at(struct model *model, uint64_t subreddit, uint64_t created_ms)
{
    ensure(model->count < MODEL_MAX);
    struct post *post = &model->posts[model->count++];
    *post = (struct post){.subreddit = subreddit};
    post->entry.id = model->count;
    post->entry.created_ms = created_ms;
    ranks_add(model->ranks, post->subreddit, &post->entry);
    return post;
}

/* Often several in one millisecond, so that ties are common. */
static struct post *model_add(struct model *model)
{
    if (model_random(model, 3) == 0)
        model->now_ms += model_random(model, 2 * HOUR_MS);
    return model_add_at(model, 1 + model_random(model, model->subreddits), model->now_ms);
}

static void model_vote(struct model *model, struct post *post, uint32_t up, uint32_t down)
{
    post->entry.up = up;
    post->entry.down = down;
    post->voted = true;
    ranks_set_votes(model->ranks, post->subreddit, post->entry.id, up, down);
}

static void model_vote_random(struct model *model)
{
    struct post *post = &model->posts[model_random(model, model->count)];
    uint32_t most = 1u << model_random(model, 8);
    model_vote(model, post, (uint32_t)model_random(model, most), (uint32_t)model_random(model, most));
}

static void model_fill(struct model *model, size_t posts, size_t votes)
{
    for (size_t i = 0; i < posts; i++)
        (void)model_add(model);
    for (size_t i = 0; i < votes; i++)
        model_vote_random(model);
}

struct expected {
    double rank;
    const struct rank_entry *entry;
};

static int compare_expected(const void *a, const void *b)
{
    const struct expected *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    if (x->entry->created_ms != y->entry->created_ms)
        return x->entry->created_ms > y->entry->created_ms ? -1 : 1;
    return x->entry->id > y->entry->id ? -1 : x->entry->id < y->entry->id;
}

static double expected_rank(Pb__Sort sort, const struct rank_entry *entry, uint64_t asof_ms)
{
    switch (sort) {
    case PB__SORT__hot:
        return ranking_hot(entry->up, entry->down, entry->created_ms);
    case PB__SORT__top:
        return ranking_top(entry->up, entry->down);
    case PB__SORT__controversial:
        return ranking_controversial(entry->up, entry->down);
    case PB__SORT__rising:
        return ranking_rising(entry->up, entry->down, entry->created_ms, asof_ms);
    case PB__SORT__best:
        return ranking_best(entry->up, entry->down);
    default:
        return (double)entry->created_ms;
    }
}

static bool expected_in(const struct ranks_query *query, const struct post *post)
{
    bool wanted = false;
    for (size_t i = 0; i < query->subreddit_count; i++)
        wanted |= query->subreddits[i] == post->subreddit;
    uint64_t hours = 0;
    if (query->sort == PB__SORT__rising)
        hours = 12;
    else if (query->sort == PB__SORT__top || query->sort == PB__SORT__controversial)
        hours = window_hours[query->window];
    return wanted && (hours == 0 || post->entry.created_ms > query->now_ms - hours * HOUR_MS);
}

/* All that the query must give, in order. To be freed. */
static struct expected *expect(const struct model *model, const struct ranks_query *query, size_t *count)
{
    struct expected *all = xcalloc(model->count + 1, sizeof(all[0]));
    *count = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (!expected_in(query, &model->posts[i]))
            continue;
        const struct rank_entry *entry = &model->posts[i].entry;
        all[(*count)++] = (struct expected){expected_rank(query->sort, entry, query->now_ms), entry};
    }
    qsort(all, *count, sizeof(all[0]), compare_expected);
    return all;
}

/* Pages through all that the query gives, and finds it equal. */
static void assert_pages_are_as_expected(struct model *model, struct ranks_query query)
{
    size_t count = 0, done = 0;
    struct expected *all = expect(model, &query, &count);
    Pb__Cursor after;
    for (bool more = true; more;) {
        struct ranks_page page;
        cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
        cr_assert_leq(page.count, query.limit);
        for (size_t i = 0; i < page.count; i++, done++) {
            cr_assert_lt(done, count, "sort %d window %d: more than the %zu expected", query.sort,
                         query.window, count);
            cr_assert_eq(page.ids[i], all[done].entry->id,
                         "sort %d window %d place %zu: %" PRIu64 " not %" PRIu64, query.sort, query.window,
                         done, page.ids[i], all[done].entry->id);
        }
        more = page.more;
        cr_assert_eq(more, done < count);
        if (more) {
            after = page.cursors[page.count - 1];
            query.after = &after;
            query.now_ms += 7 * HOUR_MS; /* the cursor's time counts, not the present one */
        }
        arena_reset(model->arena);
    }
    cr_assert_eq(done, count);
    free(all);
}

static void assert_all_sorts_are_as_expected(struct model *model, const uint64_t *subreddits, size_t count,
                                             size_t limit)
{
    struct ranks_query query = {.subreddits = subreddits, .subreddit_count = count, .limit = limit};
    query.now_ms = model->now_ms;
    for (size_t s = 0; s < ARRAY_LEN(sorts); s++) {
        for (size_t w = 0; w < ARRAY_LEN(windows); w++) {
            query.sort = sorts[s];
            query.window = windows[w];
            assert_pages_are_as_expected(model, query);
        }
    }
}

static const uint64_t first_ten[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

Test(ranks, pages_are_what_a_brute_force_sort_gives)
{
    struct model *model = model_new(10, 1000000);
    model_fill(model, 2000, 3000);
    assert_all_sorts_are_as_expected(model, first_ten, 10, 25);
    assert_all_sorts_are_as_expected(model, first_ten, 1, 100);
    assert_all_sorts_are_as_expected(model, first_ten + 3, 2, 1);
    model_free(model);
}

Test(ranks, stay_right_under_new_posts_and_votes_once_built)
{
    struct model *model = model_new(4, 1000000);
    model_fill(model, 100, 0);
    for (unsigned round = 0; round < 20; round++) {
        assert_all_sorts_are_as_expected(model, first_ten, 4, 30);
        model_fill(model, 60, 200);
    }
    cr_assert_eq(model->loads, 4);
    model_free(model);
}

Test(ranks, stay_right_when_a_subreddit_is_many_chunks_large)
{
    struct model *model = model_new(1, 1000000);
    model_fill(model, 200, 0);
    assert_all_sorts_are_as_expected(model, first_ten, 1, 100);
    model_fill(model, 8000, 20000);
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 1, .limit = 1000};
    query.now_ms = model->now_ms;
    for (size_t s = 0; s < ARRAY_LEN(sorts); s++) {
        query.sort = sorts[s];
        assert_pages_are_as_expected(model, query);
    }
    /* Most leave their chunks, which merge. */
    for (size_t i = 0; i < model->count; i++)
        model_vote(model, &model->posts[i], (uint32_t)(i % 7 == 0), 0);
    for (size_t s = 0; s < ARRAY_LEN(sorts); s++) {
        query.sort = sorts[s];
        assert_pages_are_as_expected(model, query);
    }
    model_free(model);
}

Test(ranks, windows_are_right_when_old_posts_lead)
{
    struct model *model = model_new(1, 1000000);
    for (unsigned i = 0; i < 4000; i++)
        model_vote(model, model_add_at(model, 1, START_MS - 500 * HOUR_MS), 100 + i % 50, 100 + i % 20);
    for (unsigned i = 0; i < 300; i++)
        model_vote(model, model_add_at(model, 1, START_MS - 2 * HOUR_MS + i), i % 9, i % 4);
    assert_all_sorts_are_as_expected(model, first_ten, 1, 100);
    assert_all_sorts_are_as_expected(model, first_ten, 1, 7);
    model_free(model);
}

Test(ranks, a_window_ends_exactly_at_its_edge)
{
    struct model *model = model_new(1, 1000000);
    (void)model_add_at(model, 1, START_MS - HOUR_MS);
    (void)model_add_at(model, 1, START_MS - HOUR_MS + 1);
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 1, .limit = 10};
    query.sort = PB__SORT__top;
    query.window = PB__WINDOW__hour;
    query.now_ms = START_MS;
    struct ranks_page page;
    cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
    cr_assert_eq(page.count, 1);
    cr_assert_eq(page.ids[0], 2);
    cr_assert_not(page.more);
    model_free(model);
}

Test(ranks, equal_ranks_are_newer_first_then_larger_id)
{
    struct model *model = model_new(2, 1000000);
    (void)model_add_at(model, 1, START_MS);
    (void)model_add_at(model, 2, START_MS);
    (void)model_add_at(model, 1, START_MS);
    (void)model_add_at(model, 2, START_MS + 1);
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 2, .limit = 10};
    query.now_ms = START_MS + 1;
    static const uint64_t order[] = {4, 3, 2, 1};
    for (size_t s = 0; s < ARRAY_LEN(sorts); s++) {
        query.sort = sorts[s];
        struct ranks_page page;
        cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
        cr_assert_eq(page.count, 4);
        cr_assert_arr_eq(page.ids, order, sizeof(order), "sort %d", sorts[s]);
    }
    model_free(model);
}

/* Pages to the end while posts arrive and votes fall between the pages. */
static void page_under_writes(struct model *model, Pb__Sort sort, Pb__Window window)
{
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 5, .limit = 10};
    query.sort = sort;
    query.window = window;
    query.now_ms = model->now_ms;
    size_t count = 0, there = model->count;
    struct expected *all = expect(model, &query, &count);
    for (size_t i = 0; i < there; i++)
        model->posts[i].seen = model->posts[i].voted = 0;
    Pb__Cursor after;
    for (bool more = true; more;) {
        struct ranks_page page;
        cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
        for (size_t i = 0; i < page.count; i++)
            model->posts[page.ids[i] - 1].seen++;
        more = page.more;
        if (more) {
            after = page.cursors[page.count - 1];
            query.after = &after;
        }
        arena_reset(model->arena);
        model_fill(model, 2, 1);
    }
    for (size_t i = 0; i < count; i++) {
        const struct post *post = &model->posts[all[i].entry->id - 1];
        if (!post->voted)
            cr_assert_eq(post->seen, 1, "sort %d: post %zu was seen %u times", sort, i, post->seen);
    }
    for (size_t i = there; i < model->count; i++)
        if (!model->posts[i].voted)
            cr_assert_leq(model->posts[i].seen, 1);
    free(all);
}

Test(ranks, paging_shows_what_was_there_throughout_exactly_once)
{
    struct model *model = model_new(5, 1000000);
    model_fill(model, 400, 800);
    for (size_t s = 0; s < ARRAY_LEN(sorts); s++) {
        page_under_writes(model, sorts[s], PB__WINDOW__all);
        page_under_writes(model, sorts[s], PB__WINDOW__week);
    }
    model_free(model);
}

Test(ranks, paging_goes_on_after_everything_was_loaded_anew)
{
    struct model *model = model_new(5, 1000000);
    model_fill(model, 300, 600);
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 5, .limit = 10};
    query.now_ms = model->now_ms;
    for (size_t s = 0; s < ARRAY_LEN(sorts); s++) {
        query.sort = sorts[s];
        query.after = NULL;
        struct ranks_page page, next, again;
        cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
        query.after = &page.cursors[page.count - 1];
        cr_assert(ranks_page(model->ranks, &query, model->arena, &next));
        ranks_drop_all(model->ranks);
        cr_assert(ranks_page(model->ranks, &query, model->arena, &again));
        cr_assert_eq(again.count, next.count);
        cr_assert_arr_eq(again.ids, next.ids, next.count * sizeof(next.ids[0]));
    }
    model_free(model);
}

Test(ranks, refuse_cursors_of_other_sorts_and_windows_and_of_nothing)
{
    struct model *model = model_new(1, 1000000);
    model_fill(model, 10, 10);
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 1, .limit = 2};
    query.now_ms = model->now_ms;
    query.sort = PB__SORT__top;
    query.window = PB__WINDOW__year;
    struct ranks_page page, ignored;
    cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
    Pb__Cursor cursor = page.cursors[0];
    query.after = &cursor;
    cr_assert(ranks_page(model->ranks, &query, model->arena, &ignored));
    query.window = PB__WINDOW__month;
    cr_assert_not(ranks_page(model->ranks, &query, model->arena, &ignored));
    query.window = PB__WINDOW__year;
    query.sort = PB__SORT__controversial;
    cr_assert_not(ranks_page(model->ranks, &query, model->arena, &ignored));
    query.sort = PB__SORT__top;
    cursor.rank = NAN;
    cr_assert_not(ranks_page(model->ranks, &query, model->arena, &ignored));
    cursor = page.cursors[0];
    cursor.has_asof_ms = false;
    cr_assert_not(ranks_page(model->ranks, &query, model->arena, &ignored));
    pb__cursor__init(&cursor);
    cr_assert_not(ranks_page(model->ranks, &query, model->arena, &ignored));
    model_free(model);
}

Test(ranks, cursors_with_extreme_numbers_do_no_harm)
{
    struct model *model = model_new(2, 1000000);
    model_fill(model, 50, 50);
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 2, .limit = 100};
    query.now_ms = model->now_ms;
    static const uint64_t numbers[] = {0, 1, UINT32_MAX, INT64_MAX, UINT64_MAX};
    static const double rank_numbers[] = {-1e308, -0.0, 0, 1e308};
    for (size_t s = 0; s < ARRAY_LEN(sorts); s++) {
        query.sort = sorts[s];
        query.after = NULL;
        struct ranks_page page;
        cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
        for (size_t i = 0; page.count > 0 && i < 5 * 5 * 5 * 4; i++) {
            Pb__Cursor cursor = page.cursors[0];
            cursor.id = numbers[i % 5];
            cursor.asof_ms = numbers[i / 5 % 5];
            cursor.created_ms = numbers[i / 25 % 5];
            cursor.rank = rank_numbers[i / 125];
            query.after = &cursor;
            struct ranks_page other;
            cr_assert(ranks_page(model->ranks, &query, model->arena, &other));
            cr_assert_leq(other.count, 50);
        }
    }
    model_free(model);
}

Test(ranks, memory_is_bounded_by_dropping_what_was_used_least_recently)
{
    struct model *model = model_new(10, 400);
    model_fill(model, 1000, 500);
    for (unsigned round = 0; round < 3; round++) {
        assert_all_sorts_are_as_expected(model, first_ten, 10, 50);
        model_fill(model, 30, 60);
    }
    ranks_drop_all(model->ranks);
    model->loads = 0;
    for (unsigned i = 0; i < 100; i++)
        cr_assert_gt(ranks_count(model->ranks, 1), 50);
    cr_assert_eq(model->loads, 1);
    for (uint64_t subreddit = 1; subreddit <= 10; subreddit++)
        (void)ranks_count(model->ranks, subreddit);
    cr_assert_eq(model->loads, 10);
    (void)ranks_count(model->ranks, 10);
    cr_assert_eq(model->loads, 10, "the last one used was dropped");
    (void)ranks_count(model->ranks, 1);
    cr_assert_eq(model->loads, 11, "the bound does not hold");
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 10, .limit = 10};
    query.now_ms = model->now_ms;
    struct ranks_page page;
    cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
    model->loads = 0;
    (void)ranks_count(model->ranks, 1);
    cr_assert_eq(model->loads, 1, "the bound does not hold after a page");
    model_free(model);
}

Test(ranks, a_subreddit_larger_than_the_bound_is_loaded_once)
{
    struct model *model = model_new(1, 10);
    model_fill(model, 500, 500);
    assert_all_sorts_are_as_expected(model, first_ten, 1, 20);
    cr_assert_eq(model->loads, 1);
    model_free(model);
}

Test(ranks, a_clock_that_went_back_loses_nothing)
{
    struct model *model = model_new(1, 1000000);
    for (unsigned i = 0; i < 40; i++)
        model_vote(model, model_add_at(model, 1, START_MS - (i % 4) * HOUR_MS), i % 5, i % 3);
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 1, .limit = 7};
    query.now_ms = START_MS;
    for (size_t s = 0; s < ARRAY_LEN(sorts); s++) {
        unsigned seen[41] = {0}, total = 0;
        Pb__Cursor after;
        query.sort = sorts[s];
        query.after = NULL;
        for (bool more = true; more; query.after = &after) {
            struct ranks_page page;
            cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
            for (size_t i = 0; i < page.count; i++, total++)
                cr_assert_eq(seen[page.ids[i]]++, 0);
            after = page.cursors[page.count - 1];
            more = page.more;
        }
        cr_assert_eq(total, 40, "sort %d", sorts[s]);
    }
    model_free(model);
}

Test(ranks, an_empty_subreddit_and_none_give_an_empty_page)
{
    struct model *model = model_new(1, 1000000);
    struct ranks_query query = {.subreddits = first_ten, .subreddit_count = 10, .limit = 25};
    query.now_ms = START_MS;
    struct ranks_page page;
    for (size_t s = 0; s < ARRAY_LEN(sorts); s++) {
        query.sort = sorts[s];
        cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
        cr_assert_eq(page.count, 0);
        cr_assert_not(page.more);
    }
    query.subreddit_count = 0;
    cr_assert(ranks_page(model->ranks, &query, model->arena, &page));
    cr_assert_eq(page.count, 0);
    cr_assert_eq(ranks_count(model->ranks, 3), 0);
    model_free(model);
}

static void assert_order_holds(const struct rank_order *order, const bool *held, uint32_t count)
{
    struct rank_position position = rank_order_first();
    struct rank_slot slot;
    for (uint32_t i = count; i-- > 0;) {
        if (!held[i])
            continue;
        cr_assert(rank_order_next(order, &position, &slot));
        cr_assert(slot.index == i && slot.rank == (double)i, "index %u, not %u", slot.index, i);
    }
    cr_assert_not(rank_order_next(order, &position, &slot));
}

/* Chunks split and merge at every place that they can. */
Test(ranks_order, takes_in_and_gives_up_slots_at_every_place)
{
    enum { COUNT = 600 };
    for (uint32_t last = 0; last < COUNT; last++) {
        struct rank_order order = {0};
        bool held[COUNT] = {false};
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t index = i < last ? i : i + 1 == COUNT ? last : i + 1;
            struct rank_slot slot = {(double)index, index};
            rank_order_insert(&order, &slot);
            held[index] = true;
        }
        assert_order_holds(&order, held, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t index = (last + i * 7) % COUNT; /* 7 and COUNT have no common factor but 1 */
            struct rank_slot slot = {(double)index, index};
            rank_order_remove(&order, &slot);
            held[index] = false;
            if (i % 97 == 0)
                assert_order_holds(&order, held, COUNT);
        }
        assert_order_holds(&order, held, COUNT);
        cr_assert_eq(order.chunk_count, 0);
        rank_order_free(&order);
    }
}
