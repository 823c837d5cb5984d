#include "deploy/state/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/log.h"

#define PATH_BYTES 4096

void state_dir_path(const char *dir, const char *name, char *out, size_t size)
{
    if (snprintf(out, size, "%s/%s", dir, name) >= (int)size)
        fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
}

const char *state_dir_default(void)
{
    bool installed = access("./state", F_OK) != 0 && access(INSTALLED_STATE_DIR, F_OK) == 0;
    return installed ? INSTALLED_STATE_DIR : "./state";
}

void state_dir_key_path(const char *dir, const char *name, char *out, size_t size)
{
    char installed[sizeof(INSTALLED_KEYS_DIR) + NAME_MAX + 1];
    snprintf(installed, sizeof(installed), "%s/%s", INSTALLED_KEYS_DIR, name);
    state_dir_path(dir, name, out, size);
    if (access(out, F_OK) != 0 && access(installed, F_OK) == 0)
        state_dir_path(INSTALLED_KEYS_DIR, name, out, size);
}

void state_dir_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        fatal_exit(EXIT_IO, "cannot sync the directory %s: %s", dir, strerror(errno));
    close(fd);
}

static void sync_parent(const char *dir)
{
    char *copy = xstrdup(dir);
    state_dir_sync(dirname(copy));
    free(copy);
}

void state_dir_make(const char *dir)
{
    if (mkdir(dir, 0700) == 0)
        sync_parent(dir);
    else if (errno != EEXIST)
        fatal_exit(EXIT_OS, "cannot make the state directory %s: %s", dir, strerror(errno));
    struct stat info;
    if (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode))
        fatal_exit(EXIT_DATA, "--state-dir %s is not a directory", dir);
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        log_warn("the state directory is open to others mode=%03o", (unsigned)info.st_mode & 0777);
}

int state_dir_lock(const char *dir)
{
    char path[PATH_BYTES];
    state_dir_path(dir, "forumd.lock", path, sizeof(path));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        fatal_exit(EXIT_OS, "cannot open %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (errno != EWOULDBLOCK)
        fatal_exit(EXIT_OS, "cannot lock %s: %s", path, strerror(errno));
    fatal_exit(EXIT_UNAVAILABLE, "another forumd runs on the state directory %s", dir);
}

void state_dir_give(const char *dir, int fd)
{
    struct stat info;
    if (stat(dir, &info) != 0)
        fatal_exit(EXIT_OS, "cannot look at %s: %s", dir, strerror(errno));
    if (geteuid() == 0 && info.st_uid != 0 && fchown(fd, info.st_uid, info.st_gid) != 0)
        fatal_exit(EXIT_OS, "cannot give away what was made in %s: %s", dir, strerror(errno));
}

int state_dir_lock_name(const char *dir, const char *name)
{
    char path[PATH_BYTES], file[64];
    snprintf(file, sizeof(file), "%s.lock", name);
    state_dir_path(dir, file, path, sizeof(path));
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        fatal_exit(EXIT_OS, "cannot open %s: %s", path, strerror(errno));
    state_dir_give(dir, fd);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (errno != EWOULDBLOCK)
        fatal_exit(EXIT_OS, "cannot lock %s: %s", path, strerror(errno));
    close(fd);
    return -1;
}
