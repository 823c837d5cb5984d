/*
 * The two ways a process ends by its own decision, and allocation that cannot fail.
 *
 * A request from outside never leads here: bad input is a status (proto/status.h).
 */
#pragma once

#include <stddef.h>

#include "common/attributes.h"

/* Exit codes of startup trouble (sysexits.h numbers, so that systemd shows their names). */
enum exit_code {
    EXIT_USAGE = 64,       /* a flag or setting is wrong */
    EXIT_DATA = 65,        /* a file is not what it must be */
    EXIT_UNAVAILABLE = 69, /* a port or lock is taken */
    EXIT_SOFTWARE = 70,    /* a broken invariant */
    EXIT_OS = 71,          /* the system refused a resource */
    EXIT_IO = 74,          /* storage said "unknown": the restart recovers */
    EXIT_CONFIG = 78,      /* settings contradict each other */
};

/* One clear line to stderr, then exit: for startup trouble, and for storage that cannot be trusted any more.
 */
NO_RETURN PRINTF_LIKE(2, 3) void fatal_exit(enum exit_code code, const char *format, ...);

/* An invariant. Stays on in release builds: one line with the place, then abort(). */
#define ensure(condition) ((condition) ? (void)0 : fatal_invariant(#condition, __FILE__, __LINE__))
NO_RETURN void fatal_invariant(const char *condition, const char *file, int line);

/* malloc and friends that abort with one line when memory is out. Free with free(). */
void *xmalloc(size_t size) MUST_USE;
void *xcalloc(size_t count, size_t size) MUST_USE;
void *xrealloc(void *old, size_t size) MUST_USE;
char *xstrdup(const char *text) MUST_USE;
