#include "proto/token.h"

#include <endian.h>
#include <string.h>

#include "common/fatal.h"
#include "proto/base64.h"

#define PREFIX      "forumd1."
#define PREFIX_SIZE (sizeof(PREFIX) - 1)
#define DOMAIN      "forumd-token-v1" /* so that no other signature of this key can be a token */
#define DOMAIN_SIZE (sizeof(DOMAIN) - 1)
#define VERSION     1

enum {
    FIXED_BYTES = 1 + 4 + 8 + 4 + 8 + 8 + 1,
    BODY_MAX = FIXED_BYTES + ACTOR_NAME_MAX,
    BYTES_MAX = BODY_MAX + crypto_sign_BYTES,
    VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};

_Static_assert(PREFIX_SIZE + sodium_base64_ENCODED_LEN(BYTES_MAX, VARIANT) <= TOKEN_TEXT_MAX, "it fits");

static void put(uint8_t **at, uint64_t value, size_t bytes)
{
    value = htole64(value);
    memcpy(*at, &value, bytes);
    *at += bytes;
}

static uint64_t get(const uint8_t **at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, *at, bytes);
    *at += bytes;
    return le64toh(value);
}

/* What is signed: DOMAIN and the body; returns its length. */
static size_t signed_bytes(const uint8_t *body, size_t length, uint8_t out[static DOMAIN_SIZE + BODY_MAX])
{
    memcpy(out, DOMAIN, DOMAIN_SIZE);
    memcpy(out + DOMAIN_SIZE, body, length);
    return DOMAIN_SIZE + length;
}

void token_sign(struct token *token, const struct token_secret_key *key, char out[static TOKEN_TEXT_MAX])
{
    uint8_t bytes[BYTES_MAX], message[DOMAIN_SIZE + BODY_MAX], *at = bytes;
    size_t name_length = strnlen(token->name, ACTOR_NAME_MAX);
    token->key_id = key->id;
    put(&at, VERSION, 1);
    put(&at, token->key_id, 4);
    put(&at, token->user_id, 8);
    put(&at, token->session, 4);
    put(&at, token->issued_ms, 8);
    put(&at, token->expires_ms, 8);
    put(&at, name_length, 1);
    memcpy(at, token->name, name_length);
    size_t length = FIXED_BYTES + name_length;
    size_t message_length = signed_bytes(bytes, length, message);
    ensure(crypto_sign_detached(bytes + length, NULL, message, message_length, key->bytes) == 0);
    memcpy(out, PREFIX, PREFIX_SIZE);
    (void)sodium_bin2base64(out + PREFIX_SIZE, TOKEN_TEXT_MAX - PREFIX_SIZE, bytes,
                            length + crypto_sign_BYTES, VARIANT);
}

/* The body's length, 0 if this is no token. */
static size_t decode(const char *text, size_t length, uint8_t bytes[static BYTES_MAX], struct token *token)
{
    size_t decoded;
    const uint8_t *at = bytes;
    if (length <= PREFIX_SIZE || length >= TOKEN_TEXT_MAX || memcmp(text, PREFIX, PREFIX_SIZE) != 0 ||
        !base64_decode(text + PREFIX_SIZE, length - PREFIX_SIZE, VARIANT, bytes, BYTES_MAX, &decoded) ||
        decoded < FIXED_BYTES + crypto_sign_BYTES || get(&at, 1) != VERSION)
        return 0;
    token->key_id = (uint32_t)get(&at, 4);
    token->user_id = get(&at, 8);
    token->session = (uint32_t)get(&at, 4);
    token->issued_ms = get(&at, 8);
    token->expires_ms = get(&at, 8);
    size_t name_length = get(&at, 1);
    if (name_length > ACTOR_NAME_MAX || decoded != FIXED_BYTES + name_length + crypto_sign_BYTES)
        return 0;
    memcpy(token->name, at, name_length);
    token->name[name_length] = '\0';
    return FIXED_BYTES + name_length;
}

static const struct token_public_key *find_key(const struct token_public_keys *keys, uint32_t id,
                                               uint64_t now_ms)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->rows[i].id == id && (keys->rows[i].until_ms == 0 || now_ms < keys->rows[i].until_ms))
            return &keys->rows[i];
    return NULL;
}

enum token_fault token_open(const char *text, size_t length, const struct token_public_keys *keys,
                            uint64_t now_ms, struct token *token)
{
    uint8_t bytes[BYTES_MAX], message[DOMAIN_SIZE + BODY_MAX];
    size_t body_length = decode(text, length, bytes, token);
    if (body_length == 0)
        return TOKEN_MALFORMED;
    const struct token_public_key *key = find_key(keys, token->key_id, now_ms);
    if (key == NULL)
        return TOKEN_UNKNOWN_KEY;
    size_t message_length = signed_bytes(bytes, body_length, message);
    if (crypto_sign_verify_detached(bytes + body_length, message, message_length, key->bytes) != 0)
        return TOKEN_FORGED;
    return now_ms < token->expires_ms ? TOKEN_FINE : TOKEN_EXPIRED;
}
