#include "gateway/engine_pages.h"

#include <stdlib.h>

#include "common/fatal.h"
#include "proto/version_map.h"

#define ASK_MS 1000 /* before an engine that was asked in vain is asked again */

struct mapped {
    struct version_map *map;         /* NULL: engines are elsewhere */
    const struct version_page *page; /* as it was when it was looked at last; NULL: none */
    uint64_t ask_ms;
    uint64_t run; /* of the engine that answered last; 0: none yet */
};

struct engine_pages {
    uint64_t turn, now_ms;
    struct mapped pages[DOMAIN_COUNT];
};

struct engine_pages *engine_pages_open(const char *state_dir)
{
    struct engine_pages *pages = xcalloc(1, sizeof(*pages));
    bool here = state_dir != NULL && *state_dir != '\0';
    pages->turn = 1;
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT && here; i++)
        pages->pages[i].map = version_map_new(state_dir, (enum domain_id)i);
    return pages;
}

void engine_pages_close(struct engine_pages *pages)
{
    if (pages == NULL)
        return;
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        version_map_free(pages->pages[i].map);
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
    mapped->ask_ms = pages->now_ms + ASK_MS;
    return true;
}

static const struct version_page *look(struct engine_pages *pages, struct mapped *mapped)
{
    mapped->page =
        mapped->map != NULL ? version_map_look(mapped->map, pages->turn, pages->now_ms, true) : NULL;
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
