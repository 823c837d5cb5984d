#include "tests/fault/victims.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/lib/require.h"
#include "tests/lib/wait.h"

static const struct {
    const char *name, *role;
} victims[VICTIM_COUNT] = {
    [ENGINE_USERS] = {"users", "forumd-engined: users"},
    [ENGINE_SUBREDDITS] = {"subreddits", "forumd-engined: subreddits"},
    [ENGINE_POSTS] = {"posts", "forumd-engined: posts"},
    [ENGINE_COMMENTS] = {"comments", "forumd-engined: comments"},
    [ENGINE_DMS] = {"dms", "forumd-engined: dms"},
    [ENGINE_FEED] = {"feed", "forumd-engined: feed"},
    [VICTIM_WORKER] = {"worker", "forumd-gateway: worker"},
    [VICTIM_MASTER] = {"master", "forumd-gateway: master"},
    [VICTIM_LAUNCHER] = {"launcher", ""},
};

const char *victim_name(int victim)
{
    return victims[victim].name;
}

const char *victim_role(int victim)
{
    return victims[victim].role;
}

struct succession {
    struct forum *forum;
    const char *role;
    pid_t old;
    size_t count;
};

static bool is_succeeded(void *arg)
{
    const struct succession *succession = arg;
    pid_t pids[PROC_MAX];
    size_t count = forum_processes(succession->forum, succession->role, pids, PROC_MAX);
    for (size_t i = 0; i < count; i++)
        if (pids[i] == succession->old)
            return false;
    return count == succession->count && forum_get(succession->forum, "/ready")->status == 200;
}

struct outage victim_kill(struct forum *forum, int victim, uint64_t random)
{
    pid_t pids[PROC_MAX];
    struct outage outage = {.victim = victim};
    struct succession succession = {.forum = forum, .role = victim_role(victim)};
    succession.count = forum_processes(forum, succession.role, pids, PROC_MAX);
    REQUIRE(succession.count > 0, "no %s is there to be killed", victim_name(victim));
    succession.old = pids[random % succession.count];
    outage.from_us = trace_now_us();
    REQUIRE(kill(succession.old, SIGKILL) == 0, "kill: %s", strerror(errno));
    REQUIRE(wait_until(is_succeeded, &succession, FORUM_START_MS), "%s %d did not come back",
            victim_name(victim), (int)succession.old);
    outage.to_us = trace_now_us();
    return outage;
}

/* xorshift64* */
uint64_t victim_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

uint64_t victim_setting(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    char *end;
    if (!text || !*text)
        return otherwise;
    uint64_t number = strtoull(text, &end, 10);
    REQUIRE(*end == '\0' && *text != '-', "%s: %s is not a number", variable, text);
    return number;
}

void victim_pause_us(uint64_t us)
{
    struct timespec left = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}
