/*
 * The formulas against reddit's published source, r2/r2/lib/db/_sorts.pyx of reddit-archive/reddit (_hot,
 * controversy, _confidence): the expected values were computed from it apart from this code, with 40 decimal
 * digits, and without its rounding of hot to 7 digits.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>

#include "common/attributes.h"
#include "engined/ranking/ranking.h"

static void assert_near(double value, double expected, const char *what, uint64_t up, uint64_t down)
{
    double scale = fmax(1.0, fabs(expected));
    cr_assert_leq(fabs(value - expected), scale * 1e-13, "%s(%" PRIu64 ", %" PRIu64 ") is %.17g, not %.17g",
                  what, up, down, value, expected);
}

Test(ranking, hot_is_what_the_published_formula_gives)
{
    static const struct {
        uint64_t up, down, created_ms;
        double expected;
    } rows[] = {
        {0, 0, 1134028003000, 0},
        {1, 0, 1134028003000, 0},
        {10, 0, 1134028003000, 1},
        {0, 10, 1134028003000, -1},
        {100, 1, 1700000000123, 12579.1511268168},
        {1, 100, 1700000000123, 12575.1598564276},
        {5, 5, 1262304000000, 2850.57771111111},
        {4000000000, 3, 1700000000000, 12586.7575488799},
        {2, 1, 0, -25200.6222888889},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_near(ranking_hot(rows[i].up, rows[i].down, rows[i].created_ms), rows[i].expected, "hot",
                    rows[i].up, rows[i].down);
}

Test(ranking, hot_counts_a_tenfold_score_as_much_as_twelve_and_a_half_hours)
{
    uint64_t created_ms = 1700000000000;
    assert_near(ranking_hot(100, 0, created_ms), ranking_hot(10, 0, created_ms + 45000000), "hot", 100, 0);
    assert_near(ranking_hot(0, 10, created_ms + 90000000), ranking_hot(10, 0, created_ms), "hot", 0, 10);
}

Test(ranking, hot_tells_a_millisecond_of_age)
{
    cr_assert_gt(ranking_hot(7, 2, 1700000000001), ranking_hot(7, 2, 1700000000000));
}

Test(ranking, top_is_the_score)
{
    cr_assert_eq(ranking_top(0, 0), 0);
    cr_assert_eq(ranking_top(7, 3), 4);
    cr_assert_eq(ranking_top(3, 7), -4);
    cr_assert_eq(ranking_top(0, 4000000000), -4000000000.0);
}

Test(ranking, best_is_what_the_published_formula_gives)
{
    static const struct {
        uint64_t up, down;
        double expected;
    } rows[] = {
        {0, 0, 0},
        {1, 0, 0.378447503225206},
        {0, 1, 0},
        {1, 1, 0.164251720029842},
        {10, 1, 0.739494988451878},
        {40, 20, 0.585151313958839},
        {100, 3, 0.941157531428566},
        {399, 99, 0.777311993734207},
        {400, 100, 0.77610920397094},
        {1000000, 999999, 0.499547153171466},
        {0, 50, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_near(ranking_best(rows[i].up, rows[i].down), rows[i].expected, "best", rows[i].up,
                    rows[i].down);
}

Test(ranking, best_of_downvotes_alone_is_exactly_zero)
{
    for (uint64_t down = 0; down < 2000; down++)
        cr_assert_eq(ranking_best(0, down), 0.0, "at %" PRIu64, down);
}

Test(ranking, controversial_is_what_the_published_formula_gives)
{
    static const struct {
        uint64_t up, down;
        double expected;
    } rows[] = {
        {0, 0, 0},
        {5, 0, 0},
        {0, 5, 0},
        {1, 1, 2},
        {10, 10, 20},
        {10, 1, 1.27098161521014},
        {1, 10, 1.27098161521014},
        {600, 400, 100},
        {400, 600, 100},
        {4000, 3999, 7981.04827737145},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_near(ranking_controversial(rows[i].up, rows[i].down), rows[i].expected, "controversial",
                    rows[i].up, rows[i].down);
}

Test(ranking, rising_is_votes_per_hour_of_age)
{
    uint64_t now_ms = 1700000000000;
    assert_near(ranking_rising(30, 0, now_ms - 2 * 3600000, now_ms), 15, "rising", 30, 0);
    assert_near(ranking_rising(3, 9, now_ms - 1800000, now_ms), -12, "rising", 3, 9);
    cr_assert_gt(ranking_rising(10, 0, now_ms - 3600000, now_ms),
                 ranking_rising(30, 0, now_ms - 6 * 3600000, now_ms));
}

Test(ranking, rising_of_the_youngest_is_finite_and_by_votes)
{
    uint64_t now_ms = 1700000000000;
    assert_near(ranking_rising(2, 0, now_ms, now_ms), 120, "rising", 2, 0);
    cr_assert_gt(ranking_rising(3, 0, now_ms - 900, now_ms), ranking_rising(2, 0, now_ms, now_ms));
    /* Another engine's clock may be ahead. */
    assert_near(ranking_rising(2, 0, now_ms + 5000, now_ms), 120, "rising", 2, 0);
}
