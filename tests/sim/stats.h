/* What the requests of a run came to: how many, how long, and why not. */
#pragma once

#include <stdbool.h>
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
    OPERATION_VOTE_POST,
    OPERATION_VOTE_COMMENT,
    OPERATION_MESSAGE,
    OPERATION_FEED,
    OPERATION_PROFILE,
    OPERATION_READ,
};
enum { OPERATIONS = OPERATION_READ + 1 };

struct stats;

struct stats *stats_new(void) MUST_USE;
void stats_free(struct stats *stats);
/*
 * From now on each request is also a line of the file (made anew), with words parted by one space: when its
 * first try was sent and when its last one ended (us, CLOCK_MONOTONIC), operation, status (0: no answer), why
 * there was no answer (one word, "none" if there was one), tries, and 1 or 0 for replayed and for stale.
 * False with errno on trouble.
 */
bool stats_trace(struct stats *stats, const char *path) MUST_USE;
/* Writes out what is buffered. False if any line could not be written. */
bool stats_flush(struct stats *stats) MUST_USE;
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
