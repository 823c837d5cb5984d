#include "engined/posts/post_cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/fatal.h"

#define BUCKETS 32768 /* a power of two; ids count up, so they spread by themselves */

struct kept {
    Pb__Post post; /* its texts point into `texts` */
    struct kept *bucket_next;
    TAILQ_ENTRY(kept) by_use;
    size_t bytes; /* of all this */
    char texts[];
};
TAILQ_HEAD(kept_list, kept);

struct post_cache {
    size_t max_bytes, bytes;
    struct kept_list by_use; /* least recently used first */
    struct kept *buckets[BUCKETS];
};

struct post_cache *post_cache_new(size_t max_bytes)
{
    struct post_cache *cache = xcalloc(1, sizeof(*cache));
    cache->max_bytes = max_bytes;
    TAILQ_INIT(&cache->by_use);
    return cache;
}

void post_cache_free(struct post_cache *cache)
{
    if (cache == NULL)
        return;
    post_cache_drop_all(cache);
    free(cache);
}

static struct kept **link_to(struct post_cache *cache, uint64_t post_id)
{
    struct kept **link = &cache->buckets[post_id & (BUCKETS - 1)];
    while (*link != NULL && (*link)->post.post_id != post_id)
        link = &(*link)->bucket_next;
    return link;
}

static void drop(struct post_cache *cache, struct kept *kept)
{
    *link_to(cache, kept->post.post_id) = kept->bucket_next;
    TAILQ_REMOVE(&cache->by_use, kept, by_use);
    cache->bytes -= kept->bytes;
    free(kept);
}

void post_cache_drop_all(struct post_cache *cache)
{
    while (!TAILQ_EMPTY(&cache->by_use))
        drop(cache, TAILQ_FIRST(&cache->by_use));
}

static struct kept *use(struct post_cache *cache, uint64_t post_id)
{
    struct kept *kept = *link_to(cache, post_id);
    if (kept != NULL) {
        TAILQ_REMOVE(&cache->by_use, kept, by_use);
        TAILQ_INSERT_TAIL(&cache->by_use, kept, by_use);
    }
    return kept;
}

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static size_t texts_size(const Pb__Post *post)
{
    return text_size(post->title) + text_size(post->content) + text_size(post->url) +
           text_size(post->author_username) + text_size(post->subreddit_name) + text_size(post->signature) +
           text_size(post->author_key);
}

static char *text_copy(char **to, const char *text)
{
    size_t size = text_size(text);
    if (size == 0)
        return NULL;
    char *copy = memcpy(*to, text, size);
    *to += size;
    return copy;
}

/* `texts` has texts_size(post) bytes. */
static void post_copy(Pb__Post *copy, char *texts, const Pb__Post *post)
{
    *copy = *post;
    copy->title = text_copy(&texts, post->title);
    copy->content = text_copy(&texts, post->content);
    copy->url = text_copy(&texts, post->url);
    copy->author_username = text_copy(&texts, post->author_username);
    copy->subreddit_name = text_copy(&texts, post->subreddit_name);
    copy->signature = text_copy(&texts, post->signature);
    copy->author_key = text_copy(&texts, post->author_key);
}

const Pb__Post *post_cache_peek(struct post_cache *cache, uint64_t post_id)
{
    const struct kept *kept = use(cache, post_id);
    return kept != NULL ? &kept->post : NULL;
}

Pb__Post *post_cache_copy(struct post_cache *cache, uint64_t post_id, struct arena *arena)
{
    const struct kept *kept = use(cache, post_id);
    if (kept == NULL)
        return NULL;
    Pb__Post *copy = arena_alloc_raw(arena, sizeof(*copy));
    post_copy(copy, arena_alloc_raw(arena, kept->bytes - sizeof(*kept)), &kept->post);
    return copy;
}

void post_cache_put(struct post_cache *cache, const Pb__Post *post)
{
    size_t bytes = sizeof(struct kept) + texts_size(post);
    struct kept **link = link_to(cache, post->post_id);
    if (*link != NULL || bytes > cache->max_bytes)
        return;
    struct kept *kept = xmalloc(bytes);
    kept->bytes = bytes;
    post_copy(&kept->post, kept->texts, post);
    kept->post.has_my_vote = false;
    kept->post.my_vote = PB__VOTE_TYPE__none;
    kept->bucket_next = NULL;
    *link = kept;
    TAILQ_INSERT_TAIL(&cache->by_use, kept, by_use);
    cache->bytes += bytes;
    while (cache->bytes > cache->max_bytes)
        drop(cache, TAILQ_FIRST(&cache->by_use));
}

void post_cache_set_votes(struct post_cache *cache, uint64_t post_id, uint64_t upvotes, uint64_t downvotes)
{
    struct kept *kept = *link_to(cache, post_id);
    if (kept == NULL)
        return;
    kept->post.upvotes = upvotes;
    kept->post.downvotes = downvotes;
    kept->post.score = (int64_t)upvotes - (int64_t)downvotes;
}

void post_cache_add_comments(struct post_cache *cache, uint64_t post_id, uint64_t comments)
{
    struct kept *kept = *link_to(cache, post_id);
    if (kept != NULL)
        kept->post.comment_count += comments;
}
