/*
 * No read is stale: after a write is acknowledged, or its effect was seen by anybody, every answer shows it,
 * through whichever worker and whatever that worker has kept - while engines die between COMMIT and the
 * raising of versions, and after it. And the hunt itself is put to the test: with engines that raise nothing
 * it must find stale answers.
 *
 * FORUMD_FAULT_SEED repeats a run's choices; FORUMD_STALE_S (12): so long the hunt with kills is.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/fault/register.h"
#include "tests/lib/check.h"
#include "tests/lib/faults.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/wait.h"

#define HUNT_S         12
#define CONTROL_MS     20000
#define READERS        6
#define REGISTERS      (2 * REGISTER_KINDS)
#define KILL_GAP_MS    350 /* between two kills: after less service an engine's restart is held back */
#define FIRE_MS        20000
#define WRITE_PAUSE_NS 20000000 /* of a writer, at most */
#define TURN_READS     50       /* then a reader opens another connection, perhaps to another worker */

struct hunt {
    struct forum *forum;
    const char *users[REGISTER_USERS];
    struct reg registers[REGISTERS];
    atomic_bool stop;
    _Atomic uint64_t seeds;
    pthread_t threads[REGISTERS + READERS];
    size_t thread_count;
    unsigned kills;
};

static uint64_t next_random(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

static struct asker *asker_new(const struct hunt *hunt)
{
    struct asker *asker = calloc(1, sizeof(*asker));
    if (asker == NULL)
        abort();
    asker->port = forum_port(hunt->forum);
    asker->fd = -1;
    return asker;
}

static void asker_free(struct asker *asker)
{
    asker_close(asker);
    free(asker);
}

struct writer {
    struct hunt *hunt;
    struct reg *reg;
};

static void *write_steps(void *arg)
{
    struct writer *writer = arg;
    struct asker *asker = asker_new(writer->hunt);
    uint64_t random = atomic_fetch_add(&writer->hunt->seeds, 1);
    while (!atomic_load(&writer->hunt->stop)) {
        const struct timespec pause = {.tv_nsec = (long)(next_random(&random) % WRITE_PAUSE_NS)};
        register_write(writer->reg, asker, &writer->hunt->stop);
        (void)nanosleep(&pause, NULL); /* for the others to keep what they read, and to read it again */
    }
    asker_free(asker);
    return NULL;
}

static void *read_all(void *arg)
{
    struct hunt *hunt = arg;
    struct asker *asker = asker_new(hunt);
    uint64_t random = atomic_fetch_add(&hunt->seeds, 1);
    for (unsigned reads = 1; !atomic_load(&hunt->stop); reads++) {
        uint64_t choice = next_random(&random);
        register_read(&hunt->registers[choice % REGISTERS], asker, choice / REGISTERS);
        if (reads % TURN_READS == 0)
            asker_close(asker);
    }
    asker_free(asker);
    return NULL;
}

static void start_thread(struct hunt *hunt, void *(*run)(void *arg), void *arg)
{
    cr_assert(pthread_create(&hunt->threads[hunt->thread_count++], NULL, run, arg) == 0);
}

static struct hunt *hunt_begin(const char *const *env, uint64_t seed)
{
    struct hunt *hunt = keep_alloc(sizeof(*hunt));
    hunt->forum =
        forum_start(&(struct forum_spec){.flags = (const char *[]){"--access-log=off", NULL}, .env = env});
    atomic_store(&hunt->seeds, seed);
    for (unsigned i = 0; i < REGISTER_USERS; i++)
        hunt->users[i] = make_user_named(hunt->forum, keep_format("user_%u", i));
    for (unsigned i = 0; i < REGISTERS; i++)
        register_make(&hunt->registers[i], hunt->forum, (enum register_kind)(i % REGISTER_KINDS), hunt->users,
                      i);
    for (unsigned i = 0; i < REGISTERS; i++) {
        struct writer *writer = keep_alloc(sizeof(*writer));
        *writer = (struct writer){hunt, &hunt->registers[i]};
        start_thread(hunt, write_steps, writer);
    }
    for (unsigned i = 0; i < READERS; i++)
        start_thread(hunt, read_all, hunt);
    return hunt;
}

static uint64_t stale_reads(const struct hunt *hunt)
{
    uint64_t stale = 0;
    for (size_t i = 0; i < REGISTERS; i++)
        stale += atomic_load(&hunt->registers[i].stale);
    return stale;
}

/* The sum over all workers. */
static uint64_t metric(const struct hunt *hunt, const char *name)
{
    struct reply *metrics = forum_get(hunt->forum, "/metrics");
    const char *line = strstr(metrics->body, keep_format("\nforumd_%s ", name));
    cr_assert(line, "%s", http_describe(metrics));
    return strtoull(strchr(line, ' ') + 1, NULL, 10);
}

static void hunt_end(struct hunt *hunt)
{
    atomic_store(&hunt->stop, true);
    for (size_t i = 0; i < hunt->thread_count; i++)
        cr_assert(pthread_join(hunt->threads[i], NULL) == 0);
}

static void report(const struct hunt *hunt, const char *what)
{
    uint64_t reads = 0, fresh = 0, steps = 0, tries = 0;
    for (size_t i = 0; i < REGISTERS; i++) {
        reads += atomic_load(&hunt->registers[i].reads);
        fresh += atomic_load(&hunt->registers[i].fresh);
        steps += atomic_load(&hunt->registers[i].acked);
        tries += atomic_load(&hunt->registers[i].tries);
    }
    printf("fault: stale reads: %s: %" PRIu64 " reads, %" PRIu64 " with an answer, of %" PRIu64
           " writes (%" PRIu64 " tries), %" PRIu64 " answers given again, %u kills: %" PRIu64 " stale\n",
           what, reads, fresh, steps, tries, metric(hunt, "gateway_cache_hits_total"), hunt->kills,
           stale_reads(hunt));
}

static bool has_fired(void *arg)
{
    const char *const *at = arg;
    return !faults_armed(at[0], at[1]);
}

static void kill_one(struct hunt *hunt, uint64_t random)
{
    static const char *const roles[] = {"posts", "comments", "subreddits", "dms"};
    static const char *const points[] = {"raise_before", "raise_before", "raise_after", "answer_before"};
    const char *at[] = {roles[random % ARRAY_LEN(roles)], points[random / 4 % ARRAY_LEN(points)]};
    faults_arm(at[0], at[1], "after=%u action=kill", 1 + (unsigned)(random / 16 % 8));
    cr_assert(wait_until(has_fired, at, FIRE_MS), "%s.%s did not fire", at[0], at[1]);
    hunt->kills++;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static uint64_t hunt_s(void)
{
    const char *given = getenv("FORUMD_STALE_S");
    return given ? strtoull(given, NULL, 10) : HUNT_S;
}

Test(stale_reads, are_none_whatever_dies_between_commit_and_raising)
{
    const char *given = getenv("FORUMD_FAULT_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : wait_now_ms(), random = seed;
    printf("fault: stale reads: FORUMD_FAULT_SEED=%" PRIu64 "\n", seed);
    faults_open();
    struct hunt *hunt = hunt_begin(NULL, seed);
    for (uint64_t end_ms = wait_now_ms() + hunt_s() * 1000;
         wait_now_ms() < end_ms && stale_reads(hunt) == 0;) {
        kill_one(hunt, next_random(&random));
        (void)!wait_until(never, NULL, KILL_GAP_MS);
    }
    hunt_end(hunt);
    cr_assert(forum_wait_ready(hunt->forum, FORUM_START_MS));
    report(hunt, "with kills");
    for (size_t i = 0; i < REGISTERS; i++)
        cr_assert(atomic_load(&hunt->registers[i].stale) == 0, "%s", hunt->registers[i].first_stale);
    cr_assert(metric(hunt, "gateway_cache_hits_total") > 0);
    cr_assert_eq(forum_stop(hunt->forum, SIGINT), 0);
}

static bool found_any(void *arg)
{
    return stale_reads(arg) > 0;
}

Test(stale_reads, would_be_found)
{
    struct hunt *hunt = hunt_begin((const char *[]){"FORUMD_FAULT_RAISE=skip", NULL}, 1);
    bool found = wait_until(found_any, hunt, CONTROL_MS);
    hunt_end(hunt);
    report(hunt, "raising nothing");
    cr_assert(found, "engines that raised nothing were not noticed");
    cr_assert_eq(forum_stop(hunt->forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = (double)hunt_s() + 110});
}
