/*
 * Who acted when: memory only, lost with the process. Actor thread only.
 *
 * A fixed table of PRESENCE_BUCKETS buckets of PRESENCE_WAYS users each, by user id modulo buckets; the one
 * in a full bucket who was not seen longest makes room. User ids are counted up, so up to 2 million users
 * have a place each; beyond that some who are still online may be forgotten early. Its 32 MB are reserved at
 * once, but touched only where users are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"

#define PRESENCE_BUCKETS   (1u << 18)
#define PRESENCE_WAYS      8
#define PRESENCE_ONLINE_MS (5ull * 60 * 1000)

struct presence;

struct presence *presence_new(void) MUST_USE;
void presence_free(struct presence *presence);

void presence_touch(struct presence *presence, uint64_t user_id, uint64_t now_ms);
/* Touched at most PRESENCE_ONLINE_MS ago. */
bool presence_is_online(const struct presence *presence, uint64_t user_id, uint64_t now_ms) MUST_USE;
