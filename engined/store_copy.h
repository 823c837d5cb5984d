/*
 * The store's file copied while the actor works: a step between two turns, bounded in time. What the actor
 * commits meanwhile goes into the copy too (sqlite.org/backup.html: changes through the same connection), so
 * the copy is the file as it is when the last step ends, and no write makes it begin anew. A change by
 * another process does.
 *
 * Trouble is the copy's alone: the store goes on.
 */
#pragma once

#include <stdint.h>

#include "common/attributes.h"
#include "engined/store.h"

struct store_copy;
enum store_copy_state { STORE_COPY_RUNNING, STORE_COPY_DONE, STORE_COPY_FAILED };

/* Into a new file; one that is there is replaced. Never NULL: what goes wrong shows in the state. */
struct store_copy *store_copy_begin(struct store *store, const char *path) MUST_USE;
/* Outside any transaction. Copies pages for LIMIT_COPY_STEP_US, or to the end. The copy is not synced: that
 * would take as long as the storage likes, and whoever takes the file away can do it. */
void store_copy_step(struct store_copy *copy);
enum store_copy_state store_copy_state(const struct store_copy *copy);
const char *store_copy_error(const struct store_copy *copy); /* of a failed one */
void store_copy_pages(const struct store_copy *copy, uint64_t *done, uint64_t *total);
/* Before the store is closed. The file of an unfinished copy is removed. NULL is fine. */
void store_copy_free(struct store_copy *copy);
