#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/options.h"
#include "common/version.h"

static const char *const colours[] = {"red", "green", "blue", NULL};

struct settings {
    const char *state_dir;
    unsigned workers;
    bool verbose;
    unsigned colour;
    unsigned hidden;
};

static size_t parse(struct settings *settings, char **argv)
{
    const struct option_row rows[] = {
        {.name = "state-dir",
         .type = OPTION_STRING,
         .target = &settings->state_dir,
         .value_name = "DIR",
         .help = "where"},
        {.name = "workers",
         .type = OPTION_UINT,
         .target = &settings->workers,
         .max = 64,
         .value_name = "N",
         .help = "how many"},
        {.name = "verbose", .type = OPTION_FLAG, .target = &settings->verbose, .help = "say more"},
        {.name = "colour",
         .type = OPTION_CHOICE,
         .target = &settings->colour,
         .choices = colours,
         .value_name = "C",
         .help = "which"},
        {.name = "hidden", .type = OPTION_UINT, .target = &settings->hidden, .max = 9},
    };
    int argc = 0;
    while (argv[argc])
        argc++;
    return options_parse("prog [options]", rows, ARRAY_LEN(rows), argc, argv);
}

#define ARGV(...) ((char *[]){"prog", __VA_ARGS__, NULL})

static void clear_environment(void)
{
    unsetenv("FORUMD_STATE_DIR");
    unsetenv("FORUMD_WORKERS");
    unsetenv("FORUMD_VERBOSE");
    unsetenv("FORUMD_COLOUR");
    unsetenv("FORUMD_HIDDEN");
}

TestSuite(options, .init = clear_environment);

Test(options, keeps_defaults_where_nothing_is_said)
{
    struct settings settings = {.state_dir = "./state", .workers = 3, .colour = 1};
    cr_assert_eq(parse(&settings, (char *[]){"prog", NULL}), 0);
    cr_assert_str_eq(settings.state_dir, "./state");
    cr_assert_eq(settings.workers, 3);
    cr_assert_not(settings.verbose);
    cr_assert_eq(settings.colour, 1);
}

Test(options, takes_values_after_a_space_or_an_equals_sign)
{
    struct settings settings = {0};
    cr_assert_eq(parse(&settings, ARGV("--state-dir", "/a", "--workers=7", "--verbose", "--colour", "blue",
                                       "--hidden=4")),
                 0);
    cr_assert_str_eq(settings.state_dir, "/a");
    cr_assert_eq(settings.workers, 7);
    cr_assert(settings.verbose);
    cr_assert_eq(settings.colour, 2);
    cr_assert_eq(settings.hidden, 4);
}

Test(options, permutes_operands_to_the_end)
{
    struct settings settings = {0};
    char **argv = ARGV("posts", "--workers", "2", "more", "--", "--verbose");
    cr_assert_eq(parse(&settings, argv), 3);
    cr_assert_str_eq(argv[4], "posts");
    cr_assert_str_eq(argv[5], "more");
    cr_assert_str_eq(argv[6], "--verbose");
    cr_assert_eq(settings.workers, 2);
    cr_assert_not(settings.verbose);
}

Test(options, reads_the_environment_but_a_flag_wins)
{
    struct settings settings = {0};
    setenv("FORUMD_STATE_DIR", "/from/env", 1);
    setenv("FORUMD_WORKERS", "5", 1);
    setenv("FORUMD_VERBOSE", "yes", 1);
    setenv("FORUMD_COLOUR", "green", 1);
    cr_assert_eq(parse(&settings, ARGV("--workers", "6")), 0);
    cr_assert_str_eq(settings.state_dir, "/from/env");
    cr_assert_eq(settings.workers, 6);
    cr_assert(settings.verbose);
    cr_assert_eq(settings.colour, 1);
}

Test(options, ignores_empty_variables_and_those_of_hidden_rows)
{
    struct settings settings = {.state_dir = "./state", .hidden = 1};
    setenv("FORUMD_STATE_DIR", "", 1);
    setenv("FORUMD_HIDDEN", "7", 1);
    (void)parse(&settings, (char *[]){"prog", NULL});
    cr_assert_str_eq(settings.state_dir, "./state");
    cr_assert_eq(settings.hidden, 1);
}

/* Runs the parser in a process of its own; its output goes to *text. */
static int parse_elsewhere(char **argv, char *text, size_t size)
{
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct settings settings = {.state_dir = "./state", .colour = 1};
        dup2(pipe_fds[1], STDOUT_FILENO);
        dup2(pipe_fds[1], STDERR_FILENO);
        (void)parse(&settings, argv);
        _exit(99);
    }
    close(pipe_fds[1]);
    size_t length = 0;
    for (ssize_t got; (got = read(pipe_fds[0], text + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    text[length] = '\0';
    close(pipe_fds[0]);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(options, refuses_wrong_values_with_one_line_that_names_the_flag)
{
    static const struct {
        char *argument;
        const char *named;
    } rows[] = {
        {"--workers=65", "--workers"},  {"--workers=-1", "--workers"},
        {"--workers=+1", "--workers"},  {"--workers= 1", "--workers"},
        {"--workers=0x1", "--workers"}, {"--workers=", "--workers"},
        {"--workers=1.5", "--workers"}, {"--workers=99999999999999999999", "--workers"},
        {"--colour=pink", "--colour"},  {"--colour=", "--colour"},
        {"--verbose=1", "--verbose"},   {"--state-dir", "--state-dir"},
        {"--wrong", "--wrong"},         {"-x", "-x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[4096];
        cr_assert_eq(parse_elsewhere(ARGV(rows[i].argument), text, sizeof(text)), EXIT_USAGE, "%s: %s",
                     rows[i].argument, text);
        cr_assert_not_null(strstr(text, rows[i].named), "%s: %s", rows[i].argument, text);
        cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1, "not one line: %s", text);
    }
}

Test(options, names_the_variable_when_the_environment_is_wrong)
{
    char text[4096];
    setenv("FORUMD_WORKERS", "many", 1);
    cr_assert_eq(parse_elsewhere((char *[]){"prog", NULL}, text, sizeof(text)), EXIT_USAGE);
    cr_assert_not_null(strstr(text, "FORUMD_WORKERS"), "%s", text);
}

Test(options, help_lists_every_public_flag_with_its_default)
{
    char text[4096];
    cr_assert_eq(parse_elsewhere(ARGV("--help"), text, sizeof(text)), 0);
    static const char *const wanted[] = {"Usage: prog [options]", "--state-dir DIR", "(./state)",
                                         "--workers N",           "--verbose",       "(green)"};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        cr_assert_not_null(strstr(text, wanted[i]), "no %s in: %s", wanted[i], text);
    cr_assert_null(strstr(text, "hidden"));
}

Test(options, version_prints_one_line)
{
    char text[4096];
    cr_assert_eq(parse_elsewhere(ARGV("--version"), text, sizeof(text)), 0);
    cr_assert_not_null(strstr(text, version_text));
}
