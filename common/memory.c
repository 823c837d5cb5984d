#include "common/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATM_BYTES 128

uint64_t memory_resident_bytes(void)
{
    char text[STATM_BYTES] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    const char *second = length > 0 ? strchr(text, ' ') : NULL; /* the first is the size of the addresses */
    return second != NULL ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
