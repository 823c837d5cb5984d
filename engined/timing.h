/*
 * What an engine tells of the time that it took (EngineTimings): a last reply frame that is no answer, in
 * replies to workers whose frames say which request they are for. And its own lines about what was slow.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "common/log_budget.h"
#include "proto/engine.pb-c.h"
#include "proto/frame.h"
#include "proto/trace.h"

/* Where a frame's time went. */
struct frame_time {
    uint64_t queue_us, parked_us, decide_us, commit_us;
    Pb__ParkedFor parked_for;
};

/* For batches of frames that were decided at once: they share all of it. */
void timing_tell_batch(struct batch *reply, const struct frame_time *time);

/* Parked frames among a reply's answers. */
struct parked_timings {
    size_t count;
    struct request_id ids[LIMIT_BATCH_FRAMES];
    Pb__ParkedTiming items[LIMIT_BATCH_FRAMES];
    Pb__ParkedTiming *pointers[LIMIT_BATCH_FRAMES];
};
void timing_add_parked(struct parked_timings *timings, const struct request_id *id,
                       const struct frame_time *time);
/* Adds the frame if there is something to tell, and empties the list. */
void timing_tell_parked(struct batch *reply, struct parked_timings *timings);

/* A line if it took `slow_us` (0: never) in this engine, at most LIMIT_SLOW_LINES a second. */
struct slow_log {
    uint64_t slow_us;
    struct log_budget budget;
};
void slow_log_frame(struct slow_log *log, uint64_t now_ms, const struct trace *trace, uint16_t command,
                    const struct frame_time *time);
/* In each turn: the sum of what was left out. */
void slow_log_turn(struct slow_log *log, uint64_t now_ms);
