/* forumctl check finds what was planted, of every kind that it says it checks; forumctl rebuild makes good
 * what it can. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/signer.h"
#include "tests/lib/wait.h"

#define TOOL_MS 60000

static const char *const domains[] = {"users", "subreddits", "posts", "comments", "dms", "feed"};

static struct program_result forumctl(const char *const *arguments)
{
    const char *argv[8] = {forum_executable("forumctl")};
    for (size_t i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    return program_run(argv, NULL, forum_run_directory(), TOOL_MS);
}

#define FORUMCTL(...) forumctl((const char *const[]){__VA_ARGS__, NULL})

static const char *shell(const char *command)
{
    struct program_result result =
        program_run((const char *[]){"/bin/sh", "-c", command, NULL}, NULL, NULL, TOOL_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %s", command, result.output);
    return result.output;
}

static void edit(const char *state, const char *domain, const char *sql)
{
    const char *const argv[] = {"/usr/bin/sqlite3", "-bail", keep_format("%s/%s.db", state, domain), sql,
                                NULL};
    struct program_result result = program_run(argv, NULL, NULL, TOOL_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %s", sql, result.output);
}

/* user_1 made sub_1, wrote post_1 and comment_1, user_2 replied and voted; a repost, a signed post, messages
 * that are read and unread; sessions that are closed. */
static void fill(struct forum *forum)
{
    struct signer *signer = signer_new("ED25519");
    struct signer_post post = {"user_1", "sub_1", "Signed", NULL, 1700000000000};
    struct reply *first =
        forum_post(forum, "/api/auth/register",
                   json_body("{'username':'Ann','password':'correct horse','public_key':'%s',"
                             "'key_algorithm':'ED25519'}",
                             signer_public_key(signer)));
    CHECK_CREATED(first);
    make_user_named(forum, "Bob");
    make_subreddit_named(forum, "user_1", "cats");
    make_subreddit_named(forum, "user_2", "dogs");
    make_member(forum, "sub_1", "user_2");
    make_post(forum, "sub_1", "user_1", "First");
    make_post(forum, "sub_1", "user_2", "Second");
    CHECK_CREATED(
        forum_post(forum, "/api/posts/create",
                   json_body("{'subreddit_id':'sub_1','author_id':'user_1','title':'Signed','signature':'%s',"
                             "'signature_algorithm':'ED25519','signed_at':1700000000000}",
                             signer_sign(signer, &post))));
    CHECK_CREATED(forum_post(forum, "/api/posts/post_1/repost",
                             json_body("{'subreddit_id':'sub_2','author_id':'user_2'}")));
    make_comment(forum, "post_1", "user_1", NULL, "C");
    make_comment(forum, "post_1", "user_2", "comment_1", "R");
    make_comment(forum, "post_2", "user_2", NULL, "C");
    make_vote(forum, "post_1", "user_2", "upvote");
    make_vote(forum, "post_2", "user_1", "downvote");
    make_vote(forum, "comment_1", "user_2", "upvote");
    make_vote(forum, "comment_3", "user_1", "downvote");
    make_message(forum, "user_1", "user_2", "M1");
    make_message(forum, "user_2", "user_1", "M2");
    make_message(forum, "user_1", "user_2", "M3");
    CHECK_OK(forum_post(forum, "/api/dm/conversation/user_1/user_2/read",
                        json_body("{'user_id':'user_2','up_to':'dm_1'}")));
    const char *token = make_bearer(json_text(first, "token"));
    CHECK_OK(forum_request(forum, "POST", "/api/auth/logout", token, "{}"));
    CHECK_OK(forum_get(forum, "/api/feed/user_2")); /* what it follows is in */
}

static bool is_followed(void *arg)
{
    struct forum *forum = arg;
    struct reply *user = forum_get(forum, "/api/users/user_1"), *post = forum_get(forum, "/api/posts/post_1");
    return json_number(user, "karma") == 2 && json_number(post, "comment_count") == 2;
}

/* A state directory with that in it, of a forum that was stopped. */
static const char *make_state(void)
{
    struct forum *forum = forum_start(NULL);
    fill(forum);
    cr_assert(wait_until(is_followed, forum, 10000));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    const char *state = forum_state_directory(forum);
    struct program_result result = FORUMCTL("check", state);
    cr_assert(result.exit_code == 0 && strstr(result.output, ": 0 wrong\n") &&
                  !strstr(result.output, "note:"),
              "%s", result.output);
    return state;
}

static const char *copy_of(const char *state, const char *name)
{
    const char *copy = keep_format("%s/%d-%s", forum_run_directory(), (int)getpid(), name);
    shell(keep_format("rm -rf %s && cp -a %s %s", copy, state, copy));
    return copy;
}

/* Each in a group with others that do not hide it: what is to be told names the very thing. */
struct planted {
    const char *group, *domain, *sql;
    const char *rule, *what;
};
#define SCRAMBLE_SCHEMA "PRAGMA writable_schema=ON; "

static const struct planted planted[] = {
    /* users */
    {"a", "users",
     "CREATE TABLE u AS SELECT * FROM users; DROP TABLE users; ALTER TABLE u RENAME TO users; UPDATE users "
     "SET "
     "username = 'ANN' WHERE user_id = 2",
     "names are unique, whatever their case", "is there 2 times"},
    {"a", "users", "", "table users is what the logs give",
     "(user_id 2): username is \"ANN\", the log says \"Bob\""},
    {"a", "users", "", "tables and indexes are those of its schema",
     "column users.user_id INTEGER key 1 is missing"},
    {"b", "users", "INSERT INTO keys VALUES (77, 1, 'x')", "keys are of users", "a key of user_77"},
    {"b", "users", "", "table keys is what the logs give", "(user_id 77) is there, but not by the log"},
    {"b", "users", "INSERT INTO credentials VALUES (78, 'x')", "passwords are of users",
     "a password of user_78"},
    {"b", "users", "INSERT INTO closed_sessions VALUES (1, 9, 5)", "closed sessions were opened",
     "session 9 of user_1"},
    {"b", "users", "", "table closed_sessions is what the logs give", "(user_id 1, session 9) is there"},
    {"b", "users", "DELETE FROM closed_sessions WHERE session = 1",
     "table closed_sessions is what the logs give", "(user_id 1, session 1) is missing"},
    {"b", "users", "UPDATE karma_from_posts SET karma = 5 WHERE user_id = 1",
     "karma from posts is the sum of the votes on them", "user_1 has 5, the votes are 1"},
    {"b", "users", "", "table karma_from_posts is what the logs give",
     "(user_id 1): karma is \"5\", the log says \"1\""},
    {"b", "users", "DELETE FROM karma_from_comments WHERE user_id = 1",
     "karma from comments is the sum of the votes on them", "user_1 has 0, the votes are 2"},
    {"b", "users", "", "table karma_from_comments is what the logs give", "(user_id 1) is missing"},
    {"b", "users", "UPDATE users SET sessions = 3 WHERE user_id = 2", "table users is what the logs give",
     "(user_id 2): sessions is \"3\""},
    /* subreddits */
    {"a", "subreddits",
     "CREATE TABLE s AS SELECT * FROM subreddits; DROP TABLE subreddits; ALTER TABLE s RENAME TO subreddits; "
     "UPDATE "
     "subreddits SET name = 'CATS' WHERE subreddit_id = 2",
     "names are unique, whatever their case", "is there 2 times"},
    {"b", "subreddits", "UPDATE subreddits SET member_count = 9 WHERE subreddit_id = 1",
     "member_count is the number of members", "sub_1 shows 9, there are 2"},
    {"b", "subreddits", "", "table subreddits is what the logs give",
     "member_count is \"9\", the log says \"2\""},
    {"b", "subreddits", "INSERT INTO memberships VALUES (1, 66, 5)", "memberships are of subreddits",
     "user_1 is a member of sub_66"},
    {"b", "subreddits", "", "table memberships is what the logs give",
     "(user_id 1, subreddit_id 66) is there"},
    {"b", "subreddits", "INSERT INTO memberships VALUES (65, 2, 5)", "members are users",
     "user_65, who does not exist"},
    {"b", "subreddits", "UPDATE subreddits SET creator_id = 64 WHERE subreddit_id = 2", "creators are users",
     "sub_2 is of user_64"},
    /* posts */
    {"b", "posts", "DELETE FROM scores WHERE post_id = 2", "what posts show is the number of votes",
     "post_2 shows 0 up and 0 down, the votes are 2 and 0"},
    {"b", "posts", "", "table scores is what the logs give", "(subreddit_id 1, post_id 2) is missing"},
    {"b", "posts", "INSERT INTO scores VALUES (1, 55, 5, 0, 0)",
     "scores are of posts, with their subreddit and time", "post_55 has a score in sub_1"},
    {"b", "posts", "INSERT INTO posts_of_author VALUES (1, 51)", "posts are listed by their authors",
     "post_51 is listed for user_1"},
    {"a", "posts",
     "INSERT INTO posts SELECT 20000, subreddit_id, author_id, created_at, NULL, subreddit_name, "
     "author_username, title, NULL, NULL, NULL, NULL, NULL, NULL FROM posts WHERE post_id = 1",
     "posts of older windows have their rows by author and by subreddit", "post_3 lacks one"},
    {"b", "posts", "UPDATE scores SET upvotes = 7 WHERE post_id = 1",
     "what posts show is the number of votes", "post_1 shows 7 up and 0 down, the votes are 1 and 0"},
    {"b", "posts", "INSERT INTO votes VALUES (54, 1, 1)", "votes are on posts",
     "a vote of user_1 on post_54"},
    {"b", "posts", "INSERT INTO votes VALUES (2, 53, 1)", "voters are users", "a vote on post_2 of user_53"},
    {"b", "posts", "UPDATE votes SET vote = 1 WHERE post_id = 2 AND user_id = 1",
     "table votes is what the logs give", "(post_id 2, user_id 1): vote is \"1\", the log says \"-1\""},
    {"b", "posts", "UPDATE posts SET author_username = 'Eve' WHERE post_id = 2",
     "authors are users, by their names", "post_2 is of user_2 \"Eve\", whose name is \"Bob\""},
    {"b", "posts", "UPDATE posts SET subreddit_name = 'Cats' WHERE post_id = 3",
     "posts are in subreddits, by their names", "post_3 is in sub_1 \"Cats\", whose name is \"cats\""},
    {"b", "posts", "UPDATE posts SET title = 'Other' WHERE post_id = 1", "table posts is what the logs give",
     "(post_id 1): title is \"Other\", the log says \"First\""},
    {"b", "posts", "UPDATE posts SET original_post_id = 52 WHERE post_id = 4", "reposts are of posts",
     "post_4 is a repost of post_52"},
    {"b", "posts", "UPDATE posts SET author_key = NULL WHERE post_id = 3",
     "signed posts have all that signing needs", "post_3 has a part"},
    {"b", "posts", "UPDATE known SET name = 'bats' WHERE id = 1",
     "subreddits that were looked up have these names",
     "sub_1 is known as \"bats\", but its name is \"cats\""},
    {"b", "posts", "UPDATE comment_counts SET comment_count = 6 WHERE post_id = 1",
     "comment_count is the number of comments", "post_1 shows 6, there are 2"},
    {"b", "posts", "", "table comment_counts is what the logs give",
     "comment_count is \"6\", the log says \"2\""},
    {"b", "comments", "DROP INDEX comments_by_author", "tables and indexes are those of its schema",
     "index comments_by_author is missing"},
    /* comments */
    {"b", "comments", "DELETE FROM tallies WHERE comment_id = 3",
     "each comment has one tally, of its post and parent", "comment_3 has no tally"},
    {"b", "comments", "INSERT INTO tallies VALUES (1, 44, NULL, 0, 0, 0)",
     "each comment has one tally, of its post and parent", "comment_44 has a tally on post_1"},
    {"b", "comments", "UPDATE tallies SET downvotes = 4 WHERE comment_id = 1",
     "what comments show is the number of votes", "comment_1 shows 1 up and 4 down, the votes are 2 and 0"},
    {"b", "comments", "", "table tallies is what the logs give", "downvotes is \"4\", the log says \"0\""},
    {"b", "comments", "UPDATE tallies SET reply_count = 5 WHERE comment_id = 1",
     "reply_count is the number of replies", "comment_1 shows 5, there are 1"},
    {"b", "comments", "UPDATE comments SET depth = 3 WHERE comment_id = 2",
     "a reply is on its parent's post, one deeper", "comment_2 does not fit its parent comment_1"},
    {"b", "comments", "UPDATE comments SET depth = 1 WHERE comment_id = 3",
     "what replies to none is not deep", "comment_3 has depth 1, but no parent"},
    {"b", "comments", "UPDATE comments SET content = 'X' WHERE comment_id = 1",
     "table comments is what the logs give", "content is \"X\", the log says \"C\""},
    {"b", "comments", "INSERT INTO votes VALUES (1, 43, 1)", "votes are on comments",
     "a vote of user_1 on comment_43"},
    {"b", "comments", "", "table votes is what the logs give", "(user_id 1, comment_id 43) is there"},
    {"b", "comments", "INSERT INTO votes VALUES (42, 1, 1)", "voters are users",
     "a vote on comment_1 of user_42"},
    {"b", "comments", "UPDATE comments SET post_id = 41 WHERE comment_id = 3", "comments are on posts",
     "comment_3 is on post_41"},
    {"b", "comments", "UPDATE comments SET author_id = 40 WHERE comment_id = 2",
     "authors are users, by their names", "comment_2 is of user_40 \"Bob\", who does not exist"},
    {"b", "comments", "INSERT INTO known VALUES (0, 39, NULL)", "posts that were looked up exist",
     "post_39 is known"},
    /* dms */
    {"b", "dms", "DELETE FROM inbox WHERE user_id = 1 AND message_id = 2",
     "inboxes hold what was sent and got", "dm_2 is missing in the inbox of user_1"},
    {"b", "dms", "", "table inbox is what the logs give", "(user_id 1, message_id 2) is missing"},
    {"b", "dms", "INSERT INTO inbox VALUES (1, 38)", "inboxes hold what was sent and got",
     "dm_38 is wrongly in the inbox of user_1"},
    {"b", "dms", "UPDATE messages SET read_at = 5 WHERE message_id = 3",
     "what is read is what the read mark says", "dm_3 is read, the mark of its reader is 2"},
    {"b", "dms", "UPDATE read_marks SET up_to = 2", "table read_marks is what the logs give",
     "up_to is \"2\""},
    {"b", "dms", "UPDATE messages SET reply_to_id = 37 WHERE message_id = 2",
     "a reply is in its conversation", "dm_2 replies to dm_37"},
    {"b", "dms", "UPDATE messages SET to_user_id = 36 WHERE message_id = 1", "who writes and reads are users",
     "dm_1 is of user_1 to user_36"},
    {"b", "dms", "", "table messages is what the logs give", "(message_id 1): to_user_id is \"36\""},
    {"b", "dms", "INSERT INTO known VALUES (0, 35, 'Eve')", "users that were looked up have these names",
     "user_35 is known, but does not exist"},
    /* feed */
    {"b", "feed", "DELETE FROM memberships WHERE user_id = 2 AND subreddit_id = 1",
     "its members are those of the subreddits", "user_2 is missing in sub_1"},
    {"b", "feed", "", "table memberships is what the logs give", "(user_id 2, subreddit_id 1) is missing"},
    {"b", "feed", "UPDATE feed_posts SET downvotes = 3 WHERE post_id = 4",
     "its posts and scores are those of the posts", "post_4 is missing or different"},
    {"b", "feed", "", "table feed_posts is what the logs give",
     "(subreddit_id 2, post_id 4): downvotes is \"3\""},
    /* of each file */
    {"c", "users", "DELETE FROM events WHERE seq = 1", "the log has no gaps, and each event can be read",
     "events from 1 to 1 are missing"},
    {"c", "posts", "UPDATE events SET type = 1025 WHERE seq = 1",
     "the log has no gaps, and each event can be read", "event 1 has a type that this domain does not know"},
    {"c", "comments", "UPDATE events SET payload = x'ff' WHERE seq = 1",
     "the log has no gaps, and each event can be read", "event 1 cannot be decoded"},
    {"c", "dms", "UPDATE events SET at_ms = 1 WHERE seq = 2",
     "the log has no gaps, and each event can be read", "event 2 is older than the one before it"},
    {"c", "subreddits",
     "INSERT INTO events SELECT (SELECT max(seq) + 1 FROM events), type, at_ms, payload FROM events WHERE "
     "type = 513 LIMIT 1",
     "the log can be applied from its beginning", "it cannot"},
    {"c", "feed", "PRAGMA user_version = 99", "its schema is the one that this program knows",
     "it is 99, of a newer"},
    {"d", "users", "PRAGMA user_version = 2", "its schema is the one that this program knows",
     "start its engine once"},
    {"d", "posts", "DELETE FROM engine_meta", "the log has an id", "there are 0 ids"},
    {"d", "dms", "INSERT INTO timelines VALUES (1000, 5)", "timelines begin within the log",
     "one begins at 1000"},
    {"d", "comments", "INSERT INTO timelines SELECT 2, log_id FROM engine_meta",
     "timelines have ids of their own", "2 have the id"},
    {"d", "subreddits", "INSERT INTO requests VALUES (x'0102', 1, 1, 1, x'')", "kept answers are of requests",
     "the answer of 0102"},
    {"d", "feed", SCRAMBLE_SCHEMA "UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'feed_posts'",
     "SQLite finds the file whole", ""},
};

static void plant(const char *state, const char *group)
{
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        if (strcmp(planted[i].group, group) == 0 && planted[i].sql[0] != '\0')
            edit(state, planted[i].domain, planted[i].sql);
}

/* A line of the rule, about that thing. */
static bool is_told(const char *output, const char *domain, const char *rule, const char *what)
{
    const char *begin = keep_format("%s.db: %s: ", domain, rule);
    for (const char *at = strstr(output, begin); at; at = strstr(at + 1, begin)) {
        const char *found = strstr(at, what), *end = strchr(at, '\n');
        if (found && found < end)
            return true;
    }
    return false;
}

static void check_group(const char *state, const char *group)
{
    const char *copy = copy_of(state, "planted");
    plant(copy, group);
    struct program_result result = FORUMCTL("check", copy);
    cr_expect_eq(result.exit_code, 1, "group %s: exit code %d\n%s", group, result.exit_code, result.output);
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        if (strcmp(planted[i].group, group) == 0)
            cr_expect(is_told(result.output, planted[i].domain, planted[i].rule, planted[i].what),
                      "not told: %s: %s: %s\nby:\n%s", planted[i].domain, planted[i].rule, planted[i].what,
                      result.output);
}

Test(check, finds_each_fault_that_was_planted)
{
    const char *state = make_state();
    for (char group = 'a'; group <= 'd'; group++)
        check_group(state, (const char[]){group, '\0'});
    const char *copy = copy_of(state, "planted");
    cr_assert(unlink(keep_format("%s/dms.db", copy)) == 0);
    shell(keep_format("rm -f %s/dms.db-* && echo nothing of ours > %s/feed.db && rm -f %s/feed.db-*", copy,
                      copy, copy));
    struct program_result result = FORUMCTL("check", copy);
    cr_expect_eq(result.exit_code, 1);
    cr_expect(is_told(result.output, "dms", "the file is there and can be read", "No such file"), "%s",
              result.output);
    cr_expect(is_told(result.output, "feed", "the file is there and can be read", "not a database"), "%s",
              result.output);
}

Test(check, has_a_planted_fault_for_each_rule)
{
    const char *rules = FORUMCTL("check", "--rules").output;
    cr_assert(strstr(rules, "users: names are unique, whatever their case\n"), "%s", rules);
    const char *end;
    for (const char *line = rules; *line; line = end + 1) {
        end = strchr(line, '\n');
        const char *text = keep_copy(line, (size_t)(end - line));
        bool found = strcmp(text, "*: the file is there and can be read") == 0; /* above */
        for (size_t i = 0; i < ARRAY_LEN(planted); i++)
            found |= strcmp(text, keep_format("%s: %s", planted[i].domain, planted[i].rule)) == 0 ||
                     strcmp(text, keep_format("*: %s", planted[i].rule)) == 0;
        cr_expect(found, "no fault is planted for \"%s\"", text);
    }
}

Test(check, tells_json_and_stays_away_from_engines_that_run)
{
    struct forum *forum = forum_start(NULL);
    struct program_result result = FORUMCTL("check", forum_state_directory(forum));
    cr_expect(result.exit_code == 69 && strstr(result.output, "stop the forum, or check a backup"), "%s",
              result.output);
    result = FORUMCTL("rebuild", "posts", "--state-dir", forum_state_directory(forum));
    cr_expect(result.exit_code == 69 && strstr(result.output, "the posts engine runs"), "%s", result.output);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    edit(forum_state_directory(forum), "users", "INSERT INTO keys VALUES (77, 1, 'x')");
    result = FORUMCTL("check", "--json", forum_state_directory(forum));
    cr_expect_eq(result.exit_code, 1);
    cr_expect(
        strstr(result.output,
               "{\"kind\":\"wrong\",\"domain\":\"users\",\"rule\":\"keys are of users\",\"what\":\"a key "
               "of user_77, who does not exist\"}\n"),
        "%s", result.output);
    cr_expect(strstr(result.output, "{\"wrong\":2}\n"), "%s", result.output);
    cr_expect_eq(FORUMCTL("check", keep_format("%s/none", forum_run_directory())).exit_code, 71);
}

/* All rows of all tables, but those that say nothing. */
static const char *dump(const char *state)
{
    const char *text = "";
    for (size_t i = 0; i < ARRAY_LEN(domains); i++)
        text = keep_format("%s-- %s\n%s", text, domains[i],
                           shell(keep_format("sqlite3 %s/%s.db .dump | sort", state, domains[i])));
    return text;
}

Test(rebuild, makes_good_what_logs_know_and_leaves_the_rest_alone)
{
    const char *state = make_state(), *before = dump(state);
    const char *copy = copy_of(state, "rebuilt");
    plant(copy, "b");
    /* What is neither of the logs nor made from them is not for a rebuild. */
    edit(copy, "users", "DELETE FROM credentials WHERE user_id = 78");
    edit(copy, "posts", "UPDATE known SET name = 'cats' WHERE id = 1");
    edit(copy, "comments", "DELETE FROM known WHERE id = 39");
    edit(copy, "dms", "DELETE FROM known WHERE id = 35");
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct program_result result = FORUMCTL("rebuild", domains[i], "--state-dir", copy);
        cr_assert_eq(result.exit_code, 0, "%s", result.output);
    }
    struct program_result result = FORUMCTL("check", copy);
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    const char *after = dump(copy);
    cr_assert(strcmp(before, after) == 0, "before:\n%s\nafter:\n%s", before, after);
    struct forum *forum = forum_start(&(struct forum_spec){.state = copy});
    CHECK_OK(
        forum_post(forum, "/api/auth/login", json_body("{'username':'Ann','password':'correct horse'}")));
    cr_assert_eq(json_number(forum_get(forum, "/api/posts/post_1"), "comment_count"), 2);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(rebuild, changes_nothing_when_the_log_cannot_be_applied_and_takes_over_from_one_that_was_interrupted)
{
    const char *state = make_state();
    const char *copy = copy_of(state, "rebuilt");
    edit(copy, "posts",
         "INSERT INTO events SELECT (SELECT max(seq) + 1 FROM events), type, at_ms, payload FROM events "
         "WHERE type = 769 LIMIT 1");
    const char *before = dump(copy);
    struct program_result result = FORUMCTL("rebuild", "posts", "--state-dir", copy);
    cr_assert_eq(result.exit_code, 65, "%s", result.output);
    cr_expect(strstr(result.output, "nothing was changed"), "%s", result.output);
    cr_expect_str_eq(dump(copy), before);
    edit(copy, "posts", "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)");
    edit(copy, "posts", "DELETE FROM votes");
    shell(keep_format("mkdir %s/rebuild.tmp && echo half > %s/rebuild.tmp/posts.db && echo half > "
                      "%s/rebuild.tmp/posts.db-wal",
                      copy, copy, copy));
    cr_assert_eq(FORUMCTL("rebuild", "posts", "--state-dir", copy).exit_code, 0);
    cr_assert_eq(FORUMCTL("check", copy).exit_code, 0);
    cr_expect_eq(FORUMCTL("rebuild", "nothing", "--state-dir", copy).exit_code, 64);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
