#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/fatal.h"
#include "gateway/json_decode.h"
#include "gateway/json_scan.h"

struct row {
    const char *text;
    size_t length; /* 0: up to the NUL */
    const char *detail;
    size_t offset;
    const char *field;
};

static size_t length_of(const struct row *row)
{
    return row->length > 0 ? row->length : strlen(row->text);
}

static void expect_refused(const struct row *rows, size_t count)
{
    struct arena *arena = arena_new();
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct json_fault fault;
        /* A copy of its own, so that AddressSanitizer sees a read beyond the end. */
        char *copy = xmalloc(length_of(row));
        memcpy(copy, row->text, length_of(row));
        cr_expect_not(json_scan(copy, length_of(row), arena, &fault), "passed: %s", row->text);
        cr_expect_str_eq(fault.detail, row->detail, "%s: said: %s", row->text, fault.detail);
        cr_expect_eq(fault.offset, row->offset, "%s: at %zu", row->text, fault.offset);
        if (row->field == NULL)
            cr_expect_null(fault.field, "%s: named %s", row->text, fault.field);
        else
            cr_expect_str_eq(fault.field, row->field, "%s", row->text);
        free(copy);
    }
    arena_free(arena);
}

Test(json_scan, takes_what_rfc_8259_allows)
{
    static const char *const texts[] = {
        "{}",
        " \t\r\n{ \n} \t\r\n",
        "{\"a\":1}",
        "{\"a\":[],\"b\":{},\"c\":[{}],\"d\":[[1,2],[3]]}",
        "{ \"a\" : [ 1 , 2 ] , \"b\" : null }",
        "{\"\":0}",
        "{\"a\":-0,\"b\":0.5,\"c\":1e9,\"d\":1E-9,\"e\":-1.25e+3}",
        "{\"a\":18446744073709551615,\"b\":-9223372036854775808}",
        "{\"a\":true,\"b\":false,\"c\":null}",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\ud83d\\ude00\"}",
        "{\"a\":\"\x7f\u00e9\u20ac\U0001f600\U0010ffff\ufffe\"}",
        "{\"a\":{\"x\":1},\"b\":{\"x\":2},\"x\":3}", /* the same key, but in different objects */
        "{\"a\":[{\"x\":1},{\"x\":2}]}",
    };
    struct arena *arena = arena_new();
    struct json_fault fault;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        cr_expect(json_scan(texts[i], strlen(texts[i]), arena, &fault), "%s: byte %zu: %s", texts[i],
                  fault.offset, fault.detail);
    arena_free(arena);
}

Test(json_scan, refuses_what_is_not_one_object)
{
    static const struct row rows[] = {
        {" ", 0, "the body is empty", 1, NULL},
        {"[]", 0, "the body must be a JSON object", 0, NULL},
        {"\"a\"", 0, "the body must be a JSON object", 0, NULL},
        {"12", 0, "the body must be a JSON object", 0, NULL},
        {"null", 0, "the body must be a JSON object", 0, NULL},
        {"\xef\xbb\xbf{}", 0, "the body must be a JSON object", 0, NULL},
        {"{}{}", 0, "nothing may follow the object", 2, NULL},
        {"{} x", 0, "nothing may follow the object", 3, NULL},
        {"{}\0", 3, "nothing may follow the object", 2, NULL},
        {"{", 0, "the text ends too early", 1, NULL},
        {"{\"a\"", 0, "the text ends too early", 4, "a"},
        {"{\"a\":", 0, "the text ends too early", 5, "a"},
        {"{\"a\":1", 0, "the text ends too early", 6, NULL},
        {"{\"a\":1,", 0, "the text ends too early", 7, NULL},
        {"{\"a\":[1", 0, "the text ends too early", 7, "a"},
        {"{\"a\":\"x", 0, "the text ends too early", 7, "a"},
        {"{\"a\":\"\\", 0, "the text ends too early", 7, "a"},
        {"{\"a", 0, "the text ends too early", 3, NULL},
        {"{\"a\":tru", 0, "a JSON value must stand here", 5, "a"},
        {"{\"a\":1.", 0, "the text ends too early", 7, "a"},
        {"{\"a\":-", 0, "the text ends too early", 6, "a"},
        {"{\"a\":1e+", 0, "the text ends too early", 8, "a"},
    };
    expect_refused(rows, ARRAY_LEN(rows));
}

Test(json_scan, refuses_what_only_javascript_or_json_c_would_take)
{
    static const struct row rows[] = {
        {"{\"a\":NaN}", 0, "a JSON value must stand here", 5, "a"},
        {"{\"a\":nan}", 0, "a JSON value must stand here", 5, "a"},
        {"{\"a\":Infinity}", 0, "a JSON value must stand here", 5, "a"},
        {"{\"a\":-Infinity}", 0, "a digit must follow", 6, "a"},
        {"{\"a\":True}", 0, "a JSON value must stand here", 5, "a"},
        {"{\"a\":'x'}", 0, "a JSON value must stand here", 5, "a"},
        {"{'a':1}", 0, "a key must be a string in double quotes", 1, NULL},
        {"{a:1}", 0, "a key must be a string in double quotes", 1, NULL},
        {"{1:1}", 0, "a key must be a string in double quotes", 1, NULL},
        {"{/**/\"a\":1}", 0, "a key must be a string in double quotes", 1, NULL},
        {"{\"a\":1}//", 0, "nothing may follow the object", 7, NULL},
        {"{\"a\":1,}", 0, "a key must be a string in double quotes", 7, NULL},
        {"{,\"a\":1}", 0, "a key must be a string in double quotes", 1, NULL},
        {"{\"a\":[1,]}", 0, "a JSON value must stand here", 8, "a"},
        {"{\"a\":[1 2]}", 0, "a comma or ] must follow the value", 8, "a"},
        {"{\"a\":1 \"b\":2}", 0, "a comma or } must follow the value", 7, NULL},
        {"{\"a\" 1}", 0, "a colon must follow the key", 5, "a"},
        {"{\"a\":1\f}", 0, "a comma or } must follow the value", 6, NULL},
        {"{\"a\":\xc2\xa0"
         "1}",
         0, "a JSON value must stand here", 5, "a"},
    };
    expect_refused(rows, ARRAY_LEN(rows));
}

Test(json_scan, refuses_duplicate_keys_however_they_are_written)
{
    static const struct row rows[] = {
        {"{\"a\":1,\"a\":2}", 0, "this key is there twice", 7, "a"},
        {"{\"a\":1,\"\\u0061\":2}", 0, "this key is there twice", 7, "a"},
        {"{\"\\n\":1,\"\\u000a\":2}", 0, "this key is there twice", 8, "\n"},
        {"{\"\\ud83d\\ude00\":1,\"\U0001f600\":2}", 0, "this key is there twice", 18, "\U0001f600"},
        {"{\"\":1,\"b\":2,\"\":3}", 0, "this key is there twice", 12, ""},
        {"{\"o\":{\"x\":1,\"y\":{\"x\":0},\"x\":2}}", 0, "this key is there twice", 24, "o"},
        {"{\"l\":[{},{\"x\":1,\"x\":2}]}", 0, "this key is there twice", 16, "l"},
    };
    expect_refused(rows, ARRAY_LEN(rows));
}

Test(json_scan, refuses_bad_strings)
{
    static const struct row rows[] = {
        {"{\"t\":\"\\ud800\"}", 0, "a surrogate stands alone", 6, "t"},
        {"{\"t\":\"\\udc00\"}", 0, "a surrogate stands alone", 6, "t"},
        {"{\"t\":\"\\ud800x\"}", 0, "a surrogate stands alone", 6, "t"},
        {"{\"t\":\"\\ud800\\n\"}", 0, "a surrogate stands alone", 6, "t"},
        {"{\"t\":\"\\ud800\\u0041\"}", 0, "a surrogate stands alone", 6, "t"},
        {"{\"t\":\"\\ud800\\ud800\"}", 0, "a surrogate stands alone", 6, "t"},
        {"{\"t\":\"\\ude00\\ud83d\"}", 0, "a surrogate stands alone", 6, "t"},
        {"{\"t\":\"\\ud83d\\u\"}", 0, "a surrogate stands alone", 6, "t"},
        {"{\"\\ud800\":1}", 0, "a surrogate stands alone", 2, NULL},
        {"{\"t\":\"a\\u0000\"}", 0, "a string may not hold NUL", 7, "t"},
        {"{\"t\":\"\0\"}", 9, "a control character in a string must be escaped", 6, "t"},
        {"{\"t\":\"\n\"}", 0, "a control character in a string must be escaped", 6, "t"},
        {"{\"t\":\"\x1f\"}", 0, "a control character in a string must be escaped", 6, "t"},
        {"{\"t\":\"\\x\"}", 0, "no such escape", 6, "t"},
        {"{\"t\":\"\\'\"}", 0, "no such escape", 6, "t"},
        {"{\"t\":\"\\\0\"}", 10, "no such escape", 6, "t"},
        {"{\"t\":\"\\u12g4\"}", 0, "\\u needs four hexadecimal digits", 6, "t"},
        {"{\"t\":\"\\u12", 0, "\\u needs four hexadecimal digits", 6, "t"},
        {"{\"t\":\"\\U0041\"}", 0, "no such escape", 6, "t"},
        {"{\"t\":\"\x80\"}", 0, "is not UTF-8", 6, "t"},
        {"{\"t\":\"\xff\"}", 0, "is not UTF-8", 6, "t"},
        {"{\"t\":\"\xc0\xaf\"}", 0, "is not UTF-8", 6, "t"},         /* overlong / */
        {"{\"t\":\"\xc1\xbf\"}", 0, "is not UTF-8", 6, "t"},         /* overlong DEL */
        {"{\"t\":\"\xe0\x80\xaf\"}", 0, "is not UTF-8", 6, "t"},     /* overlong, three bytes */
        {"{\"t\":\"\xf0\x80\x80\xaf\"}", 0, "is not UTF-8", 6, "t"}, /* overlong, four bytes */
        {"{\"t\":\"\xed\xa0\x80\"}", 0, "is not UTF-8", 6, "t"},     /* a surrogate */
        {"{\"t\":\"\xf4\x90\x80\x80\"}", 0, "is not UTF-8", 6, "t"}, /* beyond U+10FFFF */
        {"{\"t\":\"\xf5\x80\x80\x80\"}", 0, "is not UTF-8", 6, "t"},
        {"{\"t\":\"\xe2\x82\"}", 0, "is not UTF-8", 6, "t"}, /* cut off */
        {"{\"t\":\"\xe2\x82", 0, "is not UTF-8", 6, "t"},
        {"{\"t\":\"\xe2(\xa1\"}", 0, "is not UTF-8", 6, "t"},
        {"{\"\xff\":1}", 0, "is not UTF-8", 2, NULL},
    };
    expect_refused(rows, ARRAY_LEN(rows));
}

Test(json_scan, refuses_bad_numbers)
{
    static const struct row rows[] = {
        {"{\"n\":01}", 0, "a number may not begin with 0", 6, "n"},
        {"{\"n\":-01}", 0, "a number may not begin with 0", 7, "n"},
        {"{\"n\":+1}", 0, "a JSON value must stand here", 5, "n"},
        {"{\"n\":.5}", 0, "a JSON value must stand here", 5, "n"},
        {"{\"n\":1.}", 0, "a digit must follow", 7, "n"},
        {"{\"n\":-}", 0, "a digit must follow", 6, "n"},
        {"{\"n\":--1}", 0, "a digit must follow", 6, "n"},
        {"{\"n\":1e}", 0, "a digit must follow", 7, "n"},
        {"{\"n\":1e1.5}", 0, "a comma or } must follow the value", 8, NULL},
        {"{\"n\":0x10}", 0, "a comma or } must follow the value", 6, NULL},
        {"{\"n\":1_000}", 0, "a comma or } must follow the value", 6, NULL},
        {"{\"n\":18446744073709551616}", 0, "the number is too large", 5, "n"},
        {"{\"n\":-9223372036854775809}", 0, "the number is too large", 5, "n"},
        {"{\"n\":99999999999999999999999999999999}", 0, "the number is too large", 5, "n"},
        {"{\"n\":1e999}", 0, "the number is too large", 5, "n"},
        {"{\"n\":-1e309}", 0, "the number is too large", 5, "n"},
    };
    expect_refused(rows, ARRAY_LEN(rows));
}

Test(json_scan, bounds_the_length_of_a_number)
{
    struct arena *arena = arena_new();
    struct json_fault fault;
    char text[JSON_NUMBER_MAX_BYTES + 16];
    int length = snprintf(text, sizeof(text), "{\"n\":0.%0*d}", JSON_NUMBER_MAX_BYTES - 2, 7);
    cr_expect(json_scan(text, (size_t)length, arena, &fault));
    length = snprintf(text, sizeof(text), "{\"n\":0.%0*d}", JSON_NUMBER_MAX_BYTES - 1, 7);
    cr_assert_not(json_scan(text, (size_t)length, arena, &fault));
    cr_assert_str_eq(fault.detail, "the number is too long");
    arena_free(arena);
}

static size_t nested(char *out, char opener, unsigned depth)
{
    size_t length = 0;
    length += (size_t)sprintf(out, "{\"a\":");
    for (unsigned i = 1; i < depth; i++)
        length += (size_t)sprintf(out + length, opener == '[' ? "[" : i + 1 < depth ? "{\"a\":" : "{");
    for (unsigned i = 1; i < depth; i++)
        out[length++] = opener == '[' ? ']' : '}';
    out[length++] = '}';
    return length;
}

Test(json_scan, takes_a_depth_of_32_and_refuses_33)
{
    struct arena *arena = arena_new();
    struct json_fault fault;
    char text[512];
    for (const char *opener = "[{"; *opener != '\0'; opener++) {
        size_t length = nested(text, *opener, JSON_DEPTH_MAX);
        cr_expect(json_scan(text, length, arena, &fault), "%.*s: %s", (int)length, text, fault.detail);
        length = nested(text, *opener, JSON_DEPTH_MAX + 1);
        cr_expect_not(json_scan(text, length, arena, &fault));
        cr_expect_str_eq(fault.detail, "the text nests too deep");
    }
    arena_free(arena);
}

/* About as many keys as a body can hold: the search for doubles must not be quadratic. */
Test(json_scan, finds_one_double_among_very_many_keys, .timeout = 20)
{
    struct arena *arena = arena_new();
    enum { KEYS = 30000 };
    char *text = xmalloc((size_t)KEYS * 16);
    size_t length = (size_t)sprintf(text, "{\"k7\":0");
    for (int i = 0; i < KEYS; i++)
        length += (size_t)sprintf(text + length, ",\"k%d\":0", i == 7 ? KEYS : i);
    size_t without = length;
    text[length++] = '}';
    struct json_fault fault;
    cr_expect(json_scan(text, length, arena, &fault));
    length = without + (size_t)sprintf(text + without, ",\"k7\":1}");
    cr_expect_not(json_scan(text, length, arena, &fault));
    cr_expect_str_eq(fault.field, "k7");
    cr_expect_eq(fault.offset, without + 1);
    free(text);
    arena_free(arena);
}

/* Any change of one byte in a good text ends in a verdict, and never in a read outside of it
 * (AddressSanitizer). */
Test(json_scan, survives_every_cut_and_random_bytes)
{
    static const char good[] =
        "{\"t\":\"\\u00e9\\ud83d\\ude00 \xe2\x82\xac\",\"n\":[-1.5e3,{\"x\":null}],\"b\":true}";
    unsigned seed = (unsigned)time(NULL);
    fprintf(stderr, "seed %u\n", seed);
    struct arena *arena = arena_new();
    struct json_fault fault;
    for (size_t length = 0; length < sizeof(good) - 1; length++) {
        char *cut = xmalloc(length + 1);
        memcpy(cut, good, length);
        char *exact = xrealloc(cut, length > 0 ? length : 1);
        cr_expect_not(json_scan(exact, length, arena, &fault), "passed when cut at %zu", length);
        cr_expect_leq(fault.offset, length);
        free(exact);
    }
    for (int round = 0; round < 20000; round++) {
        char text[sizeof(good) - 1];
        memcpy(text, good, sizeof(text));
        for (int change = 0; change <= round % 3; change++)
            text[(size_t)rand_r(&seed) % sizeof(text)] = (char)rand_r(&seed);
        if (!json_scan(text, sizeof(text), arena, &fault))
            cr_expect_leq(fault.offset, sizeof(text));
        arena_reset(arena);
    }
    arena_free(arena);
}
