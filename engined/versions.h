/*
 * The engine's side of its page of versions (proto/version_page.h): what a turn changed is noted while it is
 * decided, and raised after its COMMIT, before anything of it is answered. Raising what did not change does
 * no harm, so that nothing needs to be taken back when a turn is.
 *
 * Engine's thread only.
 */
#pragma once

#include <stdint.h>

#include "common/attributes.h"
#include "proto/version_page.h"

struct versions;

/*
 * Maps DIR/NAME.versions, making it first if there is none (":memory:": memory of its own), and begins a run:
 * from here on nothing that was read from the page before holds. To be called by whoever holds the engine's
 * lock, before it listens. Exits (EXIT_IO) where the file is there and cannot be used, for workers may have
 * it mapped; without room for a new one there is no page, and nothing is kept by workers.
 */
struct versions *versions_open(const char *dir, const char *name, uint64_t run) MUST_USE;
/* The page stays as it is: what workers keep holds until another run begins. */
void versions_close(struct versions *versions);

/* What is shown of it is about to change. */
void versions_touch(struct versions *versions, enum version_kind kind, uint64_t id);
/* All that is shown may change. */
void versions_touch_all(struct versions *versions);
/* Raises what was touched since the last time. */
void versions_raise(struct versions *versions);

/* Where the log ends: before this process listens, and after each commit, before anything of it is answered.
 */
void versions_log(struct versions *versions, uint64_t log_id, uint64_t seq);

/* NULL: there is none. */
const struct version_page *versions_page(const struct versions *versions);
