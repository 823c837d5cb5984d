/* The state directory: made if missing, locked against a second launcher, with the key that seals batches. */
#pragma once

#include "common/attributes.h"

/* Makes the directory (0700) and takes its lock, held as long as the process lives. Exits with one clear
 * line: EXIT_UNAVAILABLE when another launcher has it. Returns the lock's descriptor. */
int state_dir_open(const char *dir) MUST_USE;

/* Makes DIR/mac.key when there is none; an existing one is checked. `path` gets its name. Exits on trouble.
 */
void state_dir_key(const char *dir, char *path, unsigned path_size);
