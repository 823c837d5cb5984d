#include <stdlib.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "engined/dms/commands.h"
#include "engined/dms/dms_state.h"
#include "engined/domain.h"

extern const char engine_schema_sql[], engine_timelines_sql[], dms_schema_sql[];

/* proto/dms.proto */
enum {
    EVENT_MESSAGE_SENT = 0x0501,
    EVENT_MESSAGES_READ = 0x0502,
};

/* What message_of_row takes a message from. */
#define DM_COLUMNS                                                                                           \
    "m.message_id, m.from_user_id, m.to_user_id, m.reply_to_id, m.created_at, m.read_at, m.content"
/* The conversation of ?1 and ?2, as messages_by_pair has it. */
#define DM_OF_PAIR                                                                                           \
    "min(from_user_id, to_user_id) = min(?1, ?2) AND max(from_user_id, to_user_id) = max(?1, ?2) "
/* What ?1 got from ?2 behind ?3, up to ?4: unread if ?3 is the read mark. */
#define DM_UNREAD                                                                                            \
    DM_OF_PAIR "AND message_id > ?3 AND message_id <= ?4 AND to_user_id = ?1 AND from_user_id = ?2"

static void prepare(struct dms *dms, struct store *store)
{
    dms->last_id = store_prepare(store, "SELECT max(message_id) FROM messages");
    dms->ends = store_prepare(store, "SELECT from_user_id, to_user_id FROM messages WHERE message_id = ?1");
    dms->of_user = store_prepare(store, "SELECT " DM_COLUMNS " FROM inbox i CROSS JOIN messages m "
                                        "ON m.message_id = i.message_id "
                                        "WHERE i.user_id = ?1 AND i.message_id < ?2 "
                                        "ORDER BY i.message_id DESC LIMIT ?3");
    dms->conversation = store_prepare(store, "SELECT " DM_COLUMNS " FROM messages m WHERE " DM_OF_PAIR
                                             "AND message_id > ?3 ORDER BY message_id LIMIT ?4");
    dms->read_mark =
        store_prepare(store, "SELECT up_to FROM read_marks WHERE reader_id = ?1 AND other_id = ?2");
    dms->count_unread = store_prepare(store, "SELECT count(*) FROM messages WHERE " DM_UNREAD);
    dms->message_insert =
        store_prepare(store, "INSERT INTO messages "
                             "(message_id, from_user_id, to_user_id, reply_to_id, created_at, content) "
                             "VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6)");
    dms->inbox_insert = store_prepare(store, "INSERT INTO inbox (user_id, message_id) VALUES (?1, ?2)");
    dms->mark_messages = store_prepare(store, "UPDATE messages SET read_at = ?5 WHERE " DM_UNREAD);
    dms->mark_put =
        store_prepare(store, "INSERT INTO read_marks (reader_id, other_id, up_to) VALUES (?1, ?2, ?3) "
                             "ON CONFLICT (reader_id, other_id) DO UPDATE SET up_to = excluded.up_to");
    dms->clear_messages = store_prepare(store, "DELETE FROM messages");
    dms->clear_inbox = store_prepare(store, "DELETE FROM inbox");
    dms->clear_marks = store_prepare(store, "DELETE FROM read_marks");
}

static void *dms_open(struct store *store)
{
    struct dms *dms = xcalloc(1, sizeof(*dms));
    dms->store = store;
    prepare(dms, store);
    return dms;
}

static void dms_close(void *state)
{
    free(state);
}

static void dms_rolled_back(void *state)
{
    struct dms *dms = state;
    dms->next_message_id = 0;
}

static void dms_clear(void *state)
{
    struct dms *dms = state;
    query_run(dms->clear_messages);
    query_run(dms->clear_inbox);
    query_run(dms->clear_marks);
    dms->next_message_id = 0;
}

static const char *const migrations[] = {engine_schema_sql, dms_schema_sql, engine_timelines_sql};

static const struct command_row commands[] = {
#define X(name, id) {COMMAND_ID_##name, name},
    COMMANDS_OF_DMS(X)
#undef X
};

static const struct event_row events[] = {
    {EVENT_MESSAGE_SENT, dms_apply_sent},
    {EVENT_MESSAGES_READ, dms_apply_read},
};

static const struct lookup_row lookups[] = {
    [DMS_LOOKUP_USER] = {DOMAIN_USERS, COMMAND_ID_users_resolve},
};

const struct domain dms_domain = {
    .id = DOMAIN_DMS,
    .migrations = migrations,
    .migration_count = ARRAY_LEN(migrations),
    .sync = STORE_SYNC_FULL,
    .commands = commands,
    .command_count = ARRAY_LEN(commands),
    .events = events,
    .event_count = ARRAY_LEN(events),
    .lookups = lookups,
    .lookup_count = ARRAY_LEN(lookups),
    .checks = &dms_checks,
    .open = dms_open,
    .close = dms_close,
    .rolled_back = dms_rolled_back,
    .clear = dms_clear,
};
