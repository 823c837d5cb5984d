/* forumd-gateway: the master, or (--worker, started by the master) one worker. */
#include <bsd/unistd.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/credential.h"
#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "common/listen_address.h"
#include "common/log.h"
#include "common/options.h"
#include "common/sandbox.h"
#include "gateway/master.h"
#include "gateway/options.h"
#include "gateway/rates.h"
#include "gateway/reload.h"
#include "gateway/worker.h"
#include "proto/domains.h"
#include "proto/frame.h"
#include "proto/token_keys.h"

#define FD_MAX         1000000
#define TIMEOUT_MAX_MS 3600000

static const char *const on_off[] = {"off", "on", NULL};

/* Returns the operand, or NULL. */
static const char *parse(struct gateway_options *options, int argc, char **argv)
{
    unsigned access_log = options->access_log;
    const struct option_row rows[] = {
        {"listen", OPTION_STRING, &options->listen, 0, 0, NULL, "ADDRESS:PORT", "where clients connect"},
        {"workers", OPTION_UINT, &options->workers, 0, LIMIT_WORKERS / 2, NULL, "N",
         "worker processes, 0: one a core"},
        {"auth", OPTION_CHOICE, &options->auth, 0, 0, gateway_auth_modes, "MODE", "open or required"},
        {"port-base", OPTION_UINT, &options->port_base, 1024, DOMAIN_PORT_BASE_MAX, NULL, "N",
         "engines listen on N + 1, N + 2, ..."},
        {"state-dir", OPTION_STRING, &options->state_dir, 0, 0, NULL, "DIR",
         "where engines of this machine keep their files; without it no answers are kept"},
        {"cache-size", OPTION_UINT, &options->cache_size, 0, LIMIT_CACHE_MAX_BYTES, NULL, "BYTES",
         "of answers that each worker keeps to give again while nothing changed; 0: none"},
        {"mac-key", OPTION_STRING, &options->mac_key, 0, 0, NULL, "FILE",
         "key of the batches (mac.key of the service manager's credentials)"},
        {"token-keys", OPTION_STRING, &options->token_keys, 0, 0, NULL, "FILE",
         "public keys of tokens (token.pub, likewise)"},
        {"cors-origins", OPTION_STRING, &options->cors_origins, 0, 0, NULL, "LIST",
         "origins whose pages may read answers, comma-separated"},
        {"log-level", OPTION_CHOICE, &options->log_level, 0, 0, gateway_log_levels, "LEVEL",
         "error, warn, notice, info or debug"},
        {"access-log", OPTION_CHOICE, &access_log, 0, 0, on_off, "on|off", "one line per request"},
        {"slow-ms", OPTION_UINT, &options->slow_ms, 0, TIMEOUT_MAX_MS, NULL, "MS",
         "a line in the log for a request that takes that long, 0: none"},
        {"deadline", OPTION_UINT, &options->deadline_ms, 50, 60000, NULL, "MS", "time a request has, ms"},
        {"head-timeout", OPTION_UINT, &options->timeouts.head_ms, 100, TIMEOUT_MAX_MS, NULL, "MS",
         "a client's time for a whole head, ms"},
        {"body-timeout", OPTION_UINT, &options->timeouts.body_ms, 100, TIMEOUT_MAX_MS, NULL, "MS",
         "and for a whole body"},
        {"answer-timeout", OPTION_UINT, &options->timeouts.answer_ms, 100, TIMEOUT_MAX_MS, NULL, "MS",
         "and for reading an answer"},
        {"idle-timeout", OPTION_UINT, &options->timeouts.idle_ms, 100, TIMEOUT_MAX_MS, NULL, "MS",
         "and between requests"},
        {"hang-timeout", OPTION_UINT, &options->hang_timeout_ms, 100, 600000, NULL, "MS",
         "a worker silent that long is restarted"},
        {"limit-register", OPTION_STRING, &options->limits[RATE_REGISTER], 0, 0, NULL, "LIMIT",
         "registrations of an address: COUNT/PERIOD[,burst=N][,address=N], or off"},
        {"limit-login", OPTION_STRING, &options->limits[RATE_LOGIN], 0, 0, NULL, "LIMIT",
         "log-ins of an address"},
        {"limit-write", OPTION_STRING, &options->limits[RATE_WRITE], 0, 0, NULL, "LIMIT",
         "writes of a user; of an address N times that"},
        {"limit-read", OPTION_STRING, &options->limits[RATE_READ], 0, 0, NULL, "LIMIT", "reads, likewise"},
        {"login-slowdown", OPTION_CHOICE, &options->login_slowdown, 0, 0, gateway_login_slowdowns, "WHEN",
         "after wrong passwords: auto (with --auth required), on or off"},
        {"trusted-proxies", OPTION_STRING, &options->trusted_proxies, 0, 0, NULL, "LIST",
         "addresses and networks of proxies that are believed whom they forward for"},
        {"proxy-header", OPTION_CHOICE, &options->proxy_header, 0, 0, gateway_proxy_headers, "NAME",
         "where they say it: x-forwarded-for or forwarded"},
        {"worker", OPTION_UINT, &options->worker_slot, 0, LIMIT_WORKERS, NULL, "SLOT", NULL},
        {"listen-fd", OPTION_UINT, &options->listen_fd, 0, FD_MAX, NULL, "FD", NULL},
        {"metrics-fd", OPTION_UINT, &options->metrics_fd, 0, FD_MAX, NULL, "FD", NULL},
        {"limits-fd", OPTION_UINT, &options->limits_fd, 0, FD_MAX, NULL, "FD", NULL},
        {"closed-fd", OPTION_UINT, &options->closed_fd, 0, FD_MAX, NULL, "FD", NULL},
        {"metrics-slots", OPTION_UINT, &options->metrics_slots, 0, 2 * LIMIT_WORKERS, NULL, "N", NULL},
    };
    size_t operands = options_parse("forumd-gateway [reload] [flags]", rows, ARRAY_LEN(rows), argc, argv);
    const char *operand = operands > 0 ? argv[argc - 1] : NULL;
    if (operands > 1 || (operand != NULL && strcmp(operand, "reload") != 0))
        fatal_exit(EXIT_USAGE, "unexpected argument: %s (reload is the only one)", operand);
    options->access_log = access_log != 0;
    return operand;
}

/* What no flag names may have been handed over by the service manager. */
static void find_key(const char **path, const char *name, char found[static PATH_MAX])
{
    if (*path == NULL && credential_path(name, found))
        *path = found;
}

static void check(const struct gateway_options *options)
{
    if (options->mac_key == NULL)
        fatal_exit(EXIT_USAGE, "--mac-key is missing");
    if (options->token_keys == NULL)
        fatal_exit(EXIT_USAGE, "--token-keys is missing");
    if (listen_address_port(options->listen) == 0)
        fatal_exit(EXIT_USAGE, "--listen %s is not an address and port", options->listen);
    if (options->auth == AUTH_OPEN && !listen_address_is_loopback(options->listen))
        fatal_exit(
            EXIT_CONFIG,
            "--auth open lets anybody act as anybody: it is refused on %s, which is not a loopback address",
            options->listen);
}

int main(int argc, char **argv, char **environment)
{
    setproctitle_init(argc, argv, environment);
    struct gateway_options options = {
        .listen = "127.0.0.1:8080",
        .auth = AUTH_OPEN,
        .port_base = DOMAIN_PORT_BASE_DEFAULT,
        .cache_size = LIMIT_CACHE_BYTES,
        .log_level = LOG_LEVEL_INFO,
        .access_log = true,
        .deadline_ms = LIMIT_DEADLINE_MS,
        .slow_ms = LIMIT_SLOW_MS,
        .timeouts = {.head_ms = HTTP_HEAD_TIMEOUT_MS,
                     .body_ms = HTTP_BODY_TIMEOUT_MS,
                     .answer_ms = HTTP_ANSWER_TIMEOUT_MS,
                     .idle_ms = HTTP_IDLE_TIMEOUT_MS},
        .hang_timeout_ms = 2000,
        .worker_slot = WORKER_SLOT_NONE,
    };
    bool reload = parse(&options, argc, argv) != NULL;
    if (reload) {
        log_open("reload", (enum log_level)options.log_level);
        return reload_command();
    }
    if (sodium_init() < 0)
        fatal_exit(EXIT_OS, "libsodium cannot start");
    if (options.worker_slot != WORKER_SLOT_NONE) {
        setproctitle("worker %u", options.worker_slot + 1);
        log_open("worker", (enum log_level)options.log_level);
        FAULT_OPEN("worker");
        return worker_main(&options);
    }
    char mac_key[PATH_MAX], token_keys[PATH_MAX];
    find_key(&options.mac_key, MAC_KEY_FILE, mac_key);
    find_key(&options.token_keys, TOKEN_PUBLIC_FILE, token_keys);
    check(&options);
    rates_check(&options);
    sandbox_enter(SANDBOX_SUPERVISOR);
    setproctitle("master");
    log_open("gateway", (enum log_level)options.log_level);
    return master_run(&options);
}
