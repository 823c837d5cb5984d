#include <stdlib.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "engined/domain.h"
#include "engined/users/commands.h"
#include "engined/users/users_state.h"

extern const char engine_schema_sql[], engine_timelines_sql[], users_schema_sql[], users_accounts_sql[],
    users_keys_sql[];

/* proto/users.proto, proto/posts.proto, proto/comments.proto */
enum {
    EVENT_USER_CREATED = 0x0101,
    EVENT_USER_SESSION_OPENED = 0x0107,
    EVENT_USER_SESSIONS_CLOSED = 0x0108,
    EVENT_USER_PASSWORD_CHANGED = 0x0109,
    EVENT_POST_VOTE_CHANGED = 0x0302,
    EVENT_COMMENT_VOTE_CHANGED = 0x0402,
};

static void prepare(struct users *users, struct store *store)
{
    users->last_id = store_prepare(store, "SELECT max(user_id) FROM users");
    users->id_by_name = store_prepare(store, "SELECT user_id FROM users WHERE username = ?1");
    users->get = store_prepare(store, "SELECT username FROM users WHERE user_id = ?1");
    users->profile = store_prepare(store, "SELECT u.username, u.created_at, p.karma, c.karma FROM users u "
                                          "LEFT JOIN karma_from_posts p ON p.user_id = u.user_id "
                                          "LEFT JOIN karma_from_comments c ON c.user_id = u.user_id "
                                          "WHERE u.user_id = ?1");
    users->insert =
        store_prepare(store, "INSERT INTO users (user_id, created_at, username) VALUES (?1, ?2, ?3)");
    users->clear = store_prepare(store, "DELETE FROM users");
    users->key_get = store_prepare(store, "SELECT u.username, k.public_key, k.algorithm FROM users u "
                                          "LEFT JOIN keys k ON k.user_id = u.user_id WHERE u.user_id = ?1");
    users->key_insert =
        store_prepare(store, "INSERT INTO keys (user_id, algorithm, public_key) VALUES (?1, ?2, ?3)");
    users->keys_clear = store_prepare(store, "DELETE FROM keys");
    users->post_karma_add =
        store_prepare(store, "INSERT INTO karma_from_posts (user_id, karma) VALUES (?1, ?2) "
                             "ON CONFLICT (user_id) DO UPDATE SET karma = karma + excluded.karma");
    users->post_karma_forget = store_prepare(store, "DELETE FROM karma_from_posts");
    users->comment_karma_add =
        store_prepare(store, "INSERT INTO karma_from_comments (user_id, karma) VALUES (?1, ?2) "
                             "ON CONFLICT (user_id) DO UPDATE SET karma = karma + excluded.karma");
    users->comment_karma_forget = store_prepare(store, "DELETE FROM karma_from_comments");
}

/* Of closed sessions those up to closed_upto have no rows of their own. */
#define ACCOUNT_COLUMNS                                                                                      \
    "u.user_id, u.username, u.created_at, u.sessions, u.sessions - u.closed_upto + (u.closed_except > 0) - " \
    "(SELECT count(*) FROM closed_sessions c WHERE c.user_id = u.user_id), "                                 \
    "EXISTS (SELECT 1 FROM credentials p WHERE p.user_id = u.user_id), "                                     \
    "EXISTS (SELECT 1 FROM keys k WHERE k.user_id = u.user_id)"

static void prepare_accounts(struct users *users, struct store *store)
{
    users->sessions_get =
        store_prepare(store, "SELECT sessions, closed_upto, closed_except FROM users WHERE user_id = ?1");
    users->session_opened = store_prepare(store, "UPDATE users SET sessions = ?2 WHERE user_id = ?1");
    users->sessions_closed =
        store_prepare(store, "UPDATE users SET closed_upto = ?2, closed_except = ?3 WHERE user_id = ?1");
    users->session_close = store_prepare(
        store, "INSERT OR IGNORE INTO closed_sessions (user_id, session, closed_at) VALUES (?1, ?2, ?3)");
    users->session_closed_get =
        store_prepare(store, "SELECT 1 FROM closed_sessions WHERE user_id = ?1 AND session = ?2");
    users->sessions_forget_upto = store_prepare(
        store, "DELETE FROM closed_sessions WHERE user_id = ?1 AND session <= ?2 AND session <> ?3");
    users->sessions_forget_old = store_prepare(store, "DELETE FROM closed_sessions WHERE closed_at < ?1");
    users->closed_clear = store_prepare(store, "DELETE FROM closed_sessions");
    users->account = store_prepare(store, "SELECT " ACCOUNT_COLUMNS " FROM users u WHERE u.user_id = ?1");
    users->accounts = store_prepare(store, "SELECT " ACCOUNT_COLUMNS " FROM users u WHERE u.user_id > ?1 "
                                           "ORDER BY u.user_id LIMIT ?2");
    users->credential_get = store_prepare(store, "SELECT hash FROM credentials WHERE user_id = ?1");
    users->credential_put =
        store_prepare(store, "INSERT OR REPLACE INTO credentials (user_id, hash) VALUES (?1, ?2)");
}

static void *users_open(struct store *store)
{
    struct users *users = xcalloc(1, sizeof(*users));
    users->store = store;
    users->presence = presence_new();
    prepare(users, store);
    prepare_accounts(users, store);
    return users;
}

static void users_close(void *state)
{
    struct users *users = state;
    presence_free(users->presence);
    free(users);
}

/* Presence mirrors no table: who acted did, whatever became of it. */
static void users_rolled_back(void *state)
{
    struct users *users = state;
    users->next_user_id = 0;
}

static void users_clear(void *state)
{
    struct users *users = state;
    query_run(users->clear);
    query_run(users->closed_clear);
    query_run(users->keys_clear);
    users->next_user_id = 0;
}

static const char *const migrations[] = {engine_schema_sql, users_schema_sql, engine_timelines_sql,
                                         users_accounts_sql, users_keys_sql};

static const struct command_row commands[] = {
#define X(name, id) {COMMAND_ID_##name, name},
    COMMANDS_OF_USERS(X)
#undef X
};

static const struct event_row events[] = {
    {EVENT_USER_CREATED, users_apply_created, users_touch_created},
    {EVENT_USER_SESSION_OPENED, users_apply_session_opened, touch_nothing},
    {EVENT_USER_SESSIONS_CLOSED, users_apply_sessions_closed, touch_nothing},
    {EVENT_USER_PASSWORD_CHANGED, users_apply_password_changed, touch_nothing},
};

static const struct completion_row completions[] = {
    {COMMAND_ID_users_create, users_complete_registered},
    {COMMAND_ID_users_login, users_complete_session},
    {COMMAND_ID_users_set_password, users_complete_password},
    {COMMAND_ID_users_renew, users_complete_session},
    {COMMAND_ID_users_admin_issue, users_complete_issued},
};

static const uint32_t post_events[] = {EVENT_POST_VOTE_CHANGED};
static const uint32_t comment_events[] = {EVENT_COMMENT_VOTE_CHANGED};
static const struct follow_row follows[] = {
    {DOMAIN_POSTS,
     post_events,
     ARRAY_LEN(post_events),
     users_fold_post_votes,
     users_forget_post_votes,
     users_touch_karma,
     {"karma_from_posts", "karma <> 0"}},
    {DOMAIN_COMMENTS,
     comment_events,
     ARRAY_LEN(comment_events),
     users_fold_comment_votes,
     users_forget_comment_votes,
     users_touch_karma,
     {"karma_from_comments", "karma <> 0"}},
};

const struct domain users_domain = {
    .id = DOMAIN_USERS,
    .migrations = migrations,
    .migration_count = ARRAY_LEN(migrations),
    .sync = STORE_SYNC_FULL,
    .commands = commands,
    .command_count = ARRAY_LEN(commands),
    .completions = completions,
    .completion_count = ARRAY_LEN(completions),
    .events = events,
    .event_count = ARRAY_LEN(events),
    .follows = follows,
    .follow_count = ARRAY_LEN(follows),
    .checks = &users_checks,
    .open = users_open,
    .close = users_close,
    .rolled_back = users_rolled_back,
    .clear = users_clear,
};
