/*
 * What both sides of the transport share (common/caller.c asks, engined/listener.c answers), NNG's own
 * headers aside.
 *
 * Names in full words: an "address" is "tcp://127.0.0.1:4101".
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "common/attributes.h"
#include "common/limits.h"

/* NNG counts its own 4 bytes (the request id) as part of a message: a body of LIMIT_MESSAGE_BYTES just fits.
 */
#define TRANSPORT_RECEIVE_MAX_BYTES ((size_t)LIMIT_MESSAGE_BYTES + 4)

/*
 * False for what one rude peer can wedge for good on NNG before 1.6.0: a disconnect during negotiation on
 * ipc, abstract, unix or tls (nanomsg/nng#1518). `nng_version` as nng_version() gives it, "1.5.2".
 */
bool transport_url_safe(const char *url, const char *nng_version) MUST_USE;

/*
 * NNG's threads inherit the mask of the thread that first opens a socket. Without this a SIGTERM may land on
 * one of them instead of the main loop. Signals that report a fault of the thread itself stay open.
 */
void transport_signals_block(sigset_t *saved);
void transport_signals_restore(const sigset_t *saved);
