/*
 * Under which name a client's request stands in everybody's log: its X-Request-Id. A worker numbers its
 * requests; each frame says for which of them it is, the batch who the worker is. That is the name, unless
 * the client gave one: then the worker tells it beforehand, in the same batch (engine.Trace).
 */
#pragma once

#include <stdint.h>

#define TRACE_TEXT_MAX 64

struct trace {
    uint64_t sender;   /* run id of the worker */
    uint64_t number;   /* of its request; 0: the frame is for none */
    const char *given; /* the client's name for it, TRACE_TEXT_MAX at most; NULL or "": none */
};

/* Returns out: the name; "-" for frames that are for no request. */
const char *trace_text(const struct trace *trace, char out[static TRACE_TEXT_MAX + 1]);
