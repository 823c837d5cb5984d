#include "common/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t time_us(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000u + (uint64_t)time->tv_usec;
}

static uint64_t resident_pages(void)
{
    char text[128];
    unsigned long long resident = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    return sscanf(text, "%*u %llu", &resident) == 1 ? resident : 0;
}

void process_usage(struct process_usage *usage)
{
    struct rusage spent;
    long page_bytes = sysconf(_SC_PAGESIZE);
    *usage = (struct process_usage){0};
    if (getrusage(RUSAGE_SELF, &spent) == 0)
        usage->cpu_us = time_us(&spent.ru_utime) + time_us(&spent.ru_stime);
    if (page_bytes > 0)
        usage->resident_bytes = resident_pages() * (uint64_t)page_bytes;
}

unsigned process_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count > 0 ? count - 1 : 0; /* not the directory's own */
}
