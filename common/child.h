/*
 * One supervised child: its process, its state and its timers. Internal to supervise.c, and open to its
 * tests. What the states mean and when a child is restarted is in supervise.h.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "common/notify_socket.h"
#include "common/supervise.h"

/* The most that one EXTEND_TIMEOUT_USEC may ask for. */
#define LIMIT_EXTEND_MS (10ull * 60 * 1000)

/* What the supervisor lends to each child. */
struct child_lendings {
    const char *notify_address;
    int lifeline_fd;
    int null_fd;
};

/* `watch` may be NULL. */
struct child *child_new(const struct child_spec *spec, supervisor_watch_fn watch, void *watch_arg) MUST_USE;
void child_free(struct child *child); /* in state STOPPED */

/* From STOPPED or BACKOFF to STARTING (or, if the system has no process to give, on to BACKOFF). */
void child_start(struct child *child, const struct child_lendings *lendings, uint64_t now_ms);
/* A message of the child's process came. */
void child_notified(struct child *child, const struct notice *notice, uint64_t now_ms);
/* Looks whether the process ended. If so: BACKOFF, or STOPPED if the child is retired or `final`. */
void child_reap(struct child *child, bool final, uint64_t now_ms);

/* SIGTERM to what runs (STOPPING), end of BACKOFF. No restart follows. */
void child_stop(struct child *child, uint64_t now_ms);
/* The same with DRAINING and another grace time. */
void child_retire(struct child *child, uint64_t grace_ms, uint64_t now_ms);
/* SIGKILL to the process and its group, if there is one. */
void child_kill(struct child *child);

bool child_is_retired(const struct child *child);
bool child_was_killed(const struct child *child); /* it did not stop in time, or child_kill; not: it hung */
int child_stop_rank(const struct child *child);

/* When child_expire has something to do; UINT64_MAX: never. */
uint64_t child_deadline_ms(const struct child *child);
/* Acts on a deadline that passed: kills what is hung or does not stop. True: a BACKOFF ended, start it. */
bool child_expire(struct child *child, uint64_t now_ms) MUST_USE;
/* Nobody watched for that long: moves the deadlines of running processes. */
void child_forgive(struct child *child, uint64_t unwatched_ms);

/* The delay before the next start, after that many failures in a row (0: at once). */
uint64_t restart_delay_ms(unsigned failures);
bool child_transition_allowed(enum child_state from, enum child_state to);
