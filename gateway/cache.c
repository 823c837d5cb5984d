#include "gateway/cache.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <xxhash.h>

#include "common/fatal.h"
#include "common/limits.h"

#define BYTES_A_BUCKET 1024 /* of the cache's size: chains stay short with answers as small as they come */
#define LARGEST_PART   8    /* of the cache, that one answer may take */

struct entry {
    struct cached answer; /* first: an entry is found by it */
    struct entry *next;   /* in its chain */
    TAILQ_ENTRY(entry) link;
    uint64_t hash; /* of the target */
    size_t bytes;
    unsigned holds; /* one is the cache's, while it is linked */
    bool used;      /* since the hand came by */
};

TAILQ_HEAD(entry_list, entry);

struct cache {
    struct engine_pages *pages;
    struct metrics *metrics;
    size_t max_bytes, bytes; /* the table's included */
    size_t bucket_count;     /* a power of two */
    struct entry **buckets;
    struct entry_list order; /* the hand is at the first */
};

struct cache *cache_new(size_t bytes, struct engine_pages *pages, struct metrics *metrics)
{
    struct cache *cache = xcalloc(1, sizeof(*cache));
    cache->pages = pages;
    cache->metrics = metrics;
    cache->max_bytes = bytes;
    TAILQ_INIT(&cache->order);
    if (bytes == 0)
        return cache;
    cache->bucket_count = 1;
    while (cache->bucket_count < bytes / BYTES_A_BUCKET)
        cache->bucket_count *= 2;
    cache->buckets = xcalloc(cache->bucket_count, sizeof(cache->buckets[0]));
    cache->bytes = cache->bucket_count * sizeof(cache->buckets[0]);
    metrics_add(metrics, METRIC_CACHE_BYTES, (int64_t)cache->bytes);
    return cache;
}

static struct entry **chain_of(const struct cache *cache, uint64_t hash)
{
    return &cache->buckets[hash & (cache->bucket_count - 1)];
}

static void entry_release(struct entry *entry)
{
    if (--entry->holds == 0)
        free(entry);
}

/* Takes the entry that `place` points to out of the cache. */
static void unlink_at(struct cache *cache, struct entry **place)
{
    struct entry *entry = *place;
    *place = entry->next;
    TAILQ_REMOVE(&cache->order, entry, link);
    cache->bytes -= entry->bytes;
    metrics_add(cache->metrics, METRIC_CACHE_BYTES, -(int64_t)entry->bytes);
    metrics_add(cache->metrics, METRIC_CACHE_ENTRIES, -1);
    entry_release(entry);
}

static void unlink_entry(struct cache *cache, struct entry *entry)
{
    struct entry **place = chain_of(cache, entry->hash);
    while (*place != entry)
        place = &(*place)->next;
    unlink_at(cache, place);
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    while (!TAILQ_EMPTY(&cache->order))
        unlink_entry(cache, TAILQ_FIRST(&cache->order));
    free(cache->buckets);
    free(cache);
}

bool cache_is_on(const struct cache *cache)
{
    return cache->max_bytes > 0;
}

static uint64_t hash_of(const char *target, size_t length)
{
    return XXH3_64bits(target, length);
}

static bool is_of(const struct entry *entry, uint64_t hash, const char *target, size_t length)
{
    return entry->hash == hash && entry->answer.target_length == length &&
           memcmp(entry->answer.target, target, length) == 0;
}

const struct route *cache_route(const struct cache *cache, const char *target, size_t length)
{
    uint64_t hash = hash_of(target, length);
    for (const struct entry *entry = *chain_of(cache, hash); entry != NULL; entry = entry->next)
        if (is_of(entry, hash, target, length))
            return entry->answer.route;
    return NULL;
}

static struct entry **find_place(struct cache *cache, const char *target, size_t length, uint64_t user)
{
    uint64_t hash = hash_of(target, length);
    struct entry **place = chain_of(cache, hash);
    while (*place != NULL && !((*place)->answer.user == user && is_of(*place, hash, target, length)))
        place = &(*place)->next;
    return place;
}

const struct cached *cache_find(struct cache *cache, const char *target, size_t length, uint64_t user)
{
    struct entry **place = find_place(cache, target, length, user);
    struct entry *entry = *place;
    if (entry == NULL)
        return NULL;
    if (!engine_pages_hold(cache->pages, &entry->answer.basis)) {
        metrics_add(cache->metrics, METRIC_CACHE_OUTDATED, 1);
        unlink_at(cache, place);
        return NULL;
    }
    entry->used = true;
    return &entry->answer;
}

/* Not the one that was used since the hand came by last. */
static void make_room(struct cache *cache, size_t bytes)
{
    while (cache->bytes + bytes > cache->max_bytes && !TAILQ_EMPTY(&cache->order)) {
        struct entry *entry = TAILQ_FIRST(&cache->order);
        if (entry->used) {
            entry->used = false;
            TAILQ_REMOVE(&cache->order, entry, link);
            TAILQ_INSERT_TAIL(&cache->order, entry, link);
            continue;
        }
        metrics_add(cache->metrics, METRIC_CACHE_EVICTED, 1);
        unlink_entry(cache, entry);
    }
}

static const void *put(char **at, const void *bytes, size_t length)
{
    char *to = *at;
    if (length > 0)
        memcpy(to, bytes, length);
    *at += length;
    return to;
}

static size_t texts_bytes(const struct cached *answer)
{
    size_t bytes = answer->target_length + strlen(answer->etag) + 1 + answer->body_length;
    for (size_t i = 0; i < answer->header_count; i++)
        bytes += strlen(answer->headers[i].value) + 1;
    return bytes;
}

/* All in one block. */
static struct entry *entry_new(const struct cached *answer)
{
    size_t keys_bytes = answer->basis.key_count * sizeof(answer->basis.keys[0]);
    struct entry *entry = xmalloc(sizeof(*entry) + keys_bytes + texts_bytes(answer));
    char *at = (char *)(entry + 1);
    *entry =
        (struct entry){.answer = *answer, .holds = 1, .hash = hash_of(answer->target, answer->target_length)};
    struct cached *copy = &entry->answer;
    copy->basis.keys = (uint32_t *)(void *)at; /* behind the entry: aligned */
    (void)put(&at, answer->basis.keys, keys_bytes);
    copy->etag = put(&at, answer->etag, strlen(answer->etag) + 1);
    for (size_t i = 0; i < answer->header_count; i++)
        copy->headers[i].value = put(&at, answer->headers[i].value, strlen(answer->headers[i].value) + 1);
    copy->target = put(&at, answer->target, answer->target_length);
    copy->body = put(&at, answer->body, answer->body_length);
    entry->bytes = malloc_usable_size(entry) + sizeof(size_t);
    return entry;
}

void cache_keep(struct cache *cache, const struct cached *answer)
{
    if (texts_bytes(answer) > cache->max_bytes / LARGEST_PART ||
        !engine_pages_hold(cache->pages, &answer->basis))
        return;
    struct entry *entry = entry_new(answer);
    struct entry **place = find_place(cache, answer->target, answer->target_length, answer->user);
    if (*place != NULL)
        unlink_at(cache, place);
    make_room(cache, entry->bytes);
    place = chain_of(cache, entry->hash);
    entry->next = *place;
    *place = entry;
    TAILQ_INSERT_TAIL(&cache->order, entry, link);
    cache->bytes += entry->bytes;
    metrics_add(cache->metrics, METRIC_CACHE_BYTES, (int64_t)entry->bytes);
    metrics_add(cache->metrics, METRIC_CACHE_ENTRIES, 1);
}

void cached_hold(const struct cached *answer)
{
    ((struct entry *)(uintptr_t)answer)->holds++;
}

void cached_done(const void *body, size_t length, void *answer)
{
    (void)body, (void)length;
    entry_release(answer);
}
