#include "common/attributes.h"
#include "engined/subreddits/subreddits_state.h"

static const struct check_table owned[] = {{"subreddits", NULL}, {"memberships", NULL}};

static const struct check_row rows[] = {
    {"names are unique, whatever their case",
     "SELECT 'the name \"' || name || '\" is there ' || count(*) || ' times' FROM subreddits.subreddits "
     "GROUP BY lower(name) HAVING count(*) > 1"},
    {"member_count is the number of members",
     "SELECT 'sub_' || s.subreddit_id || ' shows ' || s.member_count || ', there are ' || coalesce(m.n, 0) "
     "FROM subreddits.subreddits s LEFT JOIN (SELECT subreddit_id, count(*) AS n FROM subreddits.memberships "
     "GROUP BY subreddit_id) m ON m.subreddit_id = s.subreddit_id WHERE s.member_count <> coalesce(m.n, 0)"},
    {"memberships are of subreddits",
     "SELECT 'user_' || user_id || ' is a member of sub_' || subreddit_id || ', which does not exist' "
     "FROM subreddits.memberships WHERE subreddit_id NOT IN (SELECT subreddit_id FROM "
     "subreddits.subreddits)"},
    {"members are users",
     "SELECT 'user_' || user_id || ', who does not exist, is a member of sub_' || subreddit_id "
     "FROM subreddits.memberships WHERE user_id NOT IN (SELECT user_id FROM users.users)"},
    {"creators are users",
     "SELECT 'sub_' || subreddit_id || ' is of user_' || creator_id || ', who does not exist' "
     "FROM subreddits.subreddits WHERE creator_id NOT IN (SELECT user_id FROM users.users)"},
};

const struct domain_checks subreddits_checks = {owned, ARRAY_LEN(owned), NULL, 0, rows, ARRAY_LEN(rows)};
