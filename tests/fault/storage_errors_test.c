/*
 * Storage that fails where it hurts: before COMMIT, in it, at a start. What is refused did not happen, what
 * was acknowledged is there, reads go on, the rest of the server too, and it heals by itself.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/faults.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/wait.h"

#define HEAL_MS 5000 /* a probe comes every second; the rest is for a busy machine */
#define SLOW_MS 20000
#define KEYS    12 /* writes at once */

struct scene {
    struct forum *forum;
    const char *ann, *cats, *post;
};

static struct scene *open_scene(void)
{
    struct scene *scene = keep_alloc(sizeof(*scene));
    faults_open();
    scene->forum = forum_start(NULL);
    scene->ann = make_user_named(scene->forum, "ann");
    scene->cats = make_subreddit_named(scene->forum, scene->ann, "cats");
    scene->post = make_post(scene->forum, scene->cats, scene->ann, "Before");
    return scene;
}

static struct reply *try_post(const struct scene *scene, const char *title, const char *key)
{
    const char *headers = key ? keep_format("Idempotency-Key: %s\r\n", key) : NULL;
    return forum_request(
        scene->forum, "POST", "/api/posts/create", headers,
        json_body("{'author_id':'%s','subreddit_id':'%s','title':'%s'}", scene->ann, scene->cats, title));
}

static size_t count_titled(const struct scene *scene, const char *title)
{
    struct reply *list = forum_get(scene->forum, "/api/users/%s/posts?limit=100", scene->ann);
    CHECK_OK(list);
    size_t found = 0;
    for (size_t i = 0; i < json_count(list, ""); i++)
        found += strcmp(json_text(list, keep_format("%zu.title", i)), title) == 0;
    return found;
}

static void check_refused(const struct reply *reply)
{
    CHECK_PROBLEM(reply, 503, "storage_unavailable");
    cr_assert(http_header(reply, "Retry-After"), "%s", http_describe(reply));
}

static bool can_post(void *arg)
{
    return try_post(arg, "Healed", "healed")->status == 201;
}

static void check_heals(struct scene *scene)
{
    uint64_t start_ms = wait_now_ms();
    cr_assert(wait_until(can_post, scene, HEAL_MS), "not within %d ms", HEAL_MS);
    cr_log_info("healed after %d ms", (int)(wait_now_ms() - start_ms));
    cr_assert_eq(count_titled(scene, "Healed"), 1);
}

/* Refused while it lasts, with nothing of it left; read and served besides. */
static void check_refuses_writes_alone(const char *point, const char *rule)
{
    struct scene *scene = open_scene();
    pid_t posts = forum_process(scene->forum, "forumd-engined: posts");
    faults_arm("posts", point, "%s always", rule);
    for (int i = 0; i < 3; i++)
        check_refused(try_post(scene, "Refused", "refused"));
    check_refused(forum_post(scene->forum, keep_format("/api/posts/%s/vote", scene->post),
                             json_body("{'user_id':'%s','vote_type':'upvote'}", scene->ann)));
    CHECK_NUMBER(forum_get(scene->forum, "/api/posts/%s", scene->post), "score", 0);
    cr_assert_eq(count_titled(scene, "Refused"), 0);
    make_comment(scene->forum, scene->post, scene->ann, NULL, "Others can write");
    faults_disarm("posts", point);
    check_heals(scene);
    cr_assert_eq(count_titled(scene, "Refused"), 0);
    CHECK_NUMBER(forum_get(scene->forum, "/api/posts/%s", scene->post), "score", 0);
    CHECK_CREATED(try_post(scene, "Refused", "refused"));
    cr_assert_eq(count_titled(scene, "Refused"), 1);
    cr_assert_eq(forum_process(scene->forum, "forumd-engined: posts"), posts, "it ended");
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

Test(storage, that_fails_at_a_statement_refuses_writes_alone_until_it_heals)
{
    check_refuses_writes_alone("write", "action=eio");
}

Test(storage, that_is_full_at_a_statement_refuses_writes_alone_until_it_heals)
{
    check_refuses_writes_alone("write", "action=enospc");
}

/* Known not to have happened, unlike other errors from COMMIT. */
Test(storage, that_is_full_at_commit_refuses_writes_alone_until_it_heals)
{
    check_refuses_writes_alone("commit_before", "action=enospc");
}

Test(storage, that_gives_not_even_a_transaction_refuses_everything_until_it_heals)
{
    struct scene *scene = open_scene();
    faults_arm("posts", "begin_before", "action=eio always");
    check_refused(try_post(scene, "Refused", NULL));
    check_refused(forum_get(scene->forum, "/api/posts/%s", scene->post));
    CHECK_OK(forum_get(scene->forum, "/api/users/%s", scene->ann));
    faults_disarm("posts", "begin_before");
    check_heals(scene);
    cr_assert_eq(count_titled(scene, "Refused"), 0);
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

Test(storage, is_shown_as_bad_while_it_is)
{
    struct scene *scene = open_scene();
    faults_arm("posts", "write", "action=eio always");
    check_refused(try_post(scene, "Refused", NULL));
    struct reply *metrics = forum_get(scene->forum, "/metrics");
    cr_assert(strstr(metrics->body, "forumd_engine_storage_ok{engine=\"posts\"} 0"), "%s", metrics->body);
    cr_assert(strstr(forum_log(scene->forum), "storage error"), "%s", forum_log(scene->forum));
    faults_disarm("posts", "write");
    check_heals(scene);
    metrics = forum_get(scene->forum, "/metrics");
    cr_assert(strstr(metrics->body, "forumd_engine_storage_ok{engine=\"posts\"} 1"), "%s", metrics->body);
    cr_assert(strstr(forum_log(scene->forum), "storage can be written again"));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

struct successor {
    const struct forum *forum;
    const char *role;
    pid_t old;
};

static bool is_replaced(void *arg)
{
    const struct successor *successor = arg;
    pid_t pid;
    return forum_processes(successor->forum, successor->role, &pid, 1) == 1 && pid != successor->old;
}

/* The engine ends with a word, and the worker asks its successor under the same id: the client waits, and
 * gets its one success. */
static void check_unknown_commit(const char *point)
{
    struct scene *scene = open_scene();
    struct successor successor = {scene->forum, "forumd-engined: posts", 0};
    for (int i = 0; i < 3; i++) {
        const char *title = keep_format("unknown-%d", i);
        successor.old = forum_process(scene->forum, successor.role);
        faults_arm("posts", point, "action=eio");
        struct reply *reply = try_post(scene, title, title);
        CHECK_CREATED(reply);
        cr_assert_not(faults_armed("posts", point));
        cr_assert(wait_until(is_replaced, &successor, SLOW_MS), "%s", forum_log(scene->forum));
        struct reply *again = try_post(scene, title, title);
        CHECK_CREATED(again);
        cr_assert_str_eq(http_header(again, "Idempotent-Replayed"), "true");
        cr_assert_str_eq(json_text(again, "post_id"), json_text(reply, "post_id"));
        cr_assert_eq(count_titled(scene, title), 1);
    }
    const char *log = forum_log(scene->forum);
    cr_assert(strstr(log, "COMMIT failed, whether it happened is unknown"), "%s", log);
    cr_assert(strstr(log, "exit=74"), "%s", log);
    CHECK_NUMBER(forum_get(scene->forum, "/api/posts/%s", scene->post), "score", 0);
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

Test(storage, that_fails_at_commit_before_it_happened_ends_the_engine_and_the_write_happens_once)
{
    check_unknown_commit("commit_before");
}

Test(storage, that_fails_at_commit_after_it_happened_ends_the_engine_and_the_write_happens_once)
{
    check_unknown_commit("commit_after");
}

static const char *title_of(int i)
{
    return keep_format("many-%d", i);
}

/* Each COMMIT fails: the engine dies again and again. Acknowledged means there, everything at most once. */
Test(storage, that_fails_at_every_commit_acknowledges_nothing_that_is_not_there)
{
    struct scene *scene = open_scene();
    bool acknowledged[KEYS] = {false};
    faults_arm("posts", "commit_after", "action=eio always");
    for (int i = 0; i < KEYS / 3; i++)
        acknowledged[i] = try_post(scene, title_of(i), title_of(i))->status == 201;
    CHECK_OK(forum_get(scene->forum, "/api/users/%s/public-key", scene->ann));
    faults_disarm("posts", "commit_after");
    cr_assert(forum_wait_ready(scene->forum, SLOW_MS), "%s",
              http_describe(forum_get(scene->forum, "/ready")));
    for (int i = 0; i < KEYS; i++) {
        size_t count = count_titled(scene, title_of(i));
        cr_assert_leq(count, 1, "%s", title_of(i));
        cr_assert(!acknowledged[i] || count == 1, "%s was acknowledged", title_of(i));
        CHECK_CREATED(try_post(scene, title_of(i), title_of(i)));
        cr_assert_eq(count_titled(scene, title_of(i)), 1, "%s", title_of(i));
    }
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

static bool has_karma(void *arg)
{
    const struct scene *scene = arg;
    struct reply *ann = forum_get(scene->forum, "/api/users/%s", scene->ann);
    return ann->status == 200 && json_number(ann, "karma") == 1;
}

/* What cannot be stored is not pulled; what was pulled when it failed is pulled again. */
Test(storage, that_fails_at_a_follower_delays_what_it_follows_and_loses_nothing)
{
    struct scene *scene = open_scene();
    faults_arm("users", "write", "action=eio always");
    make_vote(scene->forum, scene->post, scene->ann, "upvote");
    check_refused(forum_post(scene->forum, "/api/auth/register", json_body("{'username':'bob'}")));
    CHECK_NUMBER(forum_get(scene->forum, "/api/users/%s", scene->ann), "karma", 0);
    faults_disarm("users", "write");
    cr_assert(wait_until(has_karma, scene, HEAL_MS), "%s",
              http_describe(forum_get(scene->forum, "/api/users/%s", scene->ann)));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

/* The look-up is answered, its answer cannot be stored: the write that needs it is refused, not lost in
 * waiting. */
Test(storage, that_fails_while_a_look_up_is_stored_refuses_the_write_that_waits)
{
    struct scene *scene = open_scene();
    faults_arm("comments", "write", "action=enospc always");
    const char *body = json_body("{'author_id':'%s','post_id':'%s','content':'C'}", scene->ann, scene->post);
    uint64_t start_ms = wait_now_ms();
    check_refused(forum_post(scene->forum, "/api/comments/create", body));
    check_refused(forum_post(scene->forum, "/api/comments/create", body));
    cr_log_info("refused within %d ms", (int)(wait_now_ms() - start_ms));
    faults_disarm("comments", "write");
    uint64_t deadline_ms = wait_now_ms() + HEAL_MS;
    struct reply *reply;
    while ((reply = forum_post(scene->forum, "/api/comments/create", body))->status != 201)
        cr_assert_lt(wait_now_ms(), deadline_ms, "%s", http_describe(reply));
    struct reply *list = forum_get(scene->forum, "/api/posts/%s/comments", scene->post);
    cr_assert_eq(json_count(list, ""), 1, "%s", http_describe(list));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

static bool is_back(void *arg)
{
    const struct scene *scene = arg;
    return forum_get(scene->forum, "/api/posts/%s", scene->post)->status == 200;
}

Test(storage, that_cannot_be_opened_at_a_restart_keeps_the_others_serving_until_it_can)
{
    struct scene *scene = open_scene();
    faults_arm("posts", "store_open", "action=eio always");
    cr_assert(kill(forum_process(scene->forum, "forumd-engined: posts"), SIGKILL) == 0);
    CHECK_PROBLEM(forum_get(scene->forum, "/api/posts/%s", scene->post), 503, NULL);
    struct reply *ready = forum_get(scene->forum, "/ready");
    CHECK_STATUS(ready, 503);
    CHECK_OK(forum_get(scene->forum, "/api/users/%s", scene->ann));
    CHECK_OK(forum_get(scene->forum, "/api/r/cats"));
    make_message(scene->forum, scene->ann, make_user(scene->forum), "Still here");
    cr_assert(strstr(forum_log(scene->forum), "posts.db: disk I/O error"), "%s", forum_log(scene->forum));
    faults_disarm("posts", "store_open");
    cr_assert(wait_until(is_back, scene, SLOW_MS), "%s", forum_log(scene->forum));
    cr_assert(forum_wait_ready(scene->forum, SLOW_MS));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

static bool others_serve(void *arg)
{
    const struct scene *scene = arg;
    return forum_get(scene->forum, "/api/users/%s/public-key", scene->ann)->status == 200;
}

Test(storage, that_cannot_be_opened_when_all_is_started_keeps_the_others_serving_until_it_can)
{
    struct scene *scene = open_scene();
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
    faults_arm("posts", "store_open", "action=eio always");
    const char *output = keep_format("%s/broken.log", forum_run_directory());
    struct keeper *launcher = forum_launch(scene->forum, NULL, output);
    cr_assert(wait_until(others_serve, scene, SLOW_MS), "%s", keep_file(output, NULL));
    CHECK_STATUS(forum_get(scene->forum, "/ready"), 503);
    CHECK_OK(forum_get(scene->forum, "/api/r/cats"));
    CHECK_CREATED(forum_post(scene->forum, "/api/auth/register", json_body("{'username':'late'}")));
    CHECK_PROBLEM(forum_get(scene->forum, "/api/posts/%s", scene->post), 503, NULL);
    cr_assert(strstr(keep_file(output, NULL), "posts.db: disk I/O error"), "%s", keep_file(output, NULL));
    faults_disarm("posts", "store_open");
    cr_assert(wait_until(is_back, scene, SLOW_MS), "%s", keep_file(output, NULL));
    cr_assert(forum_wait_ready(scene->forum, SLOW_MS));
    keeper_end(launcher);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 120});
}
