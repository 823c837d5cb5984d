/* application/problem+json (RFC 9457) from a status. */
#pragma once

#include <stddef.h>

#include "gateway/json_decode.h"
#include "gateway/json_encode.h"
#include "proto/status.h"

/* `errors` may be NULL; `detail` NULL: the status's own. type is "about:blank"-free: "/problems/<code>". */
void problem_encode(struct text *out, enum status status, const char *detail,
                    const struct field_errors *errors);
/* The reason phrase of an HTTP status code (RFC 9110). */
const char *problem_title(unsigned http);
