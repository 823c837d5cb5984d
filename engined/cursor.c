#include "engined/cursor.h"

/* A comment's cursor holds a path of LIMIT_COMMENT_DEPTH steps; nothing of ours is longer. */
#define CURSOR_BYTES_MAX 4096

ProtobufCBinaryData cursor_pack(const Pb__Cursor *cursor, struct arena *arena)
{
    ProtobufCBinaryData bytes = {.len = pb__cursor__get_packed_size(cursor)};
    bytes.data = arena_alloc_raw(arena, bytes.len);
    pb__cursor__pack(cursor, bytes.data);
    return bytes;
}

bool cursor_unpack(protobuf_c_boolean has, ProtobufCBinaryData bytes, uint32_t order, struct arena *arena,
                   Pb__Cursor **cursor)
{
    *cursor = NULL;
    if (!has)
        return true;
    if (bytes.len > CURSOR_BYTES_MAX)
        return false;
    Pb__Cursor *unpacked = pb__cursor__unpack(arena_allocator(arena), bytes.len, bytes.data);
    if (unpacked == NULL || !unpacked->has_order || unpacked->order != order)
        return false;
    *cursor = unpacked;
    return true;
}
