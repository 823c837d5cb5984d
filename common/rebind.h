/*
 * Another library's reference to a function, pointed at a function of ours: the one entry of its table (GOT)
 * through which it calls "clock_gettime", say. Only that library's calls change; everybody else's go on as
 * before and cost nothing more.
 */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"

struct rebind_slot {
    void **entry;
    bool read_only; /* the loader protected the table once it was filled (RELRO) */
};

/*
 * How the shared library or program that has `inside` (any address of it) refers to the function `symbol`.
 * False: not at all, more than once, or on a machine whose tables have another form (relocations without
 * addends).
 */
bool rebind_find(const void *inside, const char *symbol, struct rebind_slot *slot) MUST_USE;
/*
 * Returns what the entry held, to put it back. The loader need not have looked the function up yet. Before
 * the library's threads run and before sandbox_enter; exits (EXIT_OS) if the table cannot be written.
 */
void *rebind_set(const struct rebind_slot *slot, void *function) MUST_USE;
