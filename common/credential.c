#include "common/credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fatal.h"

bool credential_path(const char *name, char out[static PATH_MAX])
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (dir == NULL || dir[0] == '\0')
        return false;
    if (snprintf(out, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
        fatal_exit(EXIT_CONFIG, "CREDENTIALS_DIRECTORY is too long");
    return access(out, F_OK) == 0;
}
