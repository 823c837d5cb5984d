/*
 * The engine's SQLite file: the only code that knows its connection. Used by the actor's thread alone (the
 * checkpoint helper has a connection of its own inside store.c).
 *
 * Errors are sticky: after the first SQLite error inside a transaction, queries give no more rows, runs do
 * nothing, and store_failed is true until the transaction ended. So handlers read and write without checking
 * each step; the actor looks at store_failed before it uses what they said, and rolls back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"

struct store;
struct query; /* a prepared statement; belongs to the store and ends with it */

enum store_sync { STORE_SYNC_FULL, STORE_SYNC_NORMAL };

/* Opens DIR/NAME.db (":memory:" as dir: a private database for unit tests) in WAL mode and starts the
 * checkpoint helper. Exits with one clear line when the file cannot be opened or is not a database. */
struct store *store_open(const char *dir, const char *name, enum store_sync sync) MUST_USE;
void store_close(struct store *store);

/* Runs the migrations that the file has not seen (PRAGMA user_version = how many it has) in one transaction.
 * `alive` (may be NULL) is called every so often on long ones. Exits (EXIT_DATA) when the file is newer than
 * `count`. */
void store_migrate(struct store *store, const char *const *migrations, size_t count, void (*alive)(void *arg),
                   void *arg);

bool store_begin(struct store *store) MUST_USE;
/* True: durable. False: an error before COMMIT was rolled back (nothing happened). An error from COMMIT
 * itself ends the process (EXIT_IO): whether it happened is unknown, and only recovery tells. */
bool store_commit(struct store *store) MUST_USE;
void store_rollback(struct store *store);
/* Inside a transaction, before anything else is done in it: whether somebody else (a person with the sqlite3
 * shell) changed the file since this was last asked. What memory mirrors may not be so any more then. */
bool store_changed_by_another(struct store *store) MUST_USE;
bool store_failed(const struct store *store);
/* Whether the open transaction wrote anything. */
bool store_dirty(const struct store *store);
/* True when the last failure was of the storage and no probe write has succeeded since: writes are refused
 * meanwhile. */
bool store_unwritable(const struct store *store);
/* SQLite's answer to PRAGMA synchronous on the connection that commits: 0 off, 1 normal, 2 full. */
unsigned store_synchronous(struct store *store) MUST_USE;
/* Tries a write in a transaction of its own; to be called once a second while unwritable. */
bool store_probe(struct store *store);

/* Exits (EXIT_SOFTWARE) on SQL that does not compile: that is our mistake. */
struct query *store_prepare(struct store *store, const char *sql) MUST_USE;

/* Binds ?1, ?2, … by one letter each: u uint64_t, i int64_t, d double, s const char * (NULL: null; the text
 * must live until the query is done), b const void * and size_t (NULL: null), n null. Resets the query first.
 */
void query_bind(struct query *query, const char *types, ...);
/* Steps: true while there is a row. When it gives false the query is reset. */
bool query_row(struct query *query);
/* Steps to the end. */
void query_run(struct query *query);
/* Ends it early: needed when rows may be left. */
void query_done(struct query *query);
/* bind, one row or none: false and *value untouched when there is none. Done afterwards. */
bool query_one_u64(struct query *query, uint64_t *value);

uint64_t query_u64(struct query *query, int column);
int64_t query_i64(struct query *query, int column);
double query_double(struct query *query, int column);
bool query_is_null(struct query *query, int column);
/* Copies into the arena; NULL for null. */
char *query_text(struct query *query, int column, struct arena *arena);
/* Valid until the next step; NULL for null. */
const char *query_text_peek(struct query *query, int column);
const void *query_blob_peek(struct query *query, int column, size_t *length);
/* Rows the last query_run changed. */
uint64_t store_changes(const struct store *store);

struct store_stats {
    uint64_t commits, commit_us, wal_pages;
    uint64_t last_commit_us; /* how long it took */
};
void store_stats(const struct store *store, struct store_stats *stats);
/* The file and its write-ahead log, on the disk. 0: in memory. */
uint64_t store_bytes(const struct store *store) MUST_USE;
