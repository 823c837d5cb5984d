#include "tests/lib/forum_main.h"

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/options.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/forum_private.h"
#include "tests/lib/keep.h"

#define LOG_TAIL_LINES 60

static void show_log(const char *title, const char *path)
{
    size_t length;
    const char *text = keep_file(path, &length);
    if (!text || length == 0)
        return;
    const char *at = text + length - 1;
    for (int lines = 0; at > text && lines < LOG_TAIL_LINES; at--)
        lines += at[-1] == '\n';
    fprintf(stderr, "---- the end of the log of %s\n%s---- \n", title, at);
}

ReportHook(POST_TEST)(struct criterion_test_stats *stats)
{
    const char *run = getenv(FORUM_RUN_VARIABLE);
    if (!run || (stats->test_status != CR_STATUS_FAILED && !stats->crashed && !stats->timed_out))
        return;
    const char *name = keep_format("%s.%s", stats->test->category, stats->test->name);
    show_log(name, keep_format("%s/%s.log", run, name));
    show_log("the shared forum", keep_format("%s/shared.log", run));
}

static char *make_run_directory(void)
{
    const char *base = getenv("TMPDIR");
    char *path = keep_format("%s/forumd-test.XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    setenv(FORUM_RUN_VARIABLE, path, 1);
    return path;
}

static struct forum *start_shared(const struct forum_plan *plan)
{
    struct forum_spec *spec = keep_alloc(sizeof(*spec));
    *spec = plan->spec;
    spec->name = "shared";
    struct forum *forum = forum_start(spec);
    forum_export(forum);
    if (plan->prepare)
        plan->prepare(forum);
    return forum;
}

static int run_tests(struct criterion_test_set *tests, const struct forum_plan *plan)
{
    const char *directory = make_run_directory();
    struct keeper *janitor = keeper_start(&(struct keeper_spec){.remove = directory, .hold_fd = -1});
    struct forum *shared = plan->shared ? start_shared(plan) : NULL;
    criterion_options.timeout = plan->timeout_s > 0 ? plan->timeout_s : FORUM_TEST_TIMEOUT_S;
    if (plan->one_by_one)
        criterion_options.jobs = 1;
    int failed = !criterion_run_all_tests(tests);
    if (shared && forum_stop(shared, SIGINT) != 0) {
        fprintf(stderr, "the shared forum did not end in order\n%s", forum_log(shared));
        failed = 1;
    }
    keeper_end(janitor);
    return failed;
}

int forum_main(int argc, char **argv, const struct forum_plan *plan)
{
    struct criterion_test_set *tests = criterion_initialize();
    int result = 0;
    if (criterion_handle_args(argc, argv, true))
        result = run_tests(tests, plan);
    criterion_finalize(tests);
    return result;
}
