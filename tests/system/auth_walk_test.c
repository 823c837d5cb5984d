/*
 * Who may what: each route of the server, tried as nobody, as somebody else and as the right one, with and
 * without naming who acts, where tokens are required and where they are not. Refusals change nothing.
 */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/require.h"

enum rule {
    ANYBODY,
    AN_ACTOR, /* `actor` names them, in body or query */
    ONESELF,  /* the path names them */
    THE_PAIR, /* one of the two that the path names */
    A_TOKEN,  /* nothing but a token can say who */
};

/* In path and body: @A the right user, @O their partner, @N a name that is new each time, @S @P @C @M a
 * subreddit, post, comment and message. */
struct row {
    const char *method, *path;
    enum rule rule;
    const char *actor;    /* the field that names who acts; NULL: there is none */
    const char *body;     /* without that field */
    const char *conflict; /* a refusal that only somebody who may gets; NULL: none */
};

static const struct row rows[] = {
    {"GET", "/", ANYBODY, NULL, NULL, NULL},
    {"GET", "/health", ANYBODY, NULL, NULL, NULL},
    {"GET", "/ready", ANYBODY, NULL, NULL, NULL},
    {"GET", "/metrics", ANYBODY, NULL, NULL, NULL},
    {"GET", "/openapi.json", ANYBODY, NULL, NULL, NULL},
    {"POST", "/api/auth/register", ANYBODY, NULL, "'username':'@N'", NULL},
    {"POST", "/api/auth/login", ANYBODY, NULL, "'username':'ann','password':'correct horse battery'", NULL},
    {"POST", "/api/auth/renew", A_TOKEN, NULL, "", NULL},
    {"POST", "/api/auth/password", A_TOKEN, NULL, "'new_password':'correct horse battery'", NULL},
    {"POST", "/api/auth/logout", A_TOKEN, NULL, "", NULL},
    {"GET", "/api/auth/user/ann", ANYBODY, NULL, NULL, NULL},
    {"GET", "/api/users/@A", ANYBODY, NULL, NULL, NULL},
    {"GET", "/api/users/@A/public-key", ANYBODY, NULL, NULL, NULL},
    {"GET", "/api/users/@A/posts", ANYBODY, NULL, NULL, NULL},
    {"GET", "/api/users/@A/comments", ANYBODY, NULL, NULL, NULL},
    {"GET", "/api/subreddits", ANYBODY, NULL, NULL, NULL},
    {"POST", "/api/subreddits/create", AN_ACTOR, "creator_id", "'name':'@N'", NULL},
    {"GET", "/api/subreddits/@S", ANYBODY, NULL, NULL, NULL},
    {"GET", "/api/r/cats", ANYBODY, NULL, NULL, NULL},
    {"POST", "/api/subreddits/@S/leave", AN_ACTOR, "user_id", "", "not_member"},
    {"POST", "/api/subreddits/@S/join", AN_ACTOR, "user_id", "", "already_member"},
    {"GET", "/api/subreddits/@S/posts", ANYBODY, NULL, NULL, NULL},
    {"POST", "/api/posts/create", AN_ACTOR, "author_id", "'subreddit_id':'@S','title':'T'", NULL},
    {"GET", "/api/posts/@P", ANYBODY, NULL, NULL, NULL},
    {"POST", "/api/posts/@P/vote", AN_ACTOR, "user_id", "'vote_type':'upvote'", NULL},
    {"POST", "/api/posts/@P/repost", AN_ACTOR, "author_id", "'subreddit_id':'@S'", NULL},
    {"GET", "/api/posts/@P/comments", ANYBODY, NULL, NULL, NULL},
    {"POST", "/api/comments/create", AN_ACTOR, "author_id", "'post_id':'@P','content':'C'", NULL},
    {"GET", "/api/comments/@C", ANYBODY, NULL, NULL, NULL},
    {"POST", "/api/comments/@C/vote", AN_ACTOR, "user_id", "'vote_type':'downvote'", NULL},
    {"GET", "/api/feed/@A", ONESELF, NULL, NULL, NULL},
    {"GET", "/api/feed", AN_ACTOR, "user_id", NULL, NULL},
    {"POST", "/api/dm/send", AN_ACTOR, "from_user_id", "'to_user_id':'@O','content':'Hi'", NULL},
    {"GET", "/api/dm/user/@A", ONESELF, NULL, NULL, NULL},
    {"GET", "/api/dm/conversation/@A/@O", THE_PAIR, NULL, NULL, NULL},
    {"GET", "/api/dm/conversation/@O/@A", THE_PAIR, NULL, NULL, NULL},
    {"POST", "/api/dm/conversation/@A/@O/read", THE_PAIR, "user_id", "'up_to':'@M'", NULL},
};

struct world {
    struct forum *forum;
    bool required;
    struct made_user ann, other, stranger;
    const char *subreddit, *post, *comment, *message;
};

static const char *id_of_post(struct forum *forum, const struct made_user *user, const char *path,
                              const char *body, const char *field)
{
    struct reply *reply = forum_request(forum, "POST", path, user->headers, body);
    REQUIRE(reply->status == 201, "%s", http_describe(reply));
    return json_text(reply, field);
}

static struct world make_world(const char *mode)
{
    const char **flags = keep_alloc(3 * sizeof(flags[0]));
    struct forum_spec *spec = keep_alloc(sizeof(*spec));
    flags[0] = keep_format("--auth=%s", mode);
    flags[1] = "--deadline=15000";
    spec->flags = flags;
    struct world world = {.forum = forum_start(spec), .required = strcmp(mode, "required") == 0};
    world.ann = make_account_named(world.forum, "ann", "correct horse battery");
    world.other = make_account(world.forum, NULL);
    world.stranger = make_account(world.forum, NULL);
    const struct made_user *ann = &world.ann;
    world.subreddit =
        id_of_post(world.forum, ann, "/api/subreddits/create", json_body("{'name':'cats'}"), "subreddit_id");
    world.post = id_of_post(world.forum, ann, "/api/posts/create",
                            json_body("{'subreddit_id':'%s','title':'T'}", world.subreddit), "post_id");
    world.comment = id_of_post(world.forum, ann, "/api/comments/create",
                               json_body("{'post_id':'%s','content':'C'}", world.post), "comment_id");
    world.message = id_of_post(world.forum, &world.other, "/api/dm/send",
                               json_body("{'to_user_id':'%s','content':'Hi'}", ann->id), "message_id");
    return world;
}

static const char *fill(const struct world *world, const char *template)
{
    const struct {
        const char *mark, *value;
    } marks[] = {{"@A", world->ann.id},    {"@O", world->other.id}, {"@S", world->subreddit},
                 {"@P", world->post},      {"@C", world->comment},  {"@M", world->message},
                 {"@N", make_name("walk")}};
    const char *out = template;
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        for (const char *at; (at = strstr(out, marks[i].mark));)
            out = keep_format("%.*s%s%s", (int)(at - out), out, marks[i].value, at + 2);
    return out;
}

static const char *with_double_quotes(const char *text)
{
    char *copy = keep_copy(text, strlen(text));
    for (char *at = copy; (at = strchr(at, '\''));)
        *at = '"';
    return copy;
}

/* With a token's header line (NULL: none), naming `named` (NULL: nobody) as who acts. */
static struct reply *try_row(const struct world *world, const struct row *row, const char *headers,
                             const char *named)
{
    const char *path = fill(world, row->path), *body = NULL;
    if (row->body) {
        const char *actor = named && row->actor ? json_body("'%s':'%s'", row->actor, named) : "";
        const char *rest = with_double_quotes(fill(world, row->body));
        body = keep_format("{%s%s%s}", actor, *actor && *rest ? "," : "", rest);
    } else if (named && row->actor) {
        path = keep_format("%s?%s=%s", path, row->actor, named);
    }
    return forum_request(world->forum, row->method, path, headers, body);
}

static bool may(const struct row *row, const struct reply *reply)
{
    return (reply->status >= 200 && reply->status < 300) ||
           (row->conflict && json_has(reply, "code") && strcmp(json_text(reply, "code"), row->conflict) == 0);
}

#define EXPECT_MAY(row, answer)                                                                              \
    do {                                                                                                     \
        const struct reply *reply_ = (answer);                                                               \
        cr_expect(may(row, reply_), "may not: %s", http_describe(reply_));                                   \
    } while (0)
#define EXPECT_PROBLEM(answer, status, code)                                                                 \
    do {                                                                                                     \
        const char *wrong_ = check_problem(answer, status, code);                                            \
        cr_expect(!wrong_, "%s", wrong_);                                                                    \
    } while (0)

static void expect_unauthenticated(const struct reply *reply, const char *code, const char *challenge)
{
    EXPECT_PROBLEM(reply, 401, code);
    const char *field = http_header(reply, "WWW-Authenticate");
    cr_expect(field && strcmp(field, challenge) == 0, "%s: %s", http_describe(reply), field ? field : "none");
}

static bool is_local(const struct row *row)
{
    return strncmp(row->path, "/api/", 5) != 0;
}

static void try_to_be_nobody(const struct world *world, const struct row *row)
{
    bool named_is_enough = !world->required && row->rule != A_TOKEN;
    if (row->rule == ANYBODY || named_is_enough)
        return;
    expect_unauthenticated(try_row(world, row, NULL, NULL), "authentication_required", "Bearer");
    if (row->actor)
        expect_unauthenticated(try_row(world, row, NULL, world->ann.id), "authentication_required", "Bearer");
}

static void try_with_a_wrong_token(const struct world *world, const struct row *row)
{
    char *forged = keep_copy(world->ann.token, strlen(world->ann.token));
    size_t last = strlen(forged) - 20;
    forged[last] = forged[last] == 'A' ? 'B' : 'A';
    if (!is_local(row))
        expect_unauthenticated(try_row(world, row, make_bearer(forged), world->ann.id), "invalid_token",
                               "Bearer error=\"invalid_token\"");
}

/* Somebody's valid token for what is another's. */
static void try_to_be_another(const struct world *world, const struct row *row)
{
    if (row->actor)
        EXPECT_PROBLEM(try_row(world, row, world->stranger.headers, world->ann.id), 403, "forbidden");
    if (row->actor)
        EXPECT_PROBLEM(try_row(world, row, world->ann.headers, world->stranger.id), 403, "forbidden");
    if (row->rule == ONESELF || row->rule == THE_PAIR)
        EXPECT_PROBLEM(try_row(world, row, world->stranger.headers, NULL), 403, "forbidden");
}

static void try_to_be_right(const struct world *world, const struct row *row)
{
    /* What ends tokens ends those of a user of its own. */
    const struct made_user user = row->rule == A_TOKEN ? make_account(world->forum, NULL) : world->ann;
    EXPECT_MAY(row, try_row(world, row, user.headers, NULL));
    if (row->actor)
        EXPECT_MAY(row, try_row(world, row, user.headers, user.id));
    if (row->rule == THE_PAIR)
        EXPECT_MAY(row, try_row(world, row, world->other.headers, NULL));
    if (row->rule == ANYBODY)
        EXPECT_MAY(row, try_row(world, row, NULL, NULL));
    if (!world->required && row->rule != A_TOKEN)
        EXPECT_MAY(row, try_row(world, row, NULL, world->ann.id));
}

/* How many events each engine ever wrote. */
static const char *event_counts(const struct world *world)
{
    const char *body = forum_get(world->forum, "/metrics")->body, *all = "";
    for (const char *at = body; (at = strstr(at, "\nforumd_engine_head_seq{")); at++)
        all = keep_format("%s%.*s", all, (int)strcspn(at + 1, "\n") + 1, at + 1);
    cr_assert_neq(*all, '\0');
    return all;
}

static void walk(const char *mode)
{
    struct world world = make_world(mode);
    const char *before = event_counts(&world);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        try_to_be_nobody(&world, &rows[i]);
        try_with_a_wrong_token(&world, &rows[i]);
        try_to_be_another(&world, &rows[i]);
    }
    cr_expect_str_eq(event_counts(&world), before);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        try_to_be_right(&world, &rows[i]);
    cr_assert_eq(forum_stop(world.forum, SIGINT), 0);
}

Test(auth_walk, where_tokens_are_required)
{
    walk("required");
}

Test(auth_walk, where_tokens_are_not_required)
{
    walk("open");
}

/* "/api/posts/{post_id}" and "/api/posts/@P" */
static bool is_same_route(const char *template, const char *path)
{
    while (*template && *path) {
        if (*template == '{') {
            template += strcspn(template, "}") + 1;
            path += strcspn(path, "/");
        } else if (*template ++ != *path++) {
            return false;
        }
    }
    return *template == *path;
}

static const struct row *find_row(const char *method, const char *template)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcasecmp(rows[i].method, method) == 0 && is_same_route(template, rows[i].path))
            return &rows[i];
    return NULL;
}

/* What the document says of a route: whether a token is taken, and whether one may do without. */
static void check_security(const struct row *row, struct json_object *operation)
{
    struct json_object *security = NULL;
    cr_assert(json_find(operation, "security", &security));
    const char *text = json_object_to_json_string_ext(security, JSON_C_TO_STRING_PLAIN);
    const char *expected = is_local(row)          ? "[{}]"
                           : row->rule == A_TOKEN ? "[{\"bearer\":[]}]"
                                                  : "[{\"bearer\":[]},{}]";
    cr_expect_str_eq(text, expected, "%s %s: %s", row->method, row->path, text);
}

Test(auth_walk, walks_every_route_of_the_server)
{
    struct forum *forum = forum_start(NULL);
    struct reply *reply = forum_get(forum, "/openapi.json");
    struct json_object *paths = NULL;
    cr_assert(json_find(reply->json, "paths", &paths), "%s", http_describe(reply));
    CHECK_TEXT(reply, "components.securitySchemes.bearer.scheme", "bearer");
    json_object_object_foreach(paths, template, operations)
    {
        json_object_object_foreach(operations, method, operation)
        {
            const struct row *row = find_row(method, template);
            cr_expect(row, "%s %s is not walked", method, template);
            if (row)
                check_security(row, operation);
        }
    }
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = false});
}
