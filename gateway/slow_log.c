#include "gateway/slow_log.h"

#include <inttypes.h>

#include "common/limits.h"
#include "common/log.h"

void slow_log_open(struct slow_log *log, unsigned slow_ms)
{
    *log = (struct slow_log){.slow_us = slow_ms > 0 ? (uint64_t)slow_ms * 1000 : UINT64_MAX,
                             .budget.per_second = LIMIT_SLOW_LINES};
}

bool slow_log_wants(const struct slow_log *log, uint64_t took_us)
{
    return took_us >= log->slow_us;
}

void slow_log_write(struct slow_log *log, uint64_t now_ms, const struct slow_request *request)
{
    const struct engine_times *times = &request->times;
    if (!log_budget_take(&log->budget, now_ms))
        return;
    log_notice(
        "slow id=%s method=%s route=%s status=%u engine=%s batch=%u steps=%u us=%" PRIu64 " begin_us=%" PRIu64
        " queue_us=%" PRIu64 " hop_us=%" PRIu64 " engine_queue_us=%" PRIu64 " decide_us=%" PRIu64
        " commit_us=%" PRIu64 " parked_us=%" PRIu64 " parked_for=%s lost_us=%" PRIu64 " end_us=%" PRIu64,
        request->id, request->method[0] != '\0' ? request->method : "-",
        request->route != NULL ? request->route : "-", request->status,
        request->engine != NULL ? request->engine : "-", request->batch_size, times->steps, request->took_us,
        request->begin_us, times->queue_us, times->hop_us, times->engine_queue_us, times->decide_us,
        times->commit_us, times->parked_us, engine_parked_for(times), times->lost_us, request->end_us);
}

void slow_log_turn(struct slow_log *log, uint64_t now_ms)
{
    uint64_t left_out = log_budget_left_out(&log->budget, now_ms);
    if (left_out > 0)
        log_notice("slow requests without a line of their own count=%" PRIu64, left_out);
}
