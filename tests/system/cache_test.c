/*
 * Answers given again are those that would be given anew. Every route of /openapi.json that reads is asked
 * between random writes by every route that writes, each time in two ways: as it is, which the worker may
 * answer from what it kept, and with a parameter that nobody has sent before, which it may not.
 *
 * FORUMD_CACHE_SEED repeats a run's choices.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define WRITES        200
#define READS_A_WRITE 16
#define TARGETS       40 /* that are read again and again, each until it makes room for another */
#define IDS_MAX       512
#define RECENT        3 /* things are chosen among the last ones, so that reads meet what was written */
#define REQUIRED_HITS 100

enum thing { USER, SUBREDDIT, POST, COMMENT, MESSAGE, THINGS };

/* How a thing's id is called in paths and in bodies here. */
enum choice { ANY_ID, ANY_NAME, THE_FIRST, THE_SECOND };
static const struct {
    const char *text;
    enum thing thing;
    enum choice choice;
} placeholders[] = {
    {"{user_id}", USER, ANY_ID},       {"{username}", USER, ANY_NAME}, {"{subreddit_id}", SUBREDDIT, ANY_ID},
    {"{name}", SUBREDDIT, ANY_NAME},   {"{post_id}", POST, ANY_ID},    {"{comment_id}", COMMENT, ANY_ID},
    {"{message_id}", MESSAGE, ANY_ID}, {"{a}", USER, THE_FIRST}, /* the two who write each other */
    {"{b}", USER, THE_SECOND},
};

/* Bodies of writes, with ids to be filled in; %d is a number that no other has. */
static const struct {
    const char *path;
    const char *bodies[3];
    enum thing makes; /* THINGS: nothing that others can be asked about */
    const char *id;
} writes[] = {
    {"/api/auth/register", {"{'username':'name_%d'}"}, USER, "user_id"},
    {"/api/subreddits/create", {"{'name':'name_%d','creator_id':'{user_id}'}"}, SUBREDDIT, "subreddit_id"},
    {"/api/subreddits/{subreddit_id}/join", {"{'user_id':'{user_id}'}"}, THINGS, NULL},
    {"/api/subreddits/{subreddit_id}/leave", {"{'user_id':'{user_id}'}"}, THINGS, NULL},
    {"/api/posts/create",
     {"{'subreddit_id':'{subreddit_id}','author_id':'{user_id}','title':'T%d'}"},
     POST,
     "post_id"},
    {"/api/posts/{post_id}/vote",
     {"{'user_id':'{user_id}','vote_type':'upvote'}", "{'user_id':'{user_id}','vote_type':'downvote'}",
      "{'user_id':'{user_id}','vote_type':'none'}"},
     THINGS,
     NULL},
    {"/api/posts/{post_id}/repost",
     {"{'author_id':'{user_id}','subreddit_id':'{subreddit_id}'}"},
     POST,
     "post_id"},
    {"/api/comments/create",
     {"{'post_id':'{post_id}','author_id':'{user_id}','content':'C%d'}",
      "{'post_id':'{post_id}','author_id':'{user_id}','content':'C%d','parent_id':'{comment_id}'}"},
     COMMENT,
     "comment_id"},
    {"/api/comments/{comment_id}/vote",
     {"{'user_id':'{user_id}','vote_type':'upvote'}", "{'user_id':'{user_id}','vote_type':'downvote'}",
      "{'user_id':'{user_id}','vote_type':'none'}"},
     THINGS,
     NULL},
    {"/api/dm/send",
     {"{'from_user_id':'{a}','to_user_id':'{b}','content':'M%d'}",
      "{'from_user_id':'{b}','to_user_id':'{a}','content':'M%d'}"},
     MESSAGE,
     "message_id"},
    {"/api/dm/conversation/{a}/{b}/read",
     {"{'user_id':'{a}','up_to':'{message_id}'}", "{'user_id':'{b}','up_to':'{message_id}'}"},
     THINGS,
     NULL},
};

/* What one may ask of several routes; those that do not know it say so, in both ways. */
static const char *const queries[] = {
    "",
    "",
    "",
    "limit=2",
    "sort=new",
    "sort=top",
    "sort=best",
    "sort=controversial",
    "sort=rising",
    "sort=top&t=hour",
    "view=tree",
    "sort=new&limit=1",
    "user_id={user_id}",
    "sort=hot&user_id={user_id}",
};

struct target {
    const char *path; /* NULL: to be chosen */
    size_t row;       /* in `reads` */
    bool with_token;
};

struct scene {
    struct forum *forum;
    uint64_t random;
    const char *ids[THINGS][IDS_MAX], *names[THINGS][IDS_MAX];
    size_t counts[THINGS];
    const char *bearer; /* of the first user */
    struct {
        const char *path;
        unsigned asked;
    } reads[64];
    size_t read_count;
    struct target targets[TARGETS];
    unsigned serial, succeeded[ARRAY_LEN(writes)];
};

static unsigned below(struct scene *scene, size_t bound)
{
    scene->random = scene->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((scene->random >> 33) % bound);
}

/* Names follow the ids in order: "name_7" is what the seventh write was asked to call it. */
static void add_thing(struct scene *scene, enum thing thing, const char *id, const char *name)
{
    size_t count = scene->counts[thing]++;
    cr_assert_lt(count, (size_t)IDS_MAX);
    scene->ids[thing][count] = id;
    scene->names[thing][count] = name;
}

static const char *choose(struct scene *scene, enum thing thing, enum choice choice)
{
    size_t count = scene->counts[thing], of = count < RECENT ? count : RECENT;
    if (count == 0)
        return "none_yet";
    size_t index = count - 1 - below(scene, of);
    if (choice == THE_FIRST || choice == THE_SECOND)
        index = choice == THE_SECOND;
    else if (below(scene, 4) == 0)
        index = below(scene, of);
    return choice == ANY_NAME ? scene->names[thing][index] : scene->ids[thing][index];
}

static const char *replaced(const char *text, const char *what, const char *by)
{
    const char *at = strstr(text, what);
    return keep_format("%.*s%s%s", (int)(at - text), text, by, at + strlen(what));
}

static const char *filled_in(struct scene *scene, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(placeholders); i++)
        while (strstr(text, placeholders[i].text))
            text = replaced(text, placeholders[i].text,
                            choose(scene, placeholders[i].thing, placeholders[i].choice));
    cr_assert(!strchr(text, '{') || text[0] == '{', "what goes in here? %s", text);
    if (strstr(text, "%d"))
        text = replaced(text, "%d", keep_format("%u", scene->serial));
    return text;
}

/* ---- writes ---- */

static const char *with_quotes(const char *body)
{
    char *out = keep_copy(body, strlen(body));
    for (char *at = out; *at; at++)
        if (*at == '\'')
            *at = '"';
    return out;
}

static void write_by(struct scene *scene, size_t row)
{
    size_t bodies = 1;
    while (bodies < ARRAY_LEN(writes[row].bodies) && writes[row].bodies[bodies])
        bodies++;
    scene->serial++;
    const char *path = filled_in(scene, writes[row].path);
    const char *body = filled_in(scene, with_quotes(writes[row].bodies[below(scene, bodies)]));
    struct reply *reply = forum_post(scene->forum, path, body);
    cr_assert(reply->status / 100 == 2 || reply->status == 404 || reply->status == 409 ||
                  reply->status == 400, /* a parent under another post, a message of others */
              "%s", http_describe(reply));
    if (reply->status / 100 != 2)
        return;
    scene->succeeded[row]++;
    if (writes[row].makes != THINGS)
        add_thing(scene, writes[row].makes, json_text(reply, writes[row].id),
                  keep_format("name_%u", scene->serial));
}

/* ---- reads ---- */

static struct reply *ask(struct scene *scene, const char *target, bool with_token)
{
    struct reply *reply = forum_request(scene->forum, "GET", target, with_token ? scene->bearer : NULL, NULL);
    cr_assert(reply->status != 0 && reply->status < 500, "%s", http_describe(reply));
    return reply;
}

static struct reply *ask_anew(struct scene *scene, const struct target *target)
{
    const char *path =
        keep_format("%s%cfresh=%u", target->path, strchr(target->path, '?') ? '&' : '?', ++scene->serial);
    return ask(scene, path, target->with_token);
}

/* The cursor in Link says when its first page was made; all else must be the same. */
static bool are_equal(const struct reply *one, const struct reply *other)
{
    const char *totals[] = {http_header(one, "X-Total-Count"), http_header(other, "X-Total-Count")};
    return one->status == other->status && strcmp(one->body, other->body) == 0 &&
           !http_header(one, "Link") == !http_header(other, "Link") && !totals[0] == !totals[1] &&
           (!totals[0] || strcmp(totals[0], totals[1]) == 0);
}

static struct target choose_target(struct scene *scene)
{
    struct target target = {.row = below(scene, scene->read_count), .with_token = below(scene, 2) != 0};
    const char *query = filled_in(scene, queries[below(scene, ARRAY_LEN(queries))]);
    target.path = filled_in(scene, scene->reads[target.row].path);
    if (*query)
        target.path = keep_format("%s?%s", target.path, query);
    return target;
}

/* What trails by itself (counts kept by another engine) may come in between: then it is seen afterwards. */
static void read_both_ways(struct scene *scene, const struct target *target)
{
    struct reply *before = ask_anew(scene, target);
    struct reply *kept = ask(scene, target->path, target->with_token);
    if (!are_equal(before, kept)) {
        struct reply *after = ask_anew(scene, target);
        cr_assert(are_equal(after, kept), "%s%s\nkept: %s\nanew: %s\nthen: %s", target->path,
                  target->with_token ? " (token)" : "", kept->body, before->body, after->body);
    }
    scene->reads[target->row].asked += kept->status == 200;
}

/* Mostly what was read before the write already. */
static void read_some(struct scene *scene)
{
    for (unsigned i = 0; i < READS_A_WRITE; i++) {
        struct target *target = &scene->targets[below(scene, TARGETS)];
        if (!target->path || below(scene, 4) == 0)
            *target = choose_target(scene);
        read_both_ways(scene, target);
    }
}

/* ---- the contract's routes ---- */

static bool is_known_write(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(writes); i++)
        if (strcmp(writes[i].path, path) == 0)
            return true;
    return strncmp(path, "/api/auth/", 10) == 0; /* of sessions, which are in no answer */
}

static void list_routes(struct scene *scene)
{
    struct json_object *paths;
    struct reply *contract = forum_get(scene->forum, "/openapi.json");
    cr_assert(json_find(contract->json, "paths", &paths), "%s", http_describe(contract));
    json_object_object_foreach(paths, path, methods)
    {
        if (strncmp(path, "/api/", 5) != 0)
            continue;
        if (json_object_object_get_ex(methods, "get", NULL)) {
            cr_assert_lt(scene->read_count, ARRAY_LEN(scene->reads));
            scene->reads[scene->read_count++].path = path;
        }
        if (json_object_object_get_ex(methods, "post", NULL))
            cr_assert(is_known_write(path), "nobody writes by %s here: add a row", path);
    }
    cr_assert_gt(scene->read_count, 10u);
}

static struct scene *scene_open(void)
{
    const char *given = getenv("FORUMD_CACHE_SEED");
    struct scene *scene = keep_alloc(sizeof(*scene));
    scene->random = given ? strtoull(given, NULL, 10) : wait_now_ms();
    printf("cache: FORUMD_CACHE_SEED=%" PRIu64 "\n", scene->random);
    fflush(stdout);
    scene->forum =
        forum_start(&(struct forum_spec){.workers = 1, .flags = (const char *[]){"--access-log=off", NULL}});
    struct reply *first = forum_post(scene->forum, "/api/auth/register", json_body("{'username':'first'}"));
    scene->bearer = make_bearer(json_text(first, "token"));
    add_thing(scene, USER, json_text(first, "user_id"), "first");
    static const size_t one_of_each[] = {0, 1, 4, 7, 9}; /* rows of `writes` that need nothing but these */
    for (size_t i = 0; i < ARRAY_LEN(one_of_each); i++)
        while (scene->succeeded[one_of_each[i]] == 0)
            write_by(scene, one_of_each[i]);
    list_routes(scene);
    return scene;
}

static uint64_t metric(const struct scene *scene, const char *name)
{
    struct reply *metrics = forum_get(scene->forum, "/metrics");
    const char *line = strstr(metrics->body, keep_format("\nforumd_%s ", name));
    cr_assert(line, "%s", http_describe(metrics));
    return strtoull(strchr(line + 1, ' ') + 1, NULL, 10);
}

Test(cache, gives_what_would_be_given_anew)
{
    struct scene *scene = scene_open();
    for (unsigned i = 0; i < WRITES; i++) {
        write_by(scene, below(scene, ARRAY_LEN(writes)));
        read_some(scene);
    }
    for (size_t i = 0; i < scene->read_count; i++)
        cr_expect_gt(scene->reads[i].asked, 0u, "%s was never answered", scene->reads[i].path);
    for (size_t i = 0; i < ARRAY_LEN(writes); i++)
        cr_expect_gt(scene->succeeded[i], 0u, "%s never succeeded", writes[i].path);
    uint64_t hits = metric(scene, "gateway_cache_hits_total");
    cr_assert_gt(hits, (uint64_t)REQUIRED_HITS);
    cr_assert_gt(metric(scene, "gateway_cache_outdated_total"), 0u);
    printf("cache: %" PRIu64 " answers given again in %u writes, all as they would be given anew\n", hits,
           (unsigned)WRITES);
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

/* ---- what a hit has of its own ---- */

static struct forum *start(const char *const *flags)
{
    return forum_start(&(struct forum_spec){.workers = 1, .flags = flags});
}

static uint64_t hits(const struct forum *forum)
{
    const struct scene scene = {.forum = (struct forum *)(uintptr_t)forum};
    return metric(&scene, "gateway_cache_hits_total");
}

struct wanted {
    const struct forum *forum;
    const char *path, *headers;
    uint64_t before;
    struct reply *reply;
};

static bool is_hit(void *arg)
{
    struct wanted *wanted = arg;
    wanted->before = hits(wanted->forum);
    wanted->reply = forum_request(wanted->forum, "GET", wanted->path, wanted->headers, NULL);
    return hits(wanted->forum) > wanted->before;
}

/* The first ask may be the one that finds out which process answers. */
static struct reply *get_kept(const struct forum *forum, const char *path, const char *headers)
{
    struct wanted wanted = {.forum = forum, .path = path, .headers = headers};
    cr_assert(wait_until(is_hit, &wanted, 5000), "%s was never given again", path);
    return wanted.reply;
}

static const char *make_one(const struct forum *forum)
{
    const char *user = make_user(forum);
    return keep_format("/api/posts/%s", make_post(forum, make_subreddit(forum, user), user, "T"));
}

Test(cache, answers_each_request_with_its_own_headers)
{
    struct forum *forum =
        start((const char *[]){"--cors-origins=https://a.example", "--limit-read=1000/s", NULL});
    const char *path = make_one(forum);
    struct reply *anew = forum_get(forum, "%s", path);
    struct reply *kept =
        get_kept(forum, path, "X-Request-Id: mine-1\r\nOrigin: https://a.example\r\nConnection: close\r\n");
    CHECK_OK(kept);
    cr_assert_str_eq(kept->body, anew->body);
    cr_assert_str_eq(http_header(kept, "X-Request-Id"), "mine-1");
    cr_assert_str_eq(http_header(kept, "Access-Control-Allow-Origin"), "https://a.example");
    cr_assert_str_eq(http_header(kept, "ETag"), http_header(anew, "ETag"));
    cr_assert(http_header(kept, "RateLimit-Remaining"));
    struct reply *unchanged =
        get_kept(forum, path, keep_format("If-None-Match: %s\r\n", http_header(kept, "ETag")));
    CHECK_STATUS(unchanged, 304);
    cr_assert_eq(unchanged->length, 0u);
    uint64_t before = hits(forum);
    struct connection *connection = http_open(forum_port(forum));
    const char *head = keep_format("HEAD %s HTTP/1.1\r\nHost: t\r\n\r\n", path);
    cr_assert(http_write(connection, head, strlen(head)));
    struct reply *only_head = http_read(connection, true);
    CHECK_STATUS(only_head, 200);
    cr_assert_str_eq(http_header(only_head, "Content-Length"), keep_format("%zu", anew->length));
    cr_assert_gt(hits(forum), before);
    http_close(connection);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(cache, is_no_way_around_limits)
{
    struct forum *forum = start((const char *[]){"--limit-read=20/h", NULL});
    const char *path = make_one(forum);
    unsigned refused = 0;
    for (unsigned i = 0; i < 200 && refused == 0; i++)
        refused = forum_get(forum, "%s", path)->status == 429;
    cr_assert(refused);
    cr_assert_gt(hits(forum), 0u);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* A closed session may work for a second. */
static bool is_refused(void *arg)
{
    struct wanted *wanted = arg;
    wanted->reply = forum_request(wanted->forum, "GET", wanted->path, wanted->headers, NULL);
    return wanted->reply->status == 401;
}

Test(cache, is_no_way_around_who_may)
{
    struct forum *forum = start((const char *[]){"--auth=required", NULL});
    struct reply *user = forum_post(forum, "/api/auth/register", json_body("{'username':'ann'}"));
    struct reply *other = forum_post(forum, "/api/auth/register", json_body("{'username':'bob'}"));
    const char *bearer = make_bearer(json_text(user, "token"));
    const char *path = keep_format("/api/dm/user/%s", json_text(user, "user_id"));
    CHECK_OK(get_kept(forum, path, bearer));
    CHECK_STATUS(forum_get(forum, "%s", path), 401);
    CHECK_STATUS(forum_request(forum, "GET", path, make_bearer(json_text(other, "token")), NULL), 403);
    CHECK_OK(forum_request(forum, "POST", "/api/auth/logout", bearer, "{}"));
    struct wanted late = {.forum = forum, .path = path, .headers = bearer};
    cr_assert(wait_until(is_refused, &late, 5000), "%s", http_describe(late.reply));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(cache, serves_what_it_kept_while_the_engine_stands_still)
{
    struct forum *forum = start((const char *[]){"--hang-timeout=60000", "--deadline=300", NULL});
    const char *path = make_one(forum);
    (void)!get_kept(forum, path, NULL);
    pid_t engine = forum_process(forum, "forumd-engined: posts");
    cr_assert(kill(engine, SIGSTOP) == 0);
    CHECK_OK(forum_get(forum, "%s", path));
    CHECK_STATUS(forum_get(forum, "%s?fresh=1", path), 503);
    cr_assert(kill(engine, SIGCONT) == 0);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

static bool shows_the_edit(void *arg)
{
    struct wanted *wanted = arg;
    wanted->reply = forum_get(wanted->forum, "%s", wanted->path);
    return strstr(wanted->reply->body, "edited") != NULL;
}

Test(cache, notices_what_somebody_writes_to_an_engines_file)
{
    struct forum *forum = start(NULL);
    const char *path = make_one(forum);
    (void)!get_kept(forum, path, NULL);
    const char *const edit[] = {
        "/bin/sh", "-c",
        keep_format("sqlite3 %s/posts.db \"PRAGMA busy_timeout=5000; UPDATE posts SET title = 'edited'\"",
                    forum_state_directory(forum)),
        NULL};
    struct program_result result = program_run(edit, NULL, NULL, 10000);
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    struct wanted wanted = {.forum = forum, .path = path};
    cr_assert(wait_until(shows_the_edit, &wanted, 5000), "%s", http_describe(wanted.reply));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

Test(cache, keeps_nothing_when_it_is_off)
{
    struct forum *forum = start((const char *[]){"--cache-size=0", NULL});
    const char *path = make_one(forum);
    for (unsigned i = 0; i < 10; i++)
        CHECK_OK(forum_get(forum, "%s", path));
    cr_assert_eq(hits(forum), 0u);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* Answers of all sizes, more than fit: the memory is what was allowed, and what is asked often stays. */
Test(cache, stays_within_its_bound)
{
    enum { BYTES = 1 << 20, POSTS = 200 };
    struct forum *forum = start((const char *[]){"--cache-size=1048576", NULL});
    const struct scene scene = {.forum = forum};
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    char *content = keep_alloc(20001);
    memset(content, 'x', 20000);
    for (unsigned i = 0; i < POSTS; i++) {
        content[100 * i] = '\0';
        struct reply *post =
            forum_post(forum, "/api/posts/create",
                       json_body("{'subreddit_id':'%s','author_id':'%s','title':'T','content':'%s'}",
                                 subreddit, user, content));
        content[100 * i] = 'x';
        CHECK_OK(forum_get(forum, "/api/posts/%s", json_text(post, "post_id")));
        CHECK_OK(forum_get(forum, "/api/posts/post_1"));
        cr_assert_leq(metric(&scene, "gateway_cache_bytes"), (uint64_t)BYTES);
    }
    cr_assert_gt(metric(&scene, "gateway_cache_evicted_total"), 0u);
    cr_assert_gt(hits(forum), (uint64_t)POSTS / 2);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 60});
}
