/*
 * Fault points: places at which a test makes a running process die, wait, or see its storage fail. They are
 * in the program only when it is built with FORUMD_FAULTS; else every macro here is nothing.
 *
 * A point is armed from outside, at any time: the file $FORUMD_FAULT_DIR/ROLE.POINT, moved there whole, holds
 *
 *   [after=N] action=kill|abort|eio|enospc|delay [ms=M] [always] [match=TEXT]
 *
 * ROLE is an engine's domain, or "worker". The process counts the passages that match (the frame's payload
 * holds TEXT; no white space in it) and acts at the N-th (1). Who removes the file acts: so it fires once,
 * whatever restarts come, and its absence says that it fired. With `always` it fires at every passage from
 * the N-th on, until somebody else removes the file. A file that cannot be understood ends the process
 * (EXIT_USAGE).
 *
 * eio and enospc are seen as the storage's answer, at points that have one (FAULT_RESULT).
 */
#pragma once

#ifdef FORUMD_FAULTS

#include <stddef.h>

#include "common/fault_points.h"

enum fault_point {
#define X(name, what) FAULT_##name,
    FAULT_POINTS(X)
#undef X
        FAULT_POINT_COUNT
};

enum fault_error { FAULT_NO_ERROR, FAULT_EIO, FAULT_ENOSPC };

/* Once, before the first point is passed. Does nothing without FORUMD_FAULT_DIR. */
void fault_open(const char *role);
/* Takes in what was armed or disarmed since: to be called where the loop's turn begins. Thread of fault_open.
 */
void fault_look(void);
/* Any thread. `bytes` may be NULL: no match then. */
enum fault_error fault_pass(enum fault_point point, const void *bytes, size_t length);
int fault_result(enum fault_error error, int fine, int eio, int enospc);

#define FAULT_OPEN(role)                  fault_open(role)
#define FAULT_LOOK()                      fault_look()
#define FAULT_POINT(point)                ((void)fault_pass(FAULT_##point, NULL, 0))
#define FAULT_MATCH(point, bytes, length) ((void)fault_pass(FAULT_##point, bytes, length))
#define FAULT_RESULT(point, fine, eio, enospc)                                                               \
    fault_result(fault_pass(FAULT_##point, NULL, 0), fine, eio, enospc)

#else

#define FAULT_OPEN(role)                       ((void)0)
#define FAULT_LOOK()                           ((void)0)
#define FAULT_POINT(point)                     ((void)0)
#define FAULT_MATCH(point, bytes, length)      ((void)0)
#define FAULT_RESULT(point, fine, eio, enospc) (fine)

#endif
