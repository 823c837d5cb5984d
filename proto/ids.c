#include "proto/ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *prefix;
    size_t length;
} kinds[ID_KINDS] = {
    [ID_NONE] = {"", 0},     [ID_USER] = {"user", 4},       [ID_SUB] = {"sub", 3},
    [ID_POST] = {"post", 4}, [ID_COMMENT] = {"comment", 7}, [ID_DM] = {"dm", 2},
};

const char *id_kind_prefix(enum id_kind kind)
{
    return kinds[kind].prefix;
}

bool id_parse(enum id_kind kind, const char *text, size_t length, uint64_t *number)
{
    size_t prefix = kinds[kind].length;
    if (length < prefix + 2 || length > prefix + 1 + 19 || memcmp(text, kinds[kind].prefix, prefix) != 0 ||
        text[prefix] != '_' || text[prefix + 1] == '0')
        return false;
    uint64_t value = 0;
    for (size_t i = prefix + 1; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0'); /* 19 digits fit */
    }
    if (value > INT64_MAX)
        return false;
    *number = value;
    return true;
}

size_t id_format(enum id_kind kind, uint64_t number, char *out)
{
    memcpy(out, kinds[kind].prefix, kinds[kind].length);
    char *at = out + kinds[kind].length;
    *at++ = '_';
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *at++ = digits[--count];
    *at = '\0';
    return (size_t)(at - out);
}

unsigned id_shard(uint64_t number, unsigned shards)
{
    return (unsigned)((number - 1) % shards);
}
