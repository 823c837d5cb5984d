#include <stdlib.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "engined/domain.h"
#include "engined/feed/commands.h"
#include "engined/feed/feed_events.h"
#include "engined/feed/feed_state.h"

extern const char engine_schema_sql[], engine_timelines_sql[], feed_schema_sql[];

static void load_ranks(void *arg, uint64_t subreddit, void (*add)(void *sink, const struct rank_entry *entry),
                       void *sink)
{
    struct feed *feed = arg;
    query_bind(feed->posts_of_subreddit, "u", subreddit);
    while (query_row(feed->posts_of_subreddit)) {
        struct rank_entry entry = {
            .id = query_u64(feed->posts_of_subreddit, 0),
            .created_ms = query_u64(feed->posts_of_subreddit, 1),
            .up = (uint32_t)query_u64(feed->posts_of_subreddit, 2),
            .down = (uint32_t)query_u64(feed->posts_of_subreddit, 3),
        };
        add(sink, &entry);
    }
}

static void *feed_open(struct store *store)
{
    struct feed *feed = xcalloc(1, sizeof(*feed));
    feed->store = store;
    feed->posts_of_subreddit =
        store_prepare(store, "SELECT post_id, created_at, upvotes, downvotes "
                             "FROM feed_posts WHERE subreddit_id = ?1 ORDER BY post_id");
    feed->subreddits_of_user =
        store_prepare(store, "SELECT subreddit_id FROM memberships WHERE user_id = ?1 ORDER BY subreddit_id");
    feed->member_add =
        store_prepare(store, "INSERT OR IGNORE INTO memberships (user_id, subreddit_id) VALUES (?1, ?2)");
    feed->member_remove =
        store_prepare(store, "DELETE FROM memberships WHERE user_id = ?1 AND subreddit_id = ?2");
    feed->post_add =
        store_prepare(store, "INSERT INTO feed_posts (subreddit_id, post_id, created_at, upvotes, downvotes) "
                             "VALUES (?1, ?2, ?3, 0, 0)");
    feed->post_set_votes = store_prepare(store, "UPDATE feed_posts SET upvotes = ?3, downvotes = ?4 "
                                                "WHERE subreddit_id = ?1 AND post_id = ?2");
    feed->forget_memberships = store_prepare(store, "DELETE FROM memberships");
    feed->forget_posts = store_prepare(store, "DELETE FROM feed_posts");
    feed->ranks = ranks_new(load_ranks, feed, FEED_RANK_ENTRIES_MAX);
    feed->joined = joined_new();
    return feed;
}

static void feed_close(void *state)
{
    struct feed *feed = state;
    ranks_free(feed->ranks);
    joined_free(feed->joined);
    free(feed);
}

static void feed_rolled_back(void *state)
{
    struct feed *feed = state;
    ranks_drop_all(feed->ranks);
    joined_drop_all(feed->joined);
}

/* It owns nothing. */
static void feed_clear(void *state)
{
    (void)state;
}

static const char *const migrations[] = {engine_schema_sql, feed_schema_sql, engine_timelines_sql};

static const struct command_row commands[] = {
#define X(name, id) {COMMAND_ID_##name, name},
    COMMANDS_OF_FEED(X)
#undef X
};

/* A subreddit's creator joins it by an event of its own, so that these two tell all memberships. */
static const uint32_t subreddit_events[] = {EVENT_MEMBER_JOINED, EVENT_MEMBER_LEFT};
static const uint32_t post_events[] = {EVENT_POST_CREATED, EVENT_POST_VOTE_CHANGED};
static const struct follow_row follows[] = {
    {DOMAIN_SUBREDDITS,
     subreddit_events,
     ARRAY_LEN(subreddit_events),
     feed_fold_subreddits,
     feed_forget_subreddits,
     {"memberships", NULL}},
    {DOMAIN_POSTS,
     post_events,
     ARRAY_LEN(post_events),
     feed_fold_posts,
     feed_forget_posts,
     {"feed_posts", NULL}},
};

const struct domain feed_domain = {
    .id = DOMAIN_FEED,
    .migrations = migrations,
    .migration_count = ARRAY_LEN(migrations),
    .sync = STORE_SYNC_NORMAL,
    .commands = commands,
    .command_count = ARRAY_LEN(commands),
    .follows = follows,
    .follow_count = ARRAY_LEN(follows),
    .checks = &feed_checks,
    .open = feed_open,
    .close = feed_close,
    .rolled_back = feed_rolled_back,
    .clear = feed_clear,
};
