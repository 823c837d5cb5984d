/* The LD_PRELOAD side of power_loss.h: stands between a process and the C library, and keeps the journal. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/power_loss.h"

#define FDS_MAX     4096
#define WATCHED_MAX 64

struct watched {
    char name[POWER_LOSS_NAME_BYTES];
    uint64_t segment; /* 0: none yet since the last sync */
    int segment_fd;
};

static struct {
    int (*open)(const char *, int, ...);
    int (*mkdir)(const char *, mode_t);
    int (*close)(int);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    int (*ftruncate)(int, off_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
} libc;

static struct {
    /* Held over record and deed, so that a sync never ends a segment between the two. */
    pthread_mutex_t mutex;
    const char *directory; /* NULL: nothing is watched */
    size_t directory_length;
    int journal_fd;
    struct watched *of_fd[FDS_MAX];
    struct watched watched[WATCHED_MAX];
    size_t watched_count;
} shim = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* A journal with holes proves nothing, so its trouble ends the process. */
__attribute__((noreturn)) static void give_up(const char *what)
{
    dprintf(2, "power_loss_shim: %s: %s\n", what, strerror(errno));
    abort();
}

static void *next_symbol(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        give_up(name);
    return found;
}

__attribute__((constructor)) static void start(void)
{
    libc.open = (int (*)(const char *, int, ...))next_symbol("open64");
    libc.mkdir = (int (*)(const char *, mode_t))next_symbol("mkdir");
    libc.close = (int (*)(int))next_symbol("close");
    libc.write = (ssize_t(*)(int, const void *, size_t))next_symbol("write");
    libc.pwrite = (ssize_t(*)(int, const void *, size_t, off_t))next_symbol("pwrite64");
    libc.ftruncate = (int (*)(int, off_t))next_symbol("ftruncate64");
    libc.fsync = (int (*)(int))next_symbol("fsync");
    libc.fdatasync = (int (*)(int))next_symbol("fdatasync");
    if (getenv(POWER_LOSS_DIRECTORY_VARIABLE) == NULL)
        return;
    /* A copy: setproctitle writes over the environment. */
    const char *directory = strdup(getenv(POWER_LOSS_DIRECTORY_VARIABLE));
    if (directory == NULL)
        give_up("strdup");
    char journal[4096];
    snprintf(journal, sizeof(journal), "%s%s", directory, POWER_LOSS_JOURNAL_SUFFIX);
    if (libc.mkdir(journal, 0700) != 0 && errno != EEXIST)
        give_up(journal);
    shim.journal_fd = libc.open(journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (shim.journal_fd < 0)
        give_up(journal);
    shim.directory = directory;
    shim.directory_length = strlen(directory);
}

/* The watched name of a path, or NULL. */
static const char *watched_name(const char *path)
{
    if (shim.directory == NULL || strncmp(path, shim.directory, shim.directory_length) != 0)
        return NULL;
    path += shim.directory_length;
    if (*path == '\0')
        return POWER_LOSS_DIRECTORY_NAME;
    const char *name = *path == '/' ? path + 1 : NULL;
    if (name == NULL || strchr(name, '/') != NULL || strlen(name) >= POWER_LOSS_NAME_BYTES)
        return NULL;
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, "-shm") == 0 ? NULL : name;
}

/* Under the mutex, as all below. */
static struct watched *watched_by_name(const char *name)
{
    for (size_t i = 0; i < shim.watched_count; i++)
        if (strcmp(shim.watched[i].name, name) == 0)
            return &shim.watched[i];
    if (shim.watched_count == WATCHED_MAX)
        give_up("too many files");
    struct watched *watched = &shim.watched[shim.watched_count++];
    snprintf(watched->name, sizeof(watched->name), "%s", name);
    watched->segment_fd = -1;
    return watched;
}

static struct watched *watched_by_fd(int fd)
{
    return fd >= 0 && fd < FDS_MAX ? shim.of_fd[fd] : NULL;
}

/* Numbers ascend, also from a process to its successor. */
static uint64_t next_segment(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void open_segment(struct watched *watched)
{
    char name[POWER_LOSS_NAME_BYTES + 24];
    watched->segment = next_segment();
    snprintf(name, sizeof(name), "%s@%020llu", watched->name, (unsigned long long)watched->segment);
    int fd = openat(shim.journal_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        give_up(name);
    watched->segment_fd = fd;
}

static void append(struct watched *watched, const struct power_loss_record *record, const void *old,
                   const void *new)
{
    if (watched->segment_fd < 0)
        open_segment(watched);
    struct iovec parts[] = {{(void *)record, sizeof(*record)},
                            {(void *)old, record->old_length},
                            {(void *)new, record->new_length}};
    size_t length = sizeof(*record) + record->old_length + record->new_length;
    if (writev(watched->segment_fd, parts, 3) != (ssize_t)length)
        give_up("cannot write the journal");
}

/* What stands there now, at most `length` bytes; free it. */
static void *read_old(const struct watched *watched, uint64_t offset, uint64_t length, uint64_t size,
                      uint64_t *old_length)
{
    *old_length = 0;
    if (offset >= size)
        return NULL;
    *old_length = size - offset < length ? size - offset : length;
    /* By its name: the descriptor may be open for writing alone. */
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", shim.directory, watched->name);
    int fd = libc.open(path, O_RDONLY | O_CLOEXEC);
    char *old = malloc(*old_length);
    if (fd < 0 || old == NULL || pread(fd, old, *old_length, (off_t)offset) != (ssize_t)*old_length)
        give_up(path);
    libc.close(fd);
    return old;
}

static uint64_t size_of(int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        give_up("fstat");
    return (uint64_t)info.st_size;
}

static void note_write(struct watched *watched, int fd, const void *bytes, size_t length, uint64_t offset)
{
    struct power_loss_record record = {
        .kind = POWER_LOSS_WRITE, .offset = offset, .old_size = size_of(fd), .new_length = length};
    void *old = read_old(watched, offset, length, record.old_size, &record.old_length);
    append(watched, &record, old, bytes);
    free(old);
}

static void note_truncate(struct watched *watched, int fd, uint64_t size)
{
    struct power_loss_record record = {.kind = POWER_LOSS_TRUNCATE, .offset = size, .old_size = size_of(fd)};
    void *old = read_old(watched, size, UINT64_MAX, record.old_size, &record.old_length);
    append(watched, &record, old, NULL);
    free(old);
}

static void note_create(const char *name)
{
    struct power_loss_record record = {.kind = POWER_LOSS_CREATE, .new_length = strlen(name)};
    append(watched_by_name(POWER_LOSS_DIRECTORY_NAME), &record, NULL, name);
}

static int open_watched(const char *path, int flags, mode_t mode)
{
    const char *name = watched_name(path);
    if (name == NULL)
        return libc.open(path, flags, mode);
    pthread_mutex_lock(&shim.mutex);
    struct stat info;
    if ((flags & O_CREAT) && lstat(path, &info) != 0)
        note_create(name);
    int fd = libc.open(path, flags, mode);
    if (fd >= FDS_MAX)
        give_up("a descriptor beyond those watched");
    if (fd >= 0)
        shim.of_fd[fd] = watched_by_name(name);
    pthread_mutex_unlock(&shim.mutex);
    return fd;
}

/* Segments up to this one are on the disk now, also those of a process before this one. */
static void retire_segments(const struct watched *watched, uint64_t last)
{
    int fd = openat(shim.journal_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL)
        give_up("cannot list the journal");
    size_t length = strlen(watched->name);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (strncmp(entry->d_name, watched->name, length) != 0 || entry->d_name[length] != '@')
            continue;
        if (strtoull(entry->d_name + length + 1, NULL, 10) <= last)
            unlinkat(shim.journal_fd, entry->d_name, 0);
    }
    closedir(directory);
}

static int sync_watched(int fd, int (*sync)(int))
{
    pthread_mutex_lock(&shim.mutex);
    struct watched *watched = watched_by_fd(fd);
    uint64_t last = next_segment();
    if (watched != NULL && watched->segment_fd >= 0) {
        libc.close(watched->segment_fd);
        watched->segment_fd = -1;
    }
    pthread_mutex_unlock(&shim.mutex);
    int result = sync(fd);
    if (watched != NULL && result == 0) {
        pthread_mutex_lock(&shim.mutex);
        retire_segments(watched, last);
        pthread_mutex_unlock(&shim.mutex);
    }
    return result;
}

static ssize_t write_watched(int fd, const void *bytes, size_t length, off_t offset)
{
    pthread_mutex_lock(&shim.mutex);
    struct watched *watched = watched_by_fd(fd);
    if (watched != NULL)
        note_write(watched, fd, bytes, length, (uint64_t)offset);
    ssize_t written = libc.pwrite(fd, bytes, length, offset);
    pthread_mutex_unlock(&shim.mutex);
    return written;
}

static int truncate_watched(int fd, off_t size)
{
    pthread_mutex_lock(&shim.mutex);
    struct watched *watched = watched_by_fd(fd);
    if (watched != NULL)
        note_truncate(watched, fd, (uint64_t)size);
    int result = libc.ftruncate(fd, size);
    pthread_mutex_unlock(&shim.mutex);
    return result;
}

/* --- what programs call --- */

static mode_t mode_argument(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(arguments, unsigned) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_argument(flags, arguments);
    va_end(arguments);
    return open_watched(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_argument(flags, arguments);
    va_end(arguments);
    return open_watched(path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
    int result = libc.mkdir(path, mode);
    const char *name = result == 0 ? watched_name(path) : NULL;
    if (name != NULL) {
        pthread_mutex_lock(&shim.mutex);
        note_create(name);
        pthread_mutex_unlock(&shim.mutex);
    }
    return result;
}

int close(int fd)
{
    pthread_mutex_lock(&shim.mutex);
    if (fd >= 0 && fd < FDS_MAX)
        shim.of_fd[fd] = NULL;
    pthread_mutex_unlock(&shim.mutex);
    return libc.close(fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return watched_by_fd(fd) != NULL ? write_watched(fd, bytes, length, offset)
                                     : libc.pwrite(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    return pwrite(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    if (watched_by_fd(fd) == NULL)
        return libc.write(fd, bytes, length);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t written = write_watched(fd, bytes, length, offset);
    if (written > 0)
        lseek(fd, offset + written, SEEK_SET);
    return written;
}

int ftruncate(int fd, off_t size)
{
    return watched_by_fd(fd) != NULL ? truncate_watched(fd, size) : libc.ftruncate(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int fsync(int fd)
{
    return sync_watched(fd, libc.fsync);
}

int fdatasync(int fd)
{
    return sync_watched(fd, libc.fdatasync);
}
