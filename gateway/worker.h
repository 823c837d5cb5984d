/* A worker process: one thread, one event loop; HTTP in front, engines behind. Started by the master. */
#pragma once

#include "common/attributes.h"
#include "gateway/options.h"

#define WORKER_DRAIN_MS  9000 /* SIGTERM to exit at the latest; below LIMIT_STOP_MS */
#define WORKER_SPARE_FDS 128  /* descriptors that connections leave for everything else */

/* Runs until SIGTERM (drains first), or until the master is gone. Returns the exit code. log_open and
 * sodium_init were called. */
int worker_main(const struct gateway_options *options) MUST_USE;
