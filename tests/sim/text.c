#include "tests/sim/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tests/sim/memory.h"

enum { FIRST_CAPACITY = 64 };

void text_add(struct text_buffer *buffer, const char *bytes, size_t length)
{
    size_t needed = buffer->length + length + 1;

    if (needed > buffer->capacity) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity : FIRST_CAPACITY;

        while (capacity < needed) {
            capacity *= 2;
        }
        buffer->bytes = mem_resize(buffer->bytes, capacity);
        buffer->capacity = capacity;
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    buffer->bytes[buffer->length] = '\0';
}

/* Length of the valid UTF-8 sequence at `at`, 0 if there is none (Unicode 15, table 3-7). */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    unsigned char low = 0x80, high = 0xBF;
    size_t length;

    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
    } else {
        return 0;
    }
    if (lead == 0xE0) {
        low = 0xA0;
    } else if (lead == 0xED) {
        high = 0x9F;
    } else if (lead == 0xF0) {
        low = 0x90;
    } else if (lead == 0xF4) {
        high = 0x8F;
    }
    if (left < length || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

static bool is_control(unsigned code_point)
{
    return (code_point < 0x20 && code_point != '\t' && code_point != '\n') ||
           (code_point >= 0x7F && code_point < 0xA0);
}

static void add_latin1(struct text_buffer *out, unsigned char byte)
{
    char pair[2] = {(char)(0xC0 | (byte >> 6)), (char)(0x80 | (byte & 0x3F))};

    if (!is_control(byte)) {
        text_add(out, pair, sizeof pair);
    }
}

char *text_to_utf8(const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    struct text_buffer out = {0};

    text_add(&out, "", 0);
    while (length > 0) {
        size_t step = sequence_length(at, length);

        if (step == 0) {
            add_latin1(&out, at[0]);
            step = 1;
        } else if ((step > 1 && !(at[0] == 0xC2 && at[1] < 0xA0)) || (step == 1 && !is_control(at[0]))) {
            text_add(&out, (const char *)at, step);
        }
        at += step;
        length -= step;
    }
    return out.bytes;
}

static bool starts_code_point(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

size_t text_length(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        count += starts_code_point(*text);
    }
    return count;
}

void text_cut(char *text, size_t max)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        if (starts_code_point(*text) && count++ == max) {
            *text = '\0';
            return;
        }
    }
}

void text_trim(char *text)
{
    static const char blank[] = " \t\r\n\v\f";
    size_t start = strspn(text, blank);
    size_t length = strlen(text + start);

    while (length > 0 && strchr(blank, text[start + length - 1]) != NULL) {
        length--;
    }
    memmove(text, text + start, length);
    text[length] = '\0';
}
