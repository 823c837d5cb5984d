/* Secrets that the service manager hands over: files in $CREDENTIALS_DIRECTORY (systemd.exec(5),
 * LoadCredential). */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "common/attributes.h"

/* Its path into `out`. False: none of that name was handed over. Exits (EXIT_CONFIG) when the path is too
 * long. */
bool credential_path(const char *name, char out[static PATH_MAX]) MUST_USE;
