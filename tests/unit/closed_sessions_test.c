/* The page of closed sessions: what is in it, whoever adds in whatever order, and that it fails closed. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "gateway/closed_sessions.h"
#include "tests/unit/seed.h"

#define EPOCH  UINT64_C(0x123456789abcdef)
#define NOW_MS UINT64_C(1700000000000)
#define LATER  (NOW_MS + 1000000)

static struct closed_sessions *closed;

static void open_page(void)
{
    log_open("test", LOG_LEVEL_WARN);
    closed = closed_sessions_open(-1);
}

static void close_page(void)
{
    closed_sessions_close(closed);
}

TestSuite(closed_sessions, .init = open_page, .fini = close_page);

static enum session_state find(uint64_t user, uint32_t session)
{
    return closed_sessions_find(closed, user, session, NOW_MS);
}

static void add(uint64_t user, uint32_t session)
{
    cr_assert(closed_sessions_add(closed, EPOCH, user, session, LATER, NOW_MS));
}

static void add_upto(uint64_t user, uint32_t upto, uint32_t except)
{
    cr_assert(closed_sessions_add_upto(closed, EPOCH, user, upto, except, LATER, NOW_MS));
}

Test(closed_sessions, are_unknown_until_the_list_was_whole_once)
{
    add(1, 1);
    cr_assert_not(closed_sessions_known(closed));
    cr_assert_eq(find(1, 1), SESSION_UNKNOWN);
    cr_assert_eq(find(2, 1), SESSION_UNKNOWN);
    cr_assert_eq(closed_sessions_publish(closed, 0, EPOCH), EPOCH);
    cr_assert(closed_sessions_known(closed));
    cr_assert_eq(find(1, 1), SESSION_CLOSED);
    cr_assert_eq(find(1, 2), SESSION_OPEN);
    cr_assert_eq(find(2, 1), SESSION_OPEN);
    cr_assert_eq(find(2, 0), SESSION_CLOSED, "there is no session 0");
}

Test(closed_sessions, of_a_user_up_to_a_number_leave_one_out)
{
    cr_assert_eq(closed_sessions_publish(closed, 0, EPOCH), EPOCH);
    add_upto(7, 4, 2);
    const enum session_state states[] = {
        [1] = SESSION_CLOSED, SESSION_OPEN, SESSION_CLOSED, SESSION_CLOSED, SESSION_OPEN};
    for (uint32_t session = 1; session < 6; session++)
        cr_expect_eq(find(7, session), states[session], "%u", session);
    add(7, 2);
    cr_expect_eq(find(7, 2), SESSION_CLOSED);
}

/* Of two events, whichever comes first, and each any number of times. */
Test(closed_sessions, add_up_whatever_the_order)
{
    cr_assert_eq(closed_sessions_publish(closed, 0, EPOCH), EPOCH);
    uint64_t user = 1;
    for (uint32_t upto_a = 1; upto_a < 5; upto_a++)
        for (uint32_t except_a = 0; except_a <= upto_a; except_a++)
            for (uint32_t upto_b = 1; upto_b < 5; upto_b++)
                for (uint32_t except_b = 0; except_b <= upto_b; except_b++, user++) {
                    for (int again = 0; again < 2; again++) {
                        add_upto(user, upto_a, except_a);
                        add_upto(user, upto_b, except_b);
                    }
                    for (uint32_t session = 1; session < 6; session++) {
                        bool gone = (session <= upto_a && session != except_a) ||
                                    (session <= upto_b && session != except_b);
                        cr_expect_eq(find(user, session), gone ? SESSION_CLOSED : SESSION_OPEN,
                                     "{..%u}-%u and {..%u}-%u: %u", upto_a, except_a, upto_b, except_b,
                                     session);
                    }
                }
}

Test(closed_sessions, of_another_epoch_are_not_taken_for_ours)
{
    cr_assert_eq(closed_sessions_publish(closed, 0, EPOCH), EPOCH);
    add(1, 1);
    add_upto(2, 5, 0);
    cr_assert(closed_sessions_add(closed, EPOCH + 1, 3, 1, LATER, NOW_MS));
    cr_assert_eq(find(3, 1), SESSION_OPEN);
    cr_assert_eq(closed_sessions_publish(closed, EPOCH, EPOCH + 1), EPOCH + 1);
    cr_assert_eq(find(1, 1), SESSION_OPEN);
    cr_assert_eq(find(2, 5), SESSION_OPEN);
    cr_assert_eq(find(3, 1), SESSION_CLOSED);
    cr_assert_eq(closed_sessions_publish(closed, EPOCH, EPOCH + 2), EPOCH + 1, "another was faster");
    cr_assert_eq(closed_sessions_epoch(closed), EPOCH + 1);
}

Test(closed_sessions, keep_where_a_new_worker_goes_on)
{
    uint64_t log_id, seq;
    closed_sessions_cursor(closed, &log_id, &seq);
    cr_assert(log_id == 0 && seq == 0);
    closed_sessions_set_cursor(closed, 17, 9);
    closed_sessions_cursor(closed, &log_id, &seq);
    cr_assert(log_id == 17 && seq == 9);
}

/* More than there are places: those that found none are told so, and are unknown, not open; after all have
 * expired there is room again. */
Test(closed_sessions, without_a_place_are_refused_rather_than_let_in)
{
    const uint64_t count = (uint64_t)LIMIT_CLOSED_BUCKETS * 11;
    uint64_t refused = 0, first_refused = 0;
    cr_assert_eq(closed_sessions_publish(closed, 0, EPOCH), EPOCH);
    for (uint64_t user = 1; user <= count; user++)
        if (!closed_sessions_add(closed, EPOCH, user, 1, LATER, NOW_MS)) {
            first_refused = refused++ == 0 ? user : first_refused;
            cr_assert_eq(find(user, 1), SESSION_UNKNOWN, "user %llu", (unsigned long long)user);
        } else {
            cr_assert_eq(find(user, 1), SESSION_CLOSED);
        }
    cr_assert_gt(refused, LIMIT_CLOSED_BUCKETS / 2);
    cr_assert_gt(first_refused, count * 2 / 3, "%llu is early", (unsigned long long)first_refused);
    uint64_t after_ms = LATER + 120000;
    cr_assert_eq(closed_sessions_find(closed, count + 5, 1, after_ms), SESSION_OPEN);
    for (uint64_t user = 1; user <= 100000; user++)
        cr_assert(closed_sessions_add(closed, EPOCH, user, 2, after_ms + 1000, after_ms));
    for (uint64_t user = 1; user <= 100000; user++)
        cr_assert_eq(closed_sessions_find(closed, user, 2, after_ms), SESSION_CLOSED);
}

/* What a process that adds until it is killed added before its last word is there. */
static void add_until_killed(int fd, _Atomic uint64_t *done)
{
    struct closed_sessions *view = closed_sessions_open(fd);
    for (uint64_t user = 1;; user++) {
        (void)closed_sessions_add_upto(view, EPOCH, user, 3, 1, LATER, NOW_MS);
        (void)closed_sessions_add(view, EPOCH, user, 4, LATER, NOW_MS);
        *done = user;
    }
}

Test(closed_sessions, survive_a_worker_killed_at_any_instruction)
{
    unsigned seed = seed_print();
    int fd = memfd_create("page", MFD_CLOEXEC);
    cr_assert(fd >= 0 && ftruncate(fd, (off_t)closed_sessions_page_bytes()) == 0);
    _Atomic uint64_t *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct closed_sessions *view = closed_sessions_open(fd);
    cr_assert_eq(closed_sessions_publish(view, 0, EPOCH), EPOCH);
    for (int round = 0; round < 30; round++) {
        *done = 0;
        pid_t pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0)
            add_until_killed(fd, done);
        uint64_t goal = 1 + (uint64_t)rand_r(&seed) % 2000;
        while (*done < goal)
            ;
        kill(pid, SIGKILL);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        uint64_t upto = *done;
        for (uint64_t user = 1; user <= upto; user++) {
            cr_assert_eq(closed_sessions_find(view, user, 1, NOW_MS), SESSION_OPEN);
            cr_assert_eq(closed_sessions_find(view, user, 3, NOW_MS), SESSION_CLOSED);
            cr_assert_eq(closed_sessions_find(view, user, 4, NOW_MS), SESSION_CLOSED);
        }
        /* The one under way is added again by the next. */
        cr_assert(closed_sessions_add_upto(view, EPOCH, upto + 1, 3, 1, LATER, NOW_MS));
        cr_assert_eq(closed_sessions_find(view, upto + 1, 2, NOW_MS), SESSION_CLOSED);
        cr_assert_eq(closed_sessions_find(view, upto + 1, 1, NOW_MS), SESSION_OPEN);
    }
    closed_sessions_close(view);
}
