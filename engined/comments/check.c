#include "common/attributes.h"
#include "engined/comments/comments_state.h"

static const struct check_table owned[] = {{"comments", NULL}, {"tallies", NULL}, {"votes", NULL}};

static const struct check_row rows[] = {
    {"each comment has one tally, of its post and parent",
     "SELECT 'comment_' || c.comment_id || ' has no tally of its post and parent' FROM comments.comments c "
     "WHERE NOT EXISTS (SELECT 1 FROM comments.tallies t WHERE t.post_id = c.post_id AND "
     "t.comment_id = c.comment_id AND t.parent_id IS c.parent_id) UNION ALL "
     "SELECT 'comment_' || t.comment_id || ' has a tally on post_' || t.post_id || ', but is not there' "
     "FROM comments.tallies t WHERE NOT EXISTS (SELECT 1 FROM comments.comments c WHERE "
     "c.comment_id = t.comment_id AND c.post_id = t.post_id)"},
    {"what comments show is the number of votes",
     "SELECT 'comment_' || t.comment_id || ' shows ' || t.upvotes || ' up and ' || t.downvotes || "
     "' down, the votes are ' || coalesce(v.up, 0) || ' and ' || coalesce(v.down, 0) FROM comments.tallies t "
     "LEFT JOIN (SELECT comment_id, sum(vote = 1) AS up, sum(vote = -1) AS down FROM comments.votes "
     "GROUP BY comment_id) v ON v.comment_id = t.comment_id "
     "WHERE t.upvotes <> coalesce(v.up, 0) OR t.downvotes <> coalesce(v.down, 0)"},
    {"reply_count is the number of replies",
     "SELECT 'comment_' || t.comment_id || ' shows ' || t.reply_count || ', there are ' || coalesce(r.n, 0) "
     "FROM comments.tallies t LEFT JOIN (SELECT parent_id, count(*) AS n FROM comments.comments GROUP BY "
     "parent_id) r "
     "ON r.parent_id = t.comment_id WHERE t.reply_count <> coalesce(r.n, 0)"},
    {"a reply is on its parent's post, one deeper",
     "SELECT 'comment_' || c.comment_id || iif(p.comment_id IS NULL, ' replies to a comment that does not "
     "exist', "
     "' does not fit its parent comment_' || p.comment_id) FROM comments.comments c "
     "LEFT JOIN comments.comments p ON p.comment_id = c.parent_id WHERE c.parent_id IS NOT NULL AND "
     "(p.comment_id IS NULL OR p.post_id <> c.post_id OR c.depth <> p.depth + 1)"},
    {"what replies to none is not deep",
     "SELECT 'comment_' || comment_id || ' has depth ' || depth || ', but no parent' "
     "FROM comments.comments WHERE parent_id IS NULL AND depth <> 0"},
    {"votes are on comments",
     "SELECT 'a vote of user_' || user_id || ' on comment_' || comment_id || ', which does not exist' "
     "FROM comments.votes WHERE comment_id NOT IN (SELECT comment_id FROM comments.comments)"},
    {"voters are users",
     "SELECT 'a vote on comment_' || comment_id || ' of user_' || user_id || ', who does not exist' "
     "FROM comments.votes WHERE user_id NOT IN (SELECT user_id FROM users.users)"},
    {"comments are on posts",
     "SELECT 'comment_' || comment_id || ' is on post_' || post_id || ', which does not exist' "
     "FROM comments.comments WHERE post_id NOT IN (SELECT post_id FROM posts.posts)"},
    {"authors are users, by their names",
     "SELECT 'comment_' || p.comment_id || ' is of user_' || p.author_id || ' \"' || p.author_username || "
     "'\", ' || "
     "iif(u.user_id IS NULL, 'who does not exist', 'whose name is \"' || u.username || '\"') "
     "FROM comments.comments p LEFT JOIN users.users u ON u.user_id = p.author_id "
     "WHERE u.user_id IS NULL OR u.username <> p.author_username COLLATE BINARY"},
    {"posts that were looked up exist",
     "SELECT 'post_' || id || ' is known, but does not exist' FROM comments.known "
     "WHERE lookup = 0 AND id NOT IN (SELECT post_id FROM posts.posts)"},
};

const struct domain_checks comments_checks = {owned, ARRAY_LEN(owned), NULL, 0, rows, ARRAY_LEN(rows)};
