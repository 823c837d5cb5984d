#include "engined/comments/commands.h"

#include <stdlib.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "engined/comments/comments_state.h"
#include "engined/domain.h"

extern const char engine_schema_sql[], engine_timelines_sql[], comments_schema_sql[];

/* proto/comments.proto */
enum {
    EVENT_COMMENT_CREATED = 0x0401,
    EVENT_COMMENT_VOTE_CHANGED = 0x0402,
};

static void load_thread(void *arg, uint64_t post_id,
                        void (*add)(void *sink, const struct thread_entry *entry), void *sink)
{
    struct comments *comments = arg;
    query_bind(comments->tallies_of_post, "u", post_id);
    while (query_row(comments->tallies_of_post)) {
        struct thread_entry entry = {
            .id = query_u64(comments->tallies_of_post, 0),
            .parent_id = query_u64(comments->tallies_of_post, 1),
            .up = (uint32_t)query_u64(comments->tallies_of_post, 2),
            .down = (uint32_t)query_u64(comments->tallies_of_post, 3),
        };
        add(sink, &entry);
    }
}

static void prepare_reads(struct comments *comments, struct store *store)
{
    comments->last_id = store_prepare(store, "SELECT max(comment_id) FROM comments");
    comments->place = store_prepare(store, "SELECT post_id, depth FROM comments WHERE comment_id = ?1");
    comments->get =
        store_prepare(store, "SELECT " COMMENT_COLUMNS " FROM " COMMENT_TABLES "WHERE c.comment_id = ?1");
    comments->of_author = store_prepare(store, "SELECT " COMMENT_COLUMNS " FROM " COMMENT_TABLES
                                               "WHERE c.author_id = ?1 AND c.comment_id < ?2 "
                                               "ORDER BY c.comment_id DESC LIMIT ?3");
    comments->tallies_of_post =
        store_prepare(store, "SELECT comment_id, parent_id, upvotes, downvotes FROM tallies "
                             "WHERE post_id = ?1 ORDER BY comment_id");
    comments->vote_get =
        store_prepare(store, "SELECT vote FROM votes WHERE user_id = ?1 AND comment_id = ?2");
    comments->vote_target =
        store_prepare(store, "SELECT c.post_id, c.author_id, t.upvotes, t.downvotes FROM " COMMENT_TABLES
                             "WHERE c.comment_id = ?1");
}

static void prepare_writes(struct comments *comments, struct store *store)
{
    comments->vote_put =
        store_prepare(store, "INSERT INTO votes (user_id, comment_id, vote) VALUES (?1, ?2, ?3) "
                             "ON CONFLICT (user_id, comment_id) DO UPDATE SET vote = excluded.vote");
    comments->vote_delete = store_prepare(store, "DELETE FROM votes WHERE user_id = ?1 AND comment_id = ?2");
    comments->comment_insert =
        store_prepare(store, "INSERT INTO comments (comment_id, post_id, author_id, parent_id, depth, "
                             "created_at, author_username, content) "
                             "VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6, ?7, ?8)");
    comments->tally_insert = store_prepare(
        store, "INSERT INTO tallies (post_id, comment_id, parent_id, upvotes, downvotes, reply_count) "
               "VALUES (?1, ?2, nullif(?3, 0), 0, 0, 0)");
    comments->tally_votes = store_prepare(store, "UPDATE tallies SET upvotes = ?3, downvotes = ?4 "
                                                 "WHERE post_id = ?1 AND comment_id = ?2");
    comments->tally_reply = store_prepare(store, "UPDATE tallies SET reply_count = reply_count + 1 "
                                                 "WHERE post_id = ?1 AND comment_id = ?2");
    comments->clear_comments = store_prepare(store, "DELETE FROM comments");
    comments->clear_tallies = store_prepare(store, "DELETE FROM tallies");
    comments->clear_votes = store_prepare(store, "DELETE FROM votes");
}

static void *comments_open(struct store *store)
{
    struct comments *comments = xcalloc(1, sizeof(*comments));
    comments->store = store;
    prepare_reads(comments, store);
    prepare_writes(comments, store);
    comments->threads = threads_new(load_thread, comments, COMMENTS_THREAD_NODES_MAX);
    return comments;
}

static void comments_close(void *state)
{
    struct comments *comments = state;
    threads_free(comments->threads);
    free(comments);
}

static void comments_rolled_back(void *state)
{
    struct comments *comments = state;
    threads_drop_all(comments->threads);
    comments->next_comment_id = 0;
}

static void comments_clear(void *state)
{
    struct comments *comments = state;
    query_run(comments->clear_comments);
    query_run(comments->clear_tallies);
    query_run(comments->clear_votes);
    comments_rolled_back(comments);
}

static const char *const migrations[] = {engine_schema_sql, comments_schema_sql, engine_timelines_sql};

static const struct command_row commands[] = {
#define X(name, id) {COMMAND_ID_##name, name},
    COMMANDS_OF_COMMENTS(X)
#undef X
};

static const struct event_row events[] = {
    {EVENT_COMMENT_CREATED, comments_apply_created},
    {EVENT_COMMENT_VOTE_CHANGED, comments_apply_vote_changed},
};

static const struct lookup_row lookups[] = {
    [COMMENTS_LOOKUP_POST] = {DOMAIN_POSTS, COMMAND_ID_posts_resolve},
};

const struct domain comments_domain = {
    .id = DOMAIN_COMMENTS,
    .migrations = migrations,
    .migration_count = ARRAY_LEN(migrations),
    .sync = STORE_SYNC_FULL,
    .commands = commands,
    .command_count = ARRAY_LEN(commands),
    .events = events,
    .event_count = ARRAY_LEN(events),
    .lookups = lookups,
    .lookup_count = ARRAY_LEN(lookups),
    .checks = &comments_checks,
    .open = comments_open,
    .close = comments_close,
    .rolled_back = comments_rolled_back,
    .clear = comments_clear,
};
