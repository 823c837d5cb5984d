#include "gateway/rate_limit.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "gateway/limits_page.h"
#include "gateway/rates.h"
#include "tests/unit/seed.h"

#define S  1000000000ull /* ns */
#define MS 1000000ull

static void start_sodium(void)
{
    cr_assert(sodium_init() >= 0);
}

TestSuite(limit);
TestSuite(bucket);
TestSuite(slots);
TestSuite(rates, .init = start_sodium);
TestSuite(workers, .init = start_sodium);

static struct rate_limits parsed(const char *text)
{
    struct rate_limits limits;
    const char *reason = NULL;
    cr_assert(rate_limits_parse(text, &limits, &reason), "%s: %s", text, reason);
    return limits;
}

Test(limit, is_a_rate_a_burst_and_how_many_users_an_address_stands_for)
{
    static const struct {
        const char *text;
        uint64_t user_ns, address_ns;
        uint32_t user_burst, address_burst;
    } cases[] = {
        {"10/1s,burst=20", 100 * MS, 100 * MS, 20, 20},
        {"10/s", 100 * MS, 100 * MS, 10, 10},
        {"3/h,burst=1", 1200 * S, 1200 * S, 1, 1},
        {"1/250ms", 250 * MS, 250 * MS, 1, 1},
        {"2/5m,burst=4,address=3", 150 * S, 50 * S, 4, 12},
        {"1/d", 86400 * S, 86400 * S, 1, 1},
        {"1000000/s", 1000, 1000, 1000000, 1000000},
        {"100/s,address=4", 10 * MS, 2500000, 100, 400},
        {"off", 0, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rate_limits limits = parsed(cases[i].text);
        cr_expect_eq(limits.user.interval_ns, cases[i].user_ns, "%s", cases[i].text);
        cr_expect_eq(limits.user.burst, cases[i].user_burst, "%s", cases[i].text);
        cr_expect_eq(limits.address.interval_ns, cases[i].address_ns, "%s", cases[i].text);
        cr_expect_eq(limits.address.burst, cases[i].address_burst, "%s", cases[i].text);
    }
}

Test(limit, that_means_nothing_is_refused_with_a_reason)
{
    static const char *const bad[] = {"",
                                      "on",
                                      "10",
                                      "10/",
                                      "/s",
                                      "0/s",
                                      "-1/s",
                                      "+1/s",
                                      " 1/s",
                                      "1/s ",
                                      "1/0s",
                                      "1/2d",
                                      "1/w",
                                      "1/ss",
                                      "1/S",
                                      "1000001/s",
                                      "1/1000001ms",
                                      "99999999999999999999/s",
                                      "1/s,burst=0",
                                      "1/s,burst=",
                                      "1/s,burst=1000001",
                                      "1/s,burst",
                                      "1/s,rate=2",
                                      "1/s,address=0",
                                      "1/s,address=2,burst=2",
                                      "1/s,burst=2,burst=3",
                                      "1/d,burst=8",
                                      "1000000/1ms,address=2",
                                      "1000/s,burst=1000,address=1001",
                                      "offf",
                                      "1/s;burst=2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct rate_limits limits;
        const char *reason = NULL;
        cr_expect(!rate_limits_parse(bad[i], &limits, &reason), "%s", bad[i]);
        cr_expect(reason && strlen(reason) > 10, "%s", bad[i]);
    }
}

static void check(struct rate_verdict verdict, bool refused, uint32_t remaining, uint64_t wait_ns,
                  uint64_t full_ns)
{
    cr_expect_eq(verdict.refused, refused);
    cr_expect_eq(verdict.remaining, remaining, "%u remain, not %u", verdict.remaining, remaining);
    cr_expect_eq(verdict.wait_ns, wait_ns, "%" PRIu64 " ns to wait, not %" PRIu64, verdict.wait_ns, wait_ns);
    cr_expect_eq(verdict.full_ns, full_ns, "%" PRIu64 " ns to full, not %" PRIu64, verdict.full_ns, full_ns);
}

Test(bucket, gives_its_burst_at_once_then_one_an_interval)
{
    const struct rate_limit limit = parsed("10/s,burst=3").user;
    _Atomic uint64_t state = 0;
    const uint64_t now = 1000 * S;
    check(rate_take(&state, &limit, now), false, 2, 0, 100 * MS);
    check(rate_take(&state, &limit, now), false, 1, 0, 200 * MS);
    check(rate_take(&state, &limit, now), false, 0, 0, 300 * MS);
    check(rate_take(&state, &limit, now), true, 0, 100 * MS, 300 * MS);
    check(rate_take(&state, &limit, now + 99 * MS), true, 0, 1 * MS, 201 * MS);
    check(rate_take(&state, &limit, now + 100 * MS - 1), true, 0, 1, 200 * MS + 1);
    check(rate_take(&state, &limit, now + 100 * MS), false, 0, 0, 300 * MS);
    check(rate_take(&state, &limit, now + 100 * MS), true, 0, 100 * MS, 300 * MS);
    check(rate_take(&state, &limit, now + 350 * MS), false, 1, 0, 150 * MS);
}

Test(bucket, is_never_fuller_than_its_burst)
{
    const struct rate_limit limit = parsed("10/s,burst=3").user;
    _Atomic uint64_t state = 0;
    (void)!rate_take(&state, &limit, 5 * S).refused;
    for (uint32_t i = 0; i < 3; i++)
        cr_expect(!rate_take(&state, &limit, 500000 * S).refused);
    cr_expect(rate_take(&state, &limit, 500000 * S).refused);
}

Test(bucket, lets_through_whoever_waits_as_long_as_he_is_told_however_often_he_was_refused)
{
    const struct rate_limit limit = parsed("7/3s,burst=5").user;
    _Atomic uint64_t state = 0;
    uint64_t now = 77 * S;
    for (int round = 0; round < 1000; round++) {
        struct rate_verdict verdict = rate_take(&state, &limit, now);
        while (!verdict.refused)
            verdict = rate_take(&state, &limit, now);
        for (int i = 0; i < 3; i++)
            cr_assert_eq(rate_take(&state, &limit, now).wait_ns, verdict.wait_ns);
        cr_assert(rate_take(&state, &limit, now + verdict.wait_ns - 1).refused);
        now += verdict.wait_ns;
        cr_assert(!rate_take(&state, &limit, now).refused);
    }
}

/* In any interval no more than burst + elapsed * rate, and all of that if asked for. */
Test(bucket, over_random_times_gives_what_a_counting_bucket_gives)
{
    unsigned seed = seed_print();
    const struct rate_limit limit = parsed("100/s,burst=9").user;
    _Atomic uint64_t state = 0;
    uint64_t now = S, tokens_ns = limit.burst * limit.interval_ns; /* a token is an interval */
    for (int i = 0; i < 100000; i++) {
        uint64_t passed = (uint64_t)rand_r(&seed) % (15 * MS);
        now += passed;
        tokens_ns += passed;
        if (tokens_ns > limit.burst * limit.interval_ns)
            tokens_ns = limit.burst * limit.interval_ns;
        struct rate_verdict verdict = rate_take(&state, &limit, now);
        cr_assert_eq(verdict.refused, tokens_ns < limit.interval_ns, "at %d", i);
        if (!verdict.refused)
            tokens_ns -= limit.interval_ns;
        cr_assert_eq(verdict.remaining, tokens_ns / limit.interval_ns, "at %d", i);
    }
}

Test(bucket, that_a_worker_with_an_older_clock_meets_is_no_fuller_for_that)
{
    const struct rate_limit limit = parsed("10/s,burst=2").user;
    _Atomic uint64_t state = 0;
    cr_expect(!rate_take(&state, &limit, 10 * S + 5 * MS).refused);
    cr_expect(!rate_take(&state, &limit, 10 * S + 6 * MS).refused);
    check(rate_take(&state, &limit, 10 * S), true, 0, 105 * MS, 205 * MS);
}

Test(bucket, of_two_the_stricter_verdict_counts)
{
    struct rate_verdict none = {.limit = 0}, five = {.limit = 9, .remaining = 5},
                        two = {.limit = 9, .remaining = 2}, refused = {.limit = 9, .refused = true};
    cr_expect_eq(rate_stricter(&none, &five), &five);
    cr_expect_eq(rate_stricter(&five, &none), &five);
    cr_expect_eq(rate_stricter(&five, &two), &two);
    cr_expect_eq(rate_stricter(&refused, &two), &refused);
    cr_expect_eq(rate_stricter(&two, &refused), &refused);
}

/* One set, so that all owners are neighbours. */
static struct shared_slot one_set[SHARED_SLOTS_WAYS];
static const struct shared_slots crowded = {.slots = one_set, .sets = 1};

static uint64_t used(uint64_t owner, uint64_t now, uint64_t until)
{
    _Atomic uint64_t *state = shared_slots_take(&crowded, owner, now);
    uint64_t before = *state;
    *state = until;
    return before;
}

Test(slots, are_kept_by_their_owners)
{
    for (uint64_t owner = 1; owner <= SHARED_SLOTS_WAYS; owner++)
        cr_expect_eq(used(owner, 100, 1000 + owner), 0);
    for (uint64_t owner = 1; owner <= SHARED_SLOTS_WAYS; owner++) {
        cr_expect_eq(used(owner, 100, 2000 + owner), 1000 + owner);
        cr_expect_eq(*shared_slots_find(&crowded, owner), 2000 + owner);
    }
    cr_expect_null(shared_slots_find(&crowded, 99));
}

Test(slots, whose_state_is_past_go_to_newcomers)
{
    for (uint64_t owner = 1; owner <= SHARED_SLOTS_WAYS; owner++)
        used(owner, 100, owner == 5 ? 300 : 1000);
    cr_expect_eq(used(50, 300, 900), 300); /* what was at 300 is past at 300 */
    cr_expect_null(shared_slots_find(&crowded, 5));
    cr_expect_eq(*shared_slots_find(&crowded, 50), 900);
}

Test(slots, of_a_full_set_are_shared_not_handed_out_empty)
{
    for (uint64_t owner = 1; owner <= SHARED_SLOTS_WAYS; owner++)
        used(owner, 100, 1000 + owner);
    cr_expect_eq(used(50, 100, 1100), 1001); /* the least, with what it owes */
    cr_expect_null(shared_slots_find(&crowded, 1));
    cr_expect_eq(used(1, 100, 1200), 1002); /* comes back, and owes no less than before */
    cr_expect_eq(*shared_slots_find(&crowded, 8), 1008);
}

Test(slots, forget_no_heavy_user_for_a_crowd_of_light_ones)
{
    const struct rate_limit limit = parsed("1/s,burst=10").user;
    const uint64_t now = 1000 * S;
    unsigned through = 0;
    while (!rate_take(shared_slots_take(&crowded, 7, now), &limit, now).refused)
        continue;
    for (uint64_t stranger = 100; stranger < 100000; stranger++)
        through += !rate_take(shared_slots_take(&crowded, stranger, now), &limit, now).refused;
    cr_expect(rate_take(shared_slots_take(&crowded, 7, now), &limit, now).refused);
    cr_expect_eq(through, (SHARED_SLOTS_WAYS - 1) * 10, "%u of the crowd", through);
}

/* What a kill between any two steps leaves: an owner beside a state that is nobody's yet, or was another's.
 */
Test(slots, are_good_whatever_step_was_the_last_of_a_worker_that_died)
{
    const struct rate_limit limit = parsed("1/s,burst=3").user;
    const uint64_t now = 1000 * S;
    one_set[0].owner = 11; /* claimed when it was new */
    one_set[1].owner = 12; /* claimed when its state was past */
    one_set[1].state = now - 1;
    one_set[2].owner = 13; /* taken over with what it owes */
    one_set[2].state = now + 2 * S;
    for (uint64_t owner = 11; owner <= 14; owner++) {
        unsigned through = 0;
        for (int i = 0; i < 10; i++)
            through += !rate_take(shared_slots_take(&crowded, owner, now), &limit, now).refused;
        cr_expect_eq(through, owner == 13 ? 1 : 3, "%" PRIu64 ": %u", owner, through);
    }
}

static struct rates *open_rates(enum auth_mode mode, const char *write, int fd)
{
    struct gateway_options options = {.auth = mode, .limits = {[RATE_WRITE] = write}};
    rates_check(&options);
    return rates_open(&options, fd);
}

static struct client_address at(const char *text)
{
    struct client_address address;
    cr_assert(client_address_parse(text, strlen(text), &address));
    return address;
}

Test(rates, are_off_in_open_mode_and_on_where_users_must_log_in)
{
    struct rates *open = open_rates(AUTH_OPEN, NULL, -1), *required = open_rates(AUTH_REQUIRED, NULL, -1);
    for (unsigned class = 0; class < RATE_CLASS_COUNT; class ++) {
        cr_expect(!rates_limit(open, (enum rate_class) class));
        cr_expect(rates_limit(required, (enum rate_class) class));
    }
    cr_expect(!rates_limit(required, RATE_NONE));
    cr_expect_null(rates_login_guard(open));
    cr_expect_not_null(rates_login_guard(required));
    rates_close(open);
    rates_close(required);
}

Test(rates, have_a_bucket_for_each_user_address_and_class)
{
    struct rates *rates = open_rates(AUTH_REQUIRED, "1/h,burst=2,address=2", -1);
    struct client_address here = at("192.0.2.1"), there = at("192.0.2.2");
    for (int i = 0; i < 4; i++)
        cr_expect(!rates_take_address(rates, RATE_WRITE, &here, S).refused);
    cr_expect(rates_take_address(rates, RATE_WRITE, &here, S).refused);
    cr_expect(!rates_take_address(rates, RATE_WRITE, &there, S).refused);
    cr_expect(!rates_take_address(rates, RATE_READ, &here, S).refused);
    for (int i = 0; i < 2; i++)
        cr_expect(!rates_take_user(rates, RATE_WRITE, 17, S).refused);
    cr_expect(rates_take_user(rates, RATE_WRITE, 17, S).refused);
    cr_expect(!rates_take_user(rates, RATE_WRITE, 18, S).refused);
    rates_close(rates);
}

Test(rates, count_a_64_of_ipv6_as_one_address)
{
    struct rates *rates = open_rates(AUTH_REQUIRED, "1/h", -1);
    struct client_address one = at("2001:db8::1"), same = at("2001:db8::ffff:1"),
                          other = at("2001:db8:0:1::1");
    cr_expect(!rates_take_address(rates, RATE_WRITE, &one, S).refused);
    cr_expect(rates_take_address(rates, RATE_WRITE, &same, S).refused);
    cr_expect(!rates_take_address(rates, RATE_WRITE, &other, S).refused);
    rates_close(rates);
}

Test(rates, of_a_flood_of_addresses_leave_others_in_peace)
{
    struct rates *rates = open_rates(AUTH_REQUIRED, "60/m,burst=10", -1);
    unsigned refused = 0, rounds = 1000;
    for (uint32_t i = 0; i < 4 * LIMIT_LIMITS_SETS * SHARED_SLOTS_WAYS; i++) {
        struct client_address attacker = at("2001:db8::1");
        memcpy(attacker.bytes + 4, &i, sizeof(i));
        (void)!rates_take_address(rates, RATE_WRITE, &attacker, 100 * S).refused;
    }
    for (uint32_t i = 0; i < rounds; i++) {
        struct client_address other = at("2001:db9::1");
        memcpy(other.bytes + 4, &i, sizeof(i));
        refused += rates_take_address(rates, RATE_WRITE, &other, 100 * S).refused;
    }
    cr_expect_eq(refused, 0, "%u of %u", refused, rounds);
    rates_close(rates);
}

/* Forks `count` processes that share the page; returns how many requests got through in each, summed. */
static unsigned from_processes(unsigned count, const char *limit, const struct client_address *address,
                               unsigned requests)
{
    int fd = limits_page_make();
    _Atomic unsigned *through =
        mmap(NULL, 2 * sizeof(*through), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(through != MAP_FAILED);
    for (unsigned i = 0; i < count; i++) {
        if (fork() > 0)
            continue;
        struct rates *rates = open_rates(AUTH_REQUIRED, limit, fd);
        atomic_fetch_add(&through[1], 1);
        while (atomic_load(&through[1]) < count) /* all at once */
            continue;
        for (unsigned n = 0; n < requests; n++)
            if (!rates_take_address(rates, RATE_WRITE, address, 1000 * S).refused)
                atomic_fetch_add(&through[0], 1);
        _exit(0);
    }
    for (unsigned i = 0; i < count; i++) {
        int status;
        cr_assert(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    close(fd);
    return through[0];
}

Test(workers, together_give_exactly_the_limit, .timeout = 60)
{
    struct client_address address = at("192.0.2.7");
    for (int round = 0; round < 20; round++)
        cr_expect_eq(from_processes(4, "1/h,burst=100", &address, 2000), 100);
    cr_expect_eq(from_processes(4, "50000/h,burst=50000", &address, 20000), 50000);
}

/* One worker after the other dies at any instruction; what it took, at most one request more than it counted,
 * is all that is lost. */
Test(workers, that_are_killed_leave_a_page_that_limits_as_before, .timeout = 60)
{
    unsigned seed = seed_print();
    int fd = limits_page_make();
    const unsigned kills = 200, burst = 1000000;
    struct client_address address = at("192.0.2.7"), fresh = at("192.0.2.8");
    _Atomic unsigned *through =
        mmap(NULL, sizeof(*through), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(through != MAP_FAILED);
    for (unsigned i = 0; i < kills; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct rates *rates = open_rates(AUTH_REQUIRED, "1000000/d", fd);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (uint64_t user = 1;; user++) {
                (void)!rates_take_user(rates, RATE_WRITE, user % 10000, 1000 * S).refused;
                if (user % 50 == 0 && !rates_take_address(rates, RATE_WRITE, &address, 1000 * S).refused)
                    atomic_fetch_add(through, 1);
            }
        }
        unsigned before = atomic_load(through);
        uint64_t deadline_ms = clock_monotonic_ms() + 10000;
        while (atomic_load(through) == before && clock_monotonic_ms() < deadline_ms)
            sched_yield();
        struct timespec moment = {.tv_nsec = rand_r(&seed) % 200000}; /* where the kill hits is the point */
        nanosleep(&moment, NULL);
        kill(pid, SIGKILL);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
    }
    struct rates *rates = open_rates(AUTH_REQUIRED, "1000000/d", fd);
    struct rate_verdict verdict = rates_take_address(rates, RATE_WRITE, &address, 1000 * S);
    unsigned gone = burst - verdict.remaining - 1;
    cr_expect(!verdict.refused && gone >= *through && gone <= *through + kills,
              "%u are gone, %u were counted", gone, *through);
    cr_expect_eq(rates_take_address(rates, RATE_WRITE, &fresh, 1000 * S).remaining, burst - 1);
    rates_close(rates);
    close(fd);
}

Test(workers, of_another_version_have_a_page_of_their_own_and_do_not_crash)
{
    int fd = memfd_create("other", 0);
    cr_assert(fd >= 0 && ftruncate(fd, 4096) == 0);
    struct client_address address = at("192.0.2.7");
    struct rates *rates = open_rates(AUTH_REQUIRED, "1/h", fd);
    cr_expect(!rates_take_address(rates, RATE_WRITE, &address, S).refused);
    cr_expect(rates_take_address(rates, RATE_WRITE, &address, S).refused);
    rates_close(rates);
    close(fd);
}
