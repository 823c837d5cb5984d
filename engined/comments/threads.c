#include "engined/comments/threads.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/fatal.h"

#define FIRST_CAPACITY 16u

struct threads {
    threads_load_fn load;
    void *load_arg;
    size_t max_nodes;
    size_t node_count; /* capacity of all that are loaded */
    uint32_t hand;     /* the slot that makes room next */
    struct thread *slots[THREAD_SLOTS];
};

uint32_t thread_find(const struct thread *thread, uint64_t comment_id)
{
    uint32_t low = 0, high = thread->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (thread->nodes[middle].id < comment_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < thread->count && thread->nodes[low].id == comment_id ? low : THREAD_NONE;
}

uint32_t thread_first_child(const struct thread *thread, uint32_t node)
{
    return node == THREAD_NONE ? thread->first_root : thread->nodes[node].first_child;
}

struct threads *threads_new(threads_load_fn load, void *load_arg, size_t max_nodes)
{
    struct threads *threads = xcalloc(1, sizeof(*threads));
    threads->load = load;
    threads->load_arg = load_arg;
    threads->max_nodes = max_nodes;
    return threads;
}

static void drop(struct threads *threads, uint32_t slot)
{
    struct thread *thread = threads->slots[slot];
    if (thread == NULL)
        return;
    threads->node_count -= thread->capacity;
    free(thread->nodes);
    free(thread);
    threads->slots[slot] = NULL;
}

void threads_drop_all(struct threads *threads)
{
    for (uint32_t slot = 0; slot < THREAD_SLOTS; slot++)
        drop(threads, slot);
}

void threads_free(struct threads *threads)
{
    threads_drop_all(threads);
    free(threads);
}

size_t threads_node_count(const struct threads *threads)
{
    return threads->node_count;
}

static uint32_t slot_of(uint64_t post_id)
{
    return (uint32_t)(post_id % THREAD_SLOTS);
}

/* Others than the one at `keep` make room. */
static void make_room(struct threads *threads, uint32_t keep)
{
    for (uint32_t i = 0; i < THREAD_SLOTS && threads->node_count > threads->max_nodes; i++) {
        if (threads->hand != keep)
            drop(threads, threads->hand);
        threads->hand = (threads->hand + 1) % THREAD_SLOTS;
    }
}

/* False: the comment does not fit behind what is loaded. */
static bool append(struct threads *threads, struct thread *thread, const struct thread_entry *entry)
{
    uint32_t parent = entry->parent_id != 0 ? thread_find(thread, entry->parent_id) : THREAD_NONE;
    if ((entry->parent_id != 0 && parent == THREAD_NONE) ||
        (thread->count > 0 && entry->id <= thread->nodes[thread->count - 1].id))
        return false;
    if (thread->count == thread->capacity) {
        uint32_t capacity = thread->capacity > 0 ? thread->capacity * 2 : FIRST_CAPACITY;
        ensure(capacity > thread->capacity && capacity < THREAD_NONE);
        thread->nodes = xrealloc(thread->nodes, capacity * sizeof(thread->nodes[0]));
        threads->node_count += capacity - thread->capacity;
        thread->capacity = capacity;
    }
    uint32_t index = thread->count++;
    uint32_t *head = parent != THREAD_NONE ? &thread->nodes[parent].first_child : &thread->first_root;
    thread->nodes[index] = (struct thread_node){.id = entry->id,
                                                .up = entry->up,
                                                .down = entry->down,
                                                .parent = parent,
                                                .first_child = THREAD_NONE,
                                                .next_sibling = *head};
    *head = index;
    return true;
}

struct loading {
    struct threads *threads;
    struct thread *thread;
};

static void add_loaded(void *sink, const struct thread_entry *entry)
{
    struct loading *loading = sink;
    ensure(append(loading->threads, loading->thread, entry));
}

const struct thread *threads_get(struct threads *threads, uint64_t post_id)
{
    uint32_t slot = slot_of(post_id);
    struct thread *thread = threads->slots[slot];
    if (thread != NULL && thread->post_id == post_id)
        return thread;
    drop(threads, slot);
    thread = xcalloc(1, sizeof(*thread));
    thread->post_id = post_id;
    thread->first_root = THREAD_NONE;
    threads->slots[slot] = thread;
    struct loading loading = {threads, thread};
    threads->load(threads->load_arg, post_id, add_loaded, &loading);
    make_room(threads, slot);
    return thread;
}

static struct thread *find_loaded(struct threads *threads, uint64_t post_id)
{
    struct thread *thread = threads->slots[slot_of(post_id)];
    return thread != NULL && thread->post_id == post_id ? thread : NULL;
}

/* What does not fit was loaded while the storage failed, and is dropped before it is read again. */
void threads_add(struct threads *threads, uint64_t post_id, const struct thread_entry *entry)
{
    struct thread *thread = find_loaded(threads, post_id);
    if (thread == NULL)
        return;
    if (append(threads, thread, entry))
        make_room(threads, slot_of(post_id));
    else
        drop(threads, slot_of(post_id));
}

void threads_set_votes(struct threads *threads, uint64_t post_id, uint64_t comment_id, uint32_t up,
                       uint32_t down)
{
    struct thread *thread = find_loaded(threads, post_id);
    uint32_t node = thread != NULL ? thread_find(thread, comment_id) : THREAD_NONE;
    if (node == THREAD_NONE)
        return;
    thread->nodes[node].up = up;
    thread->nodes[node].down = down;
}
