/* Looking into answers. A path is "0.errors.1.field": names and indexes, parted by dots; "" is the whole. */
#pragma once

#include <json-c/json_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/lib/http.h"

/* False: there is no such place. A JSON null is a place: *value is NULL then. */
bool json_find(struct json_object *json, const char *path, struct json_object **value) MUST_USE;
bool json_has(const struct reply *reply, const char *path) MUST_USE;

/* These fail the test when the place is missing or of another type. */
const char *json_text(const struct reply *reply, const char *path) MUST_USE;
int64_t json_number(const struct reply *reply, const char *path) MUST_USE;
bool json_flag(const struct reply *reply, const char *path) MUST_USE;
bool json_is_null(const struct reply *reply, const char *path) MUST_USE;
size_t json_count(const struct reply *reply, const char *path) MUST_USE; /* of an array */

/* Bodies: like printf, with ' for ". (A real apostrophe comes by an argument.) */
PRINTF_LIKE(1, 2) MUST_USE char *json_body(const char *format, ...);
/* The text as a JSON string, with its quotes. */
const char *json_quote(const char *text) MUST_USE;
