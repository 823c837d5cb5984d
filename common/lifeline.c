#include "common/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"

#define LIFELINE_VARIABLE "FORUMD_LIFELINE_FD"

int lifeline_open(void)
{
    const char *text = getenv(LIFELINE_VARIABLE);
    if (!text)
        return -1;
    char *end;
    errno = 0;
    long fd = strtol(text, &end, 10);
    if (errno || end == text || *end || fd < 3 || fd > 1 << 20)
        fatal_exit(EXIT_USAGE, LIFELINE_VARIABLE ": not a descriptor");
    if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl((int)fd, F_SETFL, O_NONBLOCK) != 0)
        fatal_exit(EXIT_OS, LIFELINE_VARIABLE ": descriptor %ld: %s", fd, strerror(errno));
    unsetenv(LIFELINE_VARIABLE);
    return (int)fd;
}
