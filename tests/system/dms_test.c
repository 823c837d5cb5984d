/* Direct messages and conversations. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"

static struct forum *forum;

static void attach(void)
{
    forum = forum_attach();
}

TestSuite(send, .init = attach);
TestSuite(inbox, .init = attach);
TestSuite(conversation, .init = attach);
TestSuite(read_marks, .init = attach);

static struct reply *send_message(const char *body)
{
    return forum_post(forum, "/api/dm/send", body);
}

static struct reply *mark_read(const char *a, const char *b, const char *reader, const char *up_to)
{
    return forum_post(forum, keep_format("/api/dm/conversation/%s/%s/read", a, b),
                      json_body("{'user_id':'%s','up_to':'%s'}", reader, up_to));
}

Test(send, answers_201_with_the_message)
{
    const char *from = make_user(forum), *to = make_user(forum);
    struct reply *reply =
        send_message(json_body("{'from_user_id':'%s','to_user_id':'%s','content':'Hi \\u00e4'}", from, to));
    CHECK_CREATED(reply);
    cr_assert(strncmp(json_text(reply, "message_id"), "dm_", 3) == 0);
    CHECK_TEXT(reply, "from_user_id", from);
    CHECK_TEXT(reply, "to_user_id", to);
    CHECK_TEXT(reply, "content", "Hi \u00e4");
    cr_assert(!json_flag(reply, "is_reply"));
    CHECK_NULL(reply, "reply_to_id");
    CHECK_NULL(reply, "read_at");
    cr_assert_gt(json_number(reply, "created_at"), 1700000000000);
    struct reply *there = forum_get(forum, "%s", http_header(reply, "Location"));
    CHECK_OK(there);
    CHECK_TEXT(there, "0.content", "Hi \u00e4");
}

Test(send, replies_within_the_conversation_only)
{
    const char *a = make_user(forum), *b = make_user(forum), *c = make_user(forum);
    const char *first = make_message(forum, a, b, "First");
    struct reply *reply = send_message(
        json_body("{'from_user_id':'%s','to_user_id':'%s','content':'R','reply_to_id':'%s'}", b, a, first));
    CHECK_CREATED(reply);
    cr_assert(json_flag(reply, "is_reply"));
    CHECK_TEXT(reply, "reply_to_id", first);
    CHECK_PROBLEM(
        send_message(json_body("{'from_user_id':'%s','to_user_id':'%s','content':'R','reply_to_id':'%s'}", b,
                               c, first)),
        400, "reply_outside_conversation");
    CHECK_PROBLEM(
        send_message(json_body(
            "{'from_user_id':'%s','to_user_id':'%s','content':'R','reply_to_id':'dm_999999'}", b, a)),
        404, "reply_to_not_found");
}

Test(send, refuses_what_does_not_exist_and_texts_out_of_bounds)
{
    const char *a = make_user(forum), *b = make_user(forum);
    CHECK_PROBLEM(
        send_message(json_body("{'from_user_id':'%s','to_user_id':'user_999999','content':'C'}", a)), 404,
        "user_not_found");
    CHECK_PROBLEM(
        send_message(json_body("{'from_user_id':'user_999999','to_user_id':'%s','content':'C'}", b)), 404,
        "user_not_found");
    CHECK_FIELD_ERROR(send_message(json_body("{'from_user_id':'%s','to_user_id':'%s','content':''}", a, b)),
                      "content", "too_short");
    CHECK_FIELD_ERROR(
        send_message(json_body("{'from_user_id':'%s','to_user_id':'%s','content':'%010001d'}", a, b, 0)),
        "content", "too_long");
    CHECK_CREATED(
        send_message(json_body("{'from_user_id':'%s','to_user_id':'%s','content':'%010000d'}", a, b, 0)));
}

Test(inbox, has_all_of_a_user_newest_first)
{
    const char *a = make_user(forum), *b = make_user(forum), *c = make_user(forum);
    const char *first = make_message(forum, a, b, "1"), *second = make_message(forum, c, a, "2");
    make_message(forum, b, c, "not a's");
    struct reply *reply = forum_get(forum, "/api/dm/user/%s", a);
    CHECK_OK(reply);
    cr_assert_eq(json_count(reply, ""), 2, "%s", http_describe(reply));
    CHECK_TEXT(reply, "0.message_id", second);
    CHECK_TEXT(reply, "1.message_id", first);
    CHECK_PROBLEM(forum_get(forum, "/api/dm/user/user_999999"), 404, "user_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/dm/user/nobody"), 404, NULL);
}

Test(conversation, is_of_the_two_oldest_first_whoever_is_named_first)
{
    const char *a = make_user(forum), *b = make_user(forum), *c = make_user(forum);
    const char *first = make_message(forum, a, b, "1"), *second = make_message(forum, b, a, "2");
    make_message(forum, a, c, "elsewhere");
    struct reply *ways[] = {forum_get(forum, "/api/dm/conversation/%s/%s", a, b),
                            forum_get(forum, "/api/dm/conversation/%s/%s", b, a)};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        CHECK_OK(ways[i]);
        cr_assert_eq(json_count(ways[i], ""), 2);
        CHECK_TEXT(ways[i], "0.message_id", first);
        CHECK_TEXT(ways[i], "1.message_id", second);
    }
    cr_assert_eq(json_count(forum_get(forum, "/api/dm/conversation/%s/%s", b, c), ""), 0);
    CHECK_PROBLEM(forum_get(forum, "/api/dm/conversation/%s/user_999999", a), 404, "user_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/dm/conversation/user_999999/%s", a), 404, "user_not_found");
}

Test(read_marks, cover_what_the_reader_got_up_to_there)
{
    const char *a = make_user(forum), *b = make_user(forum);
    make_message(forum, a, b, "1");
    make_message(forum, b, a, "2");
    const char *third = make_message(forum, a, b, "3");
    make_message(forum, a, b, "4");
    struct reply *reply = mark_read(a, b, b, third);
    CHECK_OK(reply);
    CHECK_TEXT(reply, "user_id", b);
    CHECK_TEXT(reply, "up_to", third);
    CHECK_NUMBER(reply, "marked", 2);
    int64_t when = json_number(reply, "read_at");
    struct reply *all = forum_get(forum, "/api/dm/conversation/%s/%s", a, b);
    CHECK_NUMBER(all, "0.read_at", when);
    CHECK_NULL(all, "1.read_at"); /* b's own */
    CHECK_NUMBER(all, "2.read_at", when);
    CHECK_NULL(all, "3.read_at");
    struct reply *again = mark_read(b, a, b, third);
    CHECK_OK(again);
    CHECK_NUMBER(again, "marked", 0);
}

Test(read_marks, are_for_the_two_and_their_messages_only)
{
    const char *a = make_user(forum), *b = make_user(forum), *c = make_user(forum);
    const char *message = make_message(forum, a, b, "1"), *elsewhere = make_message(forum, a, c, "2");
    CHECK_PROBLEM(mark_read(a, b, c, message), 403, NULL);
    CHECK_PROBLEM(mark_read(a, b, b, elsewhere), 400, "message_outside_conversation");
    CHECK_PROBLEM(mark_read(a, b, b, "dm_999999"), 404, "message_not_found");
    CHECK_PROBLEM(mark_read(a, b, "user_999999", message), 403, NULL);
    CHECK_PROBLEM(mark_read(a, "user_999999", a, message), 404, "user_not_found");
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
