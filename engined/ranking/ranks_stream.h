/* One subreddit's entries under one query, one after the other, from its cursor on. Inside of ranks.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/ranking/ranks_order.h"
#include "engined/ranking/ranks_subreddit.h"
#include "proto/cursor.pb-c.h"
#include "proto/engine.pb-c.h"

/* What the streams of one page have in common. */
struct rank_walk {
    Pb__Sort sort;
    uint64_t asof_ms;
    bool windowed;
    uint64_t cutoff_ms; /* if windowed: only entries created after it */
    const Pb__Cursor *after;
    size_t limit; /* of the page */
    struct arena *arena;
};

/* The order among streams: rank, then newer, then larger id. */
struct rank_head {
    double rank;
    uint64_t created_ms, id;
};

struct rank_stream {
    struct rank_head head; /* the next one */

    const struct rank_walk *walk;
    const struct rank_subreddit *subreddit;
    struct rank_slot passed; /* the head's slot; at first the cursor's place */
    size_t since;            /* entries before this index are outside of the window */
    enum { STREAM_NEWEST, STREAM_ORDER, STREAM_GATHERED } source;
    const struct rank_order *order; /* STREAM_ORDER */
    struct rank_position position;
    size_t skips_left;
    struct rank_slot *gathered; /* STREAM_GATHERED: in the walk's arena, best first */
    size_t gathered_count, gathered_next;
};

/* False: there is nothing behind the cursor. The subreddit must not change while the stream is used. */
bool rank_stream_start(struct rank_stream *stream, const struct rank_walk *walk,
                       struct rank_subreddit *subreddit) MUST_USE;
/* To the next head. False: there is none. */
bool rank_stream_advance(struct rank_stream *stream) MUST_USE;
