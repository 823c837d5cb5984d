/*
 * The keys that tokens are signed with (Ed25519, libsodium): one secret key, which the users engine alone
 * reads, and the public ones that the gateway's workers accept. So a worker can check tokens, and make none.
 *
 * Two files beside each other, token.key 0600 and token.pub 0644, a line a key:
 *   token.key   ID SEED          the key that signs now
 *   token.pub   ID KEY UNTIL     those accepted; UNTIL: ms since 1970 to which a key that was replaced is
 *                                still accepted, 0 for the one that signs now
 * ID is 8 hex digits and stands in each token; SEED and KEY are 64 hex digits. Written whole under another
 * name first, by deploy/state/keys.c.
 */
#pragma once

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/attributes.h"

#define TOKEN_KEYS_MAX        8
#define TOKEN_SECRET_FILE     "token.key"
#define TOKEN_PUBLIC_FILE     "token.pub"
#define TOKEN_KEYS_FILE_BYTES 2048 /* no file of keys is larger */

struct token_public_key {
    uint32_t id;
    uint64_t until_ms; /* 0: without end */
    uint8_t bytes[crypto_sign_PUBLICKEYBYTES];
};

struct token_public_keys {
    struct token_public_key rows[TOKEN_KEYS_MAX];
    size_t count;
};

struct token_secret_key {
    uint32_t id;
    uint8_t bytes[crypto_sign_SECRETKEYBYTES];
};

/* A file that is read again when it was replaced. Zero-initialise with the path. */
struct token_key_file {
    const char *path;
    uint64_t next_look_ms; /* CLOCK_MONOTONIC */
    ino_t inode;
    struct timespec changed;
};
/* True when the file is another one than at the last call that said so. Looks once a second at most. */
bool token_key_file_changed(struct token_key_file *file, uint64_t now_ms) MUST_USE;

/* NULL: read. Else a sentence that says what is wrong with the file; *keys is untouched then. */
const char *token_public_keys_load(const char *path, struct token_public_keys *keys) MUST_USE;
const char *token_secret_key_load(const char *path, struct token_secret_key *key) MUST_USE;

/* As the files hold them; the returned length is without the final NUL. `out` has TOKEN_KEYS_FILE_BYTES. */
size_t token_public_keys_format(const struct token_public_keys *keys, char *out) MUST_USE;
size_t token_secret_key_format(const struct token_secret_key *key, char *out) MUST_USE;

/* A new pair. `id` is random. */
void token_keys_generate(struct token_secret_key *secret, struct token_public_key *public_key);
