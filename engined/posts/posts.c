#include <stdlib.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "engined/domain.h"
#include "engined/posts/commands.h"
#include "engined/posts/posts_state.h"

extern const char engine_schema_sql[], engine_timelines_sql[], posts_schema_sql[], posts_signatures_sql[],
    posts_late_rows_sql[];

/* proto/posts.proto, proto/comments.proto */
enum {
    EVENT_POST_CREATED = 0x0301,
    EVENT_POST_VOTE_CHANGED = 0x0302,
    EVENT_COMMENT_CREATED = 0x0401,
};

/* Two lists in ascending order of ids: rows that are written, and posts whose rows may not be written yet and
 * which nobody voted on then. */
static void load_ranks(void *arg, uint64_t subreddit, void (*add)(void *sink, const struct rank_entry *entry),
                       void *sink)
{
    struct posts *posts = arg;
    struct query *rows = posts->scores_of_subreddit;
    size_t late_count = 0, next = 0;
    const struct late_post *late = late_rows_of_subreddit(posts->late, subreddit, &late_count);
    query_bind(rows, "u", subreddit);
    bool more = true;
    while (more) {
        more = query_row(rows);
        uint64_t id = more ? query_u64(rows, 0) : UINT64_MAX;
        for (; next < late_count && late[next].post_id < id; next++)
            add(sink, &(struct rank_entry){.id = late[next].post_id, .created_ms = late[next].created_at});
        next += next < late_count && late[next].post_id == id;
        if (more)
            add(sink, &(struct rank_entry){
                          .id = id,
                          .created_ms = query_u64(rows, 1),
                          .up = (uint32_t)query_u64(rows, 2),
                          .down = (uint32_t)query_u64(rows, 3),
                      });
    }
}

static void prepare(struct posts *posts, struct store *store)
{
    posts->last_id = store_prepare(store, "SELECT max(post_id) FROM posts");
    posts->exists = store_prepare(store, "SELECT post_id FROM posts WHERE post_id = ?1");
    posts->get = store_prepare(
        store,
        "SELECT p.post_id, p.subreddit_id, p.author_id, p.created_at, p.original_post_id, "
        "p.subreddit_name, p.author_username, p.title, p.url, p.content, "
        "s.upvotes, s.downvotes, c.comment_count, "
        "p.signature, p.signature_algorithm, p.signed_at, p.author_key FROM posts p LEFT JOIN scores s "
        "ON s.subreddit_id = p.subreddit_id AND s.post_id = p.post_id "
        "LEFT JOIN comment_counts c ON c.post_id = p.post_id WHERE p.post_id = ?1");
    posts->of_author =
        store_prepare(store, "SELECT post_id FROM posts_of_author WHERE author_id = ?1 AND post_id < ?2 "
                             "ORDER BY post_id DESC LIMIT ?3");
    posts->scores_of_subreddit =
        store_prepare(store, "SELECT post_id, created_at, upvotes, downvotes FROM scores "
                             "WHERE subreddit_id = ?1 ORDER BY post_id");
    posts->vote_get = store_prepare(store, "SELECT vote FROM votes WHERE post_id = ?1 AND user_id = ?2");
    posts->vote_put =
        store_prepare(store, "INSERT INTO votes (post_id, user_id, vote) VALUES (?1, ?2, ?3) "
                             "ON CONFLICT (post_id, user_id) DO UPDATE SET vote = excluded.vote");
    posts->vote_delete = store_prepare(store, "DELETE FROM votes WHERE post_id = ?1 AND user_id = ?2");
    posts->post_insert =
        store_prepare(store, "INSERT INTO posts (post_id, subreddit_id, author_id, created_at, "
                             "original_post_id, subreddit_name, author_username, title, url, content, "
                             "signature, author_key, signature_algorithm, signed_at) "
                             "VALUES (?1, ?2, ?3, ?4, nullif(?5, 0), ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
                             "iif(?11 IS NULL, NULL, ?13), iif(?11 IS NULL, NULL, ?14))");
    posts->score_update = store_prepare(store, "UPDATE scores SET upvotes = ?3, downvotes = ?4 "
                                               "WHERE subreddit_id = ?1 AND post_id = ?2");
    posts->score_insert = store_prepare(
        store, "INSERT INTO scores (subreddit_id, post_id, created_at, upvotes, downvotes) "
               "SELECT subreddit_id, post_id, created_at, ?2, ?3 FROM posts WHERE post_id = ?1");
    posts->comments_add = store_prepare(
        store, "INSERT INTO comment_counts (post_id, comment_count) VALUES (?1, ?2) "
               "ON CONFLICT (post_id) DO UPDATE SET comment_count = comment_count + excluded.comment_count");
    posts->comments_forget = store_prepare(store, "DELETE FROM comment_counts");
    posts->clear_posts = store_prepare(store, "DELETE FROM posts");
    posts->clear_of_author = store_prepare(store, "DELETE FROM posts_of_author");
    posts->clear_scores = store_prepare(store, "DELETE FROM scores");
    posts->clear_votes = store_prepare(store, "DELETE FROM votes");
}

static void *posts_open(struct store *store)
{
    struct posts *posts = xcalloc(1, sizeof(*posts));
    posts->store = store;
    prepare(posts, store);
    posts->late = late_rows_new(store);
    posts->ranks = ranks_new(load_ranks, posts, POSTS_RANK_ENTRIES_MAX);
    posts->cache = post_cache_new(POSTS_CACHE_BYTES_MAX);
    return posts;
}

static void posts_close(void *state)
{
    struct posts *posts = state;
    ranks_free(posts->ranks);
    late_rows_free(posts->late);
    post_cache_free(posts->cache);
    free(posts);
}

static void posts_rolled_back(void *state)
{
    struct posts *posts = state;
    ranks_drop_all(posts->ranks);
    late_rows_drop(posts->late);
    post_cache_drop_all(posts->cache);
    posts->next_post_id = 0;
}

static void posts_clear(void *state)
{
    struct posts *posts = state;
    query_run(posts->clear_posts);
    query_run(posts->clear_of_author);
    query_run(posts->clear_scores);
    query_run(posts->clear_votes);
    posts_rolled_back(posts);
}

static const char *const migrations[] = {engine_schema_sql, posts_schema_sql, engine_timelines_sql,
                                         posts_signatures_sql, posts_late_rows_sql};

static const struct command_row commands[] = {
#define X(name, id) {COMMAND_ID_##name, name},
    COMMANDS_OF_POSTS(X)
#undef X
};

static const struct event_row events[] = {
    {EVENT_POST_CREATED, posts_apply_created},
    {EVENT_POST_VOTE_CHANGED, posts_apply_vote_changed},
};

static const uint32_t comment_events[] = {EVENT_COMMENT_CREATED};
static const struct follow_row follows[] = {
    {DOMAIN_COMMENTS,
     comment_events,
     ARRAY_LEN(comment_events),
     posts_fold_comments,
     posts_forget_comments,
     {"comment_counts", NULL}},
};

static const struct lookup_row lookups[] = {
    [POSTS_LOOKUP_SUBREDDIT] = {DOMAIN_SUBREDDITS, COMMAND_ID_subreddits_resolve},
};

const struct domain posts_domain = {
    .id = DOMAIN_POSTS,
    .migrations = migrations,
    .migration_count = ARRAY_LEN(migrations),
    .sync = STORE_SYNC_FULL,
    .commands = commands,
    .command_count = ARRAY_LEN(commands),
    .events = events,
    .event_count = ARRAY_LEN(events),
    .follows = follows,
    .follow_count = ARRAY_LEN(follows),
    .lookups = lookups,
    .lookup_count = ARRAY_LEN(lookups),
    .checks = &posts_checks,
    .open = posts_open,
    .close = posts_close,
    .rolled_back = posts_rolled_back,
    .clear = posts_clear,
};
