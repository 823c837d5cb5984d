/*
 * The sub-commands of forumctl: a file each, a row each in main.c.
 *
 * `run` gets the arguments from the sub-command's own name on (argv[0]), reads its flags with options_parse,
 * and returns the exit code: EXIT_SUCCESS, EXIT_FAILURE for what it was asked to look for and found. Trouble
 * ends the process by fatal_exit. The log is open and sodium_init was called.
 */
#pragma once

#include "common/attributes.h"

struct ctl_command {
    const char *name;
    const char *operands; /* "DIR", or "" */
    const char *help;     /* a line */
    int (*run)(int argc, char **argv);
};

int ctl_backup(int argc, char **argv) MUST_USE;
int ctl_check(int argc, char **argv) MUST_USE;
int ctl_export(int argc, char **argv) MUST_USE;
int ctl_import(int argc, char **argv) MUST_USE;
int ctl_init(int argc, char **argv) MUST_USE;
int ctl_rebuild(int argc, char **argv) MUST_USE;
int ctl_restore(int argc, char **argv) MUST_USE;
int ctl_status(int argc, char **argv) MUST_USE;
int ctl_top(int argc, char **argv) MUST_USE;
int ctl_token(int argc, char **argv) MUST_USE;
int ctl_user(int argc, char **argv) MUST_USE;
int ctl_rotate_token_key(int argc, char **argv) MUST_USE;
