/*
 * A bump allocator: everything that lives as long as one batch (engine) or one request (worker) comes from an
 * arena and is freed at once. Not thread-safe; one owner.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "common/attributes.h"

struct arena;

struct arena *arena_new(void) MUST_USE;
void arena_free(struct arena *arena);

/* Forgets everything handed out. Keeps up to ARENA_KEEP_BYTES (limits.h) of its blocks for the next round. */
void arena_reset(struct arena *arena);

/* Aligned for any type; zeroed; never NULL (size 0 gives a valid pointer). */
void *arena_alloc(struct arena *arena, size_t size) MUST_USE;
/* Not zeroed. */
void *arena_alloc_raw(struct arena *arena, size_t size) MUST_USE;
void *arena_copy(struct arena *arena, const void *bytes, size_t length) MUST_USE;
/* NULL in, NULL out. */
char *arena_strdup(struct arena *arena, const char *text) MUST_USE;
char *arena_strndup(struct arena *arena, const char *text, size_t length) MUST_USE;
PRINTF_LIKE(2, 3) char *arena_printf(struct arena *arena, const char *format, ...) MUST_USE;

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *arena);

/* For protobuf-c: messages unpacked with it live in the arena; their free_unpacked is not to be called. */
ProtobufCAllocator *arena_allocator(struct arena *arena);
