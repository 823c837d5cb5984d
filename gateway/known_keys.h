/*
 * What the worker remembers of users' public keys, which never change (bounded, direct-mapped: a newer one
 * takes an older one's place; 8 MB at most, if every one is of RSA). Worker's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/signature.h"

/* `text` NULL: the user has none. */
struct public_key {
    enum signature_algorithm algorithm;
    const char *text;
};

struct known_keys;

struct known_keys *known_keys_new(void) MUST_USE;
void known_keys_free(struct known_keys *keys);

/* False: not known here. *key is valid until the next known_keys_learn. */
bool known_keys_find(const struct known_keys *keys, uint64_t user, struct public_key *key) MUST_USE;
void known_keys_learn(struct known_keys *keys, uint64_t user, const struct public_key *key);
