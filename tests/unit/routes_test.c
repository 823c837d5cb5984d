#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/auth.h"
#include "gateway/compose.h"
#include "gateway/message_fields.h"
#include "gateway/routes.h"
#include "proto/users.pb-c.h"

static struct arena *arena;
static const struct route *route;
static struct text_param params[ROUTE_PARAMS_MAX];
static size_t param_count;
static char allow[64];

static void open_arena(void)
{
    arena = arena_new();
}

static void close_arena(void)
{
    arena_free(arena);
}

TestSuite(routes, .init = open_arena, .fini = close_arena);

static enum route_match match(const char *method, const char *path)
{
    return route_match(method, path, arena, &route, params, &param_count, allow, sizeof(allow));
}

static const char *param(const char *name)
{
    for (size_t i = 0; i < param_count; i++)
        if (strcmp(params[i].name, name) == 0)
            return params[i].value;
    return "(none)";
}

Test(routes, match_a_path_with_parameters)
{
    cr_assert_eq(match("POST", "/api/dm/conversation/user_1/user_2/read"), ROUTE_FOUND);
    cr_expect_eq(route->command, CMD_dms_mark_read);
    cr_expect_eq(param_count, 2);
    cr_expect_str_eq(param("a"), "user_1");
    cr_expect_str_eq(param("b"), "user_2");
    cr_expect(params[0].from_path);
}

Test(routes, decode_percent_escapes_in_parameters_and_names)
{
    cr_assert_eq(match("GET", "/api/r/c%6fffee%2F%C3%A9"), ROUTE_FOUND);
    cr_expect_str_eq(param("name"), "coffee/\xc3\xa9");
    cr_expect_eq(match("GET", "/%61pi/subreddits"), ROUTE_FOUND);
    cr_expect_eq(match("GET", "/api/r/a%4"), ROUTE_NO_PATH);
    cr_expect_eq(match("GET", "/api/r/a%zz"), ROUTE_NO_PATH);
}

Test(routes, keep_a_nul_in_a_parameter_visible_by_its_length)
{
    cr_assert_eq(match("GET", "/api/r/a%00b"), ROUTE_FOUND);
    cr_expect_eq(params[0].length, 3);
}

Test(routes, match_whole_paths_only)
{
    static const char *const strangers[] = {"",
                                            "//",
                                            "/api",
                                            "/api/",
                                            "/api/subreddits/",
                                            "/heal",
                                            "/healt/h",
                                            "/api/users//posts",
                                            "/api/r/",
                                            "/api/feed/user_1/x",
                                            "/API/subreddits"};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
        cr_expect_eq(match("GET", strangers[i]), ROUTE_NO_PATH, "%s matched", strangers[i]);
}

Test(routes, serve_head_wherever_get_is)
{
    for (size_t i = 0; i < route_count; i++) {
        if (strchr(routes[i].path, ':') != NULL)
            continue;
        bool get = strcmp(routes[i].method, "GET") == 0;
        cr_expect_eq(match("HEAD", routes[i].path), get ? ROUTE_FOUND : ROUTE_NO_METHOD, "%s",
                     routes[i].path);
    }
}

Test(routes, name_the_allowed_methods_of_a_path)
{
    cr_assert_eq(match("DELETE", "/api/posts/post_1"), ROUTE_NO_METHOD);
    cr_expect_str_eq(allow, "GET, HEAD, OPTIONS");
    cr_assert_eq(match("OPTIONS", "/api/auth/register"), ROUTE_NO_METHOD);
    cr_expect_str_eq(allow, "POST, OPTIONS");
}

Test(routes, prefer_a_literal_path_to_a_parameter)
{
    cr_assert_eq(match("GET", "/api/posts/create"), ROUTE_NO_METHOD);
    cr_expect_str_eq(allow, "POST, OPTIONS");
    cr_assert_eq(match("POST", "/api/posts/create"), ROUTE_FOUND);
    cr_expect_eq(route->command, CMD_posts_create);
}

/* What only processes say to each other, or what is a second step of a route. */
static bool command_is_internal(size_t index)
{
    static const enum command_index internal[] = {
        CMD_engine_ping,
        CMD_engine_collect,
        CMD_engine_pull,
        CMD_engine_head,
        CMD_engine_copy,
        CMD_users_resolve,
        CMD_users_keys,
        CMD_users_touch,
        CMD_passwords_check,
        CMD_subreddits_resolve,
        CMD_subreddits_joined,
        CMD_posts_resolve,
        CMD_posts_multiget,
        CMD_engine_trace,
        CMD_users_admin_list,
        CMD_users_admin_get,
        CMD_users_admin_set_password,
        CMD_users_admin_close,
        CMD_users_admin_issue,
    };
    for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); i++)
        if (internal[i] == index)
            return true;
    return false;
}

Test(routes, reach_every_command_that_is_not_internal)
{
    for (size_t c = 0; c < schema_command_count; c++) {
        bool reached = false;
        for (size_t r = 0; r < route_count; r++)
            reached = reached || (routes[r].kind == ROUTE_COMMAND && routes[r].command == c);
        cr_expect_eq(reached, !command_is_internal(c), "%s", schema_commands[c].name);
    }
}

/* Each ":name" of a path, handed to `check`. */
static void each_parameter(const char *path, void (*check)(const struct route *row, const char *name),
                           const struct route *row)
{
    while ((path = strchr(path, ':')) != NULL) {
        char name[32];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(path + 1, "/"), path + 1);
        check(row, name);
        path++;
    }
}

static void is_a_field_of_the_request(const struct route *row, const char *name)
{
    unsigned index;
    cr_expect(schema_field_by_name(schema_commands[row->command].request, name, &index) != NULL, "%s: %s",
              row->path, name);
}

static void is_an_id_of_the_reply(const struct route *row, const char *name)
{
    unsigned index;
    const struct schema_field *field = schema_field_by_name(compose_answer_schema(row), name, &index);
    cr_expect(field != NULL && field->id != ID_NONE, "%s: %s", row->location, name);
}

Test(routes, name_fields_that_their_commands_have)
{
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].kind != ROUTE_COMMAND)
            continue;
        each_parameter(routes[i].path, is_a_field_of_the_request, &routes[i]);
        for (size_t u = 0; u < ROUTE_USERS_MAX && routes[i].users[u] != NULL; u++)
            is_a_field_of_the_request(&routes[i], routes[i].users[u]);
    }
}

Test(routes, say_where_each_thing_made_is_found)
{
    for (size_t i = 0; i < route_count; i++) {
        cr_expect_eq(routes[i].location != NULL, routes[i].success == 201, "%s", routes[i].path);
        if (routes[i].location == NULL)
            continue;
        if (strchr(routes[i].location, ':') == NULL)
            cr_expect_not_null(message_first_id(compose_answer_schema(&routes[i])), "%s", routes[i].path);
        each_parameter(routes[i].location, is_an_id_of_the_reply, &routes[i]);
    }
}

Test(routes, know_who_acts_in_every_write)
{
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].kind != ROUTE_COMMAND || routes[i].command == CMD_users_create ||
            routes[i].command == CMD_users_login)
            continue;
        unsigned index;
        const struct schema_command *command = &schema_commands[routes[i].command];
        if (command->kind == COMMAND_WRITE) {
            cr_expect_neq(routes[i].auth, ROUTE_PUBLIC, "%s", routes[i].path);
            cr_expect(message_actor_field(command->request) != NULL || auth_needs_token(&routes[i]), "%s",
                      routes[i].path);
        }
        if (schema_field_by_name(command->request, "session", &index) != NULL)
            cr_expect(auth_needs_token(&routes[i]), "%s", routes[i].path);
    }
}

static const struct route *row(const char *method, const char *path)
{
    for (size_t i = 0; i < route_count; i++)
        if (strcmp(routes[i].method, method) == 0 && strcmp(routes[i].path, path) == 0)
            return &routes[i];
    cr_assert_fail("no %s %s", method, path);
    return NULL;
}

Test(limits, count_every_route_but_those_for_who_watches_the_server)
{
    for (size_t i = 0; i < route_count; i++) {
        bool watched = strcmp(routes[i].path, "/health") == 0 || strcmp(routes[i].path, "/ready") == 0 ||
                       strcmp(routes[i].path, "/metrics") == 0;
        cr_expect_eq(route_rate_class(&routes[i]) == RATE_NONE, watched, "%s", routes[i].path);
    }
    cr_expect_eq(route_rate_class(row("POST", "/api/auth/register")), RATE_REGISTER);
    cr_expect_eq(route_rate_class(row("POST", "/api/auth/login")), RATE_LOGIN);
    cr_expect_eq(route_rate_class(row("POST", "/api/auth/password")), RATE_LOGIN);
    cr_expect_eq(route_rate_class(row("POST", "/api/posts/:post_id/vote")), RATE_WRITE);
    cr_expect_eq(route_rate_class(row("GET", "/api/feed")), RATE_READ);
}

Test(limits, slow_down_where_a_password_is_shown)
{
    cr_expect_eq(row("POST", "/api/auth/login")->guard, GUARD_USERNAME);
    cr_expect_eq(row("POST", "/api/auth/password")->guard, GUARD_ACTOR);
}

Test(message, texts_are_read_by_name)
{
    const struct schema_message *schema = schema_commands[CMD_users_create].request;
    Pb__UsersCreate message = PB__USERS_CREATE__INIT;
    const char *text = "before";
    cr_expect(!message_text(schema, &message.base, "username", &text));
    cr_expect(!message_text(schema, &message.base, "no_such_field", &text));
    cr_expect_str_eq(text, "before");
    message.username = (char[]){"ann"};
    cr_expect(message_text(schema, &message.base, "username", &text));
    cr_expect_str_eq(text, "ann");
    const struct schema_message *vote = schema_commands[CMD_posts_vote].request;
    cr_expect(!message_text(vote, &message.base, "post_id", &text), "a number is no text");
}
