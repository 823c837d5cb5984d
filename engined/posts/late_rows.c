#include "engined/posts/late_rows.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/attributes.h"
#include "common/fatal.h"

/* One window: columns of their own, since a read looks through one of them. */
struct window {
    size_t count;
    uint64_t post_ids[LATE_ROWS_WINDOW], subreddit_ids[LATE_ROWS_WINDOW], author_ids[LATE_ROWS_WINDOW],
        created_at[LATE_ROWS_WINDOW];
};

struct late_rows {
    struct store *store;
    struct query *last_id, *load, *write_author, *write_score;
    bool loaded;
    uint64_t number;         /* of the current window */
    struct window *current;  /* none of its rows are written */
    struct window *previous; /* the first `written` of its sorted rows are */
    size_t written;
    struct late_post by_author[LATE_ROWS_WINDOW],
        by_subreddit[LATE_ROWS_WINDOW]; /* the previous one, sorted */
    struct late_post found[2 * LATE_ROWS_WINDOW];
};

static uint64_t window_of(uint64_t post_id)
{
    return (post_id - 1) / LATE_ROWS_WINDOW;
}

struct late_rows *late_rows_new(struct store *store)
{
    struct late_rows *late = xcalloc(1, sizeof(*late));
    late->store = store;
    late->current = xcalloc(1, sizeof(*late->current));
    late->previous = xcalloc(1, sizeof(*late->previous));
    late->last_id = store_prepare(store, "SELECT max(post_id) FROM posts");
    late->load = store_prepare(store, "SELECT post_id, subreddit_id, author_id, created_at FROM posts "
                                      "WHERE post_id >= ?1 ORDER BY post_id");
    late->write_author =
        store_prepare(store, "INSERT INTO posts_of_author (author_id, post_id) VALUES (?1, ?2) "
                             "ON CONFLICT DO NOTHING");
    late->write_score =
        store_prepare(store, "INSERT INTO scores (subreddit_id, post_id, created_at, upvotes, downvotes) "
                             "VALUES (?1, ?2, ?3, 0, 0) ON CONFLICT DO NOTHING");
    return late;
}

void late_rows_free(struct late_rows *late)
{
    free(late->current);
    free(late->previous);
    free(late);
}

void late_rows_drop(struct late_rows *late)
{
    late->loaded = false;
}

static struct late_post post_at(const struct window *window, size_t i)
{
    return (struct late_post){window->post_ids[i], window->subreddit_ids[i], window->author_ids[i],
                              window->created_at[i]};
}

static int compare(uint64_t x, uint64_t y)
{
    return (x > y) - (x < y);
}

static int by_author(const void *a, const void *b)
{
    const struct late_post *x = a, *y = b;
    int order = compare(x->author_id, y->author_id);
    return order != 0 ? order : compare(x->post_id, y->post_id);
}

static int by_subreddit(const void *a, const void *b)
{
    const struct late_post *x = a, *y = b;
    int order = compare(x->subreddit_id, y->subreddit_id);
    return order != 0 ? order : compare(x->post_id, y->post_id);
}

/* Writes up to the `end`-th row of the previous window. */
static void write_until(struct late_rows *late, size_t end)
{
    if (end > late->previous->count)
        end = late->previous->count;
    for (; late->written < end; late->written++) {
        const struct late_post *author = &late->by_author[late->written];
        query_bind(late->write_author, "uu", author->author_id, author->post_id);
        query_run(late->write_author);
        const struct late_post *score = &late->by_subreddit[late->written];
        query_bind(late->write_score, "uuu", score->subreddit_id, score->post_id, score->created_at);
        query_run(late->write_score);
    }
}

/* The current window becomes the previous one, none of whose rows are written. */
static void shift(struct late_rows *late)
{
    struct window *full = late->current;
    late->current = late->previous;
    late->current->count = 0;
    late->previous = full;
    late->written = 0;
    for (size_t i = 0; i < full->count; i++)
        late->by_author[i] = late->by_subreddit[i] = post_at(full, i);
    qsort(late->by_author, full->count, sizeof(late->by_author[0]), by_author);
    qsort(late->by_subreddit, full->count, sizeof(late->by_subreddit[0]), by_subreddit);
}

static void remember(struct late_rows *late, const struct late_post *post)
{
    struct window *window = late->current;
    ensure(window->count < LATE_ROWS_WINDOW);
    window->post_ids[window->count] = post->post_id;
    window->subreddit_ids[window->count] = post->subreddit_id;
    window->author_ids[window->count] = post->author_id;
    window->created_at[window->count] = post->created_at;
    window->count++;
}

/* Takes in the post that follows the last one. */
static void take(struct late_rows *late, const struct late_post *post)
{
    if (window_of(post->post_id) != late->number) {
        write_until(late, late->previous->count); /* all are, unless somebody else deleted posts */
        late->number++;
        shift(late);
    }
    ensure(window_of(post->post_id) == late->number); /* one shard hands out ids without gaps */
    remember(late, post);
}

/* The two newest windows, as they are in the table now. Which rows of the previous one are written already is
 * not worked out: writing one again does nothing, and a count would be wrong where somebody else deleted
 * posts. */
static void load(struct late_rows *late)
{
    uint64_t last = 0;
    late->current->count = late->previous->count = late->written = 0;
    late->number = 0;
    late->loaded = true;
    query_bind(late->last_id, "");
    if (!query_one_u64(late->last_id, &last) || last == 0)
        return;
    uint64_t newest = window_of(last);
    late->number = newest > 0 ? newest - 1 : 0;
    query_bind(late->load, "u", late->number * LATE_ROWS_WINDOW + 1);
    while (query_row(late->load)) {
        struct late_post post = {query_u64(late->load, 0), query_u64(late->load, 1), query_u64(late->load, 2),
                                 query_u64(late->load, 3)};
        take(late, &post);
    }
}

void late_rows_add(struct late_rows *late, const struct late_post *post)
{
    if (late->loaded)
        take(late, post);
    else
        load(late); /* the post is among those read */
    write_until(late, late->current->count);
}

const uint64_t *late_rows_of_author(struct late_rows *late, uint64_t author_id, uint64_t before, size_t limit,
                                    struct arena *arena, size_t *count)
{
    if (!late->loaded)
        load(late);
    uint64_t *ids = arena_alloc_raw(arena, limit * sizeof(ids[0]));
    *count = 0;
    const struct window *windows[] = {late->current, late->previous};
    for (size_t w = 0; w < 2; w++)
        for (size_t i = windows[w]->count; i > 0 && *count < limit; i--)
            if (windows[w]->author_ids[i - 1] == author_id && windows[w]->post_ids[i - 1] < before)
                ids[(*count)++] = windows[w]->post_ids[i - 1];
    return ids;
}

const struct late_post *late_rows_of_subreddit(struct late_rows *late, uint64_t subreddit_id, size_t *count)
{
    if (!late->loaded)
        load(late);
    *count = 0;
    const struct window *windows[] = {late->previous, late->current};
    for (size_t w = 0; w < 2; w++)
        for (size_t i = 0; i < windows[w]->count; i++)
            if (windows[w]->subreddit_ids[i] == subreddit_id)
                late->found[(*count)++] = post_at(windows[w], i);
    return late->found;
}
