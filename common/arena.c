#include "common/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

/* What is larger gets a block of its own, so that it does not waste the rest of the current one. */
#define ARENA_LARGE_BYTES (ARENA_BLOCK_BYTES / 4)

struct block {
    struct block *next;
    size_t capacity;
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
};

struct arena {
    struct block *blocks; /* in use; the first is the one that small pieces come from */
    struct block *spare;  /* kept from earlier rounds, capacities add up to spare_bytes */
    size_t spare_bytes;
    size_t handed_out;
    ProtobufCAllocator allocator;
};

static void *allocator_alloc(void *arena, size_t size)
{
    return arena_alloc_raw(arena, size);
}

static void allocator_free(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer;
}

struct arena *arena_new(void)
{
    struct arena *arena = xcalloc(1, sizeof(*arena));
    arena->allocator = (ProtobufCAllocator){
        .alloc = allocator_alloc,
        .free = allocator_free,
        .allocator_data = arena,
    };
    return arena;
}

static void free_list(struct block *block)
{
    while (block) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    free_list(arena->blocks);
    free_list(arena->spare);
    free(arena);
}

void arena_reset(struct arena *arena)
{
    struct block *block = arena->blocks;
    while (block) {
        struct block *next = block->next;
        if (arena->spare_bytes + block->capacity <= ARENA_KEEP_BYTES) {
            ASAN_POISON_MEMORY_REGION(block->bytes, block->capacity);
            block->used = 0;
            block->next = arena->spare;
            arena->spare = block;
            arena->spare_bytes += block->capacity;
        } else {
            free(block);
        }
        block = next;
    }
    arena->blocks = NULL;
    arena->handed_out = 0;
}

static struct block *spare_take(struct arena *arena, size_t capacity)
{
    for (struct block **link = &arena->spare; *link; link = &(*link)->next) {
        struct block *block = *link;
        if (block->capacity < capacity)
            continue;
        *link = block->next;
        arena->spare_bytes -= block->capacity;
        return block;
    }
    return NULL;
}

static struct block *block_for(struct arena *arena, size_t size)
{
    struct block *current = arena->blocks;
    if (current && current->capacity - current->used >= size)
        return current;
    size_t capacity = size > ARENA_LARGE_BYTES ? size : ARENA_BLOCK_BYTES;
    struct block *block = spare_take(arena, capacity);
    if (!block) {
        block = xmalloc(sizeof(*block) + capacity);
        block->capacity = capacity;
        block->used = 0;
        ASAN_POISON_MEMORY_REGION(block->bytes, capacity);
    }
    if (current && size > ARENA_LARGE_BYTES) {
        block->next = current->next;
        current->next = block;
    } else {
        block->next = current;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc_raw(struct arena *arena, size_t size)
{
    ensure(size <= PTRDIFF_MAX - sizeof(struct block) - alignof(max_align_t));
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct block *block = block_for(arena, rounded);
    void *memory = block->bytes + block->used;
    block->used += rounded;
    arena->handed_out += size;
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = arena_alloc_raw(arena, size);
    memset(memory, 0, size);
    return memory;
}

void *arena_copy(struct arena *arena, const void *bytes, size_t length)
{
    void *copy = arena_alloc_raw(arena, length);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text ? arena_copy(arena, text, strlen(text) + 1) : NULL;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    if (!text)
        return NULL;
    size_t used = strnlen(text, length);
    char *copy = arena_alloc_raw(arena, used + 1);
    memcpy(copy, text, used);
    copy[used] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    ensure(length >= 0);
    char *text = arena_alloc_raw(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

size_t arena_used(const struct arena *arena)
{
    return arena->handed_out;
}

ProtobufCAllocator *arena_allocator(struct arena *arena)
{
    return &arena->allocator;
}
