#include "tests/lib/events.h"

#include <string.h>

#include "tests/lib/keep.h"
#include "tests/lib/require.h"

#define ENGINES_WITH_EVENTS 5 /* feed has none */

const char *events_counted(const struct forum *forum)
{
    static const char name[] = "\nforumd_engine_head_seq{";
    struct reply *reply = forum_get(forum, "/metrics");
    const char *all = "";
    size_t count = 0;
    for (const char *at = reply->body; (at = strstr(at, name)); at++, count++)
        all = keep_format("%s%.*s", all, (int)strcspn(at + 1, "\n") + 1, at + 1);
    REQUIRE(count >= ENGINES_WITH_EVENTS, "%s", reply->body);
    return all;
}
