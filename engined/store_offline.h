/*
 * Files that no engine has open: read by checks, restored and rebuilt. What is opened here is used like a
 * store of store.h, but for transactions; without a checkpoint helper. Trouble with a file is told, not
 * fatal: who looks for damage will find some.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "engined/store.h"

enum store_access {
    STORE_READ_SEALED, /* nobody writes the file, and it has no write-ahead log: a backup. Nothing is made
                          beside it */
    STORE_READ,        /* with what is in its write-ahead log */
    STORE_CHANGE,
};

#define STORE_WHY_BYTES 256

/* NULL: why[STORE_WHY_BYTES] says why not. `path` NULL: an empty database in memory, for others to be
 * attached to. */
struct store *store_open_file(const char *path, enum store_access access, char *why) MUST_USE;
/* Another file beside the first; its tables are NAME.TABLE. */
bool store_attach(struct store *store, const char *path, enum store_access access, const char *name,
                  char *why) MUST_USE;
/* As store_prepare, but NULL for SQL that does not fit the file's tables. */
struct query *store_try_prepare(struct store *store, const char *sql, char *why) MUST_USE;
/* Ends one before its store. NULL is fine. */
void query_drop(struct query *query);
/* Statements without rows; several are parted by semicolons. */
bool store_run(struct store *store, const char *sql, char *why) MUST_USE;
/* What the last error was. */
const char *store_error(const struct store *store);
/* One number; false: no row, or trouble. */
bool store_number(struct store *store, const char *sql, uint64_t *number) MUST_USE;
/* Whether what is committed is in the file itself, so that it can be moved alone; writes it there if need be.
 */
bool store_settle(const char *path, char *why) MUST_USE;
