#include <stdlib.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "engined/domain.h"
#include "engined/subreddits/commands.h"
#include "engined/subreddits/subreddits_state.h"

extern const char engine_schema_sql[], engine_timelines_sql[], subreddits_schema_sql[];

/* proto/subreddits.proto */
enum {
    EVENT_SUBREDDIT_CREATED = 0x0201,
    EVENT_MEMBER_JOINED = 0x0202,
    EVENT_MEMBER_LEFT = 0x0203,
};

/* Behind (members, id). In two parts, since SQLite does not seek by a row value that ends with the rowid:
 * with many subreddits of one size it would walk through all of them (measured: 300,000 of one member, 27 ms
 * instead of 0.3). */
#define SELECT_POPULAR                                                                                       \
    "SELECT * FROM (SELECT " SUBREDDIT_COLUMNS " FROM subreddits "                                           \
    "WHERE member_count = ?1 AND subreddit_id < ?2 ORDER BY subreddit_id DESC LIMIT ?3) "                    \
    "UNION ALL SELECT * FROM (SELECT " SUBREDDIT_COLUMNS " FROM subreddits "                                 \
    "WHERE member_count < ?1 ORDER BY member_count DESC, subreddit_id DESC LIMIT ?3) "                       \
    "ORDER BY member_count DESC, subreddit_id DESC LIMIT ?3"

static void prepare_reads(struct subreddits *subreddits, struct store *store)
{
    subreddits->last_id = store_prepare(store, "SELECT max(subreddit_id) FROM subreddits");
    subreddits->id_by_name = store_prepare(store, "SELECT subreddit_id FROM subreddits WHERE name = ?1");
    subreddits->get =
        store_prepare(store, "SELECT " SUBREDDIT_COLUMNS " FROM subreddits WHERE subreddit_id = ?1");
    subreddits->name = store_prepare(store, "SELECT name FROM subreddits WHERE subreddit_id = ?1");
    subreddits->list[PB__SUBREDDITS_LIST__SORT__popular] = store_prepare(store, SELECT_POPULAR);
    subreddits->list[PB__SUBREDDITS_LIST__SORT__new] =
        store_prepare(store, "SELECT " SUBREDDIT_COLUMNS " FROM subreddits "
                             "WHERE subreddit_id < ?1 ORDER BY subreddit_id DESC LIMIT ?2");
    subreddits->list[PB__SUBREDDITS_LIST__SORT__name] =
        store_prepare(store, "SELECT " SUBREDDIT_COLUMNS " FROM subreddits "
                             "WHERE name > ?1 ORDER BY name LIMIT ?2");
    subreddits->member_count =
        store_prepare(store, "SELECT member_count FROM subreddits WHERE subreddit_id = ?1");
    subreddits->is_member =
        store_prepare(store, "SELECT subreddit_id FROM memberships WHERE user_id = ?1 AND subreddit_id = ?2");
    subreddits->joined = store_prepare(
        store, "SELECT subreddit_id FROM memberships WHERE user_id = ?1 ORDER BY subreddit_id LIMIT ?2");
}

static void prepare_writes(struct subreddits *subreddits, struct store *store)
{
    subreddits->insert =
        store_prepare(store, "INSERT INTO subreddits "
                             "(subreddit_id, creator_id, member_count, created_at, name, description) "
                             "VALUES (?1, ?2, 0, ?3, ?4, ?5)");
    subreddits->count_members = store_prepare(
        store, "UPDATE subreddits SET member_count = member_count + ?2 WHERE subreddit_id = ?1");
    subreddits->member_insert = store_prepare(
        store, "INSERT INTO memberships (user_id, subreddit_id, joined_at) VALUES (?1, ?2, ?3)");
    subreddits->member_delete =
        store_prepare(store, "DELETE FROM memberships WHERE user_id = ?1 AND subreddit_id = ?2");
    subreddits->clear_subreddits = store_prepare(store, "DELETE FROM subreddits");
    subreddits->clear_memberships = store_prepare(store, "DELETE FROM memberships");
}

static void *subreddits_open(struct store *store)
{
    struct subreddits *subreddits = xcalloc(1, sizeof(*subreddits));
    subreddits->store = store;
    prepare_reads(subreddits, store);
    prepare_writes(subreddits, store);
    return subreddits;
}

static void subreddits_close(void *state)
{
    free(state);
}

static void subreddits_rolled_back(void *state)
{
    struct subreddits *subreddits = state;
    subreddits->next_subreddit_id = 0;
}

static void subreddits_clear(void *state)
{
    struct subreddits *subreddits = state;
    query_run(subreddits->clear_subreddits);
    query_run(subreddits->clear_memberships);
    subreddits->next_subreddit_id = 0;
}

static const char *const migrations[] = {engine_schema_sql, subreddits_schema_sql, engine_timelines_sql};

static const struct command_row commands[] = {
#define X(name, id) {COMMAND_ID_##name, name},
    COMMANDS_OF_SUBREDDITS(X)
#undef X
};

static const struct event_row events[] = {
    {EVENT_SUBREDDIT_CREATED, subreddits_apply_created},
    {EVENT_MEMBER_JOINED, subreddits_apply_joined},
    {EVENT_MEMBER_LEFT, subreddits_apply_left},
};

const struct domain subreddits_domain = {
    .id = DOMAIN_SUBREDDITS,
    .migrations = migrations,
    .migration_count = ARRAY_LEN(migrations),
    .sync = STORE_SYNC_FULL,
    .commands = commands,
    .command_count = ARRAY_LEN(commands),
    .events = events,
    .event_count = ARRAY_LEN(events),
    .checks = &subreddits_checks,
    .open = subreddits_open,
    .close = subreddits_close,
    .rolled_back = subreddits_rolled_back,
    .clear = subreddits_clear,
};
