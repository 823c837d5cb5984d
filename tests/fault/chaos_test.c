/*
 * For FORUMD_CHAOS_S seconds (60), processes of a forum under the load of 64 clients are killed, or stopped
 * and continued, at random: engines, workers, the master, at times several at once. Then everything is there
 * again, and as it was acknowledged. FORUMD_CHAOS_SEED makes the same happen to the same processes at the
 * same times again.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/fault/load.h"
#include "tests/fault/victims.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define DEFAULT_S         60
#define CLIENTS           64
#define RATE              400 /* operations/s */
#define RETRIES           1000
#define PAUSE_MIN_US      30000 /* between two actions */
#define PAUSE_MAX_US      700000
#define STOP_MIN_US       20000
#define STOP_MAX_US       4000000 /* beyond the hang timeout: then it is killed and replaced while it stands */
#define SEVERAL_OF        6       /* one in so many actions hits several at once */
#define SEVERAL_MAX       3
#define STOPPED_MAX       64
#define BACK_MS           30000
#define SERVED_AFTERWARDS 500
#define END_S             120 /* for what comes before and after the chaos */

struct stopped {
    pid_t pid;
    int victim;
    uint64_t until_us;
};

struct chaos {
    struct forum *forum;
    uint64_t random, start_us;
    struct stopped stopped[STOPPED_MAX];
    size_t stopped_count;
    unsigned kills[VICTIM_COUNT], stops[VICTIM_COUNT], absent;
};

static uint64_t random_between(struct chaos *chaos, uint64_t min, uint64_t max)
{
    return min + victim_random(&chaos->random) % (max - min);
}

static void tell(const struct chaos *chaos, const char *what, int victim, pid_t pid)
{
    printf("chaos: %8.3f s %s %s (pid %d)\n", (double)(trace_now_us() - chaos->start_us) / 1e6, what,
           victim_name(victim), (int)pid);
    fflush(stdout);
}

static bool is_still_there(const struct chaos *chaos, const struct stopped *stopped)
{
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(chaos->forum, victim_role(stopped->victim), pids, PROC_MAX);
    for (size_t i = 0; i < count; i++)
        if (pids[i] == stopped->pid)
            return true;
    return false;
}

/* Those whose time has come; UINT64_MAX: all. Returns when the next one's comes. */
static uint64_t continue_stopped(struct chaos *chaos, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < chaos->stopped_count; i++) {
        struct stopped stopped = chaos->stopped[i];
        if (stopped.until_us <= now_us) {
            if (is_still_there(chaos, &stopped)) {
                tell(chaos, "continue", stopped.victim, stopped.pid);
                kill(stopped.pid, SIGCONT);
            }
            continue;
        }
        next_us = stopped.until_us < next_us ? stopped.until_us : next_us;
        chaos->stopped[kept++] = stopped;
    }
    chaos->stopped_count = kept;
    return next_us;
}

/* All that is random is drawn whether or not it is needed: what happens must not depend on what was there. */
static void harm(struct chaos *chaos)
{
    int victim = (int)random_between(chaos, 0, VICTIM_LAUNCHER);
    bool kills = random_between(chaos, 0, 2) == 0;
    uint64_t which = victim_random(&chaos->random);
    uint64_t stop_us = random_between(chaos, STOP_MIN_US, STOP_MAX_US);
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(chaos->forum, victim_role(victim), pids, PROC_MAX);
    if (count == 0) {
        tell(chaos, "finds no", victim, 0);
        chaos->absent++;
        return;
    }
    pid_t pid = pids[which % count];
    tell(chaos, kills ? "kill" : "stop", victim, pid);
    kill(pid, kills ? SIGKILL : SIGSTOP);
    chaos->kills[victim] += kills;
    chaos->stops[victim] += !kills;
    if (!kills) {
        cr_assert_lt(chaos->stopped_count, STOPPED_MAX);
        chaos->stopped[chaos->stopped_count++] =
            (struct stopped){.pid = pid, .victim = victim, .until_us = trace_now_us() + stop_us};
    }
}

static void sleep_until(uint64_t at_us)
{
    uint64_t now_us = trace_now_us();
    if (at_us > now_us)
        victim_pause_us(at_us - now_us);
}

static void rage(struct chaos *chaos, uint64_t seconds)
{
    chaos->start_us = trace_now_us();
    uint64_t action_us = chaos->start_us, end_us = chaos->start_us + seconds * 1000000;
    while (action_us < end_us) {
        uint64_t next_us = continue_stopped(chaos, trace_now_us());
        if (next_us < action_us) {
            sleep_until(next_us);
            continue;
        }
        sleep_until(action_us);
        uint64_t hits = 1;
        if (random_between(chaos, 0, SEVERAL_OF) == 0)
            hits = random_between(chaos, 2, SEVERAL_MAX + 1);
        while (hits-- > 0)
            harm(chaos);
        action_us += random_between(chaos, PAUSE_MIN_US, PAUSE_MAX_US);
    }
    (void)continue_stopped(chaos, UINT64_MAX);
}

/* Each role as often as it was in the beginning, and ready. */
static bool is_whole(void *arg)
{
    struct chaos *chaos = arg;
    pid_t pids[PROC_MAX];
    for (int victim = 0; victim < VICTIM_LAUNCHER; victim++)
        if (forum_processes(chaos->forum, victim_role(victim), pids, PROC_MAX) !=
            (victim == VICTIM_WORKER ? 2 : 1))
            return false;
    return forum_get(chaos->forum, "/ready")->status == 200;
}

static void report_actions(const struct chaos *chaos)
{
    for (int victim = 0; victim < VICTIM_LAUNCHER; victim++)
        printf("fault: chaos: %s: %u kills, %u stops\n", victim_name(victim), chaos->kills[victim],
               chaos->stops[victim]);
    if (chaos->absent > 0)
        printf("fault: chaos: %u actions found their victim away already\n", chaos->absent);
}

static void check_answers(const struct trace *trace)
{
    size_t again = 0, replayed = 0, stale = 0;
    uint64_t slowest_us = 0;
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_request *request = &trace->requests[i];
        cr_assert(trace_is_good(request), "one who tries again saw a failure: %s", trace_describe(request));
        again += request->tries > 1;
        replayed += request->replayed;
        stale += request->stale;
        slowest_us = trace_took_us(request) > slowest_us ? trace_took_us(request) : slowest_us;
    }
    printf("fault: chaos: %zu operations, all came true; %zu needed more than one try, %zu were given an "
           "earlier "
           "one's answer, %zu feeds were stale; the slowest took %.1f s\n",
           trace->count, again, replayed, stale, (double)slowest_us / 1e6);
}

Test(chaos, of_killed_and_stopped_processes_loses_nothing_doubles_nothing_and_ends)
{
    struct chaos chaos = {.random = victim_setting("FORUMD_CHAOS_SEED", trace_now_us()) | 1};
    uint64_t seconds = victim_setting("FORUMD_CHAOS_S", DEFAULT_S);
    printf("fault: chaos: FORUMD_CHAOS_SEED=%" PRIu64 " FORUMD_CHAOS_S=%" PRIu64 "\n", chaos.random, seconds);
    fflush(stdout);
    chaos.forum = forum_start(&(struct forum_spec){.flags = (const char *[]){"--access-log=off", NULL}});
    struct load *load =
        load_start(chaos.forum,
                   &(struct load_spec){.name = "load",
                                       .clients = CLIENTS,
                                       .rate = RATE,
                                       .retries = RETRIES,
                                       .flags = (const char *[]){"--offline=0.3", "--newcomers=0.05", NULL}});
    rage(&chaos, seconds);
    cr_assert(wait_until(is_whole, &chaos, BACK_MS), "not everything came back");
    cr_assert(load_wait_served(load, SERVED_AFTERWARDS, BACK_MS), "the load does not go on");
    report_actions(&chaos);
    check_answers(load_stop(load));
    printf("fault: chaos: %s\n", load_verify(chaos.forum, (struct load *[]){load, NULL}));
    cr_assert_eq(forum_stop(chaos.forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    double seconds = (double)victim_setting("FORUMD_CHAOS_S", DEFAULT_S);
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = seconds + END_S});
}
