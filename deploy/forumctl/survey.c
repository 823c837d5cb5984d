#include "deploy/forumctl/survey.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "deploy/forumctl/exposition.h"
#include "deploy/forumctl/fetch.h"

#define ENGINES_TIMEOUT_MS 500

static const char *const state_names[] = {[SURVEY_UP] = "up",
                                          [SURVEY_NO_STORAGE] = "no-storage",
                                          [SURVEY_SILENT] = "silent",
                                          [SURVEY_DOWN] = "down"};

const char *survey_state_name(enum survey_state state)
{
    return state_names[state];
}

static struct survey_row *row_find(struct survey *survey, const char *name)
{
    for (size_t i = 0; i < survey->count; i++)
        if (strcmp(survey->rows[i].name, name) == 0)
            return &survey->rows[i];
    return NULL;
}

static struct survey_row *row_add(struct survey *survey, const char *name, enum survey_state state)
{
    ensure(survey->count < SURVEY_ROWS_MAX);
    struct survey_row *row = &survey->rows[survey->count++];
    *row = (struct survey_row){.state = state,
                               .pid = SURVEY_NONE,
                               .uptime_ms = SURVEY_NONE,
                               .restarts = SURVEY_NONE,
                               .queue = SURVEY_NONE,
                               .done = SURVEY_NONE,
                               .last_commit_at = SURVEY_NONE,
                               .resident_bytes = SURVEY_NONE,
                               .per_second = SURVEY_NONE,
                               .p99_us = SURVEY_NONE};
    snprintf(row->name, sizeof(row->name), "%s", name);
    survey->fine = survey->fine && state == SURVEY_UP;
    return row;
}

/* --- the gateway --- */

static void take_info(struct survey *survey, const struct sample *sample, const char *process)
{
    char pid[24];
    struct survey_row *row = row_find(survey, process);
    if (row == NULL && survey->count < SURVEY_ROWS_MAX)
        row = row_add(survey, process, SURVEY_UP);
    if (row == NULL)
        return;
    if (sample_label(sample, "pid", pid, sizeof(pid)))
        row->pid = strtoull(pid, NULL, 10);
    (void)!sample_label(sample, "version", row->version, sizeof(row->version));
}

static void take_process(struct survey *survey, const struct sample *sample)
{
    char process[24];
    if (!sample_label(sample, "process", process, sizeof(process)))
        return;
    if (sample_is(sample, "forumd_process_info"))
        take_info(survey, sample, process);
    struct survey_row *row = row_find(survey, process);
    uint64_t value = sample->value > 0 ? (uint64_t)sample->value : 0;
    if (row == NULL)
        return;
    if (sample_is(sample, "forumd_process_up") && value == 0)
        row->state = SURVEY_SILENT;
    else if (sample_is(sample, "forumd_process_uptime_seconds"))
        row->uptime_ms = value * 1000;
    else if (sample_is(sample, "forumd_process_restarts_total"))
        row->restarts = value;
    else if (sample_is(sample, "forumd_process_resident_bytes"))
        row->resident_bytes = value;
    else if (sample_is(sample, "forumd_process_requests_total"))
        row->done = value;
}

/* Buckets as they are printed are sums up to their bound. */
static void take_bucket(struct survey_row *gateway, const struct sample *sample)
{
    char bound[24];
    if (!sample_label(sample, "le", bound, sizeof(bound)))
        return;
    size_t bucket = LATENCY_BUCKETS;
    if (strcmp(bound, "+Inf") != 0)
        bucket = latency_bucket((uint64_t)(strtod(bound, NULL) * 1e6 + 0.5));
    gateway->latency[bucket] += (uint64_t)sample->value;
    gateway->has_latency = true;
}

static void settle_gateway(struct survey *survey, struct survey_row *gateway, uint64_t workers)
{
    uint64_t serving = 0, below = 0;
    for (size_t i = 0; i <= LATENCY_BUCKETS; i++) {
        uint64_t upto = gateway->latency[i] > below ? gateway->latency[i] : below;
        gateway->latency[i] = upto - below;
        below = upto;
    }
    for (size_t i = 0; i < survey->count; i++) {
        struct survey_row *row = &survey->rows[i];
        if (strncmp(row->name, "worker ", strlen("worker ")) == 0)
            serving += row->state == SURVEY_UP;
        survey->fine = survey->fine && row->state == SURVEY_UP;
    }
    if (serving < workers)
        survey->fine = false;
}

void survey_read_gateway(struct survey *survey, const char *body)
{
    struct sample sample;
    uint64_t workers = 0;
    struct survey_row *gateway = row_add(survey, "gateway", SURVEY_UP);
    gateway->done = 0;
    while (sample_next(&body, &sample)) {
        if (sample_is(&sample, "forumd_http_request_duration_seconds_bucket"))
            take_bucket(gateway, &sample);
        else if (sample_is(&sample, "forumd_http_requests_total"))
            gateway->done += (uint64_t)sample.value;
        else if (sample_is(&sample, "forumd_gateway_workers"))
            workers = (uint64_t)sample.value;
        else
            take_process(survey, &sample);
    }
    settle_gateway(survey, gateway, workers);
}

static void take_gateway(struct survey *survey, const char *listen)
{
    char *body = NULL;
    switch (fetch(listen, "/metrics", SURVEY_TIMEOUT_MS, &body)) {
    case FETCH_DONE:
        survey_read_gateway(survey, body);
        break;
    case FETCH_REFUSED:
        (void)!row_add(survey, "gateway", SURVEY_DOWN);
        break;
    case FETCH_SILENT:
        (void)!row_add(survey, "gateway", SURVEY_SILENT);
        break;
    }
    free(body);
}

/* --- engines --- */

static void take_engine(struct survey *survey, const struct engine_answer *answer)
{
    char name[24];
    const Pb__EngineStatus *status = answer->status;
    snprintf(name, sizeof(name), "%s", domain_name(answer->domain));
    if (answer->domain == DOMAIN_PASSWORDS)
        snprintf(name, sizeof(name), "%s %u", domain_name(answer->domain), answer->member + 1);
    struct survey_row *row = row_add(survey, name,
                                     status == NULL       ? answer->pid != 0 ? SURVEY_SILENT : SURVEY_DOWN
                                     : status->storage_ok ? SURVEY_UP
                                                          : SURVEY_NO_STORAGE);
    if (answer->pid != 0)
        row->pid = (uint64_t)answer->pid;
    if (status == NULL)
        return;
    snprintf(row->version, sizeof(row->version), "%s", status->version != NULL ? status->version : "");
    row->uptime_ms = status->uptime_ms;
    row->restarts = status->restarts;
    row->queue = status->has_queue ? (uint64_t)status->queue + status->parked : SURVEY_NONE;
    row->done = status->frames;
    row->last_commit_at = status->has_last_commit_at ? status->last_commit_at : SURVEY_NONE;
    row->resident_bytes = status->has_resident_bytes ? status->resident_bytes : SURVEY_NONE;
    row->has_latency = status->n_latency == LATENCY_BUCKETS + 1;
    for (size_t i = 0; row->has_latency && i < status->n_latency; i++)
        row->latency[i] = status->latency[i];
}

void survey_take(struct survey *survey, struct engines *engines, const char *listen)
{
    struct engine_answer answers[ENGINES_MAX];
    struct arena *arena = arena_new();
    survey->count = 0;
    survey->fine = true;
    take_gateway(survey, listen);
    size_t count = engines_ping(engines, arena, ENGINES_TIMEOUT_MS, answers);
    for (size_t i = 0; i < count; i++)
        take_engine(survey, &answers[i]);
    survey->taken_ms = clock_monotonic_ms();
    survey->wall_ms = clock_wall_ms();
    arena_free(arena);
}

static void row_compare(struct survey_row *row, const struct survey_row *before, uint64_t took_ms)
{
    uint64_t latency[LATENCY_BUCKETS + 1];
    if (row->done == SURVEY_NONE || before->done == SURVEY_NONE || row->done < before->done ||
        row->pid != before->pid || took_ms == 0)
        return; /* another process counts anew */
    row->per_second = (row->done - before->done) * 1000 / took_ms;
    if (!row->has_latency || !before->has_latency)
        return;
    for (size_t i = 0; i <= LATENCY_BUCKETS; i++)
        latency[i] = row->latency[i] > before->latency[i] ? row->latency[i] - before->latency[i] : 0;
    uint64_t p99_us = latency_quantile_us(latency, 99);
    row->p99_us = p99_us > 0 ? p99_us : SURVEY_NONE;
}

void survey_compare(struct survey *survey, const struct survey *before)
{
    for (size_t i = 0; i < survey->count; i++)
        for (size_t k = 0; k < before->count; k++)
            if (strcmp(survey->rows[i].name, before->rows[k].name) == 0)
                row_compare(&survey->rows[i], &before->rows[k], survey->taken_ms - before->taken_ms);
}

/* --- shown --- */

void survey_format_duration(uint64_t ms, char out[static SURVEY_CELL])
{
    uint64_t s = ms / 1000;
    if (s >= 86400)
        snprintf(out, SURVEY_CELL, "%" PRIu64 "d%02uh", s / 86400, (unsigned)(s % 86400 / 3600));
    else if (s >= 3600)
        snprintf(out, SURVEY_CELL, "%uh%02um", (unsigned)(s / 3600), (unsigned)(s % 3600 / 60));
    else if (s >= 60)
        snprintf(out, SURVEY_CELL, "%um%02us", (unsigned)(s / 60), (unsigned)(s % 60));
    else
        snprintf(out, SURVEY_CELL, "%us", (unsigned)s);
}

void survey_format_bytes(uint64_t bytes, char out[static SURVEY_CELL])
{
    static const char units[] = "BKMGT";
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 2 < sizeof(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, SURVEY_CELL, unit == 0 ? "%.0f%c" : "%.1f%c", value, units[unit]);
}

void survey_format_us(uint64_t us, char out[static SURVEY_CELL])
{
    if (us < 1000)
        snprintf(out, SURVEY_CELL, "%uus", (unsigned)us);
    else if (us < 1000000)
        snprintf(out, SURVEY_CELL, "%.1fms", (double)us / 1e3);
    else
        snprintf(out, SURVEY_CELL, "%.1fs", (double)us / 1e6);
}

static const char *cell_number(uint64_t value, char *out)
{
    if (value == SURVEY_NONE)
        return "-";
    snprintf(out, SURVEY_CELL, "%" PRIu64, value);
    return out;
}

static const char *cell(uint64_t value, char *out, void (*format)(uint64_t value, char *out))
{
    if (value == SURVEY_NONE)
        return "-";
    format(value, out);
    return out;
}

static void print_row(const struct survey *survey, const struct survey_row *row, FILE *out)
{
    char cells[8][SURVEY_CELL];
    uint64_t age_ms = SURVEY_NONE;
    if (row->last_commit_at != SURVEY_NONE)
        age_ms = survey->wall_ms > row->last_commit_at ? survey->wall_ms - row->last_commit_at : 0;
    fprintf(out, "%-12s %-10s %-9s %7s %8s %8s %6s %8s %8s %8s %8s\n", row->name,
            survey_state_name(row->state), row->version[0] != '\0' ? row->version : "-",
            cell_number(row->pid, cells[0]), cell(row->uptime_ms, cells[1], survey_format_duration),
            cell_number(row->restarts, cells[2]), cell_number(row->queue, cells[3]),
            cell_number(row->per_second, cells[4]), cell(row->p99_us, cells[5], survey_format_us),
            cell(age_ms, cells[6], survey_format_duration),
            cell(row->resident_bytes, cells[7], survey_format_bytes));
}

void survey_print_table(const struct survey *survey, FILE *out)
{
    fprintf(out, "%-12s %-10s %-9s %7s %8s %8s %6s %8s %8s %8s %8s\n", "PROCESS", "STATE", "VERSION", "PID",
            "UPTIME", "RESTARTS", "QUEUE", "OPS/S", "P99", "COMMIT", "MEMORY");
    for (size_t i = 0; i < survey->count; i++)
        print_row(survey, &survey->rows[i], out);
}

static void print_member(FILE *out, const char *name, uint64_t value)
{
    if (value == SURVEY_NONE)
        fprintf(out, ",\"%s\":null", name);
    else
        fprintf(out, ",\"%s\":%" PRIu64, name, value);
}

/* Names and versions are our own: nothing in them needs an escape. */
void survey_print_json(const struct survey *survey, FILE *out)
{
    fprintf(out, "{\"status\":\"%s\",\"processes\":[", survey->fine ? "ok" : "degraded");
    for (size_t i = 0; i < survey->count; i++) {
        const struct survey_row *row = &survey->rows[i];
        fprintf(out, "%s{\"process\":\"%s\",\"state\":\"%s\"", i > 0 ? "," : "", row->name,
                survey_state_name(row->state));
        if (row->version[0] != '\0')
            fprintf(out, ",\"version\":\"%s\"", row->version);
        else
            fprintf(out, ",\"version\":null");
        print_member(out, "pid", row->pid);
        print_member(out, "uptime_ms", row->uptime_ms);
        print_member(out, "restarts", row->restarts);
        print_member(out, "queue", row->queue);
        print_member(out, "per_second", row->per_second);
        print_member(out, "p99_us", row->p99_us);
        print_member(out, "last_commit_at", row->last_commit_at);
        print_member(out, "resident_bytes", row->resident_bytes);
        fprintf(out, "}");
    }
    fprintf(out, "]}\n");
}
