#include "gateway/routes.h"

#include <stdio.h>
#include <string.h>

#include "common/attributes.h"
#include "gateway/cache_rules.h"
#include "gateway/compose.h"
#include "gateway/key_rules.h"
#include "gateway/local.h"
#include "gateway/percent.h"

/*
 * Of two rows whose paths both match, the one with fewer parameters counts: GET /api/posts/create is a wrong
 * method, not a malformed post id.
 */
const struct route routes[] = {
    {.method = "GET",
     .path = "/",
     .kind = ROUTE_LOCAL,
     .local = local_root,
     .success = 200,
     .summary = "What this server is, and where to go on"},
    {.method = "GET",
     .path = "/health",
     .kind = ROUTE_LOCAL,
     .local = local_health,
     .success = 200,
     .rate = RATED_NOT,
     .summary = "This worker runs"},
    {.method = "GET",
     .path = "/ready",
     .kind = ROUTE_LOCAL,
     .local = local_ready,
     .success = 200,
     .rate = RATED_NOT,
     .summary = "Every engine answers; each one's state"},
    {.method = "GET",
     .path = "/metrics",
     .kind = ROUTE_LOCAL,
     .local = local_metrics,
     .success = 200,
     .rate = RATED_NOT,
     .summary = "Counters as Prometheus text"},
    {.method = "GET",
     .path = "/openapi.json",
     .kind = ROUTE_LOCAL,
     .local = local_openapi,
     .success = 200,
     .summary = "This contract as OpenAPI 3.1"},

    {.method = "POST",
     .path = "/api/auth/register",
     .command = CMD_users_create,
     .success = 201,
     .location = "/api/users/",
     .rate = RATED_AS_REGISTER,
     .check = key_rules_of_user,
     .summary = "Register a user"},
    {.method = "POST",
     .path = "/api/auth/login",
     .command = CMD_users_login,
     .success = 200,
     .rate = RATED_AS_LOGIN,
     .guard = GUARD_USERNAME,
     .summary = "Log in with a password"},
    {.method = "POST",
     .path = "/api/auth/logout",
     .command = CMD_users_logout,
     .success = 200,
     .auth = ROUTE_ACTOR,
     .summary = "End this token, or all of the user's"},
    {.method = "POST",
     .path = "/api/auth/password",
     .command = CMD_users_set_password,
     .success = 200,
     .auth = ROUTE_ACTOR,
     .rate = RATED_AS_LOGIN,
     .guard = GUARD_ACTOR,
     .summary = "Set or change the password"},
    {.method = "POST",
     .path = "/api/auth/renew",
     .command = CMD_users_renew,
     .success = 200,
     .auth = ROUTE_ACTOR,
     .summary = "A fresh token for a valid one"},
    {.method = "GET",
     .path = "/api/auth/user/:username",
     .command = CMD_users_get_by_name,
     .success = 200,
     .compose = &compose_profile,
     .summary = "A user by name"},

    {.method = "GET",
     .path = "/api/users/:user_id",
     .command = CMD_users_get,
     .success = 200,
     .compose = &compose_profile,
     .summary = "A user by id"},
    {.method = "GET",
     .path = "/api/users/:user_id/public-key",
     .command = CMD_users_get_key,
     .success = 200,
     .cache = &cache_user_key,
     .summary = "The key a user signs with"},
    {.method = "GET",
     .path = "/api/users/:user_id/posts",
     .command = CMD_posts_of_user,
     .success = 200,
     .users = {"user_id"},
     .cache = &cache_posts_of_user,
     .summary = "A user's posts, newest first"},
    {.method = "GET",
     .path = "/api/users/:user_id/comments",
     .command = CMD_comments_of_user,
     .success = 200,
     .users = {"user_id"},
     .cache = &cache_comments_of_user,
     .summary = "A user's comments, newest first"},

    {.method = "GET",
     .path = "/api/subreddits",
     .command = CMD_subreddits_list,
     .success = 200,
     .cache = &cache_subreddits,
     .summary = "All subreddits"},
    {.method = "POST",
     .path = "/api/subreddits/create",
     .command = CMD_subreddits_create,
     .success = 201,
     .location = "/api/subreddits/",
     .auth = ROUTE_ACTOR,
     .summary = "Create a subreddit and join it"},
    {.method = "GET",
     .path = "/api/subreddits/:subreddit_id",
     .command = CMD_subreddits_get,
     .success = 200,
     .cache = &cache_subreddit,
     .summary = "A subreddit by id"},
    {.method = "GET",
     .path = "/api/r/:name",
     .command = CMD_subreddits_get_by_name,
     .success = 200,
     .cache = &cache_subreddit_by_name,
     .summary = "A subreddit by name"},
    {.method = "POST",
     .path = "/api/subreddits/:subreddit_id/join",
     .command = CMD_subreddits_join,
     .success = 200,
     .auth = ROUTE_ACTOR,
     .summary = "Join a subreddit"},
    {.method = "POST",
     .path = "/api/subreddits/:subreddit_id/leave",
     .command = CMD_subreddits_leave,
     .success = 200,
     .auth = ROUTE_ACTOR,
     .summary = "Leave a subreddit"},
    {.method = "GET",
     .path = "/api/subreddits/:subreddit_id/posts",
     .command = CMD_posts_of_subreddit,
     .success = 200,
     .cache = &cache_posts_of_subreddit,
     .summary = "A subreddit's posts"},

    {.method = "POST",
     .path = "/api/posts/create",
     .command = CMD_posts_create,
     .success = 201,
     .location = "/api/posts/",
     .auth = ROUTE_ACTOR,
     .check = key_rules_of_post,
     .summary = "Post to a subreddit"},
    {.method = "GET",
     .path = "/api/posts/:post_id",
     .command = CMD_posts_get,
     .success = 200,
     .cache = &cache_post,
     .summary = "A post"},
    {.method = "POST",
     .path = "/api/posts/:post_id/vote",
     .command = CMD_posts_vote,
     .success = 200,
     .auth = ROUTE_ACTOR,
     .summary = "Vote on a post, or take the vote back"},
    {.method = "POST",
     .path = "/api/posts/:post_id/repost",
     .command = CMD_posts_repost,
     .success = 201,
     .location = "/api/posts/",
     .auth = ROUTE_ACTOR,
     .summary = "Repost to a subreddit"},
    {.method = "GET",
     .path = "/api/posts/:post_id/comments",
     .command = CMD_comments_of_post,
     .success = 200,
     .cache = &cache_comments_of_post,
     .summary = "A post's comments, in tree order"},

    {.method = "POST",
     .path = "/api/comments/create",
     .command = CMD_comments_create,
     .success = 201,
     .location = "/api/comments/",
     .auth = ROUTE_ACTOR,
     .summary = "Comment on a post or a comment"},
    {.method = "GET",
     .path = "/api/comments/:comment_id",
     .command = CMD_comments_get,
     .success = 200,
     .cache = &cache_comment,
     .summary = "A comment"},
    {.method = "POST",
     .path = "/api/comments/:comment_id/vote",
     .command = CMD_comments_vote,
     .success = 200,
     .auth = ROUTE_ACTOR,
     .summary = "Vote on a comment, or take the vote back"},

    {.method = "GET",
     .path = "/api/feed/:user_id",
     .command = CMD_feed_get,
     .success = 200,
     .auth = ROUTE_SELF,
     .users = {"user_id"},
     .compose = &compose_feed,
     .cache = &cache_feed,
     .summary = "Posts of the subreddits a user joined"},
    {.method = "GET",
     .path = "/api/feed",
     .command = CMD_feed_get,
     .success = 200,
     .auth = ROUTE_ACTOR,
     .users = {"user_id"},
     .compose = &compose_feed,
     .cache = &cache_feed,
     .summary = "The acting user's feed"},

    {.method = "POST",
     .path = "/api/dm/send",
     .command = CMD_dms_send,
     .success = 201,
     .location = "/api/dm/conversation/:from_user_id/:to_user_id",
     .auth = ROUTE_ACTOR,
     .summary = "Send a message"},
    {.method = "GET",
     .path = "/api/dm/user/:user_id",
     .command = CMD_dms_of_user,
     .success = 200,
     .auth = ROUTE_SELF,
     .users = {"user_id"},
     .cache = &cache_messages_of_user,
     .summary = "All of a user's messages, newest first"},
    {.method = "GET",
     .path = "/api/dm/conversation/:a/:b",
     .command = CMD_dms_conversation,
     .success = 200,
     .auth = ROUTE_PAIR,
     .users = {"a", "b"},
     .cache = &cache_conversation,
     .summary = "Two users' messages, oldest first"},
    {.method = "POST",
     .path = "/api/dm/conversation/:a/:b/read",
     .command = CMD_dms_mark_read,
     .success = 200,
     .auth = ROUTE_PAIR,
     .users = {"a", "b"},
     .summary = "Mark messages read"},
};
const size_t route_count = ARRAY_LEN(routes);

enum rate_class route_rate_class(const struct route *route)
{
    static const enum rate_class classes[] = {
        [RATED_AS_REGISTER] = RATE_REGISTER, [RATED_AS_LOGIN] = RATE_LOGIN, [RATED_NOT] = RATE_NONE};
    if (route->rate == RATED_BY_METHOD)
        return strcmp(route->method, "GET") == 0 ? RATE_READ : RATE_WRITE;
    return classes[route->rate];
}

static const char *segment_end(const char *at)
{
    while (*at != '\0' && *at != '/')
        at++;
    return at;
}

/* `length` bytes of a template's segment against a segment of the path, escapes decoded only where there are
 * some. */
static bool literal_matches(struct arena *arena, const char *literal, size_t literal_length, const char *text,
                            size_t length)
{
    if (memchr(text, '%', length) != NULL && !percent_decode(arena, text, length, false, &text, &length))
        return false;
    return length == literal_length && memcmp(literal, text, length) == 0;
}

static bool param_matches(struct arena *arena, const char *name, size_t name_length, const char *text,
                          size_t length, struct text_param *param)
{
    if (length == 0)
        return false;
    *param = (struct text_param){.name = arena_strndup(arena, name, name_length), .from_path = true};
    return percent_decode(arena, text, length, false, &param->value, &param->length);
}

static bool path_matches(struct arena *arena, const char *pattern, const char *path,
                         struct text_param *params, size_t *count)
{
    *count = 0;
    while (*pattern == '/' && *path == '/') {
        const char *pattern_end = segment_end(++pattern), *end = segment_end(++path);
        size_t pattern_length = (size_t)(pattern_end - pattern), length = (size_t)(end - path);
        if (pattern_length > 0 && *pattern == ':') {
            if (!param_matches(arena, pattern + 1, pattern_length - 1, path, length, &params[*count]))
                return false;
            (*count)++;
        } else if (!literal_matches(arena, pattern, pattern_length, path, length)) {
            return false;
        }
        pattern = pattern_end;
        path = end;
    }
    return *pattern == '\0' && *path == '\0';
}

static bool method_serves(const struct route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void allow_append(char *allow, size_t size, const char *methods)
{
    size_t length = strlen(allow);
    snprintf(allow + length, size - length, "%s%s", length > 0 ? ", " : "", methods);
}

/* Among the rows with this very path. */
static const struct route *choose_method(const char *pattern, const char *method)
{
    for (size_t i = 0; i < route_count; i++)
        if (method_serves(&routes[i], method) && strcmp(routes[i].path, pattern) == 0)
            return &routes[i];
    return NULL;
}

static void list_methods(const char *pattern, char *allow, size_t size)
{
    allow[0] = '\0';
    for (size_t i = 0; i < route_count; i++)
        if (strcmp(routes[i].path, pattern) == 0)
            allow_append(allow, size, strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method);
    allow_append(allow, size, "OPTIONS");
}

enum route_match route_match(const char *method, const char *path, struct arena *arena,
                             const struct route **route, struct text_param *params, size_t *param_count,
                             char *allow, size_t allow_size)
{
    const struct route *best = NULL;
    struct text_param tried[ROUTE_PARAMS_MAX];
    size_t count;
    for (size_t i = 0; i < route_count; i++) {
        if (!path_matches(arena, routes[i].path, path, tried, &count) ||
            (best != NULL && count >= *param_count))
            continue;
        best = &routes[i];
        *param_count = count;
        memcpy(params, tried, sizeof(tried[0]) * count);
    }
    if (best == NULL)
        return ROUTE_NO_PATH;
    *route = choose_method(best->path, method);
    if (*route != NULL)
        return ROUTE_FOUND;
    list_methods(best->path, allow, allow_size);
    return ROUTE_NO_METHOD;
}
