/*
 * Private ports for a server: a block of PORTS_BLOCK consecutive ports of 127.0.0.1 below the ephemeral
 * range. Who has a block holds a lock on a file, so that test processes at the same time never get the same
 * one.
 */
#pragma once

#include "common/attributes.h"

#define PORTS_BLOCK 16
#define PORTS_FIRST 14000
#define PORTS_END   31984

/* Takes a block of which no port is in use; returns its first port, and the descriptor that keeps the lock
 * until its last copy is closed. 0 if none is to be had. */
unsigned ports_take(int *lock_fd) MUST_USE;
/* Nobody listens there (a connection that lingers is no hindrance). */
int ports_free(unsigned port) MUST_USE;
