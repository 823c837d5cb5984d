#include "tests/sim/stats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/histogram.h"
#include "tests/sim/memory.h"

enum { STATUSES = 600 };

struct operation_stats {
    struct histogram *took_us;
    uint64_t outcomes[OUTCOME_UNKNOWN + 1];
    uint64_t troubles[TROUBLES];
    uint64_t statuses[STATUSES];
};

struct stats {
    uint64_t started_us;
    uint64_t count, errors;
    struct operation_stats operations[OPERATIONS];
    struct histogram *took_us; /* of all */
    FILE *trace;               /* NULL: none */
};

static const char *const names[OPERATIONS] = {
    [OPERATION_REGISTER] = "register",
    [OPERATION_CREATE] = "create",
    [OPERATION_JOIN] = "join",
    [OPERATION_LEAVE] = "leave",
    [OPERATION_POST] = "post",
    [OPERATION_REPOST] = "repost",
    [OPERATION_COMMENT] = "comment",
    [OPERATION_VOTE_POST] = "vote_post",
    [OPERATION_VOTE_COMMENT] = "vote_comment",
    [OPERATION_MESSAGE] = "message",
    [OPERATION_FEED] = "feed",
    [OPERATION_PROFILE] = "profile",
    [OPERATION_READ] = "read",
};

static const char *const trace_words[TROUBLES] = {[TROUBLE_NONE] = "none",
                                                  [TROUBLE_REFUSED] = "refused",
                                                  [TROUBLE_TIMEOUT] = "timeout",
                                                  [TROUBLE_RESET] = "reset",
                                                  [TROUBLE_OTHER] = "other"};

const char *operation_name(enum operation operation)
{
    return names[operation];
}

struct stats *stats_new(void)
{
    struct stats *stats = mem_zeroed(1, sizeof *stats);

    stats->took_us = histogram_new();
    for (unsigned i = 0; i < OPERATIONS; i++) {
        stats->operations[i].took_us = histogram_new();
    }
    stats->started_us = client_now_us();
    return stats;
}

void stats_free(struct stats *stats)
{
    for (unsigned i = 0; i < OPERATIONS; i++) {
        histogram_free(stats->operations[i].took_us);
    }
    histogram_free(stats->took_us);
    if (stats->trace != NULL) {
        fclose(stats->trace);
    }
    free(stats);
}

bool stats_trace(struct stats *stats, const char *path)
{
    stats->trace = fopen(path, "we");
    /* Line by line: a test reads it while the run goes on. */
    return stats->trace != NULL && setvbuf(stats->trace, NULL, _IOLBF, BUFSIZ) == 0;
}

bool stats_flush(struct stats *stats)
{
    return stats->trace == NULL || (fflush(stats->trace) == 0 && !ferror(stats->trace));
}

void stats_reset(struct stats *stats)
{
    for (unsigned i = 0; i < OPERATIONS; i++) {
        struct operation_stats *operation = &stats->operations[i];

        histogram_reset(operation->took_us);
        memset(operation->outcomes, 0, sizeof operation->outcomes);
        memset(operation->troubles, 0, sizeof operation->troubles);
        memset(operation->statuses, 0, sizeof operation->statuses);
    }
    histogram_reset(stats->took_us);
    stats->count = 0;
    stats->errors = 0;
    stats->started_us = client_now_us();
}

void stats_add(struct stats *stats, enum operation operation, const struct answer *answer)
{
    struct operation_stats *one = &stats->operations[operation];

    histogram_add(one->took_us, answer->took_us);
    histogram_add(stats->took_us, answer->took_us);
    one->outcomes[answer->outcome]++;
    one->troubles[answer->trouble]++;
    if (answer->status < STATUSES) {
        one->statuses[answer->status]++;
    }
    stats->count++;
    stats->errors += answer->outcome != OUTCOME_OK;
    if (stats->trace != NULL) {
        fprintf(stats->trace, "%" PRIu64 " %" PRIu64 " %s %u %s %u %d %d\n", answer->sent_us, client_now_us(),
                names[operation], answer->status, trace_words[answer->trouble], answer->tries,
                answer->replayed, answer->stale);
    }
}

uint64_t stats_count(const struct stats *stats)
{
    return stats->count;
}

uint64_t stats_errors(const struct stats *stats)
{
    return stats->errors;
}

uint64_t stats_operation_count(const struct stats *stats, enum operation operation)
{
    return histogram_count(stats->operations[operation].took_us);
}

double stats_elapsed_s(const struct stats *stats)
{
    return (double)(client_now_us() - stats->started_us) / 1e6;
}

static void report_line(FILE *out, const char *name, const struct histogram *took_us,
                        const uint64_t *outcomes, double elapsed_s)
{
    fprintf(out, "%-12s %9" PRIu64 " %8.0f/s", name, histogram_count(took_us),
            (double)histogram_count(took_us) / elapsed_s);
    fprintf(out, " %7" PRIu64 " %7" PRIu64, outcomes[OUTCOME_FAILED], outcomes[OUTCOME_UNKNOWN]);
    fprintf(out, " %9.2f %9.2f %9.2f %9.2f %9.2f\n", (double)histogram_percentile(took_us, 50) / 1e3,
            (double)histogram_percentile(took_us, 90) / 1e3, (double)histogram_percentile(took_us, 99) / 1e3,
            (double)histogram_percentile(took_us, 99.9) / 1e3, (double)histogram_max(took_us) / 1e3);
}

static void report_errors(const struct stats *stats, FILE *out)
{
    for (unsigned i = 0; i < OPERATIONS; i++) {
        const struct operation_stats *one = &stats->operations[i];

        for (unsigned status = 300; status < STATUSES; status++) {
            if (one->statuses[status] > 0) {
                fprintf(out, "errors: %s: status %u: %" PRIu64 "\n", names[i], status, one->statuses[status]);
            }
        }
        for (unsigned trouble = TROUBLE_NONE + 1; trouble < TROUBLES; trouble++) {
            if (one->troubles[trouble] > 0) {
                fprintf(out, "errors: %s: %s: %" PRIu64 "\n", names[i], trouble_name((enum trouble)trouble),
                        one->troubles[trouble]);
            }
        }
    }
}

void stats_report(const struct stats *stats, FILE *out)
{
    double elapsed_s = stats_elapsed_s(stats);
    uint64_t outcomes[OUTCOME_UNKNOWN + 1] = {0};

    fprintf(out, "%-12s %9s %10s %7s %7s %9s %9s %9s %9s %9s\n", "operation", "count", "rate", "failed",
            "unknown", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms");
    for (unsigned i = 0; i < OPERATIONS; i++) {
        const struct operation_stats *one = &stats->operations[i];

        if (histogram_count(one->took_us) > 0) {
            report_line(out, names[i], one->took_us, one->outcomes, elapsed_s);
        }
        outcomes[OUTCOME_FAILED] += one->outcomes[OUTCOME_FAILED];
        outcomes[OUTCOME_UNKNOWN] += one->outcomes[OUTCOME_UNKNOWN];
    }
    report_line(out, "all", stats->took_us, outcomes, elapsed_s);
    report_errors(stats, out);
    fprintf(out, "%" PRIu64 " requests in %.2f s: %.0f requests/s, %" PRIu64 " not answered 2xx\n",
            stats->count, elapsed_s, (double)stats->count / elapsed_s, stats->errors);
}
