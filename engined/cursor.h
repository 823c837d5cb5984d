/* Opaque cursors: a Cursor message packed. The gateway shows them as base64url. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "proto/cursor.pb-c.h"

/* Into the arena. */
ProtobufCBinaryData cursor_pack(const Pb__Cursor *cursor, struct arena *arena) MUST_USE;
/* Gives NULL in *cursor when there is none (has == false). False: these bytes are no cursor of this order. */
bool cursor_unpack(protobuf_c_boolean has, ProtobufCBinaryData bytes, uint32_t order, struct arena *arena,
                   Pb__Cursor **cursor) MUST_USE;
