/*
 * sd_notify(3) protocol, the sending side: datagrams to the socket that NOTIFY_SOCKET names (path or
 * @abstract). All calls are no-ops without it. Sent by the loop that does the work, never by a side thread: a
 * hung loop must look hung.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"

struct notify;

/* How often the supervisor restarted this process, as it says (FORUMD_RESTARTS; supervise.h); 0 without one.
 */
unsigned notify_restarts(void);

/* Reads NOTIFY_SOCKET and WATCHDOG_USEC from the environment. Never NULL. */
struct notify *notify_open(void) MUST_USE;
void notify_close(struct notify *notify);

void notify_ready(struct notify *notify);
void notify_stopping(struct notify *notify);
void notify_extend_timeout(struct notify *notify, uint64_t timeout_ms);
PRINTF_LIKE(2, 3) void notify_status(struct notify *notify, const char *format, ...);

/* To be called every turn of the loop: sends WATCHDOG=1 when half of the watchdog interval has passed since
 * the last one. */
void notify_alive(struct notify *notify, uint64_t now_ms);
/* How long the loop may sleep at most so that notify_alive comes in time; UINT64_MAX without a watchdog. */
uint64_t notify_interval_ms(const struct notify *notify);
