/* Messages and their field rules as JSON Schema (2020-12, the dialect of OpenAPI 3.1). Worker's thread. */
#pragma once

#include <stdbool.h>

#include "gateway/json_writer.h"
#include "proto/schema.h"

/* What a client may send for a field of a command: a body's (`in_body`: null is allowed where the field may
 * be left out), or a parameter's. */
void openapi_request_field(struct json_writer *writer, const char *key, const struct schema_message *message,
                           unsigned index, bool in_body);
/* What a reply looks like: a reference to its component, for a list the array of its items. */
void openapi_reply(struct json_writer *writer, const char *key, const struct schema_message *message);
/* As members of the object at hand: the component of every message that can stand in the reply, once each.
 * `seen` holds the names written so far. */
#define OPENAPI_COMPONENTS_MAX 64
struct openapi_seen {
    const struct schema_message *messages[OPENAPI_COMPONENTS_MAX];
    unsigned count;
};
void openapi_reply_components(struct json_writer *writer, struct openapi_seen *seen,
                              const struct schema_message *message);
/* Whether the field is one that clients can send, or see in a body. */
bool openapi_field_is_shown(const struct schema_field *field);
