/*
 * A whole forum for a test: the launcher with all its processes, a private state directory, private ports,
 * one log file. Nothing of it outlives the test (keeper.h).
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/attributes.h"
#include "tests/lib/http.h"
#include "tests/lib/keeper.h"

#define FORUM_START_MS 30000 /* until /ready says 200; also under sanitizers on a busy machine */
#define FORUM_STOP_MS  20000
#define FORUM_LEFT_MS  5000 /* for orphans, after the launcher's end */

struct forum;

struct forum_spec {
    const char *name;         /* of the log file: the test's */
    unsigned workers;         /* 0: 2 */
    const char *state;        /* a directory for its state; NULL: a new one */
    const char *const *flags; /* more for the launcher, NULL-terminated; NULL: none */
    const char *const *env;   /* "NAME=value" for all its processes, NULL-terminated; NULL: none */
};

/* Starts one and waits until it is ready. `spec` may be NULL. Fails the test if it doesn't get there. */
struct forum *forum_start(const struct forum_spec *spec) MUST_USE;
/* The one that forum_main started for all tests of this program. */
struct forum *forum_attach(void) MUST_USE;

unsigned forum_port(const struct forum *forum);
unsigned forum_engines_port_base(const struct forum *forum); /* --port-base */
const char *forum_state_directory(const struct forum *forum);
const char *forum_log(const struct forum *forum); /* all of it until now */
/* This program's directory for files; removed at its end. */
const char *forum_run_directory(void);
/* Where an executable is: in FORUMD_BIN_DIR if it is there, else that of the test's own build. */
const char *forum_executable(const char *name) MUST_USE;

/* Waits until /ready says 200. */
bool forum_wait_ready(struct forum *forum, unsigned timeout_ms) MUST_USE;

/* Processes. A role is a part of the title that ps shows: "forumd-engined: posts". */
pid_t forum_launcher(const struct forum *forum);
size_t forum_processes(const struct forum *forum, const char *role, pid_t *out, size_t max) MUST_USE;
pid_t forum_process(const struct forum *forum,
                    const char *role) MUST_USE; /* fails the test if there is none */
/* Kills and waits until another process has the role and /ready says 200. */
void forum_kill_and_wait_for_another(struct forum *forum, const char *role);

/* Sends the launcher `signal` and waits for its end; returns the exit code (128 + the signal that ended it).
 * Then no process may be left, and the log may hold neither a sanitizer's report nor a broken invariant: else
 * the test fails. */
int forum_stop(struct forum *forum, int signal);
/* After forum_stop or forum_kill: again on the same state and ports. */
void forum_start_again(struct forum *forum);
/* The same where it may fail: false when it ended or did not get ready in time; then it is stopped again. */
bool forum_try_again(struct forum *forum, unsigned timeout_ms) MUST_USE;
/* kill -9 of everything at once: what a power cut is to processes. */
void forum_kill(struct forum *forum);
/* A line of the log that no healthy server writes, or NULL. */
const char *forum_trouble(const struct forum *forum) MUST_USE;

/* The launcher on the state and ports of `other` (NULL: ports and state of its own), not waited for: for
 * starts that must fail. `flags` as above. */
struct keeper *forum_launch(const struct forum *other, const char *const *flags, const char *output) MUST_USE;

PRINTF_LIKE(2, 3) MUST_USE struct reply *forum_get(const struct forum *forum, const char *path_format, ...);
struct reply *forum_post(const struct forum *forum, const char *path, const char *body) MUST_USE;
/* With header lines, each ended by \r\n. `body` NULL: none. */
struct reply *forum_request(const struct forum *forum, const char *method, const char *path,
                            const char *headers, const char *body) MUST_USE;
