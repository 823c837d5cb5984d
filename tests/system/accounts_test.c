/* Passwords, tokens, log-out everywhere, and the keys behind them, where tokens are required. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/ports.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define PASSWORD   "correct horse battery"
#define OTHER      "another horse entirely"
#define EVERYWHERE 16 /* connections, spread over the workers */

static struct forum *forum;

static void attach(void)
{
    forum = forum_attach();
}

TestSuite(login, .init = attach);
TestSuite(logout, .init = attach);
TestSuite(password, .init = attach);
TestSuite(token, .init = attach);
TestSuite(secrets, .init = attach);
TestSuite(replay, .init = attach);

static struct reply *post_as(const struct forum *server, const char *token, const char *path,
                             const char *body)
{
    return forum_request(server, "POST", path, token ? make_bearer(token) : NULL, body);
}

static struct reply *log_in(const struct forum *server, const char *name, const char *password)
{
    return forum_post(server, "/api/auth/login",
                      json_body("{'username':'%s','password':%s}", name, json_quote(password)));
}

static const char *token_by_login(const struct forum *server, const char *name, const char *password)
{
    struct reply *reply = log_in(server, name, password);
    CHECK_OK(reply);
    return json_text(reply, "token");
}

static struct reply *read_feed(const struct forum *server, const char *token)
{
    return forum_request(server, "GET", "/api/feed", make_bearer(token), NULL);
}

static void check_works_everywhere(const struct forum *server, const char *token)
{
    for (int i = 0; i < EVERYWHERE; i++)
        CHECK_OK(read_feed(server, token));
}

struct ended {
    const struct forum *server;
    const char *token;
};

static bool is_ended_everywhere(void *arg)
{
    const struct ended *ended = arg;
    for (int i = 0; i < EVERYWHERE; i++) {
        struct reply *reply = read_feed(ended->server, ended->token);
        if (reply->status == 200)
            return false;
        CHECK_PROBLEM(reply, 401, "invalid_token");
    }
    return true;
}

/* Within the second that the contract gives. */
static void check_ends_everywhere(const char *token)
{
    cr_assert(wait_until(is_ended_everywhere, &(struct ended){forum, token}, 1000));
}

Test(login, gives_a_token_that_lives_30_days)
{
    const struct made_user ann = make_account(forum, PASSWORD);
    struct reply *reply = log_in(forum, ann.name, PASSWORD);
    CHECK_OK(reply);
    CHECK_TEXT(reply, "user_id", ann.id);
    CHECK_TEXT(reply, "username", ann.name);
    cr_assert_str_eq(http_header(reply, "Cache-Control"), "no-store");
    int64_t registered_ms = json_number(forum_get(forum, "/api/users/%s", ann.id), "created_at");
    int64_t life_ms = json_number(reply, "expires_at") - registered_ms;
    cr_assert(life_ms >= 30ll * 86400 * 1000 && life_ms < 30ll * 86400 * 1000 + 60000, "%lld",
              (long long)life_ms);
    check_works_everywhere(forum, json_text(reply, "token"));
    cr_assert_str_neq(json_text(reply, "token"), ann.token);
}

Test(login, is_refused_alike_for_unknown_users_and_wrong_passwords)
{
    const struct made_user ann = make_account(forum, PASSWORD), bare = make_account(forum, NULL);
    struct reply *wrong = log_in(forum, ann.name, OTHER), *unknown = log_in(forum, "nobody_at_all", PASSWORD);
    struct reply *none = log_in(forum, bare.name, PASSWORD), *odd = log_in(forum, "no name!", PASSWORD);
    CHECK_PROBLEM(wrong, 401, "invalid_credentials");
    cr_assert_str_eq(wrong->body, unknown->body);
    cr_assert_str_eq(wrong->body, none->body);
    cr_assert_str_eq(wrong->body, odd->body);
}

Test(login, takes_any_characters_in_passwords)
{
    const char *password = "p\xc3\xa4sswort \xf0\x9f\x90\xb4 with \"quotes\" and \\";
    const struct made_user ann = make_account(forum, password);
    (void)token_by_login(forum, ann.name, password);
    CHECK_PROBLEM(log_in(forum, ann.name, "p\xc3\xa4sswort"), 401, "invalid_credentials");
}

Test(logout, ends_this_token_everywhere_and_no_other)
{
    const struct made_user ann = make_account(forum, PASSWORD);
    const char *second = token_by_login(forum, ann.name, PASSWORD);
    struct reply *reply = post_as(forum, ann.token, "/api/auth/logout", "{}");
    CHECK_OK(reply);
    CHECK_TEXT(reply, "user_id", ann.id);
    check_ends_everywhere(ann.token);
    check_works_everywhere(forum, second);
    CHECK_PROBLEM(post_as(forum, ann.token, "/api/auth/renew", "{}"), 401, "invalid_token");
}

Test(logout, and_whatever_else_the_token_says_enough_for_needs_no_body)
{
    const struct made_user ann = make_account(forum, NULL), bob = make_account(forum, NULL);
    const char *subreddit = json_text(
        post_as(forum, ann.token, "/api/subreddits/create", json_body("{'name':'%s'}", make_name("s"))),
        "subreddit_id");
    struct reply *reply = post_as(forum, bob.token, keep_format("/api/subreddits/%s/join", subreddit), NULL);
    CHECK_OK(reply);
    CHECK_TEXT(reply, "user_id", bob.id);
    CHECK_OK(post_as(forum, bob.token, "/api/auth/renew", ""));
    CHECK_OK(post_as(forum, bob.token, "/api/auth/logout", NULL));
    check_ends_everywhere(bob.token);
    CHECK_FIELD_ERROR(post_as(forum, ann.token, "/api/posts/create", ""), "title", "required");
}

Test(logout, of_all_ends_each_token_and_those_of_others_go_on)
{
    const struct made_user ann = make_account(forum, PASSWORD), bob = make_account(forum, NULL);
    const char *second = token_by_login(forum, ann.name, PASSWORD);
    CHECK_OK(post_as(forum, second, "/api/auth/logout", "{\"all\":true}"));
    check_ends_everywhere(ann.token);
    check_ends_everywhere(second);
    check_works_everywhere(forum, bob.token);
    check_works_everywhere(forum, token_by_login(forum, ann.name, PASSWORD));
}

Test(logout, names_a_wrong_all)
{
    const struct made_user ann = make_account(forum, NULL);
    static const char *const values[] = {"17", "\"true\"", "[]", "{}"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        CHECK_FIELD_ERROR(
            post_as(forum, ann.token, "/api/auth/logout", keep_format("{\"all\":%s}", values[i])), "all",
            "wrong_type");
    check_works_everywhere(forum, ann.token);
}

Test(password, changed_ends_all_other_tokens)
{
    const struct made_user ann = make_account(forum, PASSWORD);
    const char *second = token_by_login(forum, ann.name, PASSWORD);
    const char *change = json_body("{'old_password':'" PASSWORD "','new_password':'" OTHER "'}");
    CHECK_PROBLEM(post_as(forum, second, "/api/auth/password", json_body("{'new_password':'" OTHER "'}")),
                  403, "wrong_password");
    CHECK_OK(post_as(forum, second, "/api/auth/password", change));
    check_ends_everywhere(ann.token);
    check_works_everywhere(forum, second);
    CHECK_PROBLEM(post_as(forum, second, "/api/auth/password", change), 403, "wrong_password");
    CHECK_PROBLEM(log_in(forum, ann.name, PASSWORD), 401, "invalid_credentials");
    check_works_everywhere(forum, token_by_login(forum, ann.name, OTHER));
}

Test(password, may_be_set_where_there_was_none)
{
    const struct made_user ann = make_account(forum, NULL);
    CHECK_OK(post_as(forum, ann.token, "/api/auth/password", json_body("{'new_password':'" PASSWORD "'}")));
    check_works_everywhere(forum, token_by_login(forum, ann.name, PASSWORD));
}

Test(token, that_is_renewed_works_and_so_does_the_old_one)
{
    const struct made_user ann = make_account(forum, NULL);
    struct reply *reply = post_as(forum, ann.token, "/api/auth/renew", "{}");
    CHECK_OK(reply);
    CHECK_TEXT(reply, "username", ann.name);
    check_works_everywhere(forum, json_text(reply, "token"));
    check_works_everywhere(forum, ann.token);
}

Test(token, that_is_none_is_401_with_its_reason)
{
    const struct made_user ann = make_account(forum, NULL);
    char *forged = keep_copy(ann.token, strlen(ann.token));
    forged[12] = forged[12] == 'A' ? 'B' : 'A';
    const char *const fields[] = {"Bearer",
                                  "Bearer x",
                                  "Basic YTpi",
                                  "bearer",
                                  ann.token,
                                  keep_format("Token %s", ann.token),
                                  keep_format("Bearer %sA", ann.token),
                                  keep_format("Bearer %.40s", ann.token),
                                  keep_format("Bearer %s", forged),
                                  keep_format("Bearer %s, Bearer %s", ann.token, ann.token)};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *header = keep_format("Authorization: %s\r\n", fields[i]);
        struct reply *reply = forum_request(forum, "GET", "/api/feed", header, NULL);
        CHECK_PROBLEM(reply, 401, "invalid_token");
        cr_assert_str_eq(http_header(reply, "WWW-Authenticate"), "Bearer error=\"invalid_token\"");
        CHECK_PROBLEM(forum_request(forum, "GET", "/api/subreddits", header, NULL), 401, "invalid_token");
    }
    CHECK_OK(forum_request(forum, "GET", "/api/feed",
                           keep_format("Authorization: bEARER   %s\r\n", ann.token), NULL));
}

Test(token, shows_ones_own_vote)
{
    const struct made_user ann = make_account(forum, NULL), bob = make_account(forum, NULL);
    const char *subreddit = json_text(
        post_as(forum, ann.token, "/api/subreddits/create", json_body("{'name':'%s'}", make_name("s"))),
        "subreddit_id");
    const char *post = json_text(post_as(forum, ann.token, "/api/posts/create",
                                         json_body("{'subreddit_id':'%s','title':'T'}", subreddit)),
                                 "post_id");
    CHECK_OK(
        post_as(forum, bob.token, keep_format("/api/posts/%s/vote", post), "{\"vote_type\":\"upvote\"}"));
    const char *path = keep_format("/api/posts/%s", post);
    CHECK_TEXT(forum_request(forum, "GET", path, bob.headers, NULL), "my_vote", "upvote");
    CHECK_TEXT(forum_request(forum, "GET", path, ann.headers, NULL), "my_vote", "none");
    CHECK_TEXT(post_as(forum, ann.token, "/api/posts/create",
                       json_body("{'subreddit_id':'%s','title':'Mine'}", subreddit)),
               "author_username", ann.name);
}

/* --- the same request again --- */

static struct reply *register_keyed(const char *name, const char *password, const char *key)
{
    return forum_request(forum, "POST", "/api/auth/register", keep_format("Idempotency-Key: %s\r\n", key),
                         password ? json_body("{'username':'%s','password':'%s'}", name, password)
                                  : json_body("{'username':'%s'}", name));
}

/* Secrets are not in what tells requests apart, so that no fast hash of them is kept: the password itself
 * decides whether there is a token again. */
Test(replay, of_a_register_has_a_token_only_with_the_password)
{
    const char *name = make_name("r"), *key = make_name("key");
    struct reply *first = register_keyed(name, PASSWORD, key);
    CHECK_CREATED(first);
    struct reply *again = register_keyed(name, PASSWORD, key);
    CHECK_CREATED(again);
    cr_assert_str_eq(http_header(again, "Idempotent-Replayed"), "true");
    cr_assert_str_eq(again->body, first->body);
    struct reply *other = register_keyed(name, OTHER, key), *none = register_keyed(name, NULL, key);
    CHECK_CREATED(other);
    CHECK_TEXT(other, "user_id", json_text(first, "user_id"));
    cr_assert(!json_has(other, "token") && !json_has(none, "token"), "%s", http_describe(other));
}

Test(replay, of_a_register_without_a_password_has_a_token_only_with_a_long_key)
{
    const char *name = make_name("r"), *key = "k2345678901234567890";
    cr_assert_eq(strlen(key), 20);
    CHECK_CREATED(register_keyed(name, NULL, key));
    cr_assert(!json_has(register_keyed(name, NULL, key), "token"));
    name = make_name("r");
    key = "k234567890123456789012";
    cr_assert_eq(strlen(key), 22);
    struct reply *first = register_keyed(name, NULL, key);
    cr_assert_str_eq(register_keyed(name, NULL, key)->body, first->body);
    check_works_everywhere(forum, json_text(first, "token"));
}

/* --- secrets --- */

Test(secrets, stand_in_no_log_and_no_file)
{
    const char *password = "a secret that only this test has";
    const struct made_user ann = make_account(forum, password);
    const char *second = token_by_login(forum, ann.name, password);
    (void)log_in(forum, ann.name, "a secret that is not right");
    CHECK_OK(
        post_as(forum, second, "/api/auth/password",
                json_body("{'old_password':'%s','new_password':'a secret that comes later'}", password)));
    const char *log = forum_log(forum);
    cr_assert(strstr(log, "/api/auth/login"), "the log is not there");
    cr_assert(!strstr(log, "a secret") && !strstr(log, ann.token) && !strstr(log, second) &&
              !strstr(log, "forumd1."));
    const char *const argv[] = {"/usr/bin/grep", "-rlaE", "a secret|forumd1\\.", forum_state_directory(forum),
                                NULL};
    struct program_result found = program_run(argv, NULL, forum_run_directory(), 20000);
    cr_assert_eq(found.exit_code, 1, "%s", found.output);
}

/* --- keys --- */

static void rotate(const struct forum *server, const char *flag)
{
    const char *const argv[] = {forum_executable("forumctl"), "rotate-token-key",
                                keep_format("--state-dir=%s", forum_state_directory(server)), flag, NULL};
    struct program_result result = program_run(argv, NULL, forum_run_directory(), 20000);
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
}

static bool has_new_key(void *arg)
{
    /* The key's id is at the same place in each token of users with names of one length. */
    const struct ended *old = arg;
    const struct made_user user = make_account(old->server, NULL);
    return strncmp(user.token, old->token, 14) != 0;
}

Test(keys, rotate_while_tokens_of_the_old_one_go_on_until_it_is_dropped)
{
    static const char *const flags[] = {"--auth=required", NULL};
    struct forum *own = forum_start(&(struct forum_spec){.flags = flags});
    const struct made_user ann = make_account(own, NULL);
    struct ended old = {own, ann.token};
    rotate(own, NULL);
    cr_assert(wait_until(has_new_key, &old, 10000));
    check_works_everywhere(own, ann.token);
    const struct made_user bob = make_account(own, NULL);
    check_works_everywhere(own, bob.token);
    rotate(own, "--drop");
    cr_assert(wait_until(is_ended_everywhere, &old, 10000));
    cr_assert(wait_until(is_ended_everywhere, &(struct ended){own, bob.token}, 10000));
    cr_assert(wait_until(has_new_key, &(struct ended){own, bob.token}, 10000));
    check_works_everywhere(own, make_account(own, NULL).token);
    cr_assert_eq(forum_stop(own, SIGINT), 0);
}

Test(keys, are_made_by_forumctl_and_left_alone_by_a_second_init)
{
    const char *dir = keep_format("%s/made", forum_run_directory());
    const char *const argv[] = {forum_executable("forumctl"), "init", "--state-dir", dir, NULL};
    const char *first = NULL;
    for (int i = 0; i < 2; i++) {
        struct program_result result = program_run(argv, NULL, forum_run_directory(), 20000);
        cr_assert_eq(result.exit_code, 0, "%s", result.output);
        const char *key = keep_file(keep_format("%s/token.key", dir), NULL);
        cr_assert(key && (!first || strcmp(first, key) == 0));
        first = key;
    }
    const char *const stat[] = {"/usr/bin/stat",
                                "-c",
                                "%a",
                                keep_format("%s/token.key", dir),
                                keep_format("%s/token.pub", dir),
                                keep_format("%s/mac.key", dir),
                                NULL};
    cr_assert_str_eq(program_run(stat, NULL, forum_run_directory(), 20000).output, "600\n644\n600\n");
}

/* --- modes --- */

static bool says_warning(void *arg)
{
    const char *text = keep_file(arg, NULL);
    return text && strstr(text, "WARNING: 0.0.0.0:") && strstr(text, "auth: required");
}

Test(mode, required_may_listen_for_other_machines_and_warns_loudly)
{
    int lock_fd;
    const char *output = keep_format("%s/public.log", forum_run_directory());
    const char *const flags[] = {keep_format("--listen=0.0.0.0:%u", ports_take(&lock_fd)), "--auth=required",
                                 NULL};
    struct keeper *keeper = forum_launch(NULL, flags, output);
    cr_assert(wait_until(says_warning, (void *)output, FORUM_START_MS), "%s", keep_file(output, NULL));
    keeper_end(keeper);
}

Test(mode, open_may_not)
{
    int lock_fd, status = 0;
    const char *output = keep_format("%s/refused.log", forum_run_directory());
    const char *const flags[] = {keep_format("--listen=0.0.0.0:%u", ports_take(&lock_fd)), NULL};
    struct keeper *keeper = forum_launch(NULL, flags, output);
    cr_assert(keeper_wait(keeper, 20000, &status));
    cr_assert(status != 0 && strstr(keep_file(output, NULL), "--auth open"), "%s", keep_file(output, NULL));
    keeper_end(keeper);
}

int main(int argc, char **argv)
{
    static const char *const flags[] = {"--auth=required", "--deadline=15000", "--log-level=debug", NULL};
    return forum_main(argc, argv, &(struct forum_plan){.shared = true, .spec = {.flags = flags}});
}
