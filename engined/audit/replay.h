/*
 * A domain's tables made anew, in a new file: its log is applied from the beginning, and of each source that
 * it follows the events up to its cursor. So the new file is what the old one must be.
 *
 * It works in a process of its own, because a log that is damaged may trip an assertion of who applies it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "engined/domain.h"
#include "engined/store_offline.h"

struct replay {
    const char *dir; /* where the files are */
    enum store_access access;
    const struct domain *domain;
    const char *out_dir;                                        /* DOMAIN.db is made there */
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* in events; in the other process */
    void *arg;
};

/*
 * Call it with no store open and no thread running. False: the log cannot be applied; a line on stderr tells.
 * In the new file, a source whose events were applied has its row in `cursors`; that of another log, or of a
 * file that is not there, has none and its table is empty. Events, requests and what else is not made from
 * logs are not in it; it is not synced.
 */
bool replay_run(const struct replay *replay) MUST_USE;

/* Whether the source knows what the follower at this place read. */
bool replay_place_is_known(struct store *source, uint64_t log_id, uint64_t seq) MUST_USE;
/* "DIR/DOMAIN.db". */
#define REPLAY_PATH_BYTES 4096
void replay_path(const char *dir, const struct domain *domain, char *out);
