/* The Debian package: as lintian wants it, the same bytes from the same source, and a whole life of it in the
 * sandbox. */
#include <criterion/criterion.h>
#include <glob.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/attributes.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/keeper.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define SCRIPTS     FORUMD_SOURCE_DIR "/tests/systemd"
#define PROGRAM_MS  60000
#define SANDBOX_MS  60000
#define SCENARIO_MS 150000
#define STOP_MS     10000
#define SKIPPED     77

/* A release build's: where the programs are that the system tests drive, else the preset's. */
static const char *build_directory(void)
{
    const char *bin = getenv("FORUMD_BIN_DIR");
    return bin ? dirname(keep_copy(bin, strlen(bin))) : FORUMD_SOURCE_DIR "/build/release";
}

static const char *package(void)
{
    glob_t found;
    int rc = glob(keep_format("%s/forumd_*.deb", build_directory()), 0, NULL, &found);
    cr_assert(rc == 0 && found.gl_pathc == 1, "no package, or several, in %s", build_directory());
    return found.gl_pathv[0];
}

static const char *output_of(const char *command)
{
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    struct program_result result = program_run(argv, NULL, NULL, PROGRAM_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %d\n%s", command, result.exit_code, result.output);
    return result.output;
}

Test(package, has_nothing_that_lintian_warns_of)
{
    (void)output_of(keep_format("lintian --allow-root --fail-on error,warning %s", package()));
}

Test(package, is_the_same_bytes_when_it_is_made_again_of_the_same_source)
{
    size_t first_length, second_length;
    const char *first = keep_file(package(), &first_length);
    (void)output_of(keep_format("cmake --build %s --target package", build_directory()));
    const char *second = keep_file(package(), &second_length);
    cr_assert(first && second && first_length == second_length);
    cr_assert_eq(memcmp(first, second, first_length), 0);
}

Test(package, has_the_version_of_its_programs_and_all_that_belongs_in_it)
{
    static const char *const files[] = {
        "./usr/sbin/forumd\n",
        "./usr/sbin/forumd-gateway\n",
        "./usr/sbin/forumd-engined\n",
        "./usr/sbin/forumctl\n",
        "./lib/systemd/system/forumd.target\n",
        "./lib/systemd/system/forumd-gateway.socket\n",
        "./lib/systemd/system/forumd-gateway.service\n",
        "./lib/systemd/system/forumd-engined@.service\n",
        "./etc/default/forumd\n",
        "./usr/share/man/man7/forumd.7.gz\n",
        "./usr/share/man/man8/forumctl.8.gz\n",
        "./usr/share/doc/forumd/examples/nginx/forumd.conf\n",
        "./usr/share/doc/forumd/examples/prometheus/forumd.rules.yml\n",
    };
    const char *list = output_of(keep_format("dpkg-deb --fsys-tarfile %s | tar --list", package()));
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        cr_expect(strstr(list, files[i]), "%s is missing in:\n%s", files[i], list);
    const char *version = output_of(keep_format("dpkg-deb --field %s Version", package()));
    const char *said = output_of(keep_format("%s/bin/forumd-engined --version", build_directory()));
    cr_assert_str_eq(said, keep_format("forumd-engined %s", version));
    const char *depends = output_of(keep_format("dpkg-deb --field %s Depends", package()));
    cr_assert(strstr(depends, "libnng1 (>= ") && strstr(depends, "libsqlite3-0 (>= "), "%s", depends);
}

struct sandbox {
    const char *directory, *output;
    struct keeper *keeper;
    bool ended;
    int status;
};

static bool is_up_or_ended(void *arg)
{
    struct sandbox *sandbox = arg;
    sandbox->ended = keeper_wait(sandbox->keeper, 0, &sandbox->status);
    return sandbox->ended || access(keep_format("%s/pid", sandbox->directory), F_OK) == 0;
}

/* Skips the test where this machine allows no sandbox. */
static struct sandbox sandbox_start(const char *const *prepare)
{
    struct sandbox sandbox = {.directory = keep_format("%s/sandbox", forum_run_directory())};
    const char *argv[8] = {SCRIPTS "/sandbox", sandbox.directory};
    for (size_t i = 0; prepare[i]; i++)
        argv[2 + i] = prepare[i];
    sandbox.output = keep_format("%s/output", sandbox.directory);
    cr_assert_eq(mkdir(sandbox.directory, 0700), 0);
    sandbox.keeper =
        keeper_start(&(struct keeper_spec){.argv = argv, .output = sandbox.output, .hold_fd = -1});
    bool done = wait_until(is_up_or_ended, &sandbox, SANDBOX_MS);
    const char *output = keep_file(sandbox.output, NULL);
    if (sandbox.ended && WIFEXITED(sandbox.status) && WEXITSTATUS(sandbox.status) == SKIPPED)
        cr_skip_test("%s", output);
    cr_assert(done && !sandbox.ended, "no sandbox: %s\n%s", output,
              keep_file(keep_format("%s/console", sandbox.directory), NULL));
    return sandbox;
}

static void sandbox_stop(struct sandbox *sandbox)
{
    cr_assert_eq(kill(keeper_program(sandbox->keeper), SIGTERM), 0);
    cr_expect(keeper_wait(sandbox->keeper, STOP_MS, NULL), "the sandbox does not end");
    keeper_end(sandbox->keeper);
}

Test(package, installs_upgrades_under_load_without_a_failed_request_and_purges_without_a_trace)
{
    const char *later = keep_format("%s/later.deb", forum_run_directory());
    (void)output_of(keep_format(SCRIPTS "/later-package %s %s", package(), later));
    const char *prepare[] = {SCRIPTS "/package-prepare", package(), later, forum_executable("forumd-sim"),
                             NULL};
    struct sandbox sandbox = sandbox_start(prepare);
    const char *scenario[] = {SCRIPTS "/enter", sandbox.directory, "/srv/package-scenario", NULL};
    struct program_result result = program_run(scenario, NULL, NULL, SCENARIO_MS);
    sandbox_stop(&sandbox);
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    cr_assert(strstr(result.output, "purged: every file is as before"), "%s", result.output);
    printf("%s", result.output);
}

/* Once, before any test. */
int main(int argc, char **argv)
{
    const char *command = keep_format("cmake --build %s --target package", build_directory());
    if (system(command) != 0) {
        fprintf(stderr, "%s failed\n", command);
        return 1;
    }
    return forum_main(argc, argv, &(struct forum_plan){.one_by_one = true, .timeout_s = 240});
}
