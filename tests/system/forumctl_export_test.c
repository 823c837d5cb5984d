/* forumctl export and import: all of it comes back, and nothing that is not right goes in. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define RUN_MS    60000
#define COUNTS_MS 10000

PRINTF_LIKE(1, 2) static struct program_result ctl(const char *format, ...)
{
    char arguments[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof(arguments), format, args);
    va_end(args);
    const char *shell = keep_format("exec %s %s", forum_executable("forumctl"), arguments);
    return program_run((const char *[]){"/bin/sh", "-c", shell, NULL}, NULL, NULL, RUN_MS);
}

static void expect(const struct program_result *result, int code, const char *part)
{
    cr_assert(result->exit_code == code && strstr(result->output, part), "%d, not %d with \"%s\": %s",
              result->exit_code, code, part, result->output);
}
#define EXPECT(code, part, ...)                                                                              \
    do {                                                                                                     \
        struct program_result result_ = ctl(__VA_ARGS__);                                                    \
        expect(&result_, code, part);                                                                        \
    } while (0)

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void post(const struct forum *forum, const char *path, const char *body)
{
    struct reply *reply = forum_post(forum, path, body);
    cr_assert(reply->status == 200 || reply->status == 201, "%s", http_describe(reply));
}

/* Something of everything. */
static void fill(const struct forum *forum)
{
    struct made_user ann = make_account_named(forum, "ann", "correct horse battery");
    const char *bea = make_user_named(forum, "Bea"), *cats = make_subreddit_named(forum, ann.id, "Cats");
    post(forum, "/api/auth/login", json_body("{'username':'ann','password':'correct horse battery'}"));
    struct reply *logout = forum_request(forum, "POST", "/api/auth/logout", ann.headers, "{}");
    CHECK_OK(logout);
    make_subreddit_named(forum, bea, "empty_one");
    make_member(forum, cats, bea);
    const char *first = make_post(forum, cats, ann.id, "A title, \xf0\x9f\x90\x88 and \\\"quotes\\\"");
    post(forum, keep_format("/api/posts/%s/repost", first),
         json_body("{'author_id':'%s','subreddit_id':'%s'}", bea, cats));
    const char *one = make_comment(forum, first, bea, NULL, "one\\nline and another");
    const char *two = make_comment(forum, first, ann.id, one, "two");
    make_comment(forum, first, bea, two, "three");
    make_vote(forum, first, bea, "upvote");
    make_vote(forum, first, ann.id, "downvote");
    make_vote(forum, one, ann.id, "upvote");
    make_vote(forum, two, ann.id, "upvote");
    make_vote(forum, two, ann.id, "none");
    const char *message = make_message(forum, ann.id, bea, "hello");
    make_message(forum, bea, ann.id, "hello yourself");
    post(forum, keep_format("/api/dm/conversation/%s/%s/read", ann.id, bea),
         json_body("{'user_id':'%s','up_to':'%s'}", bea, message));
    make_message(forum, ann.id, bea, "unread");
}

/* What readers see of it. */
static const char *seen(const struct forum *forum)
{
    static const char *const paths[] = {"/api/subreddits?sort=name", "/api/posts/post_1?user_id=user_1",
                                        "/api/posts/post_2", "/api/posts/post_1/comments",
                                        "/api/dm/user/user_2"};
    const char *all = "";
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct reply *reply = forum_get(forum, "%s", paths[i]);
        cr_assert_eq(reply->status, 200, "%s", http_describe(reply));
        all = keep_format("%s%s\n", all, reply->body);
    }
    return all;
}

struct sight {
    const struct forum *forum;
    const char *before, *after;
};

static bool is_seen_as_before(void *arg)
{
    struct sight *sight = arg;
    sight->after = seen(sight->forum);
    return strcmp(sight->before, sight->after) == 0;
}

Test(forumctl_export, comes_back_whole_by_an_import_and_is_the_same_again)
{
    struct forum *forum = forum_start(&(struct forum_spec){.workers = 1});
    const char *dir = forum_run_directory(), *state = forum_state_directory(forum);
    fill(forum);
    const char *before = seen(forum);
    EXPECT(69, "stop the forum, or export a backup of it", "export %s/no.jsonl --state-dir %s", dir, state);
    EXPECT(0, "", "backup %s/copy --state-dir %s --port-base %u", dir, state, forum_engines_port_base(forum));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    EXPECT(0, "comments: 3", "export %s/a.jsonl --state-dir %s --credentials", dir, state);
    struct stat file;
    cr_assert_eq(stat(keep_format("%s/a.jsonl", dir), &file), 0);
    cr_assert_eq(file.st_mode & 077, 0, "all messages are in it");
    EXPECT(0, "", "export %s/plain.jsonl --state-dir %s", dir, state);
    EXPECT(0, "", "export %s/of_copy.jsonl --state-dir %s/copy", dir, dir);
    const char *whole = keep_file(keep_format("%s/a.jsonl", dir), NULL);
    const char *plain = keep_file(keep_format("%s/plain.jsonl", dir), NULL);
    cr_assert(strstr(whole, "$argon2id$") && !strstr(plain, "$argon2id$"), "%s", whole);
    cr_assert_str_eq(plain, keep_file(keep_format("%s/of_copy.jsonl", dir), NULL));
    EXPECT(0, "lines: ", "import %s/a.jsonl --state-dir %s/new", dir, dir);
    EXPECT(0, "", "export %s/b.jsonl --state-dir %s/new --credentials", dir, dir);
    cr_assert_str_eq(whole, keep_file(keep_format("%s/b.jsonl", dir), NULL));
    EXPECT(0, "", "check %s/new", dir);
    EXPECT(65, "is not empty", "import %s/a.jsonl --state-dir %s/new", dir, dir);
    struct forum *again =
        forum_start(&(struct forum_spec){.workers = 1, .state = keep_format("%s/new", dir)});
    const char *body = json_body("{'username':'ANN','password':'correct horse battery'}");
    cr_assert_eq(forum_post(again, "/api/auth/login", body)->status, 200);
    struct sight sight = {.forum = again, .before = before};
    (void)!wait_until(is_seen_as_before, &sight, COUNTS_MS); /* counts are pulled */
    cr_assert_str_eq(before, sight.after);
    cr_assert_str_eq(make_user_named(again, "next"), "user_3");
    cr_assert_eq(forum_stop(again, SIGINT), 0);
}

Test(forumctl_import, takes_over_keys_that_are_there)
{
    const char *dir = forum_run_directory();
    const char *key = keep_format("%s/keyed/mac.key", dir);
    EXPECT(0, "", "init --state-dir %s/keyed", dir);
    const char *before = keep_file(key, NULL);
    const char *file = keep_format("%s/tiny.jsonl", dir);
    FILE *out = fopen(file, "w");
    fputs("{\"type\":\"forumd\",\"format\":1}\n{\"type\":\"end\",\"lines\":1}\n", out);
    fclose(out);
    EXPECT(0, "lines: 2", "import %s --state-dir %s/keyed", file, dir);
    cr_assert_arr_eq(before, keep_file(key, NULL), 32);
    cr_assert(exists(keep_format("%s/keyed/users.db", dir)));
    cr_assert(!exists(keep_format("%s/keyed.import", dir)));
}

static const char *const lines[] = {
    "{\"type\":\"forumd\",\"format\":1}",
    "{\"type\":\"user\",\"user_id\":\"user_1\",\"username\":\"ann\",\"created_at\":1,\"sessions\":2,"
    "\"closed_upto\":0,\"closed_except\":0}",
    "{\"type\":\"closed_session\",\"user_id\":\"user_1\",\"session\":2,\"closed_at\":5}",
    "{\"type\":\"subreddit\",\"subreddit_id\":\"sub_1\",\"name\":\"cats\",\"creator_id\":\"user_1\","
    "\"created_at\":2}",
    "{\"type\":\"membership\",\"user_id\":\"user_1\",\"subreddit_id\":\"sub_1\",\"joined_at\":2}",
    "{\"type\":\"post\",\"post_id\":\"post_1\",\"subreddit_id\":\"sub_1\",\"author_id\":\"user_1\","
    "\"title\":\"T\",\"created_at\":3}",
    "{\"type\":\"post_vote\",\"post_id\":\"post_1\",\"user_id\":\"user_1\",\"vote_type\":\"upvote\"}",
    "{\"type\":\"comment\",\"comment_id\":\"comment_1\",\"post_id\":\"post_1\",\"author_id\":\"user_1\","
    "\"content\":\"c\",\"created_at\":4}",
    "{\"type\":\"comment_vote\",\"comment_id\":\"comment_1\",\"user_id\":\"user_1\",\"vote_type\":"
    "\"upvote\"}",
    "{\"type\":\"message\",\"message_id\":\"dm_1\",\"from_user_id\":\"user_1\",\"to_user_id\":\"user_1\","
    "\"content\":\"m\",\"created_at\":5}",
    "{\"type\":\"end\",\"lines\":10}",
};

/* The lines, but for one that has `from` changed to `to` (`from` NULL: followed by `to`). */
static void write_changed(const char *path, size_t at, const char *from, const char *to)
{
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *found = from != NULL && i == at ? strstr(lines[i], from) : NULL;
        cr_assert(i != at || from == NULL || found, "%s is not in line %zu", from, i);
        if (found)
            fprintf(out, "%.*s%s%s\n", (int)(found - lines[i]), lines[i], to, found + strlen(from));
        else
            fprintf(out, "%s\n", lines[i]);
        if (i == at && from == NULL)
            fprintf(out, "%s\n", to);
    }
    fclose(out);
}

Test(forumctl_import, names_line_and_field_of_what_is_wrong_and_leaves_nothing)
{
    static const struct {
        size_t at;
        const char *from, *to, *part;
    } rows[] = {
        {0, "1}", "2}", "line 1: format: "},
        {0, "forumd", "user", "line 1: type: the first line's must be forumd"},
        {0, "{", "rubbish {", "line 1: does not begin with"},
        {1, "user_1", "sub_1", "line 2: user_id: "},
        {1, "\"ann\"", "\"a\"", "line 2: username: "},
        {1, "\"ann\"", "\"a b c\"", "line 2: username: "},
        {1, ",\"created_at\":1", "", "line 2: created_at: "},
        {1, ":1,", ":\"x\",", "line 2: created_at: "},
        {1, ":1,", ":-1,", "line 2: created_at: "},
        {1, "}", ",\"password_hash\":\"secret\"}", "line 2: password_hash: "},
        {1, "}", ",\"public_key\":\"AAAA\"}", "line 2: key_algorithm: "},
        {1, "\"closed_upto\":0", "\"closed_upto\":3", "line 2: closed_upto: "},
        {1, "}", "", "line 2: "},
        {1, NULL,
         "{\"type\":\"user\",\"user_id\":\"user_1\",\"username\":\"bea\",\"created_at\":1,\"sessions\":1,"
         "\"closed_upto\":0,\"closed_except\":0}",
         "line 3: user_id: must be number 2"},
        {1, NULL,
         "{\"type\":\"user\",\"user_id\":\"user_2\",\"username\":\"ANN\",\"created_at\":1,\"sessions\":1,"
         "\"closed_upto\":0,\"closed_except\":0}",
         "line 3: username: ANN is taken"},
        {2, ":2,", ":3,", "line 3: session: was never opened"},
        {3, "user_1", "user_2", "line 4: creator_id: there is no user_2 before"},
        {3, "cats", "_cats", "line 4: name: "},
        {3, NULL, "{\"type\":\"user\"}", "line 5: type: user must come before subreddit"},
        {4, "sub_1", "sub_2", "line 5: subreddit_id: there is no sub_2 before"},
        {5, "\"T\"", "\"\"", "line 6: title: "},
        {5, "}", ",\"original_post_id\":\"post_1\"}", "line 6: original_post_id: "},
        {5, "}", ",\"signature\":\"AAAA\"}", "line 6: signature: "},
        {6, "upvote", "none", "line 7: vote_type: "},
        {6, "upvote", "sideways", "line 7: vote_type: "},
        {6, "post_1", "post_9", "line 7: post_id: there is no such post"},
        {7, "}", ",\"parent_id\":\"comment_1\"}", "line 8: parent_id: "},
        {8, "comment_1", "comment_2", "line 9: comment_id: "},
        {9, "}", ",\"reply_to_id\":\"dm_1\"}", "line 10: reply_to_id: "},
        {10, "10", "11", "line 11: lines: there were 10"},
        {10, NULL, "{\"type\":\"end\",\"lines\":11}", "line 12: type: nothing may follow the end"},
    };
    const char *dir = forum_run_directory(), *file = keep_format("%s/bad.jsonl", dir);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_changed(file, rows[i].at, rows[i].from, rows[i].to);
        EXPECT(65, rows[i].part, "import %s --state-dir %s/bad", file, dir);
        cr_assert(!exists(keep_format("%s/bad", dir)) && !exists(keep_format("%s/bad.import", dir)));
    }
    write_changed(file, ARRAY_LEN(lines), NULL, "");
    EXPECT(65, "the line of type end is missing", "import - --state-dir %s/bad < /dev/null", dir);
    EXPECT(65, "cannot read", "import %s/none --state-dir %s/bad", dir, dir);
    EXPECT(64, "name one FILE", "import --state-dir %s/bad", dir);
    EXPECT(64, "name one FILE", "export --state-dir %s/bad", dir);
    EXPECT(0, "lines: 11", "import %s --state-dir %s/good", file, dir);
    EXPECT(0, "", "check %s/good", dir);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = false});
}
