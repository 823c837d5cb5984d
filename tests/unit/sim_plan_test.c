#include <criterion/criterion.h>
#include <math.h>

#include "tests/sim/histogram.h"
#include "tests/sim/random.h"
#include "tests/sim/zipf.h"

enum { DRAWS = 200000, RANKS = 50 };

Test(zipf, draws_each_rank_as_often_as_its_weight_says)
{
    const uint64_t seed = 20240601;
    struct zipf *zipf = zipf_new(RANKS, 1.2);
    struct random random;
    unsigned drawn[RANKS] = {0};
    double sum = 0;

    random_seed(&random, seed);
    for (unsigned i = 0; i < DRAWS; i++) {
        size_t rank = zipf_draw(zipf, &random);

        cr_assert_lt(rank, RANKS);
        drawn[rank]++;
    }
    for (unsigned r = 0; r < RANKS; r++) {
        sum += pow(r + 1, -1.2);
    }
    for (unsigned r = 0; r < RANKS; r++) {
        double expected = DRAWS * pow(r + 1, -1.2) / sum;

        /* Six standard deviations: never by chance. */
        cr_expect_lt(fabs(drawn[r] - expected), 6 * sqrt(expected), "rank %u: %u, expected %.0f (seed %llu)",
                     r, drawn[r], expected, (unsigned long long)seed);
    }
    zipf_free(zipf);
}

Test(zipf, with_exponent_zero_all_ranks_are_alike)
{
    struct zipf *zipf = zipf_new(4, 0);
    struct random random;
    unsigned drawn[4] = {0};

    random_seed(&random, 7);
    for (unsigned i = 0; i < 40000; i++) {
        drawn[zipf_draw(zipf, &random)]++;
    }
    for (unsigned r = 0; r < 4; r++) {
        cr_expect_lt(fabs(drawn[r] - 10000.0), 600, "rank %u: %u", r, drawn[r]);
    }
    zipf_free(zipf);
}

Test(zipf, of_one_rank_always_draws_it)
{
    struct zipf *zipf = zipf_new(1, 1);
    struct random random;

    random_seed(&random, 1);
    cr_assert_eq(zipf_draw(zipf, &random), 0);
    zipf_free(zipf);
}

Test(random, repeats_itself_from_the_same_seed_and_only_from_it)
{
    struct random a, b, c;

    random_seed(&a, 1);
    random_seed(&b, 1);
    random_seed(&c, 2);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t number = random_next(&a);

        cr_assert_eq(number, random_next(&b));
        cr_assert_neq(number, random_next(&c));
    }
}

Test(random, stays_below_its_bound_and_reaches_all_below)
{
    struct random random;
    unsigned seen[10] = {0};

    random_seed(&random, 3);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t number = random_below(&random, 10);

        cr_assert_lt(number, 10);
        seen[number]++;
    }
    for (unsigned i = 0; i < 10; i++) {
        cr_expect_gt(seen[i], 0);
    }
}

Test(histogram, is_exact_below_128)
{
    struct histogram *histogram = histogram_new();

    for (uint64_t value = 1; value <= 100; value++) {
        histogram_add(histogram, value);
    }
    cr_expect_eq(histogram_percentile(histogram, 50), 50);
    cr_expect_eq(histogram_percentile(histogram, 90), 90);
    cr_expect_eq(histogram_percentile(histogram, 99), 99);
    cr_expect_eq(histogram_percentile(histogram, 99.9), 100);
    cr_expect_eq(histogram_percentile(histogram, 100), 100);
    cr_expect_eq(histogram_count(histogram), 100);
    histogram_free(histogram);
}

Test(histogram, is_within_one_128th_above)
{
    struct histogram *histogram = histogram_new();

    for (uint64_t value = 1; value <= 1000000; value += 7) {
        histogram_add(histogram, value);
    }
    for (double percent = 5; percent < 100; percent += 5) {
        double expected = percent * 1e4;

        cr_expect_lt(fabs((double)histogram_percentile(histogram, percent) - expected), expected / 128 + 7,
                     "p%.0f is %llu", percent, (unsigned long long)histogram_percentile(histogram, percent));
    }
    histogram_free(histogram);
}

Test(histogram, never_reports_more_than_the_largest_value)
{
    struct histogram *histogram = histogram_new();

    histogram_add(histogram, 1000001);
    cr_expect_eq(histogram_percentile(histogram, 50), 1000001);
    histogram_add(histogram, UINT64_MAX);
    cr_expect_eq(histogram_max(histogram), UINT64_MAX);
    cr_expect_eq(histogram_percentile(histogram, 100), UINT64_MAX);
    histogram_free(histogram);
}

Test(histogram, of_nothing_has_percentiles_of_zero_also_after_a_reset)
{
    struct histogram *histogram = histogram_new();

    cr_expect_eq(histogram_percentile(histogram, 99), 0);
    histogram_add(histogram, 5);
    histogram_reset(histogram);
    cr_expect_eq(histogram_percentile(histogram, 99), 0);
    cr_expect_eq(histogram_max(histogram), 0);
    histogram_free(histogram);
}
