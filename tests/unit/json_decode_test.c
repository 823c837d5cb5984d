#include <criterion/criterion.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/fatal.h"
#include "gateway/json_decode.h"
#include "proto/comments.pb-c.h"
#include "proto/dms.pb-c.h"
#include "proto/feed.pb-c.h"
#include "proto/posts.pb-c.h"
#include "proto/schema.h"
#include "proto/schema_commands.h"
#include "proto/users.pb-c.h"

#define FINE_POST "\"subreddit_id\":\"sub_3\",\"author_id\":\"user_5\",\"title\":\"Hello\""

struct outcome {
    struct arena *arena;
    enum status status;
    ProtobufCMessage *message;
    struct field_errors errors;
};

static void decode_into(struct outcome *outcome, enum command_index command, const char *body, size_t length,
                        const struct text_param *params, size_t param_count)
{
    struct decode_input input = {
        .schema = schema_commands[command].request,
        .body = body,
        .body_length = length,
        .params = params,
        .param_count = param_count,
    };
    outcome->arena = arena_new();
    outcome->status = json_decode(&input, outcome->arena, &outcome->message, &outcome->errors);
}

static struct outcome decode_body(enum command_index command, const char *body)
{
    struct outcome outcome;
    decode_into(&outcome, command, body, strlen(body), NULL, 0);
    return outcome;
}

static struct outcome decode_query(enum command_index command, const struct text_param *params, size_t count)
{
    struct outcome outcome;
    decode_into(&outcome, command, NULL, 0, params, count);
    return outcome;
}

static void expect_fine(const struct outcome *outcome)
{
    const struct field_error *first = &outcome->errors.rows[0];
    cr_assert_eq(outcome->status, STATUS_OK, "status %d: %s %s %s", outcome->status,
                 outcome->errors.count > 0 && first->field ? first->field : "",
                 outcome->errors.count > 0 ? first->code : "",
                 outcome->errors.count > 0 ? first->detail : "");
    cr_assert_not_null(outcome->message);
    cr_assert_eq(outcome->errors.count, 0);
}

/* "title:required url:too_long", in the order they are named. */
static void expect_errors(const struct outcome *outcome, const char *expected, const char *what)
{
    char said[1024] = "";
    size_t length = 0;
    for (size_t i = 0; i < outcome->errors.count; i++) {
        const struct field_error *row = &outcome->errors.rows[i];
        length += (size_t)snprintf(said + length, sizeof(said) - length, "%s%s:%s", i > 0 ? " " : "",
                                   row->field, row->code);
        cr_expect_gt(strlen(row->detail), 0);
    }
    cr_expect_eq(outcome->status, STATUS_INVALID_FIELDS, "%s: status %d", what, outcome->status);
    cr_expect_null(outcome->message);
    cr_expect_str_eq(said, expected, "%s: said %s", what, said);
}

Test(json_decode, fills_a_message_from_a_body)
{
    struct outcome outcome =
        decode_body(CMD_posts_create, "{" FINE_POST ",\"content\":\"caf\\u00e9 \\ud83d\\ude00\","
                                      "\"url\":\"https://example.org/\"}");
    expect_fine(&outcome);
    const Pb__PostsCreate *post = (const Pb__PostsCreate *)outcome.message;
    cr_expect(post->has_subreddit_id && post->subreddit_id == 3);
    cr_expect(post->has_author_id && post->author_id == 5);
    cr_expect_str_eq(post->title, "Hello");
    cr_expect_str_eq(post->content, "caf\u00e9 \U0001f600");
    cr_expect_str_eq(post->url, "https://example.org/");
    cr_expect_null(post->signature);
    cr_expect_not(post->has_signed_at);
    arena_free(outcome.arena);
}

Test(json_decode, makes_a_message_that_packs_and_unpacks)
{
    struct outcome outcome = decode_body(CMD_posts_vote, "{\"post_id\":\"post_1\",\"user_id\":\"user_2\","
                                                         "\"vote_type\":\"downvote\"}");
    expect_fine(&outcome);
    uint8_t packed[64];
    size_t length = protobuf_c_message_pack(outcome.message, packed);
    Pb__PostsVote *vote = pb__posts_vote__unpack(NULL, length, packed);
    cr_assert_not_null(vote);
    cr_expect_eq(vote->post_id, 1);
    cr_expect_eq(vote->user_id, 2);
    cr_expect_eq(vote->vote_type, PB__VOTE_TYPE__downvote);
    pb__posts_vote__free_unpacked(vote, NULL);
    arena_free(outcome.arena);
}

Test(json_decode, names_every_bad_field_at_once)
{
    struct outcome outcome =
        decode_body(CMD_posts_create, "{\"subreddit_id\":7,\"author_id\":\"post_5\",\"title\":\"\","
                                      "\"content\":[],\"url\":\"x y\",\"signature\":\"\"}");
    expect_errors(&outcome,
                  "subreddit_id:wrong_type author_id:invalid_id title:too_short content:wrong_type "
                  "url:bad_characters signature:too_short",
                  "all at once");
    arena_free(outcome.arena);
}

struct body_row {
    enum command_index command;
    const char *body;
    const char *errors;
};

static const struct body_row bad_bodies[] = {
    /* missing: absent or null */
    {CMD_posts_create, "{}", "subreddit_id:required author_id:required title:required"},
    {CMD_posts_create, "{\"subreddit_id\":null,\"author_id\":null,\"title\":null}",
     "subreddit_id:required author_id:required title:required"},
    /* wrong types */
    {CMD_posts_create, "{\"subreddit_id\":true,\"author_id\":{},\"title\":1}",
     "subreddit_id:wrong_type author_id:wrong_type title:wrong_type"},
    {CMD_posts_create, "{\"subreddit_id\":1.5,\"author_id\":[],\"title\":false}",
     "subreddit_id:wrong_type author_id:wrong_type title:wrong_type"},
    {CMD_posts_vote, "{\"post_id\":\"post_1\",\"user_id\":\"user_1\",\"vote_type\":1}",
     "vote_type:wrong_type"},
    /* ids */
    {CMD_posts_get, "{\"post_id\":\"\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"post_\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"post_0\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"post_01\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"post_-1\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"post_1 \"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\" post_1\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"Post_1\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"post1\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"1\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"user_1\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"post_9223372036854775808\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"post_99999999999999999999\"}", "post_id:invalid_id"},
    {CMD_posts_get, "{\"post_id\":\"post_1\u00e9\"}", "post_id:invalid_id"},
    /* enums */
    {CMD_posts_vote, "{\"post_id\":\"post_1\",\"user_id\":\"user_1\",\"vote_type\":\"up\"}",
     "vote_type:not_one_of"},
    {CMD_posts_vote, "{\"post_id\":\"post_1\",\"user_id\":\"user_1\",\"vote_type\":\"UPVOTE\"}",
     "vote_type:not_one_of"},
    {CMD_posts_vote, "{\"post_id\":\"post_1\",\"user_id\":\"user_1\",\"vote_type\":\"\"}",
     "vote_type:not_one_of"},
    /* lengths and characters */
    {CMD_users_create, "{\"username\":\"ab\"}", "username:too_short"},
    {CMD_users_create, "{\"username\":\"abcdefghijklmnopqrstu\"}", "username:too_long"},
    {CMD_users_create, "{\"username\":\"a b\"}", "username:bad_characters"},
    {CMD_users_create, "{\"username\":\"abc\\n\"}", "username:bad_characters"},
    {CMD_users_create, "{\"username\":\"caf\u00e9\"}", "username:bad_characters"},
    {CMD_users_create, "{\"username\":\" abc\"}", "username:bad_characters"}, /* names are not trimmed */
    {CMD_subreddits_create, "{\"name\":\"_abc\",\"creator_id\":\"user_1\"}", "name:bad_characters"},
    {CMD_subreddits_create, "{\"name\":\"a-b\",\"creator_id\":\"user_1\"}", "name:bad_characters"},
    {CMD_posts_create, "{\"subreddit_id\":\"sub_1\",\"author_id\":\"user_1\",\"title\":\" \\t\\u00a0\"}",
     "title:too_short"},
    {CMD_posts_create, "{" FINE_POST ",\"url\":\"ftp://x/\"}", "url:bad_characters"},
    {CMD_posts_create, "{" FINE_POST ",\"url\":\"javascript:alert(1)\"}", "url:bad_characters"},
    {CMD_comments_create, "{\"post_id\":\"post_1\",\"author_id\":\"user_1\",\"content\":\"\"}",
     "content:too_short"},
    /* numbers: here of queries, but the rules are the fields' own */
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":0}", "limit:too_small"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":-1}", "limit:too_small"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":-9223372036854775808}", "limit:too_small"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":101}", "limit:too_large"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":4294967297}", "limit:too_large"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":9223372036854775807}", "limit:too_large"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":18446744073709551615}", "limit:too_large"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":25.0}", "limit:wrong_type"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":2e1}", "limit:wrong_type"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":\"25\"}", "limit:wrong_type"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"limit\":true}", "limit:wrong_type"},
    /* cursors */
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"after\":\"a+b/\"}", "after:invalid_cursor"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"after\":\"aa\u00e9\"}", "after:invalid_cursor"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"after\":\"YQ==\"}", "after:invalid_cursor"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"after\":\"a\"}", "after:invalid_cursor"},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"after\":\"YR\"}", "after:invalid_cursor"}, /* bits left over */
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"after\":7}", "after:wrong_type"},
    /* not yet, but known */
    {CMD_users_create, "{\"username\":\"abc\",\"password\":\"012345678\"}", "password:too_short"},
    {CMD_users_create,
     "{\"username\":\"abc\",\"password\":\"0123456789\",\"public_key\":7,\"key_algorithm\":\"\"}",
     "public_key:wrong_type key_algorithm:not_one_of"},
    {CMD_posts_create, "{" FINE_POST ",\"signed_at\":\"0\"}", "signed_at:wrong_type"},
};

Test(json_decode, refuses_each_bad_field_by_its_code)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_bodies); i++) {
        struct outcome outcome = decode_body(bad_bodies[i].command, bad_bodies[i].body);
        expect_errors(&outcome, bad_bodies[i].errors, bad_bodies[i].body);
        arena_free(outcome.arena);
    }
}

static const struct body_row good_bodies[] = {
    {CMD_users_create, "{\"username\":\"abc\"}", NULL},
    {CMD_users_create, "{\"username\":\"A-b_0123456789012345\"}", NULL},
    {CMD_users_create, "{\"username\":\"abc\",\"password\":null,\"public_key\":null}", NULL},
    {CMD_users_create, "{\"username\":\"abc\",\"unknown\":[{\"deep\":1}],\"Username\":7}", NULL},
    {CMD_users_create, "{\"user\\u006eame\":\"abc\"}", NULL},
    {CMD_subreddits_create, "{\"name\":\"a_b\",\"creator_id\":\"user_1\",\"description\":\"\"}", NULL},
    {CMD_posts_get, "{\"post_id\":\"post_9223372036854775807\"}", NULL},
    {CMD_feed_get,
     "{\"user_id\":\"user_1\",\"limit\":100,\"sort\":\"rising\",\"t\":\"week\",\"after\":\"YQ\"}", NULL},
    {CMD_feed_get, "{\"user_id\":\"user_1\",\"after\":\"\"}", NULL},
};

Test(json_decode, takes_good_bodies)
{
    for (size_t i = 0; i < ARRAY_LEN(good_bodies); i++) {
        struct outcome outcome = decode_body(good_bodies[i].command, good_bodies[i].body);
        cr_expect_eq(outcome.status, STATUS_OK, "%s: %s", good_bodies[i].body,
                     outcome.errors.count > 0 ? outcome.errors.rows[0].detail : "");
        arena_free(outcome.arena);
    }
}

Test(json_decode, takes_empty_text_for_absent_where_the_rule_says_so)
{
    struct outcome outcome =
        decode_body(CMD_comments_create, "{\"post_id\":\"post_1\",\"author_id\":\"user_1\","
                                         "\"content\":\"x\",\"parent_id\":\"\"}");
    expect_fine(&outcome);
    cr_expect_not(((Pb__CommentsCreate *)outcome.message)->has_parent_id);
    arena_free(outcome.arena);
    outcome = decode_body(CMD_posts_create, "{" FINE_POST ",\"content\":\"\",\"url\":\"\"}");
    expect_fine(&outcome);
    cr_expect_null(((Pb__PostsCreate *)outcome.message)->content);
    cr_expect_null(((Pb__PostsCreate *)outcome.message)->url);
    arena_free(outcome.arena);
}

Test(json_decode, leaves_defaults_in_place_of_what_is_absent)
{
    struct outcome outcome = decode_body(CMD_feed_get, "{\"user_id\":\"user_1\"}");
    expect_fine(&outcome);
    const Pb__FeedGet *get = (const Pb__FeedGet *)outcome.message;
    cr_expect(!get->has_limit && get->limit == 25);
    cr_expect(!get->has_sort && get->sort == PB__SORT__hot);
    cr_expect(!get->has_after);
    arena_free(outcome.arena);
}

static char *body_with_text(const char *before, const char *character, size_t count, const char *after)
{
    char *body = xmalloc(strlen(before) + strlen(character) * count + strlen(after) + 1), *at = body;
    at += sprintf(at, "%s", before);
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, "%s", character);
    sprintf(at, "%s", after);
    return body;
}

Test(json_decode, counts_code_points_and_not_bytes)
{
    static const char *const characters[] = {"a",          "\u00e9",  "\u20ac",
                                             "\U0001f600", "\\u00e9", "\\ud83d\\ude00"};
    for (size_t i = 0; i < ARRAY_LEN(characters); i++) {
        for (size_t count = 300; count <= 301; count++) {
            char *body = body_with_text("{\"subreddit_id\":\"sub_1\",\"author_id\":\"user_1\",\"title\":\"",
                                        characters[i], count, "\"}");
            struct outcome outcome = decode_body(CMD_posts_create, body);
            if (count == 300)
                expect_fine(&outcome);
            else
                expect_errors(&outcome, "title:too_long", characters[i]);
            arena_free(outcome.arena);
            free(body);
        }
    }
}

Test(json_decode, trims_unicode_white_space_before_it_counts)
{
    static const char *const spaces[] = {
        " ",      "\\t",    "\\n",    "\\u000b", "\\f",    "\\r",    "\\u0085", "\u00a0", "\u1680",
        "\u2000", "\u2005", "\u200a", "\u2028",  "\u2029", "\u202f", "\u205f",  "\u3000", "",
    };
    static const char *const kept[] = {"\u200b", "\ufeff", "\u180e", "\u0301"}; /* no White_Space */
    for (size_t i = 0; i < ARRAY_LEN(spaces) + ARRAY_LEN(kept); i++) {
        bool is_space = i < ARRAY_LEN(spaces);
        const char *space = is_space ? spaces[i] : kept[i - ARRAY_LEN(spaces)];
        char body[256], expected[64];
        snprintf(body, sizeof(body),
                 "{\"subreddit_id\":\"sub_1\",\"author_id\":\"user_1\",\"title\":\"%s%sa%s b\u00e9%s%s\"}",
                 space, space, space, space, space);
        struct outcome outcome = decode_body(CMD_posts_create, body);
        expect_fine(&outcome);
        const char *title = ((Pb__PostsCreate *)outcome.message)->title;
        if (is_space) {
            cr_expect_eq(title[0], 'a', "%s", body);
            cr_expect_eq(title[strlen(title) - 1], "\u00e9"[1], "%s", body);
        } else {
            snprintf(expected, sizeof(expected), "%s%sa%s b\u00e9%s%s", space, space, space, space, space);
            cr_expect_str_eq(title, expected);
        }
        arena_free(outcome.arena);
    }
}

Test(json_decode, refuses_a_lone_surrogate_and_names_the_field)
{
    struct outcome outcome = decode_body(CMD_posts_create, "{\"title\":\"\\ud800\"}");
    cr_assert_eq(outcome.status, STATUS_INVALID_JSON);
    cr_assert_eq(outcome.errors.count, 1);
    cr_expect_str_eq(outcome.errors.rows[0].field, "title");
    cr_expect_str_eq(outcome.errors.rows[0].code, "invalid_json");
    cr_expect_str_eq(outcome.errors.rows[0].detail, "byte 10: a surrogate stands alone");
    arena_free(outcome.arena);
}

Test(json_decode, says_why_a_body_is_not_json)
{
    static const struct {
        const char *body, *detail;
    } rows[] = {
        {"", "the body is empty"},
        {"  ", "byte 2: the body is empty"},
        {"[]", "byte 0: the body must be a JSON object"},
        {"{\"a\":1,\"a\":2}", "byte 7: this key is there twice"},
        {"{\"a\":NaN}", "byte 5: a JSON value must stand here"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome outcome = decode_body(CMD_posts_create, rows[i].body);
        cr_expect_eq(outcome.status, STATUS_INVALID_JSON, "%s", rows[i].body);
        cr_expect_str_eq(outcome.errors.rows[0].detail, rows[i].detail);
        cr_expect_null(outcome.message);
        arena_free(outcome.arena);
    }
}

#define PARAM(NAME, VALUE, PATH)                                                                             \
    {                                                                                                        \
        .name = (NAME), .value = (VALUE), .length = sizeof(VALUE) - 1, .from_path = (PATH)                   \
    }

Test(json_decode, takes_a_path_and_a_query)
{
    const struct text_param params[] = {PARAM("user_id", "user_7", true),   PARAM("sort", "new", false),
                                        PARAM("limit", "007", false),       PARAM("after", "YWI", false),
                                        PARAM("utm_source", "\xff", false), PARAM("utm_source", "2", false)};
    struct outcome outcome = decode_query(CMD_feed_get, params, ARRAY_LEN(params));
    expect_fine(&outcome);
    const Pb__FeedGet *get = (const Pb__FeedGet *)outcome.message;
    cr_expect_eq(get->user_id, 7);
    cr_expect(get->has_sort && get->sort == PB__SORT__new);
    cr_expect(get->has_limit && get->limit == 7);
    cr_assert(get->has_after && get->after.len == 2);
    cr_expect_arr_eq(get->after.data, "ab", 2);
    arena_free(outcome.arena);
}

Test(json_decode, refuses_bad_query_parameters)
{
    static const struct {
        struct text_param params[2];
        size_t count;
        const char *errors;
    } rows[] = {
        {{PARAM("limit", "", false)}, 1, "limit:wrong_type"},
        {{PARAM("limit", "-", false)}, 1, "limit:wrong_type"},
        {{PARAM("limit", "+5", false)}, 1, "limit:wrong_type"},
        {{PARAM("limit", " 5", false)}, 1, "limit:wrong_type"},
        {{PARAM("limit", "5\0", false)}, 1, "limit:wrong_type"},
        {{PARAM("limit", "0x5", false)}, 1, "limit:wrong_type"},
        {{PARAM("limit", "5.0", false)}, 1, "limit:wrong_type"},
        {{PARAM("limit", "-5", false)}, 1, "limit:too_small"},
        {{PARAM("limit", "0", false)}, 1, "limit:too_small"},
        {{PARAM("limit", "101", false)}, 1, "limit:too_large"},
        {{PARAM("limit", "4294967321", false)}, 1, "limit:too_large"},
        {{PARAM("limit", "18446744073709551641", false)}, 1, "limit:too_large"},
        {{PARAM("limit", "99999999999999999999999999999999999", false)}, 1, "limit:too_large"},
        {{PARAM("sort", "hottest", false)}, 1, "sort:not_one_of"},
        {{PARAM("sort", "hot\0", false)}, 1, "sort:not_one_of"},
        {{PARAM("sort", "", false)}, 1, "sort:not_one_of"},
        {{PARAM("after", "a=b", false)}, 1, "after:invalid_cursor"},
        {{PARAM("after", "YQ\0", false)}, 1, "after:invalid_cursor"},
        {{PARAM("user_id", "user_0", false)}, 1, "user_id:invalid_id"},
        {{PARAM("limit", "1", false), PARAM("limit", "1", false)}, 2, "limit:duplicate"},
        {{PARAM("limit", "1", false), PARAM("sort", "x", false)}, 2, "sort:not_one_of"},
        {{PARAM("after", "", false), PARAM("after", "", false)}, 2, "after:duplicate"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct text_param params[3] = {PARAM("user_id", "user_7", true), rows[i].params[0],
                                       rows[i].params[1]};
        bool own_user = strcmp(rows[i].params[0].name, "user_id") == 0;
        struct outcome outcome = decode_query(CMD_feed_get, own_user ? params + 1 : params,
                                              own_user ? rows[i].count : rows[i].count + 1);
        expect_errors(&outcome, rows[i].errors, rows[i].params[0].value);
        arena_free(outcome.arena);
    }
}

Test(json_decode, answers_404_for_a_malformed_path_whatever_else_is_wrong)
{
    const struct text_param params[] = {PARAM("user_id", "user_x", true), PARAM("limit", "x", false)};
    struct outcome outcome = decode_query(CMD_feed_get, params, ARRAY_LEN(params));
    cr_expect_eq(outcome.status, STATUS_NOT_FOUND);
    cr_expect_null(outcome.message);
    arena_free(outcome.arena);
    static const char body[] = "{\"vote_type\":7}";
    const struct text_param path[] = {PARAM("post_id", "post_01", true)};
    decode_into(&outcome, CMD_posts_vote, body, sizeof(body) - 1, path, 1);
    cr_expect_eq(outcome.status, STATUS_NOT_FOUND);
    arena_free(outcome.arena);
    const struct text_param name[] = {PARAM("username", "a\0b", true)};
    outcome = decode_query(CMD_users_get_by_name, name, 1);
    cr_expect_eq(outcome.status, STATUS_NOT_FOUND);
    arena_free(outcome.arena);
    const struct text_param bytes[] = {PARAM("username", "\xc3\x28", true)};
    outcome = decode_query(CMD_users_get_by_name, bytes, 1);
    cr_expect_eq(outcome.status, STATUS_NOT_FOUND);
    arena_free(outcome.arena);
}

Test(json_decode, lets_the_path_win_over_body_and_query)
{
    struct outcome outcome;
    static const char body[] = "{\"post_id\":[],\"user_id\":\"user_1\",\"vote_type\":\"none\"}";
    const struct text_param path[] = {PARAM("post_id", "post_4", true)};
    decode_into(&outcome, CMD_posts_vote, body, sizeof(body) - 1, path, 1);
    expect_fine(&outcome);
    cr_expect_eq(((Pb__PostsVote *)outcome.message)->post_id, 4);
    arena_free(outcome.arena);
    const struct text_param both[] = {PARAM("user_id", "user_9", false), PARAM("user_id", "user_4", true)};
    outcome = decode_query(CMD_feed_get, both, 2);
    expect_fine(&outcome);
    cr_expect_eq(((Pb__FeedGet *)outcome.message)->user_id, 4);
    arena_free(outcome.arena);
}

Test(json_decode, ignores_the_query_where_there_is_a_body)
{
    struct outcome outcome;
    static const char body[] = "{\"username\":\"abc\"}";
    const struct text_param query[] = {PARAM("username", "xyz", false),
                                       PARAM("password", "0123456789", false)};
    decode_into(&outcome, CMD_users_create, body, sizeof(body) - 1, query, 2);
    expect_fine(&outcome);
    cr_expect_str_eq(((Pb__UsersCreate *)outcome.message)->username, "abc");
    arena_free(outcome.arena);
}

/* What the scan lets through, json-c must be able to read: the scan is stricter, never looser. */
Test(json_decode, reads_every_form_of_number_that_the_scan_allows)
{
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "0.0",
                                          "-0.0",
                                          "1e5",
                                          "1E5",
                                          "1e+5",
                                          "1e-5",
                                          "-1.5E+3",
                                          "0e0",
                                          "0E1",
                                          "1e00",
                                          "123456789012345678901234567890.5",
                                          "1e-999",
                                          "5e-324"};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char body[256];
        snprintf(body, sizeof(body), "{\"username\":\"abc\",\"x\":%s,\"y\":[%s],\"z\":{\"n\":%s}}",
                 numbers[i], numbers[i], numbers[i]);
        struct outcome outcome = decode_body(CMD_users_create, body);
        cr_expect_eq(outcome.status, STATUS_OK, "%s", body);
        arena_free(outcome.arena);
    }
}

Test(json_decode, reads_what_is_as_deep_as_the_scan_allows)
{
    char body[256] = "{\"username\":\"abc\",\"x\":";
    size_t length = strlen(body);
    for (int i = 1; i < JSON_DEPTH_MAX; i++)
        body[length++] = '[';
    for (int i = 1; i < JSON_DEPTH_MAX; i++)
        body[length++] = ']';
    body[length++] = '}';
    body[length] = '\0';
    struct outcome outcome = decode_body(CMD_users_create, body);
    expect_fine(&outcome);
    arena_free(outcome.arena);
}

Test(json_decode, takes_white_space_around_the_object)
{
    struct outcome outcome = decode_body(CMD_users_create, "\r\n\t {\"username\":\"abc\"} \r\n\t\n");
    expect_fine(&outcome);
    arena_free(outcome.arena);
}
