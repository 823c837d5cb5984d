/*
 * /openapi.json against the world: a public validator says that it is OpenAPI 3.1, and live answers keep to
 * it. The checks are scripts of Node.js (openapi/) with packages of npm; without those the tests fail.
 */
#include <criterion/criterion.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/program.h"
#include "tests/lib/require.h"

#define SCRIPTS    FORUMD_SOURCE_DIR "/tests/system/openapi"
#define INSTALL_MS 180000
#define SCRIPT_MS  60000

static struct program_result shell(const char *command, unsigned timeout_ms)
{
    return program_run((const char *[]){"/bin/sh", "-c", command, NULL}, NULL, SCRIPTS, timeout_ms);
}

/* Once: what is installed is kept as long as the lock file is older. */
static void install(struct forum *forum)
{
    (void)forum;
    struct program_result result =
        shell("test node_modules/.installed -nt package-lock.json || "
              "{ npm ci --no-audit --no-fund --ignore-scripts && touch node_modules/.installed; }",
              INSTALL_MS);
    REQUIRE(result.exit_code == 0, "npm ci: %s", result.output);
}

static void run_script(const char *script, const char *path)
{
    const char *command =
        keep_format("node %s http://127.0.0.1:%u%s", script, forum_port(forum_attach()), path);
    struct program_result result = shell(command, SCRIPT_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %d: %s", command, result.exit_code, result.output);
}

Test(openapi, is_valid_by_a_public_validator)
{
    run_script("validate.mjs", "/openapi.json");
}

Test(openapi, is_what_live_answers_keep_to)
{
    run_script("walk.mjs", "");
}

int main(int argc, char **argv)
{
    /* Limits that no walk meets, so that answers have all the headers of the document. */
    static const char *const flags[] = {"--limit-register=1000000/s",
                                        "--limit-login=1000000/s",
                                        "--limit-write=1000000/s",
                                        "--limit-read=1000000/s",
                                        "--deadline=15000", /* passwords take their time on a busy machine */
                                        NULL};
    return forum_main(argc, argv,
                      &(struct forum_plan){.shared = true, .spec = {.flags = flags}, .prepare = install});
}
