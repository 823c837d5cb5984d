/* What the requests of a run came to: how many, how long, and why not. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "common/attributes.h"
#include "tests/sim/client.h"

enum operation {
    OPERATION_REGISTER,
    OPERATION_CREATE,
    OPERATION_JOIN,
    OPERATION_LEAVE,
    OPERATION_POST,
    OPERATION_REPOST,
    OPERATION_COMMENT,
    OPERATION_VOTE,
    OPERATION_MESSAGE,
    OPERATION_FEED,
    OPERATION_READ,
};
enum { OPERATIONS = OPERATION_READ + 1 };

struct stats;

struct stats *stats_new(void) MUST_USE;
void stats_free(struct stats *stats);
/* Forgets all, and starts the clock of the throughput again. */
void stats_reset(struct stats *stats);
void stats_add(struct stats *stats, enum operation operation, const struct answer *answer);
uint64_t stats_count(const struct stats *stats);
/* Answers that were not 2xx, and requests without an answer. */
uint64_t stats_errors(const struct stats *stats);
uint64_t stats_operation_count(const struct stats *stats, enum operation operation);
double stats_elapsed_s(const struct stats *stats);
const char *operation_name(enum operation operation);
/* Throughput and percentiles by operation, then the errors by status. */
void stats_report(const struct stats *stats, FILE *out);
