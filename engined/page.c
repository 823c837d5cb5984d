#include "engined/page.h"

#include <string.h>

#include "engined/cursor.h"

size_t page_limit(uint32_t limit)
{
    return limit >= 1 && limit <= LIMIT_PAGE ? limit : LIMIT_PAGE;
}

size_t page_text_bytes(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

bool page_after_id(protobuf_c_boolean has, ProtobufCBinaryData bytes, uint32_t order, uint64_t first,
                   struct arena *arena, uint64_t *id)
{
    Pb__Cursor *after = NULL;
    if (!cursor_unpack(has, bytes, order, arena, &after))
        return false;
    if (after != NULL && (!after->has_id || after->id > INT64_MAX))
        return false;
    *id = after != NULL ? after->id : first;
    return true;
}

ProtobufCBinaryData page_next_id(uint32_t order, uint64_t id, struct arena *arena)
{
    Pb__Cursor next = PB__CURSOR__INIT;
    next.has_order = next.has_id = true;
    next.order = order;
    next.id = id;
    return cursor_pack(&next, arena);
}
