/* The state directory: made if missing, locked against a second launcher. */
#pragma once

#include <stddef.h>

#include "common/attributes.h"

/* "DIR/NAME"; exits if that does not fit. */
void state_dir_path(const char *dir, const char *name, char *out, size_t size);

/* Where an installed forum is (deploy/systemd): what administrators' commands use where nothing else is. */
#define INSTALLED_STATE_DIR "/var/lib/forumd"
#define INSTALLED_KEYS_DIR  "/etc/forumd"

/* "./state", or INSTALLED_STATE_DIR where only that is there. */
const char *state_dir_default(void) MUST_USE;
/* "DIR/NAME" of a key, or the one in INSTALLED_KEYS_DIR where only that is there. */
void state_dir_key_path(const char *dir, const char *name, char *out, size_t size);

/* Syncs a directory: a name is safe only when its directory is. */
void state_dir_sync(const char *dir);

/* Makes the directory (0700) unless it is there. Exits with one clear line on trouble. */
void state_dir_make(const char *dir);
/* Takes its lock, held as long as the process lives. Exits: EXIT_UNAVAILABLE when another launcher has it.
 * Returns the lock's descriptor. */
int state_dir_lock(const char *dir) MUST_USE;
/* Takes NAME.lock there, as the engine NAME does: held until the descriptor is closed. -1: somebody has it.
 * Exits on trouble. */
int state_dir_lock_name(const char *dir, const char *name) MUST_USE;
/* What root makes there is to belong to whom the directory belongs to. Exits on trouble. */
void state_dir_give(const char *dir, int fd);
