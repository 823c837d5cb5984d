/* Passwords and sessions of the users domain, with real hashes: the harness plays the password processes. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "common/limits.h"
#include "engined/domain.h"
#include "engined/password_hash.h"
#include "proto/schema_commands.h"
#include "proto/users.pb-c.h"
#include "tests/unit/harness.h"

#define PASSWORD "correct horse battery"
#define OTHER    "another horse entirely"
#define LONG_KEY "0123456789012345678901"

static struct harness *harness;

static void open_harness(void)
{
    harness = harness_open(&users_domain);
}

static void close_harness(void)
{
    harness_close(harness);
}

TestSuite(accounts, .init = open_harness, .fini = close_harness);

static Pb__UsersCreate creation(const char *name, const char *password)
{
    Pb__UsersCreate request = PB__USERS_CREATE__INIT;
    request.username = (char *)name;
    request.password = (char *)password;
    return request;
}

static struct token token_of(const char *text)
{
    struct token token;
    cr_assert(harness_token(harness, text, &token), "%s", text != NULL ? text : "no token");
    return token;
}

static struct token make_user(const char *name, const char *password)
{
    Pb__UsersCreate request = creation(name, password);
    Pb__UserRegistered *reply = NULL;
    cr_assert_eq(
        harness_run(harness, 0, "", COMMAND_ID_users_create, &request.base, (ProtobufCMessage **)&reply),
        STATUS_OK);
    return token_of(reply->token);
}

static enum status login(const char *name, const char *password, struct token *token)
{
    Pb__UsersLogin request = PB__USERS_LOGIN__INIT;
    Pb__UserSession *reply = NULL;
    request.username = (char *)name;
    request.password = (char *)password;
    enum status status =
        harness_run(harness, 0, "", COMMAND_ID_users_login, &request.base, (ProtobufCMessage **)&reply);
    if (status == STATUS_OK && token != NULL) {
        *token = token_of(reply->token);
        cr_assert_eq(token->expires_ms, reply->expires_at);
        cr_assert_str_eq(token->name, reply->username);
    }
    return status;
}

static enum status logout(const struct token *token, bool all)
{
    Pb__UsersLogout request = PB__USERS_LOGOUT__INIT;
    request.has_all = request.has_session = true;
    request.all = all;
    request.session = token->session;
    return harness_run(harness, token->user_id, token->name, COMMAND_ID_users_logout, &request.base, NULL);
}

static enum status renew(const struct token *token, struct token *fresh)
{
    Pb__UsersRenew request = PB__USERS_RENEW__INIT;
    Pb__UserSession *reply = NULL;
    request.has_session = true;
    request.session = token->session;
    enum status status = harness_run(harness, token->user_id, token->name, COMMAND_ID_users_renew,
                                     &request.base, (ProtobufCMessage **)&reply);
    if (status == STATUS_OK && fresh != NULL)
        *fresh = token_of(reply->token);
    return status;
}

static Pb__UsersSetPassword change(const struct token *token, const char *old_password,
                                   const char *new_password)
{
    Pb__UsersSetPassword request = PB__USERS_SET_PASSWORD__INIT;
    request.old_password = (char *)old_password;
    request.new_password = (char *)new_password;
    request.has_session = true;
    request.session = token->session;
    return request;
}

static enum status set_password(const struct token *token, const char *old_password, const char *new_password)
{
    Pb__UsersSetPassword request = change(token, old_password, new_password);
    return harness_run(harness, token->user_id, token->name, COMMAND_ID_users_set_password, &request.base,
                       NULL);
}

Test(accounts, log_in_with_their_password_in_a_session_each)
{
    struct token first = make_user("Ann", PASSWORD), second, third;
    cr_assert(first.user_id == 1 && first.session == 1);
    cr_assert_eq(login("ann", PASSWORD, &second), STATUS_OK);
    cr_assert(second.user_id == 1 && second.session == 2);
    cr_assert_str_eq(second.name, "Ann");
    cr_assert_eq(login("ANN", PASSWORD, &third), STATUS_OK);
    cr_assert_eq(third.session, 3);
}

Test(accounts, refuse_unknown_users_and_wrong_passwords_alike_after_the_same_work)
{
    make_user("ann", PASSWORD);
    make_user("bare", NULL);
    unsigned before = harness_passwords_asked(harness);
    uint64_t head = harness_head_seq(harness);
    cr_assert_eq(login("ann", OTHER, NULL), STATUS_INVALID_CREDENTIALS);
    cr_assert_eq(login("nobody", PASSWORD, NULL), STATUS_INVALID_CREDENTIALS);
    cr_assert_eq(login("bare", PASSWORD, NULL), STATUS_INVALID_CREDENTIALS);
    cr_assert_eq(harness_passwords_asked(harness), before + 3);
    cr_assert_eq(harness_head_seq(harness), head);
}

/* What no password has takes the parameters of all others, so that the time tells nothing. */
Test(accounts, hash_with_the_named_parameters)
{
    char hash[PASSWORD_HASH_MAX], expected[64];
    Pb__PasswordsCheck request = PB__PASSWORDS_CHECK__INIT;
    Pb__PasswordsChecked reply;
    request.new_password = (char *)PASSWORD;
    cr_assert(password_hash_answer(&request, hash, &reply));
    snprintf(expected, sizeof(expected), "$argon2id$v=19$m=%u,t=%u,p=1$", LIMIT_PASSWORD_MEMORY_BYTES / 1024,
             LIMIT_PASSWORD_PASSES);
    cr_assert_eq(strncmp(hash, expected, strlen(expected)), 0, "%s", hash);
    cr_assert(strncmp(password_nobodys_hash(), expected, strlen(expected)) == 0 &&
              strlen(password_nobodys_hash()) == strlen(hash));
    request.password = (char *)PASSWORD; /* without a hash: nobody's */
    cr_assert(password_hash_answer(&request, hash, &reply));
    cr_assert(!reply.matches && reply.new_hash == NULL);
}

Test(accounts, end_one_session_or_all)
{
    struct token first = make_user("ann", PASSWORD), second, third;
    cr_assert_eq(login("ann", PASSWORD, &second), STATUS_OK);
    cr_assert_eq(logout(&first, false), STATUS_OK);
    cr_assert_eq(logout(&first, false), STATUS_INVALID_TOKEN);
    cr_assert_eq(renew(&first, NULL), STATUS_INVALID_TOKEN);
    cr_assert_eq(renew(&second, NULL), STATUS_OK);
    cr_assert_eq(login("ann", PASSWORD, &third), STATUS_OK);
    cr_assert_eq(logout(&second, true), STATUS_OK);
    cr_assert_eq(renew(&second, NULL), STATUS_INVALID_TOKEN);
    cr_assert_eq(renew(&third, NULL), STATUS_INVALID_TOKEN);
    cr_assert_eq(set_password(&third, PASSWORD, OTHER), STATUS_INVALID_TOKEN);
    cr_assert_eq(login("ann", PASSWORD, &third), STATUS_OK);
    cr_assert(third.session == 4 && renew(&third, NULL) == STATUS_OK);
}

Test(accounts, renew_the_same_session_for_its_whole_life)
{
    struct token first = make_user("ann", NULL), fresh;
    harness_advance_ms(harness, 1000000);
    cr_assert_eq(renew(&first, &fresh), STATUS_OK);
    cr_assert_eq(fresh.session, first.session);
    cr_assert_eq(fresh.expires_ms, first.expires_ms + 1000000);
    const struct token never = {.user_id = 1, .session = 2, .name = "ann"},
                       nobody = {.user_id = 9, .session = 1};
    cr_assert_eq(renew(&never, NULL), STATUS_INVALID_TOKEN);
    cr_assert_eq(renew(&nobody, NULL), STATUS_INVALID_TOKEN);
}

Test(accounts, change_their_password_and_keep_only_the_session_that_did)
{
    struct token first = make_user("ann", PASSWORD), second;
    cr_assert_eq(login("ann", PASSWORD, &second), STATUS_OK);
    cr_assert_eq(set_password(&second, NULL, OTHER), STATUS_WRONG_PASSWORD);
    cr_assert_eq(set_password(&second, OTHER, OTHER), STATUS_WRONG_PASSWORD);
    cr_assert_eq(renew(&first, NULL), STATUS_OK);
    cr_assert_eq(set_password(&second, PASSWORD, OTHER), STATUS_OK);
    cr_assert_eq(renew(&first, NULL), STATUS_INVALID_TOKEN);
    cr_assert_eq(renew(&second, NULL), STATUS_OK);
    cr_assert_eq(login("ann", PASSWORD, NULL), STATUS_INVALID_CREDENTIALS);
    cr_assert_eq(login("ann", OTHER, NULL), STATUS_OK);
}

Test(accounts, without_a_password_may_set_a_first_one)
{
    struct token bare = make_user("bare", NULL);
    cr_assert_eq(set_password(&bare, NULL, PASSWORD), STATUS_OK);
    cr_assert_eq(login("bare", PASSWORD, NULL), STATUS_OK);
}

Test(accounts, go_on_after_a_restart_and_are_rebuilt_but_for_the_credentials)
{
    struct token first = make_user("ann", PASSWORD), second, third;
    cr_assert_eq(login("ann", PASSWORD, &second), STATUS_OK);
    cr_assert_eq(login("ann", PASSWORD, &third), STATUS_OK);
    cr_assert_eq(logout(&first, false), STATUS_OK);
    cr_assert_eq(set_password(&second, PASSWORD, OTHER), STATUS_OK);
    cr_assert(harness_rebuild_is_equal(harness));
    harness_restart(harness);
    cr_assert_eq(renew(&first, NULL), STATUS_INVALID_TOKEN);
    cr_assert_eq(renew(&second, NULL), STATUS_OK);
    cr_assert_eq(renew(&third, NULL), STATUS_INVALID_TOKEN);
    cr_assert_eq(login("ann", OTHER, &third), STATUS_OK);
    cr_assert_eq(third.session, 4);
}

/* --- replays --- */

static enum status create_keyed(const char *password, const char *key, bool *replayed,
                                Pb__UserRegistered **reply)
{
    Pb__UsersCreate request = creation("ann", password);
    /* The harness's id is of key and actor; that the key is long the gateway says by a flag. */
    return harness_run_keyed(harness, 0, "", COMMAND_ID_users_create, &request.base, key,
                             (ProtobufCMessage **)reply, replayed);
}

static void check_register_again(const char *first, const char *again, const char *key, bool with_token)
{
    bool replayed;
    Pb__UserRegistered *reply = NULL;
    cr_assert_eq(create_keyed(first, key, &replayed, &reply), STATUS_OK);
    cr_assert(!replayed && token_of(reply->token).session == 1);
    uint64_t head = harness_head_seq(harness);
    cr_assert_eq(create_keyed(again, key, &replayed, &reply), STATUS_OK);
    cr_assert(replayed && reply->user_id == 1);
    cr_assert_eq(reply->token != NULL, with_token);
    cr_assert_eq(harness_head_seq(harness), head);
}

Test(accounts, registered_again_with_the_password_get_the_token_again)
{
    check_register_again(PASSWORD, PASSWORD, "k", true);
}

Test(accounts, registered_again_with_another_password_get_no_token)
{
    check_register_again(PASSWORD, OTHER, LONG_KEY, false);
}

Test(accounts, registered_again_without_their_password_get_no_token)
{
    check_register_again(PASSWORD, NULL, LONG_KEY, false);
}

Test(accounts, registered_again_without_password_get_the_token_if_the_key_is_long)
{
    check_register_again(NULL, NULL, LONG_KEY, true);
}

Test(accounts, registered_again_without_password_under_a_short_key_get_no_token)
{
    check_register_again(NULL, NULL, &LONG_KEY[1], false);
}

Test(accounts, log_in_again_under_a_key_only_with_the_password)
{
    Pb__UsersLogin request = PB__USERS_LOGIN__INIT;
    Pb__UserSession *reply = NULL;
    bool replayed;
    make_user("ann", PASSWORD);
    request.username = (char *)"ann";
    request.password = (char *)PASSWORD;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(harness_run_keyed(harness, 0, "", COMMAND_ID_users_login, &request.base, "k",
                                       (ProtobufCMessage **)&reply, &replayed),
                     STATUS_OK);
        cr_assert_eq(replayed, i == 1);
        cr_assert_eq(token_of(reply->token).session, 2);
    }
    request.password = (char *)OTHER;
    cr_assert_eq(
        harness_run_keyed(harness, 0, "", COMMAND_ID_users_login, &request.base, "k", NULL, &replayed),
        STATUS_INVALID_CREDENTIALS);
}

Test(accounts, change_their_password_once_under_a_key)
{
    struct token token = make_user("ann", PASSWORD);
    Pb__UsersSetPassword request = change(&token, PASSWORD, OTHER);
    bool replayed;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(harness_run_keyed(harness, token.user_id, token.name, COMMAND_ID_users_set_password,
                                       &request.base, "k", NULL, &replayed),
                     STATUS_OK);
        cr_assert_eq(replayed, i == 1);
    }
    request.new_password = (char *)"a third horse by now";
    cr_assert_eq(harness_run_keyed(harness, token.user_id, token.name, COMMAND_ID_users_set_password,
                                   &request.base, "k", NULL, &replayed),
                 STATUS_KEY_REUSED);
}

/* --- the password processes are away, or have too much to do --- */

Test(accounts, are_told_at_their_deadline_when_nobody_checks_passwords)
{
    struct token token = make_user("ann", PASSWORD);
    harness_passwords_away(harness, true);
    cr_assert_eq(login("ann", PASSWORD, NULL), STATUS_DEFERRED);
    cr_assert_eq(renew(&token, NULL), STATUS_OK, "what needs no password goes on");
    harness_advance_ms(harness, LIMIT_DEADLINE_MS);
    harness_passwords_away(harness, false);
    cr_assert_eq(login("ann", PASSWORD, NULL), STATUS_OK);
}

Test(accounts, are_refused_when_too_many_passwords_wait)
{
    make_user("ann", PASSWORD);
    harness_passwords_away(harness, true);
    for (int i = 0; i < LIMIT_PASSWORD_JOBS; i++)
        cr_assert_eq(login("ann", PASSWORD, NULL), STATUS_DEFERRED);
    cr_assert_eq(login("ann", PASSWORD, NULL), STATUS_OVERLOADED);
}

/* --- no secret on the disk --- */

Test(accounts, leave_no_password_and_no_token_in_the_file)
{
    char command[256];
    struct token token = make_user("ann", PASSWORD);
    bool replayed;
    Pb__UserRegistered *reply = NULL;
    Pb__UsersCreate request = creation("bob", PASSWORD);
    cr_assert_eq(harness_run_keyed(harness, 0, "", COMMAND_ID_users_create, &request.base, LONG_KEY,
                                   (ProtobufCMessage **)&reply, &replayed),
                 STATUS_OK);
    cr_assert_eq(set_password(&token, PASSWORD, OTHER), STATUS_OK);
    snprintf(command, sizeof(command), "grep -qE '%s|%s|forumd1\\.' %s/*", PASSWORD, OTHER,
             harness_directory(harness));
    cr_assert_neq(system(command), 0);
    snprintf(command, sizeof(command), "grep -q 'argon2id' %s/*", harness_directory(harness));
    cr_assert_eq(system(command), 0, "the files are not where they were looked for");
}

/* --- administrators --- */

static const char *proof_of(uint64_t user_id, const char *name, uint64_t life_ms)
{
    static char text[TOKEN_TEXT_MAX];
    struct token token = {.user_id = user_id,
                          .issued_ms = harness_now_ms(harness),
                          .expires_ms = harness_now_ms(harness) + life_ms};
    snprintf(token.name, sizeof(token.name), "%s", name);
    harness_sign(harness, &token, text);
    return text;
}

static enum status admin_close(const char *proof, const char *name, uint64_t session)
{
    Pb__UsersAdminClose request = PB__USERS_ADMIN_CLOSE__INIT;
    ProtobufCMessage *reply;
    request.proof = (char *)proof;
    request.username = (char *)name;
    request.has_session = true;
    request.session = session;
    return harness_run(harness, 0, "", COMMAND_ID_users_admin_close, &request.base, &reply);
}

Test(accounts, are_closed_to_administrators_without_a_proof_made_just_now)
{
    (void)make_user("ann", PASSWORD);
    struct token token;
    cr_assert_eq(login("ann", PASSWORD, &token), STATUS_OK);
    cr_expect_eq(admin_close(NULL, "ann", 0), STATUS_FORBIDDEN);
    cr_expect_eq(admin_close("", "ann", 0), STATUS_FORBIDDEN);
    cr_expect_eq(admin_close("forumd1.AAAA", "ann", 0), STATUS_FORBIDDEN);
    cr_expect_eq(admin_close(proof_of(1, "ann", 60000), "ann", 0), STATUS_FORBIDDEN, "a user's token");
    cr_expect_eq(admin_close(proof_of(1, ADMIN_NAME, 60000), "ann", 0), STATUS_FORBIDDEN,
                 "somebody may be called that");
    cr_expect_eq(admin_close(proof_of(0, ADMIN_NAME, LIMIT_ADMIN_PROOF_MS + 1), "ann", 0), STATUS_FORBIDDEN);
    char old[TOKEN_TEXT_MAX];
    strcpy(old, proof_of(0, ADMIN_NAME, LIMIT_ADMIN_PROOF_MS));
    harness_advance_ms(harness, LIMIT_ADMIN_PROOF_MS + 1);
    cr_expect_eq(admin_close(old, "ann", 0), STATUS_FORBIDDEN);
    cr_expect_eq(admin_close(proof_of(0, ADMIN_NAME, 60000), "ann", token.session), STATUS_OK);
    cr_expect_eq(admin_close(proof_of(0, ADMIN_NAME, 60000), "ann", token.session), STATUS_INVALID_TOKEN);
    cr_expect_eq(admin_close(proof_of(0, ADMIN_NAME, 60000), "bob", 0), STATUS_USER_NOT_FOUND);
}

Test(accounts, get_tokens_of_the_length_that_an_administrator_says)
{
    (void)make_user("ann", NULL);
    Pb__UsersAdminIssue request = PB__USERS_ADMIN_ISSUE__INIT;
    Pb__UserSession *reply = NULL;
    request.proof = (char *)proof_of(0, ADMIN_NAME, 60000);
    request.username = "ANN";
    request.has_life_ms = true;
    request.life_ms = 7200000;
    cr_assert_eq(
        harness_run(harness, 0, "", COMMAND_ID_users_admin_issue, &request.base, (ProtobufCMessage **)&reply),
        STATUS_OK);
    struct token token = token_of(reply->token);
    cr_expect_eq(token.user_id, 1);
    cr_expect_eq(token.session, 2);
    cr_expect_str_eq(token.name, "ann");
    cr_expect_eq(token.expires_ms, harness_now_ms(harness) + 7200000);
    cr_expect_eq(token.issued_ms, harness_now_ms(harness));
    request.life_ms = TOKEN_LIFE_MS + 1;
    cr_expect_eq(
        harness_run(harness, 0, "", COMMAND_ID_users_admin_issue, &request.base, (ProtobufCMessage **)&reply),
        STATUS_BAD_FRAME, "closed sessions are remembered for as long as a token lives");
    cr_expect(harness_rebuild_is_equal(harness));
}

Test(accounts, have_a_password_that_an_administrator_set_and_no_session_then)
{
    struct token first = make_user("ann", PASSWORD), token;
    Pb__UsersAdminSetPassword request = PB__USERS_ADMIN_SET_PASSWORD__INIT;
    ProtobufCMessage *reply;
    request.proof = (char *)proof_of(0, ADMIN_NAME, 60000);
    request.username = "ann";
    request.new_password = OTHER;
    cr_assert_eq(harness_run(harness, 0, "", COMMAND_ID_users_admin_set_password, &request.base, &reply),
                 STATUS_OK);
    cr_expect_eq(login("ann", PASSWORD, &token), STATUS_INVALID_CREDENTIALS);
    cr_expect_eq(login("ann", OTHER, &token), STATUS_OK);
    Pb__UsersRenew renew = PB__USERS_RENEW__INIT;
    renew.has_session = true;
    renew.session = first.session;
    cr_expect_eq(harness_run(harness, 1, "ann", COMMAND_ID_users_renew, &renew.base, &reply),
                 STATUS_INVALID_TOKEN);
    Pb__UsersAdminGet get = PB__USERS_ADMIN_GET__INIT;
    Pb__UserAccount *account;
    get.proof = (char *)proof_of(0, ADMIN_NAME, 60000);
    get.username = "ann";
    cr_assert_eq(
        harness_run(harness, 0, "", COMMAND_ID_users_admin_get, &get.base, (ProtobufCMessage **)&account),
        STATUS_OK);
    cr_expect_eq(account->sessions, 2);
    cr_expect_eq(account->open_sessions, 1);
    cr_expect(account->password && !account->has_key);
}
