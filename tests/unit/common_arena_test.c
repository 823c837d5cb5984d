#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"

Test(arena, hands_out_zeroed_memory_aligned_for_any_type)
{
    struct arena *arena = arena_new();
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 300; size++) {
            unsigned char *memory = arena_alloc(arena, size);
            cr_assert_not_null(memory);
            cr_assert_eq((uintptr_t)memory % alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++)
                cr_assert_eq(memory[i], 0, "byte %zu of %zu", i, size);
            memset(memory, 0xff, size);
        }
        arena_reset(arena);
    }
    arena_free(arena);
}

Test(arena, pieces_do_not_overlap_across_blocks_and_sizes)
{
    enum { PIECES = 400 };
    struct arena *arena = arena_new();
    unsigned char *pieces[PIECES];
    size_t sizes[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        sizes[i] = i % 50 == 49 ? 3 * ARENA_BLOCK_BYTES
                   : i % 7 == 0 ? ARENA_BLOCK_BYTES / 4
                                : 1 + i * 13 % 900;
        pieces[i] = arena_alloc_raw(arena, sizes[i]);
        memset(pieces[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            cr_assert_eq(pieces[i][k], i % 251, "piece %zu byte %zu", i, k);
    }
    arena_free(arena);
}

Test(arena, reset_forgets_what_was_used_and_gives_the_same_memory_again)
{
    struct arena *arena = arena_new();
    void *first = arena_alloc_raw(arena, 100);
    cr_assert_str_eq(arena_strdup(arena, "four"), "four");
    cr_assert_eq(arena_used(arena), 105);
    arena_reset(arena);
    cr_assert_eq(arena_used(arena), 0);
    cr_assert_eq(arena_alloc_raw(arena, 100), first);
    arena_free(arena);
}

Test(arena, copies_texts)
{
    struct arena *arena = arena_new();
    cr_assert_null(arena_strdup(arena, NULL));
    cr_assert_null(arena_strndup(arena, NULL, 3));
    cr_assert_str_eq(arena_strdup(arena, "abc"), "abc");
    cr_assert_str_eq(arena_strndup(arena, "abcdef", 3), "abc");
    cr_assert_str_eq(arena_strndup(arena, "ab", 30), "ab");
    cr_assert_str_eq(arena_printf(arena, "%s_%d", "post", 17), "post_17");
    cr_assert_arr_eq(arena_copy(arena, "a\0b", 3), "a\0b", 3);
    cr_assert_not_null(arena_copy(arena, NULL, 0));
    arena_free(arena);
}

Test(arena, serves_protobuf_as_its_allocator)
{
    struct arena *arena = arena_new();
    ProtobufCAllocator *allocator = arena_allocator(arena);
    char *memory = allocator->alloc(allocator->allocator_data, 64);
    cr_assert_not_null(memory);
    memset(memory, 1, 64);
    allocator->free(allocator->allocator_data, memory);
    cr_assert_eq(memory[63], 1, "freeing one piece must not touch it");
    cr_assert_eq(arena_used(arena), 64);
    arena_free(arena);
}
