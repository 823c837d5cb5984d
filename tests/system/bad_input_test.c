/*
 * Each route gets every kind of wrong input. The answer is the documented problem, and afterwards the
 * server's state, as all its lists show it, is what it was.
 */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/lib/check.h"
#include "tests/lib/events.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/require.h"
#include "tests/lib/wait.h"
#include "tests/system/bad_input.h"

static struct forum *forum;
static const char *state_before;

#define TOKEN_VARIABLE "FORUMD_BAD_INPUT_TOKEN" /* user_1's, for the tests' processes */

/* Every failure of a test is shown, not the first alone. */
#define EXPECT_NOTHING_WRONG(expression)                                                                     \
    do {                                                                                                     \
        const char *wrong_ = (expression);                                                                   \
        cr_expect(!wrong_, "%s", wrong_);                                                                    \
    } while (0)

static bool karma_is_there(void *arg)
{
    return json_number(forum_get(arg, "/api/users/user_1"), "karma") == 2 &&
           json_number(forum_get(arg, "/api/posts/post_1"), "comment_count") == 1;
}

/* user_1 .. user_3, sub_1 (of user_1), post_1, comment_1, dm_1: the ids that the table names. */
static void make_fixture(struct forum *fresh)
{
    struct made_user ann = make_account_named(fresh, "ann", BAD_PASSWORD);
    REQUIRE(strcmp(ann.id, "user_1") == 0, "not %s", "user_1");
    setenv(TOKEN_VARIABLE, ann.token, 1); /* tests run in processes of their own */
    REQUIRE(strcmp(make_user_named(fresh, "bob"), "user_2") == 0, "not %s", "user_2");
    REQUIRE(strcmp(make_user_named(fresh, "cleo"), "user_3") == 0, "not %s", "user_3");
    REQUIRE(strcmp(make_subreddit_named(fresh, "user_1", "cats"), "sub_1") == 0, "not %s", "sub_1");
    REQUIRE(strcmp(make_post(fresh, "sub_1", "user_1", "Cats"), "post_1") == 0, "not %s", "post_1");
    REQUIRE(strcmp(make_comment(fresh, "post_1", "user_1", NULL, "Yes"), "comment_1") == 0, "not %s",
            "comment_1");
    REQUIRE(strcmp(make_message(fresh, "user_1", "user_2", "Hi"), "dm_1") == 0, "not %s", "dm_1");
    make_vote(fresh, "post_1", "user_2", "upvote");
    make_vote(fresh, "comment_1", "user_2", "upvote");
    REQUIRE(wait_until(karma_is_there, fresh, 5000), "karma does not come");
}

/* All that lists and profiles show; who is online aside, for that is a matter of time. */
static const char *fingerprint(void)
{
    static const char *const paths[] = {
        "/api/users/user_1",          "/api/users/user_2",
        "/api/users/user_3",          "/api/users/user_4",
        "/api/auth/user/newcomer",    "/api/subreddits?sort=name",
        "/api/subreddits/sub_2",      "/api/subreddits/sub_1/posts?sort=new&limit=100",
        "/api/posts/post_2",          "/api/posts/post_1/comments?sort=old&limit=100",
        "/api/comments/comment_2",    "/api/users/user_1/posts?limit=100",
        "/api/users/user_2/posts",    "/api/users/user_1/comments?limit=100",
        "/api/users/user_2/comments", "/api/feed/user_1?sort=new&limit=100",
        "/api/feed/user_2?sort=new",  "/api/feed/user_3?sort=new",
        "/api/dm/user/user_1",        "/api/dm/user/user_2",
        "/api/dm/user/user_3",        "/api/dm/conversation/user_1/user_2",
    };
    const char *all = events_counted(forum);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct reply *reply = forum_get(forum, "%s", paths[i]);
        cr_assert(reply->status == 200 || reply->status == 404, "%s", http_describe(reply));
        if (json_object_is_type(reply->json, json_type_object))
            json_object_object_del(reply->json, "is_online");
        all = keep_format("%s%s %u %s\n", all, paths[i], reply->status,
                          json_object_to_json_string(reply->json));
    }
    return all;
}

static void note_state(void)
{
    forum = forum_attach();
    state_before = fingerprint();
}

/* The lines of `after` that are not in `before`. */
static const char *difference(const char *before, const char *after)
{
    const char *all = "";
    for (const char *line = after; *line; line += strcspn(line, "\n") + 1) {
        const char *copy = keep_copy(line, strcspn(line, "\n") + 1);
        if (!strstr(before, copy))
            all = keep_format("%s%s", all, copy);
    }
    return all;
}

static void compare_state(void)
{
    const char *state_after = fingerprint();
    cr_expect_str_eq(state_after, state_before, "The state changed. Before:\n%sAfter:\n%s",
                     difference(state_after, state_before), difference(state_before, state_after));
}

TestSuite(body, .init = note_state, .fini = compare_state);
TestSuite(fields, .init = note_state, .fini = compare_state);
TestSuite(path, .init = note_state, .fini = compare_state);
TestSuite(query, .init = note_state, .fini = compare_state);
TestSuite(method, .init = note_state, .fini = compare_state);

/* The right body, but `field` has the JSON `literal` for a value (NULL: is left out). */
static const char *body_with(const struct bad_route *route, const char *field, const char *literal)
{
    const char *body = "{";
    for (const struct bad_field *f = route->fields; f->kind != BAD_END; f++) {
        bool replaced = field && strcmp(f->name, field) == 0;
        const char *value = replaced ? literal : f->valid ? keep_format("\"%s\"", f->valid) : NULL;
        if (value)
            body = keep_format("%s%s\"%s\":%s", body, body[1] ? "," : "", f->name, value);
    }
    return keep_format("%s}", body);
}

/* What a right request to it has besides. */
static const char *headers_of(const struct bad_route *route)
{
    return route->token ? make_bearer(getenv(TOKEN_VARIABLE)) : "";
}

static struct reply *post(const struct bad_route *route, const char *body)
{
    return forum_request(forum, "POST", route->path, headers_of(route), body);
}

static struct reply *post_with(const struct bad_route *route, const char *field, const char *literal)
{
    return post(route, body_with(route, field, literal));
}

static bool takes_a_body(const struct bad_route *route)
{
    return strcmp(route->method, "POST") == 0;
}

typedef void (*field_check)(const struct bad_route *route, const struct bad_field *field);

static void each_body_field(field_check check)
{
    for (size_t i = 0; i < bad_route_count; i++)
        for (const struct bad_field *f = bad_routes[i].fields;
             takes_a_body(&bad_routes[i]) && f->kind != BAD_END; f++)
            check(&bad_routes[i], f);
}

static void check_wrong_types(const struct bad_route *route, const struct bad_field *field)
{
    static const char *const literals[] = {"17",    "-1", "1.5", "1e3",     "true",
                                           "false", "[]", "{}",  "[\"x\"]", "{\"x\":1}"};
    const size_t whole_numbers = 2;
    for (size_t i = field->kind == BAD_NUMBER ? whole_numbers : 0; i < ARRAY_LEN(literals); i++)
        EXPECT_NOTHING_WRONG(check_field_error(post_with(route, field->name, literals[i]), field->name,
                                               field->kind == BAD_REFUSED ? NULL : "wrong_type"));
}

Test(fields, of_wrong_types_are_named)
{
    each_body_field(check_wrong_types);
}

static void check_missing(const struct bad_route *route, const struct bad_field *field)
{
    if (!field->required)
        return;
    EXPECT_NOTHING_WRONG(check_field_error(post_with(route, field->name, NULL), field->name, "required"));
    EXPECT_NOTHING_WRONG(check_field_error(post_with(route, field->name, "null"), field->name, "required"));
}

Test(fields, that_are_required_and_missing_or_null_are_named)
{
    each_body_field(check_missing);
}

static bool needs_fields(const struct bad_route *route)
{
    for (const struct bad_field *f = route->fields; takes_a_body(route) && f->kind != BAD_END; f++)
        if (f->required)
            return true;
    return false;
}

Test(fields, that_are_missing_are_named_all_at_once)
{
    for (size_t i = 0; i < bad_route_count; i++) {
        if (!needs_fields(&bad_routes[i]))
            continue;
        struct reply *reply = post(&bad_routes[i], "{}");
        for (const struct bad_field *f = bad_routes[i].fields; f->kind != BAD_END; f++)
            if (f->required)
                EXPECT_NOTHING_WRONG(check_field_error(reply, f->name, "required"));
    }
}

static const char *repeat(const char *text, size_t times)
{
    size_t length = strlen(text);
    char *all = keep_alloc(length * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * length, text, length);
    return all;
}

static void check_text(const struct bad_route *route, const struct bad_field *field)
{
    if (field->kind != BAD_TEXT)
        return;
    /* Of several bytes each: characters count. Where the name's letters are bounded, length is told first. */
    const char *units[] = {"a", field->wrong ? "b" : "\xf0\x9f\x98\x80"};
    for (size_t i = 0; !field->any_length && i < ARRAY_LEN(units); i++) {
        const char *text = keep_format("\"%s\"", repeat(units[i], field->max + 1));
        EXPECT_NOTHING_WRONG(check_field_error(post_with(route, field->name, text), field->name, "too_long"));
    }
    if (field->min > 0) {
        const char *text = keep_format("\"%s\"", repeat("a", field->min - 1));
        EXPECT_NOTHING_WRONG(
            check_field_error(post_with(route, field->name, text), field->name, "too_short"));
    }
    for (size_t i = 0; field->wrong && field->wrong[i]; i++) {
        const char *text = keep_format("\"%s\"", field->wrong[i]);
        EXPECT_NOTHING_WRONG(
            check_field_error(post_with(route, field->name, text), field->name, "bad_characters"));
    }
}

Test(fields, of_text_too_long_too_short_or_of_wrong_characters_are_named)
{
    each_body_field(check_text);
}

static void check_word(const struct bad_route *route, const struct bad_field *field)
{
    static const char *const literals[] = {"\"\"", "\"UPVOTE\"", "\"upvote \"", "\"up\"", "\"0\""};
    for (size_t i = 0; field->kind == BAD_WORD && i < ARRAY_LEN(literals); i++)
        EXPECT_NOTHING_WRONG(
            check_field_error(post_with(route, field->name, literals[i]), field->name, "not_one_of"));
}

static void check_number(const struct bad_route *route, const struct bad_field *field)
{
    static const char *const numbers[][2] = {
        {"-1", "too_small"}, {"18446744073709551615", "too_large"}, {"\"17\"", "wrong_type"}};
    for (size_t i = 0; field->kind == BAD_NUMBER && i < ARRAY_LEN(numbers); i++)
        EXPECT_NOTHING_WRONG(
            check_field_error(post_with(route, field->name, numbers[i][0]), field->name, numbers[i][1]));
}

Test(fields, of_numbers_out_of_their_bounds_are_named)
{
    each_body_field(check_number);
}

Test(fields, of_words_that_are_not_among_the_allowed_are_named)
{
    each_body_field(check_word);
}

/* Malformed ids of the kind of `valid`, one at a time; NULL behind the last. */
static const char *bad_id(const char *valid, size_t index)
{
    const char *prefix = keep_copy(valid, strcspn(valid, "_"));
    static const char *const forms[] = {"%s",    "%s_",    "%s_0",   "%s_01",
                                        "%s_-1", "%s_1x",  "%s_1.0", "X%s_1",
                                        "%s1",   "%s-1",   "%s__1",  "%s_9223372036854775808",
                                        "%s_+1", "%s_0x1", "%s_one"};
    if (index >= ARRAY_LEN(forms))
        return NULL;
    const char *at = strstr(forms[index], "%s");
    return keep_format("%.*s%s%s", (int)(at - forms[index]), forms[index], prefix, at + 2);
}

static void check_id(const struct bad_route *route, const struct bad_field *field)
{
    static const char *const literals[] = {"\"17\"", "\"null\"", "\"x_1\"", "\"%20\"",
                                           "\"99999999999999999999999999999999999\""};
    if (field->kind != BAD_ID)
        return;
    for (size_t i = 0; i < ARRAY_LEN(literals); i++)
        EXPECT_NOTHING_WRONG(
            check_field_error(post_with(route, field->name, literals[i]), field->name, "invalid_id"));
    const char *id;
    for (size_t i = 0; (id = bad_id(field->valid, i)); i++)
        EXPECT_NOTHING_WRONG(check_field_error(post_with(route, field->name, keep_format("\"%s\"", id)),
                                               field->name, "invalid_id"));
    static const char *const edges[] = {"\" %s\"", "\"%s \"", "\"%s\\n\"", "\"%s%%\""};
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        const char *at = strstr(edges[i], "%s");
        const char *literal = keep_format("%.*s%s%s", (int)(at - edges[i]), edges[i], field->valid, at + 2);
        EXPECT_NOTHING_WRONG(
            check_field_error(post_with(route, field->name, literal), field->name, "invalid_id"));
    }
    if (field->missing)
        EXPECT_NOTHING_WRONG(check_problem(
            post_with(route, field->name, keep_format("\"%s\"", field->missing)), 404, field->missing_code));
}

Test(fields, of_ids_malformed_are_named_and_unknown_ones_are_404)
{
    each_body_field(check_id);
}

static void check_refused(const struct bad_route *route, const struct bad_field *field)
{
    if (field->kind != BAD_REFUSED)
        return;
    struct reply *reply = post_with(route, field->name, "\"QUJDREVGR0hJSg==\"");
    EXPECT_NOTHING_WRONG(check_field_error(reply, field->name, "not_supported"));
}

Test(fields, that_are_not_supported_yet_are_named)
{
    each_body_field(check_refused);
}

/* Texts that are no valid JSON strings, and what is in them. */
static const char *const broken_strings[] = {
    "\"\\ud800\"",          /* lone high surrogate */
    "\"\\udc00\"",          /* lone low one */
    "\"\\ud800\\u0041\"",   /* followed by something else */
    "\"\\ud83d\\ud83d\"",   /* high, high */
    "\"a\\u0000b\"",        /* NUL */
    "\"a\x01z\"",           /* a control character as it is */
    "\"a\nz\"",             /* so is a line's end */
    "\"\\x41\"",            /* no such escape */
    "\"\\u12g4\"",          /* no hex */
    "\"a\xffz\"",           /* never in UTF-8 */
    "\"\xc0\x80\"",         /* overlong NUL */
    "\"\xc1\xa1\"",         /* overlong a */
    "\"\xe0\x80\xaf\"",     /* overlong slash */
    "\"\xed\xa0\x80\"",     /* surrogate in UTF-8 */
    "\"\xf4\x90\x80\x80\"", /* beyond U+10FFFF */
    "\"\xe2\x82\"",         /* cut off */
    "\"\x80\"",             /* continuation without a start */
    "'a'",
    "NaN",
    "-Infinity",
    "nul",
    "01",
    "+1",
    ".5",
    "1.",
    "0x10",
    "1e",
};

static bool names_first(const struct reply *reply, const char *field)
{
    return json_has(reply, "errors.0.field") && strcmp(json_text(reply, "errors.0.field"), field) == 0;
}

static void check_broken_strings(const struct bad_route *route, const struct bad_field *field)
{
    for (size_t i = 0; i < ARRAY_LEN(broken_strings); i++) {
        struct reply *reply = post_with(route, field->name, broken_strings[i]);
        EXPECT_NOTHING_WRONG(check_problem(reply, 400, "invalid_json"));
        /* Of 0x10 the value is 0, and what is wrong comes behind it. */
        if (broken_strings[i][0] == '"')
            cr_expect(names_first(reply, field->name), "%s is not named: %s", field->name,
                      http_describe(reply));
    }
}

Test(fields, of_broken_json_are_named)
{
    each_body_field(check_broken_strings);
}

static void check_duplicates(const struct bad_route *route, const struct bad_field *field)
{
    const char *right = body_with(route, NULL, NULL);
    const char *value = keep_format("\"%s\"", field->valid ? field->valid : "x");
    const char *escaped = keep_format("\\u%04x%s", (unsigned)field->name[0], field->name + 1);
    const char *const bodies[] = {
        keep_format("{\"%s\":%s,\"%s\":%s,%s", field->name, value, field->name, value, right + 1),
        keep_format("{\"%s\":%s,\"%s\":null,%s", field->name, value, escaped, right + 1)};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        EXPECT_NOTHING_WRONG(check_problem(post(route, bodies[i]), 400, "invalid_json"));
}

Test(fields, that_come_twice_are_refused)
{
    each_body_field(check_duplicates);
}

Test(body, that_is_no_json_object_is_refused)
{
    static const char *const bodies[] = {"null", "[]",     "17",     "\"x\"", "true",   "{",
                                         "}",    "{\"a\"", "{,}",    "{a:1}", "nope",   "{\"a\":1,}",
                                         "[{}]", " ",      "/**/{}", "{}//",  "{'a':1}"};
    for (size_t i = 0; i < bad_route_count; i++)
        for (size_t j = 0; takes_a_body(&bad_routes[i]) && j < ARRAY_LEN(bodies); j++)
            EXPECT_NOTHING_WRONG(check_problem(post(&bad_routes[i], bodies[j]), 400, "invalid_json"));
}

static const char *nested(size_t depth)
{
    return keep_format("%s%s", repeat("[", depth), repeat("]", depth));
}

Test(body, that_is_right_but_for_one_thing_is_refused)
{
    for (size_t i = 0; i < bad_route_count; i++) {
        if (!takes_a_body(&bad_routes[i]))
            continue;
        const char *right =
            needs_fields(&bad_routes[i]) ? body_with(&bad_routes[i], NULL, NULL) : "{\"z\":1}";
        const char *const bodies[] = {
            keep_format("%sx", right),                              /* something behind it */
            keep_format("%s{}", right),                             /* another one behind it */
            keep_format("\xef\xbb\xbf%s", right),                   /* byte order mark */
            keep_format("%.*s", (int)strlen(right) - 1, right),     /* its end is missing */
            keep_format("{\"x\":%s,%s", nested(32), right + 1),     /* 33 deep */
            keep_format("{\"x\":%s,%s", nested(5000), right + 1),   /* very deep */
            keep_format("{\"x\":NaN,%s", right + 1),                /* in a field that nobody reads */
            keep_format("{\"\xff\":1,%s", right + 1),               /* in a name */
            keep_format("{\"x\":1,\"\\u0078\":2,%s", right + 1),    /* twice, by other letters */
            keep_format("{\"x\":[{\"y\":1,\"y\":2}],%s", right + 1) /* deeper down */
        };
        for (size_t j = 0; j < ARRAY_LEN(bodies); j++)
            EXPECT_NOTHING_WRONG(check_problem(post(&bad_routes[i], bodies[j]), 400, "invalid_json"));
    }
}

static struct reply *send_raw(const char *path, const char *headers, const char *bytes, size_t length)
{
    return http_send(forum_port(forum), &(struct http_request){.method = "POST",
                                                               .path = path,
                                                               .headers = headers,
                                                               .body = bytes,
                                                               .body_length = length,
                                                               .no_content_type = true});
}

#define JSON_TYPE "Content-Type: application/json\r\n"

Test(body, of_another_type_or_size_is_refused)
{
    for (size_t i = 0; i < bad_route_count; i++) {
        const char *path = bad_routes[i].path;
        if (!takes_a_body(&bad_routes[i]))
            continue;
        const char *right = body_with(&bad_routes[i], NULL, NULL);
        EXPECT_NOTHING_WRONG(check_problem(send_raw(path, NULL, right, 0), 415, "unsupported_media_type"));
        EXPECT_NOTHING_WRONG(check_problem(send_raw(path, "Content-Type: text/plain\r\n", right, 0), 415,
                                           "unsupported_media_type"));
        EXPECT_NOTHING_WRONG(
            check_problem(send_raw(path, "Content-Type: application/x-www-form-urlencoded\r\n", right, 0),
                          415, "unsupported_media_type"));
        const char *large = keep_format("%s%s", right, repeat(" ", (256 << 10) + 1 - strlen(right)));
        EXPECT_NOTHING_WRONG(check_problem(send_raw(path, JSON_TYPE, large, 0), 413, "body_too_large"));
        const char *with_nul = keep_format("%s_", right);
        ((char *)with_nul)[strlen(right)] = '\0';
        const char *headers = keep_format("%s%s", JSON_TYPE, headers_of(&bad_routes[i]));
        EXPECT_NOTHING_WRONG(
            check_problem(send_raw(path, headers, with_nul, strlen(right) + 1), 400, "invalid_json"));
        if (bad_routes[i].token && bad_routes[i].fields[0].name == NULL)
            continue; /* who acts is all that it needs, and the token says that */
        struct reply *none = forum_request(forum, "POST", path,
                                           keep_format("%s%s", JSON_TYPE, headers_of(&bad_routes[i])), NULL);
        cr_expect(none->status == 400 || none->status == 411, "%s", http_describe(none));
        EXPECT_NOTHING_WRONG(check_problem(none, none->status, NULL));
    }
}

static const char *right_body(const struct bad_route *route)
{
    return takes_a_body(route) ? body_with(route, NULL, NULL) : NULL;
}

Test(path, with_a_malformed_id_is_404)
{
    for (size_t i = 0; i < bad_route_count; i++) {
        const struct bad_route *route = &bad_routes[i];
        if (!route->pattern)
            continue;
        const char *kind = strstr(route->path, "user_")   ? "user_1"
                           : strstr(route->path, "sub_")  ? "sub_1"
                           : strstr(route->path, "post_") ? "post_1"
                                                          : "comment_1";
        static const char *const more[] = {"17", "x_1",       "%00",           "%ff", "%20",
                                           "..", "user_1%00", "post_1%2fvote", "%zz"};
        const char *id;
        for (size_t j = 0; (id = j < ARRAY_LEN(more) ? more[j] : bad_id(kind, j - ARRAY_LEN(more))); j++) {
            const char *at = strstr(route->pattern, "%s");
            const char *path =
                keep_format("%.*s%s%s", (int)(at - route->pattern), route->pattern, id, at + 2);
            struct reply *reply = forum_request(forum, route->method, path, NULL, right_body(route));
            /* A broken escape may be a malformed request as well. */
            cr_expect(reply->status == 404 || (reply->status == 400 && strchr(id, '%')), "%s",
                      http_describe(reply));
            EXPECT_NOTHING_WRONG(check_problem(reply, reply->status, NULL));
        }
    }
}

Test(path, with_an_id_that_nothing_has_is_404_and_says_what)
{
    for (size_t i = 0; i < bad_route_count; i++) {
        const struct bad_route *route = &bad_routes[i];
        for (size_t j = 0; j < BAD_PATHS && route->missing[j].path; j++)
            EXPECT_NOTHING_WRONG(check_problem(
                forum_request(forum, route->method, route->missing[j].path, NULL, right_body(route)), 404,
                route->missing[j].code));
    }
}

static void check_query(const struct bad_route *route, const struct bad_field *field, const char *value,
                        const char *code)
{
    const char *path =
        keep_format("%s%c%s=%s", route->path, strchr(route->path, '?') ? '&' : '?', field->name, value);
    EXPECT_NOTHING_WRONG(check_field_error(forum_get(forum, "%s", path), field->name, code));
}

static void check_number_query(const struct bad_route *route, const struct bad_field *field)
{
    static const char *const no_numbers[] = {"",     "abc",  "1.5",    "1e1", "0x1",
                                             "%2b1", "1%20", "%d9%a1", "--1", "-"};
    for (size_t i = 0; i < ARRAY_LEN(no_numbers); i++)
        check_query(route, field, no_numbers[i], "wrong_type");
    if (field->min > 0)
        check_query(route, field, keep_format("%u", field->min - 1), "too_small");
    check_query(route, field, "-1", "too_small");
    check_query(route, field, keep_format("%u", field->max + 1), "too_large");
    check_query(route, field, "4294967297", "too_large");
    check_query(route, field, "99999999999999999999999999", "too_large");
    check_query(route, field, keep_format("%u&%s=%u", field->max, field->name, field->max), NULL);
}

Test(query, with_wrong_values_is_400_and_names_them)
{
    static const char *const words[] = {"x", "", "HOT", "new%20", "%ff"};
    for (size_t i = 0; i < bad_route_count; i++) {
        const struct bad_route *route = &bad_routes[i];
        if (strcmp(route->method, "GET") != 0)
            continue;
        for (const struct bad_field *f = route->fields; f->kind != BAD_END; f++) {
            if (f->kind == BAD_NUMBER)
                check_number_query(route, f);
            for (size_t j = 0; f->kind == BAD_WORD && j < ARRAY_LEN(words); j++)
                check_query(route, f, words[j], "not_one_of");
        }
    }
}

Test(query, with_a_nul_or_broken_escapes_is_400)
{
    static const char *const queries[] = {"x=%00", "sort=new%00", "%00=1", "x=%", "x=%4", "x=%zz"};
    for (size_t i = 0; i < bad_route_count; i++)
        for (size_t j = 0; strcmp(bad_routes[i].method, "GET") == 0 && j < ARRAY_LEN(queries); j++) {
            const char *path = bad_routes[i].path;
            struct reply *reply = forum_get(forum, "%s%c%s", path, strchr(path, '?') ? '&' : '?', queries[j]);
            EXPECT_NOTHING_WRONG(check_problem(reply, 400, NULL));
        }
}

Test(query, with_a_cursor_that_is_none_is_400)
{
    static const char *const cursors[] = {"x",      "!!!!", "AAAA", "%ff%fe", "AAA=",  "bm90IGEgY3Vyc29y",
                                          "post_1", "0",    "-1",   "CAEQAQ", "%2e%2e"};
    for (size_t i = 0; i < bad_route_count; i++) {
        const struct bad_route *route = &bad_routes[i];
        for (const struct bad_field *f = route->fields;
             strcmp(route->method, "GET") == 0 && f->kind != BAD_END; f++)
            for (size_t j = 0; f->kind == BAD_CURSOR && j < ARRAY_LEN(cursors); j++) {
                struct reply *reply = forum_get(forum, "%s?after=%s", route->path, cursors[j]);
                EXPECT_NOTHING_WRONG(check_problem(reply, 400, NULL));
                cr_expect(names_first(reply, "after"), "after is not named: %s", http_describe(reply));
            }
    }
}

Test(method, that_the_route_does_not_take_is_405)
{
    static const char *const methods[] = {"PUT", "DELETE", "PATCH", "GET", "POST"};
    for (size_t i = 0; i < bad_route_count; i++)
        for (size_t j = 0; j < ARRAY_LEN(methods); j++) {
            const struct bad_route *route = &bad_routes[i];
            if (strcmp(methods[j], route->method) == 0)
                continue;
            struct reply *reply = forum_request(forum, methods[j], route->path, NULL, j == 4 ? "{}" : NULL);
            EXPECT_NOTHING_WRONG(check_problem(reply, 405, "method_not_allowed"));
            const char *allow = http_header(reply, "Allow");
            cr_expect(allow && strstr(allow, route->method), "%s: Allow: %s", http_describe(reply),
                      allow ? allow : "");
        }
}

/* On a server of its own, for these take effect: each row would be worth nothing if its right request were
 * not right. */
Test(table, has_right_requests_that_the_server_takes)
{
    static const char *const flags[] = {"--deadline=15000", NULL};
    forum = forum_start(&(struct forum_spec){.flags = flags});
    make_fixture(forum);
    for (size_t i = 0; i < bad_route_count; i++) {
        const struct bad_route *route = &bad_routes[i];
        struct reply *reply =
            forum_request(forum, route->method, route->path, headers_of(route), right_body(route));
        cr_expect(reply->status == 200 || reply->status == 201, "%s", http_describe(reply));
    }
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* Does "/api/posts/{post_id}" take "/api/posts/post_1"? */
static bool template_matches(const char *template, const char *path)
{
    while (*template && *path && *path != '?') {
        if (*template == '{') {
            template += strcspn(template, "}") + 1;
            path += strcspn(path, "/?");
        } else if (*template ++ != *path++) {
            return false;
        }
    }
    return *template == '\0' && (*path == '\0' || *path == '?');
}

static bool has_row(const char *method, const char *template)
{
    for (size_t i = 0; i < bad_route_count; i++)
        if (strcasecmp(bad_routes[i].method, method) == 0 && template_matches(template, bad_routes[i].path))
            return true;
    return false;
}

Test(table, has_every_route_of_the_server)
{
    forum = forum_attach();
    struct reply *reply = forum_get(forum, "/openapi.json");
    struct json_object *paths = NULL;
    cr_assert(json_find(reply->json, "paths", &paths), "%s", http_describe(reply));
    size_t count = 0;
    json_object_object_foreach(paths, template, operations)
    {
        json_object_object_foreach(operations, method, operation)
        {
            (void)operation;
            if (strcmp(method, "get") != 0 && strcmp(method, "post") != 0)
                continue;
            cr_expect(has_row(method, template), "%s %s has no row in bad_input_routes.c", method, template);
            count++;
        }
    }
    cr_assert_eq(count, bad_route_count);
}

int main(int argc, char **argv)
{
    static const char *const flags[] = {"--deadline=15000",
                                        NULL}; /* passwords take their time on a busy machine */
    return forum_main(
        argc, argv, &(struct forum_plan){.shared = true, .spec = {.flags = flags}, .prepare = make_fixture});
}
