#include "engined/users/users_state.h"
#include "proto/users.pb-c.h"

void users_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct users *users = state;
    const Pb__UserCreated *event = (const Pb__UserCreated *)message;
    query_bind(users->insert, "uus", event->user_id, event->created_at, event->username);
    query_run(users->insert);
    users->next_user_id = event->user_id + 1;
}
