#include "engined/requests.h"

#include <stdlib.h>

#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"

struct requests {
    struct store *store;
    struct query *find, *remember, *prune, *count;
    uint64_t client_keys;
};

static void count_client_keys(struct requests *requests)
{
    query_bind(requests->count, "");
    if (!query_one_u64(requests->count, &requests->client_keys))
        requests->client_keys = 0;
}

struct requests *requests_open(struct store *store)
{
    struct requests *requests = xcalloc(1, sizeof(*requests));
    requests->store = store;
    requests->find = store_prepare(store, "SELECT fingerprint, reply FROM requests WHERE id = ?1 AND "
                                          "(client = 0 OR expires_ms >= ?2)");
    requests->remember = store_prepare(store, "INSERT OR REPLACE INTO requests (id, client, fingerprint, "
                                              "expires_ms, reply) VALUES (?1, ?2, ?3, ?4, ?5)");
    requests->prune = store_prepare(
        store, "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE client = ?1 AND "
               "expires_ms < ?2 ORDER BY expires_ms LIMIT ?3)");
    requests->count = store_prepare(store, "SELECT count(*) FROM requests WHERE client = 1");
    count_client_keys(requests);
    return requests;
}

void requests_close(struct requests *requests)
{
    free(requests);
}

void requests_rolled_back(struct requests *requests)
{
    count_client_keys(requests);
}

enum requests_found requests_find(struct requests *requests, const struct request_id *id,
                                  uint64_t fingerprint, uint64_t now_ms, struct arena *arena,
                                  const uint8_t **reply, size_t *length)
{
    enum requests_found found = REQUEST_NEW;
    query_bind(requests->find, "bu", id->bytes, (size_t)REQUEST_ID_BYTES, now_ms);
    if (query_row(requests->find)) {
        found = query_u64(requests->find, 0) == fingerprint ? REQUEST_KNOWN : REQUEST_MISMATCH;
        const void *bytes = query_blob_peek(requests->find, 1, length);
        *reply = arena_copy(arena, bytes, *length);
    }
    query_done(requests->find);
    return found;
}

bool requests_has_room(const struct requests *requests)
{
    return requests->client_keys < LIMIT_CLIENT_KEYS;
}

void requests_remember(struct requests *requests, const struct request_id *id, bool client,
                       uint64_t fingerprint, uint64_t expires_ms, const uint8_t *reply, size_t length)
{
    query_bind(requests->remember, "buuub", id->bytes, (size_t)REQUEST_ID_BYTES, (uint64_t)client,
               fingerprint, expires_ms, length > 0 ? (const void *)reply : "", length);
    FAULT_POINT(remember_before);
    query_run(requests->remember);
    FAULT_POINT(remember_after);
    requests->client_keys += client;
}

void requests_prune(struct requests *requests, uint64_t now_ms, uint64_t rows, bool workers_too)
{
    for (uint64_t client = workers_too ? 0 : 1; client <= 1; client++) {
        query_bind(requests->prune, "uuu", client, now_ms, rows);
        query_run(requests->prune);
        if (client == 1 && !store_failed(requests->store)) {
            uint64_t gone = store_changes(requests->store);
            requests->client_keys -= gone < requests->client_keys ? gone : requests->client_keys;
        }
    }
}
