/* Reading one field of any message by its schema. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "proto/schema.h"

/* An optional uint64 by name. False: the message has no such field, or it is absent. */
bool message_u64(const struct schema_message *schema, const ProtobufCMessage *message, const char *name,
                 uint64_t *value) MUST_USE;
/* All that the field holds, optional or repeated; they are in the message. */
bool message_u64s(const struct schema_message *schema, const ProtobufCMessage *message, const char *name,
                  const uint64_t **values, size_t *count) MUST_USE;
/* An optional string by name, likewise. */
bool message_text(const struct schema_message *schema, const ProtobufCMessage *message, const char *name,
                  const char **value) MUST_USE;
/* The other way round; nothing where the message has no such field. */
void message_set_u64(const struct schema_message *schema, ProtobufCMessage *message, const char *name,
                     uint64_t value);
/* The acting user's field of a command; NULL: it has none. */
const struct schema_field *message_actor_field(const struct schema_message *schema);
/* The first id of a message: the thing itself. NULL: it has none. */
const struct schema_field *message_first_id(const struct schema_message *schema);
