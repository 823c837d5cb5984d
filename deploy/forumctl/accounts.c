/* forumctl user and forumctl token: accounts, sessions and tokens, through the running users engine. */
#include <bsd/readpassphrase.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/options.h"
#include "deploy/forumctl/command.h"
#include "deploy/forumctl/engines.h"
#include "deploy/state/state_dir.h"
#include "proto/rules.h"
#include "proto/token.h"
#include "proto/users.pb-c.h"

#define SECRET_BYTES 1024 /* a password or a token, as it is typed */
#define TIME_BYTES   32

/* What all of these have. */
struct accounts {
    struct engines_options options;
    const char *token_key; /* NULL: STATE-DIR/token.key */
    bool json, no_password;
    unsigned hours;
    struct engines *engines;
    struct arena *arena;
    char proof[TOKEN_TEXT_MAX];
};

/* Exits (EXIT_USAGE) naming the rule that `text` breaks. */
static void check_text(const struct schema_message *schema, const char *field_name, const char *text)
{
    unsigned index;
    const struct schema_field *field = schema_field_by_name(schema, field_name, &index);
    ensure(field != NULL);
    size_t chars = rules_count_chars(text, strlen(text));
    if (chars < field->min_chars || chars > field->max_chars)
        fatal_exit(EXIT_USAGE, "%s: must have %u to %u characters", field_name, field->min_chars,
                   field->max_chars);
    if (!rules_pattern_matches(field->pattern, text, strlen(text)))
        fatal_exit(EXIT_USAGE, "%s: %s", field_name, rules_pattern_words(field->pattern));
}

/* From the terminal, unseen, or a line of standard input. */
static void read_secret(const char *prompt, char out[static SECRET_BYTES])
{
    if (readpassphrase(prompt, out, SECRET_BYTES, RPP_STDIN) == NULL)
        fatal_exit(EXIT_DATA, "nothing was given to read");
}

static void read_new_password(char out[static SECRET_BYTES])
{
    char again[SECRET_BYTES];
    read_secret("Password: ", out);
    check_text(schema_commands[CMD_users_create].request, "password", out);
    if (isatty(STDIN_FILENO)) {
        read_secret("The same again: ", again);
        bool same = strcmp(out, again) == 0;
        sodium_memzero(again, sizeof(again));
        if (!same)
            fatal_exit(EXIT_DATA, "the two are not the same");
    }
}

/* What only who has the key can make (context_is_admin in engined/context.h). */
static void make_proof(struct accounts *accounts)
{
    char path[PATH_MAX];
    struct token_secret_key key;
    uint64_t now_ms = clock_wall_ms();
    struct token token = {
        .issued_ms = now_ms, .expires_ms = now_ms + LIMIT_ADMIN_PROOF_MS, .name = ADMIN_NAME};
    if (accounts->token_key == NULL)
        state_dir_key_path(accounts->options.state_dir, TOKEN_SECRET_FILE, path, sizeof(path));
    const char *used = accounts->token_key != NULL ? accounts->token_key : path;
    const char *why = token_secret_key_load(used, &key);
    if (why != NULL)
        fatal_exit(EXIT_CONFIG, "cannot use the token key %s: %s", used, why);
    token_sign(&token, &key, accounts->proof);
    sodium_memzero(&key, sizeof(key));
}

/* Exits with one clear line unless it went well. */
static ProtobufCMessage *run(struct accounts *accounts, enum command_index command, uint64_t actor,
                             const ProtobufCMessage *request)
{
    ProtobufCMessage *reply = NULL;
    struct admin_command admin = {.command = command, .actor = actor, .request = request};
    enum status status = engines_run(accounts->engines, &admin, accounts->arena, &reply);
    switch (status) {
    case STATUS_OK:
        return reply;
    case STATUS_ENGINE_UNAVAILABLE:
        fatal_exit(EXIT_UNAVAILABLE, "the users engine does not answer (forumctl status tells more)");
    case STATUS_FORBIDDEN:
        fatal_exit(EXIT_CONFIG, "the users engine does not take this token key: it signs with another one");
    case STATUS_BAD_FRAME:
        fatal_exit(EXIT_UNAVAILABLE, "the users engine is of a version that cannot do this");
    default:
        break;
    }
    fatal_exit(EXIT_FAILURE, "%s (%s)", status_row((uint16_t)status)->detail,
               status_row((uint16_t)status)->code);
}

static void format_time(uint64_t ms, char out[static TIME_BYTES])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(out, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static void print_account(const struct accounts *accounts, const Pb__UserAccount *account)
{
    char created[TIME_BYTES];
    format_time(account->created_at, created);
    if (accounts->json) /* no name has a character that needs an escape */
        printf("{\"user_id\":\"user_%" PRIu64 "\",\"username\":\"%s\",\"created_at\":%" PRIu64
               ",\"sessions\":%" PRIu64 ",\"open_sessions\":%" PRIu64 ",\"password\":%s,\"key\":%s}\n",
               account->user_id, account->username, account->created_at, account->sessions,
               account->open_sessions, account->password ? "true" : "false",
               account->has_key ? "true" : "false");
    else
        printf("%-10" PRIu64 " %-20s %s %8" PRIu64 " %8" PRIu64 "  %-8s %s\n", account->user_id,
               account->username, created, account->sessions, account->open_sessions,
               account->password ? "yes" : "no", account->has_key ? "yes" : "no");
}

static void print_head(const struct accounts *accounts)
{
    if (!accounts->json)
        printf("%-10s %-20s %-20s %8s %8s  %-8s %s\n", "USER", "NAME", "CREATED", "SESSIONS", "OPEN",
               "PASSWORD", "KEY");
}

static void list(struct accounts *accounts, const char *name)
{
    (void)name;
    Pb__UsersAdminList request = PB__USERS_ADMIN_LIST__INIT;
    request.proof = accounts->proof;
    request.has_after_user_id = true;
    const Pb__UserAccounts *page;
    print_head(accounts);
    do {
        arena_reset(accounts->arena);
        make_proof(accounts); /* a list may take longer than a proof is good for */
        page = (const Pb__UserAccounts *)run(accounts, CMD_users_admin_list, 0, &request.base);
        for (size_t i = 0; i < page->n_items; i++) {
            print_account(accounts, page->items[i]);
            request.after_user_id = page->items[i]->user_id;
        }
    } while (page->n_items > 0);
}

static void show(struct accounts *accounts, const char *name)
{
    Pb__UsersAdminGet request = PB__USERS_ADMIN_GET__INIT;
    request.proof = accounts->proof;
    request.username = (char *)(uintptr_t)name;
    const ProtobufCMessage *account = run(accounts, CMD_users_admin_get, 0, &request.base);
    print_head(accounts);
    print_account(accounts, (const Pb__UserAccount *)account);
}

static void create(struct accounts *accounts, const char *name)
{
    char password[SECRET_BYTES];
    Pb__UsersCreate request = PB__USERS_CREATE__INIT;
    check_text(schema_commands[CMD_users_create].request, "username", name);
    request.username = (char *)(uintptr_t)name;
    if (!accounts->no_password) {
        read_new_password(password);
        request.password = password;
    }
    const Pb__UserRegistered *made =
        (const Pb__UserRegistered *)run(accounts, CMD_users_create, 0, &request.base);
    sodium_memzero(password, sizeof(password));
    printf("user_%" PRIu64 " is %s\n", made->user_id, made->username);
    if (accounts->no_password && made->token != NULL)
        printf("%s\n", made->token); /* the only way in */
}

static void set_password(struct accounts *accounts, const char *name)
{
    char password[SECRET_BYTES];
    Pb__UsersAdminSetPassword request = PB__USERS_ADMIN_SET_PASSWORD__INIT;
    read_new_password(password);
    make_proof(accounts);
    request.proof = accounts->proof;
    request.username = (char *)(uintptr_t)name;
    request.new_password = password;
    (void)!run(accounts, CMD_users_admin_set_password, 0, &request.base);
    sodium_memzero(password, sizeof(password));
    printf("%s has another password, and no open session\n", name);
}

static void close_sessions(struct accounts *accounts, const char *name)
{
    Pb__UsersAdminClose request = PB__USERS_ADMIN_CLOSE__INIT;
    request.proof = accounts->proof;
    request.username = (char *)(uintptr_t)name;
    (void)!run(accounts, CMD_users_admin_close, 0, &request.base);
    printf("all sessions of %s are closed\n", name);
}

static void issue_token(struct accounts *accounts, const char *name)
{
    Pb__UsersAdminIssue request = PB__USERS_ADMIN_ISSUE__INIT;
    request.proof = accounts->proof;
    request.username = (char *)(uintptr_t)name;
    request.has_life_ms = true;
    request.life_ms = (uint64_t)accounts->hours * 3600 * 1000;
    const Pb__UserSession *session =
        (const Pb__UserSession *)run(accounts, CMD_users_admin_issue, 0, &request.base);
    printf("%s\n", session->token);
}

/* Who made it out, and when, is for the users engine: here only whose session it is of. */
static void revoke_token(struct accounts *accounts, const char *name)
{
    char text[SECRET_BYTES], path[PATH_MAX];
    struct token_public_keys keys;
    struct token token;
    (void)name;
    read_secret("Token: ", text);
    state_dir_key_path(accounts->options.state_dir, TOKEN_PUBLIC_FILE, path, sizeof(path));
    const char *why = token_public_keys_load(path, &keys);
    if (why != NULL)
        fatal_exit(EXIT_CONFIG, "cannot use the token keys %s: %s", path, why);
    enum token_fault fault = token_open(text, strlen(text), &keys, clock_wall_ms(), &token);
    sodium_memzero(text, sizeof(text));
    if (fault == TOKEN_EXPIRED)
        fatal_exit(EXIT_DATA, "this token has expired");
    if (fault != TOKEN_FINE)
        fatal_exit(EXIT_DATA, "this is no token of this forum");
    Pb__UsersAdminClose request = PB__USERS_ADMIN_CLOSE__INIT;
    make_proof(accounts);
    request.proof = accounts->proof;
    request.username = token.name;
    request.has_session = true;
    request.session = token.session;
    (void)!run(accounts, CMD_users_admin_close, 0, &request.base);
    printf("the session of this token of %s is closed\n", token.name);
}

struct action {
    const char *name;
    bool takes_name; /* of a user */
    void (*run)(struct accounts *accounts, const char *name);
};
static const struct action user_actions[] = {
    {"list", false, list},
    {"show", true, show},
    {"create", true, create},
    {"set-password", true, set_password},
    {"close-sessions", true, close_sessions},
};
static const struct action token_actions[] = {
    {"issue", true, issue_token},
    {"revoke", false, revoke_token},
};

static const struct action *find_action(const struct action *actions, size_t count, const char *name,
                                        size_t operands)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(actions[i].name, name) == 0 && operands == 1u + actions[i].takes_name)
            return &actions[i];
    return NULL;
}

static int run_action(struct accounts *accounts, const struct action *action, const char *name)
{
    accounts->arena = arena_new();
    make_proof(accounts);
    accounts->engines = engines_open(&accounts->options);
    action->run(accounts, name);
    engines_close(accounts->engines);
    arena_free(accounts->arena);
    sodium_memzero(accounts->proof, sizeof(accounts->proof));
    return EXIT_SUCCESS;
}

int ctl_user(int argc, char **argv)
{
    struct accounts accounts = {.options = ENGINES_OPTIONS_DEFAULT};
    const struct option_row rows[] = {
        ENGINES_OPTION_ROWS(&accounts.options),
        {"token-key", OPTION_STRING, &accounts.token_key, 0, 0, NULL, "FILE",
         "proves who asks (default STATE-DIR/token.key or /etc/forumd/token.key)"},
        {"json", OPTION_FLAG, &accounts.json, 0, 0, NULL, NULL, "list, show: a JSON object a line"},
        {"no-password", OPTION_FLAG, &accounts.no_password, 0, 0, NULL, NULL,
         "create: the token that is printed is the only way in"},
    };
    size_t operands = options_parse(
        "forumctl user list | show NAME | create NAME | set-password NAME | close-sessions NAME [flags]\n\n"
        "Accounts of a forum that runs. Passwords are asked for at a terminal, or read from standard input.",
        rows, ARRAY_LEN(rows), argc, argv);
    const char *name = operands > 0 ? argv[(size_t)argc - operands] : "";
    const struct action *action = find_action(user_actions, ARRAY_LEN(user_actions), name, operands);
    if (action == NULL)
        fatal_exit(EXIT_USAGE, "user: say list, or show, create, set-password or close-sessions and a NAME");
    return run_action(&accounts, action, argv[argc - 1]);
}

int ctl_token(int argc, char **argv)
{
    struct accounts accounts = {.options = ENGINES_OPTIONS_DEFAULT, .hours = 24};
    const struct option_row rows[] = {
        ENGINES_OPTION_ROWS(&accounts.options),
        {"token-key", OPTION_STRING, &accounts.token_key, 0, 0, NULL, "FILE",
         "proves who asks (default STATE-DIR/token.key or /etc/forumd/token.key)"},
        {"hours", OPTION_UINT, &accounts.hours, 1, TOKEN_LIFE_MS / 3600000, NULL, "N",
         "issue: how long it is good for (24)"},
    };
    size_t operands = options_parse("forumctl token issue NAME | revoke [flags]\n\n"
                                    "A token for a user of a forum that runs; the end of one, which is asked "
                                    "for at a terminal, or read from standard input.",
                                    rows, ARRAY_LEN(rows), argc, argv);
    const char *name = operands > 0 ? argv[(size_t)argc - operands] : "";
    const struct action *action = find_action(token_actions, ARRAY_LEN(token_actions), name, operands);
    if (action == NULL)
        fatal_exit(EXIT_USAGE, "token: say issue and a NAME, or revoke");
    return run_action(&accounts, action, argv[argc - 1]);
}
