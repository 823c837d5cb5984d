/* A table of a file beside the same table made anew. */
#pragma once

#include "engined/audit/findings.h"
#include "engined/check_rows.h"
#include "engined/store_offline.h"

/* `file` is what is checked, `anew` what it must be. Rows are matched by the primary key, which is made of
 * integers. */
void compare_table(struct store *file, struct store *anew, const char *domain,
                   const struct check_table *table, struct findings *findings);
/* Tables, columns and indexes. */
void compare_schema(struct store *file, struct store *anew, const char *domain, struct findings *findings);
