#include "engined/versions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "common/log.h"

#define MEMORY_DIR ":memory:"

struct versions {
    struct version_page *page; /* NULL: none */
    bool skips;                /* tests: nothing is raised */
    bool all;
    size_t count;
    uint32_t touched[LIMIT_TOUCHED]; /* buckets; some more than once */
};

/* Where fault points are compiled in, a test breaks the promise on purpose to show that it would notice. */
static bool skips_by_fault(void)
{
#ifdef FORUMD_FAULTS
    const char *fault = getenv("FORUMD_FAULT_RAISE");
    return fault != NULL && strcmp(fault, "skip") == 0;
#else
    return false;
#endif
}

/* With zeros that take up their room, so that no write to the mapping finds the disk full. False: no room. */
static bool grow(int fd, const char *path)
{
    static const char zeros[1 << 16];
    struct stat file;
    if (fstat(fd, &file) != 0)
        fatal_exit(EXIT_IO, "%s: %s", path, strerror(errno));
    for (off_t at = file.st_size; at < (off_t)sizeof(struct version_page);) {
        size_t left = sizeof(struct version_page) - (size_t)at;
        ssize_t written = pwrite(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros), at);
        if (written < 0 && (errno == ENOSPC || errno == EDQUOT))
            return false;
        if (written < 0)
            fatal_exit(EXIT_IO, "%s: %s", path, strerror(errno));
        at += written;
    }
    return true;
}

static void *map(int fd, int flags)
{
    void *at = mmap(NULL, sizeof(struct version_page), PROT_READ | PROT_WRITE, flags, fd, 0);
    if (at == MAP_FAILED)
        fatal_exit(EXIT_IO, "cannot map a page of versions: %s", strerror(errno));
    return at;
}

static struct version_page *map_file(const char *dir, const char *name)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/%s" VERSION_PAGE_SUFFIX, dir, name) >= (int)sizeof(path))
        fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0 && (errno == ENOSPC || errno == EDQUOT)) {
        log_warn("no room for %s: workers keep no answers", path);
        return NULL;
    }
    if (fd < 0)
        fatal_exit(EXIT_IO, "cannot open %s: %s", path, strerror(errno));
    struct version_page *page = NULL;
    if (grow(fd, path))
        page = map(fd, MAP_SHARED);
    else
        log_warn("no room for %s: workers keep no answers", path);
    close(fd);
    return page;
}

/* Readers look at the stamp before and after the buckets: who saw one that is emptied here sees at its second
 * look that the stamp is gone (Boehm, "Can seqlocks get along with programming language memory models?"). */
static void begin_run(struct version_page *page, uint64_t run)
{
    atomic_store_explicit(&page->stamp, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < VERSION_BUCKETS; i++)
        atomic_store_explicit(&page->buckets[i], 0, memory_order_relaxed);
    atomic_store_explicit(&page->floor, 0, memory_order_relaxed);
    atomic_store_explicit(&page->head, 1, memory_order_relaxed);
    atomic_store_explicit(&page->log_id, 0, memory_order_relaxed); /* nobody's, until versions_log */
    atomic_store_explicit(&page->stamp, version_stamp(run), memory_order_release);
}

struct versions *versions_open(const char *dir, const char *name, uint64_t run)
{
    struct versions *versions = xcalloc(1, sizeof(*versions));
    versions->skips = skips_by_fault();
    versions->page =
        strcmp(dir, MEMORY_DIR) == 0 ? map(-1, MAP_PRIVATE | MAP_ANONYMOUS) : map_file(dir, name);
    if (versions->page != NULL)
        begin_run(versions->page, run);
    return versions;
}

void versions_close(struct versions *versions)
{
    if (versions == NULL)
        return;
    if (versions->page != NULL)
        munmap(versions->page, sizeof(*versions->page));
    free(versions);
}

void versions_touch(struct versions *versions, enum version_kind kind, uint64_t id)
{
    if (versions->count == LIMIT_TOUCHED) {
        versions->all = true;
        return;
    }
    versions->touched[versions->count++] = version_bucket(kind, id);
}

void versions_touch_all(struct versions *versions)
{
    versions->all = true;
}

void versions_raise(struct versions *versions)
{
    struct version_page *page = versions->page;
    if (versions->count == 0 && !versions->all)
        return;
    FAULT_POINT(raise_before);
    if (page != NULL && !versions->skips) {
        uint64_t next = atomic_load_explicit(&page->head, memory_order_relaxed) + 1;
        for (size_t i = 0; i < versions->count; i++)
            atomic_store_explicit(&page->buckets[versions->touched[i]], next, memory_order_release);
        if (versions->all)
            atomic_store_explicit(&page->floor, next, memory_order_release);
        atomic_store_explicit(&page->head, next, memory_order_release);
    }
    versions->count = 0;
    versions->all = false;
    FAULT_POINT(raise_after);
}

/* Only this process writes the page. The id first: no event of a new timeline is taken for one of the old. */
void versions_log(struct versions *versions, uint64_t log_id, uint64_t seq)
{
    struct version_page *page = versions->page;
    if (page == NULL)
        return;
    if (atomic_load_explicit(&page->log_id, memory_order_relaxed) != log_id)
        atomic_store_explicit(&page->log_id, log_id, memory_order_release);
    if (atomic_load_explicit(&page->log_seq, memory_order_relaxed) != seq)
        atomic_store_explicit(&page->log_seq, seq, memory_order_release);
}

const struct version_page *versions_page(const struct versions *versions)
{
    return versions->page;
}
