/*
 * So many lines of a kind a second, however often there would be one: what is left out is counted, and told
 * as a sum by whoever owns the budget.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"

struct log_budget {
    unsigned per_second; /* set by the owner; the rest begins as zero */
    uint64_t second;
    unsigned used;
    uint64_t left_out;
};

/* Whether another line may be written now. If not, it is counted. */
bool log_budget_take(struct log_budget *budget, uint64_t now_ms) MUST_USE;
/* How many lines were left out in seconds that are over; 0: there is nothing to tell. Each is told once. */
uint64_t log_budget_left_out(struct log_budget *budget, uint64_t now_ms) MUST_USE;
