/*
 * Posts as they are now, in memory, the ones used last: what spares a page of 25 a hundred searches in the
 * tables. Holds copies of its own, within a bound of bytes. Kept up to date by apply and folds, dropped on
 * rollback.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "proto/posts.pb-c.h"

struct post_cache;

struct post_cache *post_cache_new(size_t max_bytes) MUST_USE;
void post_cache_free(struct post_cache *cache);
void post_cache_drop_all(struct post_cache *cache);

/* A copy in the arena, without anybody's vote; NULL: not kept. */
Pb__Post *post_cache_copy(struct post_cache *cache, uint64_t post_id, struct arena *arena) MUST_USE;
/* The same without copying: valid until the next call of any other function. */
const Pb__Post *post_cache_peek(struct post_cache *cache, uint64_t post_id) MUST_USE;
/* Takes copies of the texts. One that is there already stays as it is; one larger than the bound is not kept.
 */
void post_cache_put(struct post_cache *cache, const Pb__Post *post);

/* Nothing happens to posts that are not kept. */
void post_cache_set_votes(struct post_cache *cache, uint64_t post_id, uint64_t upvotes, uint64_t downvotes);
void post_cache_add_comments(struct post_cache *cache, uint64_t post_id, uint64_t comments);
