/*
 * Everything that can be said of the files of a forum that does not run, or of its backup: they are whole
 * (SQLite's own check), their logs can be read and have no gaps, applying the logs gives the tables that are
 * there, and the rules of each domain hold (DOMAIN/check.c), within its file and between files. Changes
 * nothing.
 */
#pragma once

#include <stdint.h>

#include "common/attributes.h"
#include "engined/audit/findings.h"
#include "engined/store_offline.h"

struct audit {
    const char *dir; /* holds DOMAIN.db for all domains */
    enum store_access access;
    const char
        *temp_dir; /* a directory of its own is made in it, as large as the largest file without its log */
    finding_fn tell;
    void *arg;
    /* How far applying a domain's logs is, in events; in another process. `what` is a domain. */
    void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
};

/* Returns how much is wrong. Nobody else uses the files meanwhile; no thread runs. */
uint64_t audit_run(const struct audit *audit) MUST_USE;
/* Tells each rule, as a note without text; those of every file with "*" as the domain. */
void audit_rules(finding_fn tell, void *arg);
