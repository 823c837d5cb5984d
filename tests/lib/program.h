/* A program run to its end, under a keeper. */
#pragma once

#include "common/attributes.h"
#include "tests/lib/keeper.h"

struct program_result {
    int exit_code;      /* -1: ended by a signal; -2: still ran at the deadline, killed */
    const char *output; /* stdout and stderr together */
};

/* `env` and `directory` may be NULL. */
struct program_result program_run(const char *const *argv, const char *const *env, const char *directory,
                                  unsigned timeout_ms) MUST_USE;
/* The same in two steps, for programs that run side by side. */
struct program;
struct program *program_start(const char *const *argv, const char *const *env,
                              const char *directory) MUST_USE;
struct program_result program_finish(struct program *program, unsigned timeout_ms) MUST_USE;
/* What it wrote until now. */
const char *program_output(const struct program *program) MUST_USE;
/* The program's keeper. */
struct keeper *program_keeper(const struct program *program);
