/*
 * A worker's limits: what the flags say, applied to the page that all workers of the gateway share. Of each
 * class there is one bucket for each acting user and one for each address.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/client_address.h"
#include "gateway/login_guard.h"
#include "gateway/options.h"
#include "gateway/rate_limit.h"

struct rates;

/* Exits (EXIT_USAGE) with one line where a flag cannot be read; for the master, before it starts workers. */
void rates_check(const struct gateway_options *options);
/* Settings that passed rates_check. `fd`: of the shared page; -1: a private one. */
struct rates *rates_open(const struct gateway_options *options, int fd) MUST_USE;
void rates_close(struct rates *rates);

/* A verdict of limit 0 where there is no limit. Times in ns of CLOCK_MONOTONIC. */
struct rate_verdict rates_take_address(const struct rates *rates, enum rate_class class,
                                       const struct client_address *address, uint64_t now_ns) MUST_USE;
struct rate_verdict rates_take_user(const struct rates *rates, enum rate_class class, uint64_t user,
                                    uint64_t now_ns) MUST_USE;
/* Whether a request of that class is counted at all. */
bool rates_limit(const struct rates *rates, enum rate_class class) MUST_USE;

/* NULL: log-ins are not slowed down. */
const struct login_guard *rates_login_guard(const struct rates *rates);
/* NULL: none is trusted. */
const struct trusted_proxies *rates_trusted_proxies(const struct rates *rates);
