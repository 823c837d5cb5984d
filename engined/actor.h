/*
 * The daemon's loop: one thread that drains the listener and the peers' answers, drives the engine turn by
 * turn, and feeds the watchdog - so that a loop that stands still looks like one.
 */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"
#include "engined/domain.h"

struct actor_options {
    const char *state_dir;
    const char *mac_key_path;
    unsigned port_base;
    const char *token_key_path; /* NULL: this engine gives no tokens */
    unsigned password_processes;
    unsigned slow_ms; /* requests that take that long get a line in the log; 0: none does */
};

/* Locks DOMAIN.lock in the state directory, opens the engine, listens, and runs until SIGTERM, SIGINT or the
 * parent's end. Returns the process's exit code. */
int actor_run(const struct domain *domain, const struct actor_options *options) MUST_USE;
