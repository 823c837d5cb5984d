/*
 * What must be true of a domain's tables, as questions in SQL: DOMAIN/check.c, asked by engined/audit/. Files
 * of a state directory, or of a backup, are attached under their domains' names, so that a rule may compare
 * with another domain's file (`posts.votes`).
 */
#pragma once

#include <stddef.h>

/* Gives a row for each thing that is wrong; its first column says what, as text. */
struct check_row {
    const char *rule; /* "votes add up to what posts show": what holds otherwise */
    const char *sql;
};

/* A table, told from the log or from another's, and which of its rows count. */
struct check_table {
    const char *name;
    const char *where; /* NULL: all */
};

struct domain_checks {
    const struct check_table *owned; /* what applying the log makes */
    size_t owned_count;
    const char *const *kept; /* neither from the log nor from others: a rebuild takes them over */
    size_t kept_count;
    const struct check_row *rows;
    size_t row_count;
};

/* True when the follower read all of these types that the source has, in a log that the source still knows.
 * Otherwise what it derived may rightly differ. */
#define CHECK_UP_TO_DATE(follower, source, number, types)                                                    \
    "EXISTS (SELECT 1 FROM " follower ".cursors c WHERE c.source = " number                                  \
    " AND (c.log_id IN (SELECT id FROM " source ".timelines) OR c.log_id IN (SELECT log_id FROM " source     \
    ".engine_meta)) AND c.seq <= (SELECT coalesce(max(seq), 0) FROM " source                                 \
    ".events) AND NOT EXISTS (SELECT 1 FROM " source ".events e WHERE e.seq > c.seq AND e.type IN (" types   \
    ")))"
