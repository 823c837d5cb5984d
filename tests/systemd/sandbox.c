#include "tests/systemd/sandbox.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/forum.h"
#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define SCRIPTS      FORUMD_SOURCE_DIR "/tests/systemd/"
#define EXIT_SKIP    77
#define BOOT_MS      30000
#define RUN_MS       60000
#define VERIFY_MS    60000
#define VERIFY_TIMES 4 /* as long as the load was, besides */
#define LIMITS_OFF   "printf 'FORUMD_LIMIT_%s=off\\n' REGISTER LOGIN WRITE READ >>/etc/default/forumd"
/* What goes wrong is shown with the end of the journal. */
#define PRELUDE                                                                                              \
    "set -euo pipefail; trap 'code=$?; ((code == 0)) || journalctl --no-pager -o short-precise | tail -n "   \
    "60' EXIT; "

struct sandbox {
    const char *directory, *functions;
    struct program *boot;
};

struct sandbox_load {
    const struct sandbox *sandbox;
    struct program *program;
    unsigned seconds;
    const char *record;
};

static bool is_up_or_over(void *arg)
{
    struct sandbox *sandbox = arg;
    return access(keep_format("%s/pid", sandbox->directory), F_OK) == 0 ||
           !proc_alive(keeper_program(program_keeper(sandbox->boot)));
}

static bool is_up(const struct sandbox *sandbox)
{
    return access(keep_format("%s/pid", sandbox->directory), F_OK) == 0;
}

static void skip_or_fail(struct sandbox *sandbox)
{
    struct program_result result = program_finish(sandbox->boot, 1000);
    if (result.exit_code != EXIT_SKIP)
        cr_assert_fail("no sandbox: %s", result.output);
    const char *why = strstr(result.output, "skipped: ");
    printf("%s\n", why ? why : result.output); /* Criterion keeps the reason to itself */
    fflush(stdout);
    cr_skip_test("%s", why ? why : result.output);
}

struct sandbox *sandbox_open(void)
{
    struct sandbox *sandbox = keep_alloc(sizeof(*sandbox));
    char *directory = keep_format("%s/sandbox.XXXXXX", forum_run_directory());
    cr_assert(mkdtemp(directory));
    sandbox->directory = directory;
    sandbox->functions = keep_file(SCRIPTS "functions", NULL);
    cr_assert(sandbox->functions);
    const char *gateway = forum_executable("forumd-gateway");
    const char *const argv[] = {SCRIPTS "sandbox",
                                directory,
                                SCRIPTS "install",
                                keep_copy(gateway, (size_t)(strrchr(gateway, '/') - gateway)),
                                forum_executable("forumd-sim"),
                                NULL};
    sandbox->boot = program_start(argv, NULL, NULL);
    cr_assert(wait_until(is_up_or_over, sandbox, BOOT_MS), "systemd does not come up: %s",
              keep_file(keep_format("%s/console", directory), NULL));
    if (!is_up(sandbox))
        skip_or_fail(sandbox);
    sandbox_run(sandbox, "%s", LIMITS_OFF);
    return sandbox;
}

struct sandbox *sandbox_open_started(void)
{
    struct sandbox *sandbox = sandbox_open();
    sandbox_run(sandbox, "systemctl start forumd.target; until_true 20 is_ready");
    return sandbox;
}

static struct program_result run_inside(const struct sandbox *sandbox, const char *format, va_list args)
{
    char *script;
    cr_assert(vasprintf(&script, format, args) >= 0);
    const char *const argv[] = {SCRIPTS "enter",
                                sandbox->directory,
                                "bash",
                                "-c",
                                keep_format("%s%s\n%s", PRELUDE, sandbox->functions, script),
                                NULL};
    struct program_result result = program_run(argv, NULL, NULL, RUN_MS);
    free(script);
    return result;
}

const char *sandbox_run(const struct sandbox *sandbox, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct program_result result = run_inside(sandbox, format, args);
    va_end(args);
    cr_assert_eq(result.exit_code, 0, "%s: exit code %d: %s", format, result.exit_code, result.output);
    return result.output;
}

int sandbox_try(const struct sandbox *sandbox, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct program_result result = run_inside(sandbox, format, args);
    va_end(args);
    return result.exit_code;
}

/* The record lies in the sandbox's own /tmp. */
struct sandbox_load *sandbox_load_start(const struct sandbox *sandbox, unsigned seconds)
{
    struct sandbox_load *load = keep_alloc(sizeof(*load));
    *load = (struct sandbox_load){.sandbox = sandbox, .seconds = seconds, .record = "/tmp/record"};
    const char *const argv[] = {SCRIPTS "enter",
                                sandbox->directory,
                                "forumd-sim",
                                "load",
                                "--quiet",
                                "--clients",
                                "64",
                                "--verify",
                                "--duration",
                                keep_format("%u", seconds),
                                "--record",
                                load->record,
                                NULL};
    load->program = program_start(argv, NULL, NULL);
    sandbox_run(sandbox, "until_true 20 test -s %s", load->record); /* under way */
    return load;
}

/* Until its own figures are printed, behind which it verifies. */
bool sandbox_load_runs(const struct sandbox_load *load)
{
    return strstr(program_output(load->program), " requests in ") == NULL &&
           proc_alive(keeper_program(program_keeper(load->program)));
}

static const char *line_with(const char *text, const char *part)
{
    const char *at = strstr(text, part);
    if (at == NULL)
        return NULL;
    while (at > text && at[-1] != '\n')
        at--;
    return keep_copy(at, strcspn(at, "\n"));
}

void sandbox_load_check(struct sandbox_load *load, const char *what)
{
    struct program_result result =
        program_finish(load->program, load->seconds * VERIFY_TIMES * 1000 + VERIFY_MS);
    const char *requests = line_with(result.output, " requests in "),
               *read = line_with(result.output, "verify: ");
    cr_assert_eq(result.exit_code, 0, "%s: %s", what, result.output);
    cr_assert(requests && strstr(requests, ", 0 not answered 2xx"), "%s: %s", what, result.output);
    cr_assert(read && strstr(read, ": 0 differences"), "%s: %s", what, result.output);
    printf("fault: %s: %s\n", what, requests);
    fflush(stdout);
}
