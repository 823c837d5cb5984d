#include "engined/store_offline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fatal.h"
#include "engined/store_state.h"

#define URI_BYTES 12288

/* As a URI: what means something there is percent-encoded. */
static bool uri_of(const char *path, enum store_access access, char out[static URI_BYTES])
{
    static const char *const modes[] = {
        [STORE_READ_SEALED] = "?mode=ro&immutable=1", [STORE_READ] = "?mode=ro", [STORE_CHANGE] = "?mode=rw"};
    size_t length = (size_t)snprintf(out, URI_BYTES, "file:");
    for (const char *at = path; *at != '\0'; at++) {
        bool plain = *at != '?' && *at != '#' && *at != '%';
        if (length + 32 > URI_BYTES)
            return false;
        length +=
            (size_t)snprintf(out + length, URI_BYTES - length, plain ? "%c" : "%%%02x", (unsigned char)*at);
    }
    snprintf(out + length, URI_BYTES - length, "%s", modes[access]);
    return true;
}

struct store *store_open_file(const char *path, enum store_access access, char *why)
{
    char uri[URI_BYTES];
    if (path == NULL) {
        snprintf(uri, sizeof(uri), "file::memory:");
    } else if (!uri_of(path, access, uri)) {
        snprintf(why, STORE_WHY_BYTES, "the name is too long");
        return NULL;
    }
    struct store *store = xcalloc(1, sizeof(*store));
    store->told = true;
    store->path = xstrdup(path != NULL ? path : "memory");
    int flags = (access == STORE_CHANGE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_URI |
                SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(uri, &store->db, flags, NULL);
    /* An open reads nothing: only this tells whether it is a database. */
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(store->db, "PRAGMA temp_store=FILE; SELECT count(*) FROM sqlite_schema", NULL, NULL,
                          NULL);
    if (rc == SQLITE_OK)
        return store;
    snprintf(why, STORE_WHY_BYTES, "%s", store->db != NULL ? sqlite3_errmsg(store->db) : sqlite3_errstr(rc));
    store_close(store);
    return NULL;
}

bool store_attach(struct store *store, const char *path, enum store_access access, const char *name,
                  char *why)
{
    char uri[URI_BYTES];
    if (!uri_of(path, access, uri)) {
        snprintf(why, STORE_WHY_BYTES, "the name is too long");
        return false;
    }
    struct query *attach = store_try_prepare(store, "ATTACH ?1 AS ?2", why);
    if (attach == NULL)
        return false;
    query_bind(attach, "ss", uri, name);
    query_run(attach);
    query_drop(attach);
    if (!store->failed)
        return true;
    snprintf(why, STORE_WHY_BYTES, "%s", store_error(store));
    return false;
}

struct query *store_try_prepare(struct store *store, const char *sql, char *why)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        snprintf(why, STORE_WHY_BYTES, "%s", sqlite3_errmsg(store->db));
        return NULL;
    }
    struct query *query = xcalloc(1, sizeof(*query));
    query->store = store;
    query->statement = statement;
    query->next = store->queries;
    store->queries = query;
    store->failed = false;
    return query;
}

void query_drop(struct query *query)
{
    if (query == NULL)
        return;
    struct query **at = &query->store->queries;
    while (*at != query)
        at = &(*at)->next;
    *at = query->next;
    sqlite3_finalize(query->statement);
    free(query);
}

bool store_run(struct store *store, const char *sql, char *why)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    snprintf(why, STORE_WHY_BYTES, "%s", sqlite3_errmsg(store->db));
    return false;
}

const char *store_error(const struct store *store)
{
    return sqlite3_errmsg(store->db);
}

bool store_number(struct store *store, const char *sql, uint64_t *number)
{
    char why[STORE_WHY_BYTES];
    struct query *query = store_try_prepare(store, sql, why);
    if (query == NULL)
        return false;
    bool found = query_row(query) && !query_is_null(query, 0);
    if (found)
        *number = query_u64(query, 0);
    query_drop(query);
    return found;
}

bool store_settle(const char *path, char *why)
{
    char log[4096];
    struct store *store = store_open_file(path, STORE_CHANGE, why);
    if (store == NULL)
        return false;
    bool fine = store_run(store, "PRAGMA wal_checkpoint(TRUNCATE)", why);
    store_close(store);
    if (snprintf(log, sizeof(log), "%s-wal", path) >= (int)sizeof(log) || (fine && access(log, F_OK) == 0)) {
        snprintf(why, STORE_WHY_BYTES, "its write-ahead log stays: another process has it open");
        return false;
    }
    return fine;
}
