#include "gateway/closed_sessions.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"

#define PAGE_LAYOUT 0x46434c01u /* changes with the meaning of any byte of the page */
#define WAYS        10
#define EVICT_MS    60000 /* clocks of processes differ by less: an expired place is used again that late */

/* `until_ms` of a place: never set (who takes it was killed, or is not done), or being taken from an expired
 * entry. Else wall time. */
enum { UNTIL_UNSET = 0, UNTIL_TAKEN = 1 };

struct place {
    _Atomic uint64_t name;  /* hash; 0: free */
    _Atomic uint64_t range; /* of a user's entry: upto, and in the high half except */
    _Atomic uint64_t until_ms;
};

struct bucket {
    _Alignas(256) _Atomic uint64_t full_until_ms; /* an entry that found no place here matters until then */
    uint64_t spare;
    struct place places[WAYS];
};

struct page {
    _Atomic uint64_t layout; /* 0: fresh */
    _Atomic uint64_t epoch;  /* 0: the list was never whole */
    _Atomic uint64_t log_id, seq;
    struct bucket buckets[LIMIT_CLOSED_BUCKETS];
};

_Static_assert(sizeof(struct bucket) == 256, "a bucket is four cache lines");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "no locks in the page");

struct closed_sessions {
    struct page *page;
};

size_t closed_sessions_page_bytes(void)
{
    return sizeof(struct page);
}

static struct page *page_map(int fd)
{
    int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    void *at = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
    if (at == MAP_FAILED)
        fatal_exit(EXIT_OS, "cannot map the page of closed sessions: %s", strerror(errno));
    return at;
}

static bool page_claim(struct page *page)
{
    uint64_t found = 0;
    return atomic_compare_exchange_strong(&page->layout, &found, PAGE_LAYOUT) || found == PAGE_LAYOUT;
}

struct closed_sessions *closed_sessions_open(int fd)
{
    struct closed_sessions *closed = xcalloc(1, sizeof(*closed));
    closed->page = page_map(fd);
    if (!page_claim(closed->page)) {
        log_notice("the page of closed sessions is another version's; filling an own one");
        munmap(closed->page, sizeof(struct page));
        closed->page = page_map(-1);
        ensure(page_claim(closed->page));
    }
    return closed;
}

void closed_sessions_close(struct closed_sessions *closed)
{
    if (closed == NULL)
        return;
    munmap(closed->page, sizeof(struct page));
    free(closed);
}

/* `session` 0: the entry of all the user's sessions. Never 0. */
static uint64_t name_of(uint64_t epoch, uint64_t user_id, uint64_t session)
{
    const uint64_t parts[] = {epoch, user_id, session};
    uint64_t hash = XXH3_64bits(parts, sizeof(parts));
    return hash != 0 ? hash : 1;
}

/* The two buckets where a name may be. */
static struct bucket *bucket_of(const struct closed_sessions *closed, uint64_t name, int which)
{
    uint64_t index = which == 0 ? name : name >> 32;
    return &closed->page->buckets[index % LIMIT_CLOSED_BUCKETS];
}

static bool is_in_range(uint64_t range, uint32_t session)
{
    return session <= (uint32_t)range && session != (uint32_t)(range >> 32);
}

/* Whether both buckets of the name turned an entry away that still matters: it may have been this one. */
static bool may_be_missing(const struct closed_sessions *closed, uint64_t name, uint64_t now_ms)
{
    return atomic_load(&bucket_of(closed, name, 0)->full_until_ms) > now_ms &&
           atomic_load(&bucket_of(closed, name, 1)->full_until_ms) > now_ms;
}

/* `session` 0: that there is such a place is enough. */
static bool is_there(const struct closed_sessions *closed, uint64_t name, uint32_t session)
{
    for (int which = 0; which < 2; which++) {
        const struct bucket *bucket = bucket_of(closed, name, which);
        for (int i = 0; i < WAYS; i++)
            if (atomic_load(&bucket->places[i].name) == name &&
                (session == 0 || is_in_range(atomic_load(&bucket->places[i].range), session)))
                return true;
    }
    return false;
}

uint64_t closed_sessions_epoch(const struct closed_sessions *closed)
{
    return atomic_load(&closed->page->epoch);
}

bool closed_sessions_known(const struct closed_sessions *closed)
{
    return closed_sessions_epoch(closed) != 0;
}

enum session_state closed_sessions_find(const struct closed_sessions *closed, uint64_t user_id,
                                        uint32_t session, uint64_t now_ms)
{
    uint64_t epoch = closed_sessions_epoch(closed);
    if (epoch == 0)
        return SESSION_UNKNOWN;
    uint64_t all = name_of(epoch, user_id, 0), one = name_of(epoch, user_id, session);
    if (session == 0 || is_there(closed, all, session) || is_there(closed, one, 0))
        return SESSION_CLOSED;
    if (may_be_missing(closed, all, now_ms) || may_be_missing(closed, one, now_ms))
        return SESSION_UNKNOWN;
    return SESSION_OPEN;
}

/* A place that has the name and is not about to be given to another. */
static struct place *find_place(struct closed_sessions *closed, uint64_t name, uint64_t now_ms)
{
    for (int which = 0; which < 2; which++) {
        struct bucket *bucket = bucket_of(closed, name, which);
        for (int i = 0; i < WAYS; i++) {
            struct place *place = &bucket->places[i];
            uint64_t until_ms = atomic_load(&place->until_ms);
            if (atomic_load(&place->name) == name && (until_ms == UNTIL_UNSET || until_ms > now_ms))
                return place;
        }
    }
    return NULL;
}

/* An expired place is nobody's until its time is set again: who is killed meanwhile leaves it unused for
 * good. */
static bool take_expired(struct place *place, uint64_t name, uint64_t now_ms)
{
    uint64_t until_ms = atomic_load(&place->until_ms);
    if (until_ms <= UNTIL_TAKEN || until_ms + EVICT_MS > now_ms ||
        !atomic_compare_exchange_strong(&place->until_ms, &until_ms, UNTIL_TAKEN))
        return false;
    atomic_store(&place->range, 0);
    atomic_store(&place->name, name);
    return true;
}

static bool take_free(struct place *place, uint64_t name)
{
    uint64_t free_name = 0;
    return atomic_load(&place->name) == 0 && atomic_compare_exchange_strong(&place->name, &free_name, name);
}

static int count_free(const struct bucket *bucket)
{
    int count = 0;
    for (int i = 0; i < WAYS; i++)
        count += atomic_load(&bucket->places[i].name) == 0;
    return count;
}

/* In the emptier bucket first, which keeps both from filling up early (two-choice hashing). */
static struct place *take_place(struct closed_sessions *closed, uint64_t name, uint64_t now_ms)
{
    int first = count_free(bucket_of(closed, name, 0)) >= count_free(bucket_of(closed, name, 1)) ? 0 : 1;
    for (int pass = 0; pass < 4; pass++) {
        struct bucket *bucket = bucket_of(closed, name, (first + pass) % 2);
        for (int i = 0; i < WAYS; i++)
            if (pass < 2 ? take_free(&bucket->places[i], name)
                         : take_expired(&bucket->places[i], name, now_ms))
                return &bucket->places[i];
    }
    return NULL;
}

static void raise_to(_Atomic uint64_t *value, uint64_t least)
{
    uint64_t found = atomic_load(value);
    while (found < least && !atomic_compare_exchange_weak(value, &found, least))
        ;
}

static struct place *obtain_place(struct closed_sessions *closed, uint64_t name, uint64_t until_ms,
                                  uint64_t now_ms)
{
    struct place *place = find_place(closed, name, now_ms);
    if (place == NULL)
        place = take_place(closed, name, now_ms);
    for (int which = 0; place == NULL && which < 2; which++)
        raise_to(&bucket_of(closed, name, which)->full_until_ms, until_ms);
    return place;
}

bool closed_sessions_add(struct closed_sessions *closed, uint64_t epoch, uint64_t user_id, uint32_t session,
                         uint64_t until_ms, uint64_t now_ms)
{
    if (until_ms <= now_ms)
        return true;
    struct place *place = obtain_place(closed, name_of(epoch, user_id, session), until_ms, now_ms);
    if (place != NULL)
        raise_to(&place->until_ms, until_ms);
    return place != NULL;
}

/* What is closed by either of two ranges {1 .. upto} \ {except}. The larger one decides, and its exception
 * stays one only if the smaller range does not have it. */
static uint64_t unite(uint64_t a, uint64_t b)
{
    if ((uint32_t)a < (uint32_t)b) {
        uint64_t larger = b;
        b = a;
        a = larger;
    }
    return is_in_range(b, (uint32_t)(a >> 32)) ? (uint32_t)a : a;
}

bool closed_sessions_add_upto(struct closed_sessions *closed, uint64_t epoch, uint64_t user_id, uint32_t upto,
                              uint32_t except, uint64_t until_ms, uint64_t now_ms)
{
    if (until_ms <= now_ms)
        return true;
    struct place *place = obtain_place(closed, name_of(epoch, user_id, 0), until_ms, now_ms);
    if (place == NULL)
        return false;
    uint64_t range = (uint64_t)except << 32 | upto, found = atomic_load(&place->range);
    while (!atomic_compare_exchange_weak(&place->range, &found, unite(found, range)))
        ;
    raise_to(&place->until_ms, until_ms);
    return true;
}

uint64_t closed_sessions_publish(struct closed_sessions *closed, uint64_t old, uint64_t epoch)
{
    ensure(epoch != 0);
    return atomic_compare_exchange_strong(&closed->page->epoch, &old, epoch) ? epoch : old;
}

void closed_sessions_cursor(const struct closed_sessions *closed, uint64_t *log_id, uint64_t *seq)
{
    *log_id = atomic_load(&closed->page->log_id);
    *seq = *log_id != 0 ? atomic_load(&closed->page->seq) : 0;
}

void closed_sessions_set_cursor(struct closed_sessions *closed, uint64_t log_id, uint64_t seq)
{
    atomic_store(&closed->page->seq, seq);
    atomic_store(&closed->page->log_id, log_id);
}
