/*
 * The keys in the state directory: mac.key, which seals what processes say to each other (proto/frame.h), and
 * token.key with token.pub, which tokens are signed and checked with (proto/token_keys.h). Used by the
 * launcher and by forumctl. Each function exits with one clear line on trouble. sodium_init was called.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"

/* Makes what is missing, checks what is there. True: something was made. */
bool keys_make(const char *dir);

/* A new key signs from now on (within a second, also in processes that run). Tokens of the one before are
 * accepted until the last of them has expired; with `drop` no older key is accepted any more, so that
 * everybody has to log in again. Returns the new key's id. */
uint32_t keys_rotate_token(const char *dir, uint64_t now_ms, bool drop) MUST_USE;
