/* Other processes, as /proc shows them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/attributes.h"

#define PROC_MAX 256

/* Children, their children, ... of `root`, itself not among them; at most `max`. */
size_t proc_descendants(pid_t root, pid_t *out, size_t max) MUST_USE;
/* What `ps` shows: the title or the command line, its words parted by spaces; "" if there is no such process.
 */
const char *proc_title(pid_t pid) MUST_USE;
/* 'R', 'S', 'T', 'Z', ...; 0 if there is no such process. */
char proc_state(pid_t pid) MUST_USE;
/* There is one that is not a zombie. */
bool proc_alive(pid_t pid) MUST_USE;
