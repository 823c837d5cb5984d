#include "gateway/request_ids.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

void request_ids_open(struct request_ids *ids)
{
    randombytes_buf(&ids->run_id, sizeof(ids->run_id));
    ids->counter = 0;
}

void request_ids_next(struct request_ids *ids, struct request_id *id)
{
    uint64_t run = htole64(ids->run_id), counter = htobe64(++ids->counter);
    memcpy(id->bytes, &run, sizeof(run));
    memcpy(id->bytes + sizeof(run), &counter, sizeof(counter));
}

/* Each part with its length in front, so that no two lists of parts hash alike. */
static void hash_part(crypto_generichash_state *state, const void *bytes, size_t length)
{
    uint64_t prefix = htole64(length);
    crypto_generichash_update(state, (const unsigned char *)&prefix, sizeof(prefix));
    crypto_generichash_update(state, bytes, length);
}

static void hash_begin(crypto_generichash_state *state, const char *scope)
{
    crypto_generichash_init(state, NULL, 0, crypto_generichash_BYTES);
    hash_part(state, scope, strlen(scope));
}

static void hash_end(crypto_generichash_state *state, struct request_id *id)
{
    unsigned char hash[crypto_generichash_BYTES];
    _Static_assert(sizeof(hash) >= REQUEST_ID_BYTES, "the id is the hash's beginning");
    crypto_generichash_final(state, hash, sizeof(hash));
    memcpy(id->bytes, hash, REQUEST_ID_BYTES);
}

void request_id_of_key(struct request_id *id, uint64_t actor, const char *key)
{
    crypto_generichash_state state;
    actor = htole64(actor);
    hash_begin(&state, "actor");
    hash_part(&state, &actor, sizeof(actor));
    hash_part(&state, key, strlen(key));
    hash_end(&state, id);
}

void request_id_of_request(struct request_id *id, uint16_t command, const uint8_t *payload, size_t length,
                           const char *key)
{
    crypto_generichash_state state;
    command = htole16(command);
    hash_begin(&state, "request");
    hash_part(&state, &command, sizeof(command));
    hash_part(&state, payload, length);
    hash_part(&state, key, strlen(key));
    hash_end(&state, id);
}
