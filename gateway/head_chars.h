/* Which octets may stand where in a request head (RFC 9110, RFC 3986). Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum char_class {
    CHAR_TOKEN = 1,  /* methods, field names, chunk extensions (RFC 9110, 5.6.2: tchar) */
    CHAR_TARGET = 2, /* path and query, '%' aside (RFC 3986: pchar, '/', '?') */
    CHAR_VALUE = 4,  /* field values (RFC 9110, 5.5: field-vchar, SP, HTAB) */
    CHAR_HEX = 8,
    CHAR_HOST = 16, /* registered names: RFC 3986's unreserved */
    CHAR_DIGIT = 32,
};

extern const uint8_t head_char_classes[256];

static inline bool head_char_is(unsigned char c, enum char_class class)
{
    return (head_char_classes[c] & class) != 0;
}

/* -1: none. */
static inline int head_char_hex(unsigned char c)
{
    if (!head_char_is(c, CHAR_HEX))
        return -1;
    return head_char_is(c, CHAR_DIGIT) ? c - '0' : (c | 0x20) - 'a' + 10;
}

static inline char head_char_lower(unsigned char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}
