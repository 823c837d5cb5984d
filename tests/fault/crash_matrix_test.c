/*
 * Every fault point of every kind of process, killed there under load: 64 clients that try again with their
 * key, and a visitor who does what a load does seldom. Afterwards the server holds what it acknowledged,
 * once.
 *
 * FORUMD_FAULT_SEED repeats a run's choices; FORUMD_FAULT_S (30): passes over the matrix begin for that many
 * seconds.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fault_points.h"
#include "tests/fault/load.h"
#include "tests/fault/trace.h"
#include "tests/lib/check.h"
#include "tests/lib/faults.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/wait.h"

#define FIRE_MS  60000 /* from the arming of a round to the last of its deaths */
#define WRITE_MS 30000 /* a write of the visitor's, all tries */
#define PASSES_S 30
#define ROUNDS_A_START                                                                                       \
    5 /* a launcher's children die that often in a row; then back-off would cost more than it shows */
#define AFTER_MAX 40

enum role { USERS, SUBREDDITS, POSTS, COMMENTS, DMS, FEED, WORKER, ROLES };
static const char *const role_names[ROLES] = {"users", "subreddits", "posts", "comments",
                                              "dms",   "feed",       "worker"};
#define IN(role) (1u << (role))
#define WRITERS  (IN(USERS) | IN(SUBREDDITS) | IN(POSTS) | IN(COMMENTS) | IN(DMS))
#define ENGINES  (WRITERS | IN(FEED))
#define ASKING   (IN(POSTS) | IN(COMMENTS) | IN(DMS))

/* Where each point is passed; `often`: many times a second, so that which passage it is can be chosen. */
static const struct row {
    const char *point;
    unsigned roles;
    bool often;
} rows[] = {
    {"store_open", ENGINES, false},
    {"decode_before", ENGINES, true},
    {"decode_after", ENGINES, true},
    {"begin_before", ENGINES, true},
    {"begin_after", ENGINES, true},
    {"write", ENGINES, true},
    {"append_before", WRITERS, false},
    {"append_after", WRITERS, false},
    {"remember_before", WRITERS, false},
    {"remember_after", WRITERS, false},
    {"lookup_before", ASKING, false},
    {"lookup_after", ASKING, false},
    {"cursor_before", IN(USERS) | IN(POSTS) | IN(FEED), true},
    {"cursor_after", IN(USERS) | IN(POSTS) | IN(FEED), true},
    {"commit_before", ENGINES, false},
    {"commit_after", ENGINES, false},
    {"answer_before", ENGINES, true},
    {"answer_after", ENGINES, true},
    {"collect_before", ASKING | IN(FEED), false},
    {"collect_after", ASKING | IN(FEED), false},
    {"pull_before", IN(SUBREDDITS) | IN(POSTS) | IN(COMMENTS), true},
    {"pull_after", IN(SUBREDDITS) | IN(POSTS) | IN(COMMENTS), true},
    {"copy", 0, false}, /* tests/fault/backup_test.c */
    {"checkpoint_before", IN(POSTS) | IN(COMMENTS), false},
    {"checkpoint_after", IN(POSTS) | IN(COMMENTS), false},
    {"send_before", IN(WORKER), true},
    {"send_after", IN(WORKER), true},
    {"receive_before", IN(WORKER), true},
    {"receive_after", IN(WORKER), true},
    {"write_before", IN(WORKER), true},
    {"write_after", IN(WORKER), true},
};

Test(crash_matrix, has_a_row_for_every_fault_point)
{
    static const char *const points[] = {
#define X(name, what) #name,
        FAULT_POINTS(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        bool found = false;
        for (size_t row = 0; row < ARRAY_LEN(rows); row++)
            found |= strcmp(rows[row].point, points[i]) == 0;
        cr_expect(found, "%s is nowhere fired", points[i]);
    }
    cr_expect_eq(ARRAY_LEN(points), ARRAY_LEN(rows));
}

/* The points of one role, one after the other. */
struct lane {
    const struct row *rows[ARRAY_LEN(rows)];
    size_t count, next;
};

/* One who writes something of each kind, by hand, and remembers what was acknowledged. */
struct visit {
    const char *name, *user, *subreddit, *post, *comment, *message, *recipient;
};

struct matrix {
    struct forum *forum;
    struct lane lanes[ROLES];
    struct visit *visits;
    size_t visit_count, visit_capacity;
    unsigned fired, starts, rounds, passes;
    uint64_t random;
};

static unsigned below(struct matrix *matrix, unsigned bound)
{
    matrix->random = matrix->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(matrix->random >> 33) % bound;
}

struct write {
    const struct forum *forum;
    const char *path, *key, *body;
    struct reply *reply;
};

/* No answer and 503 mean: again. Anything else must be a success. */
static bool is_written(void *arg)
{
    struct write *write = arg;
    write->reply = forum_request(write->forum, "POST", write->path, write->key, write->body);
    return write->reply->status != 0 && write->reply->status != 503;
}

static const char *write_once(const struct matrix *matrix, const char *step, const char *path,
                              const char *body, const char *id_field)
{
    struct write write = {.forum = matrix->forum, .path = path, .body = body};
    write.key = keep_format("Idempotency-Key: %s-%zu\r\n", step, matrix->visit_count);
    cr_assert(wait_until(is_written, &write, WRITE_MS), "not within %d ms: %s", WRITE_MS,
              http_describe(write.reply));
    cr_assert(write.reply->status == 200 || write.reply->status == 201, "%s", http_describe(write.reply));
    return json_text(write.reply, id_field);
}

static void visit(struct matrix *matrix)
{
    if (matrix->visit_count == matrix->visit_capacity) {
        matrix->visit_capacity = matrix->visit_capacity * 2 + 64;
        matrix->visits = realloc(matrix->visits, matrix->visit_capacity * sizeof(matrix->visits[0]));
        cr_assert(matrix->visits);
    }
    struct visit *visit = &matrix->visits[matrix->visit_count];
    visit->name = keep_format("visitor_%zu", matrix->visit_count);
    visit->user = write_once(matrix, "register", "/api/auth/register",
                             json_body("{'username':'%s'}", visit->name), "user_id");
    visit->subreddit =
        write_once(matrix, "create", "/api/subreddits/create",
                   json_body("{'name':'%s','creator_id':'%s'}", visit->name, visit->user), "subreddit_id");
    visit->post = write_once(
        matrix, "post", "/api/posts/create",
        json_body("{'author_id':'%s','subreddit_id':'%s','title':'T'}", visit->user, visit->subreddit),
        "post_id");
    visit->comment = write_once(
        matrix, "comment", "/api/comments/create",
        json_body("{'author_id':'%s','post_id':'%s','content':'C'}", visit->user, visit->post), "comment_id");
    visit->recipient = visit > matrix->visits ? visit[-1].user : visit->user;
    visit->message = write_once(
        matrix, "message", "/api/dm/send",
        json_body("{'from_user_id':'%s','to_user_id':'%s','content':'M'}", visit->user, visit->recipient),
        "message_id");
    matrix->visit_count++;
}

static void check_only(struct matrix *matrix, const char *path, const char *field, const char *id)
{
    struct reply *list = forum_get(matrix->forum, "%s", path);
    CHECK_OK(list);
    cr_assert_eq(json_count(list, ""), 1, "%s", http_describe(list));
    CHECK_TEXT(list, keep_format("0.%s", field), id);
}

static void check_visit(struct matrix *matrix, const struct visit *visit)
{
    CHECK_TEXT(forum_get(matrix->forum, "/api/auth/user/%s", visit->name), "user_id", visit->user);
    struct reply *subreddit = forum_get(matrix->forum, "/api/r/%s", visit->name);
    CHECK_TEXT(subreddit, "subreddit_id", visit->subreddit);
    CHECK_NUMBER(subreddit, "member_count", 1);
    check_only(matrix, keep_format("/api/users/%s/posts", visit->user), "post_id", visit->post);
    check_only(matrix, keep_format("/api/users/%s/comments", visit->user), "comment_id", visit->comment);
    check_only(matrix, keep_format("/api/dm/conversation/%s/%s", visit->user, visit->recipient), "message_id",
               visit->message);
}

static void fill_lanes(struct matrix *matrix)
{
    for (int role = 0; role < ROLES; role++) {
        struct lane *lane = &matrix->lanes[role];
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (rows[i].roles & IN(role))
                lane->rows[lane->count++] = &rows[i];
    }
}

/* One point of each role that has some left. */
static void arm_round(struct matrix *matrix)
{
    for (int role = 0; role < ROLES; role++) {
        struct lane *lane = &matrix->lanes[role];
        if (lane->next == lane->count)
            continue;
        const struct row *row = lane->rows[lane->next];
        unsigned after = row->often ? 1 + below(matrix, AFTER_MAX) : 1;
        fprintf(stderr, "fault %s.%s after=%u\n", role_names[role], row->point, after);
        faults_arm(role_names[role], row->point, "after=%u action=kill", after);
    }
}

/* The first that is still armed, or NULL. What is passed only at a start waits for the next round's kill. */
static const char *still_armed(const struct matrix *matrix)
{
    for (int role = 0; role < ROLES; role++) {
        const struct lane *lane = &matrix->lanes[role];
        if (lane->next == lane->count || strcmp(lane->rows[lane->next]->point, "store_open") == 0)
            continue;
        if (faults_armed(role_names[role], lane->rows[lane->next]->point))
            return keep_format("%s.%s", role_names[role], lane->rows[lane->next]->point);
    }
    return NULL;
}

static void end_round(struct matrix *matrix)
{
    for (int role = 0; role < ROLES; role++) {
        struct lane *lane = &matrix->lanes[role];
        if (lane->next == lane->count)
            continue;
        lane->next++;
        matrix->fired++;
    }
    cr_assert(forum_wait_ready(matrix->forum, FORUM_START_MS), "not ready again: %s",
              http_describe(forum_get(matrix->forum, "/ready")));
}

static bool lanes_left(const struct matrix *matrix)
{
    for (int role = 0; role < ROLES; role++)
        if (matrix->lanes[role].next < matrix->lanes[role].count)
            return true;
    return false;
}

static void run_round(struct matrix *matrix)
{
    uint64_t deadline_ms = wait_now_ms() + FIRE_MS;
    arm_round(matrix);
    do {
        visit(matrix);
        cr_assert_lt(wait_now_ms(), deadline_ms, "%s did not fire", still_armed(matrix));
    } while (still_armed(matrix));
    end_round(matrix);
}

static void check_start_faults_fired(void)
{
    for (int role = 0; role < WORKER; role++)
        cr_assert_not(faults_armed(role_names[role], "store_open"), "%s", role_names[role]);
}

static void run_pass(struct matrix *matrix)
{
    for (int role = 0; role < ROLES; role++)
        matrix->lanes[role].next = 0;
    for (; lanes_left(matrix); matrix->rounds++) {
        if (matrix->rounds > 0 && matrix->rounds % ROUNDS_A_START == 0) {
            cr_assert_eq(forum_stop(matrix->forum, SIGINT), 0);
            forum_start_again(matrix->forum);
            matrix->starts++;
        }
        run_round(matrix);
    }
    check_start_faults_fired();
    matrix->passes++;
}

static void check_all_succeeded(const struct trace *trace)
{
    for (size_t i = 0; i < trace->count; i++)
        cr_assert(trace_is_good(&trace->requests[i]), "%s", trace_describe(&trace->requests[i]));
    printf("fault: crash matrix: %zu requests under load, each at last a success\n", trace->count);
}

/* For ./test, which shows these lines. */
static void report(const struct matrix *matrix, const char *compared)
{
    for (int role = 0; role < ROLES; role++) {
        const char *points = "";
        for (size_t i = 0; i < matrix->lanes[role].count; i++)
            points = keep_format("%s %s", points, matrix->lanes[role].rows[i]->point);
        printf("fault: crash matrix: killed at each of %s:%s\n", role_names[role], points);
    }
    printf("fault: crash matrix: %u kills at fault points in %u passes, %u restarts of all, %zu visits; %s\n",
           matrix->fired, matrix->passes, matrix->starts, matrix->visit_count, compared);
}

static uint64_t passes_s(void)
{
    const char *given = getenv("FORUMD_FAULT_S");
    return given ? strtoull(given, NULL, 10) : PASSES_S;
}

Test(crash_matrix, loses_and_doubles_nothing)
{
    const char *given = getenv("FORUMD_FAULT_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : wait_now_ms();
    printf("fault: crash matrix: FORUMD_FAULT_SEED=%" PRIu64 "\n", seed);
    struct matrix *matrix = keep_alloc(sizeof(*matrix));
    matrix->random = seed;
    fill_lanes(matrix);
    faults_open();
    matrix->forum = forum_start(&(struct forum_spec){.flags = (const char *[]){"--access-log=off", NULL}});
    const char *const flags[] = {"--subreddits=10", keep_format("--seed=%" PRIu64, seed), NULL};
    struct load *load =
        load_start(matrix->forum,
                   &(struct load_spec){
                       .name = "load", .clients = 64, .accompanied = true, .retries = 1000, .flags = flags});
    uint64_t end_ms = wait_now_ms() + passes_s() * 1000;
    do
        run_pass(matrix);
    while (wait_now_ms() < end_ms);
    check_all_succeeded(load_stop(load));
    const char *compared = load_verify(matrix->forum, (struct load *[]){load, NULL});
    for (size_t i = 0; i < matrix->visit_count; i++)
        check_visit(matrix, &matrix->visits[i]);
    cr_assert_eq(forum_stop(matrix->forum, SIGINT), 0);
    report(matrix, compared);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = (double)passes_s() + 250});
}
