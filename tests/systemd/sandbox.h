/*
 * Real systemd as PID 1 in a sandbox (tests/systemd/sandbox), with forumd installed as its package would, for
 * one test. Nothing of it outlives the test. Where the machine does not allow it the test is skipped, and a
 * line "skipped: why" says so.
 */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"

struct sandbox;

/* systemd is up; limits on requests are off; nothing of forumd is started. */
struct sandbox *sandbox_open(void) MUST_USE;
/* And forumd.target is, and /ready says 200. */
struct sandbox *sandbox_open_started(void) MUST_USE;

/* Runs a bash script inside. Its functions: those of tests/systemd/functions. Returns what it printed; fails
 * the test unless it ends well within 60 s. */
PRINTF_LIKE(2, 3) const char *sandbox_run(const struct sandbox *sandbox, const char *format, ...);
/* How it ended instead; what it printed is lost. */
PRINTF_LIKE(2, 3) MUST_USE int sandbox_try(const struct sandbox *sandbox, const char *format, ...);

/* Beside what else happens: forumd-sim load with 64 clients, then forumd-sim verify. */
struct sandbox_load;
struct sandbox_load *sandbox_load_start(const struct sandbox *sandbox, unsigned seconds) MUST_USE;
bool sandbox_load_runs(const struct sandbox_load *load) MUST_USE;
/* Waits for its end. Fails the test unless every request was answered 2xx and nothing differs. `what` stands
 * in the line of figures for the report. */
void sandbox_load_check(struct sandbox_load *load, const char *what);
