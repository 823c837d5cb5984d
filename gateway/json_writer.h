/* JSON by hand, for documents that no schema describes: keeps track of commas. Worker's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/json_encode.h"

/* Zero-initialise, with `out`. */
struct json_writer {
    struct text *out;
    bool comma; /* something stands before the next member of this object or array */
};

/* `key` is NULL inside an array and at the top. `bracket` is '{' or '['; json_close takes its counterpart. */
void json_open(struct json_writer *writer, const char *key, char bracket);
void json_close(struct json_writer *writer, char bracket);
void json_string(struct json_writer *writer, const char *key, const char *value);
void json_number(struct json_writer *writer, const char *key, uint64_t value);
void json_bool(struct json_writer *writer, const char *key, bool value);
void json_null(struct json_writer *writer, const char *key);
/* A value that is JSON already. */
void json_raw(struct json_writer *writer, const char *key, const char *json);
