/* forumd-engined DOMAIN: one actor. forumd-engined passwords: a process that it asks. */
#include <bsd/unistd.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/credential.h"
#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/options.h"
#include "engined/actor.h"
#include "engined/passwords.h"
#include "proto/domains.h"
#include "proto/frame.h"
#include "proto/token_keys.h"

static const char *const log_levels[] = {"error", "warn", "notice", "info", "debug", NULL};

/* Where a key is that no flag names: handed over by the service manager, else in the state directory. */
static const char *find_key(const char *dir, const char *name, char out[static PATH_MAX])
{
    if (credential_path(name, out))
        return out;
    if (snprintf(out, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
        fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
    return out;
}

int main(int argc, char **argv, char **environment)
{
    setproctitle_init(argc, argv, environment);
    struct actor_options options = {.state_dir = "./state",
                                    .port_base = DOMAIN_PORT_BASE_DEFAULT,
                                    .password_processes = 2,
                                    .slow_ms = LIMIT_SLOW_MS};
    unsigned level = LOG_LEVEL_INFO, member = 0;
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &options.state_dir, 0, 0, NULL, "DIR", "where the domain's file is"},
        {"mac-key", OPTION_STRING, &options.mac_key_path, 0, 0, NULL, "FILE",
         "key of the batches (default: mac.key of the service manager's credentials, or in STATE-DIR)"},
        {"port-base", OPTION_UINT, &options.port_base, 1024, DOMAIN_PORT_BASE_MAX, NULL, "N",
         "engines listen on N + 1, N + 2, ..."},
        {"token-key", OPTION_STRING, &options.token_key_path, 0, 0, NULL, "FILE",
         "users: what tokens are signed with (token.key, likewise)"},
        {"password-processes", OPTION_UINT, &options.password_processes, 1, LIMIT_PASSWORD_PROCESSES, NULL,
         "N", "users: how many `forumd-engined passwords` there are"},
        {"member", OPTION_UINT, &member, 0, LIMIT_PASSWORD_PROCESSES - 1, NULL, "I",
         "passwords: which of them this is, from 0"},
        {"slow-ms", OPTION_UINT, &options.slow_ms, 0, 3600000, NULL, "MS",
         "a line in the log for a request that takes that long here, 0: none"},
        {"log-level", OPTION_CHOICE, &level, 0, 0, log_levels, "LEVEL", "error, warn, notice, info or debug"},
    };
    size_t operands = options_parse("forumd-engined DOMAIN [flags]", rows, ARRAY_LEN(rows), argc, argv);
    enum domain_id domain = DOMAIN_PASSWORDS;
    const char *name = operands == 1 ? argv[argc - 1] : "";
    if (strcmp(name, domain_name(DOMAIN_PASSWORDS)) != 0 && !domain_parse(name, &domain))
        fatal_exit(EXIT_USAGE,
                   "name one domain: users, subreddits, posts, comments, dms or feed; or say passwords");
    if (sodium_init() < 0)
        fatal_exit(EXIT_OS, "libsodium cannot start");
    log_open(name, (enum log_level)level);
    char mac_key[PATH_MAX], token_key[PATH_MAX];
    if (options.mac_key_path == NULL)
        options.mac_key_path = find_key(options.state_dir, MAC_KEY_FILE, mac_key);
    if (domain != DOMAIN_USERS) {
        options.token_key_path = NULL;
        options.password_processes = 0;
    } else if (options.token_key_path == NULL) {
        options.token_key_path = find_key(options.state_dir, TOKEN_SECRET_FILE, token_key);
    }
    FAULT_OPEN(name);
    setproctitle("%s", name);
    if (domain == DOMAIN_PASSWORDS)
        return passwords_run(&(struct passwords_options){
            .mac_key_path = options.mac_key_path, .port_base = options.port_base, .member = member});
    return actor_run(domain_by_id(domain), &options);
}
