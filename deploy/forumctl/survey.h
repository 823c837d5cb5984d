/*
 * How all processes are: the gateway's by its /metrics, engines and password processes asked themselves.
 * Rates and quantiles are of the time between two surveys. What `forumctl status` and `top` show.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/attributes.h"
#include "common/latency.h"
#include "deploy/forumctl/engines.h"

#define SURVEY_ROWS_MAX   (ENGINES_MAX + 2 * LIMIT_WORKERS + 2)
#define SURVEY_TIMEOUT_MS 1000 /* of the gateway, and of the engines */

enum survey_state {
    SURVEY_UP,
    SURVEY_NO_STORAGE, /* it answers, and cannot write its file */
    SURVEY_SILENT,     /* it is there and does not answer */
    SURVEY_DOWN,       /* no process */
};
const char *survey_state_name(enum survey_state state);

/* A figure that is not known, or that this kind of process does not have. */
#define SURVEY_NONE UINT64_MAX

struct survey_row {
    char name[24], version[48];
    enum survey_state state;
    uint64_t pid, uptime_ms, restarts, queue;
    uint64_t done; /* requests or frames since it started */
    uint64_t latency[LATENCY_BUCKETS + 1];
    bool has_latency;
    uint64_t last_commit_at; /* wall ms */
    uint64_t resident_bytes;
    /* Of the time since the survey before; SURVEY_NONE without one. */
    uint64_t per_second, p99_us;
};

struct survey {
    uint64_t taken_ms; /* CLOCK_MONOTONIC */
    uint64_t wall_ms;
    size_t count;
    bool fine; /* every process that there is to be is up */
    struct survey_row rows[SURVEY_ROWS_MAX];
};

/* `body` as the gateway's /metrics; adds the rows of "gateway", its master and its workers. */
void survey_read_gateway(struct survey *survey, const char *body);
void survey_take(struct survey *survey, struct engines *engines, const char *listen);
/* Rates of `survey`, by what was before. */
void survey_compare(struct survey *survey, const struct survey *before);

void survey_print_table(const struct survey *survey, FILE *out);
void survey_print_json(const struct survey *survey, FILE *out);

/* "3d04h", "2h05m", "4m07s", "12s"; "1.5M"; "64us", "8.2ms", "1.0s". `out` has SURVEY_CELL bytes. */
#define SURVEY_CELL 24
void survey_format_duration(uint64_t ms, char out[static SURVEY_CELL]);
void survey_format_bytes(uint64_t bytes, char out[static SURVEY_CELL]);
void survey_format_us(uint64_t us, char out[static SURVEY_CELL]);
