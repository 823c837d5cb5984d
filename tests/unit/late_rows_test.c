/* Rows that are written a window later: lists and ranks are the same as if they had been written at once,
 * whatever is rolled back or restarted in between. Random posts and votes against a plain model; the seed is
 * printed. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "common/log.h"
#include "engined/context.h"
#include "engined/posts/commands.h"
#include "engined/posts/posts_state.h"
#include "proto/schema_commands.h"
#include "tests/unit/seed.h"

enum { POSTS = 3 * LATE_ROWS_WINDOW + LATE_ROWS_WINDOW / 3, AUTHORS = 41, SUBREDDITS = 9, BATCH = 50 };

struct model {
    char directory[32];
    struct store *store;
    struct posts *posts;
    struct arena *arena;
    uint64_t count; /* posts committed; ids 1..count */
    uint64_t authors[POSTS + BATCH + 1], subreddits[POSTS + BATCH + 1], upvotes[POSTS + BATCH + 1];
};

static void model_open(struct model *model)
{
    model->store = store_open(model->directory, "posts", STORE_SYNC_NORMAL);
    store_migrate(model->store, posts_domain.migrations, posts_domain.migration_count, NULL, NULL);
    model->posts = posts_domain.open(model->store);
}

static void model_close(struct model *model)
{
    posts_domain.close(model->posts);
    store_close(model->store);
}

static struct model *model_new(void)
{
    log_open("test", LOG_LEVEL_WARN);
    struct model *model = xcalloc(1, sizeof(*model));
    snprintf(model->directory, sizeof(model->directory), "/tmp/late-rows-XXXXXX");
    cr_assert_not_null(mkdtemp(model->directory));
    model->arena = arena_new();
    model_open(model);
    return model;
}

static void model_free(struct model *model)
{
    char command[64];
    model_close(model);
    snprintf(command, sizeof(command), "rm -r %s", model->directory);
    cr_assert_eq(system(command), 0);
    arena_free(model->arena);
    free(model);
}

static void add_post(struct model *model, uint64_t id)
{
    Pb__PostCreated event = PB__POST_CREATED__INIT;
    event.post_id = id;
    event.author_id = model->authors[id] = 1 + (uint64_t)(rand() % AUTHORS);
    event.subreddit_id = model->subreddits[id] = 1 + (uint64_t)(rand() % (1 + rand() % SUBREDDITS));
    event.created_at = 1000 + id;
    event.subreddit_name = event.author_username = event.title = (char *)"x";
    model->upvotes[id] = 0;
    posts_domain.events[0].apply(model->posts, model->arena, &event.base);
}

/* On posts of any age: some have their row already, some get it by this. */
static void add_vote(struct model *model, uint64_t newest)
{
    Pb__PostVoteChanged event = PB__POST_VOTE_CHANGED__INIT;
    uint64_t age = (uint64_t)rand() % (rand() % 2 ? 20 : newest);
    event.post_id = newest - (age < newest ? age : 0);
    event.subreddit_id = model->subreddits[event.post_id];
    event.author_id = model->authors[event.post_id];
    event.voter_id = event.upvotes = model->upvotes[event.post_id] + 1;
    event.new_vote = 1;
    posts_domain.events[1].apply(model->posts, model->arena, &event.base);
    model->upvotes[event.post_id]++;
}

static void run_batch(struct model *model, size_t posts, bool keep)
{
    uint64_t before[POSTS + BATCH + 1];
    memcpy(before, model->upvotes, sizeof(before));
    cr_assert(store_begin(model->store));
    for (size_t i = 1; i <= posts; i++) {
        add_post(model, model->count + i);
        if (rand() % 4 == 0)
            add_vote(model, model->count + i);
    }
    if (keep) {
        cr_assert(store_commit(model->store));
        model->count += posts;
    } else {
        store_rollback(model->store);
        posts_domain.rolled_back(model->posts);
        memcpy(model->upvotes, before, sizeof(before));
    }
    arena_reset(model->arena);
}

static void assert_author_lists(struct model *model, uint64_t author)
{
    struct context context = {.state = model->posts, .arena = model->arena};
    Pb__PostsOfUser request = PB__POSTS_OF_USER__INIT;
    request.has_user_id = request.has_limit = true;
    request.user_id = author;
    request.limit = 100;
    uint64_t id = model->count + 1;
    Pb__PostPage *page = NULL;
    do {
        if (page != NULL) {
            request.has_after = true;
            request.after = page->next;
        }
        cr_assert_eq(posts_of_user(&context, &request.base, (ProtobufCMessage **)&page), STATUS_OK);
        for (size_t i = 0; i < page->n_items; i++) {
            do
                id--;
            while (id > 0 && model->authors[id] != author);
            cr_assert_eq(page->items[i]->post_id, id, "author %" PRIu64 ": %" PRIu64 ", not %" PRIu64, author,
                         page->items[i]->post_id, id);
            cr_assert_eq(page->items[i]->upvotes, model->upvotes[id], "post %" PRIu64, id);
        }
    } while (page->has_next);
    while (--id > 0)
        cr_assert_neq(model->authors[id], author, "post %" PRIu64 " is missing", id);
    arena_reset(model->arena);
}

static void assert_ranks_count(struct model *model, uint64_t subreddit)
{
    size_t expected = 0, best = 0;
    for (uint64_t id = 1; id <= model->count; id++) {
        if (model->subreddits[id] != subreddit)
            continue;
        expected++;
        best = best == 0 || model->upvotes[id] > model->upvotes[best] ? id : best;
    }
    cr_assert_eq(ranks_count(model->posts->ranks, subreddit), expected, "subreddit %" PRIu64, subreddit);
    struct ranks_query query = {.subreddits = &subreddit,
                                .subreddit_count = 1,
                                .sort = PB__SORT__top,
                                .window = PB__WINDOW__all,
                                .now_ms = 1000 + model->count,
                                .limit = 1};
    struct ranks_page page;
    cr_assert(ranks_page(model->posts->ranks, &query, model->arena, &page));
    cr_assert_eq(page.count, expected > 0);
    if (expected > 0)
        cr_assert_eq(model->upvotes[page.ids[0]], model->upvotes[best], "subreddit %" PRIu64, subreddit);
}

static void assert_all(struct model *model)
{
    for (uint64_t author = 1; author <= AUTHORS; author += 5)
        assert_author_lists(model, author);
    for (uint64_t subreddit = 1; subreddit <= SUBREDDITS; subreddit++)
        assert_ranks_count(model, subreddit);
}

Test(late_rows, are_answered_like_rows_that_were_written_at_once)
{
    srand(seed_print());
    struct model *model = model_new();
    for (unsigned batch = 1; model->count < POSTS; batch++) {
        run_batch(model, 1 + (size_t)rand() % BATCH, rand() % 20 != 0);
        if (rand() % 60 == 0) {
            model_close(model);
            model_open(model);
        }
        if (batch % 100 == 0) {
            ranks_drop_all(model->posts->ranks); /* loaded anew */
            assert_all(model);
        }
    }
    assert_all(model);
    model_free(model);
}

static uint64_t ask(struct model *model, const char *sql)
{
    uint64_t answer = UINT64_MAX;
    struct query *query = store_prepare(model->store, sql);
    query_bind(query, "");
    cr_assert(query_one_u64(query, &answer));
    query_done(query);
    return answer;
}

/* Which rows are written follows from the posts alone, so a rebuilt file is the same. */
Test(late_rows, written_after_restarts_and_rollbacks_are_those_that_are_written_without)
{
    unsigned seed = seed_print();
    uint64_t rows[2][2];
    for (int disturbed = 0; disturbed <= 1; disturbed++) {
        struct model *model = model_new();
        srand(seed);
        for (unsigned batch = 1; model->count < 2 * LATE_ROWS_WINDOW + 777; batch++) {
            uint64_t left = 2 * LATE_ROWS_WINDOW + 777 - model->count;
            if (disturbed && batch % 40 == 0)
                run_batch(model, 10, false);
            if (disturbed && batch % 70 == 0) {
                model_close(model);
                model_open(model);
            }
            cr_assert(store_begin(model->store));
            for (uint64_t i = 1; i <= (left < BATCH ? left : BATCH); i++) {
                srand(seed + (unsigned)(model->count + i));
                add_post(model, model->count + i);
            }
            cr_assert(store_commit(model->store));
            model->count += left < BATCH ? left : BATCH;
            arena_reset(model->arena);
        }
        rows[disturbed][0] =
            ask(model, "SELECT count(*) * 1000003 + sum(post_id * (author_id + 1)) FROM posts_of_author");
        rows[disturbed][1] =
            ask(model, "SELECT count(*) * 1000003 + sum(post_id * (subreddit_id + 1)) FROM scores");
        cr_assert_eq(ask(model, "SELECT count(*) FROM scores"), LATE_ROWS_WINDOW + 777);
        cr_assert_eq(ask(model, "SELECT count(*) FROM posts_of_author"), LATE_ROWS_WINDOW + 777);
        model_free(model);
    }
    cr_assert_eq(rows[0][0], rows[1][0]);
    cr_assert_eq(rows[0][1], rows[1][1]);
}

/* A file that was made when every post had both rows at once. */
Test(late_rows, go_on_in_a_file_in_which_all_rows_were_written)
{
    srand(seed_print());
    struct model *model = model_new();
    model_close(model);
    char command[64];
    snprintf(command, sizeof(command), "rm %s/posts.db*", model->directory);
    cr_assert_eq(system(command), 0);
    model->store = store_open(model->directory, "posts", STORE_SYNC_NORMAL);
    store_migrate(model->store, posts_domain.migrations, posts_domain.migration_count - 1, NULL, NULL);
    cr_assert(store_begin(model->store));
    struct query *post =
        store_prepare(model->store, "INSERT INTO posts (post_id, subreddit_id, author_id, created_at, "
                                    "subreddit_name, author_username, title) "
                                    "VALUES (?1, ?2, ?3, ?4, 'x', 'x', 'x')");
    struct query *score = store_prepare(model->store, "INSERT INTO scores VALUES (?1, ?2, ?3, 0, 0)");
    for (uint64_t id = 1; id <= 700; id++) {
        model->authors[id] = 1 + (uint64_t)(rand() % AUTHORS);
        model->subreddits[id] = 1 + (uint64_t)(rand() % SUBREDDITS);
        query_bind(post, "uuuu", id, model->subreddits[id], model->authors[id], 1000 + id);
        query_run(post);
        query_bind(score, "uuu", model->subreddits[id], id, 1000 + id);
        query_run(score);
    }
    cr_assert(store_commit(model->store));
    model->count = 700;
    store_close(model->store);
    model_open(model);
    assert_all(model);
    while (model->count < LATE_ROWS_WINDOW + 1000)
        run_batch(model, 1 + (size_t)rand() % BATCH, true);
    ranks_drop_all(model->posts->ranks);
    assert_all(model);
    model_free(model);
}

/* With the sqlite3 shell, say. The engine sees that its file was changed, and reads anew. */
static void delete_posts(struct model *model, uint64_t first, uint64_t count)
{
    struct query *deletes[] = {store_prepare(model->store, "DELETE FROM posts WHERE post_id = ?1"),
                               store_prepare(model->store, "DELETE FROM scores WHERE post_id = ?1"),
                               store_prepare(model->store, "DELETE FROM posts_of_author WHERE post_id = ?1")};
    cr_assert(store_begin(model->store));
    for (uint64_t id = first; id < first + count; id++) {
        for (size_t i = 0; i < ARRAY_LEN(deletes); i++) {
            query_bind(deletes[i], "u", id);
            query_run(deletes[i]);
        }
        model->authors[id] = model->subreddits[id] = 0;
    }
    cr_assert(store_commit(model->store));
    posts_domain.rolled_back(model->posts);
}

Test(late_rows, of_posts_that_somebody_deletes_take_no_others_with_them)
{
    srand(seed_print());
    struct model *model = model_new();
    while (model->count < LATE_ROWS_WINDOW + LATE_ROWS_WINDOW / 2)
        run_batch(model, 1 + (size_t)rand() % BATCH, true);
    delete_posts(model, LATE_ROWS_WINDOW / 2, 40);   /* of the previous window */
    delete_posts(model, LATE_ROWS_WINDOW + 100, 60); /* of the current one */
    while (model->count < 3 * LATE_ROWS_WINDOW + 1000)
        run_batch(model, 1 + (size_t)rand() % BATCH, true);
    ranks_drop_all(model->posts->ranks);
    assert_all(model);
    model_free(model);
}
