/*
 * kill -9 of each kind of process, KILLS times each, under the load of 64 clients: half of them take every
 * answer as it is, half of them try again with the same key. Nothing acknowledged is lost, nothing happens
 * twice, and only those notice who needed what was killed. FORUMD_KILLS_SEED repeats the choice of moments
 * and of workers.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fault/load.h"
#include "tests/fault/victims.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define KILLS           20
#define CLIENTS         32  /* of each half */
#define RATE            250 /* of each half, operations/s */
#define PATIENT_RETRIES 1000
#define PAUSE_MIN_US    50000 /* between two kills of any kind */
#define PAUSE_MAX_US    250000
#define REST_MIN_US     250000 /* between two kills of one kind: after less service it may back off */
#define REST_MAX_US     550000
#define DEADLINE_US     2000000
#define LATE_US         500000 /* an answer that the deadline forced may come that much later on a busy machine */
#define WARM_OPERATIONS 500
#define GONE_MS         10000

struct scene {
    struct forum *forum;
    struct load *once, *patient;
    struct outage outages[ENGINE_COUNT * KILLS];
    size_t count;
    uint64_t random;
};

static uint64_t choose_seed(void)
{
    uint64_t seed = victim_setting("FORUMD_KILLS_SEED", trace_now_us()) | 1;
    printf("fault: kills: FORUMD_KILLS_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

static void scene_open(struct scene *scene)
{
    static const char *const flags[] = {"--users=100", "--offline=0.3", "--newcomers=0.05", NULL};
    *scene = (struct scene){.random = choose_seed()};
    scene->forum = forum_start(&(struct forum_spec){.flags = (const char *[]){"--access-log=off", NULL}});
    struct load_spec spec = {.name = "once", .clients = CLIENTS, .rate = RATE, .flags = flags};
    scene->once = load_start(scene->forum, &spec);
    spec.name = "patient";
    spec.retries = PATIENT_RETRIES;
    scene->patient = load_start(scene->forum, &spec);
    cr_assert(load_wait_served(scene->once, WARM_OPERATIONS, LOAD_SETUP_MS));
}

static void scene_pause(struct scene *scene, uint64_t min_us, uint64_t max_us)
{
    victim_pause_us(min_us + victim_random(&scene->random) % (max_us - min_us));
}

static void scene_kill(struct scene *scene, int victim)
{
    scene->outages[scene->count++] = victim_kill(scene->forum, victim, victim_random(&scene->random));
}

static void kill_repeatedly(struct scene *scene, int victim)
{
    for (int i = 0; i < KILLS; i++) {
        scene_pause(scene, REST_MIN_US, REST_MAX_US);
        scene_kill(scene, victim);
    }
}

/* What a request that failed could blame: the outages during which it was under way. */
static unsigned victims_during(const struct scene *scene, const struct trace_request *request)
{
    unsigned victims = 0;
    for (size_t i = 0; i < scene->count; i++)
        if (trace_overlaps(request, scene->outages[i].from_us, scene->outages[i].to_us))
            victims |= 1u << scene->outages[i].victim;
    return victims;
}

static int compare_durations(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void report(const struct scene *scene, int victim, size_t affected, size_t failed)
{
    uint64_t took_us[ARRAY_LEN(scene->outages)];
    size_t kills = 0;
    for (size_t i = 0; i < scene->count; i++)
        if (scene->outages[i].victim == victim)
            took_us[kills++] = scene->outages[i].to_us - scene->outages[i].from_us;
    qsort(took_us, kills, sizeof(took_us[0]), compare_durations);
    printf("fault: kills: %s: %zu kills, back after %.0f ms (median), %.0f ms (worst); %zu requests were "
           "concerned, "
           "%zu failed\n",
           victim_name(victim), kills, (double)took_us[kills / 2] / 1000, (double)took_us[kills - 1] / 1000,
           affected, failed);
}

static void check_patient(const struct trace *trace)
{
    size_t again = 0, replayed = 0;
    for (size_t i = 0; i < trace->count; i++) {
        cr_assert(trace_is_good(&trace->requests[i]), "one who tries again saw a failure: %s",
                  trace_describe(&trace->requests[i]));
        again += trace->requests[i].tries > 1;
        replayed += trace->requests[i].replayed;
    }
    printf("fault: kills: of %zu requests of those who try again %zu needed more than one try, %zu were "
           "given the "
           "answer of an earlier one\n",
           trace->count, again, replayed);
}

/* Ends the load and holds the server against everything that was acknowledged. */
static void scene_close(struct scene *scene)
{
    check_patient(load_stop(scene->patient));
    printf("fault: kills: %s\n",
           load_verify(scene->forum, (struct load *[]){scene->once, scene->patient, NULL}));
    cr_assert_eq(forum_stop(scene->forum, SIGINT), 0);
}

/* ---- engines ---- */

static void check_503_in_time(const struct trace_request *request)
{
    cr_assert(request->status == 503, "%s", trace_describe(request));
    cr_assert_leq(trace_took_us(request), DEADLINE_US + LATE_US, "%s", trace_describe(request));
}

static void check_engine(const struct scene *scene, const struct trace *trace, int engine)
{
    size_t affected = 0, failed = 0;
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_request *request = &trace->requests[i];
        if (!(request->needs & NEEDS(engine)) || !(victims_during(scene, request) & NEEDS(engine)))
            continue;
        affected++;
        failed += !trace_is_good(request);
    }
    report(scene, engine, affected, failed);
    cr_assert_gt(affected, 0, "no request needed %s while it was away: the load is too weak",
                 victim_name(engine));
    cr_assert_geq(100 * (affected - failed), 99 * affected, "of %zu that needed %s, %zu failed", affected,
                  victim_name(engine), failed);
}

Test(kills, of_engines_fail_nobody_else_and_nearly_all_who_need_them_just_wait)
{
    struct scene scene;
    scene_open(&scene);
    for (int round = 0; round < KILLS; round++)
        for (int engine = 0; engine < ENGINE_COUNT; engine++) {
            scene_pause(&scene, PAUSE_MIN_US, PAUSE_MAX_US);
            scene_kill(&scene, engine);
        }
    const struct trace *trace = load_stop(scene.once);
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_request *request = &trace->requests[i];
        if (trace_is_good(request))
            continue;
        check_503_in_time(request);
        cr_assert(request->needs & victims_during(&scene, request),
                  "it needed none of those that were away: %s", trace_describe(request));
    }
    for (int engine = 0; engine < ENGINE_COUNT; engine++)
        check_engine(&scene, trace, engine);
    scene_close(&scene);
}

Test(kills, of_one_engine_in_quick_succession_do_not_make_it_slow_to_come_back)
{
    struct scene scene;
    scene_open(&scene);
    kill_repeatedly(&scene, ENGINE_POSTS);
    const struct trace *trace = load_stop(scene.once);
    check_engine(&scene, trace, ENGINE_POSTS);
    scene_close(&scene);
}

/* ---- the gateway ---- */

/* A connection that breaks with its process, or cannot be made while there is none, is no failure of the
 * server's but for who does not try again. */
static size_t check_broken(const struct scene *scene, const struct trace *trace, int victim)
{
    size_t affected = 0, failed = 0;
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_request *request = &trace->requests[i];
        bool during = victims_during(scene, request) != 0;
        affected += during;
        if (trace_is_good(request))
            continue;
        failed++;
        cr_assert(during, "nothing was away: %s", trace_describe(request));
        cr_assert(request->status == 0 || request->status == 503, "%s", trace_describe(request));
        cr_assert_leq(trace_took_us(request), DEADLINE_US + LATE_US, "%s", trace_describe(request));
    }
    report(scene, victim, affected, failed);
    return failed;
}

Test(kills, of_workers_break_only_connections_and_lose_nothing)
{
    struct scene scene;
    scene_open(&scene);
    kill_repeatedly(&scene, VICTIM_WORKER);
    size_t failed = check_broken(&scene, load_stop(scene.once), VICTIM_WORKER);
    cr_assert_leq(failed, scene.count * CLIENTS, "more failed than connections can have broken");
    scene_close(&scene);
}

Test(kills, of_the_master_end_with_another_that_has_taken_over_the_port)
{
    struct scene scene;
    scene_open(&scene);
    kill_repeatedly(&scene, VICTIM_MASTER);
    (void)check_broken(&scene, load_stop(scene.once), VICTIM_MASTER);
    scene_close(&scene);
}

/* ---- the launcher ---- */

static bool all_are_gone(void *arg)
{
    pid_t pid;
    return forum_processes(arg, "forumd", &pid, 1) == 0;
}

/* Whoever starts the server again does not wait for what is left of the last one: but it must go by itself.
 */
Test(kills, of_the_launcher_take_everything_along_and_lose_nothing)
{
    struct scene scene;
    scene_open(&scene);
    for (int i = 0; i < KILLS; i++) {
        scene_pause(&scene, PAUSE_MIN_US, PAUSE_MAX_US);
        struct outage *outage = &scene.outages[scene.count++];
        *outage = (struct outage){.victim = VICTIM_LAUNCHER, .from_us = trace_now_us()};
        cr_assert_eq(kill(forum_launcher(scene.forum), SIGKILL), 0);
        cr_assert(wait_until(all_are_gone, scene.forum, GONE_MS), "some outlive their launcher");
        forum_kill(scene.forum);
        forum_start_again(scene.forum);
        outage->to_us = trace_now_us();
    }
    (void)check_broken(&scene, load_stop(scene.once), VICTIM_LAUNCHER);
    scene_close(&scene);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.one_by_one = true, .timeout_s = 240});
}
