#include "common/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/version.h"

#define VARIABLE_MAX_BYTES 64
#define HELP_COLUMN        28

/* What getopt_long returns: above any character, so that optopt tells short options from rows. */
enum { VALUE_HELP = 256, VALUE_VERSION, VALUE_ROWS };

static void variable_name(const struct option_row *row, char out[static VARIABLE_MAX_BYTES])
{
    int length = snprintf(out, VARIABLE_MAX_BYTES, "FORUMD_%s", row->name);
    ensure(length > 0 && length < VARIABLE_MAX_BYTES);
    for (char *at = out; *at; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
}

/* Only digits: strtoul alone takes signs and spaces. */
static void set_uint(const struct option_row *row, const char *origin, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long value = isdigit((unsigned char)text[0]) ? strtoul(text, &end, 10) : 0;
    if (!end || *end || errno || value < row->min || value > row->max)
        fatal_exit(EXIT_USAGE, "%s: \"%s\" is not a number from %u to %u", origin, text, row->min, row->max);
    *(unsigned *)row->target = (unsigned)value;
}

static void set_choice(const struct option_row *row, const char *origin, const char *text)
{
    char known[256] = "";
    size_t length = 0;
    for (unsigned i = 0; row->choices[i]; i++) {
        if (strcmp(text, row->choices[i]) == 0) {
            *(unsigned *)row->target = i;
            return;
        }
        int added = snprintf(known + length, sizeof(known) - length, "%s%s", i ? ", " : "", row->choices[i]);
        ensure(added > 0 && length + (size_t)added < sizeof(known));
        length += (size_t)added;
    }
    fatal_exit(EXIT_USAGE, "%s: \"%s\" is none of: %s", origin, text, known);
}

/* `text` is NULL for the bare flag of the command line. */
static void set_flag(const struct option_row *row, const char *origin, const char *text)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"1", true},  {"true", true},   {"yes", true}, {"on", true},
                 {"0", false}, {"false", false}, {"no", false}, {"off", false}};
    if (!text) {
        *(bool *)row->target = true;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(text, words[i].text) == 0) {
            *(bool *)row->target = words[i].value;
            return;
        }
    }
    fatal_exit(EXIT_USAGE, "%s: \"%s\" is neither on nor off", origin, text);
}

static void set_string(const struct option_row *row, const char *origin, const char *text)
{
    (void)origin;
    *(const char **)row->target = text;
}

static void (*const setters[])(const struct option_row *row, const char *origin, const char *text) = {
    [OPTION_STRING] = set_string,
    [OPTION_UINT] = set_uint,
    [OPTION_FLAG] = set_flag,
    [OPTION_CHOICE] = set_choice,
};

/* An empty variable counts as unset: that is how container files switch one off. */
static void apply_variable(const struct option_row *row)
{
    char name[VARIABLE_MAX_BYTES];
    variable_name(row, name);
    const char *text = getenv(name);
    if (text && *text)
        setters[row->type](row, name, text);
}

static void print_default(const struct option_row *row)
{
    switch (row->type) {
    case OPTION_STRING:
        if (*(const char **)row->target)
            printf(" (%s)", *(const char **)row->target);
        break;
    case OPTION_UINT:
        printf(" (%u)", *(unsigned *)row->target);
        break;
    case OPTION_CHOICE:
        printf(" (%s)", row->choices[*(unsigned *)row->target]);
        break;
    case OPTION_FLAG:
        break;
    }
}

NO_RETURN static void print_help(const char *usage, const struct option_row *rows, size_t count)
{
    printf("Usage: %s\n\n", usage);
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].help)
            continue;
        const char *value = rows[i].value_name ? rows[i].value_name : "";
        int width = printf("  --%s%s%s", rows[i].name, *value ? " " : "", value);
        printf("%*s%s", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", rows[i].help);
        print_default(&rows[i]);
        putchar('\n');
    }
    printf("  %-*s%s\n  %-*s%s\n", HELP_COLUMN - 2, "--help", "print this and exit", HELP_COLUMN - 2,
           "--version", "print the version and exit");
    printf("\nEach may also be set in the environment (--state-dir: FORUMD_STATE_DIR); a flag wins.\n");
    exit(EXIT_SUCCESS);
}

NO_RETURN static void print_version(void)
{
    printf("%s %s\n", program_invocation_short_name, version_text);
    exit(EXIT_SUCCESS);
}

static struct option *long_options(const struct option_row *rows, size_t count)
{
    struct option *options = xcalloc(count + 3, sizeof(*options));
    for (size_t i = 0; i < count; i++) {
        options[i].name = rows[i].name;
        options[i].has_arg = rows[i].type == OPTION_FLAG ? no_argument : required_argument;
        options[i].val = VALUE_ROWS + (int)i;
    }
    options[count] = (struct option){.name = "help", .val = VALUE_HELP};
    options[count + 1] = (struct option){.name = "version", .val = VALUE_VERSION};
    return options;
}

NO_RETURN static void refuse_argument(int value, char **argv)
{
    if (optopt > 0 && optopt < VALUE_HELP)
        fatal_exit(EXIT_USAGE, "-%c: unknown option (see --help)", optopt);
    if (value == ':')
        fatal_exit(EXIT_USAGE, "%s: needs a value (see --help)", argv[optind - 1]);
    if (optopt >= VALUE_HELP)
        fatal_exit(EXIT_USAGE, "%s: takes no value (see --help)", argv[optind - 1]);
    fatal_exit(EXIT_USAGE, "%s: unknown option (see --help)", argv[optind - 1]);
}

static void apply_flag(const struct option_row *row, const char *text)
{
    char origin[VARIABLE_MAX_BYTES];
    snprintf(origin, sizeof(origin), "--%s", row->name);
    setters[row->type](row, origin, text);
}

size_t options_parse(const char *usage, const struct option_row *rows, size_t count, int argc, char **argv)
{
    struct option *options = long_options(rows, count);
    bool *given = xcalloc(count, sizeof(*given));
    int value;
    opterr = 0;
    optind = 0; /* glibc: begin anew */
    while ((value = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (value == VALUE_HELP)
            print_help(usage, rows, count);
        if (value == VALUE_VERSION)
            print_version();
        if (value < VALUE_ROWS)
            refuse_argument(value, argv);
        size_t index = (size_t)(value - VALUE_ROWS);
        apply_flag(&rows[index], optarg);
        given[index] = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (!given[i] && rows[i].help)
            apply_variable(&rows[i]);
    }
    free(given);
    free(options);
    return (size_t)(argc - optind);
}
