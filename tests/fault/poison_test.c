/*
 * A request that its engine dies of: two restarts, then 503 for it alone, whoever sends it how often. All
 * others are served.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/fault/load.h"
#include "tests/fault/trace.h"
#include "tests/lib/check.h"
#include "tests/lib/faults.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/wait.h"

#define SLOW_MS   30000
#define SERVED    1500 /* requests of the load, before and after */
#define INSISTING 30   /* times that a client sends it again */
#define DEATHS    2    /* that it costs */

/* A request's deadline is far off, so that even a busy machine restarts an engine well within it. */
static const char *const patient[] = {"--deadline=15000", "--access-log=off", NULL};
static const struct forum_spec patient_forum = {.flags = patient};

struct scene {
    struct forum *forum;
    const char *ann, *cats, *post;
};

static struct scene *open_scene(void)
{
    struct scene *scene = keep_alloc(sizeof(*scene));
    faults_open();
    scene->forum = forum_start(&patient_forum);
    scene->ann = make_user_named(scene->forum, "ann");
    scene->cats = make_subreddit_named(scene->forum, scene->ann, "cats");
    scene->post = make_post(scene->forum, scene->cats, scene->ann, "Harmless");
    return scene;
}

static size_t deaths(const struct scene *scene, const char *engine)
{
    const char *sign = keep_format("child ended child=%s ", engine);
    size_t count = 0;
    for (const char *at = forum_log(scene->forum); (at = strstr(at, sign)); at++)
        count++;
    return count;
}

static struct reply *post_titled(const struct scene *scene, const char *title)
{
    return forum_post(
        scene->forum, "/api/posts/create",
        json_body("{'author_id':'%s','subreddit_id':'%s','title':'%s'}", scene->ann, scene->cats, title));
}

static struct reply *comment_saying(const struct scene *scene, const char *content)
{
    return forum_post(
        scene->forum, "/api/comments/create",
        json_body("{'author_id':'%s','post_id':'%s','content':'%s'}", scene->ann, scene->post, content));
}

static void check_is_refused(const struct reply *reply)
{
    CHECK_PROBLEM(reply, 503, "request_failed");
    cr_assert(http_header(reply, "Retry-After"), "%s", http_describe(reply));
}

Test(poison, in_a_write_costs_two_restarts_and_is_refused_from_then_on)
{
    struct scene *scene = open_scene();
    faults_arm("posts", "decode_after", "action=abort always match=poison");
    for (int i = 0; i < INSISTING; i++)
        check_is_refused(post_titled(scene, "poison"));
    cr_assert_eq(deaths(scene, "posts"), DEATHS, "%zu", deaths(scene, "posts"));
    CHECK_CREATED(post_titled(scene, "Harmless too"));
    CHECK_OK(forum_get(scene->forum, "/api/posts/%s", scene->post));
    cr_assert(strstr(forum_log(scene->forum), "died of the same request"), "%s", forum_log(scene->forum));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

Test(poison, is_remembered_over_a_restart_of_everything)
{
    struct scene *scene = open_scene();
    faults_arm("posts", "decode_after", "action=abort always match=poison");
    check_is_refused(post_titled(scene, "poison"));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
    forum_start_again(scene->forum);
    check_is_refused(post_titled(scene, "poison"));
    cr_assert_eq(deaths(scene, "posts"), DEATHS, "%zu", deaths(scene, "posts"));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

Test(poison, in_a_read_costs_two_restarts_and_is_refused_from_then_on)
{
    struct scene *scene = open_scene();
    make_user_named(scene->forum, "poison");
    faults_arm("users", "decode_after", "action=abort always match=poison");
    for (int i = 0; i < INSISTING; i++)
        check_is_refused(forum_get(scene->forum, "/api/auth/user/poison"));
    cr_assert_eq(deaths(scene, "users"), DEATHS, "%zu", deaths(scene, "users"));
    CHECK_OK(forum_get(scene->forum, "/api/auth/user/ann"));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

/* Its first passage asks for a look-up; the engine dies of it when it goes on. */
Test(poison, in_a_parked_write_costs_two_restarts_and_is_refused_from_then_on)
{
    struct scene *scene = open_scene();
    faults_arm("comments", "decode_after", "after=2 action=abort always match=poison");
    for (int i = 0; i < INSISTING; i++)
        check_is_refused(comment_saying(scene, "poison"));
    cr_assert_eq(deaths(scene, "comments"), DEATHS, "%zu", deaths(scene, "comments"));
    CHECK_CREATED(comment_saying(scene, "Harmless"));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

/* Another user's same words are another request. */
Test(poison, of_one_user_is_not_held_against_another)
{
    struct scene *scene = open_scene();
    const char *bob = make_user_named(scene->forum, "bob");
    faults_arm("posts", "decode_after", "action=abort always match=poison");
    check_is_refused(post_titled(scene, "poison"));
    faults_disarm("posts", "decode_after");
    check_is_refused(post_titled(scene, "poison"));
    CHECK_CREATED(
        forum_post(scene->forum, "/api/posts/create",
                   json_body("{'author_id':'%s','subreddit_id':'%s','title':'poison'}", bob, scene->cats)));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

/* A kill from outside says nothing about the request that was being decided. */
Test(poison, is_not_what_an_engine_was_deciding_when_it_was_killed)
{
    struct scene *scene = open_scene();
    for (int i = 0; i < DEATHS + 1; i++) {
        faults_arm("posts", "decode_after", "action=kill match=innocent");
        CHECK_CREATED(post_titled(scene, "innocent"));
        cr_assert_not(faults_armed("posts", "decode_after"));
        cr_assert(forum_wait_ready(scene->forum, SLOW_MS));
    }
    cr_assert_eq(deaths(scene, "posts"), DEATHS + 1);
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

static void check_all_succeeded(const struct trace *trace)
{
    for (size_t i = 0; i < trace->count; i++)
        cr_assert(trace_is_good(&trace->requests[i]), "%s", trace_describe(&trace->requests[i]));
}

/* No client tries again: each of the 64 must see success, through all that dies. */
Test(poison, takes_nothing_along_that_was_with_the_engine_when_it_died)
{
    struct scene *scene = open_scene();
    struct load *load = load_start(
        scene->forum,
        &(struct load_spec){.name = "load", .clients = 64, .accompanied = true, .timeout_ms = SLOW_MS});
    cr_assert(load_wait_served(load, SERVED, SLOW_MS));
    faults_arm("posts", "decode_after", "action=abort always match=poison");
    faults_arm("comments", "decode_after", "action=abort always match=poison");
    for (int i = 0; i < INSISTING; i++) {
        check_is_refused(post_titled(scene, "poison"));
        check_is_refused(comment_saying(scene, "poison"));
    }
    cr_assert(load_wait_served(load, SERVED, SLOW_MS));
    struct trace *trace = load_stop(load);
    check_all_succeeded(trace);
    cr_assert_eq(deaths(scene, "posts"), DEATHS, "%zu", deaths(scene, "posts"));
    cr_assert_eq(deaths(scene, "comments"), DEATHS, "%zu", deaths(scene, "comments"));
    const char *compared = load_verify(scene->forum, (struct load *[]){load, NULL});
    printf("fault: poison: 2 requests, %d times each: %d restarts each, none of %zu others failed; %s\n",
           INSISTING, DEATHS, trace->count, compared);
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 180});
}
