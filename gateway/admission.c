#include "gateway/admission.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"

#define US_PER_MS 1000u

struct admission {
    struct metrics *metrics;
    bool in_turn;
    uint64_t turn_us;  /* when it began */
    unsigned admitted; /* in it */
    bool slow;         /* each turn since slow_us was long */
    uint64_t slow_us;
    bool behind;           /* turns are long one after the other: no burst, but too much */
    unsigned share;        /* while behind: how many requests a turn admits */
    uint64_t last_shed_us; /* or since when it is behind */
    uint64_t shed;         /* while behind */
};

struct admission *admission_new(struct metrics *metrics)
{
    struct admission *admission = xcalloc(1, sizeof(*admission));
    admission->metrics = metrics;
    return admission;
}

void admission_free(struct admission *admission)
{
    free(admission);
}

void admission_event(struct admission *admission, uint64_t now_us)
{
    if (admission->in_turn)
        return;
    admission->in_turn = true;
    admission->turn_us = now_us;
    admission->admitted = 0;
}

bool admission_is_full(struct admission *admission, uint64_t now_us)
{
    admission_event(admission, now_us);
    if (admission->behind)
        return admission->admitted >= admission->share;
    return admission->admitted >= LIMIT_TURN_BURST &&
           now_us - admission->turn_us >= LIMIT_TURN_BURST_MS * US_PER_MS;
}

void admission_admitted(struct admission *admission)
{
    admission->admitted++;
}

void admission_refused(struct admission *admission, uint64_t now_us)
{
    metrics_add(admission->metrics, METRIC_SHED_WORKER, 1);
    admission->last_shed_us = now_us;
    admission->shed++;
}

static void set_behind(struct admission *admission, bool behind, uint64_t now_us)
{
    admission->behind = behind;
    admission->share = LIMIT_TURN_BURST;
    if (behind)
        log_warn("there is more to do than can be done; requests are refused");
    else
        log_notice("no longer too much to do refused=%" PRIu64, admission->shed);
    admission->shed = 0;
    admission->last_shed_us = now_us;
}

/* Additive increase, multiplicative decrease: what the turn's answers and refusals cost counts too. */
static void share_adapt(struct admission *admission, uint64_t took_us)
{
    const uint64_t aim_us = LIMIT_TURN_BEHIND_MS * US_PER_MS;
    uint64_t fits = admission->admitted * aim_us / (took_us + 1);
    if (took_us < aim_us && admission->admitted >= admission->share)
        admission->share += 1 + admission->share / 16;
    else if (took_us >= aim_us)
        admission->share = fits > admission->share / 4 * 3 ? (unsigned)fits : admission->share / 4 * 3;
    if (admission->share < LIMIT_TURN_SHARE_MIN)
        admission->share = LIMIT_TURN_SHARE_MIN;
}

/* From the end of the first slow turn, so that one alone, however long, is none too many. */
static void slow_since(struct admission *admission, bool slow, uint64_t now_us)
{
    if (slow && !admission->slow)
        admission->slow_us = now_us;
    admission->slow = slow;
}

void admission_turn_over(struct admission *admission, uint64_t now_us)
{
    if (admission->in_turn) {
        uint64_t took_us = now_us - admission->turn_us;
        slow_since(admission, took_us >= LIMIT_TURN_MS * US_PER_MS, now_us);
        if (admission->behind)
            share_adapt(admission, took_us);
        admission->in_turn = false;
    }
    if (!admission->behind && admission->slow &&
        now_us - admission->slow_us >= LIMIT_TURN_PATIENCE_MS * US_PER_MS)
        set_behind(admission, true, now_us);
    else if (admission->behind && now_us - admission->last_shed_us >= LIMIT_TURN_CALM_MS * US_PER_MS)
        set_behind(admission, false, now_us);
}
