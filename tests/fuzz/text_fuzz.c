/*
 * Percent escapes, UTF-8, ids, hosts and patterns. UTF-8 is judged by a second, plain reading of RFC 3629.
 * Input: bytes, given to all of them.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "gateway/head_fields.h"
#include "gateway/percent.h"
#include "gateway/utf8.h"
#include "proto/ids.h"
#include "proto/rules.h"
#include "tests/fuzz/fuzz.h"

/* By code point: decode whatever the lead byte promises, then ask whether that was the shortest way. */
static size_t plain_sequence(const unsigned char *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t point = length == 1 ? at[0] : at[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        point = point << 6 | (at[i] & 0x3fu);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least[length] || surrogate || point > 0x10ffff ? 0 : length;
}

static void check_utf8(const char *text, size_t length)
{
    bool valid = true;
    size_t count = 0;
    for (size_t at = 0; at < length && valid; count++) {
        size_t step = plain_sequence((const unsigned char *)text + at, length - at);
        ensure(step == utf8_sequence(text + at, length - at));
        valid = step > 0;
        at += step;
    }
    ensure(utf8_is_valid(text, length) == valid);
    if (!valid)
        return;
    ensure(rules_count_chars(text, length) == count);
    const char *trimmed = text;
    size_t trimmed_length = length;
    utf8_trim(&trimmed, &trimmed_length);
    ensure(trimmed >= text && trimmed + trimmed_length <= text + length);
    ensure(utf8_is_valid(trimmed, trimmed_length));
    const char *again = trimmed;
    size_t again_length = trimmed_length;
    utf8_trim(&again, &again_length);
    ensure(again == trimmed && again_length == trimmed_length);
}

static void check_percent(struct arena *arena, const char *text, size_t length)
{
    const char *decoded, *twice;
    size_t decoded_length, twice_length;
    if (!percent_decode(arena, text, length, false, &decoded, &decoded_length))
        return;
    ensure(decoded_length <= length && decoded[decoded_length] == '\0');
    char *escaped = arena_alloc(arena, decoded_length * 3 + 1);
    for (size_t i = 0; i < decoded_length; i++)
        snprintf(escaped + i * 3, 4, "%%%02x", (unsigned char)decoded[i]);
    ensure(percent_decode(arena, escaped, decoded_length * 3, true, &twice, &twice_length));
    ensure(twice_length == decoded_length && memcmp(twice, decoded, twice_length) == 0);
}

static void check_ids(const char *text, size_t length)
{
    char out[ID_TEXT_MAX];
    uint64_t number;
    for (enum id_kind kind = ID_USER; kind < ID_KINDS; kind++) {
        if (!id_parse(kind, text, length, &number))
            continue;
        ensure(id_format(kind, number, out) == length && memcmp(out, text, length) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    if (arena == NULL)
        arena = arena_new();
    arena_reset(arena);
    char *text = xmalloc(size > 0 ? size : 1); /* AddressSanitizer sees a look beyond it */
    memcpy(text, data, size);
    check_utf8(text, size);
    check_percent(arena, text, size);
    check_ids(text, size);
    (void)!head_host_is_valid(text, size);
    (void)rules_pattern_matches(PATTERN_URL, text, size);
    free(text);
    return 0;
}
