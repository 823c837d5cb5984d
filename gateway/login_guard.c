#include "gateway/login_guard.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "common/fatal.h"

/* Time in a state: 32 bits last 13 years of the machine's uptime. */
#define TICK_MS       100
#define TICKS_S       (1000 / TICK_MS)
#define FAILURES_MAX  64 /* counted; delays have reached their maximum long before */
#define DOUBLINGS_MAX 16
#define FIRST_DELAY   (1 * TICKS_S)
#define RULE_TABLE(r) (RATE_CLASS_COUNT + (unsigned)(r))
#define KNOWN_TABLE   RULE_TABLE(LOGIN_RULES)

_Static_assert(KNOWN_TABLE < LIMITS_TABLES, "each rule has a table, and so have the known addresses");

/* A delay never outlasts the failures that it is for: they are forgotten more slowly. */
static const struct {
    uint32_t free;         /* failures without a delay */
    uint32_t delay_max;    /* ticks */
    uint32_t forget_ticks; /* one failure is forgotten in */
} rules[LOGIN_RULES] = {
    [LOGIN_PAIR] = {.free = 5, .delay_max = 15 * 60 * TICKS_S, .forget_ticks = 10 * 60 * TICKS_S},
    [LOGIN_ADDRESS] = {.free = 20, .delay_max = 15 * 60 * TICKS_S, .forget_ticks = 60 * TICKS_S},
    [LOGIN_ACCOUNT] = {.free = 20, .delay_max = 60 * TICKS_S, .forget_ticks = 60 * TICKS_S},
};

/* A state: when all failures are forgotten, which says how many there are, and until when nothing is tried.
 */
static uint64_t state_of(uint32_t forgotten, uint32_t blocked_until)
{
    return (uint64_t)forgotten << 32 | blocked_until;
}

static uint32_t forgotten_at(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static uint32_t blocked_until(uint64_t state)
{
    return (uint32_t)state;
}

static uint32_t ticks_of(uint64_t now_ms)
{
    return (uint32_t)(now_ms / TICK_MS);
}

static uint32_t delay_after(enum login_rule rule, uint32_t failures)
{
    if (failures <= rules[rule].free)
        return 0;
    uint32_t doublings = failures - rules[rule].free - 1;
    uint32_t delay = FIRST_DELAY << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    return delay < rules[rule].delay_max ? delay : rules[rule].delay_max;
}

/* 0: counted; else the ticks to wait. */
static uint32_t count_failure(const struct login_guard *guard, struct login_attempt *attempt,
                              enum login_rule rule, uint32_t now)
{
    const struct shared_slots table = limits_page_table(guard->page, RULE_TABLE(rule));
    _Atomic uint64_t *state = shared_slots_take(&table, attempt->owners[rule], state_of(now, UINT32_MAX));
    uint64_t before = atomic_load_explicit(state, memory_order_relaxed);
    uint32_t forget = rules[rule].forget_ticks, until;
    do {
        if (blocked_until(before) > now)
            return blocked_until(before) - now;
        uint32_t left = forgotten_at(before) > now ? forgotten_at(before) - now : 0;
        left = left < (FAILURES_MAX - 1) * forget ? left + forget : FAILURES_MAX * forget;
        until = now + delay_after(rule, (left + forget - 1) / forget);
        attempt->blocked_until[rule] = until;
        if (atomic_compare_exchange_weak_explicit(state, &before, state_of(now + left, until),
                                                  memory_order_relaxed, memory_order_relaxed))
            break;
    } while (true);
    attempt->counted |= 1u << rule;
    return 0;
}

/* The time in which nothing is tried ends too, unless somebody else's failure has moved it since. */
static void uncount(const struct login_guard *guard, const struct login_attempt *attempt,
                    enum login_rule rule)
{
    const struct shared_slots table = limits_page_table(guard->page, RULE_TABLE(rule));
    _Atomic uint64_t *state = shared_slots_find(&table, attempt->owners[rule]);
    if (state == NULL)
        return; /* forgotten meanwhile */
    uint64_t before = atomic_load_explicit(state, memory_order_relaxed), after;
    do {
        uint32_t forgotten = forgotten_at(before), until = blocked_until(before);
        forgotten -= forgotten < rules[rule].forget_ticks ? forgotten : rules[rule].forget_ticks;
        after = state_of(forgotten, until == attempt->blocked_until[rule] ? 0 : until);
    } while (!atomic_compare_exchange_weak_explicit(state, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
}

/* `address` NULL: any; `account` NULL: any. */
static uint64_t owner_of(const struct login_guard *guard, const struct client_address *address,
                         const char *account)
{
    uint8_t bytes[CLIENT_ADDRESS_BYTES + sizeof(uint64_t)] = {0};
    if (address != NULL)
        memcpy(bytes, address->bytes, CLIENT_ADDRESS_BYTES);
    if (account != NULL) {
        uint64_t hash = limits_page_owner(guard->page, account, strlen(account));
        memcpy(bytes + CLIENT_ADDRESS_BYTES, &hash, sizeof(hash));
    }
    return limits_page_owner(guard->page, bytes, sizeof(bytes));
}

static struct shared_slots known_table(const struct login_guard *guard)
{
    return limits_page_table(guard->page, KNOWN_TABLE);
}

static bool is_known(const struct login_guard *guard, uint64_t owner, uint64_t now_ms)
{
    const struct shared_slots table = known_table(guard);
    const _Atomic uint64_t *state = shared_slots_find(&table, owner);
    return state != NULL && atomic_load_explicit(state, memory_order_relaxed) > now_ms;
}

void login_guard_undecided(const struct login_guard *guard, const struct login_attempt *attempt)
{
    for (int rule = 0; rule < LOGIN_RULES; rule++)
        if ((attempt->counted & 1u << rule) != 0)
            uncount(guard, attempt, (enum login_rule)rule);
}

uint64_t login_guard_begin(const struct login_guard *guard, struct login_attempt *attempt,
                           const struct client_address *address, const char *account, uint64_t now_ms)
{
    struct client_address network = client_address_network(address);
    uint64_t pair = owner_of(guard, &network, account);
    *attempt = (struct login_attempt){.counted = 0};
    attempt->owners[LOGIN_PAIR] = pair;
    attempt->owners[LOGIN_ADDRESS] = owner_of(guard, &network, NULL);
    attempt->owners[LOGIN_ACCOUNT] = owner_of(guard, NULL, account);
    for (int rule = 0; rule < LOGIN_RULES; rule++) {
        if (rule == LOGIN_ACCOUNT && is_known(guard, pair, now_ms))
            continue;
        uint32_t wait = count_failure(guard, attempt, (enum login_rule)rule, ticks_of(now_ms));
        if (wait > 0) {
            login_guard_undecided(guard, attempt);
            return (uint64_t)wait * TICK_MS;
        }
    }
    return 0;
}

/* The slot may have been another address's: its mark is older, and becomes this one's now. */
static void make_known(const struct login_guard *guard, uint64_t owner, uint64_t now_ms)
{
    const struct shared_slots table = known_table(guard);
    _Atomic uint64_t *state = shared_slots_take(&table, owner, now_ms);
    atomic_store_explicit(state, now_ms + LOGIN_KNOWN_MS, memory_order_relaxed);
}

void login_guard_succeeded(const struct login_guard *guard, const struct login_attempt *attempt,
                           uint64_t now_ms)
{
    const struct shared_slots pairs = limits_page_table(guard->page, RULE_TABLE(LOGIN_PAIR));
    _Atomic uint64_t *pair = shared_slots_find(&pairs, attempt->owners[LOGIN_PAIR]);
    login_guard_undecided(guard, attempt);
    if (pair != NULL)
        atomic_store_explicit(pair, 0, memory_order_relaxed);
    make_known(guard, attempt->owners[LOGIN_PAIR], now_ms);
}
