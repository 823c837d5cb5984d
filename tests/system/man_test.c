/* The manual pages say what --help says, each flag and command, and are well-formed. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/attributes.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/program.h"

#define PAGES      FORUMD_SOURCE_DIR "/deploy/man"
#define PROGRAM_MS 20000
#define NAMES_MAX  128
#define LOWER_CASE "abcdefghijklmnopqrstuvwxyz"

static const char *const programs[] = {"forumd", "forumd-gateway", "forumd-engined", "forumctl"};
static const char *const pages[] = {"forumd.7", "forumd.8", "forumd-gateway.8", "forumd-engined.8",
                                    "forumctl.8"};

static const char *page_text(const char *page)
{
    const char *text = keep_file(keep_format(PAGES "/%s", page), NULL);
    cr_assert(text, "there is no " PAGES "/%s", page);
    return text;
}

/* `command` NULL: the program's own. */
static const char *help_of(const char *program, const char *command)
{
    const char *argv[] = {forum_executable(program), command ? command : "--help", command ? "--help" : NULL,
                          NULL};
    struct program_result result = program_run(argv, NULL, NULL, PROGRAM_MS);
    cr_assert_eq(result.exit_code, 0, "%s %s --help: %s", program, command ? command : "", result.output);
    return result.output;
}

/* The words behind each `mark` at the beginning of a line. */
static size_t names_behind(const char *text, const char *mark, const char **names)
{
    size_t count = 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, mark, strlen(mark)) != 0)
            continue;
        const char *at = line + strlen(mark);
        size_t length = strspn(at, LOWER_CASE "0123456789-");
        cr_assert(length > 0 && count < NAMES_MAX, "%.60s", line);
        names[count++] = keep_copy(at, length);
    }
    return count;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void expect_same(const char *program, const char *what, const char *const *help, size_t help_count,
                        const char *const *page, size_t page_count)
{
    for (size_t i = 0; i < help_count; i++)
        cr_expect(is_among(help[i], page, page_count), "%s.8 does not say the %s %s", program, what, help[i]);
    for (size_t i = 0; i < page_count; i++)
        cr_expect(is_among(page[i], help, help_count), "%s.8 says the %s %s, --help does not", program, what,
                  page[i]);
}

/* What stands in the last parentheses of its line in --help; NULL: its line does not end with any, or it
 * is a sentence. */
static const char *default_in_help(const char *help, const char *flag)
{
    const char *line = strstr(help, keep_format("\n  --%s ", flag));
    if (!line)
        return NULL;
    const char *end = strchr(line + 1, '\n');
    if (end[-1] != ')')
        return NULL;
    const char *begin = end;
    while (*begin != '(')
        begin--;
    const char *value = keep_copy(begin + 1, (size_t)(end - 2 - begin));
    return strchr(value, ' ') || strcmp(value, "none") == 0 ? NULL : value;
}

static void expect_default(const char *program, const char *help, const char *page, const char *flag)
{
    const char *value = default_in_help(help, flag);
    const char *item = strstr(page, keep_format("\n.It Fl -%s\n", flag));
    if (!item)
        item = strstr(page, keep_format("\n.It Fl -%s ", flag));
    if (!value || !item)
        return;
    const char *end = strstr(item + 1, "\n.It ");
    cr_expect(strstr(keep_copy(item, (size_t)(end ? end - item : (long)strlen(item))), value),
              "%s.8 does not say that --%s is %s by default", program, flag, value);
}

/* forumctl's sub-commands: a line each in its --help, or the words of "Usage: forumctl init|rotate-token-key
 * [flags]". */
static size_t commands_of(const char *program, const char **commands)
{
    size_t count = 0;
    if (strcmp(program, "forumctl") != 0)
        return 0;
    const char *help = help_of(program, NULL);
    for (const char *line = help; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t length = strspn(line, " "), word = strspn(line + length, LOWER_CASE "-");
        if (length == 2 && line[2] != '-' && word > 0)
            commands[count++] = keep_copy(line + 2, word);
        cr_assert_lt(count, NAMES_MAX);
    }
    if (count > 0)
        return count;
    for (const char *at = help + strlen("Usage: forumctl "); *at != ' '; at += *at == '|') {
        size_t word = strspn(at, LOWER_CASE "-");
        cr_assert(word > 0 && count < NAMES_MAX, "%s", help);
        commands[count++] = keep_copy(at, word);
        at += word;
    }
    return count;
}

/* The flags of the program and of its sub-commands, each once; *helps is all that their --help says. */
static size_t flags_of(const char *program, const char **flags, const char **helps)
{
    const char *commands[NAMES_MAX], *found[NAMES_MAX];
    size_t flag_count = 0, command_count = commands_of(program, commands);
    *helps = "";
    for (size_t c = 0; c <= command_count; c++) {
        const char *help = help_of(program, c < command_count ? commands[c] : NULL);
        size_t found_count = names_behind(help, "  --", found);
        *helps = keep_format("%s\n%s", *helps, help);
        for (size_t i = 0; i < found_count; i++)
            if (!is_among(found[i], flags, flag_count))
                flags[flag_count++] = found[i];
    }
    return flag_count;
}

Test(man, pages_say_the_flags_of_help_with_their_defaults_and_no_others)
{
    for (size_t p = 0; p < ARRAY_LEN(programs); p++) {
        const char *in_help[NAMES_MAX], *in_page[NAMES_MAX], *help;
        const char *page = page_text(keep_format("%s.8", programs[p]));
        size_t help_count = flags_of(programs[p], in_help, &help);
        size_t page_count = names_behind(page, ".It Fl -", in_page);
        if (!is_among("help", in_help, help_count)) /* where only the commands' own --help lists it */
            in_help[help_count++] = "help";
        if (!is_among("version", in_help, help_count))
            in_help[help_count++] = "version";
        expect_same(programs[p], "flag", in_help, help_count, in_page, page_count);
        for (size_t i = 0; i < help_count; i++)
            expect_default(programs[p], help, page, in_help[i]);
    }
}

Test(man, forumctls_page_says_its_commands_and_no_others)
{
    const char *in_help[NAMES_MAX], *in_page[NAMES_MAX];
    size_t count = commands_of("forumctl", in_help);
    size_t page_count = names_behind(page_text("forumctl.8"), ".It Cm ", in_page);
    cr_assert_gt(count, 1);
    expect_same("forumctl", "command", in_help, count, in_page, page_count);
}

static const char *variable_of(const char *flag)
{
    char *name = keep_format("FORUMD_%s", flag);
    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return name;
}

/* A variable is a flag's, or stands in a program as it is. */
static bool is_known(const char *variable)
{
    for (size_t p = 0; p < ARRAY_LEN(programs); p++) {
        const char *flags[NAMES_MAX];
        const char *help;
        size_t length, count = flags_of(programs[p], flags, &help);
        for (size_t i = 0; i < count; i++)
            if (strcmp(variable, variable_of(flags[i])) == 0)
                return true;
        const char *bytes = keep_file(forum_executable(programs[p]), &length);
        if (bytes && memmem(bytes, length, variable, strlen(variable) + 1))
            return true;
    }
    return false;
}

Test(man, pages_name_variables_and_pages_that_there_are)
{
    size_t count = 0;
    for (size_t p = 0; p < ARRAY_LEN(pages); p++) {
        const char *text = page_text(pages[p]);
        for (const char *at = text; (at = strstr(at, "FORUMD_")); count++) {
            const char *name = keep_copy(at, strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"));
            cr_expect(is_known(name), "%s names %s", pages[p], name);
            at += strlen(name);
        }
        for (const char *at = text; (at = strstr(at, "\n.Xr forum"));) {
            char name[64], section[8];
            at += 5;
            cr_assert_eq(sscanf(at, "%63s %7[0-9]", name, section), 2, "%.40s", at);
            cr_expect(is_among(keep_format("%s.%s", name, section), pages, ARRAY_LEN(pages)),
                      "%s refers to %s(%s)", pages[p], name, section);
        }
    }
    cr_assert_gt(count, 5);
}

Test(man, pages_have_no_mistakes_of_form)
{
    for (size_t p = 0; p < ARRAY_LEN(pages); p++) {
        const char *path = keep_format(PAGES "/%s", pages[p]);
        const char *lint[] = {"/usr/bin/mandoc", "-Tlint", "-Wwarning", path, NULL};
        struct program_result result = program_run(lint, NULL, NULL, PROGRAM_MS);
        cr_expect_eq(result.exit_code, 0, "%s", result.output);
        const char *man[] = {"/bin/sh", "-c",
                             keep_format("man --warnings -E UTF-8 -l -Tutf8 -Z %s 2>&1 >/dev/null", path),
                             NULL};
        const char *env[] = {"LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=80", NULL};
        result = program_run(man, env, NULL, PROGRAM_MS);
        cr_expect(result.exit_code == 0 && result.output[0] == '\0', "%s: %s", path, result.output);
    }
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
