#include "gateway/known_users.h"

#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "proto/frame.h"

struct known_user {
    uint64_t id; /* 0: free */
    uint64_t touched_ms;
    char name[ACTOR_NAME_MAX + 1];
};

struct known_users {
    uint64_t touched[KNOWN_USERS_TOUCH_MAX];
    size_t touched_count;
    uint64_t told_ms;
    struct known_user slots[LIMIT_KNOWN_USERS];
};

struct known_users *known_users_new(void)
{
    return xcalloc(1, sizeof(struct known_users));
}

void known_users_free(struct known_users *users)
{
    free(users);
}

static size_t slot_of(uint64_t id)
{
    return (size_t)(id % LIMIT_KNOWN_USERS);
}

const char *known_users_name(const struct known_users *users, uint64_t id)
{
    const struct known_user *slot = &users->slots[slot_of(id)];
    return slot->id == id && id != 0 ? slot->name : NULL;
}

void known_users_learn(struct known_users *users, uint64_t id, const char *name)
{
    struct known_user *slot = &users->slots[slot_of(id)];
    if (slot->id == id)
        return;
    size_t length = strnlen(name, ACTOR_NAME_MAX);
    slot->id = id;
    slot->touched_ms = 0;
    memcpy(slot->name, name, length);
    slot->name[length] = '\0';
}

void known_users_touch(struct known_users *users, uint64_t id, uint64_t now_ms)
{
    struct known_user *slot = &users->slots[slot_of(id)];
    if (slot->id != id || (slot->touched_ms != 0 && now_ms < slot->touched_ms + KNOWN_USERS_TOUCH_MS) ||
        users->touched_count == KNOWN_USERS_TOUCH_MAX)
        return;
    slot->touched_ms = now_ms;
    users->touched[users->touched_count++] = id;
}

uint64_t known_users_next_ms(const struct known_users *users)
{
    return users->touched_count > 0 ? users->told_ms + KNOWN_USERS_TELL_MS : UINT64_MAX;
}

size_t known_users_take(struct known_users *users, uint64_t now_ms, const uint64_t **ids)
{
    if (now_ms < known_users_next_ms(users))
        return 0;
    size_t count = users->touched_count;
    users->told_ms = now_ms;
    users->touched_count = 0;
    *ids = users->touched;
    return count;
}
