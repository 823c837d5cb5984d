#include "engined/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "common/log.h"
#include "engined/store_state.h"

#define MEMORY_DIR      ":memory:"
#define CACHE_KIB       "16384"
#define BUSY_TIMEOUT_MS 5000 /* against the checkpoint helper alone: it never holds the write lock long */
#define ALIVE_EVERY_OPS 100000

/* What tests set through the environment where fault points are compiled in: a promise broken on purpose, so
 * that a test can show that it would notice. NULL: nothing. */
static const char *fault_setting(const char *name)
{
#ifdef FORUMD_FAULTS
    return getenv(name);
#else
    (void)name;
    return NULL;
#endif
}

static const char *sync_pragma(enum store_sync sync)
{
    const char *fault = fault_setting("FORUMD_FAULT_SYNCHRONOUS");
    if (fault != NULL && strcmp(fault, "off") == 0)
        return "PRAGMA synchronous=OFF";
    if (sync == STORE_SYNC_NORMAL || (fault != NULL && strcmp(fault, "normal") == 0))
        return "PRAGMA synchronous=NORMAL";
    return "PRAGMA synchronous=FULL";
}

/* Trouble of the storage makes the transaction fail; a statement that breaks the schema's rules is a mistake
 * of ours. */
void store_fail(struct store *store, const char *what, int result)
{
    int code = result & 0xff;
    ensure(code != SQLITE_CONSTRAINT && code != SQLITE_MISUSE && code != SQLITE_RANGE &&
           code != SQLITE_MISMATCH);
    if (!store->failed && !store->told)
        log_warn("storage error doing=%s error=\"%s\" code=%d", what, sqlite3_errstr(result), result);
    store->failed = true;
}

void store_run_sql(struct store *store, const char *sql)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fatal_exit(EXIT_IO, "%s: %s (%s)", store->path, sqlite3_errmsg(store->db), sql);
}

static void *checkpointer_main(void *arg)
{
    struct checkpointer *helper = arg;
    pthread_mutex_lock(&helper->mutex);
    while (!helper->stop) {
        if (!helper->wanted) {
            pthread_cond_wait(&helper->wake, &helper->mutex);
            continue;
        }
        helper->wanted = false;
        pthread_mutex_unlock(&helper->mutex);
        int frames = 0, done = 0;
        FAULT_POINT(checkpoint_before);
        int rc = sqlite3_wal_checkpoint_v2(helper->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
        FAULT_POINT(checkpoint_after);
        log_debug("checkpoint file=%s frames=%d done=%d rc=%d", helper->path, frames, done, rc);
        pthread_mutex_lock(&helper->mutex);
    }
    pthread_mutex_unlock(&helper->mutex);
    return NULL;
}

/* The helper's connection is opened here, while the actor's stands still: opened beside its first writes it
 * can meet SQLITE_BUSY_RECOVERY, which no later step would make good. */
static void checkpointer_start(struct checkpointer *helper, const char *path)
{
    helper->path = xstrdup(path);
    ensure(pthread_mutex_init(&helper->mutex, NULL) == 0);
    ensure(pthread_cond_init(&helper->wake, NULL) == 0);
    if (sqlite3_open_v2(path, &helper->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(helper->db, BUSY_TIMEOUT_MS) != SQLITE_OK ||
        sqlite3_exec(helper->db, sync_pragma(STORE_SYNC_FULL), NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(helper->db, "PRAGMA schema_version", NULL, NULL, NULL) != SQLITE_OK)
        fatal_exit(EXIT_IO, "%s: a second connection: %s", path, sqlite3_errmsg(helper->db));
    if (pthread_create(&helper->thread, NULL, checkpointer_main, helper) != 0)
        fatal_exit(EXIT_OS, "cannot start the checkpoint thread");
    helper->running = true;
}

static void checkpointer_stop(struct checkpointer *helper)
{
    if (!helper->running)
        return;
    pthread_mutex_lock(&helper->mutex);
    helper->stop = true;
    pthread_cond_signal(&helper->wake);
    pthread_mutex_unlock(&helper->mutex);
    pthread_join(helper->thread, NULL);
    sqlite3_close(helper->db);
    pthread_cond_destroy(&helper->wake);
    pthread_mutex_destroy(&helper->mutex);
    free(helper->path);
    helper->running = false;
}

/* Called by SQLite on the actor's thread after each commit that wrote. */
static int after_commit(void *arg, sqlite3 *db, const char *schema, int pages)
{
    struct store *store = arg;
    store->stats.wal_pages = (uint64_t)pages;
    if (pages < store->wal_limit_pages || !store->checkpointer.running)
        return SQLITE_OK;
    if (pages >= LIMIT_WAL_HARD_PAGES) {
        int frames = 0, done = 0;
        int rc = sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
        log_notice("checkpoint by the actor file=%s frames=%d done=%d rc=%d", store->path, frames, done, rc);
        return SQLITE_OK;
    }
    pthread_mutex_lock(&store->checkpointer.mutex);
    store->checkpointer.wanted = true;
    pthread_cond_signal(&store->checkpointer.wake);
    pthread_mutex_unlock(&store->checkpointer.mutex);
    return SQLITE_OK;
}

static int on_progress(void *arg)
{
    struct store *store = arg;
    if (store->alive != NULL)
        store->alive(store->alive_arg);
    return 0;
}

static int wal_limit_pages(void)
{
    const char *fault = fault_setting("FORUMD_FAULT_WAL_PAGES");
    return fault != NULL ? atoi(fault) : LIMIT_WAL_PAGES;
}

struct store *store_open(const char *dir, const char *name, enum store_sync sync)
{
    struct store *store = xcalloc(1, sizeof(*store));
    bool memory = strcmp(dir, MEMORY_DIR) == 0;
    char path[4096];
    if (memory)
        snprintf(path, sizeof(path), "%s", MEMORY_DIR);
    else if (snprintf(path, sizeof(path), "%s/%s.db", dir, name) >= (int)sizeof(path))
        fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
    store->path = xstrdup(path);
    store->wal_limit_pages = wal_limit_pages();
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc =
        FAULT_RESULT(store_open, sqlite3_open_v2(path, &store->db, flags, NULL), SQLITE_IOERR, SQLITE_FULL);
    if (rc != SQLITE_OK)
        fatal_exit(EXIT_IO, "%s: %s", path, sqlite3_errstr(rc));
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    store_run_sql(store, "PRAGMA journal_mode=WAL");
    store_run_sql(store, sync_pragma(sync));
    store_run_sql(store, "PRAGMA cache_size=-" CACHE_KIB);
    store_run_sql(store, "PRAGMA temp_store=MEMORY");
    store_run_sql(store, "PRAGMA wal_autocheckpoint=0");
    store_run_sql(store, "PRAGMA foreign_keys=OFF");
    sqlite3_wal_hook(store->db, after_commit, store);
    if (!memory)
        checkpointer_start(&store->checkpointer, path);
    store->begin = store_prepare(store, "BEGIN");
    store->commit = store_prepare(store, "COMMIT");
    store->rollback = store_prepare(store, "ROLLBACK");
    store->data_version = store_prepare(store, "PRAGMA data_version");
    (void)query_one_u64(store->data_version, &store->seen_version);
    return store;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    checkpointer_stop(&store->checkpointer);
    while (store->queries != NULL) {
        struct query *query = store->queries;
        store->queries = query->next;
        sqlite3_finalize(query->statement);
        free(query);
    }
    sqlite3_close(store->db);
    free(store->path);
    free(store);
}

static size_t user_version(struct store *store)
{
    struct query *query = store_prepare(store, "PRAGMA user_version");
    uint64_t version = 0;
    if (query_row(query))
        version = query_u64(query, 0);
    query_done(query);
    return (size_t)version;
}

void store_migrate(struct store *store, const char *const *migrations, size_t count, void (*alive)(void *arg),
                   void *arg)
{
    size_t have = user_version(store);
    if (have > count)
        fatal_exit(EXIT_DATA, "%s is of a newer forumd (schema %zu, this one knows %zu)", store->path, have,
                   count);
    if (have == count)
        return;
    store->alive = alive;
    store->alive_arg = arg;
    sqlite3_progress_handler(store->db, ALIVE_EVERY_OPS, on_progress, store);
    store_run_sql(store, "BEGIN IMMEDIATE");
    for (size_t i = have; i < count; i++)
        store_run_sql(store, migrations[i]);
    char pragma[64];
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%zu", count);
    store_run_sql(store, pragma);
    store_run_sql(store, "COMMIT");
    sqlite3_progress_handler(store->db, 0, NULL, NULL);
    log_info("schema migrated file=%s from=%zu to=%zu", store->path, have, count);
}

bool store_begin(struct store *store)
{
    ensure(!store->in_transaction);
    store->failed = false;
    store->changes_at_begin = sqlite3_total_changes(store->db);
    int rc = FAULT_RESULT(begin_before, SQLITE_DONE, SQLITE_IOERR, SQLITE_FULL);
    if (rc == SQLITE_DONE)
        rc = sqlite3_step(store->begin->statement);
    if (rc != SQLITE_DONE)
        store_fail(store, "begin", rc);
    sqlite3_reset(store->begin->statement);
    store->in_transaction = true;
    FAULT_POINT(begin_after);
    return !store->failed;
}

/* The number changes with the commits of other connections alone; checkpoints are none
 * (sqlite.org/pragma.html, "data_version"). */
bool store_changed_by_another(struct store *store)
{
    sqlite3_stmt *statement = store->data_version->statement;
    uint64_t version = store->seen_version;
    if (sqlite3_step(statement) == SQLITE_ROW) /* else whoever reads will meet the same trouble */
        version = query_u64(store->data_version, 0);
    sqlite3_reset(statement);
    bool changed = version != store->seen_version;
    store->seen_version = version;
    return changed;
}

bool store_dirty(const struct store *store)
{
    return sqlite3_total_changes(store->db) != store->changes_at_begin;
}

/* The fault points are of commits that change something: there is one a turn, reads included. */
static int commit_step(struct store *store, bool dirty)
{
    int rc = dirty ? FAULT_RESULT(commit_before, SQLITE_DONE, SQLITE_IOERR, SQLITE_FULL) : SQLITE_DONE;
    if (rc != SQLITE_DONE)
        return rc;
    rc = sqlite3_step(store->commit->statement);
    sqlite3_reset(store->commit->statement);
    return dirty ? FAULT_RESULT(commit_after, rc, SQLITE_IOERR_FSYNC, SQLITE_IOERR_FSYNC) : rc;
}

bool store_commit(struct store *store)
{
    ensure(store->in_transaction && !store->failed);
    bool dirty = store_dirty(store);
    uint64_t start_us = dirty ? clock_monotonic_us() : 0;
    int rc = commit_step(store, dirty);
    if (rc == SQLITE_DONE) {
        store->in_transaction = false;
        if (dirty) {
            store->stats.commits++;
            store->stats.commit_us += clock_monotonic_us() - start_us;
        }
        return true;
    }
    /* No room: the write that failed was of a frame at or before the one that carries the commit mark, so the
     * transaction surely did not happen (sqlite.org/walformat.html: a commit counts once its last frame is
     * whole). Anything else may have. */
    if ((rc & 0xff) != SQLITE_FULL)
        fatal_exit(EXIT_IO, "%s: COMMIT failed, whether it happened is unknown: %s (%d)", store->path,
                   sqlite3_errstr(rc), rc);
    store_fail(store, "commit", rc);
    store_rollback(store);
    return false;
}

void store_rollback(struct store *store)
{
    ensure(store->in_transaction);
    for (struct query *query = store->queries; query != NULL; query = query->next)
        sqlite3_reset(query->statement);
    if (!sqlite3_get_autocommit(store->db)) {
        if (sqlite3_step(store->rollback->statement) != SQLITE_DONE)
            fatal_exit(EXIT_IO, "%s: ROLLBACK failed: %s", store->path, sqlite3_errmsg(store->db));
        sqlite3_reset(store->rollback->statement);
    }
    store->in_transaction = false;
    if (store->failed)
        store->unwritable = true;
    store->failed = false;
}

bool store_failed(const struct store *store)
{
    return store->failed;
}

bool store_unwritable(const struct store *store)
{
    return store->unwritable;
}

bool store_probe(struct store *store)
{
    if (store->probe == NULL)
        store->probe = store_prepare(store, "UPDATE engine_meta SET log_id = log_id");
    bool began = store_begin(store);
    if (began)
        query_run(store->probe);
    if (!began || store->failed) {
        store_rollback(store);
        return false;
    }
    if (!store_commit(store))
        return false;
    store->unwritable = false;
    return true;
}

struct query *store_prepare(struct store *store, const char *sql)
{
    struct query *query = xcalloc(1, sizeof(*query));
    query->store = store;
    if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &query->statement, NULL) !=
        SQLITE_OK)
        fatal_exit(EXIT_SOFTWARE, "%s: %s in: %s", store->path, sqlite3_errmsg(store->db), sql);
    query->writes = !sqlite3_stmt_readonly(query->statement);
    query->next = store->queries;
    store->queries = query;
    return query;
}

static int bind_one(sqlite3_stmt *statement, int index, char type, va_list *values)
{
    switch (type) {
    case 'u':
        return sqlite3_bind_int64(statement, index, (sqlite3_int64)va_arg(*values, uint64_t));
    case 'i':
        return sqlite3_bind_int64(statement, index, va_arg(*values, int64_t));
    case 'd':
        return sqlite3_bind_double(statement, index, va_arg(*values, double));
    case 's':
        return sqlite3_bind_text(statement, index, va_arg(*values, const char *), -1, SQLITE_STATIC);
    case 'b': {
        const void *bytes = va_arg(*values, const void *);
        size_t length = va_arg(*values, size_t);
        return sqlite3_bind_blob64(statement, index, bytes, length, SQLITE_STATIC);
    }
    case 'n':
        return sqlite3_bind_null(statement, index);
    default:
        return SQLITE_MISUSE;
    }
}

void query_bind(struct query *query, const char *types, ...)
{
    sqlite3_reset(query->statement);
    va_list values;
    va_start(values, types);
    for (int i = 0; types[i] != '\0'; i++) {
        int rc = bind_one(query->statement, i + 1, types[i], &values);
        ensure(rc != SQLITE_MISUSE && rc != SQLITE_RANGE);
        if (rc != SQLITE_OK)
            store_fail(query->store, "bind", rc);
    }
    va_end(values);
}

static int query_step(struct query *query)
{
    int rc = sqlite3_step(query->statement);
    return query->writes ? FAULT_RESULT(write, rc, SQLITE_IOERR, SQLITE_FULL) : rc;
}

bool query_row(struct query *query)
{
    if (query->store->failed)
        return false;
    int rc = query_step(query);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        store_fail(query->store, sqlite3_sql(query->statement), rc);
    sqlite3_reset(query->statement);
    return false;
}

void query_run(struct query *query)
{
    while (query_row(query))
        ;
}

void query_done(struct query *query)
{
    sqlite3_reset(query->statement);
}

bool query_one_u64(struct query *query, uint64_t *value)
{
    bool found = query_row(query);
    if (found)
        *value = query_u64(query, 0);
    query_done(query);
    return found;
}

uint64_t query_u64(struct query *query, int column)
{
    return (uint64_t)sqlite3_column_int64(query->statement, column);
}

int64_t query_i64(struct query *query, int column)
{
    return sqlite3_column_int64(query->statement, column);
}

double query_double(struct query *query, int column)
{
    return sqlite3_column_double(query->statement, column);
}

bool query_is_null(struct query *query, int column)
{
    return sqlite3_column_type(query->statement, column) == SQLITE_NULL;
}

const char *query_text_peek(struct query *query, int column)
{
    return (const char *)sqlite3_column_text(query->statement, column);
}

char *query_text(struct query *query, int column, struct arena *arena)
{
    const char *text = query_text_peek(query, column);
    return text == NULL ? NULL
                        : arena_strndup(arena, text, (size_t)sqlite3_column_bytes(query->statement, column));
}

const void *query_blob_peek(struct query *query, int column, size_t *length)
{
    const void *bytes = sqlite3_column_blob(query->statement, column);
    *length = (size_t)sqlite3_column_bytes(query->statement, column);
    return bytes;
}

uint64_t store_changes(const struct store *store)
{
    return (uint64_t)sqlite3_changes64(store->db);
}

void store_stats(const struct store *store, struct store_stats *stats)
{
    *stats = store->stats;
}
