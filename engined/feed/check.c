#include "common/attributes.h"
#include "engined/feed/feed_state.h"

/* 0x0202, 0x0203: who joins and leaves; 0x0301, 0x0302: posts and votes on them. */
static const struct check_row rows[] = {
    {"its members are those of the subreddits",
     "SELECT 'user_' || user_id || iif(sum(side) > 0, ' is missing in', ' is wrongly in') || ' sub_' || "
     "subreddit_id "
     "FROM (SELECT user_id, subreddit_id, 1 AS side FROM subreddits.memberships UNION ALL "
     "SELECT user_id, subreddit_id, -1 FROM feed.memberships) WHERE " CHECK_UP_TO_DATE(
         "feed", "subreddits", "2",
         "0x0202, 0x0203") " GROUP BY user_id, subreddit_id HAVING sum(side) <> 0"},
    {"its posts and scores are those of the posts",
     "SELECT 'post_' || post_id || iif(sum(side) > 0, ' is missing or different', ' does not exist as it "
     "is') FROM ("
     "SELECT p.subreddit_id, p.post_id, p.created_at, coalesce(s.upvotes, 0) AS upvotes, "
     "coalesce(s.downvotes, 0) "
     "AS downvotes, 1 AS side FROM posts.posts p LEFT JOIN posts.scores s ON s.subreddit_id = p.subreddit_id "
     "AND "
     "s.post_id = p.post_id UNION ALL "
     "SELECT subreddit_id, post_id, created_at, upvotes, downvotes, -1 FROM feed.feed_posts) "
     "WHERE " CHECK_UP_TO_DATE("feed", "posts", "3",
                               "0x0301, 0x0302") " GROUP BY subreddit_id, post_id, created_at, upvotes, "
                                                 "downvotes HAVING sum(side) <> 0"},
};

const struct domain_checks feed_checks = {NULL, 0, NULL, 0, rows, ARRAY_LEN(rows)};
