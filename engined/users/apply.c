#include "engined/users/users_state.h"
#include "proto/token.h"
#include "proto/users.pb-c.h"

void users_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct users *users = state;
    const Pb__UserCreated *event = (const Pb__UserCreated *)message;
    query_bind(users->insert, "uus", event->user_id, event->created_at, event->username);
    query_run(users->insert);
    if (event->public_key != NULL) {
        query_bind(users->key_insert, "uis", event->user_id, (int64_t)event->key_algorithm,
                   event->public_key);
        query_run(users->key_insert);
    }
    users->next_user_id = event->user_id + 1;
}

void users_apply_session_opened(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct users *users = state;
    const Pb__UserSessionOpened *event = (const Pb__UserSessionOpened *)message;
    query_bind(users->session_opened, "uu", event->user_id, event->session);
    query_run(users->session_opened);
}

static void close_upto(struct users *users, const Pb__UserSessionsClosed *event)
{
    query_bind(users->sessions_closed, "uuu", event->user_id, event->upto, event->except);
    query_run(users->sessions_closed);
    query_bind(users->sessions_forget_upto, "uuu", event->user_id, event->upto, event->except);
    query_run(users->sessions_forget_upto);
}

void users_apply_sessions_closed(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct users *users = state;
    const Pb__UserSessionsClosed *event = (const Pb__UserSessionsClosed *)message;
    if (event->upto != 0)
        close_upto(users, event);
    if (event->session == 0)
        return;
    query_bind(users->session_close, "uuu", event->user_id, event->session, event->closed_at);
    query_run(users->session_close);
    if (event->closed_at > TOKEN_LIFE_MS) {
        query_bind(users->sessions_forget_old, "u", event->closed_at - TOKEN_LIFE_MS);
        query_run(users->sessions_forget_old);
    }
}

/* Only for the record: the credential is in no event. */
void users_apply_password_changed(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)state, (void)arena, (void)message;
}
