/* A child's end of the pipe that tells it that its parent is gone (see supervise.h). */
#pragma once

/* The descriptor from FORUMD_LIFELINE_FD, CLOEXEC and non-blocking, or -1 when started by hand. Readable
 * means: exit. */
int lifeline_open(void);
