#include "gateway/json_scan.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "gateway/json_decode.h"
#include "gateway/utf8.h"

#define FIRST_KEYS 32

/* Unescaped; in the text itself where it has no escapes, else in the arena. */
struct key {
    const char *text;
    size_t length;
    size_t offset; /* in the scanned text, for the fault */
};

struct scan {
    const char *start, *at, *end;
    struct arena *arena;
    struct json_fault *fault;
    struct key *keys; /* of all objects that are open: a stack */
    size_t key_count, key_capacity;
    unsigned depth;
};

static bool scan_value(struct scan *scan);

static bool refuse_at(struct scan *scan, const char *at, const char *detail)
{
    scan->fault->offset = (size_t)(at - scan->start);
    scan->fault->detail = detail;
    return false;
}

static bool refuse(struct scan *scan, const char *detail)
{
    return refuse_at(scan, scan->at, scan->at < scan->end ? detail : "the text ends too early");
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
}

static bool next_is(const struct scan *scan, char c)
{
    return scan->at < scan->end && *scan->at == c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits; -1 when they are not. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = at + i < end ? hex_value(at[i]) : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* At the 'u' of an escape. */
static bool scan_unicode_escape(struct scan *scan)
{
    const char *begin = scan->at - 1;
    int32_t unit = hex4(scan->at + 1, scan->end);
    if (unit < 0)
        return refuse_at(scan, begin, "\\u needs four hexadecimal digits");
    if (unit == 0)
        return refuse_at(scan, begin, "a string may not hold NUL");
    scan->at += 5;
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit <= 0xdbff && scan->end - scan->at >= 6 && scan->at[0] == '\\' && scan->at[1] == 'u') {
        int32_t low = hex4(scan->at + 2, scan->end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            scan->at += 6;
            return true;
        }
    }
    return refuse_at(scan, begin, "a surrogate stands alone");
}

static bool scan_escape(struct scan *scan)
{
    scan->at++;
    if (scan->at == scan->end)
        return refuse(scan, "");
    if (*scan->at == 'u')
        return scan_unicode_escape(scan);
    if (*scan->at == '\0' || strchr("\"\\/bfnrt", *scan->at) == NULL)
        return refuse_at(scan, scan->at - 1, "no such escape");
    scan->at++;
    return true;
}

/* Leaves scan->at behind the closing quote. */
static bool scan_string(struct scan *scan, bool *escaped)
{
    *escaped = false;
    for (scan->at++; scan->at < scan->end;) {
        unsigned char c = (unsigned char)*scan->at;
        if (c == '"') {
            scan->at++;
            return true;
        }
        if (c == '\\') {
            *escaped = true;
            if (!scan_escape(scan))
                return false;
        } else if (c < 0x20) {
            return refuse(scan, "a control character in a string must be escaped");
        } else if (c < 0x80) {
            scan->at++;
        } else {
            size_t step = utf8_sequence(scan->at, (size_t)(scan->end - scan->at));
            if (step == 0)
                return refuse(scan, "is not UTF-8");
            scan->at += step;
        }
    }
    return refuse(scan, "");
}

static char *append_code_point(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

/* `raw` passed scan_string, so every escape in it is whole. Unescaping never lengthens. */
static struct key key_unescape(const char *raw, size_t length, struct arena *arena)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char *text = arena_alloc_raw(arena, length), *out = text;
    const char *end = raw + length;
    while (raw < end) {
        if (*raw != '\\') {
            *out++ = *raw++;
        } else if (raw[1] != 'u') {
            *out++ = values[strchr(names, raw[1]) - names];
            raw += 2;
        } else {
            uint32_t code = (uint32_t)hex4(raw + 2, end);
            raw += 6;
            if (code >= 0xd800 && code <= 0xdfff) {
                code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)hex4(raw + 2, end) - 0xdc00);
                raw += 6;
            }
            out = append_code_point(out, code);
        }
    }
    return (struct key){.text = text, .length = (size_t)(out - text)};
}

static void key_push(struct scan *scan, struct key key)
{
    if (scan->key_count == scan->key_capacity) {
        size_t capacity = scan->key_capacity > 0 ? scan->key_capacity * 2 : FIRST_KEYS;
        struct key *keys = arena_alloc_raw(scan->arena, capacity * sizeof(*keys));
        if (scan->key_count > 0)
            memcpy(keys, scan->keys, scan->key_count * sizeof(*keys));
        scan->keys = keys;
        scan->key_capacity = capacity;
    }
    scan->keys[scan->key_count++] = key;
}

static bool scan_key(struct scan *scan)
{
    if (!next_is(scan, '"'))
        return refuse(scan, "a key must be a string in double quotes");
    const char *raw = scan->at + 1;
    bool escaped;
    if (!scan_string(scan, &escaped))
        return false;
    size_t length = (size_t)(scan->at - 1 - raw);
    struct key key =
        escaped ? key_unescape(raw, length, scan->arena) : (struct key){.text = raw, .length = length};
    key.offset = (size_t)(raw - 1 - scan->start);
    key_push(scan, key);
    return true;
}

static int key_compare(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

/* Sorting keeps this near-linear in the text for whatever keys a client picks. */
static bool keys_are_unique(struct scan *scan, struct key *keys, size_t count)
{
    qsort(keys, count, sizeof(*keys), key_compare);
    for (size_t i = 1; i < count; i++) {
        if (key_compare(&keys[i - 1], &keys[i]) != 0)
            continue;
        if (scan->depth == 1)
            scan->fault->field = arena_strndup(scan->arena, keys[i].text, keys[i].length);
        size_t later = keys[i].offset > keys[i - 1].offset ? keys[i].offset : keys[i - 1].offset;
        return refuse_at(scan, scan->start + later, "this key is there twice");
    }
    return true;
}

static bool scan_member(struct scan *scan)
{
    if (!scan_key(scan))
        return false;
    struct key key = scan->keys[scan->key_count - 1];
    skip_space(scan);
    bool fine = true;
    if (!next_is(scan, ':'))
        fine = refuse(scan, "a colon must follow the key");
    else
        scan->at++;
    skip_space(scan);
    fine = fine && scan_value(scan);
    if (!fine && scan->depth == 1)
        scan->fault->field = arena_strndup(scan->arena, key.text, key.length);
    skip_space(scan);
    return fine;
}

static bool scan_object(struct scan *scan)
{
    size_t first = scan->key_count;
    scan->at++;
    skip_space(scan);
    if (next_is(scan, '}')) {
        scan->at++;
        return true;
    }
    while (scan_member(scan)) {
        if (next_is(scan, '}')) {
            scan->at++;
            bool unique = keys_are_unique(scan, scan->keys + first, scan->key_count - first);
            scan->key_count = first;
            return unique;
        }
        if (!next_is(scan, ','))
            return refuse(scan, "a comma or } must follow the value");
        scan->at++;
        skip_space(scan);
    }
    return false;
}

static bool scan_array(struct scan *scan)
{
    scan->at++;
    skip_space(scan);
    if (next_is(scan, ']')) {
        scan->at++;
        return true;
    }
    while (scan_value(scan)) {
        skip_space(scan);
        if (next_is(scan, ']')) {
            scan->at++;
            return true;
        }
        if (!next_is(scan, ','))
            return refuse(scan, "a comma or ] must follow the value");
        scan->at++;
        skip_space(scan);
    }
    return false;
}

static void skip_digits(struct scan *scan)
{
    while (scan->at < scan->end && is_digit(*scan->at))
        scan->at++;
}

/* Whether a JSON integer is in -2^63 .. 2^64-1, which is what json-c can hold. */
static bool integer_fits(const char *at, size_t length)
{
    bool negative = *at == '-';
    uint64_t value = 0, most = negative ? (uint64_t)INT64_MAX + 1 : UINT64_MAX;
    for (size_t i = negative; i < length; i++) {
        uint64_t digit = (uint64_t)(at[i] - '0');
        if (value > (most - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    return true;
}

static bool number_fits(struct scan *scan, const char *begin, bool whole)
{
    size_t length = (size_t)(scan->at - begin);
    if (length > JSON_NUMBER_MAX_BYTES)
        return refuse_at(scan, begin, "the number is too long");
    if (whole)
        return integer_fits(begin, length) || refuse_at(scan, begin, "the number is too large");
    char copy[JSON_NUMBER_MAX_BYTES + 1];
    memcpy(copy, begin, length);
    copy[length] = '\0';
    return isfinite(strtod(copy, NULL)) || refuse_at(scan, begin, "the number is too large");
}

static bool scan_number(struct scan *scan)
{
    const char *begin = scan->at;
    bool whole = true;
    scan->at += *scan->at == '-';
    if (scan->at == scan->end || !is_digit(*scan->at))
        return refuse(scan, "a digit must follow");
    if (*scan->at == '0')
        scan->at++;
    else
        skip_digits(scan);
    if (scan->at < scan->end && is_digit(*scan->at))
        return refuse(scan, "a number may not begin with 0");
    if (next_is(scan, '.')) {
        whole = false;
        scan->at++;
        if (scan->at == scan->end || !is_digit(*scan->at))
            return refuse(scan, "a digit must follow");
        skip_digits(scan);
    }
    if (next_is(scan, 'e') || next_is(scan, 'E')) {
        whole = false;
        scan->at++;
        scan->at += next_is(scan, '+') || next_is(scan, '-');
        if (scan->at == scan->end || !is_digit(*scan->at))
            return refuse(scan, "a digit must follow");
        skip_digits(scan);
    }
    return number_fits(scan, begin, whole);
}

static bool scan_literal(struct scan *scan)
{
    static const char *const literals[] = {"true", "false", "null"};
    for (size_t i = 0; i < ARRAY_LEN(literals); i++) {
        size_t length = strlen(literals[i]);
        if ((size_t)(scan->end - scan->at) >= length && memcmp(scan->at, literals[i], length) == 0) {
            scan->at += length;
            return true;
        }
    }
    return refuse(scan, "a JSON value must stand here");
}

static bool scan_nested(struct scan *scan, bool (*scan_inside)(struct scan *scan))
{
    if (scan->depth == JSON_DEPTH_MAX)
        return refuse(scan, "the text nests too deep");
    scan->depth++;
    bool fine = scan_inside(scan);
    scan->depth--;
    return fine;
}

static bool scan_value(struct scan *scan)
{
    bool escaped;
    if (next_is(scan, '"'))
        return scan_string(scan, &escaped);
    if (next_is(scan, '{'))
        return scan_nested(scan, scan_object);
    if (next_is(scan, '['))
        return scan_nested(scan, scan_array);
    if (scan->at < scan->end && (*scan->at == '-' || is_digit(*scan->at)))
        return scan_number(scan);
    return scan_literal(scan);
}

bool json_scan(const char *text, size_t length, struct arena *arena, struct json_fault *fault)
{
    struct scan scan = {.start = text, .at = text, .end = text + length, .arena = arena, .fault = fault};
    *fault = (struct json_fault){0};
    skip_space(&scan);
    if (scan.at == scan.end)
        return refuse_at(&scan, scan.at, "the body is empty");
    if (*scan.at != '{')
        return refuse(&scan, "the body must be a JSON object");
    if (!scan_value(&scan))
        return false;
    skip_space(&scan);
    return scan.at == scan.end || refuse(&scan, "nothing may follow the object");
}
