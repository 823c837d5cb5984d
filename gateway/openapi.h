/* OpenAPI 3.1 of all routes, made from the tables that serve them: routes[], schema_commands[], the field
 * rules. */
#pragma once

#include "gateway/json_encode.h"

/* Appends the whole document. Costly; the caller keeps it. */
void openapi_encode(struct text *out);
