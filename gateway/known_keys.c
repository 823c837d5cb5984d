#include "gateway/known_keys.h"

#include <stdlib.h>

#include "common/fatal.h"
#include "common/limits.h"

struct known_key {
    uint64_t user; /* 0: free */
    enum signature_algorithm algorithm;
    char *text;
};

struct known_keys {
    struct known_key slots[LIMIT_KNOWN_KEYS];
};

struct known_keys *known_keys_new(void)
{
    return xcalloc(1, sizeof(struct known_keys));
}

void known_keys_free(struct known_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < LIMIT_KNOWN_KEYS; i++)
        free(keys->slots[i].text);
    free(keys);
}

bool known_keys_find(const struct known_keys *keys, uint64_t user, struct public_key *key)
{
    const struct known_key *slot = &keys->slots[user % LIMIT_KNOWN_KEYS];
    if (slot->user != user || user == 0)
        return false;
    *key = (struct public_key){.algorithm = slot->algorithm, .text = slot->text};
    return true;
}

void known_keys_learn(struct known_keys *keys, uint64_t user, const struct public_key *key)
{
    struct known_key *slot = &keys->slots[user % LIMIT_KNOWN_KEYS];
    if (slot->user == user)
        return;
    free(slot->text);
    *slot = (struct known_key){
        .user = user, .algorithm = key->algorithm, .text = key->text != NULL ? xstrdup(key->text) : NULL};
}
