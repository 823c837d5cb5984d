/*
 * The engine's copy of its own file, as `forumctl backup` asks for it (EngineCopy in proto/engine.proto): one
 * at a time, into STATE-DIR/backup.tmp/DOMAIN.db - the state directory is the one place where an engine may
 * write. Whoever asked takes the file from there.
 *
 * A copy has the id that its asker gave it. One that nobody asked about for LIMIT_COPY_IDLE_MS is given up,
 * and its file removed: its asker is gone.
 */
#pragma once

#include <stdint.h>

#include "common/attributes.h"
#include "engined/store.h"
#include "proto/engine.pb-c.h"

#define COPYING_DIR "backup.tmp"
#define STATE_RESTORING_DIR                                                                                  \
    "restore.tmp" /* there while `forumctl restore` is at work: no engine starts then */

struct copying;

struct copying *copying_new(struct store *store, const char *state_dir, const char *name) MUST_USE;
void copying_free(struct copying *copying); /* before the store is closed */

/* Begins, tells how far it is, or ends. *copied is initialised; its texts live until the next call. */
void copying_ask(struct copying *copying, const Pb__EngineCopy *ask, uint64_t now_ms,
                 Pb__EngineCopied *copied);
/* After the commit, outside any transaction. */
void copying_turn(struct copying *copying, uint64_t now_ms);
/* When the next step is due; UINT64_MAX: there is none. */
uint64_t copying_next_ms(const struct copying *copying);
