/* The store alone: what its connection and its helper promise. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"
#include "engined/store.h"

#define PATIENCE_MS 20000

static const char *const migrations[] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"};

static char dir[64];

static void make_dir(void)
{
    log_open("test", LOG_LEVEL_WARN);
    snprintf(dir, sizeof(dir), "/tmp/forumd-store-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

extern const char engine_schema_sql[], posts_schema_sql[], posts_signatures_sql[];

TestSuite(store, .init = make_dir, .fini = remove_dir);

static struct store *open_store(void)
{
    struct store *store = store_open(dir, "t", STORE_SYNC_NORMAL);
    store_migrate(store, migrations, 1, NULL, NULL);
    return store;
}

static off_t file_size(const char *suffix)
{
    char path[128];
    struct stat info;
    snprintf(path, sizeof(path), "%s/t.db%s", dir, suffix);
    return stat(path, &info) == 0 ? info.st_size : 0;
}

static void insert_pages(struct store *store, struct query *insert, unsigned pages)
{
    static char text[4000];
    memset(text, 'x', sizeof(text) - 1);
    cr_assert(store_begin(store));
    for (unsigned i = 0; i < pages; i++) {
        query_bind(insert, "s", text);
        query_run(insert);
    }
    cr_assert_not(store_failed(store));
    cr_assert(store_commit(store));
}

/* The main file grows when its log is copied back. One more small commit at a time, as an engine makes them.
 */
static bool is_copied_back(struct store *store, struct query *insert, off_t at_least)
{
    uint64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (file_size("") < at_least && clock_monotonic_ms() < deadline_ms) {
        insert_pages(store, insert, 1);
        (void)!poll(NULL, 0, 1);
    }
    return file_size("") >= at_least;
}

Test(store, has_its_log_copied_back_by_the_helper_after_every_start)
{
    for (unsigned start = 1; start <= 20; start++) {
        struct store *store = open_store();
        struct query *insert = store_prepare(store, "INSERT INTO t (text) VALUES (?1)");
        insert_pages(store, insert, LIMIT_WAL_PAGES + 10);
        off_t whole = (off_t)start * LIMIT_WAL_PAGES * 4096;
        cr_assert(is_copied_back(store, insert, whole), "start %u: %lld of %lld bytes", start,
                  (long long)file_size(""), (long long)whole);
        store_close(store);
    }
}

Test(store, refuses_a_file_of_a_newer_version, .exit_code = EXIT_DATA)
{
    static const char *const newer[] = {"CREATE TABLE a (x) ;", "CREATE TABLE b (x);"};
    struct store *store = store_open(dir, "t", STORE_SYNC_FULL);
    store_migrate(store, newer, 2, NULL, NULL);
    store_migrate(store, newer, 1, NULL, NULL);
}

Test(store, says_how_its_connection_syncs_also_after_that_changed)
{
    struct store *store = store_open(dir, "t", STORE_SYNC_FULL);
    cr_assert_eq(store_synchronous(store), 2);
    query_run(store_prepare(store, "PRAGMA synchronous=NORMAL"));
    cr_assert_eq(store_synchronous(store), 1);
    store_close(store);
    store = store_open(dir, "t", STORE_SYNC_NORMAL);
    cr_assert_eq(store_synchronous(store), 1);
    store_close(store);
}

Test(store, forgets_what_was_rolled_back_and_keeps_what_was_committed)
{
    struct store *store = open_store();
    struct query *insert = store_prepare(store, "INSERT INTO t (id, text) VALUES (?1, ?2)");
    struct query *count = store_prepare(store, "SELECT count(*) FROM t");
    uint64_t rows = 0;
    cr_assert(store_begin(store));
    query_bind(insert, "us", (uint64_t)1, "kept");
    query_run(insert);
    cr_assert(store_dirty(store));
    cr_assert(store_commit(store));
    cr_assert(store_begin(store));
    query_bind(insert, "us", (uint64_t)2, "dropped");
    query_run(insert);
    store_rollback(store);
    query_bind(count, "");
    cr_assert(query_one_u64(count, &rows));
    cr_assert_eq(rows, 1);
    store_close(store);
    store = open_store();
    count = store_prepare(store, "SELECT count(*) FROM t");
    query_bind(count, "");
    cr_assert(query_one_u64(count, &rows));
    cr_assert_eq(rows, 1);
    store_close(store);
}

static void run_outside(const char *sql)
{
    char command[512];
    snprintf(command, sizeof(command), "sqlite3 -cmd '.timeout 5000' %s/t.db \"%s\"", dir, sql);
    cr_assert_eq(system(command), 0);
}

static bool changed_by_another(struct store *store)
{
    cr_assert(store_begin(store));
    bool changed = store_changed_by_another(store);
    cr_assert(store_commit(store));
    return changed;
}

Test(store, tells_changes_of_others_from_its_own_and_from_checkpoints)
{
    struct store *store = open_store();
    struct query *insert = store_prepare(store, "INSERT INTO t (text) VALUES (?1)");
    cr_assert_not(changed_by_another(store));
    off_t whole = 0;
    for (int round = 0; round < 3; round++) {
        insert_pages(store, insert, LIMIT_WAL_PAGES);
        whole += LIMIT_WAL_PAGES * (off_t)4096;
        cr_assert(is_copied_back(store, insert, whole));
        cr_assert_not(changed_by_another(store), "round %d", round);
    }
    run_outside("UPDATE t SET text = 'x' WHERE id = 1");
    cr_assert(changed_by_another(store));
    cr_assert_not(changed_by_another(store));
    run_outside("SELECT count(*) FROM t WHERE text = 'x'");
    cr_assert_not(changed_by_another(store));
    store_close(store);
}

Test(store, of_posts_before_there_were_signatures_goes_on_with_them)
{
    static const char *const posts[] = {engine_schema_sql, posts_schema_sql, posts_signatures_sql};
    struct store *store = store_open(dir, "t", STORE_SYNC_FULL);
    store_migrate(store, posts, 2, NULL, NULL);
    run_outside("INSERT INTO posts (post_id, subreddit_id, author_id, created_at, subreddit_name, "
                "author_username, title) VALUES (1, 1, 1, 1, 'cats', 'ann', 'T')");
    store_close(store);
    store = store_open(dir, "t", STORE_SYNC_FULL);
    store_migrate(store, posts, 3, NULL, NULL);
    struct query *get = store_prepare(store, "SELECT title, signature, author_key FROM posts");
    cr_assert(query_row(get));
    cr_assert_str_eq(query_text_peek(get, 0), "T");
    cr_assert(query_is_null(get, 1) && query_is_null(get, 2));
    query_done(get);
    store_close(store);
}
