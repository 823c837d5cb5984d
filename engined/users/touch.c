/* Which things an event changes as they are shown. Profiles are not among them: presence changes as time
 * passes, so no answer with it is given again (gateway/cache_rules.c). */
#include "engined/users/users_state.h"
#include "proto/users.pb-c.h"

void users_touch_created(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    (void)state;
    versions_touch(versions, VERSION_USER, ((const Pb__UserCreated *)message)->user_id);
}

void users_touch_karma(void *state, struct arena *arena, const struct followed_event *events, size_t count,
                       struct versions *versions)
{
    (void)state, (void)arena, (void)events, (void)count, (void)versions; /* in profiles alone */
}
