/* The store's inside, shared by store.c (the actor's transactions), store_copy.c (its file, copied while it
 * runs) and store_offline.c (files that no engine has open). Private to them. */
#pragma once

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>

#include "engined/store.h"

/* Checkpoints (PASSIVE) on a thread and connection of its own, so that copying pages back never delays an
 * answer. */
struct checkpointer {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool running, wanted, stop;
    sqlite3 *db; /* used by the thread alone once it runs */
    char *path;
};

struct query {
    struct store *store;
    sqlite3_stmt *statement;
    bool writes;
    struct query *next;
};

struct store {
    sqlite3 *db;
    char *path;
    struct query *queries;
    struct query *begin, *commit, *rollback, *probe, *data_version;
    uint64_t seen_version;
    struct checkpointer checkpointer;
    struct store_stats stats;
    int wal_limit_pages;
    int changes_at_begin;
    bool told; /* errors are told by whoever uses it, not logged */
    bool in_transaction;
    bool failed;     /* in this transaction */
    bool unwritable; /* since the last failed write */
    void (*alive)(void *arg);
    void *alive_arg;
};

/* Notes the trouble; the transaction has failed from then on. */
void store_fail(struct store *store, const char *what, int result);
/* Without rows. Exits on trouble. */
void store_run_sql(struct store *store, const char *sql);
