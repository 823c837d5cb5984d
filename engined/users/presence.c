#include "engined/users/presence.h"

#include <stdlib.h>

#include "common/fatal.h"

struct seen {
    uint64_t user_id; /* 0: free */
    uint64_t at_ms;
};

struct presence {
    struct seen buckets[PRESENCE_BUCKETS][PRESENCE_WAYS];
};

struct presence *presence_new(void)
{
    return xcalloc(1, sizeof(struct presence));
}

void presence_free(struct presence *presence)
{
    free(presence);
}

void presence_touch(struct presence *presence, uint64_t user_id, uint64_t now_ms)
{
    struct seen *bucket = presence->buckets[user_id % PRESENCE_BUCKETS];
    struct seen *place = &bucket[0];
    for (unsigned i = 0; i < PRESENCE_WAYS; i++) {
        if (bucket[i].user_id == user_id) {
            place = &bucket[i];
            break;
        }
        if (bucket[i].at_ms < place->at_ms)
            place = &bucket[i];
    }
    *place = (struct seen){.user_id = user_id, .at_ms = now_ms};
}

bool presence_is_online(const struct presence *presence, uint64_t user_id, uint64_t now_ms)
{
    const struct seen *bucket = presence->buckets[user_id % PRESENCE_BUCKETS];
    for (unsigned i = 0; i < PRESENCE_WAYS; i++)
        if (bucket[i].user_id == user_id)
            return now_ms <= bucket[i].at_ms + PRESENCE_ONLINE_MS;
    return false;
}
