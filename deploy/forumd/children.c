#include "deploy/forumd/children.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fatal.h"
#include "proto/domains.h"

#define ARGUMENTS_MAX 64
#define NUMBER_BYTES  24

enum { STOP_GATEWAY_RANK, STOP_ENGINES_RANK };

struct arguments {
    const char *argv[ARGUMENTS_MAX];
    size_t count;
    char numbers[ARGUMENTS_MAX][NUMBER_BYTES];
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

static void add_engine(struct supervisor *supervisor, const struct launcher_options *options,
                       const char *key_path, enum domain_id domain)
{
    char path[PATH_MAX];
    beside(path, sizeof(path), "forumd-engined");
    struct arguments arguments = {.count = 0};
    add(&arguments, path);
    add(&arguments, domain_name(domain));
    add_flag(&arguments, "--state-dir", options->state_dir);
    add_number(&arguments, "--port-base", options->port_base);
    add_flag(&arguments, "--mac-key", key_path);
    add_flag(&arguments, "--log-level", launcher_log_levels[options->log_level]);
    /* A kill loses nothing, and even a frozen engine must not keep its lock from the next launcher's. */
    (void)add_child(supervisor, options, domain_name(domain), &arguments, STOP_ENGINES_RANK, SIGKILL);
}

static bool access_log_on(const struct launcher_options *options)
{
    return options->access_log == ACCESS_LOG_ON ||
           (options->access_log == ACCESS_LOG_AUTO && isatty(STDERR_FILENO));
}

static struct child *add_gateway(struct supervisor *supervisor, const struct launcher_options *options,
                                 const char *key_path)
{
    char path[PATH_MAX];
    beside(path, sizeof(path), "forumd-gateway");
    struct arguments arguments = {.count = 0};
    add(&arguments, path);
    add_flag(&arguments, "--listen", options->listen);
    add_number(&arguments, "--workers", options->workers);
    add_flag(&arguments, "--auth", launcher_auth_modes[options->auth]);
    add_number(&arguments, "--port-base", options->port_base);
    add_flag(&arguments, "--mac-key", key_path);
    add_flag(&arguments, "--log-level", launcher_log_levels[options->log_level]);
    add_flag(&arguments, "--access-log", access_log_on(options) ? "on" : "off");
    add_number(&arguments, "--deadline", options->deadline_ms);
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

struct child *children_add(struct supervisor *supervisor, const struct launcher_options *options,
                           const char *key_path)
{
    for (int domain = DOMAIN_FIRST; domain < DOMAIN_COUNT; domain++)
        add_engine(supervisor, options, key_path, (enum domain_id)domain);
    return add_gateway(supervisor, options, key_path);
}
