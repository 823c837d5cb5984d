/*
 * A line for each request that took long, with where its time went; LIMIT_SLOW_LINES a second, then a sum.
 * Worker's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "common/log_budget.h"
#include "gateway/engine_client.h"

struct slow_log {
    uint64_t slow_us; /* UINT64_MAX: nothing is slow */
    struct log_budget budget;
};

/* `slow_ms` 0: no lines. */
void slow_log_open(struct slow_log *log, unsigned slow_ms);

struct slow_request {
    const char *id, *method;
    const char *route; /* NULL: none matched */
    unsigned status;
    const char *engine; /* asked first; NULL: none */
    unsigned batch_size;
    uint64_t took_us;
    uint64_t begin_us; /* until an engine was asked: reading, checking */
    uint64_t end_us;   /* since the last answer: writing JSON */
    struct engine_times times;
};

bool slow_log_wants(const struct slow_log *log, uint64_t took_us) MUST_USE;
void slow_log_write(struct slow_log *log, uint64_t now_ms, const struct slow_request *request);
/* In each turn: the sum of what was left out. */
void slow_log_turn(struct slow_log *log, uint64_t now_ms);
