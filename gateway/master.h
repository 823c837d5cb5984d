/*
 * The master: binds the port, runs the workers (fork and exec of this same program), replaces those that die,
 * reloads on SIGHUP (new workers first; when all serve, the old ones drain), stops on SIGTERM. Touches
 * neither NNG nor HTTP.
 */
#pragma once

#include "common/attributes.h"
#include "gateway/options.h"

/* Returns the process's exit code. */
int master_run(const struct gateway_options *options) MUST_USE;
