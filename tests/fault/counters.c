#include "tests/fault/counters.h"

#include <string.h>

#include "tests/lib/keep.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define SHELL_MS 30000

/* Each pair of tables must hold the same rows; what it counts is the rows that only one has. */
#define DIFFERENCE(what, derived, owned)                                                                     \
    "SELECT '" what "', count(*) FROM (SELECT * FROM (" derived " EXCEPT " owned ") UNION ALL SELECT * "     \
    "FROM (" owned " EXCEPT " derived ")) HAVING count(*) > 0;"

static const char differences[] = "ATTACH 'subreddits.db' AS s; ATTACH 'posts.db' AS p; ATTACH 'comments.db' "
                                  "AS c; ATTACH 'feed.db' AS f;" //
    DIFFERENCE("karma from posts", "SELECT user_id, karma FROM karma_from_posts WHERE karma != 0",
               "SELECT author_id, sum(upvotes - downvotes) AS n FROM p.posts JOIN p.scores USING (post_id) "
               "GROUP BY author_id HAVING n != 0") //
    DIFFERENCE("karma from comments", "SELECT user_id, karma FROM karma_from_comments WHERE karma != 0",
               "SELECT author_id, sum(upvotes - downvotes) AS n FROM c.comments JOIN c.tallies USING "
               "(comment_id) GROUP BY author_id HAVING n != 0") //
    DIFFERENCE("comment_count",
               "SELECT post_id, comment_count FROM p.comment_counts WHERE comment_count != 0",
               "SELECT post_id, count(*) FROM c.comments GROUP BY post_id") //
    DIFFERENCE("member_count", "SELECT subreddit_id, member_count FROM s.subreddits WHERE member_count != 0",
               "SELECT subreddit_id, count(*) FROM s.memberships GROUP BY subreddit_id") //
    DIFFERENCE("memberships of the feed", "SELECT user_id, subreddit_id FROM f.memberships",
               "SELECT user_id, subreddit_id FROM s.memberships") //
    DIFFERENCE(
        "posts of the feed", "SELECT subreddit_id, post_id, created_at, upvotes, downvotes FROM f.feed_posts",
        "SELECT subreddit_id, post_id, created_at, ifnull(upvotes, 0), ifnull(downvotes, 0) FROM p.posts "
        "LEFT JOIN p.scores USING (subreddit_id, post_id, created_at)");

static const char *ask(const struct forum *forum, const char *file, const char *sql)
{
    const char *const argv[] = {"/usr/bin/sqlite3", "-readonly", file, sql, NULL};
    struct program_result result = program_run(argv, NULL, forum_state_directory(forum), SHELL_MS);
    return result.exit_code == 0 ? result.output : keep_format("sqlite3: %s", result.output);
}

struct asked {
    const struct forum *forum;
    const char *answer;
};

static bool nothing_differs(void *arg)
{
    struct asked *asked = arg;
    asked->answer = ask(asked->forum, "users.db", differences);
    return asked->answer[0] == '\0';
}

const char *counters_differences(const struct forum *forum)
{
    struct asked asked = {.forum = forum};
    return wait_until(nothing_differs, &asked, COUNTERS_SETTLE_MS) ? NULL : asked.answer;
}

const char *counters_damage(const struct forum *forum)
{
    static const char *const files[] = {"users.db",    "subreddits.db", "posts.db",
                                        "comments.db", "dms.db",        "feed.db"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        const char *answer = ask(forum, files[i], "PRAGMA integrity_check");
        if (strcmp(answer, "ok\n") != 0)
            return keep_format("%s: %s", files[i], answer);
    }
    return NULL;
}
