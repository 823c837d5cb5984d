#include "deploy/forumctl/engines_network.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fatal.h"
#include "deploy/state/state_dir.h"

/* A line of proc(5)'s locks: "1: FLOCK  ADVISORY  WRITE 123 fe:00:456 0 EOF". 0: it is no such lock. */
static pid_t lock_holder(const char *line)
{
    long pid;
    return sscanf(line, "%*d: FLOCK %*s %*s %ld", &pid) == 1 && pid > 0 ? (pid_t)pid : 0;
}

/* The device in that line is not what stat() says on file systems that stand on others (overlayfs, btrfs), so
 * what counts is that the process has the file open. */
static bool has_open(pid_t pid, const struct stat *file)
{
    char path[64];
    struct stat open_file;
    const struct dirent *entry;
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *descriptors = opendir(path);
    while (descriptors != NULL && !found && (entry = readdir(descriptors)) != NULL)
        found = fstatat(dirfd(descriptors), entry->d_name, &open_file, 0) == 0 &&
                open_file.st_ino == file->st_ino && open_file.st_dev == file->st_dev;
    if (descriptors != NULL)
        closedir(descriptors);
    return found;
}

pid_t engines_pid(const char *state_dir, enum domain_id domain)
{
    char path[PATH_MAX], name[64], line[256];
    struct stat file;
    pid_t pid = 0;
    snprintf(name, sizeof(name), "%s.lock", domain_name(domain));
    state_dir_path(state_dir, name, path, sizeof(path));
    FILE *locks = stat(path, &file) == 0 ? fopen("/proc/locks", "re") : NULL;
    while (locks != NULL && pid == 0 && fgets(line, sizeof(line), locks) != NULL) {
        pid_t holder = lock_holder(line);
        if (holder != 0 && has_open(holder, &file))
            pid = holder;
    }
    if (locks != NULL)
        fclose(locks);
    return pid;
}

static pid_t any_engine(const char *state_dir)
{
    pid_t pid = 0;
    for (int i = DOMAIN_FIRST; pid == 0 && i < DOMAIN_COUNT; i++)
        pid = engines_pid(state_dir, (enum domain_id)i);
    return pid;
}

int engines_join_network(const char *state_dir)
{
    char path[64];
    struct stat own, theirs;
    pid_t pid = any_engine(state_dir);
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    if (pid == 0 || stat("/proc/self/ns/net", &own) != 0 || stat(path, &theirs) != 0 ||
        own.st_ino == theirs.st_ino)
        return -1;
    int left_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = open(path, O_RDONLY | O_CLOEXEC);
    if (left_fd < 0 || fd < 0 || setns(fd, CLONE_NEWNET) != 0)
        fatal_exit(EXIT_CONFIG, "the engines have a network of their own, which only root can join: %s",
                   strerror(errno));
    close(fd);
    return left_fd;
}

void engines_leave_network(int left_fd)
{
    if (left_fd < 0)
        return;
    if (setns(left_fd, CLONE_NEWNET) != 0)
        fatal_exit(EXIT_OS, "cannot go back to the network that was left: %s", strerror(errno));
    close(left_fd);
}
