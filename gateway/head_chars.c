#include "gateway/head_chars.h"

/* One letter each, so that the table can be read beside an ASCII chart. */
enum {
    o = 0,                                                                         /* control characters */
    V = CHAR_VALUE,                                                                /* values alone */
    D = CHAR_TOKEN | CHAR_TARGET | CHAR_VALUE | CHAR_HEX | CHAR_HOST | CHAR_DIGIT, /* digits */
    X = CHAR_TOKEN | CHAR_TARGET | CHAR_VALUE | CHAR_HEX |
        CHAR_HOST,                                         /* letters that are hexadecimal digits */
    A = CHAR_TOKEN | CHAR_TARGET | CHAR_VALUE | CHAR_HOST, /* other letters, - . _ ~ */
    S = CHAR_TOKEN | CHAR_TARGET | CHAR_VALUE,             /* ! $ & ' * + */
    T = CHAR_TOKEN | CHAR_VALUE,                           /* # % ^ ` | */
    R = CHAR_TARGET | CHAR_VALUE,                          /* ( ) , / : ; = ? @ */
};

/* clang-format off */
const uint8_t head_char_classes[256] = {
    o, o, o, o, o, o, o, o, o, V, o, o, o, o, o, o, /* 00 */
    o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, /* 10 */
    V, S, V, T, S, T, S, S, R, R, S, S, R, A, A, R, /* 20 */
    D, D, D, D, D, D, D, D, D, D, R, R, V, R, V, R, /* 30 */
    R, X, X, X, X, X, X, A, A, A, A, A, A, A, A, A, /* 40 */
    A, A, A, A, A, A, A, A, A, A, A, V, V, V, T, A, /* 50 */
    T, X, X, X, X, X, X, A, A, A, A, A, A, A, A, A, /* 60 */
    A, A, A, A, A, A, A, A, A, A, A, V, T, V, A, o, /* 70 */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* 80 */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* 90 */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* a0 */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* b0 */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* c0 */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* d0 */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* e0 */
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, /* f0 */
};
/* clang-format on */
