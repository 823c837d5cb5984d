/*
 * What the lists of the domains have in common: how much a page may hold, and the cursor of those that are
 * ordered by id alone. Ids ascend with time, so "by id" is also "by age".
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/limits.h"

/* Packed items of one page: less than a reply frame, with room for the fields around them. */
#define PAGE_BYTES_MAX (LIMIT_REPLY_FRAME_BYTES - 8192u)

/* 1..LIMIT_PAGE; the gateway refuses others before. */
size_t page_limit(uint32_t limit) MUST_USE;
/* 0 for NULL. */
size_t page_text_bytes(const char *text) MUST_USE;

/* The id that the last page ended with; `first` when there is no cursor. False: these bytes are no cursor of
 * this order. */
bool page_after_id(protobuf_c_boolean has, ProtobufCBinaryData bytes, uint32_t order, uint64_t first,
                   struct arena *arena, uint64_t *id) MUST_USE;
/* The cursor behind this id, in the arena. */
ProtobufCBinaryData page_next_id(uint32_t order, uint64_t id, struct arena *arena) MUST_USE;
