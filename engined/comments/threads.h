/*
 * The trees of posts' comments without their texts: in memory per post, loaded from tables on first need,
 * kept up to date by apply, dropped on rollback. Actor thread only.
 *
 * A thread's nodes stand in ascending id order (ids ascend with time), so a parent stands before its replies.
 * THREAD_SLOTS posts at most are loaded, by post id modulo slots, and others make room beyond max_nodes in
 * all.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

#define THREAD_SLOTS 4096u
#define THREAD_NONE  UINT32_MAX /* no node */

struct thread_node {
    uint64_t id;
    uint32_t up, down;
    uint32_t parent;                    /* THREAD_NONE: a root */
    uint32_t first_child, next_sibling; /* in no order that counts */
};

struct thread {
    uint64_t post_id;
    struct thread_node *nodes;
    uint32_t count, capacity;
    uint32_t first_root;
};

/* The index of the comment's node, or THREAD_NONE. */
uint32_t thread_find(const struct thread *thread, uint64_t comment_id) MUST_USE;
/* The first reply to that node; of THREAD_NONE: the first root. */
uint32_t thread_first_child(const struct thread *thread, uint32_t node) MUST_USE;

struct thread_entry {
    uint64_t id, parent_id; /* parent 0: none */
    uint32_t up, down;
};
/* Gives all comments of the post in ascending id order, through `add`. */
typedef void (*threads_load_fn)(void *arg, uint64_t post_id,
                                void (*add)(void *sink, const struct thread_entry *entry), void *sink);

struct threads;

struct threads *threads_new(threads_load_fn load, void *load_arg, size_t max_nodes) MUST_USE;
void threads_free(struct threads *threads);
void threads_drop_all(struct threads *threads);
size_t threads_node_count(const struct threads *threads);

/* Valid until the next call of any threads_ function. Without comments: a thread of no nodes. */
const struct thread *threads_get(struct threads *threads, uint64_t post_id) MUST_USE;

/* No-ops for posts that are not loaded. */
void threads_add(struct threads *threads, uint64_t post_id, const struct thread_entry *entry);
void threads_set_votes(struct threads *threads, uint64_t post_id, uint64_t comment_id, uint32_t up,
                       uint32_t down);
