#include "common/attributes.h"
#include "engined/users/users_state.h"

static const struct check_table owned[] = {{"users", NULL}, {"closed_sessions", NULL}, {"keys", NULL}};
static const char *const kept[] = {"credentials"};

/* 0x0302 and 0x0402: votes on posts and on comments. */
static const struct check_row rows[] = {
    {"names are unique, whatever their case",
     "SELECT 'the name \"' || username || '\" is there ' || count(*) || ' times' FROM users.users "
     "GROUP BY lower(username) HAVING count(*) > 1"},
    {"keys are of users", "SELECT 'a key of user_' || user_id || ', who does not exist' FROM users.keys "
                          "WHERE user_id NOT IN (SELECT user_id FROM users.users)"},
    {"passwords are of users",
     "SELECT 'a password of user_' || user_id || ', who does not exist' FROM users.credentials "
     "WHERE user_id NOT IN (SELECT user_id FROM users.users)"},
    {"closed sessions were opened",
     "SELECT 'session ' || c.session || ' of user_' || c.user_id || ' is closed, but was never opened' "
     "FROM users.closed_sessions c LEFT JOIN users.users u ON u.user_id = c.user_id "
     "WHERE u.user_id IS NULL OR c.session > u.sessions OR c.session < 1"},
    {"karma from posts is the sum of the votes on them",
     "SELECT 'user_' || user_id || ' has ' || sum(shown) || ', the votes are ' || sum(votes) FROM ("
     "SELECT user_id, karma AS shown, 0 AS votes FROM users.karma_from_posts UNION ALL "
     "SELECT p.author_id, 0, v.vote FROM posts.votes v JOIN posts.posts p ON p.post_id = v.post_id) "
     "WHERE " CHECK_UP_TO_DATE("users", "posts", "3",
                               "0x0302") " GROUP BY user_id HAVING sum(shown) <> sum(votes)"},
    {"karma from comments is the sum of the votes on them",
     "SELECT 'user_' || user_id || ' has ' || sum(shown) || ', the votes are ' || sum(votes) FROM ("
     "SELECT user_id, karma AS shown, 0 AS votes FROM users.karma_from_comments UNION ALL "
     "SELECT p.author_id, 0, v.vote FROM comments.votes v JOIN comments.comments p ON p.comment_id = "
     "v.comment_id) "
     "WHERE " CHECK_UP_TO_DATE("users", "comments", "4",
                               "0x0402") " GROUP BY user_id HAVING sum(shown) <> sum(votes)"},
};

const struct domain_checks users_checks = {owned, ARRAY_LEN(owned), kept, ARRAY_LEN(kept),
                                           rows,  ARRAY_LEN(rows)};
