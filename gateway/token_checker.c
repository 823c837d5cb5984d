#include "gateway/token_checker.h"

#include <endian.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"

#define DIGEST_BYTES crypto_generichash_BYTES_MIN

struct known_token {
    uint8_t digest[DIGEST_BYTES]; /* of its text */
    struct token token;           /* user 0: free */
};

struct token_checker {
    struct token_key_file file;
    struct token_public_keys keys;
    uint8_t secret[crypto_generichash_KEYBYTES]; /* so that nobody can choose where a token goes */
    struct known_token known[LIMIT_TOKENS_CACHED];
};

struct token_checker *token_checker_new(const char *path)
{
    struct token_checker *checker = xcalloc(1, sizeof(*checker));
    checker->file.path = path;
    randombytes_buf(checker->secret, sizeof(checker->secret));
    (void)!token_key_file_changed(&checker->file, clock_monotonic_ms());
    const char *why = token_public_keys_load(path, &checker->keys);
    if (why != NULL)
        fatal_exit(EXIT_CONFIG, "cannot use the keys of tokens, %s: %s (forumctl init makes them)", path,
                   why);
    return checker;
}

void token_checker_free(struct token_checker *checker)
{
    free(checker);
}

/* True when there are. */
static bool look_for_new_keys(struct token_checker *checker)
{
    if (!token_key_file_changed(&checker->file, clock_monotonic_ms()))
        return false;
    const char *why = token_public_keys_load(checker->file.path, &checker->keys);
    if (why != NULL) {
        log_error("the new keys of tokens cannot be used: the old ones stay reason=%s", why);
        return false;
    }
    memset(checker->known, 0, sizeof(checker->known));
    log_notice("other keys of tokens are accepted from now on keys=%zu", checker->keys.count);
    return true;
}

/* A key that nobody knows may be one that signs since a moment ago. */
static enum token_fault open_unknown(struct token_checker *checker, const char *text, size_t length,
                                     uint64_t now_ms, struct token *token)
{
    enum token_fault fault = token_open(text, length, &checker->keys, now_ms, token);
    if (fault != TOKEN_UNKNOWN_KEY)
        return fault;
    checker->file.next_look_ms = 0;
    return look_for_new_keys(checker) ? token_open(text, length, &checker->keys, now_ms, token) : fault;
}

enum token_fault token_checker_open(struct token_checker *checker, const char *text, size_t length,
                                    struct token *token)
{
    uint8_t digest[DIGEST_BYTES];
    uint64_t now_ms = clock_wall_ms(), place;
    (void)look_for_new_keys(checker);
    if (length >= TOKEN_TEXT_MAX)
        return TOKEN_MALFORMED;
    crypto_generichash(digest, sizeof(digest), (const uint8_t *)text, length, checker->secret,
                       sizeof(checker->secret));
    memcpy(&place, digest, sizeof(place));
    struct known_token *known = &checker->known[place % LIMIT_TOKENS_CACHED];
    if (known->token.user_id != 0 && sodium_memcmp(known->digest, digest, sizeof(digest)) == 0) {
        *token = known->token;
        return now_ms < token->expires_ms ? TOKEN_FINE : TOKEN_EXPIRED;
    }
    enum token_fault fault = open_unknown(checker, text, length, now_ms, token);
    if (fault == TOKEN_FINE) {
        memcpy(known->digest, digest, sizeof(digest));
        known->token = *token;
    }
    return fault;
}
