/*
 * Clients that are slow in each way there is, played by a process of their own; and a sink that they can be
 * played against: a server, a process too, that takes all they send and answers nothing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attributes.h"

#define SLOW_CLIENTS 300

/* A third each: a head, or a body, of which a byte comes now and then; answers that are not read. */
enum slowness { SLOW_HEAD, SLOW_BODY, SLOW_READER, SLOWNESSES };

#define SLOW_WEIGHED_MAX 8

struct slow_spec {
    unsigned ports[SLOWNESSES];
    uint64_t deadlines_ms[SLOWNESSES];
    uint64_t arrival_ms;             /* they come one after the other within that time, not as one crowd */
    char reader_path[64];            /* of what readers ask for */
    pid_t weighed[SLOW_WEIGHED_MAX]; /* whose memory is looked at now and then */
    size_t weighed_count;
};

/* By way of being slow. */
struct slow_counts {
    uint64_t closed[SLOWNESSES];
    uint64_t early[SLOWNESSES];     /* of those: before their deadline */
    uint64_t overdue[SLOWNESSES];   /* times that one was found open SLOW_LATE_MS after its deadline */
    uint64_t latest_ms[SLOWNESSES]; /* the longest life */
    long max_kb;                    /* resident memory of all that were weighed, in sum */
};

#define SLOW_LATE_MS 1500 /* the turn's grain, and a busy machine */

struct slow_clients;

/* Who is closed comes again at once, until the end. */
struct slow_clients *slow_clients_start(const struct slow_spec *spec) MUST_USE;
/* Fails the test when their process did not end well. */
void slow_clients_end(struct slow_clients *clients, struct slow_counts *counts);
long slow_memory_kb(const struct slow_spec *spec) MUST_USE;

struct slow_sink;

/* Closes each connection at its deadline, as the server does. Sets spec->ports. */
struct slow_sink *slow_sink_start(struct slow_spec *spec) MUST_USE;
void slow_sink_end(struct slow_sink *sink);
