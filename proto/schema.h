/*
 * The schema as tables, generated from the .proto files and their options (options.proto, gen/schema_gen.c):
 * everything that turns messages into something else - JSON both ways, validation, /openapi.json, command and
 * event dispatch - walks these.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "proto/ids.h"

enum text_pattern { PATTERN_ANY, PATTERN_USERNAME, PATTERN_SUBREDDIT_NAME, PATTERN_URL };

struct schema_message;

/* Stands at the same index as the field in descriptor->fields (which protobuf-c sorts by tag). */
struct schema_field {
    const char *name;
    enum id_kind id; /* ID_NONE: not an id */
    enum text_pattern pattern;
    uint32_t min_chars, max_chars;        /* text, in code points; max 0: unbounded */
    uint32_t min_value, max_value;        /* unsigned integers; max 0: unbounded */
    const char *header;                   /* reply: shown in this header instead of the body; NULL: body */
    const char *describe;                 /* NULL: nothing to add */
    const struct schema_message *message; /* the field's own message type, or NULL */
    bool required, trim, actor, refused, omit, cursor, empty_is_absent, internal, secret, derived;
};

struct schema_message {
    const ProtobufCMessageDescriptor *descriptor;
    const struct schema_field *fields; /* descriptor->n_fields of them */
    bool list;                         /* shown as the bare array of its field `items` */
    uint32_t event;                    /* type number, 0: not an event */
};

enum command_kind { COMMAND_READ, COMMAND_WRITE, COMMAND_NOTICE };

struct schema_command {
    uint16_t id; /* high byte: the domain's number */
    enum command_kind kind;
    const char *name; /* "posts_create": also the handler's symbol */
    const struct schema_message *request;
    const struct schema_message *reply;
};

/* Indexed by enum command_index (generated, schema_commands.h): schema_commands[CMD_posts_create]. */
extern const struct schema_command schema_commands[];
extern const size_t schema_command_count;

/* All of them. */
extern const struct schema_message *const schema_messages[];
extern const size_t schema_message_count;

extern const struct schema_message *const schema_events[];
extern const size_t schema_event_count;

/* NULL: no such command. */
const struct schema_command *schema_command_by_id(uint16_t id);
/* NULL: no such event. */
const struct schema_message *schema_event_by_type(uint32_t type);
bool schema_has_secrets(const struct schema_message *schema) MUST_USE;
/* Whether hashes of its messages are of all their fields: none is secret or derived. */
bool schema_prints_all(const struct schema_message *schema) MUST_USE;
/* Takes the other fields out of a message of that type (their text itself is left alone), so that what is
 * packed of it is what was asked, and may be hashed and kept. */
void schema_drop_unprinted(const struct schema_message *schema, ProtobufCMessage *message);
/* NULL: the message has no such field. */
const struct schema_field *schema_field_by_name(const struct schema_message *message, const char *name,
                                                unsigned *index);
