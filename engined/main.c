/* forumd-engined DOMAIN: one actor. */
#include <bsd/unistd.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/fatal.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/options.h"
#include "engined/actor.h"
#include "proto/domains.h"

static const char *const log_levels[] = {"error", "warn", "notice", "info", "debug", NULL};

int main(int argc, char **argv, char **environment)
{
    setproctitle_init(argc, argv, environment);
    struct actor_options options = {.state_dir = "./state", .port_base = DOMAIN_PORT_BASE_DEFAULT};
    unsigned level = LOG_LEVEL_INFO;
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &options.state_dir, 0, 0, NULL, "DIR", "where the domain's file is"},
        {"mac-key", OPTION_STRING, &options.mac_key_path, 0, 0, NULL, "FILE",
         "key of the batches (default STATE-DIR/mac.key)"},
        {"port-base", OPTION_UINT, &options.port_base, 1024, DOMAIN_PORT_BASE_MAX, NULL, "N",
         "engines listen on N + 1, N + 2, ..."},
        {"log-level", OPTION_CHOICE, &level, 0, 0, log_levels, "LEVEL", "error, warn, notice, info or debug"},
    };
    size_t operands = options_parse("forumd-engined DOMAIN [flags]", rows, ARRAY_LEN(rows), argc, argv);
    enum domain_id domain;
    if (operands != 1 || !domain_parse(argv[argc - 1], &domain))
        fatal_exit(EXIT_USAGE, "name one domain: users, subreddits, posts, comments, dms or feed");
    if (sodium_init() < 0)
        fatal_exit(EXIT_OS, "libsodium cannot start");
    log_open(domain_name(domain), (enum log_level)level);
    char default_key[4096];
    if (options.mac_key_path == NULL) {
        snprintf(default_key, sizeof(default_key), "%s/mac.key", options.state_dir);
        options.mac_key_path = default_key;
    }
    FAULT_OPEN(domain_name(domain));
    setproctitle("%s", domain_name(domain));
    return actor_run(domain_by_id(domain), &options);
}
