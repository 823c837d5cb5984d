/*
 * What a client sends -> a command's message, by its descriptor and rules (proto/schema.h). No code per
 * route.
 *
 * The body passes a strict scan first, which refuses what json-c lets through even in strict mode (duplicate
 * keys, NaN, Infinity, single quotes, comments, lone surrogates, NUL in strings, integers that would
 * saturate, invalid UTF-8, depth over 32, trailing bytes). Every bad field is named at once. Pure: no I/O;
 * worker's thread.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "proto/schema.h"
#include "proto/status.h"

#define JSON_DEPTH_MAX   32
#define FIELD_ERRORS_MAX 32

struct field_error {
    const char *field;  /* the name in the request */
    const char *code;   /* stable: required, wrong_type, invalid_id, too_short, too_long, bad_characters,
                           not_one_of, too_small, too_large, not_supported, invalid_cursor, duplicate;
                           invalid_json of a body */
    const char *detail; /* a sentence, in the arena */
};
struct field_errors {
    struct field_error rows[FIELD_ERRORS_MAX];
    size_t count;
};

/* One name and value from path or query, percent-decoded (length counts: a NUL may be in it). */
struct text_param {
    const char *name;
    const char *value;
    size_t length;
    bool from_path; /* a malformed id here is 404, not 400 */
};

struct decode_input {
    const struct schema_message *schema;
    const char *body; /* NULL: the route takes none */
    size_t body_length;
    /* Rules over several fields, added to `errors`; a field that has an error is absent. NULL: none. */
    void (*check)(const ProtobufCMessage *message, struct field_errors *errors);
    const struct text_param
        *params; /* a path param wins over a body field of the same name; a query param is for GETs only */
    size_t param_count;
    uint64_t actor; /* whom the actor's field names when it is left out; 0: then it is missing */
};

/* STATUS_OK: *message is in the arena, complete and valid. STATUS_INVALID_JSON: errors->rows[0].detail says
 * where and what. STATUS_INVALID_FIELDS: errors names each. STATUS_NOT_FOUND: an id in the path is malformed.
 */
enum status json_decode(const struct decode_input *input, struct arena *arena, ProtobufCMessage **message,
                        struct field_errors *errors) MUST_USE;
