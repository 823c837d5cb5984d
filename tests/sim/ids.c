#include "tests/sim/ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DIGITS = 18 };

static const struct {
    const char *prefix, *name;
} kinds[ID_KINDS] = {
    [ID_USER] = {"user_", "user"},     [ID_SUBREDDIT] = {"sub_", "subreddit"},
    [ID_POST] = {"post_", "post"},     [ID_COMMENT] = {"comment_", "comment"},
    [ID_MESSAGE] = {"dm_", "message"},
};

uint64_t id_parse(enum id_kind kind, const char *text)
{
    size_t prefix = strlen(kinds[kind].prefix);
    uint64_t number = 0;
    size_t digits = 0;

    if (text == NULL || strncmp(text, kinds[kind].prefix, prefix) != 0 || text[prefix] == '0') {
        return 0;
    }
    for (const char *at = text + prefix; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || ++digits > MAX_DIGITS) {
            return 0;
        }
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return number;
}

struct id_text id_format(enum id_kind kind, uint64_t number)
{
    struct id_text id;

    snprintf(id.text, sizeof id.text, "%s%" PRIu64, kinds[kind].prefix, number);
    return id;
}

const char *id_kind_name(enum id_kind kind)
{
    return kinds[kind].name;
}
