/* What the README tells a newcomer to paste works, and so does the demonstration. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/program.h"

#define README_ADDRESS "127.0.0.1:8080"
#define WITH_TOKENS    "`./run --auth required`" /* what is to be pasted behind it needs that */
#define DEMO_MS        120000

/* The line with the server's address in place of the README's. */
static const char *aimed_at(const struct forum *forum, const char *line)
{
    const char *at = strstr(line, README_ADDRESS);
    cr_assert(at, "no " README_ADDRESS " in: %s", line);
    return keep_format("%.*s127.0.0.1:%u%s", (int)(at - line), line, forum_port(forum),
                       at + strlen(README_ADDRESS));
}

static void check_line(const struct forum *forum, const char *line)
{
    const char *const argv[] = {"/bin/sh", "-c", aimed_at(forum, line), NULL};
    struct program_result result = program_run(argv, NULL, NULL, 20000);
    struct json_object *json = json_tokener_parse(result.output), *code = NULL;
    cr_assert_eq(result.exit_code, 0, "%s: %s", line, result.output);
    cr_assert(json && !json_find(json, "code", &code), "%s: %s", line, result.output);
}

Test(readme, has_six_curl_lines_that_work_when_pasted)
{
    struct forum *forum = forum_start(NULL);
    const char *readme = keep_file(FORUMD_SOURCE_DIR "/README.md", NULL);
    cr_assert(readme && strstr(readme, WITH_TOKENS));
    readme = keep_copy(readme, (size_t)(strstr(readme, WITH_TOKENS) - readme));
    size_t count = 0;
    for (const char *line = readme; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "curl ", 5) != 0)
            continue;
        check_line(forum, keep_copy(line, strcspn(line, "\n")));
        count++;
    }
    cr_assert_eq(count, 6);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(readme, has_lines_with_a_token_that_work_when_pasted)
{
    static const char *const flags[] = {"--auth=required", "--deadline=15000", NULL};
    struct forum *forum = forum_start(&(struct forum_spec){.flags = flags});
    const char *readme = keep_file(FORUMD_SOURCE_DIR "/README.md", NULL);
    const char *begin = strstr(strstr(readme, WITH_TOKENS), "```sh\n") + 6;
    const char *lines = keep_copy(begin, (size_t)(strstr(begin, "```") - begin));
    while (strstr(lines, README_ADDRESS))
        lines = aimed_at(forum, lines);
    const char *const argv[] = {"/bin/sh", "-e", "-c", lines, NULL};
    struct program_result result = program_run(argv, NULL, NULL, 60000);
    cr_assert(result.exit_code == 0 && !strstr(result.output, "\"code\":"), "%s", result.output);
    cr_assert(strstr(result.output, "\"name\":\"dogs\"") && strstr(result.output, "}[]"), "%s",
              result.output);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(demo, runs_to_its_end)
{
    const char *const env[] = {keep_format("FORUMD_BIN_DIR=%s/both", forum_run_directory()), NULL};
    /* The server's executables and forumd-sim may be of two builds. */
    static const char *const programs[] = {"forumd", "forumd-gateway", "forumd-engined", "forumd-sim"};
    const char *gather = keep_format("mkdir %s/both", forum_run_directory());
    for (size_t i = 0; i < ARRAY_LEN(programs); i++)
        gather =
            keep_format("%s && cp %s %s/both/", gather, forum_executable(programs[i]), forum_run_directory());
    cr_assert_eq(program_run((const char *[]){"/bin/sh", "-c", gather, NULL}, NULL, NULL, 20000).exit_code,
                 0);
    struct program_result result =
        program_run((const char *[]){FORUMD_SOURCE_DIR "/deploy/demo", NULL}, env, NULL, DEMO_MS);
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    cr_assert(strstr(result.output, "All well"), "%s", result.output);
    for (int i = 1; i <= 3; i++)
        cr_assert(strstr(result.output, keep_format(" client=%d", i)), "no request of client %d: %s", i,
                  result.output);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 180});
}
