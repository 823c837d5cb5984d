/*
 * What the gateway was told. main.c parses it once; the master passes on what a worker needs by the same
 * flags (plus the hidden ones) when it starts one. Texts point into argv or the environment and stay.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/http_server.h"
#include "gateway/rate_limit.h"

enum auth_mode {
    AUTH_OPEN,     /* without a token the actor is whom the request names; loopback only */
    AUTH_REQUIRED, /* writes, feeds and messages need a token */
};

enum login_slowdown {
    LOGIN_SLOWDOWN_AUTO, /* on where accounts are all that protects: AUTH_REQUIRED */
    LOGIN_SLOWDOWN_ON,
    LOGIN_SLOWDOWN_OFF,
};

#define WORKER_SLOT_NONE 0xffffffffu /* this process is the master */

struct gateway_options {
    const char *listen;     /* "127.0.0.1:8080" */
    unsigned workers;       /* 0: as many as cores */
    unsigned auth;          /* enum auth_mode */
    unsigned port_base;     /* engines listen on port_base + domain */
    const char *state_dir;  /* where the engines of this machine keep their files; NULL: they are elsewhere */
    unsigned cache_size;    /* bytes of answers that a worker keeps; 0: none */
    const char *mac_key;    /* path of the key file (proto/frame.h) */
    const char *token_keys; /* path of the public keys of tokens (proto/token_keys.h) */
    const char *cors_origins; /* comma-separated origins that may read answers, "*": all; NULL or "": none */
    unsigned log_level;       /* enum log_level */
    bool access_log;          /* one line per request at info */
    unsigned deadline_ms;     /* a request's time from its arrival */
    unsigned slow_ms;         /* requests that take that long get a line in the log; 0: none does */
    unsigned hang_timeout_ms; /* the master restarts a worker whose loop stands still that long */
    const char *limits[RATE_CLASS_COUNT]; /* as rate_limits_parse takes them; NULL: the mode's default */
    unsigned login_slowdown;              /* enum login_slowdown */
    const char *trusted_proxies;          /* as trusted_proxies_parse takes them; NULL: none */
    unsigned proxy_header;                /* enum proxy_header */
    struct http_timeouts timeouts;        /* for clients */

    /* Hidden: from the master to its workers. Workers and, for counters, their places in the shared page are
     * numbered from 0. */
    unsigned worker_slot; /* WORKER_SLOT_NONE in the master */
    unsigned listen_fd;   /* bound, listening, non-blocking */
    unsigned metrics_fd;  /* memfd of metrics_page_bytes(metrics_slots) bytes (metrics.h), zeroed at first */
    unsigned closed_fd; /* memfd of closed_sessions_page_bytes() bytes (closed_sessions.h), zeroed at first */
    unsigned metrics_slots; /* places in it; worker_slot is below */
    unsigned limits_fd;     /* memfd of limits_page.h */
};

/* Names of the values of the choices, NULL-terminated. */
extern const char *const gateway_auth_modes[];
extern const char *const gateway_log_levels[];
extern const char *const gateway_login_slowdowns[];
extern const char *const gateway_proxy_headers[];
/* The flags of the limits. */
extern const char *const gateway_limit_flags[RATE_CLASS_COUNT];
