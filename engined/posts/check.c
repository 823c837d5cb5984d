#include "common/attributes.h"
#include "engined/posts/posts_state.h"

/* Rows by author, and scores that nobody voted for, are written a window of posts later (late_rows.h), and a
 * file that was migrated has some that the log alone would not give yet. So their rules are below. */
#define WINDOW "8192"
_Static_assert(LATE_ROWS_WINDOW == 8192, "as in WINDOW");

static const struct check_table owned[] = {
    {"posts", NULL}, {"scores", "upvotes <> 0 OR downvotes <> 0"}, {"votes", NULL}};

/* 0x0401: a comment was made. */
static const struct check_row rows[] = {
    {"scores are of posts, with their subreddit and time",
     "SELECT 'post_' || s.post_id || ' has a score in sub_' || s.subreddit_id || ', but is not there at that "
     "time' "
     "FROM posts.scores s WHERE NOT EXISTS (SELECT 1 FROM posts.posts p WHERE p.post_id = s.post_id "
     "AND p.subreddit_id = s.subreddit_id AND p.created_at = s.created_at)"},
    {"posts are listed by their authors",
     "SELECT 'post_' || a.post_id || ' is listed for user_' || a.author_id || ', but is not there' "
     "FROM posts.posts_of_author a WHERE NOT EXISTS (SELECT 1 FROM posts.posts p WHERE p.post_id = a.post_id "
     "AND p.author_id = a.author_id)"},
    {"posts of older windows have their rows by author and by subreddit",
     "SELECT 'post_' || p.post_id || ' lacks one' FROM posts.posts p WHERE (p.post_id - 1) / " WINDOW
     " < (SELECT (max(post_id) - 1) / " WINDOW " - 1 FROM posts.posts) AND NOT (EXISTS (SELECT 1 FROM "
     "posts.posts_of_author a WHERE a.author_id = p.author_id AND a.post_id = p.post_id) AND EXISTS (SELECT "
     "1 FROM "
     "posts.scores s WHERE s.subreddit_id = p.subreddit_id AND s.post_id = p.post_id))"},
    {"what posts show is the number of votes",
     "SELECT 'post_' || p.post_id || ' shows ' || coalesce(s.upvotes, 0) || ' up and ' || "
     "coalesce(s.downvotes, 0) || "
     "' down, the votes are ' || coalesce(v.up, 0) || ' and ' || coalesce(v.down, 0) FROM posts.posts p "
     "LEFT JOIN posts.scores s ON s.subreddit_id = p.subreddit_id AND s.post_id = p.post_id LEFT JOIN "
     "(SELECT post_id, "
     "sum(vote = 1) AS up, sum(vote = -1) AS down FROM posts.votes GROUP BY post_id) v ON v.post_id = "
     "p.post_id "
     "WHERE coalesce(s.upvotes, 0) <> coalesce(v.up, 0) OR coalesce(s.downvotes, 0) <> coalesce(v.down, 0)"},
    {"votes are on posts", "SELECT 'a vote of user_' || user_id || ' on post_' || post_id || ', which does "
                           "not exist' FROM posts.votes "
                           "WHERE post_id NOT IN (SELECT post_id FROM posts.posts)"},
    {"voters are users",
     "SELECT 'a vote on post_' || post_id || ' of user_' || user_id || ', who does not exist' "
     "FROM posts.votes WHERE user_id NOT IN (SELECT user_id FROM users.users)"},
    {"authors are users, by their names",
     "SELECT 'post_' || p.post_id || ' is of user_' || p.author_id || ' \"' || p.author_username || '\", ' "
     "|| "
     "iif(u.user_id IS NULL, 'who does not exist', 'whose name is \"' || u.username || '\"') "
     "FROM posts.posts p LEFT JOIN users.users u ON u.user_id = p.author_id "
     "WHERE u.user_id IS NULL OR u.username <> p.author_username COLLATE BINARY"},
    {"posts are in subreddits, by their names",
     "SELECT 'post_' || p.post_id || ' is in sub_' || p.subreddit_id || ' \"' || p.subreddit_name || '\", ' "
     "|| "
     "iif(s.subreddit_id IS NULL, 'which does not exist', 'whose name is \"' || s.name || '\"') "
     "FROM posts.posts p LEFT JOIN subreddits.subreddits s ON s.subreddit_id = p.subreddit_id "
     "WHERE s.subreddit_id IS NULL OR s.name <> p.subreddit_name COLLATE BINARY"},
    {"reposts are of posts",
     "SELECT 'post_' || post_id || ' is a repost of post_' || original_post_id || ', which is none to be "
     "reposted' "
     "FROM posts.posts WHERE original_post_id IS NOT NULL AND original_post_id NOT IN "
     "(SELECT post_id FROM posts.posts WHERE original_post_id IS NULL)"},
    {"signed posts have all that signing needs",
     "SELECT 'post_' || post_id || ' has a part of a signature alone' FROM posts.posts WHERE "
     "(signature IS NULL) <> (signature_algorithm IS NULL) OR (signature IS NULL) <> (signed_at IS NULL) "
     "OR (signature IS NULL) <> (author_key IS NULL)"},
    {"subreddits that were looked up have these names",
     "SELECT 'sub_' || k.id || ' is known as \"' || coalesce(k.name, '') || '\", ' || iif(s.subreddit_id IS "
     "NULL, "
     "'but does not exist', 'but its name is \"' || s.name || '\"') FROM posts.known k "
     "LEFT JOIN subreddits.subreddits s ON s.subreddit_id = k.id WHERE k.lookup = 0 AND "
     "(s.subreddit_id IS NULL OR s.name <> coalesce(k.name, '') COLLATE BINARY)"},
    {"comment_count is the number of comments",
     "SELECT 'post_' || post_id || ' shows ' || sum(shown) || ', there are ' || sum(n) FROM ("
     "SELECT post_id, comment_count AS shown, 0 AS n FROM posts.comment_counts UNION ALL "
     "SELECT post_id, 0, 1 FROM comments.comments) WHERE " CHECK_UP_TO_DATE(
         "posts", "comments", "4", "0x0401") " GROUP BY post_id HAVING sum(shown) <> sum(n)"},
};

const struct domain_checks posts_checks = {owned, ARRAY_LEN(owned), NULL, 0, rows, ARRAY_LEN(rows)};
