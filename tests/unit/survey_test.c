/* What forumctl makes of figures. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "deploy/forumctl/exposition.h"
#include "deploy/forumctl/survey.h"

Test(exposition, gives_samples_and_passes_over_what_is_none)
{
    const char *at = "# HELP a b\n"
                     "plain 7\n"
                     "with{x=\"1\",le=\"+Inf\"} 2.5\n"
                     "\n"
                     "no_value\n"
                     "open{x=\"1\" 3\n"
                     "quoted{path=\"a\\\"b,c=\\\"d\",y=\"z\"} 4\n"
                     "last 1e3";
    struct sample sample;
    char label[16];
    cr_assert(sample_next(&at, &sample));
    cr_expect(sample_is(&sample, "plain") && sample.value == 7 && !sample_is(&sample, "plai"));
    cr_assert(sample_next(&at, &sample));
    cr_expect(sample_is(&sample, "with") && sample.value == 2.5);
    cr_assert(sample_label(&sample, "le", label, sizeof(label)));
    cr_expect_str_eq(label, "+Inf");
    cr_expect_not(sample_label(&sample, "l", label, sizeof(label)));
    cr_assert(sample_next(&at, &sample));
    cr_expect(sample_is(&sample, "quoted"));
    cr_assert(sample_label(&sample, "y", label, sizeof(label)));
    cr_expect_str_eq(label, "z");
    cr_assert(sample_label(&sample, "path", label, 4));
    cr_expect_str_eq(label, "a\\\"", "it is cut to fit");
    cr_assert(sample_next(&at, &sample));
    cr_expect(sample_is(&sample, "last") && sample.value == 1000);
    cr_expect_not(sample_next(&at, &sample));
}

Test(survey, formats_figures_for_people)
{
    static const struct {
        void (*format)(uint64_t value, char *out);
        uint64_t value;
        const char *text;
    } rows[] = {
        {survey_format_duration, 0, "0s"},
        {survey_format_duration, 59999, "59s"},
        {survey_format_duration, 60000, "1m00s"},
        {survey_format_duration, 3600000, "1h00m"},
        {survey_format_duration, 90000000, "1d01h"},
        {survey_format_bytes, 0, "0B"},
        {survey_format_bytes, 1023, "1023B"},
        {survey_format_bytes, 1536, "1.5K"},
        {survey_format_bytes, 5ull << 40, "5.0T"},
        {survey_format_bytes, 5000ull << 40, "5000.0T"},
        {survey_format_us, 64, "64us"},
        {survey_format_us, 8192, "8.2ms"},
        {survey_format_us, 2000000, "2.0s"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[SURVEY_CELL];
        rows[i].format(rows[i].value, out);
        cr_expect_str_eq(out, rows[i].text);
    }
}

static const char metrics[] = "forumd_http_requests_total{method=\"GET\",route=\"/a\",status=\"200\"} 30\n"
                              "forumd_http_requests_total{method=\"GET\",route=\"/b\",status=\"404\"} 12\n"
                              "forumd_http_request_duration_seconds_bucket{route=\"/a\",le=\"0.000064\"} 10\n"
                              "forumd_http_request_duration_seconds_bucket{route=\"/a\",le=\"0.000128\"} 30\n"
                              "forumd_http_request_duration_seconds_bucket{route=\"/a\",le=\"+Inf\"} 30\n"
                              "forumd_process_info{process=\"master\",pid=\"10\",version=\"9.8.7\"} 1\n"
                              "forumd_process_info{process=\"worker 1\",pid=\"11\",version=\"9.8.7\"} 1\n"
                              "forumd_process_up{process=\"master\"} 1\n"
                              "forumd_process_up{process=\"worker 1\"} 1\n"
                              "forumd_process_restarts_total{process=\"worker 1\"} 3\n"
                              "forumd_process_requests_total{process=\"worker 1\"} 42\n";

static struct survey *read_metrics(const char *rest)
{
    char *body = NULL;
    struct survey *survey = calloc(1, sizeof(*survey));
    cr_assert(survey != NULL && asprintf(&body, "%s%s", metrics, rest) > 0);
    survey->fine = true;
    survey_read_gateway(survey, body);
    free(body);
    return survey;
}

Test(survey, reads_the_gateways_processes)
{
    struct survey *survey = read_metrics("forumd_gateway_workers 1\n");
    cr_assert_eq(survey->count, 3);
    cr_expect(survey->fine);
    cr_expect_str_eq(survey->rows[0].name, "gateway");
    cr_expect_eq(survey->rows[0].done, 42);
    cr_expect_eq(survey->rows[0].latency[0], 10);
    cr_expect_eq(survey->rows[0].latency[1], 20);
    cr_expect_eq(survey->rows[0].latency[LATENCY_BUCKETS], 0);
    cr_expect_str_eq(survey->rows[2].name, "worker 1");
    cr_expect_str_eq(survey->rows[2].version, "9.8.7");
    cr_expect_eq(survey->rows[2].pid, 11);
    cr_expect_eq(survey->rows[2].restarts, 3);
    cr_expect_eq(survey->rows[1].done, SURVEY_NONE);
    free(survey);
}

Test(survey, is_not_fine_when_a_worker_is_missing_or_does_not_turn)
{
    static const char *const rests[] = {
        "forumd_gateway_workers 2\n",
        "forumd_gateway_workers 1\nforumd_process_up{process=\"worker 1\"} 0\n"};
    for (size_t i = 0; i < ARRAY_LEN(rests); i++) {
        struct survey *survey = read_metrics(rests[i]);
        cr_expect_not(survey->fine, "%s", rests[i]);
        free(survey);
    }
}

Test(survey, has_rates_of_the_time_between_two_and_none_of_another_process)
{
    struct survey *before = read_metrics(""), *now = read_metrics("");
    before->taken_ms = 1000;
    now->taken_ms = 3000;
    now->rows[0].done += 100;
    now->rows[0].latency[5] += 100;
    now->rows[2].done += 100;
    now->rows[2].pid = 99;
    survey_compare(now, before);
    cr_expect_eq(now->rows[0].per_second, 50);
    cr_expect_eq(now->rows[0].p99_us, 64u << 5);
    cr_expect_eq(now->rows[2].per_second, SURVEY_NONE);
    free(before);
    free(now);
}
