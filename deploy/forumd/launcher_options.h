/* What the launcher was told; passed on to the gateway and the engines as their flags. */
#pragma once

#include <stdbool.h>

enum launcher_auth { LAUNCHER_AUTH_OPEN, LAUNCHER_AUTH_REQUIRED };
enum launcher_access_log { ACCESS_LOG_AUTO, ACCESS_LOG_ON, ACCESS_LOG_OFF };

struct launcher_options {
    const char *listen;
    const char *state_dir;
    const char *cors_origins; /* NULL: none */
    unsigned workers;         /* 0: one a core */
    unsigned auth;
    unsigned log_level; /* enum log_level */
    unsigned access_log;
    unsigned port_base;
    unsigned hang_timeout_ms;
    unsigned deadline_ms;
    unsigned cache_size; /* bytes, of each worker; 0: nothing is kept */
    unsigned slow_ms;    /* requests that take that long get a line in the log; 0: none does */
    unsigned shards;
    /* For the gateway alone, which reads them: NULL is its default. */
    const char *limit_register, *limit_login, *limit_write, *limit_read;
    const char *login_slowdown, *trusted_proxies, *proxy_header;
    unsigned password_processes;
};

extern const char *const launcher_auth_modes[];
extern const char *const launcher_log_levels[];
