/* The simulated clients against a whole server: what they were told is what the server holds, also after a
 * restart. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/program.h"

#define SIM_MS    120000
#define FLAGS_MAX 12

static struct program *start_sim(const struct forum *forum, const char *const *flags)
{
    const char *argv[FLAGS_MAX + 4] = {forum_executable("forumd-sim")};
    size_t count = 1;
    for (size_t i = 0; flags[i] && i < FLAGS_MAX; i++)
        argv[count++] = flags[i];
    argv[count++] = "--url";
    argv[count++] = keep_format("http://127.0.0.1:%u", forum_port(forum));
    return program_start(argv, NULL, forum_run_directory());
}

static void check_finishes(struct program *sim)
{
    struct program_result result = program_finish(sim, SIM_MS);
    cr_assert_eq(result.exit_code, 0, "exit code %d: %s", result.exit_code, result.output);
}

static void run_sim(const struct forum *forum, const char *const *flags)
{
    check_finishes(start_sim(forum, flags));
}

#define RUN_SIM(forum, ...) run_sim(forum, (const char *[]){__VA_ARGS__, NULL})

static void restart(struct forum *forum)
{
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    forum_start_again(forum);
}

Test(sim, journey_is_verified_also_after_a_restart)
{
    struct forum *forum = forum_start(NULL);
    RUN_SIM(forum, "journey", "--verify", "--record", "journey.record");
    restart(forum);
    RUN_SIM(forum, "verify", "--record", "journey.record");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(sim, three_times_five_users_at_once_all_complete_and_five_journeys_more_make_20_subreddits)
{
    struct forum *forum = forum_start(NULL);
    struct program *multis[3];
    for (size_t i = 0; i < ARRAY_LEN(multis); i++)
        multis[i] =
            start_sim(forum, (const char *[]){"multi", "--record", keep_format("multi%zu.record", i), NULL});
    for (size_t i = 0; i < ARRAY_LEN(multis); i++)
        check_finishes(multis[i]);
    for (int i = 0; i < 5; i++)
        RUN_SIM(forum, "journey", "--quiet");
    for (int i = 1; i <= 5; i++)
        CHECK_OK(forum_get(forum, "/api/auth/user/loadtest_user_%d", i));
    CHECK_PROBLEM(forum_get(forum, "/api/auth/user/loadtest_user_20"), 404, "user_not_found");
    const char *count =
        keep_format("curl -s http://127.0.0.1:%u/api/subreddits | jq length", forum_port(forum));
    struct program_result result =
        program_run((const char *[]){"/bin/sh", "-c", count, NULL}, NULL, NULL, SIM_MS);
    cr_assert_geq(atoi(result.output), 20, "%s: %s", count, result.output);
    static const char *const all[] = {"verify",        "--record", "multi0.record", "--record",
                                      "multi1.record", "--record", "multi2.record", NULL};
    run_sim(forum, all);
    restart(forum);
    run_sim(forum, all);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(sim, load_is_verified)
{
    struct forum *forum = forum_start(NULL);
    RUN_SIM(forum, "load", "--operations", "3000", "--users", "50", "--seed", "7", "--verify", "--quiet");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static void write_changelog(const char *root, const char *package, int releases)
{
    static const char *const people[] = {"Ann Example <ann@example.org>",
                                         "Bj\u00f6rn Beispiel <bb@example.org>",
                                         "A. Name Far Longer Than Twenty Letters <long@example.org>"};
    const char *directory = keep_format("%s/%s", root, package);
    cr_assert(mkdir(directory, 0700) == 0);
    const char *command = keep_format("gzip -c > %s/changelog.Debian.gz", directory);
    FILE *file = popen(command, "w");
    cr_assert(file);
    for (int i = releases; i > 0; i--) {
        fprintf(file, "%s (1.%d-1) unstable; urgency=medium\n\n", package, i);
        for (int bullet = 0; bullet <= i % 3; bullet++)
            fprintf(file, "  * Change %d of release %d, with \"quotes\", \u00e4 and\n    a second line.\n",
                    bullet, i);
        fprintf(file, "\n -- %s  Mon, %02d Jan 2024 12:00:00 +0000\n\n", people[i % 3], i % 28 + 1);
    }
    cr_assert(pclose(file) == 0, "%s", command);
}

Test(sim, import_of_changelogs_is_verified_also_after_a_restart)
{
    const char *root = keep_format("%s/doc", forum_run_directory());
    cr_assert(mkdir(root, 0700) == 0);
    static const char *const packages[] = {"bash", "libc++-dev", "x", "a-package-of-a-very-long-name-indeed"};
    for (size_t i = 0; i < ARRAY_LEN(packages); i++)
        write_changelog(root, packages[i], 4 + (int)i * 7);
    struct forum *forum = forum_start(NULL);
    RUN_SIM(forum, "import", root, "--verify", "--record", "import.record", "--quiet");
    struct reply *list = forum_get(forum, "/api/subreddits");
    cr_assert_eq(json_count(list, ""), ARRAY_LEN(packages), "%s", http_describe(list));
    restart(forum);
    RUN_SIM(forum, "verify", "--record", "import.record");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* The simulated users act by the tokens that they got when they registered. */
Test(sim, works_where_tokens_are_required)
{
    static const char *const flags[] = {"--auth=required", NULL};
    const char *root = keep_format("%s/required-doc", forum_run_directory());
    cr_assert(mkdir(root, 0700) == 0);
    write_changelog(root, "bash", 9);
    struct forum *forum = forum_start(&(struct forum_spec){.flags = flags});
    RUN_SIM(forum, "journey", "--verify", "--record", "required.record");
    RUN_SIM(forum, "multi", "--verify", "--record", "required-multi.record");
    RUN_SIM(forum, "load", "--operations", "1500", "--users", "30", "--seed", "7", "--verify", "--quiet");
    RUN_SIM(forum, "import", root, "--verify", "--quiet");
    restart(forum);
    RUN_SIM(forum, "verify", "--record", "required.record", "--record", "required-multi.record");
    CHECK_PROBLEM(forum_get(forum, "/api/feed/user_1"), 401, "authentication_required");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 240});
}
