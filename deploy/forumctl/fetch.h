/* One GET of the gateway, as anybody could ask it. */
#pragma once

#include <stdint.h>

#include "common/attributes.h"

enum fetch_result { FETCH_DONE, FETCH_REFUSED, FETCH_SILENT };
/* `listen` is what the server's --listen says; an address that stands for all is asked at this machine's own.
 * FETCH_DONE: *body is to be freed, and ends with a NUL. Exits (EXIT_USAGE) when `listen` is no address. */
enum fetch_result fetch(const char *listen, const char *path, uint64_t timeout_ms, char **body) MUST_USE;
