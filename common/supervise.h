/*
 * Runs children and keeps them running: shared by the launcher (gateway and engines) and the gateway master
 * (workers). fork + exec; each child gets NOTIFY_SOCKET (the supervisor's own datagram socket; sender known
 * by SCM_CREDENTIALS), WATCHDOG_USEC, FORUMD_RESTARTS (how often it was restarted), FORUMD_LIFELINE_FD (read
 * end of a pipe whose write end only the supervisor has: end-of-file there means the parent is gone and the
 * child must exit; see lifeline.h), and the descriptors that its spec names; stdin is /dev/null, everything
 * else is closed. A child's process group is its own, so that Ctrl-C reaches only the supervisor, which stops
 * its children in order. Signal mask and dispositions are the defaults.
 *
 * Child states and the allowed transitions stand in one table in child.c; any other transition is a broken
 * invariant.
 *   STOPPED -> STARTING -> RUNNING -> STOPPING -> STOPPED;  STARTING|RUNNING -> BACKOFF -> STARTING;
 *   STARTING|RUNNING -> HUNG (killed) -> BACKOFF;  DRAINING: replaced by a newer copy, allowed to finish; ->
 *   STOPPED
 *
 * Restart: at once after a first failure, after each further one later: LIMIT_RESTART_MIN_MS, doubling to
 * LIMIT_RESTART_MAX_MS. Service (from READY=1 to the end) makes failures forgotten, one per LIMIT_FORGIVE_MS;
 * what is left over counts for the next time. So kills from outside that leave a child a quarter of a second
 * each never delay it, one that dies in less than that backs off further each time, and even from the longest
 * delay three seconds of service lead back to "at once". A start that fails is no service. How a process
 * ended makes no difference: the kernel's SIGKILL for want of memory looks like an operator's. Only the child
 * backs off, never the rest, and it is never given up.
 *
 * A child is hung when STARTING longer than its start timeout (EXTEND_TIMEOUT_USEC extends), or RUNNING
 * without WATCHDOG=1 for hang_timeout_ms: SIGKILL, restart. Time in which the supervisor itself did not run
 * is not held against a child.
 *
 * One thread. SIGCHLD, SIGTERM, SIGINT, SIGHUP are blocked from supervisor_new to supervisor_free and read
 * through a signalfd by supervisor_run. One supervisor per process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attributes.h"

enum child_state {
    CHILD_STOPPED,  /* no process */
    CHILD_STARTING, /* until READY=1 */
    CHILD_RUNNING,
    CHILD_BACKOFF,  /* no process; started again after a delay */
    CHILD_HUNG,     /* sent SIGKILL, not yet reaped */
    CHILD_STOPPING, /* sent SIGTERM because the supervisor stops */
    CHILD_DRAINING, /* sent SIGTERM by supervisor_retire */
};
#define CHILD_STATE_COUNT (CHILD_DRAINING + 1)
const char *child_state_name(enum child_state state);

struct child_spec {
    const char *name;        /* "posts", "gateway", "worker 1": for the log */
    const char *const *argv; /* argv[0] is the path to execute; NULL-terminated; copied */
    const int
        *inherit_fds; /* kept open under the same number (CLOEXEC cleared in the child); must stay open */
    size_t inherit_count;
    uint64_t hang_timeout_ms;  /* 0: no watchdog */
    uint64_t start_timeout_ms; /* exec to READY=1; 0: LIMIT_START_MS */
    uint64_t stop_timeout_ms;  /* SIGTERM to SIGKILL; 0: LIMIT_STOP_MS */
    int stop_rank;             /* children of a lower rank are stopped first (gateway before engines) */
    int parent_death_signal;   /* PR_SET_PDEATHSIG: for children that need not end orderly; 0: the lifeline
                                  alone */
};

struct child;
struct supervisor;

/* Called on the supervisor's thread whenever a child changes state. May add and retire children. */
typedef void (*supervisor_watch_fn)(void *arg, const struct child *child, enum child_state old_state);

/* `watch` may be NULL. */
struct supervisor *supervisor_new(supervisor_watch_fn watch, void *watch_arg) MUST_USE;
/* No child may have a process any more. Restores the signal mask. */
void supervisor_free(struct supervisor *supervisor);

/* Starts it at the next turn. At most LIMIT_CHILDREN at a time (ensure). */
struct child *supervisor_add(struct supervisor *supervisor, const struct child_spec *spec) MUST_USE;
/* Asks the child to finish (SIGTERM, SIGKILL after grace_ms) and forgets it when it ended; it is not
 * restarted. `child` is invalid after the watch function saw it STOPPED. */
void supervisor_retire(struct supervisor *supervisor, struct child *child, uint64_t grace_ms);
/* From a hook: supervisor_run stops the children as it does for SIGTERM, and returns this code. */
void supervisor_stop(struct supervisor *supervisor, const char *reason, int exit_code);
/* Children that are not yet forgotten. */
size_t supervisor_count(const struct supervisor *supervisor);

const char *child_name(const struct child *child);
enum child_state child_state(const struct child *child);
pid_t child_pid(const struct child *child); /* 0 when there is no process */
unsigned child_restarts(const struct child *child);
/* Of its last process; -1: a signal ended it, or none ended yet. */
int child_exit_code(const struct child *child);
const char *child_status(const struct child *child); /* what it said last by STATUS=; "" at first */

/* What supervisor_run was woken for; handled by the owner. Each may be NULL. */
struct supervisor_hooks {
    void (*reload)(void *arg);    /* SIGHUP; without this hook SIGHUP stops, as SIGTERM does */
    void (*turn)(void *arg);      /* after each turn */
    void (*all_ready)(void *arg); /* once, when every child is RUNNING for the first time */
    void (*stopping)(void *arg);  /* once, before the first child is asked to stop */
    void *arg;
    uint64_t
        turn_interval_ms; /* a turn comes at least that often; 0 or UINT64_MAX: only when something happens */
};
/* Runs until SIGTERM or SIGINT; then stops the children by rank, waits for them, and returns the exit code: 0
 * after an orderly stop, 1 if a child had to be killed. A SIGINT during the stop kills what is left at once.
 * So does end-of-file at `own_lifeline_fd` (>= 0): the parent is gone, and with it whom its other children
 * served; what still held a port would only be in the way of the parent's successor. */
int supervisor_run(struct supervisor *supervisor, const struct supervisor_hooks *hooks,
                   int own_lifeline_fd) MUST_USE;
