/* Delays against wrong passwords, by a clock of the tests'. */
#include "gateway/login_guard.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/attributes.h"

#define S_MS      1000ull
#define MINUTE_MS (60 * S_MS)
#define DAY_MS    (24 * 60 * MINUTE_MS)

#define PAIR_FREE    5
#define ADDRESS_FREE 20
#define ACCOUNT_FREE 20

static struct login_guard guard;
static struct limits_page *page;
static uint64_t now_ms;

static void open_page(void)
{
    cr_assert(sodium_init() >= 0);
    page = limits_page_open(-1);
    guard.page = page;
    now_ms = 5 * DAY_MS + 7;
}

static void close_page(void)
{
    limits_page_close(page);
}

TestSuite(guard, .init = open_page, .fini = close_page);

static struct client_address at(const char *text)
{
    struct client_address address;
    cr_assert(client_address_parse(text, strlen(text), &address));
    return address;
}

/* Number `n` of as many addresses as one likes. */
static const char *address_number(unsigned n)
{
    static char text[32];
    snprintf(text, sizeof(text), "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
    return text;
}

static uint64_t begin(const char *address, const char *account, struct login_attempt *attempt)
{
    struct client_address from = at(address);
    return login_guard_begin(&guard, attempt, &from, account, now_ms);
}

/* A wrong password; returns the ms to wait instead if it was not looked at. */
static uint64_t fail(const char *address, const char *account)
{
    struct login_attempt attempt;
    return begin(address, account, &attempt);
}

static void succeed(const char *address, const char *account)
{
    struct login_attempt attempt;
    uint64_t wait_ms = begin(address, account, &attempt);
    cr_assert_eq(wait_ms, 0, "%s at %s waits %" PRIu64, account, address, wait_ms);
    login_guard_succeeded(&guard, &attempt, now_ms);
}

static void fail_times(unsigned times, const char *address, const char *account)
{
    for (unsigned i = 0; i < times; i++)
        cr_assert_eq(fail(address, account), 0, "failure %u of %s at %s", i, account, address);
}

Test(guard, lets_mistypers_try_again_then_makes_them_wait_twice_as_long_each_time)
{
    fail_times(PAIR_FREE + 1, "192.0.2.1", "ann");
    uint64_t wait_ms = S_MS;
    for (int i = 0; i < 8; i++, wait_ms *= 2) {
        cr_expect_eq(fail("192.0.2.1", "ann"), wait_ms);
        now_ms += wait_ms - 100;
        cr_expect_eq(fail("192.0.2.1", "ann"), 100);
        now_ms += 100;
        cr_expect_eq(fail("192.0.2.1", "ann"), 0, "at %" PRIu64, wait_ms);
    }
}

Test(guard, does_not_make_refused_attempts_count)
{
    fail_times(PAIR_FREE + 1, "192.0.2.1", "ann");
    for (int i = 0; i < 100; i++)
        cr_expect_eq(fail("192.0.2.1", "ann"), S_MS);
    now_ms += S_MS;
    succeed("192.0.2.1", "ann");
}

Test(guard, lets_nobody_wait_longer_than_a_quarter_of_an_hour_at_an_address)
{
    uint64_t longest_ms = 0;
    for (int i = 0; i < 200; i++) {
        uint64_t wait_ms = fail("192.0.2.1", "ann");
        now_ms += wait_ms;
        longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
    }
    cr_expect_gt(longest_ms, 5 * MINUTE_MS);
    cr_expect_leq(longest_ms, 15 * MINUTE_MS);
}

Test(guard, bounds_the_guesses_of_a_day_from_one_address)
{
    unsigned guesses = 0;
    for (uint64_t end_ms = now_ms + DAY_MS; now_ms < end_ms;) {
        uint64_t wait_ms = fail("192.0.2.1", "ann");
        guesses += wait_ms == 0;
        now_ms += wait_ms;
    }
    cr_expect_leq(guesses, 200, "%u", guesses);
}

Test(guard, forgets_failures_bit_by_bit)
{
    fail_times(PAIR_FREE, "192.0.2.1", "ann");
    now_ms += 20 * MINUTE_MS; /* two of them */
    fail_times(2, "192.0.2.1", "ann");
    cr_expect_eq(fail("192.0.2.1", "ann"), 0);
    cr_expect_eq(fail("192.0.2.1", "ann"), S_MS);
    now_ms += DAY_MS;
    fail_times(PAIR_FREE + 1, "192.0.2.1", "ann");
}

Test(guard, forgives_the_pair_when_the_password_was_right)
{
    for (int i = 0; i < 3; i++) {
        fail_times(PAIR_FREE, "192.0.2.1", "ann");
        succeed("192.0.2.1", "ann");
        now_ms += 5 * MINUTE_MS; /* for the address's own count */
    }
}

Test(guard, treats_other_accounts_and_other_addresses_as_others)
{
    fail_times(PAIR_FREE + 1, "192.0.2.1", "ann");
    cr_expect_eq(fail("192.0.2.1", "ann"), S_MS);
    cr_expect_eq(fail("192.0.2.1", "bob"), 0);
    cr_expect_eq(fail("192.0.2.2", "ann"), 0);
}

Test(guard, slows_an_address_that_tries_many_accounts_down)
{
    char account[16];
    for (unsigned i = 0; i <= ADDRESS_FREE; i++) {
        snprintf(account, sizeof(account), "user%u", i);
        cr_expect_eq(fail("192.0.2.1", account), 0);
    }
    cr_expect_eq(fail("192.0.2.1", "one-more"), S_MS);
    cr_expect_eq(fail("192.0.2.2", "one-more"), 0);
}

Test(guard, does_not_sell_guesses_at_others_for_a_log_in_to_ones_own_account)
{
    unsigned guesses = 0;
    char account[16];
    for (unsigned i = 0; i < 200; i++) {
        struct login_attempt own;
        snprintf(account, sizeof(account), "user%u", i);
        guesses += fail("192.0.2.1", account) == 0;
        if (begin("192.0.2.1", "mallory", &own) == 0)
            login_guard_succeeded(&guard, &own, now_ms);
    }
    cr_expect_eq(guesses, ADDRESS_FREE + 1, "%u", guesses);
}

Test(guard, is_not_worn_out_by_log_ins_that_succeed)
{
    for (int i = 0; i < 500; i++)
        succeed("192.0.2.1", "ann");
    fail_times(PAIR_FREE + 1, "192.0.2.1", "ann");
}

Test(guard, takes_many_addresses_that_guess_at_one_account_together)
{
    for (unsigned i = 0; i <= ACCOUNT_FREE; i++)
        cr_expect_eq(fail(address_number(i), "ann"), 0);
    cr_expect_eq(fail(address_number(1000), "ann"), S_MS);
    cr_expect_eq(fail(address_number(1000), "bob"), 0);
    uint64_t longest_ms = 0;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t wait_ms = fail(address_number(2000 + i), "ann");
        longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
        now_ms += wait_ms;
    }
    cr_expect_leq(longest_ms, MINUTE_MS); /* a stranger cannot keep an owner out for longer at a time */
    cr_expect_gt(longest_ms, 30 * S_MS);
}

Test(guard, does_not_keep_an_owner_out_where_he_logged_in_before)
{
    succeed("192.0.2.1", "ann");
    now_ms += 29 * DAY_MS;
    for (unsigned i = 0; i < 1000; i++)
        (void)!fail(address_number(i), "ann");
    cr_expect_neq(fail("192.0.2.9", "ann"), 0);
    succeed("192.0.2.1", "ann");
    now_ms += 31 * DAY_MS;
    for (unsigned i = 0; i < 1000; i++)
        (void)!fail(address_number(i), "ann");
    cr_expect_neq(fail("192.0.2.1", "ann"), 0);
}

Test(guard, makes_an_address_known_for_one_account_only)
{
    succeed("192.0.2.1", "mallory");
    for (unsigned i = 0; i < 1000; i++)
        (void)!fail(address_number(i), "ann");
    cr_expect_neq(fail("192.0.2.1", "ann"), 0);
}

Test(guard, counts_a_64_of_ipv6_as_one_address)
{
    fail_times(PAIR_FREE, "2001:db8::1", "ann");
    cr_expect_eq(fail("2001:db8::2", "ann"), 0);
    cr_expect_eq(fail("2001:db8::3", "ann"), S_MS);
}

Test(guard, lets_others_in_during_a_flood_of_made_up_accounts_from_anywhere)
{
    char account[16];
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(account, sizeof(account), "made-up%u", i);
        (void)!fail(address_number(i), account);
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(account, sizeof(account), "user%u", i);
        succeed(address_number(200000 + i), account);
    }
}

Test(guard, counts_attempts_under_way_as_failed)
{
    struct login_attempt attempts[PAIR_FREE + 2];
    for (unsigned i = 0; i <= PAIR_FREE; i++)
        cr_expect_eq(begin("192.0.2.1", "ann", &attempts[i]), 0);
    cr_expect_eq(begin("192.0.2.1", "ann", &attempts[PAIR_FREE + 1]), S_MS);
}

Test(guard, takes_back_what_was_never_decided)
{
    for (int i = 0; i < 100; i++) {
        struct login_attempt attempt;
        cr_expect_eq(begin("192.0.2.1", "ann", &attempt), 0);
        login_guard_undecided(&guard, &attempt);
    }
    fail_times(PAIR_FREE + 1, "192.0.2.1", "ann");
    cr_expect_eq(fail("192.0.2.1", "ann"), S_MS);
    now_ms += S_MS;
    struct login_attempt attempt;
    cr_expect_eq(begin("192.0.2.1", "ann", &attempt), 0);
    login_guard_undecided(&guard, &attempt);
    cr_expect_eq(begin("192.0.2.1", "ann", &attempt),
                 0); /* nothing was learned, so there is nothing to wait for */
}

Test(guard, of_processes_together_lets_exactly_the_free_failures_through)
{
    enum { PROCESSES = 4 };
    int fd = limits_page_make();
    _Atomic unsigned *through =
        mmap(NULL, 2 * sizeof(*through), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(through != MAP_FAILED);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() > 0)
            continue;
        struct limits_page *shared = limits_page_open(fd);
        guard.page = shared;
        atomic_fetch_add(&through[1], 1);
        while (atomic_load(&through[1]) < PROCESSES)
            continue;
        for (int n = 0; n < 1000; n++)
            if (fail("192.0.2.1", "ann") == 0)
                atomic_fetch_add(&through[0], 1);
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        cr_assert(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    cr_expect_eq(through[0], PAIR_FREE + 1, "%u", through[0]);
    close(fd);
}
