/*
 * The reply side of the transport: the only file that knows NNG's REP socket. LIMIT_INBOUND contexts feed one
 * bounded queue. Everything here is called on the actor's thread; NNG's threads hand over through the queue
 * and an eventfd.
 *
 * Each message received is an `inbound` until it is answered or dropped, once; its bytes stay valid that
 * long. What is held open on purpose (collects, pulls) occupies its context: the owner bounds those (at most
 * one collect and one pull a sender). With all contexts taken, further messages wait in their connections.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

struct listener;
struct inbound;

/*
 * Exits: EXIT_UNAVAILABLE when the address is taken, EXIT_USAGE when it is malformed or one that NNG < 1.6 is
 * not safe with (ipc:// and the like), EXIT_OS when resources are short.
 */
struct listener *listener_open(const char *url) MUST_USE;
/*
 * Stops intake; waits up to drain_ms for answers under way to be sent and read. Drops what was never
 * answered: inbounds are invalid afterwards. The address and the connections stay taken until the process
 * ends, which is to be at once: nng_close may wait for ever (caller_hub_stuck in common/caller.h says why).
 */
void listener_close(struct listener *listener, uint64_t drain_ms);

/* Readable when listener_next has something; level-triggered until listener_next returned NULL. */
int listener_fd(const struct listener *listener);
struct inbound *listener_next(struct listener *listener); /* NULL: nothing waits */
size_t listener_waiting(const struct listener *listener); /* queue length, for metrics */

const uint8_t *inbound_bytes(const struct inbound *inbound, size_t *length);
uint64_t inbound_received_us(const struct inbound *inbound); /* CLOCK_MONOTONIC */
/* The owner's mark on it, NULL at first. */
void inbound_set_owner(struct inbound *inbound, void *owner);
void *inbound_owner(const struct inbound *inbound);

/* Answers and ends the inbound. Copies the bytes (LIMIT_MESSAGE_BYTES at most). The asker may be gone: that
 * is no error. */
void inbound_answer(struct inbound *inbound, const uint8_t *bytes, size_t length);
/* Ends it without an answer (wrong MAC, shutdown; the asker's deadline passes): its context goes back to
 * receiving. */
void inbound_drop(struct inbound *inbound);
