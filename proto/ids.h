/* Ids: a number inside, "post_17" outside. 0 is no id. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

enum id_kind { ID_NONE, ID_USER, ID_SUB, ID_POST, ID_COMMENT, ID_DM, ID_KINDS };

#define ID_TEXT_MAX 32 /* "comment_18446744073709551615" and its end */

const char *id_kind_prefix(enum id_kind kind); /* "post" */

/* Strict: prefix, '_', digits without a leading zero, 1..2^63-1, nothing after. */
bool id_parse(enum id_kind kind, const char *text, size_t length, uint64_t *number) MUST_USE;
/* Writes a terminated text into out[ID_TEXT_MAX]; returns its length. */
size_t id_format(enum id_kind kind, uint64_t number, char *out);

/* Which of `shards` shards holds the thing with this number: shard s hands out numbers n with (n-1) mod
 * shards = s. The one place that decides it; more than one shard is refused at start until placement by name,
 * post and pair is delivered too. */
unsigned id_shard(uint64_t number, unsigned shards);
