/*
 * Settings: a flag each, with a FORUMD_* environment variable (flag wins). One table per program.
 *   --listen 127.0.0.1:8080   --listen=127.0.0.1:8080   FORUMD_LISTEN=127.0.0.1:8080
 * --help prints the table; --version prints the version. Trouble ends the process: exit code 64 and one line
 * that names the flag. A row without `help` is hidden: not in --help, and not taken from the environment
 * (flags between forumd's own processes).
 */
#pragma once

#include <stddef.h>

#include "common/attributes.h"

enum option_type {
    OPTION_STRING, /* const char ** */
    OPTION_UINT,   /* unsigned *, min..max */
    OPTION_FLAG,   /* bool *, no value */
    OPTION_CHOICE, /* unsigned *: index into `choices` */
};

struct option_row {
    const char *name; /* "state-dir": the variable is FORUMD_STATE_DIR */
    enum option_type type;
    void *target; /* holds the default beforehand */
    unsigned min, max;
    const char *const *choices; /* NULL-terminated */
    const char *value_name;     /* "DIR" in --help */
    const char *help;
};

/* `usage` is what follows "Usage: " in --help. Values point into argv or the environment: both must stay.
 * Returns the number of operands left (argv[argc - n ..]), permuted to the end. */
size_t options_parse(const char *usage, const struct option_row *rows, size_t count, int argc,
                     char **argv) MUST_USE;
