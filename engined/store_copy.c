#include "engined/store_copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "common/log.h"
#include "engined/store_state.h"

#define PAGES_A_LOOK 16 /* between two looks at the clock */

struct store_copy {
    struct store *store;
    char *path;
    sqlite3 *to;
    sqlite3_backup *backup; /* while it runs */
    enum store_copy_state state;
    uint64_t pages_done, pages_total;
    char error[128];
};

static void finish(struct store_copy *copy)
{
    if (copy->backup != NULL)
        sqlite3_backup_finish(copy->backup);
    copy->backup = NULL;
    if (copy->to != NULL)
        sqlite3_close(copy->to);
    copy->to = NULL;
}

static void fail(struct store_copy *copy, const char *what, const char *why)
{
    snprintf(copy->error, sizeof(copy->error), "%s: %s", what, why);
    log_warn("a copy of the file failed to=%s error=\"%s\"", copy->path, copy->error);
    finish(copy);
    (void)!unlink(copy->path);
    copy->state = STORE_COPY_FAILED;
}

/* No journal, no sync: half a copy is of no use to anybody. A small cache, so that pages are written as they
 * come, not all in the last step. */
static bool open_target(struct store_copy *copy)
{
    if (unlink(copy->path) != 0 && errno != ENOENT) {
        fail(copy, "cannot remove an older copy", strerror(errno));
        return false;
    }
    int rc = sqlite3_open_v2(copy->path, &copy->to,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(copy->to,
                          "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=64; "
                          "PRAGMA locking_mode=EXCLUSIVE",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        copy->backup = sqlite3_backup_init(copy->to, "main", copy->store->db, "main");
    if (copy->backup != NULL)
        return true;
    fail(copy, "cannot begin", copy->to != NULL ? sqlite3_errmsg(copy->to) : sqlite3_errstr(rc));
    return false;
}

struct store_copy *store_copy_begin(struct store *store, const char *path)
{
    struct store_copy *copy = xcalloc(1, sizeof(*copy));
    copy->store = store;
    copy->path = xstrdup(path);
    copy->state = STORE_COPY_RUNNING;
    if (open_target(copy))
        log_info("copying the file to=%s", copy->path);
    return copy;
}

static void note_pages(struct store_copy *copy)
{
    copy->pages_total = (uint64_t)sqlite3_backup_pagecount(copy->backup);
    copy->pages_done = copy->pages_total - (uint64_t)sqlite3_backup_remaining(copy->backup);
}

void store_copy_step(struct store_copy *copy)
{
    ensure(!copy->store->in_transaction);
    uint64_t end_us = clock_monotonic_us() + LIMIT_COPY_STEP_US;
    while (copy->state == STORE_COPY_RUNNING && clock_monotonic_us() < end_us) {
        int rc = FAULT_RESULT(copy, SQLITE_OK, SQLITE_IOERR, SQLITE_FULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_backup_step(copy->backup, PAGES_A_LOOK);
        if (rc == SQLITE_OK || rc == SQLITE_DONE)
            note_pages(copy);
        if (rc == SQLITE_DONE) {
            finish(copy);
            copy->state = STORE_COPY_DONE;
            log_info("the copy is complete to=%s pages=%llu", copy->path,
                     (unsigned long long)copy->pages_total);
        } else if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
            return; /* another process is at the file: in a later turn */
        } else if (rc != SQLITE_OK) {
            fail(copy, "cannot go on", sqlite3_errstr(rc));
        }
    }
}

enum store_copy_state store_copy_state(const struct store_copy *copy)
{
    return copy->state;
}

const char *store_copy_error(const struct store_copy *copy)
{
    return copy->error;
}

void store_copy_pages(const struct store_copy *copy, uint64_t *done, uint64_t *total)
{
    *done = copy->pages_done;
    *total = copy->pages_total;
}

void store_copy_free(struct store_copy *copy)
{
    if (copy == NULL)
        return;
    finish(copy);
    if (copy->state == STORE_COPY_RUNNING)
        (void)!unlink(copy->path);
    free(copy->path);
    free(copy);
}
