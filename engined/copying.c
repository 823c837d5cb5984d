#include "engined/copying.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"
#include "engined/store_copy.h"

struct copying {
    struct store *store;
    char path[4096];
    struct store_copy *copy; /* NULL: none */
    uint64_t id;
    uint64_t next_step_ms, asked_ms;
};

struct copying *copying_new(struct store *store, const char *state_dir, const char *name)
{
    struct copying *copying = xcalloc(1, sizeof(*copying));
    copying->store = store;
    if (snprintf(copying->path, sizeof(copying->path), "%s/" COPYING_DIR "/%s.db", state_dir, name) >=
        (int)sizeof(copying->path))
        fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
    return copying;
}

static void drop(struct copying *copying)
{
    store_copy_free(copying->copy);
    copying->copy = NULL;
    copying->id = 0;
}

void copying_free(struct copying *copying)
{
    drop(copying);
    free(copying);
}

static void tell(const struct copying *copying, Pb__EngineCopied *copied)
{
    copied->has_state = true;
    if (copying->copy == NULL) {
        copied->state = PB__ENGINE_COPIED__STATE__UNKNOWN;
        return;
    }
    static const Pb__EngineCopied__State states[] = {
        [STORE_COPY_RUNNING] = PB__ENGINE_COPIED__STATE__RUNNING,
        [STORE_COPY_DONE] = PB__ENGINE_COPIED__STATE__DONE,
        [STORE_COPY_FAILED] = PB__ENGINE_COPIED__STATE__FAILED,
    };
    copied->state = states[store_copy_state(copying->copy)];
    copied->has_pages_done = copied->has_pages_total = true;
    store_copy_pages(copying->copy, &copied->pages_done, &copied->pages_total);
    if (copied->state == PB__ENGINE_COPIED__STATE__FAILED)
        copied->error = (char *)store_copy_error(copying->copy);
}

void copying_ask(struct copying *copying, const Pb__EngineCopy *ask, uint64_t now_ms,
                 Pb__EngineCopied *copied)
{
    pb__engine_copied__init(copied);
    if (ask->step == PB__ENGINE_COPY__STEP__BEGIN && ask->copy_id != 0 && ask->copy_id != copying->id) {
        drop(copying);
        copying->id = ask->copy_id;
        copying->copy = store_copy_begin(copying->store, copying->path);
        copying->next_step_ms = now_ms;
    }
    if (copying->id == 0 || ask->copy_id != copying->id) {
        copied->has_state = true;
        copied->state = PB__ENGINE_COPIED__STATE__UNKNOWN;
        return;
    }
    copying->asked_ms = now_ms;
    tell(copying, copied);
    if (ask->step == PB__ENGINE_COPY__STEP__END)
        drop(copying);
}

void copying_turn(struct copying *copying, uint64_t now_ms)
{
    if (copying->copy == NULL)
        return;
    if (now_ms >= copying->asked_ms + LIMIT_COPY_IDLE_MS) {
        log_notice("nobody asks about the copy of the file any more; it is given up");
        drop(copying);
        (void)!remove(copying->path);
        return;
    }
    if (store_copy_state(copying->copy) != STORE_COPY_RUNNING || now_ms < copying->next_step_ms)
        return;
    store_copy_step(copying->copy);
    copying->next_step_ms = now_ms + LIMIT_COPY_PAUSE_MS;
}

uint64_t copying_next_ms(const struct copying *copying)
{
    if (copying->copy == NULL)
        return UINT64_MAX;
    if (store_copy_state(copying->copy) == STORE_COPY_RUNNING)
        return copying->next_step_ms;
    return copying->asked_ms + LIMIT_COPY_IDLE_MS;
}
