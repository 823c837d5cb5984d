#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "engined/cursor.h"

#define ORDER 7

static Pb__Cursor example(void)
{
    Pb__Cursor cursor = PB__CURSOR__INIT;
    cursor.has_order = cursor.has_rank = cursor.has_id = cursor.has_asof_ms = cursor.has_created_ms = true;
    cursor.order = ORDER;
    cursor.rank = 12579.151126816819;
    cursor.id = INT64_MAX;
    cursor.asof_ms = 1700000000123;
    cursor.created_ms = 1700000000001;
    cursor.text = (char *)"name";
    return cursor;
}

Test(cursor, comes_back_as_it_was_packed_to_the_last_bit)
{
    struct arena *arena = arena_new();
    Pb__Cursor cursor = example(), *back = NULL;
    ProtobufCBinaryData bytes = cursor_pack(&cursor, arena);
    cr_assert(cursor_unpack(true, bytes, ORDER, arena, &back));
    cr_assert_not_null(back);
    cr_assert_eq(memcmp(&back->rank, &cursor.rank, sizeof(cursor.rank)), 0);
    cr_assert_eq(back->id, cursor.id);
    cr_assert_eq(back->asof_ms, cursor.asof_ms);
    cr_assert_eq(back->created_ms, cursor.created_ms);
    cr_assert_str_eq(back->text, "name");
    cr_assert_not(back->has_window);
    arena_free(arena);
}

Test(cursor, none_is_the_first_page)
{
    struct arena *arena = arena_new();
    Pb__Cursor unset, *back = &unset;
    cr_assert(cursor_unpack(false, (ProtobufCBinaryData){0}, ORDER, arena, &back));
    cr_assert_null(back);
    arena_free(arena);
}

Test(cursor, of_another_order_is_refused)
{
    struct arena *arena = arena_new();
    Pb__Cursor cursor = example(), *back = NULL;
    cr_assert_not(cursor_unpack(true, cursor_pack(&cursor, arena), ORDER + 1, arena, &back));
    cr_assert_null(back);
    cursor.has_order = false;
    cr_assert_not(cursor_unpack(true, cursor_pack(&cursor, arena), ORDER, arena, &back));
    arena_free(arena);
}

Test(cursor, cut_anywhere_or_empty_or_oversized_is_refused_or_lacks_fields)
{
    struct arena *arena = arena_new();
    Pb__Cursor cursor = example(), *back = NULL;
    ProtobufCBinaryData bytes = cursor_pack(&cursor, arena);
    cr_assert_not(
        cursor_unpack(true, (ProtobufCBinaryData){.len = 0, .data = bytes.data}, ORDER, arena, &back));
    for (size_t length = 0; length < bytes.len; length++) {
        ProtobufCBinaryData cut = {.len = length, .data = bytes.data};
        if (cursor_unpack(true, cut, ORDER, arena, &back))
            cr_assert_null(back->text, "cut to %zu bytes it is whole", length);
    }
    size_t large = 1u << 20;
    char *text = arena_alloc(arena, large + 1);
    memset(text, 'x', large);
    cursor.text = text;
    cr_assert_not(cursor_unpack(true, cursor_pack(&cursor, arena), ORDER, arena, &back));
    cr_assert_null(back);
    arena_free(arena);
}
