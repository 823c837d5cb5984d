#include "engined/feed/joined.h"

#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"

struct place {
    uint64_t user; /* 0: empty */
    uint64_t *subreddits;
    size_t count;
};

struct joined {
    struct place places[JOINED_USERS_MAX];
};

static struct place *place_of(struct joined *joined, uint64_t user)
{
    return (struct place *)&joined
        ->places[user % JOINED_USERS_MAX]; /* ids count up: neighbours do not collide */
}

static void place_empty(struct place *place)
{
    free(place->subreddits);
    *place = (struct place){0};
}

struct joined *joined_new(void)
{
    return xcalloc(1, sizeof(struct joined));
}

void joined_free(struct joined *joined)
{
    joined_drop_all(joined);
    free(joined);
}

const uint64_t *joined_get(struct joined *joined, uint64_t user, size_t *count)
{
    const struct place *place = place_of(joined, user);
    bool kept = user != 0 && place->user == user;
    *count = kept ? place->count : 0;
    return kept ? place->subreddits : NULL;
}

void joined_keep(struct joined *joined, uint64_t user, const uint64_t *subreddits, size_t count)
{
    if (user == 0 || count > JOINED_LIST_MAX)
        return;
    struct place *place = place_of(joined, user);
    place_empty(place);
    place->user = user;
    place->count = count;
    place->subreddits = xmalloc((count + 1) * sizeof(subreddits[0])); /* not NULL if there are none */
    if (count > 0)
        memcpy(place->subreddits, subreddits, count * sizeof(subreddits[0]));
}

void joined_drop(struct joined *joined, uint64_t user)
{
    struct place *place = place_of(joined, user);
    if (place->user == user)
        place_empty(place);
}

void joined_drop_all(struct joined *joined)
{
    for (size_t i = 0; i < JOINED_USERS_MAX; i++)
        place_empty(&joined->places[i]);
}
