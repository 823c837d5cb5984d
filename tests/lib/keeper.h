/*
 * Runs one program under a keeper: a process between it and the test that ends when the test does, however
 * that ends. The keeper adopts whatever its program leaves behind (PR_SET_CHILD_SUBREAPER), so at the end it
 * kills every descendant, removes the directory that it was told to remove, and only then goes. A test that
 * crashes, or is killed, leaves nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/attributes.h"

struct keeper;

struct keeper_spec {
    const char *const *argv; /* argv[0] is a path; NULL: no program, only the directory to remove */
    const char *const *env;  /* "NAME=value" added to the environment; NULL: none */
    const char *directory;   /* where it runs; NULL: here */
    const char *output;      /* file that stdout and stderr are appended to; NULL: /dev/null */
    const char *remove;      /* directory to remove at the end; NULL: none */
    int hold_fd;             /* stays open in the keeper (a lock); -1: none. The caller closes its own copy */
};

/* Never NULL: fails the test if it cannot. */
struct keeper *keeper_start(const struct keeper_spec *spec) MUST_USE;
/* The program's; stays valid after its end. */
pid_t keeper_program(const struct keeper *keeper);
/* The keeper itself: descendants of it are all that the program left or runs. */
pid_t keeper_pid(const struct keeper *keeper);
/* True when the program ended within the time; *status (may be NULL) as from waitpid. */
bool keeper_wait(struct keeper *keeper, unsigned timeout_ms, int *status) MUST_USE;
/* Kills all that is left, removes the directory, returns when that is done. */
void keeper_end(struct keeper *keeper);

/* rm -r. Missing is fine. */
void keeper_remove_tree(const char *path);
