#include "gateway/signed_post.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "gateway/json_encode.h"
#include "gateway/signature.h"
#include "proto/ids.h"

_Static_assert((int)SIGNATURE_RSA2048 == (int)PB__KEY_ALGORITHM__RSA2048 &&
                   (int)SIGNATURE_ECDSAP256 == (int)PB__KEY_ALGORITHM__ECDSAP256 &&
                   (int)SIGNATURE_ED25519 == (int)PB__KEY_ALGORITHM__ED25519,
               "one numbering of algorithms");

#define DIGEST_BYTES    crypto_generichash_BYTES
#define DECIMAL_U64_MAX 21 /* with its end */

struct verdict {
    enum { VERDICT_NONE, VERDICT_GOOD, VERDICT_BAD } is;
    uint8_t digest[DIGEST_BYTES]; /* of key, signature and signed bytes */
};

struct signed_posts {
    struct text bytes;                           /* signed ones, being put together */
    uint8_t secret[crypto_generichash_KEYBYTES]; /* so that nobody can look for two posts of one digest */
    struct verdict verdicts[LIMIT_KNOWN_SIGNATURES];
};

/* A post that somebody is said to have signed. */
struct signed_post {
    uint64_t author_id, subreddit_id, signed_at;
    const char *title, *content; /* content may be NULL */
    const char *signature;
    struct public_key key;
};

struct signed_posts *signed_posts_new(void)
{
    struct signed_posts *signed_posts = xcalloc(1, sizeof(*signed_posts));
    randombytes_buf(signed_posts->secret, sizeof(signed_posts->secret));
    return signed_posts;
}

void signed_posts_free(struct signed_posts *signed_posts)
{
    if (signed_posts == NULL)
        return;
    text_dispose(&signed_posts->bytes);
    free(signed_posts);
}

static void append_netstring(struct text *out, const char *bytes, size_t length)
{
    text_append_u64(out, length);
    text_append(out, ":", 1);
    text_append(out, bytes, length);
    text_append(out, ",", 1);
}

static void append_id(struct text *out, enum id_kind kind, uint64_t number)
{
    char id[ID_TEXT_MAX];
    append_netstring(out, id, id_format(kind, number, id));
}

static void put_signed_bytes(struct text *out, const struct signed_post *post)
{
    char decimal[DECIMAL_U64_MAX];
    const char *content = post->content != NULL ? post->content : "";
    text_clear(out);
    text_append_string(out, SIGNED_POST_DOMAIN);
    append_id(out, ID_USER, post->author_id);
    append_id(out, ID_SUB, post->subreddit_id);
    append_netstring(out, post->title, strlen(post->title));
    append_netstring(out, content, strlen(content));
    append_netstring(out, decimal, (size_t)snprintf(decimal, sizeof(decimal), "%" PRIu64, post->signed_at));
}

/* Each part with its end, so that no two posts run together to the same bytes. */
static void digest_of(const struct signed_posts *signed_posts, const struct signed_post *post,
                      uint8_t *digest)
{
    crypto_generichash_state state;
    const struct text *bytes = &signed_posts->bytes;
    uint8_t algorithm = (uint8_t)post->key.algorithm;
    crypto_generichash_init(&state, signed_posts->secret, sizeof(signed_posts->secret), DIGEST_BYTES);
    crypto_generichash_update(&state, &algorithm, sizeof(algorithm));
    crypto_generichash_update(&state, (const uint8_t *)post->key.text, strlen(post->key.text) + 1);
    crypto_generichash_update(&state, (const uint8_t *)post->signature, strlen(post->signature) + 1);
    crypto_generichash_update(&state, (const uint8_t *)bytes->bytes, bytes->length);
    crypto_generichash_final(&state, digest, DIGEST_BYTES);
}

static bool verifies(struct signed_posts *signed_posts, const struct signed_post *post)
{
    uint8_t digest[DIGEST_BYTES];
    uint64_t place;
    put_signed_bytes(&signed_posts->bytes, post);
    digest_of(signed_posts, post, digest);
    memcpy(&place, digest, sizeof(place));
    struct verdict *verdict = &signed_posts->verdicts[place % LIMIT_KNOWN_SIGNATURES];
    if (verdict->is == VERDICT_NONE || memcmp(verdict->digest, digest, DIGEST_BYTES) != 0) {
        const struct text *bytes = &signed_posts->bytes;
        bool good = signature_verify(post->key.algorithm, post->key.text, bytes->bytes, bytes->length,
                                     post->signature);
        verdict->is = good ? VERDICT_GOOD : VERDICT_BAD;
        memcpy(verdict->digest, digest, DIGEST_BYTES);
    }
    return verdict->is == VERDICT_GOOD;
}

bool signed_post_is_request(const ProtobufCMessage *message)
{
    return message->descriptor == &pb__posts_create__descriptor &&
           ((const Pb__PostsCreate *)message)->signature != NULL;
}

enum status signed_post_admit(struct signed_posts *signed_posts, Pb__PostsCreate *request, uint64_t author,
                              const struct public_key *key)
{
    if (key->text == NULL)
        return STATUS_NO_PUBLIC_KEY;
    if ((int)key->algorithm != (int)request->signature_algorithm)
        return STATUS_OTHER_KEY_ALGORITHM;
    struct signed_post post = {.author_id = author,
                               .subreddit_id = request->subreddit_id,
                               .signed_at = request->signed_at,
                               .title = request->title,
                               .content = request->content,
                               .signature = request->signature,
                               .key = *key};
    if (!verifies(signed_posts, &post))
        return STATUS_INVALID_SIGNATURE;
    request->author_key = (char *)(uintptr_t)key->text; /* protobuf-c knows no const */
    return STATUS_OK;
}

Pb__Post *const *signed_post_list(const struct schema_message *schema, const ProtobufCMessage *message,
                                  Pb__Post **one, size_t *count)
{
    *one = NULL;
    *count = 0;
    if (schema->descriptor == &pb__post__descriptor) {
        *one = (Pb__Post *)(uintptr_t)message;
        *count = 1;
    } else if (schema->descriptor == &pb__post_page__descriptor) {
        const Pb__PostPage *page = (const Pb__PostPage *)message;
        *count = page->n_items;
        return page->items;
    }
    return one;
}

size_t signed_post_authors(Pb__Post *const *posts, size_t count, uint64_t *authors, size_t max)
{
    size_t found = 0;
    for (size_t i = 0; i < count && found < max; i++) {
        size_t k = 0;
        if (posts[i]->signature == NULL)
            continue;
        while (k < found && authors[k] != posts[i]->author_id)
            k++;
        if (k == found)
            authors[found++] = posts[i]->author_id;
    }
    return found;
}

/* Whether the key that the post was made with is the author's. */
static bool is_authors(const Pb__Post *post, const struct public_key *key)
{
    return key->text != NULL && (int)key->algorithm == (int)post->signature_algorithm &&
           strcmp(key->text, post->author_key) == 0;
}

void signed_post_judge(struct signed_posts *signed_posts, Pb__Post *post, const struct public_key *key)
{
    post->has_signature_verified = true;
    post->signature_verified = false;
    if (post->signature == NULL || post->author_key == NULL || post->title == NULL)
        return;
    if (key != NULL && !is_authors(post, key))
        return;
    struct signed_post post_signed = {
        .author_id = post->author_id,
        .subreddit_id = post->subreddit_id,
        .signed_at = post->signed_at,
        .title = post->title,
        .content = post->content,
        .signature = post->signature,
        .key = {.algorithm = (enum signature_algorithm)post->signature_algorithm, .text = post->author_key}};
    post->signature_verified = verifies(signed_posts, &post_signed);
}
