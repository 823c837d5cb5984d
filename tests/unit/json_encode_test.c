#include <criterion/criterion.h>

#include <inttypes.h>
#include <json-c/json_object.h>
#include <json-c/json_tokener.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "gateway/json_encode.h"
#include "proto/comments.pb-c.h"
#include "proto/posts.pb-c.h"
#include "proto/schema.h"
#include "proto/schema_commands.h"
#include "proto/users.pb-c.h"

static void expect_text(struct text *text, const char *expected)
{
    cr_expect_eq(text->length, strlen(expected));
    cr_expect_arr_eq(text->bytes, expected, strlen(expected), "%.*s\n   instead of\n%s", (int)text->length,
                     text->bytes, expected);
    text_clear(text);
}

static bool contains(const struct text *text, const char *part)
{
    return memmem(text->bytes, text->length, part, strlen(part)) != NULL;
}

static const struct schema_message *reply_of(enum command_index command)
{
    return schema_commands[command].reply;
}

Test(json_encode, writes_a_post_with_ids_as_text_and_absent_fields_as_null)
{
    Pb__Post post = PB__POST__INIT;
    post.has_post_id = 1;
    post.post_id = 17;
    post.title = (char *)"T";
    post.has_author_id = 1;
    post.author_id = UINT64_C(9223372036854775807);
    post.has_subreddit_id = 1;
    post.subreddit_id = 3;
    post.has_score = 1;
    post.score = -5;
    post.has_upvotes = 1;
    post.has_is_repost = 1;
    post.has_created_at = 1;
    post.created_at = 1700000000123;
    struct text out = {0};
    json_encode(&out, reply_of(CMD_posts_get), &post.base);
    expect_text(&out, "{\"post_id\":\"post_17\",\"title\":\"T\",\"content\":null,\"url\":null,"
                      "\"author_id\":\"user_9223372036854775807\",\"author_username\":null,"
                      "\"subreddit_id\":\"sub_3\",\"subreddit_name\":null,\"upvotes\":0,\"downvotes\":null,"
                      "\"score\":-5,\"comment_count\":null,\"is_repost\":false,\"original_post_id\":null,"
                      "\"created_at\":1700000000123,\"edited_at\":null,\"signature\":null,"
                      "\"signature_verified\":null}");
    text_dispose(&out);
}

Test(json_encode, shows_a_field_marked_omit_only_when_it_is_there)
{
    Pb__UserRegistered user = PB__USER_REGISTERED__INIT;
    struct text out = {0};
    json_encode(&out, reply_of(CMD_users_create), &user.base);
    cr_expect_not(contains(&out, "token"));
    text_clear(&out);
    user.token = (char *)"t0k";
    json_encode(&out, reply_of(CMD_users_create), &user.base);
    cr_expect(contains(&out, ",\"token\":\"t0k\"}"));
    text_dispose(&out);
}

Test(json_encode, writes_an_enum_by_its_name_and_an_unknown_one_as_null)
{
    Pb__PostVoted voted = PB__POST_VOTED__INIT;
    voted.has_my_vote = 1;
    voted.my_vote = PB__VOTE_TYPE__downvote;
    struct text out = {0};
    json_encode(&out, reply_of(CMD_posts_vote), &voted.base);
    expect_text(&out, "{\"post_id\":null,\"upvotes\":null,\"downvotes\":null,\"score\":null,"
                      "\"my_vote\":\"downvote\"}");
    voted.my_vote = (Pb__VoteType)77;
    json_encode(&out, reply_of(CMD_posts_vote), &voted.base);
    expect_text(&out, "{\"post_id\":null,\"upvotes\":null,\"downvotes\":null,\"score\":null,"
                      "\"my_vote\":null}");
    text_dispose(&out);
}

Test(json_encode, writes_a_list_as_a_bare_array_without_what_goes_into_headers)
{
    Pb__PostPage page = PB__POST_PAGE__INIT;
    struct text out = {0};
    page.has_total = 1;
    page.total = 99;
    page.has_next = 1;
    page.next = (ProtobufCBinaryData){.len = 3, .data = (uint8_t *)"abc"};
    json_encode(&out, reply_of(CMD_posts_of_user), &page.base);
    expect_text(&out, "[]");
    Pb__Post posts[2] = {PB__POST__INIT, PB__POST__INIT};
    Pb__Post *items[2] = {&posts[0], &posts[1]};
    posts[0].has_post_id = posts[1].has_post_id = 1;
    posts[0].post_id = 1;
    posts[1].post_id = 2;
    page.n_items = 2;
    page.items = items;
    json_encode(&out, reply_of(CMD_posts_of_user), &page.base);
    text_append(&out, "", 1);
    json_object *array = json_tokener_parse(out.bytes);
    cr_assert(json_object_is_type(array, json_type_array));
    cr_assert_eq(json_object_array_length(array), 2);
    json_object *second = json_object_array_get_idx(array, 1);
    cr_expect_str_eq(json_object_get_string(json_object_object_get(second, "post_id")), "post_2");
    json_object_put(array);
    text_dispose(&out);
}

Test(json_encode, writes_nested_replies_as_arrays_in_arrays)
{
    Pb__Comment leaf = PB__COMMENT__INIT, root = PB__COMMENT__INIT;
    Pb__CommentReplies none = PB__COMMENT_REPLIES__INIT, some = PB__COMMENT_REPLIES__INIT;
    Pb__Comment *items[] = {&leaf};
    leaf.has_depth = 1;
    leaf.depth = 1;
    leaf.replies = &none;
    some.n_items = 1;
    some.items = items;
    root.replies = &some;
    struct text out = {0};
    json_encode(&out, reply_of(CMD_comments_get), &root.base);
    cr_expect(contains(&out, ",\"replies\":[{\"comment_id\":null"));
    cr_expect(contains(&out, "\"depth\":1"));
    cr_expect(contains(&out, ",\"replies\":[]}]}"));
    text_dispose(&out);
}

Test(json_encode, writes_lists_of_ids)
{
    Pb__UserProfile profile = PB__USER_PROFILE__INIT;
    struct text out = {0};
    json_encode(&out, reply_of(CMD_users_get), &profile.base);
    cr_expect(contains(&out, "\"joined_subreddits\":[],"));
    text_clear(&out);
    uint64_t ids[] = {1, 20};
    profile.joined_subreddits = ids;
    profile.n_joined_subreddits = 2;
    json_encode(&out, reply_of(CMD_users_get), &profile.base);
    cr_expect(contains(&out, "\"joined_subreddits\":[\"sub_1\",\"sub_20\"],"));
    text_dispose(&out);
}

Test(json_encode, writes_numbers_to_their_ends)
{
    struct text out = {0};
    text_append_u64(&out, 0);
    expect_text(&out, "0");
    text_append_u64(&out, UINT64_MAX);
    expect_text(&out, "18446744073709551615");
    text_append_i64(&out, INT64_MIN);
    expect_text(&out, "-9223372036854775808");
    text_append_i64(&out, INT64_MAX);
    expect_text(&out, "9223372036854775807");
    text_dispose(&out);
}

Test(json_encode, escapes_what_must_be_and_nothing_else)
{
    struct text out = {0};
    static const char raw[] = "\"\\/\b\f\n\r\t\x01\x1f\x7f\u00e9\u2028\U0001f600";
    text_append_json(&out, raw, sizeof(raw) - 1);
    expect_text(&out, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\u00e9\u2028\U0001f600\"");
    text_dispose(&out);
}

Test(json_encode, is_read_back_by_json_c_as_it_was_for_every_byte)
{
    struct text out = {0};
    char raw[127 * 2];
    for (size_t i = 0; i < sizeof(raw); i++)
        raw[i] = (char)(i % 127 + 1);
    text_append_json(&out, raw, sizeof(raw));
    text_append(&out, "", 1);
    json_object *string = json_tokener_parse(out.bytes);
    cr_assert_eq(json_object_get_string_len(string), (int)sizeof(raw));
    cr_assert_arr_eq(json_object_get_string(string), raw, sizeof(raw));
    json_object_put(string);
    text_dispose(&out);
}

Test(json_encode, grows_from_nothing_over_any_boundary)
{
    struct text out = {0};
    size_t expected = 0;
    for (size_t length = 0; length < 300; length++) {
        char *piece = xmalloc(length + 1);
        memset(piece, 'x', length);
        text_append(&out, piece, length);
        expected += length;
        cr_assert_eq(out.length, expected);
        cr_assert_geq(out.capacity, out.length);
        free(piece);
    }
    text_dispose(&out);
    cr_assert_null(out.bytes);
}
