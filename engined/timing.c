#include "engined/timing.h"

#include <inttypes.h>

#include "common/fatal.h"
#include "common/log.h"
#include "proto/schema.h"
#include "proto/status.h"

static void tell(struct batch *reply, const Pb__EngineTimings *timings)
{
    struct reply_frame frame = {.status = STATUS_OK, .flags = REPLY_TIMINGS};
    frame.length = (uint32_t)pb__engine_timings__get_packed_size(timings);
    pb__engine_timings__pack(timings, batch_add_reply(reply, &frame));
}

void timing_tell_batch(struct batch *reply, const struct frame_time *time)
{
    Pb__EngineTimings timings = PB__ENGINE_TIMINGS__INIT;
    timings.has_queue_us = timings.has_decide_us = timings.has_commit_us = true;
    timings.queue_us = time->queue_us;
    timings.decide_us = time->decide_us;
    timings.commit_us = time->commit_us;
    tell(reply, &timings);
}

void timing_add_parked(struct parked_timings *timings, const struct request_id *id,
                       const struct frame_time *time)
{
    ensure(timings->count < LIMIT_BATCH_FRAMES);
    size_t i = timings->count++;
    Pb__ParkedTiming *item = &timings->items[i];
    timings->ids[i] = *id;
    timings->pointers[i] = item;
    pb__parked_timing__init(item);
    item->has_id = item->has_parked_us = item->has_parked_for = true;
    item->has_decide_us = item->has_commit_us = true;
    item->id = (ProtobufCBinaryData){.len = REQUEST_ID_BYTES, .data = timings->ids[i].bytes};
    item->parked_us = time->parked_us;
    item->parked_for = time->parked_for;
    item->decide_us = time->decide_us;
    item->commit_us = time->commit_us;
}

void timing_tell_parked(struct batch *reply, struct parked_timings *timings)
{
    Pb__EngineTimings told = PB__ENGINE_TIMINGS__INIT;
    told.n_parked = timings->count;
    told.parked = timings->pointers;
    if (timings->count > 0)
        tell(reply, &told);
    timings->count = 0;
}

void slow_log_frame(struct slow_log *log, uint64_t now_ms, const struct trace *trace, uint16_t command,
                    const struct frame_time *time)
{
    uint64_t took_us = time->queue_us + time->parked_us + time->decide_us + time->commit_us;
    if (log->slow_us == 0 || took_us < log->slow_us || !log_budget_take(&log->budget, now_ms))
        return;
    const struct schema_command *row = schema_command_by_id(command);
    char id[TRACE_TEXT_MAX + 1];
    log_info("slow id=%s command=%s us=%" PRIu64 " queue_us=%" PRIu64 " decide_us=%" PRIu64
             " commit_us=%" PRIu64 " parked_us=%" PRIu64 " parked_for=%s",
             trace_text(trace, id), row != NULL ? row->name : "-", took_us, time->queue_us, time->decide_us,
             time->commit_us, time->parked_us,
             protobuf_c_enum_descriptor_get_value(&pb__parked_for__descriptor, time->parked_for)->name);
}

void slow_log_turn(struct slow_log *log, uint64_t now_ms)
{
    uint64_t left_out = log_budget_left_out(&log->budget, now_ms);
    if (left_out > 0)
        log_info("slow requests without a line of their own count=%" PRIu64, left_out);
}
