#include "gateway/utf8.h"

#include <stdint.h>
#include <string.h>

/* The second byte decides what the first left open (RFC 3629, section 4: UTF8-octets). */
static const struct lead {
    unsigned char first, last;     /* lead bytes */
    unsigned char second, highest; /* range of the byte that follows */
    unsigned char length;
} leads[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool tail_fits(const unsigned char *bytes, size_t left, const struct lead *lead)
{
    if (left < lead->length || bytes[1] < lead->second || bytes[1] > lead->highest)
        return false;
    for (size_t i = 2; i < lead->length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return false;
    return true;
}

size_t utf8_sequence(const char *at, size_t left)
{
    const unsigned char *bytes = (const unsigned char *)at;
    if (bytes[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
        if (bytes[0] >= leads[i].first && bytes[0] <= leads[i].last)
            return tail_fits(bytes, left, &leads[i]) ? leads[i].length : 0;
    return 0;
}

bool utf8_is_valid(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t step = utf8_sequence(text + at, length - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

static uint32_t code_point(const char *at, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)at;
    if (length == 1)
        return bytes[0];
    uint32_t value = bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        value = value << 6 | (bytes[i] & 0x3fu);
    return value;
}

static bool is_white_space(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x09, 0x0d},     {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
                  {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

static size_t sequence_before(const char *end)
{
    size_t length = 1;
    while (((unsigned char)end[-(ptrdiff_t)length] & 0xc0) == 0x80)
        length++;
    return length;
}

void utf8_trim(const char **text, size_t *length)
{
    while (*length > 0) {
        size_t step = utf8_sequence(*text, *length);
        if (!is_white_space(code_point(*text, step)))
            break;
        *text += step;
        *length -= step;
    }
    while (*length > 0) {
        size_t step = sequence_before(*text + *length);
        if (!is_white_space(code_point(*text + *length - step, step)))
            break;
        *length -= step;
    }
}
