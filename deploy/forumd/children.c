#include "deploy/forumd/children.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fatal.h"
#include "deploy/state/state_dir.h"
#include "proto/domains.h"
#include "proto/frame.h"
#include "proto/token_keys.h"

#define ARGUMENTS_MAX        64
#define NUMBER_BYTES         24
#define PASSWORDS_HANG_TIMES 4

enum { STOP_GATEWAY_RANK, STOP_ENGINES_RANK };

struct arguments {
    const char *argv[ARGUMENTS_MAX];
    size_t count;
    char numbers[ARGUMENTS_MAX][NUMBER_BYTES];
    char program[PATH_MAX], mac_key[PATH_MAX];
};

static void add(struct arguments *arguments, const char *word)
{
    ensure(arguments->count + 1 < ARGUMENTS_MAX);
    arguments->argv[arguments->count++] = word;
    arguments->argv[arguments->count] = NULL;
}

static void add_flag(struct arguments *arguments, const char *flag, const char *value)
{
    add(arguments, flag);
    add(arguments, value);
}

static void add_given(struct arguments *arguments, const char *flag, const char *value)
{
    if (value != NULL)
        add_flag(arguments, flag, value);
}

static void add_number(struct arguments *arguments, const char *flag, unsigned value)
{
    char *text = arguments->numbers[arguments->count];
    snprintf(text, NUMBER_BYTES, "%u", value);
    add_flag(arguments, flag, text);
}

/* The programs lie beside this one. */
static void beside(char *out, size_t size, const char *name)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length < 0)
        fatal_exit(EXIT_OS, "cannot find this program's own path: %s", strerror(errno));
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    ensure(slash != NULL);
    *slash = '\0';
    if (snprintf(out, size, "%s/%s", self, name) >= (int)size)
        fatal_exit(EXIT_CONFIG, "this program's path is too long");
}

static struct child *add_child(struct supervisor *supervisor, const struct launcher_options *options,
                               const char *name, const struct arguments *arguments, int stop_rank,
                               int death_signal)
{
    struct child_spec spec = {
        .name = name,
        .argv = arguments->argv,
        .hang_timeout_ms = options->hang_timeout_ms,
        .stop_rank = stop_rank,
        .parent_death_signal = death_signal,
    };
    return supervisor_add(supervisor, &spec);
}

/* What each engine and password process is told. */
static void add_engined(struct arguments *arguments, const struct launcher_options *options, const char *name)
{
    beside(arguments->program, PATH_MAX, "forumd-engined");
    state_dir_path(options->state_dir, MAC_KEY_FILE, arguments->mac_key, PATH_MAX);
    add(arguments, arguments->program);
    add(arguments, name);
    add_flag(arguments, "--state-dir", options->state_dir);
    add_flag(arguments, "--mac-key", arguments->mac_key);
    add_number(arguments, "--port-base", options->port_base);
    add_number(arguments, "--slow-ms", options->slow_ms);
    add_flag(arguments, "--log-level", launcher_log_levels[options->log_level]);
}

static void add_engine(struct supervisor *supervisor, const struct launcher_options *options,
                       enum domain_id domain)
{
    struct arguments arguments = {.count = 0};
    add_engined(&arguments, options, domain_name(domain));
    if (domain == DOMAIN_USERS)
        add_number(&arguments, "--password-processes", options->password_processes);
    /* A kill loses nothing, and even a frozen engine must not keep its lock from the next launcher's. */
    (void)add_child(supervisor, options, domain_name(domain), &arguments, STOP_ENGINES_RANK, SIGKILL);
}

static void add_password_process(struct supervisor *supervisor, const struct launcher_options *options,
                                 unsigned member)
{
    char name[32];
    struct arguments arguments = {.count = 0};
    add_engined(&arguments, options, domain_name(DOMAIN_PASSWORDS));
    add_number(&arguments, "--member", member);
    snprintf(name, sizeof(name), "%s %u", domain_name(DOMAIN_PASSWORDS), member + 1);
    /* Between two signs of life it does nothing but compute, which a busy machine draws out. */
    struct launcher_options patient = *options;
    patient.hang_timeout_ms *= PASSWORDS_HANG_TIMES;
    (void)add_child(supervisor, &patient, name, &arguments, STOP_ENGINES_RANK, SIGKILL);
}

static bool access_log_on(const struct launcher_options *options)
{
    return options->access_log == ACCESS_LOG_ON ||
           (options->access_log == ACCESS_LOG_AUTO && isatty(STDERR_FILENO));
}

static struct child *add_gateway(struct supervisor *supervisor, const struct launcher_options *options)
{
    char token_keys[PATH_MAX];
    struct arguments arguments = {.count = 0};
    beside(arguments.program, PATH_MAX, "forumd-gateway");
    state_dir_path(options->state_dir, MAC_KEY_FILE, arguments.mac_key, PATH_MAX);
    state_dir_path(options->state_dir, TOKEN_PUBLIC_FILE, token_keys, sizeof(token_keys));
    add(&arguments, arguments.program);
    add_flag(&arguments, "--listen", options->listen);
    add_number(&arguments, "--workers", options->workers);
    add_flag(&arguments, "--auth", launcher_auth_modes[options->auth]);
    add_number(&arguments, "--port-base", options->port_base);
    add_flag(&arguments, "--state-dir", options->state_dir);
    add_number(&arguments, "--cache-size", options->cache_size);
    add_flag(&arguments, "--mac-key", arguments.mac_key);
    add_flag(&arguments, "--token-keys", token_keys);
    add_flag(&arguments, "--log-level", launcher_log_levels[options->log_level]);
    add_flag(&arguments, "--access-log", access_log_on(options) ? "on" : "off");
    add_number(&arguments, "--deadline", options->deadline_ms);
    add_number(&arguments, "--slow-ms", options->slow_ms);
    add_number(&arguments, "--hang-timeout", options->hang_timeout_ms);
    add_given(&arguments, "--cors-origins", options->cors_origins);
    add_given(&arguments, "--limit-register", options->limit_register);
    add_given(&arguments, "--limit-login", options->limit_login);
    add_given(&arguments, "--limit-write", options->limit_write);
    add_given(&arguments, "--limit-read", options->limit_read);
    add_given(&arguments, "--login-slowdown", options->login_slowdown);
    add_given(&arguments, "--trusted-proxies", options->trusted_proxies);
    add_given(&arguments, "--proxy-header", options->proxy_header);
    return add_child(supervisor, options, "gateway", &arguments, STOP_GATEWAY_RANK, 0);
}

struct child *children_add(struct supervisor *supervisor, const struct launcher_options *options)
{
    for (int domain = DOMAIN_FIRST; domain < DOMAIN_COUNT; domain++)
        add_engine(supervisor, options, (enum domain_id)domain);
    for (unsigned i = 0; i < options->password_processes; i++)
        add_password_process(supervisor, options, i);
    return add_gateway(supervisor, options);
}
