/*
 * A token: who its bearer is, in which session, until when; signed (token_keys.h), so that a worker believes
 * it without asking anybody. As text "forumd1." and base64url without padding of
 *
 *   version u8 = 1, key id u32, user u64, session u32, issued u64, expires u64 (ms since 1970), name length
 *   u8, name, signature 64 bytes
 *
 * little-endian. Signed are the bytes "forumd-token-v1" and all before the signature.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "proto/frame.h"
#include "proto/token_keys.h"

#define TOKEN_LIFE_MS (30ull * 24 * 3600 * 1000)
#define ADMIN_NAME                                                                                           \
    "forumctl"             /* of tokens of nobody (user 0) that prove who has the key (engined/context.h) */
#define TOKEN_TEXT_MAX 192 /* its text, with the final NUL */

struct token {
    uint32_t key_id;
    uint64_t user_id;
    uint32_t session; /* counted per user from 1 */
    uint64_t issued_ms, expires_ms;
    char name[ACTOR_NAME_MAX + 1];
};

/* Fills in the key's id and signs. */
void token_sign(struct token *token, const struct token_secret_key *key, char out[static TOKEN_TEXT_MAX]);

enum token_fault {
    TOKEN_FINE,
    TOKEN_MALFORMED,
    TOKEN_UNKNOWN_KEY, /* or one that is accepted no more */
    TOKEN_FORGED,
    TOKEN_EXPIRED,
};
/* Checks everything but whether its session was closed. `text` need not end with a NUL. */
enum token_fault token_open(const char *text, size_t length, const struct token_public_keys *keys,
                            uint64_t now_ms, struct token *token) MUST_USE;
