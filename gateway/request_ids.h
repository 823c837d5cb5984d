/*
 * What makes a request recognisable when it is sent again (DESIGN.md "Request table"): a worker's own id (run
 * and counter), or one made from the client's Idempotency-Key.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

/* One per worker. */
struct request_ids {
    uint64_t run_id; /* random; also the sender in batch headers */
    uint64_t counter;
};
void request_ids_open(struct request_ids *ids);
void request_ids_next(struct request_ids *ids, struct request_id *id);

/* The key's scope is the acting user. */
void request_id_of_key(struct request_id *id, uint64_t actor, const char *key);
/* Where nobody acts yet the scope is the request itself. */
void request_id_of_request(struct request_id *id, uint16_t command, const uint8_t *payload, size_t length,
                           const char *key);
