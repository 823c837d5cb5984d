/* A table of a file beside the same table made anew. */
#pragma once

#include "engined/audit/findings.h"
#include "engined/check_rows.h"
#include "engined/store_offline.h"

/* `file` is what is checked, `anew` what it must be. Rows are matched by the primary key, which is made of
 * integers. */
void compare_table(struct store *file, struct store *anew, const char *domain,
                   const struct check_table *table, struct findings *findings);
/* What a difference in that table is told under. */
#define COMPARE_RULE_BYTES 128
void compare_rule(const struct check_table *table, char *out);
#define COMPARE_SCHEMA_RULE "tables and indexes are those of its schema"
/* Tables, columns and indexes. */
void compare_schema(struct store *file, struct store *anew, const char *domain, struct findings *findings);
