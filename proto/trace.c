#include "proto/trace.h"

#include <inttypes.h>
#include <stdio.h>

const char *trace_text(const struct trace *trace, char out[static TRACE_TEXT_MAX + 1])
{
    if (trace->given != NULL && trace->given[0] != '\0')
        snprintf(out, TRACE_TEXT_MAX + 1, "%s", trace->given);
    else if (trace->number == 0)
        snprintf(out, TRACE_TEXT_MAX + 1, "-");
    else
        snprintf(out, TRACE_TEXT_MAX + 1, "%016" PRIx64 "-%" PRIu64, trace->sender, trace->number);
    return out;
}
