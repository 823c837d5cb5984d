/*
 * The request side of the transport: the only file that knows NNG's REQ sockets. Used by gateway workers and
 * by engines that ask other engines.
 *
 * Threads: everything here is called on the owner's loop thread. NNG completes on its own threads;
 * completions cross over through a list (bounded: a call stands in it once at most) and an eventfd, and the
 * callback runs on the owner's thread in caller_hub_dispatch.
 *
 * Nothing is ever sent twice: NNG's resending is off, who retries is the owner's decision.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

struct caller_hub; /* one per process: the eventfd and the list of completions */
struct caller;     /* one socket, dialling one engine for ever (10..200 ms between tries) */
struct call;       /* one REQ context: one request at a time */

enum call_result {
    CALL_ANSWERED,
    CALL_TIMED_OUT, /* no answer in time; whether it was decided is unknown */
    CALL_RESET,     /* the connection broke; whether it was decided is unknown */
    CALL_NOT_SENT,  /* never left this process (no connection before the timeout): surely not decided */
};

/*
 * `bytes` is valid during the callback only. The callback may start its call again, start or cancel others,
 * and close callers, its own included; it may not free the hub or dispatch.
 */
typedef void (*call_done_fn)(void *arg, enum call_result result, const uint8_t *bytes, size_t length);

/* Opens no socket and starts no thread: the first caller does. */
struct caller_hub *caller_hub_new(void) MUST_USE;
void caller_hub_free(struct caller_hub *hub);    /* after all its callers; NULL is fine */
int caller_hub_fd(const struct caller_hub *hub); /* readable when dispatch has something to do */
/* Runs the callbacks of what was complete when it began; what completes meanwhile makes the fd readable
 * again. */
void caller_hub_dispatch(struct caller_hub *hub);
/*
 * True: no connection of this process that breaks will ever be made again, and the process must end. NNG
 * 1.5.2 removes dead connections on one thread, which hangs for good when a connection dies at a bad moment
 * (a peer killed while requests and answers flow: measured once in about 400 dead connections; reported as
 * nanomsg/nng#1543 and #1813, where it shows as nng_close never returning). To be called in each turn of the
 * loop, once a second at least. Nothing is examined until a call was reset or could not be sent; then,
 * whether that thread still does its work.
 */
bool caller_hub_stuck(struct caller_hub *hub, uint64_t now_ms) MUST_USE;

/*
 * Returns at once; the connection is made, and made again, in the background. Exits (EXIT_USAGE) on a
 * malformed url, and refuses ipc:// and the like on NNG < 1.6 (nanomsg/nng#1518). Not before fork: a child
 * aborts when its parent had sockets open.
 */
struct caller *caller_open(struct caller_hub *hub, const char *url) MUST_USE;
/* Ends its calls without callbacks, and frees them. Its connection lives until the process ends: nng_close
 * may wait for ever (see caller_hub_stuck). NULL is fine. */
void caller_close(struct caller *caller);

/* Lives until its caller is closed. Calls in flight together may overtake each other, on the way there and
 * back. */
struct call *call_new(struct caller *caller, call_done_fn done, void *arg) MUST_USE;
bool call_busy(const struct call *call);
/*
 * Copies the bytes (LIMIT_MESSAGE_BYTES at most). The call must not be busy. The timeout (1 ms to a day)
 * covers connecting, sending and the answer as a whole. The callback never runs from within call_start.
 */
void call_start(struct call *call, const uint8_t *bytes, size_t length, uint64_t timeout_ms);
/*
 * Cancels; the callback does not run for it, not even when the answer is here already, and the call may be
 * started again at once. Waits for a completion under way on one of NNG's threads (microseconds).
 */
void call_cancel(struct call *call);
