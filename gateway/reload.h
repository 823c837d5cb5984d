/*
 * `forumd-gateway reload`: signals a master and returns when its new workers serve, or with one clear line
 * when they do not. For ExecReload=, because systemd 252 takes a reload for done when the command ends.
 *
 * What it waits on is a file of one line in $RUNTIME_DIRECTORY (systemd.exec(5), RuntimeDirectory), which the
 * master replaces whole: pid, how often it was asked, which asking it has dealt with, and which it has
 * served. Asking again while a reload is under way means another one behind it, so an asking is served by
 * workers that started after it. Without RUNTIME_DIRECTORY (another supervisor) there is no file.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attributes.h"

struct reload_state {
    pid_t master;
    uint64_t asked;  /* signals taken */
    uint64_t done;   /* the asking that was dealt with last, well or badly */
    uint64_t served; /* the last one whose workers serve */
};

struct reload_file {
    char path[PATH_MAX], temporary[PATH_MAX]; /* "": there is none */
    struct reload_state state;
};

/* The master's; writes it. */
void reload_file_open(struct reload_file *file);
/* Writes the state. Trouble is logged: the gateway serves without it. */
void reload_file_write(const struct reload_file *file);

/* False: `path` cannot be read, or is no such line. */
bool reload_state_read(const char *path, struct reload_state *state) MUST_USE;

/* The command. Returns its exit code: EXIT_SUCCESS, EXIT_UNAVAILABLE without a master, EXIT_SOFTWARE when its
 * new workers do not start. */
int reload_command(void) MUST_USE;
