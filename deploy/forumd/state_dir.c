#include "deploy/forumd/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/log.h"
#include "proto/frame.h"

#define PATH_BYTES 4096

static void join(char *out, size_t size, const char *dir, const char *name)
{
    if (snprintf(out, size, "%s/%s", dir, name) >= (int)size)
        fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
}

/* A name is safe only when its directory is. */
static void sync_directory(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        fatal_exit(EXIT_IO, "cannot sync the directory %s: %s", dir, strerror(errno));
    close(fd);
}

static void sync_parent(const char *dir)
{
    char *copy = xstrdup(dir);
    sync_directory(dirname(copy));
    free(copy);
}

int state_dir_open(const char *dir)
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
    char path[PATH_BYTES];
    join(path, sizeof(path), dir, "forumd.lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        fatal_exit(EXIT_OS, "cannot open %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (errno != EWOULDBLOCK)
        fatal_exit(EXIT_OS, "cannot lock %s: %s", path, strerror(errno));
    fatal_exit(EXIT_UNAVAILABLE, "another forumd runs on the state directory %s", dir);
}

/* Written whole and synced under another name first, so that no crash leaves half a key. Nobody else is at
 * it: the launcher has the lock. */
static void write_key(const char *dir, const char *path)
{
    char temporary[PATH_BYTES];
    uint8_t key[MAC_KEY_BYTES];
    join(temporary, sizeof(temporary), dir, "mac.key.new");
    randombytes_buf(key, sizeof(key));
    if (unlink(temporary) != 0 && errno != ENOENT)
        fatal_exit(EXIT_OS, "cannot remove %s: %s", temporary, strerror(errno));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, key, sizeof(key)) != (ssize_t)sizeof(key) || fsync(fd) != 0 || close(fd) != 0 ||
        rename(temporary, path) != 0)
        fatal_exit(EXIT_OS, "cannot write %s: %s", path, strerror(errno));
    sodium_memzero(key, sizeof(key));
    sync_directory(dir);
}

void state_dir_key(const char *dir, char *path, unsigned path_size)
{
    join(path, path_size, dir, "mac.key");
    struct stat info;
    if (stat(path, &info) != 0) {
        if (errno != ENOENT)
            fatal_exit(EXIT_OS, "cannot look at %s: %s", path, strerror(errno));
        write_key(dir, path);
        return;
    }
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        fatal_exit(EXIT_DATA, "%s can be read by others: chmod 600 it, or remove it to get a new one", path);
    if (info.st_size != MAC_KEY_BYTES)
        fatal_exit(EXIT_DATA, "%s is not a key: it has %lld bytes instead of %d", path,
                   (long long)info.st_size, MAC_KEY_BYTES);
}
