/*
 * Which comments of a thread come next, in tree order: depth first, siblings by the sort. Pure.
 *
 * A cursor is the path of (rank, id) from the top of the listing down to the last one shown, each as it was
 * when it was shown. The next page first finishes what is below the path's end, then level by level upwards
 * what ranks behind the path's step there; the path's own comments, wherever votes have moved them, are not
 * shown again. So paging to the end shows all that was there throughout once, but for what a vote moved
 * (itself or below it) past the place where the reading was.
 *
 * Ties: newer first, then larger id; as ids ascend with time, that is by descending id, and for `old` by
 * ascending.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/limits.h"
#include "engined/comments/threads.h"
#include "proto/comments.pb-c.h"
#include "proto/cursor.pb-c.h"

struct walk_query {
    const struct thread *thread;
    uint32_t root; /* what is below this node; THREAD_NONE: all */
    Pb__CommentsOfPost__Sort sort;
    unsigned max_level; /* 0: only the listing's top; at most LIMIT_COMMENT_DEPTH */
    size_t limit;
    const Pb__Cursor *after; /* NULL: from the top */
};

struct walk_item {
    uint64_t id;
    double rank;
    unsigned level; /* below the listing's top */
};

struct walk_page {
    struct walk_item *items; /* in the arena */
    size_t count;
    bool more; /* there is at least one behind the last */
};

/* What sorts there are. */
bool walk_knows_sort(Pb__CommentsOfPost__Sort sort) MUST_USE;
/* False: `after` is not a cursor of this listing. */
bool walk_read(const struct walk_query *query, struct arena *arena, struct walk_page *page) MUST_USE;
/* Sets the path of the cursor behind the page's first `shown` items (1..count). Steps in the arena. */
void walk_set_path(const struct walk_query *query, const struct walk_page *page, size_t shown,
                   struct arena *arena, Pb__Cursor *cursor);
/* How many comments the whole listing has. */
size_t walk_total(const struct walk_query *query, struct arena *arena) MUST_USE;
