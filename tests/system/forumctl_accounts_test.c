/* forumctl user and token, on a forum that runs. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define PASSWORD "correct horse battery"
#define OTHER    "another horse entirely"
#define RUN_MS   20000

/* `input` is a line on its standard input. */
static struct program_result ctl(const struct forum *forum, const char *input, const char *command)
{
    const char *shell = keep_format("printf '%%s\\n' '%s' | %s %s --port-base %u --state-dir %s", input,
                                    forum_executable("forumctl"), command, forum_engines_port_base(forum),
                                    forum_state_directory(forum));
    return program_run((const char *[]){"/bin/sh", "-c", shell, NULL}, NULL, NULL, RUN_MS);
}

static void expect(const struct program_result *result, int code, const char *part)
{
    cr_assert(result->exit_code == code && strstr(result->output, part), "%d, not %d with \"%s\": %s",
              result->exit_code, code, part, result->output);
}
#define EXPECT(code, part, forum, input, command)                                                            \
    do {                                                                                                     \
        struct program_result result_ = ctl(forum, input, command);                                          \
        expect(&result_, code, part);                                                                        \
    } while (0)

static unsigned login(const struct forum *forum, const char *name, const char *password)
{
    const char *body = json_body("{'username':'%s','password':'%s'}", name, password);
    return forum_post(forum, "/api/auth/login", body)->status;
}

static unsigned feed(const struct forum *forum, const char *token)
{
    return forum_request(forum, "GET", "/api/feed", make_bearer(token), NULL)->status;
}

struct waiting {
    const struct forum *forum;
    const char *token;
};

static bool is_refused(void *arg)
{
    const struct waiting *waiting = arg;
    return feed(waiting->forum, waiting->token) == 401;
}

static void await_refusal(const struct forum *forum, const char *token)
{
    struct waiting waiting = {forum, token};
    cr_assert(wait_until(is_refused, &waiting, 5000), "it is still accepted");
}

static const char *first_line(const char *text)
{
    return keep_copy(text, strcspn(text, "\n"));
}

Test(forumctl_user, makes_accounts_sets_passwords_and_closes_sessions)
{
    struct forum *forum = forum_attach();
    const char *name = make_name("adm"), *create = keep_format("user create %s", name);
    EXPECT(0, keep_format(" is %s\n", name), forum, PASSWORD, create);
    cr_assert_eq(login(forum, name, PASSWORD), 200);
    EXPECT(1, "username_taken", forum, PASSWORD, create);
    EXPECT(0, "no open session", forum, OTHER, keep_format("user set-password %s", name));
    cr_assert_eq(login(forum, name, PASSWORD), 401);
    cr_assert_eq(login(forum, name, OTHER), 200);
    EXPECT(0, "\"sessions\":3,\"open_sessions\":1,\"password\":true", forum, "",
           keep_format("user show %s --json", name));
    EXPECT(0, "are closed", forum, "", keep_format("user close-sessions %s", name));
    EXPECT(0, "\"open_sessions\":0", forum, "", keep_format("user show %s --json", name));
    EXPECT(0, keep_format(" %s ", name), forum, "", "user list");
    const char *log = forum_log(forum);
    cr_assert(!strstr(log, PASSWORD) && !strstr(log, OTHER), "a password stands in the log");
}

Test(forumctl_user, makes_accounts_whose_only_way_in_is_the_token_that_is_printed)
{
    struct forum *forum = forum_attach();
    const char *create = keep_format("user create %s --no-password", make_name("tok"));
    struct program_result result = ctl(forum, "", create);
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    const char *token = first_line(strstr(result.output, "forumd1."));
    cr_assert_eq(feed(forum, token), 200);
}

Test(forumctl_token, issues_tokens_and_revokes_one_without_the_others)
{
    struct forum *forum = forum_attach();
    struct made_user user = make_account(forum, PASSWORD);
    struct program_result result = ctl(forum, "", keep_format("token issue %s --hours 2", user.name));
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    const char *token = first_line(result.output);
    cr_assert_eq(feed(forum, token), 200);
    EXPECT(0, "is closed", forum, token, "token revoke");
    await_refusal(forum, token);
    cr_assert_eq(feed(forum, user.token), 200);
    EXPECT(1, "invalid_token", forum, token, "token revoke");
}

Test(forumctl_user, says_what_is_wrong)
{
    struct forum *forum = forum_attach();
    static const struct {
        const char *command, *input;
        int code;
        const char *part;
    } rows[] = {
        {"user", "", 64, "user: say list"},
        {"user list more", "", 64, "user: say list"},
        {"user show", "", 64, "user: say list"},
        {"user remove ann", "", 64, "user: say list"},
        {"user create ab", PASSWORD, 64, "username: must have 3 to 20 characters"},
        {"user create 'a b c'", PASSWORD, 64, "username: has only letters"},
        {"user create short", "short", 64, "password: must have 10 to 128 characters"},
        {"user show nobody_here", "", 1, "user_not_found"},
        {"user set-password nobody_here", PASSWORD, 1, "user_not_found"},
        {"user set-password nobody_here", "short", 64, "password: must have"},
        {"user close-sessions nobody_here", "", 1, "user_not_found"},
        {"user list --mac-key /nowhere", "", 78, "cannot open the MAC key /nowhere"},
        {"user list --token-key /nowhere", "", 78, "cannot use the token key /nowhere"},
        {"token", "", 64, "token: say issue"},
        {"token issue", "", 64, "token: say issue"},
        {"token issue nobody_here", "", 1, "user_not_found"},
        {"token issue ann --hours 0", "", 64, "--hours: \"0\" is not a number from 1 to 720"},
        {"token revoke", "rubbish", 65, "this is no token of this forum"},
        {"token revoke", "forumd1.AAAA", 65, "this is no token of this forum"},
        {"token revoke", "", 65, "this is no token of this forum"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        EXPECT(rows[i].code, rows[i].part, forum, rows[i].input, rows[i].command);
    const char *shell = keep_format("%s user list --state-dir %s --port-base 31000",
                                    forum_executable("forumctl"), forum_state_directory(forum));
    struct program_result result =
        program_run((const char *[]){"/bin/sh", "-c", shell, NULL}, NULL, NULL, RUN_MS);
    expect(&result, 69, "the users engine does not answer");
}

/* Who has another key than the users engine is nobody. */
Test(forumctl_user, is_refused_without_the_key_that_tokens_are_signed_with)
{
    struct forum *forum = forum_attach();
    const char *other = keep_format("%s/other", forum_run_directory());
    const char *shell = keep_format("%s init --state-dir %s", forum_executable("forumctl"), other);
    struct program_result result =
        program_run((const char *[]){"/bin/sh", "-c", shell, NULL}, NULL, NULL, RUN_MS);
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    EXPECT(78, "does not take this token key", forum, "",
           keep_format("user list --token-key %s/token.key", other));
}

int main(int argc, char **argv)
{
    return forum_main(
        argc, argv,
        &(struct forum_plan){
            .shared = true,
            .spec = {.flags = (const char *[]){"--auth=required", "--limit-login=off", "--limit-register=off",
                                               "--login-slowdown=off", NULL}}});
}
