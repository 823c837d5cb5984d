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
/* A token has this many places, so that two whose digests begin alike do not push each other out in turn:
 * with one place each, 1,000 tokens in 8,192 were checked anew at one request in fifteen (4 us of each
 * request). */
#define SET_PLACES 4u

struct known_token {
    uint8_t digest[DIGEST_BYTES]; /* of its text */
    struct token token;           /* user 0: free */
};

struct token_checker {
    struct token_key_file file;
    struct token_public_keys keys;
    uint8_t secret[crypto_generichash_KEYBYTES]; /* so that nobody can choose where a token goes */
    struct known_token known[LIMIT_TOKENS_CACHED / SET_PLACES][SET_PLACES]; /* a set: the latest used first */
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

/* The token with this digest, moved to the front of its set; NULL: it is not known. */
static const struct token *find_known(struct known_token *set, const uint8_t digest[static DIGEST_BYTES])
{
    for (size_t i = 0; i < SET_PLACES; i++) {
        if (set[i].token.user_id == 0 || sodium_memcmp(set[i].digest, digest, DIGEST_BYTES) != 0)
            continue;
        if (i > 0) {
            struct known_token found = set[i];
            memmove(&set[1], &set[0], i * sizeof(set[0]));
            set[0] = found;
        }
        return &set[0].token;
    }
    return NULL;
}

/* In front; the one that was not used for longest goes. */
static void keep(struct known_token *set, const uint8_t digest[static DIGEST_BYTES],
                 const struct token *token)
{
    memmove(&set[1], &set[0], (SET_PLACES - 1) * sizeof(set[0]));
    memcpy(set[0].digest, digest, DIGEST_BYTES);
    set[0].token = *token;
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
    struct known_token *set = checker->known[place % (LIMIT_TOKENS_CACHED / SET_PLACES)];
    const struct token *known = find_known(set, digest);
    if (known != NULL) {
        *token = *known;
        return now_ms < token->expires_ms ? TOKEN_FINE : TOKEN_EXPIRED;
    }
    enum token_fault fault = open_unknown(checker, text, length, now_ms, token);
    if (fault == TOKEN_FINE)
        keep(set, digest, token);
    return fault;
}
