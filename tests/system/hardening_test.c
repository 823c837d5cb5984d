/* How the executables are built, and what their processes have given up once they serve. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/attributes.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/lib/program.h"

/* Builds with sanitizers have neither: they replace the checks, and their leak check is a debugger. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SKIP_IF_SANITIZED cr_skip_test("builds with sanitizers are not hardened")
#else
#define SKIP_IF_SANITIZED (void)0
#endif

#define READELF_MS 20000

static const char *const executables[] = {"forumd", "forumd-gateway", "forumd-engined", "forumctl"};

/* Each text must be in what `readelf` says, or may not be. */
static const struct {
    const char *text;
    bool wanted;
    const char *why;
} marks[] = {
    {"Position-Independent Executable", true, "addresses can be foretold"},
    {"GNU_RELRO", true, "the tables of pointers stay writable"},
    {"BIND_NOW", true, "the tables of pointers stay writable until they are used"},
    {"__stack_chk_fail", true, "no stack protector"},
    {"_chk@", true, "sizes are not checked (Fortify)"},
    {"GNU_STACK      0x000000 0x0000000000000000 0x0000000000000000 0x000000 0x000000 RW ", true,
     "the stack can be run"},
    {"TEXTREL", false, "code is written at start"},
    {"RUNPATH", false, "libraries are looked for in odd places"},
    {"RPATH", false, "libraries are looked for in odd places"},
};

Test(executables, are_built_to_withstand_bugs)
{
    SKIP_IF_SANITIZED;
    for (size_t i = 0; i < ARRAY_LEN(executables); i++) {
        const char *path = forum_executable(executables[i]);
        const char *argv[] = {"/usr/bin/readelf", "-hldW", "--dyn-syms", path, NULL};
        struct program_result result = program_run(argv, NULL, NULL, READELF_MS);
        cr_assert_eq(result.exit_code, 0, "%s", result.output);
        for (size_t j = 0; j < ARRAY_LEN(marks); j++)
            cr_expect_eq(strstr(result.output, marks[j].text) != NULL, marks[j].wanted, "%s: %s (%s)", path,
                         marks[j].why, marks[j].text);
    }
}

/* The number behind "NAME:" in /proc/PID/status; -1: none. */
static int status_number(pid_t pid, const char *name)
{
    int value = -1;
    const char *text = keep_file(keep_format("/proc/%d/status", (int)pid), NULL);
    const char *at = text ? strstr(text, keep_format("\n%s:", name)) : NULL;
    if (at)
        (void)sscanf(at + strlen(name) + 2, "%d", &value);
    return value;
}

/* Of every thread: a filter that some of them lack is none. */
static void expect_filtered(pid_t pid)
{
    cr_expect_eq(status_number(pid, "Seccomp"), 2, "%s", proc_title(pid));
    const char *argv[] = {"/bin/sh", "-c",
                          keep_format("grep -hE '^Seccomp:' /proc/%d/task/*/status", (int)pid), NULL};
    struct program_result result = program_run(argv, NULL, NULL, READELF_MS);
    for (const char *line = result.output; *line; line += strcspn(line, "\n") + 1)
        cr_expect_str_eq(keep_copy(line, strcspn(line, "\n")), "Seccomp:\t2", "%s", proc_title(pid));
    const char *limits = keep_file(keep_format("/proc/%d/limits", (int)pid), NULL);
    const char *core = limits ? strstr(limits, "Max core file size") : NULL;
    unsigned soft = 1, hard = 1;
    cr_expect(core && sscanf(core, "Max core file size %u %u", &soft, &hard) == 2 && soft == 0 && hard == 0,
              "%s can dump core", proc_title(pid));
}

Test(processes, gain_no_privileges)
{
    pid_t found[PROC_MAX];
    struct forum *forum = forum_attach();
    size_t count = proc_descendants(forum_launcher(forum), found, ARRAY_LEN(found));
    cr_expect_eq(status_number(forum_launcher(forum), "NoNewPrivs"), 1);
    cr_assert_geq(count, 11, "six engines, two password processes, a master and two workers");
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(status_number(found[i], "NoNewPrivs"), 1, "%s", proc_title(found[i]));
}

Test(processes, run_under_a_filter_and_dump_no_core)
{
    SKIP_IF_SANITIZED;
    pid_t found[PROC_MAX];
    struct forum *forum = forum_attach();
    static const char *const leaves[] = {"forumd-engined: ", "forumd-gateway: worker"};
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        size_t count = forum_processes(forum, leaves[i], found, ARRAY_LEN(found));
        cr_assert_geq(count, 2, "%s", leaves[i]);
        for (size_t j = 0; j < count; j++)
            expect_filtered(found[j]);
    }
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
