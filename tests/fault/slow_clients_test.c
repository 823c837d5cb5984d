/*
 * What 300 slow clients cost the others.
 *
 * The method, which was settled before any of its figures was known:
 * - The server has one CPU and all clients the other. Who is fast, who is slow and the sink are a process
 * each.
 * - "Alone" is not without slow clients. They do the same then, at the same times, but to the sink: a process
 * on the clients' CPU that takes what they send, answers nothing, and closes by the same deadlines. So the
 * work of being slow is in both, and the difference is what the server does about it.
 * - Both are measured in turns, in an order that is its own mirror image, so that a machine that grows faster
 * or slower meanwhile favours neither. Windows begin when all slow clients are there, and in turns have a
 * light load (LIGHT_RATE, open loop) and a full one (FULL_CONNECTIONS, each asking again when it was
 * answered).
 * - What is compared are medians over the windows' 99th percentiles: of one kind of load, alone and beside
 * the slow ones. What comes in a window's first moments, when its connections are made, has no time.
 *
 * Deadlines are SHORT_DEADLINE_MS here, so that each slow client is closed and comes again several times;
 * that is ten times the work of the usual ones. FORUMD_SLOW_SECONDS=30: the usual deadlines, the slow ones
 * there for so long and then until their deadlines, and the change of both percentiles below CHANGE_MAX
 * without any slack.
 *
 * What was settled afterwards is SLACK_US alone, for a machine that other programs use: the light load's
 * windows, alone, have percentiles from 0.3 to 3 ms even where nothing else was started. A change of its
 * median by less than a third says nothing in one run; the full load's is steadier.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/cores.h"
#include "tests/fault/flood.h"
#include "tests/fault/slow_clients.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/wait.h"

#define SHORT_DEADLINE_MS 2000
#define SHORT_PHASE_MS    2800 /* of windows; with the arrival each meets its deadline twice */
#define SHORT_WINDOW_MS   700
#define LONG_WINDOW_MS    1500
#define LONG_ALONE_MS     9000
#define LONG_ARRIVAL_MS   5000
#define SETTLE_MS         100 /* a window's first moments */
#define LIGHT_RATE        2000
#define LIGHT_CONNECTIONS 8
#define FULL_CONNECTIONS  64
#define CHANGE_MAX        0.2
#define SLACK_US          2000 /* with short deadlines and few windows: a time slice of some other process */
#define LONG_CHARACTERS                                                                                      \
    40000 /* a post's limit: what a reader does not read, and yet as cheap to serve as others */
#define BYTES_PER_SLOW (1536 * 1024) /* an answer of a megabyte, and 512 KiB read ahead (http_server.h) */
#define WINDOWS_MAX    64

enum load { LOAD_LIGHT, LOAD_FULL, LOADS };
enum arm { ARM_ALONE, ARM_BESIDE, ARMS };

static const char *const load_names[] = {"light", "full"};
static const char *const arm_names[] = {"alone", "beside"};

struct figures {
    uint64_t p99_us[WINDOWS_MAX];
    size_t count;
};

struct world {
    struct forum *forum;
    const char *post;
    struct slow_spec specs[ARMS];
    struct slow_sink *sink;
    struct slow_counts counts; /* of those beside, in all phases */
    unsigned phase_ms[ARMS], window_ms;
    const char *order; /* a letter a phase: 'a' alone, 'b' beside */
    bool usual;        /* deadlines */
    struct figures figures[ARMS][LOADS];
};

static size_t make_read(void *arg, uint64_t number, char *out, size_t max)
{
    const struct world *world = arg;
    (void)number;
    return (size_t)snprintf(out, max, "GET /api/posts/%s HTTP/1.1\r\nHost: forum\r\n\r\n", world->post);
}

static void window_run(struct world *world, enum arm arm, enum load load)
{
    struct figures *figures = &world->figures[arm][load];
    struct flood_result result;
    struct flood_spec spec = {.port = forum_port(world->forum),
                              .connections = load == LOAD_LIGHT ? LIGHT_CONNECTIONS : FULL_CONNECTIONS,
                              .rate = load == LOAD_LIGHT ? LIGHT_RATE : 0,
                              .duration_ms = world->window_ms,
                              .settle_ms = SETTLE_MS,
                              .make = make_read,
                              .arg = world};
    flood_run(&spec, &result);
    flood_print(arm_names[arm], &result);
    cr_assert_eq(result.good, result.sent, "%" PRIu64 " of %" PRIu64 " were not served",
                 result.sent - result.good, result.sent);
    cr_assert_lt(figures->count, WINDOWS_MAX);
    figures->p99_us[figures->count++] = histogram_percentile(result.good_us, 99);
    flood_result_dispose(&result);
}

static bool time_has_come(void *arg)
{
    return wait_now_ms() >= *(uint64_t *)arg;
}

static void wait_for_time(uint64_t ms)
{
    uint64_t now_ms = wait_now_ms();
    if (now_ms < ms)
        (void)!wait_until(time_has_come, &ms, (unsigned)(ms - now_ms) + 1);
}

static void counts_add(struct slow_counts *sum, const struct slow_counts *counts)
{
    for (int i = 0; i < SLOWNESSES; i++) {
        sum->closed[i] += counts->closed[i];
        sum->early[i] += counts->early[i];
        sum->overdue[i] += counts->overdue[i];
        if (counts->latest_ms[i] > sum->latest_ms[i])
            sum->latest_ms[i] = counts->latest_ms[i];
    }
    if (counts->max_kb > sum->max_kb)
        sum->max_kb = counts->max_kb;
}

static void phase_run(struct world *world, enum arm arm)
{
    struct slow_counts counts;
    uint64_t start_ms = wait_now_ms() + world->specs[arm].arrival_ms;
    struct slow_clients *slows = slow_clients_start(&world->specs[arm]);
    wait_for_time(start_ms);
    for (unsigned i = 0; wait_now_ms() < start_ms + world->phase_ms[arm]; i++)
        window_run(world, arm, (enum load)(i % LOADS));
    slow_clients_end(slows, &counts);
    if (arm == ARM_BESIDE)
        counts_add(&world->counts, &counts);
}

static void world_set_deadlines(struct world *world)
{
    static const struct {
        const char *variable;
        uint64_t usual_ms;
    } rows[] = {
        {"FORUMD_HEAD_TIMEOUT", 10000}, {"FORUMD_BODY_TIMEOUT", 20000}, {"FORUMD_ANSWER_TIMEOUT", 30000}};
    const char *seconds = getenv("FORUMD_SLOW_SECONDS");
    struct slow_spec *spec = &world->specs[ARM_BESIDE];
    world->usual = seconds != NULL;
    for (int i = 0; i < SLOWNESSES; i++) {
        if (!world->usual)
            setenv(rows[i].variable, keep_format("%d", SHORT_DEADLINE_MS), 1);
        spec->deadlines_ms[i] = world->usual ? rows[i].usual_ms : SHORT_DEADLINE_MS;
    }
    spec->arrival_ms = world->usual ? LONG_ARRIVAL_MS : SHORT_DEADLINE_MS;
    world->window_ms = world->usual ? LONG_WINDOW_MS : SHORT_WINDOW_MS;
    world->phase_ms[ARM_ALONE] = world->usual ? LONG_ALONE_MS : SHORT_PHASE_MS;
    world->phase_ms[ARM_BESIDE] =
        world->usual ? (unsigned)atoi(seconds) * 1000 + 2 * SLOW_LATE_MS : SHORT_PHASE_MS;
    world->order = world->usual ? "aba" : "abba";
}

static const char *make_long_post(struct forum *forum, const char *subreddit, const char *user)
{
    char *content = keep_alloc(LONG_CHARACTERS + 1);
    memset(content, 'x', LONG_CHARACTERS);
    content[LONG_CHARACTERS] = '\0';
    struct reply *made =
        forum_post(forum, "/api/posts/create",
                   json_body("{'subreddit_id':'%s','author_id':'%s','title':'T','content':'%s'}", subreddit,
                             user, content));
    CHECK_CREATED(made);
    return json_text(made, "post_id");
}

static void world_start(struct world *world)
{
    static const char *const flags[] = {"--access-log", "off", NULL};
    struct cores cores = cores_choose();
    struct slow_spec *spec = &world->specs[ARM_BESIDE];
    world_set_deadlines(world);
    cores_stay_on(cores.server);
    world->forum = forum_start(&(struct forum_spec){.name = "slow", .flags = flags});
    cores_stay_on(cores.clients);
    const char *user = make_user(world->forum), *subreddit = make_subreddit(world->forum, user);
    world->post = make_post(world->forum, subreddit, user, "a post");
    snprintf(spec->reader_path, sizeof(spec->reader_path), "/api/posts/%s",
             make_long_post(world->forum, subreddit, user));
    spec->weighed_count =
        forum_processes(world->forum, "forumd-gateway: worker", spec->weighed, SLOW_WEIGHED_MAX);
    for (int i = 0; i < SLOWNESSES; i++)
        spec->ports[i] = forum_port(world->forum);
    world->specs[ARM_ALONE] = *spec;
    world->sink = slow_sink_start(&world->specs[ARM_ALONE]);
}

static int compare_us(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t median_us(struct figures *figures)
{
    size_t half = figures->count / 2;
    cr_assert_gt(figures->count, 0);
    qsort(figures->p99_us, figures->count, sizeof(figures->p99_us[0]), compare_us);
    return figures->count % 2 == 1 ? figures->p99_us[half]
                                   : (figures->p99_us[half - 1] + figures->p99_us[half]) / 2;
}

static void check_load(struct world *world, enum load load)
{
    uint64_t alone_us = median_us(&world->figures[ARM_ALONE][load]);
    uint64_t beside_us = median_us(&world->figures[ARM_BESIDE][load]);
    double change = (double)beside_us / (double)alone_us - 1;
    printf("fault: slow clients: %s load: p99 %" PRIu64 " us alone, %" PRIu64
           " us beside %d slow clients (%+.0f %%; medians of %zu and %zu windows)\n",
           load_names[load], alone_us, beside_us, SLOW_CLIENTS, change * 100,
           world->figures[ARM_ALONE][load].count, world->figures[ARM_BESIDE][load].count);
    double slack_us = world->usual ? 0 : SLACK_US;
    cr_expect_leq((double)beside_us, (double)alone_us * (1 + CHANGE_MAX) + slack_us,
                  "%s load: others are slower beside slow clients", load_names[load]);
}

static void check_closed(const struct world *world)
{
    static const char *const names[] = {
        [SLOW_HEAD] = "heads", [SLOW_BODY] = "bodies", [SLOW_READER] = "readers"};
    const struct slow_counts *counts = &world->counts;
    for (int i = 0; i < SLOWNESSES; i++) {
        printf("fault: slow clients: %s: %" PRIu64 " closed, after %" PRIu64 " ms at the latest, %" PRIu64
               " before their deadline\n",
               names[i], counts->closed[i], counts->latest_ms[i], counts->early[i]);
        cr_expect_geq(counts->closed[i], SLOW_CLIENTS / SLOWNESSES);
        cr_expect_eq(counts->early[i], 0);
        cr_expect_eq(counts->overdue[i], 0, "%" PRIu64 " were open %d ms after their deadline",
                     counts->overdue[i], SLOW_LATE_MS);
    }
}

Test(slow_clients, are_closed_by_deadline_and_cost_only_themselves)
{
    static struct world world;
    world_start(&world);
    window_run(&world, ARM_ALONE, LOAD_LIGHT); /* to warm up */
    window_run(&world, ARM_ALONE, LOAD_FULL);
    memset(world.figures, 0, sizeof(world.figures));
    long before_kb = slow_memory_kb(&world.specs[ARM_BESIDE]);
    for (const char *phase = world.order; *phase != '\0'; phase++)
        phase_run(&world, *phase == 'a' ? ARM_ALONE : ARM_BESIDE);
    check_closed(&world);
    for (int i = 0; i < LOADS; i++)
        check_load(&world, (enum load)i);
    long bytes_each = (world.counts.max_kb - before_kb) * 1024 / SLOW_CLIENTS;
    printf("fault: slow clients: %ld bytes for each\n", bytes_each);
    cr_expect_leq(bytes_each, BYTES_PER_SLOW);
    slow_sink_end(world.sink);
    cr_assert_eq(forum_stop(world.forum, SIGTERM), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.one_by_one = true});
}
