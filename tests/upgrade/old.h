/* Forums of an earlier commit: its programs, and directories in which they and the present ones mix. */
#pragma once

#include <signal.h>

#include "common/attributes.h"
#include "tests/lib/forum.h"
#include "tests/lib/program.h"

#define OLD_TOOL_MS 60000

/* Where the programs of the commit are that tests/upgrade/old-commit names; skips the test where this
 * checkout does not hold it. */
const char *old_programs(void) MUST_USE;
const char *old_program(const char *name) MUST_USE;

/* A directory with the earlier commit's programs, as if they were installed there. forum_start takes its
 * programs from it. */
const char *old_install(void) MUST_USE;
/* Puts the present program of that name into its place, as a package's upgrade does: what runs is as it was,
 * what is started from now on is new. */
void old_upgrade(const char *directory, const char *name);

/* Sends the processes of that role the signal, and waits until as many others have it and all are ready. */
void old_replace(struct forum *forum, const char *role, int signal);
/* Processes of a program of `directory` (its engines, its gateway) whose file was replaced since they
 * started. */
size_t old_running(const struct forum *forum, const char *role) MUST_USE;

struct program_result old_run(const char *program, const char *const *arguments) MUST_USE;
/* Runs a shell's command; fails the test unless it ends with 0. Returns what it said. */
const char *old_shell(const char *command);
/* forumctl check says that this state directory is as it should be, with nothing it could not compare. */
void old_check_clean(const char *state);
