/*
 * A reply message -> compact JSON, by its descriptor and rules: ids as "post_17", absent fields as null
 * unless `omit`, fields with `header` or `internal` left out, `list` messages as bare arrays. UTF-8 passes;
 * control characters, quotes and backslashes are escaped. No code per route. Worker's thread.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/schema.h"

/* A growing buffer, kept by its owner between answers. Zero-initialise; text_dispose frees. */
struct text {
    char *bytes;
    size_t length, capacity;
};
void text_clear(struct text *text);
void text_append(struct text *text, const char *bytes, size_t length);
void text_append_string(struct text *text, const char *string);
void text_append_u64(struct text *text, uint64_t value);
void text_append_i64(struct text *text, int64_t value);
/* Quoted and escaped. */
void text_append_json(struct text *text, const char *string, size_t length);
void text_dispose(struct text *text);

void json_encode(struct text *out, const struct schema_message *schema, const ProtobufCMessage *message);
