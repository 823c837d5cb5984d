#include "engined/users/users_state.h"

uint64_t users_session_count(struct users *users, uint64_t user_id)
{
    uint64_t count = 0;
    query_bind(users->sessions_get, "u", user_id);
    (void)query_one_u64(users->sessions_get, &count);
    return count;
}

static bool is_closed_by_itself(struct users *users, uint64_t user_id, uint64_t session)
{
    uint64_t one;
    query_bind(users->session_closed_get, "uu", user_id, session);
    return query_one_u64(users->session_closed_get, &one);
}

bool users_session_is_open(struct users *users, uint64_t user_id, uint64_t session)
{
    uint64_t count = 0, closed_upto = 0, closed_except = 0;
    query_bind(users->sessions_get, "u", user_id);
    if (query_row(users->sessions_get)) {
        count = query_u64(users->sessions_get, 0);
        closed_upto = query_u64(users->sessions_get, 1);
        closed_except = query_u64(users->sessions_get, 2);
    }
    query_done(users->sessions_get);
    if (session < 1 || session > count || (session <= closed_upto && session != closed_except))
        return false;
    return !is_closed_by_itself(users, user_id, session);
}

const char *users_credential(struct users *users, uint64_t user_id, struct arena *arena)
{
    query_bind(users->credential_get, "u", user_id);
    const char *hash = query_row(users->credential_get) ? query_text(users->credential_get, 0, arena) : NULL;
    query_done(users->credential_get);
    return hash;
}

void users_set_credential(struct users *users, uint64_t user_id, const char *hash)
{
    query_bind(users->credential_put, "us", user_id, hash);
    query_run(users->credential_put);
}
