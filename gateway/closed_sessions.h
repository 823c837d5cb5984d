/*
 * Which sessions were closed: a page shared by the workers (a memfd that the master makes), so that a worker
 * that starts while the users engine is away knows what the others knew. Filled from the users engine's event
 * log by each worker's session_follower.c; what one adds, all see.
 *
 * Lock-free C11 atomics: a worker killed at any instruction leaves it usable. Adding is idempotent and does
 * not depend on the order, so workers may be at different places of the log. A place holds a hash of epoch,
 * user and session; what is in it besides says until when it matters, because tokens expire by themselves.
 * The epoch is another one when the log is (a restored backup): then the page is filled anew under it, and
 * looked at by it once that is done.
 *
 * Bounded: where there is no place left, sessions that would have to be looked for there are SESSION_UNKNOWN
 * until the entry that was not taken has expired - refused for a while, rather than let in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

/* How large the memfd must be; for the master. */
size_t closed_sessions_page_bytes(void) MUST_USE;

struct closed_sessions; /* a worker's view of the page */

/* `fd` -1 (unit tests): a private page. One laid out by another version of the program is left alone, and a
 * private one used. Exits (EXIT_OS) when it cannot be mapped. */
struct closed_sessions *closed_sessions_open(int fd) MUST_USE;
void closed_sessions_close(struct closed_sessions *closed); /* NULL is fine */

/* Some worker of this gateway once had the whole list. */
bool closed_sessions_known(const struct closed_sessions *closed) MUST_USE;

enum session_state { SESSION_OPEN, SESSION_CLOSED, SESSION_UNKNOWN };
/* `now_ms` is wall time here and below. */
enum session_state closed_sessions_find(const struct closed_sessions *closed, uint64_t user_id,
                                        uint32_t session, uint64_t now_ms) MUST_USE;

/* Adds what the log says under an epoch, worth remembering until `until_ms`. False: there was no place. */
bool closed_sessions_add(struct closed_sessions *closed, uint64_t epoch, uint64_t user_id, uint32_t session,
                         uint64_t until_ms, uint64_t now_ms);
/* All of the user's sessions up to `upto` but `except` (0: none). */
bool closed_sessions_add_upto(struct closed_sessions *closed, uint64_t epoch, uint64_t user_id, uint32_t upto,
                              uint32_t except, uint64_t until_ms, uint64_t now_ms);

/* By which the page is looked at; 0: the list was never whole. */
uint64_t closed_sessions_epoch(const struct closed_sessions *closed) MUST_USE;
/* The list is whole under `epoch` (not 0): it counts from now on, in the place of `old`, unless another
 * worker was faster with one of its own. Returns the epoch that counts. */
uint64_t closed_sessions_publish(struct closed_sessions *closed, uint64_t old, uint64_t epoch);

/* Where in the log a new worker goes on: any event from there on may be missing. The engine checks that the
 * two belong together. log_id 0: from the beginning. */
void closed_sessions_cursor(const struct closed_sessions *closed, uint64_t *log_id, uint64_t *seq);
void closed_sessions_set_cursor(struct closed_sessions *closed, uint64_t log_id, uint64_t seq);
