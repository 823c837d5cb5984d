/* What lines and figures about slow requests are made of. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/attributes.h"
#include "common/latency.h"
#include "common/log_budget.h"
#include "common/process.h"
#include "proto/trace.h"

Test(log_budget, lets_so_many_lines_through_in_each_second_and_tells_the_rest_once)
{
    struct log_budget budget = {.per_second = 3};
    unsigned let_through = 0;
    for (int i = 0; i < 10; i++)
        let_through += log_budget_take(&budget, 5000 + (uint64_t)i);
    cr_assert_eq(let_through, 3);
    cr_assert_eq(log_budget_left_out(&budget, 5999), 0, "the second is not over");
    cr_assert_eq(log_budget_left_out(&budget, 6000), 7);
    cr_assert_eq(log_budget_left_out(&budget, 7000), 0, "it was told");
    cr_assert(log_budget_take(&budget, 6000));
}

Test(latency, falls_into_the_first_bucket_that_holds_it)
{
    static const struct {
        uint64_t us;
        size_t bucket;
    } rows[] = {{0, 0}, {64, 0}, {65, 1}, {128, 1}, {129, 2}, {64u << 15, 15}, {(64u << 15) + 1, 16}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_eq(latency_bucket(rows[i].us), rows[i].bucket, "%llu us", (unsigned long long)rows[i].us);
}

Test(latency, has_quantiles_that_are_bounds_of_buckets)
{
    uint64_t counts[LATENCY_BUCKETS + 1] = {0};
    cr_expect_eq(latency_quantile_us(counts, 99), 0, "nothing was counted");
    counts[0] = 98;
    counts[3] = 1;
    counts[5] = 1;
    cr_expect_eq(latency_quantile_us(counts, 50), 64);
    cr_expect_eq(latency_quantile_us(counts, 98), 64);
    cr_expect_eq(latency_quantile_us(counts, 99), 64u << 3);
    cr_expect_eq(latency_quantile_us(counts, 100), 64u << 5);
    counts[LATENCY_BUCKETS] = 1000;
    cr_expect_eq(latency_quantile_us(counts, 99), 64u << 15);
}

Test(process, knows_its_memory)
{
    struct process_usage usage;
    process_usage(&usage);
    cr_assert_gt(usage.resident_bytes, 100u << 10);
}

Test(trace, is_what_the_client_called_it_else_the_workers_number)
{
    char out[TRACE_TEXT_MAX + 1];
    cr_expect_str_eq(trace_text(&(struct trace){0xabc, 7, "mine"}, out), "mine");
    cr_expect_str_eq(trace_text(&(struct trace){0xabc, 7, ""}, out), "0000000000000abc-7");
    cr_expect_str_eq(trace_text(&(struct trace){0xabc, 7, NULL}, out), "0000000000000abc-7");
    cr_expect_str_eq(trace_text(&(struct trace){0xabc, 0, NULL}, out), "-");
}
