/*
 * The rows of a new post that are ordered by something else than its id - by author, by subreddit - are not
 * written with the post but a window of posts later, sorted. Posts of one batch have other authors and
 * subreddits each, so each such row would dirty a page of its own: measured, 57 of the 68 pages that a batch
 * of 30 new posts wrote to the log, and again at the checkpoint. Sorted, the rows of a whole window fall on
 * few pages. Until then they are answered from memory; the table of posts itself, from which this is loaded,
 * is always complete.
 *
 * Post n writes the n-th of the sorted rows of the window before its own, so what is written depends on the
 * events alone, and no batch does more of it than another. Actor thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/store.h"

/* Posts of one window: half of those that may be waiting. */
#define LATE_ROWS_WINDOW 8192u

struct late_rows;

struct late_post {
    uint64_t post_id, subreddit_id, author_id, created_at;
};

struct late_rows *late_rows_new(struct store *store) MUST_USE;
void late_rows_free(struct late_rows *late);

/* A post whose row was written in this transaction; ids ascend. */
void late_rows_add(struct late_rows *late, const struct late_post *post);
/* Forgets what is in memory (after a rollback): it is read anew when needed. */
void late_rows_drop(struct late_rows *late);

/* Posts of the two windows, in the arena. Some of them may have got their rows already. By the author, the
 * newest first, with an id below `before`, at most `limit`; */
const uint64_t *late_rows_of_author(struct late_rows *late, uint64_t author_id, uint64_t before, size_t limit,
                                    struct arena *arena, size_t *count) MUST_USE;
/* of the subreddit, the oldest first. Valid until the next call. */
const struct late_post *late_rows_of_subreddit(struct late_rows *late, uint64_t subreddit_id,
                                               size_t *count) MUST_USE;
