#include "gateway/engine_pages.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/log.h"

#define RETRY_MS 1000 /* for a file that cannot be mapped, and for an engine that was asked in vain */

struct mapped {
    char path[4096];
    const struct version_page *page; /* NULL: none */
    dev_t device;
    ino_t inode;
    uint64_t looked_turn; /* the file at `path` was still the one that is mapped */
    uint64_t retry_ms, ask_ms;
    uint64_t run; /* of the engine that answered last; 0: none yet */
    bool told;    /* that it cannot be read */
};

struct engine_pages {
    bool here;
    uint64_t turn, now_ms;
    struct mapped pages[DOMAIN_COUNT];
};

struct engine_pages *engine_pages_open(const char *state_dir)
{
    struct engine_pages *pages = xcalloc(1, sizeof(*pages));
    pages->here = state_dir != NULL && *state_dir != '\0';
    pages->turn = 1;
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT && pages->here; i++) {
        struct mapped *mapped = &pages->pages[i];
        if (snprintf(mapped->path, sizeof(mapped->path), "%s/%s" VERSION_PAGE_SUFFIX, state_dir,
                     domain_name((enum domain_id)i)) >= (int)sizeof(mapped->path))
            fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
    }
    return pages;
}

static void let_go(struct mapped *mapped)
{
    if (mapped->page != NULL)
        munmap((void *)(uintptr_t)mapped->page, sizeof(*mapped->page));
    mapped->page = NULL;
}

void engine_pages_close(struct engine_pages *pages)
{
    if (pages == NULL)
        return;
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        let_go(&pages->pages[i]);
    free(pages);
}

void engine_pages_turn(struct engine_pages *pages, uint64_t now_ms)
{
    pages->turn++;
    pages->now_ms = now_ms;
}

uint64_t *engine_pages_run(struct engine_pages *pages, enum domain_id domain)
{
    return &pages->pages[domain].run;
}

bool engine_pages_wants_answer(struct engine_pages *pages, enum domain_id domain)
{
    struct mapped *mapped = &pages->pages[domain];
    if (mapped->page == NULL || pages->now_ms < mapped->ask_ms)
        return false;
    mapped->ask_ms = pages->now_ms + RETRY_MS;
    return true;
}

/* One that is too short is being made. */
static void map(struct mapped *mapped)
{
    struct stat file;
    int fd = open(mapped->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (!mapped->told)
            log_notice("answers are not kept: %s cannot be read: %m", mapped->path);
        mapped->told = true;
        return;
    }
    if (fstat(fd, &file) == 0 && file.st_size >= (off_t)sizeof(struct version_page)) {
        void *at = mmap(NULL, sizeof(struct version_page), PROT_READ, MAP_SHARED, fd, 0);
        mapped->page = at != MAP_FAILED ? at : NULL;
        mapped->device = file.st_dev;
        mapped->inode = file.st_ino;
    }
    close(fd);
}

/*
 * The page, if it is that of the file which has its name now: nobody is to replace that, but who puts an old
 * copy of the whole directory in its place does. The engine that writes the new one can answer only after it
 * was put there, so a look in the turn that reads a request is early enough.
 */
static const struct version_page *look(struct engine_pages *pages, struct mapped *mapped)
{
    struct stat file;
    if (mapped->looked_turn == pages->turn || !pages->here)
        return mapped->page;
    mapped->looked_turn = pages->turn;
    if (mapped->page != NULL &&
        (stat(mapped->path, &file) != 0 || file.st_ino != mapped->inode || file.st_dev != mapped->device))
        let_go(mapped);
    if (mapped->page == NULL && pages->now_ms >= mapped->retry_ms) {
        map(mapped);
        mapped->retry_ms = pages->now_ms + RETRY_MS;
    }
    return mapped->page;
}

bool engine_pages_mark(struct engine_pages *pages, struct basis *basis)
{
    bool all = true;
    for (unsigned i = 0; i < basis->owner_count; i++) {
        struct page_mark *mark = &basis->marks[i];
        struct mapped *mapped = &pages->pages[mark->owner];
        const struct version_page *page = look(pages, mapped);
        if (page == NULL)
            return false;
        mark->stamp = atomic_load_explicit(&page->stamp, memory_order_acquire);
        mark->head = atomic_load_explicit(&page->head, memory_order_acquire);
        all &= mapped->run != 0 && mark->stamp == version_stamp(mapped->run);
    }
    return all;
}

/* The pages of the basis, as they were when it was made. */
static bool stamps_hold(struct engine_pages *pages, const struct basis *basis,
                        const struct version_page *found[BASIS_OWNERS_MAX])
{
    for (unsigned i = 0; i < basis->owner_count; i++) {
        const struct page_mark *mark = &basis->marks[i];
        struct mapped *mapped = &pages->pages[mark->owner];
        found[i] = look(pages, mapped);
        if (found[i] == NULL || mark->stamp != version_stamp(mapped->run) ||
            mark->stamp != atomic_load_explicit(&found[i]->stamp, memory_order_acquire) ||
            mark->head < atomic_load_explicit(&found[i]->floor, memory_order_acquire))
            return false;
    }
    return true;
}

bool engine_pages_hold(struct engine_pages *pages, const struct basis *basis)
{
    const struct version_page *found[BASIS_OWNERS_MAX];
    if (!stamps_hold(pages, basis, found))
        return false;
    for (unsigned i = 0; i < basis->key_count; i++) {
        unsigned owner = basis->keys[i] >> 24;
        const _Atomic uint64_t *bucket = &found[owner]->buckets[basis->keys[i] & 0xffffff];
        if (atomic_load_explicit(bucket, memory_order_acquire) > basis->marks[owner].head)
            return false;
    }
    /* A new run empties the buckets: who saw that sees here that the stamp is gone (engined/versions.c). */
    atomic_thread_fence(memory_order_acquire);
    for (unsigned i = 0; i < basis->owner_count; i++)
        if (basis->marks[i].stamp != atomic_load_explicit(&found[i]->stamp, memory_order_relaxed))
            return false;
    return true;
}
