/* Overload control: when a worker refuses (admission.c), and the bytes it refuses with (shed.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "gateway/admission.h"
#include "gateway/shed.h"

#define MS 1000u

static struct metrics *metrics;
static struct admission *admission;
static uint64_t now_us;

static void open_all(void)
{
    log_open("test", LOG_LEVEL_ERROR);
    now_us = 1000000;
    metrics = metrics_open(-1, 1, 0);
    admission = admission_new(metrics);
}

static void close_all(void)
{
    admission_free(admission);
    metrics_close(metrics);
}

TestSuite(admission, .init = open_all, .fini = close_all);
TestSuite(shed);

/* A turn in which `arrived` requests are read, each `each_us` after the one before; returns how many were
 * admitted. */
static unsigned turn(unsigned arrived, uint64_t each_us)
{
    unsigned admitted = 0;
    admission_event(admission, now_us);
    for (unsigned i = 0; i < arrived; i++) {
        now_us += each_us;
        if (admission_is_full(admission, now_us)) {
            admission_refused(admission, now_us);
        } else {
            admission_admitted(admission);
            admitted++;
        }
    }
    admission_turn_over(admission, now_us);
    return admitted;
}

static void fall_behind(void)
{
    for (uint64_t until_us = now_us + (LIMIT_TURN_MS + LIMIT_TURN_PATIENCE_MS) * 2 * MS; now_us < until_us;)
        (void)turn(100, LIMIT_TURN_MS * MS / 50);
}

Test(admission, admits_all_that_comes_in_short_turns)
{
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(turn(100, 10), 100);
    cr_assert_eq(metrics_sum(metrics, METRIC_SHED_WORKER), 0);
}

Test(admission, refuses_the_rest_of_a_burst_that_makes_a_turn_long)
{
    cr_assert_eq(turn(LIMIT_TURN_BURST_MS * 200, 10), LIMIT_TURN_BURST_MS * 100 - 1);
    cr_assert_gt(metrics_sum(metrics, METRIC_SHED_WORKER), 0);
    cr_assert_eq(turn(100, 10), 100, "the next short turn admits all again");
}

Test(admission, admits_the_first_of_a_turn_however_long_it_is)
{
    cr_assert_eq(turn(LIMIT_TURN_BURST, 5 * MS), LIMIT_TURN_BURST);
}

Test(admission, one_long_turn_is_not_too_much)
{
    (void)turn(LIMIT_TURN_BURST, 5 * MS);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(turn(300, 10), 300);
}

Test(admission, behind_it_admits_what_makes_turns_as_long_as_they_may_be)
{
    fall_behind();
    unsigned admitted = 0, turns = 50;
    for (unsigned i = 0; i < 100; i++) /* to settle */
        (void)turn(2000, 1);
    for (unsigned i = 0; i < turns; i++) {
        /* Each admitted one costs 0.1 ms more, in its answer. */
        unsigned n = turn(500, 1);
        now_us += n * 100;
        admission_event(admission, now_us - n * 100);
        admission_turn_over(admission, now_us);
        admitted += n;
    }
    cr_assert(admitted / turns >= LIMIT_TURN_SHARE_MIN && admitted / turns < 500, "%u a turn",
              admitted / turns);
}

Test(admission, behind_it_always_admits_some)
{
    fall_behind();
    for (int i = 0; i < 100; i++)
        cr_assert_geq(turn(200, MS), LIMIT_TURN_SHARE_MIN);
}

Test(admission, recovers_when_nothing_was_refused_for_a_while)
{
    fall_behind();
    for (int i = 0; i < 100; i++)
        (void)turn(200, MS);
    for (uint64_t until_us = now_us + (LIMIT_TURN_CALM_MS + 10) * MS; now_us <= until_us; now_us += 5 * MS)
        cr_assert_eq(turn(8, 10), 8);
    cr_assert_eq(turn(1000, 10), 1000);
}

static struct shed_request reading(const char *head, bool cors)
{
    return shed_request_read(head, strlen(head), cors);
}

Test(shed, plain_are_get_and_post_that_keep_the_connection)
{
    static const struct {
        const char *head;
        bool plain;
    } rows[] = {
        {"GET /api/posts/post_1 HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"POST /api/posts/create HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", true},
        {"GET /api/feed/user_1?sort=top HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET /healthy HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET /api/posts/post_1 HTTP/1.0\r\nHost: a\r\n\r\n", false},
        {"GET /api/posts/post_1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET /api/posts/post_1 HTTP/1.1\r\nHost: a\r\nconnection:foo, close\r\n\r\n", false},
        {"HEAD /api/posts/post_1 HTTP/1.1\r\nHost: a\r\n\r\n", false},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", false},
        {"GET http://a/health HTTP/1.1\r\nHost: a\r\n\r\n", false},
        {"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", false},
        {"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n", false},
        {"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", false},
        {"GET /api/posts/post_1 HTTP/1.1\r\nHost: a\r\n", false}, /* not whole */
        {"", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(reading(rows[i].head, false).plain, rows[i].plain, "%s", rows[i].head);
}

Test(shed, an_origin_goes_the_long_way_where_some_may_read_answers)
{
    static const char head[] = "GET /api/posts/post_1 HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n";
    cr_assert(reading(head, false).plain);
    cr_assert_not(reading(head, true).plain);
}

Test(shed, finds_the_request_id_without_the_white_space_around_it)
{
    struct shed_request request =
        reading("GET /x HTTP/1.1\r\nHost: a\r\nx-request-ID:  abc-1 \t\r\nAccept: */*\r\n\r\n", false);
    cr_assert(request.plain);
    cr_assert_eq(request.id_length, 5);
    cr_assert_eq(memcmp(request.id, "abc-1", 5), 0);
}

Test(shed, the_answer_fits_or_is_none)
{
    char out[128];
    struct shed_answer answer = {
        .date = "today", .id = "i", .fields = "\r\nRetry-After: 1\r\n\r\n", .body = "{}", .body_length = 2};
    static const char whole[] =
        "HTTP/1.1 503 Service Unavailable\r\nDate: today\r\nX-Request-Id: i\r\nRetry-After: 1\r\n\r\n{}";
    cr_assert_eq(shed_answer_write(&answer, out, sizeof(out)), sizeof(whole) - 1);
    cr_assert_eq(memcmp(out, whole, sizeof(whole) - 1), 0);
    cr_assert_eq(shed_answer_write(&answer, out, sizeof(whole) - 2), 0);
}
