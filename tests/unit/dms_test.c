/* Each handler of the dms domain, alone. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "common/limits.h"
#include "engined/domain.h"
#include "proto/dms.pb-c.h"
#include "proto/schema_commands.h"
#include "tests/unit/harness.h"
#include "tests/unit/seed.h"

enum { ANN = 3, BOB = 1, CARL = 2, DAVE = 4, NOBODY = 0, UNKNOWN = 77 };
#define LONG_CHARS 10000

static struct harness *open_dms(void)
{
    struct harness *harness = harness_open(&dms_domain);
    harness_know(harness, 0, ANN, "ann");
    harness_know(harness, 0, BOB, "Bob");
    harness_know(harness, 0, CARL, "carl");
    harness_know(harness, 0, DAVE, "dave");
    return harness;
}

static enum status run(struct harness *harness, uint64_t actor, uint16_t command,
                       const ProtobufCMessage *request, void *reply)
{
    return harness_run(harness, actor, actor != NOBODY ? "someone" : "", command, request, reply);
}

/* reply_to 0: none. */
static enum status send_status(struct harness *harness, uint64_t from, uint64_t to, const char *content,
                               uint64_t reply_to, Pb__DirectMessage **reply)
{
    Pb__DmsSend request = PB__DMS_SEND__INIT;
    request.has_to_user_id = true;
    request.to_user_id = to;
    request.content = (char *)content;
    request.has_reply_to_id = reply_to != 0;
    request.reply_to_id = reply_to;
    return run(harness, from, COMMAND_ID_dms_send, &request.base, reply);
}

static Pb__DirectMessage *sent(struct harness *harness, uint64_t from, uint64_t to)
{
    Pb__DirectMessage *message = NULL;
    cr_assert_eq(send_status(harness, from, to, "hello", 0, &message), STATUS_OK);
    return message;
}

static enum status of_user_status(struct harness *harness, uint64_t actor, uint64_t user, uint32_t limit,
                                  const Pb__DirectMessagePage *before, Pb__DirectMessagePage **page)
{
    Pb__DmsOfUser request = PB__DMS_OF_USER__INIT;
    request.has_user_id = request.has_limit = true;
    request.user_id = user;
    request.limit = limit;
    if (before != NULL) {
        request.has_after = true;
        request.after = before->next;
    }
    return run(harness, actor, COMMAND_ID_dms_of_user, &request.base, page);
}

static Pb__DirectMessagePage *of_user(struct harness *harness, uint64_t user, uint32_t limit,
                                      const Pb__DirectMessagePage *before)
{
    Pb__DirectMessagePage *page = NULL;
    cr_assert_eq(of_user_status(harness, user, user, limit, before, &page), STATUS_OK);
    return page;
}

static enum status conversation_status(struct harness *harness, uint64_t actor, uint64_t a, uint64_t b,
                                       uint32_t limit, const Pb__DirectMessagePage *before,
                                       Pb__DirectMessagePage **page)
{
    Pb__DmsConversation request = PB__DMS_CONVERSATION__INIT;
    request.has_a = request.has_b = request.has_limit = true;
    request.a = a;
    request.b = b;
    request.limit = limit;
    if (before != NULL) {
        request.has_after = true;
        request.after = before->next;
    }
    return run(harness, actor, COMMAND_ID_dms_conversation, &request.base, page);
}

static Pb__DirectMessagePage *conversation(struct harness *harness, uint64_t a, uint64_t b, uint32_t limit,
                                           const Pb__DirectMessagePage *before)
{
    Pb__DirectMessagePage *page = NULL;
    cr_assert_eq(conversation_status(harness, a, a, b, limit, before, &page), STATUS_OK);
    return page;
}

static enum status mark_status(struct harness *harness, uint64_t actor, uint64_t a, uint64_t b, uint64_t user,
                               uint64_t up_to, Pb__DmsMarkedRead **marked)
{
    Pb__DmsMarkRead request = PB__DMS_MARK_READ__INIT;
    request.has_a = request.has_b = request.has_user_id = request.has_up_to = true;
    request.a = a;
    request.b = b;
    request.user_id = user;
    request.up_to = up_to;
    return run(harness, actor, COMMAND_ID_dms_mark_read, &request.base, marked);
}

static uint64_t mark(struct harness *harness, uint64_t user, uint64_t other, uint64_t up_to)
{
    Pb__DmsMarkedRead *marked = NULL;
    cr_assert_eq(mark_status(harness, user, user, other, user, up_to, &marked), STATUS_OK);
    cr_assert(marked->has_user_id && marked->has_up_to && marked->has_marked);
    cr_assert_eq(marked->user_id, user);
    cr_assert_eq(marked->up_to, up_to);
    cr_assert_eq(marked->has_read_at, marked->marked > 0);
    if (marked->has_read_at)
        cr_assert_eq(marked->read_at, harness_now_ms(harness));
    return marked->marked;
}

static void assert_ids(const Pb__DirectMessagePage *page, size_t count, const uint64_t *ids)
{
    cr_assert_eq(page->n_items, count, "%zu items, not %zu", page->n_items, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(page->items[i]->message_id, ids[i], "place %zu: %" PRIu64 ", not %" PRIu64, i,
                     page->items[i]->message_id, ids[i]);
}
#define ASSERT_IDS(page, ...)                                                                                \
    assert_ids(page, ARRAY_LEN(((uint64_t[]){__VA_ARGS__})), (const uint64_t[]){__VA_ARGS__})

Test(dms_send, answers_with_the_message_and_counts_ids_from_one)
{
    struct harness *harness = open_dms();
    Pb__DirectMessage *message = NULL;
    cr_assert_eq(send_status(harness, ANN, BOB, "a \xe2\x82\xac", 0, &message), STATUS_OK);
    cr_assert(message->has_message_id && message->has_from_user_id && message->has_to_user_id &&
              message->has_is_reply && message->has_created_at);
    cr_assert_eq(message->message_id, 1);
    cr_assert_eq(message->from_user_id, ANN);
    cr_assert_eq(message->to_user_id, BOB);
    cr_assert_str_eq(message->content, "a \xe2\x82\xac");
    cr_assert_eq(message->created_at, harness_now_ms(harness));
    cr_assert_not(message->is_reply);
    cr_assert_not(message->has_reply_to_id);
    cr_assert_not(message->has_read_at);
    cr_assert_eq(sent(harness, BOB, ANN)->message_id, 2);
    harness_close(harness);
}

Test(dms_send, to_nobody_is_refused_and_leaves_no_gap)
{
    struct harness *harness = open_dms();
    cr_assert_eq(send_status(harness, ANN, UNKNOWN, "x", 0, NULL), STATUS_USER_NOT_FOUND);
    cr_assert_eq(send_status(harness, NOBODY, BOB, "x", 0, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(send_status(harness, ANN, BOB, NULL, 0, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), 0);
    cr_assert_eq(sent(harness, ANN, BOB)->message_id, 1);
    harness_close(harness);
}

Test(dms_send, replies_to_messages_of_the_same_conversation_alone)
{
    struct harness *harness = open_dms();
    sent(harness, ANN, BOB);
    sent(harness, ANN, CARL);
    Pb__DirectMessage *reply = NULL;
    cr_assert_eq(send_status(harness, BOB, ANN, "re", 1, &reply), STATUS_OK);
    cr_assert(reply->is_reply && reply->has_reply_to_id);
    cr_assert_eq(reply->reply_to_id, 1);
    cr_assert_eq(send_status(harness, ANN, BOB, "re own", 1, NULL), STATUS_OK);
    cr_assert_eq(send_status(harness, BOB, ANN, "re", 2, NULL), STATUS_REPLY_OUTSIDE);
    cr_assert_eq(send_status(harness, ANN, ANN, "re", 1, NULL), STATUS_REPLY_OUTSIDE);
    cr_assert_eq(send_status(harness, BOB, CARL, "re", 1, NULL), STATUS_REPLY_OUTSIDE);
    cr_assert_eq(send_status(harness, BOB, ANN, "re", 99, NULL), STATUS_REPLY_NOT_FOUND);
    cr_assert_eq(harness_head_seq(harness), 4);
    Pb__DirectMessagePage *page = conversation(harness, ANN, BOB, 10, NULL);
    ASSERT_IDS(page, 1, 3, 4);
    cr_assert_not(page->items[0]->is_reply);
    cr_assert_not(page->items[0]->has_reply_to_id);
    cr_assert(page->items[1]->is_reply);
    cr_assert_eq(page->items[1]->reply_to_id, 1);
    harness_close(harness);
}

Test(dms_of_user, shows_what_the_user_sent_and_got_newest_first)
{
    struct harness *harness = open_dms();
    sent(harness, ANN, BOB);
    sent(harness, BOB, CARL);
    sent(harness, CARL, ANN);
    sent(harness, BOB, ANN);
    ASSERT_IDS(of_user(harness, ANN, 10, NULL), 4, 3, 1);
    ASSERT_IDS(of_user(harness, BOB, 10, NULL), 4, 2, 1);
    cr_assert_eq(of_user(harness, DAVE, 10, NULL)->n_items, 0);
    Pb__DirectMessage *first = of_user(harness, ANN, 10, NULL)->items[2];
    cr_assert_eq(first->from_user_id, ANN);
    cr_assert_eq(first->to_user_id, BOB);
    cr_assert_str_eq(first->content, "hello");
    harness_close(harness);
}

Test(dms_of_user, shows_a_message_to_oneself_once)
{
    struct harness *harness = open_dms();
    sent(harness, ANN, ANN);
    ASSERT_IDS(of_user(harness, ANN, 10, NULL), 1);
    ASSERT_IDS(conversation(harness, ANN, ANN, 10, NULL), 1);
    cr_assert_eq(mark(harness, ANN, ANN, 1), 1);
    cr_assert_eq(mark(harness, ANN, ANN, 1), 0);
    cr_assert(of_user(harness, ANN, 10, NULL)->items[0]->has_read_at);
    harness_close(harness);
}

Test(dms_of_user, is_for_that_user_alone)
{
    struct harness *harness = open_dms();
    sent(harness, ANN, BOB);
    cr_assert_eq(of_user_status(harness, BOB, ANN, 10, NULL, NULL), STATUS_FORBIDDEN);
    Pb__DirectMessagePage *page = NULL;
    cr_assert_eq(of_user_status(harness, NOBODY, ANN, 10, NULL, &page), STATUS_OK);
    ASSERT_IDS(page, 1);
    harness_close(harness);
}

Test(dms_of_user, pages_to_the_end_while_others_write)
{
    struct harness *harness = open_dms();
    for (int i = 0; i < 20; i++)
        sent(harness, i % 2 == 0 ? ANN : BOB, i % 3 == 0 ? CARL : ANN);
    unsigned shown[21] = {0}, expected = 0;
    Pb__DirectMessagePage *page = NULL, *whole = of_user(harness, ANN, 100, NULL);
    cr_assert_not(whole->has_next);
    do {
        page = of_user(harness, ANN, 3, page);
        cr_assert_eq(page->has_next, page->n_items == 3 && expected + 3 < whole->n_items);
        for (size_t i = 0; i < page->n_items; i++, expected++) {
            cr_assert_leq(page->items[i]->message_id, 20);
            shown[page->items[i]->message_id]++;
            cr_assert_eq(page->items[i]->message_id, whole->items[expected]->message_id);
        }
        sent(harness, DAVE, ANN);
    } while (page->has_next);
    cr_assert_eq(expected, whole->n_items);
    for (size_t i = 0; i < whole->n_items; i++)
        cr_assert_eq(shown[whole->items[i]->message_id], 1);
    harness_close(harness);
}

Test(dms_conversation, shows_both_directions_oldest_first_whichever_is_named_first)
{
    struct harness *harness = open_dms();
    sent(harness, ANN, BOB);
    sent(harness, ANN, CARL);
    sent(harness, BOB, ANN);
    sent(harness, BOB, CARL);
    sent(harness, BOB, BOB);
    ASSERT_IDS(conversation(harness, ANN, BOB, 10, NULL), 1, 3);
    ASSERT_IDS(conversation(harness, BOB, ANN, 10, NULL), 1, 3);
    ASSERT_IDS(conversation(harness, BOB, BOB, 10, NULL), 5);
    harness_close(harness);
}

Test(dms_conversation, is_for_the_two_alone)
{
    struct harness *harness = open_dms();
    sent(harness, ANN, BOB);
    cr_assert_eq(conversation_status(harness, CARL, ANN, BOB, 10, NULL, NULL), STATUS_FORBIDDEN);
    cr_assert_eq(conversation_status(harness, BOB, ANN, BOB, 10, NULL, NULL), STATUS_OK);
    cr_assert_eq(conversation_status(harness, NOBODY, ANN, BOB, 10, NULL, NULL), STATUS_OK);
    harness_close(harness);
}

Test(dms_conversation, of_two_who_never_wrote_is_empty_if_both_exist)
{
    struct harness *harness = open_dms();
    Pb__DirectMessagePage *page = conversation(harness, ANN, BOB, 10, NULL);
    cr_assert_eq(page->n_items, 0);
    cr_assert_not(page->has_next);
    cr_assert_eq(conversation_status(harness, ANN, ANN, UNKNOWN, 10, NULL, NULL), STATUS_USER_NOT_FOUND);
    cr_assert_eq(conversation_status(harness, ANN, UNKNOWN, ANN, 10, NULL, NULL), STATUS_USER_NOT_FOUND);
    cr_assert_eq(conversation_status(harness, NOBODY, UNKNOWN, CARL, 10, NULL, NULL), STATUS_USER_NOT_FOUND);
    cr_assert_eq(conversation_status(harness, NOBODY, CARL, DAVE, 10, NULL, NULL), STATUS_OK);
    harness_close(harness);
}

Test(dms_conversation, pages_to_the_end_while_the_two_go_on_writing)
{
    struct harness *harness = open_dms();
    for (int i = 0; i < 10; i++)
        sent(harness, i % 2 == 0 ? ANN : BOB, i % 2 == 0 ? BOB : ANN);
    uint64_t expected = 1;
    Pb__DirectMessagePage *page = NULL;
    int pages = 0;
    do {
        page = conversation(harness, BOB, ANN, 4, page);
        for (size_t i = 0; i < page->n_items; i++)
            cr_assert_eq(page->items[i]->message_id, expected++);
        if (pages < 2)
            sent(harness, ANN, BOB);
        pages++;
    } while (page->has_next);
    cr_assert_eq(expected, 13, "what is written meanwhile comes at the end");
    cr_assert_eq(pages, 3);
    harness_close(harness);
}

Test(dms_conversation, ends_its_page_before_the_reply_gets_too_large)
{
    struct harness *harness = open_dms();
    static char content[LONG_CHARS * 4 + 1];
    for (size_t i = 0; i < LONG_CHARS; i++)
        memcpy(&content[i * 4], "\xf0\x9f\x90\x88", 4);
    for (int i = 0; i < 60; i++)
        cr_assert_eq(send_status(harness, ANN, BOB, content, 0, NULL), STATUS_OK);
    uint64_t expected = 1;
    Pb__DirectMessagePage *page = NULL;
    do {
        page = conversation(harness, BOB, ANN, 100, page);
        cr_assert_gt(page->n_items, 0);
        cr_assert_leq(pb__direct_message_page__get_packed_size(page), LIMIT_REPLY_FRAME_BYTES);
        cr_assert(!page->has_next || page->n_items == 25, "%zu items of 40 kB", page->n_items);
        for (size_t i = 0; i < page->n_items; i++)
            cr_assert_eq(page->items[i]->message_id, expected++);
    } while (page->has_next);
    cr_assert_eq(expected, 61);
    harness_close(harness);
}

Test(dms, refuse_each_others_cursors_and_damaged_ones)
{
    struct harness *harness = open_dms();
    for (int i = 0; i < 3; i++)
        sent(harness, ANN, BOB);
    Pb__DirectMessagePage *inbox = of_user(harness, ANN, 1, NULL);
    Pb__DirectMessagePage *talk = conversation(harness, ANN, BOB, 1, NULL);
    cr_assert_eq(of_user_status(harness, ANN, ANN, 1, talk, NULL), STATUS_INVALID_CURSOR);
    cr_assert_eq(conversation_status(harness, ANN, ANN, BOB, 1, inbox, NULL), STATUS_INVALID_CURSOR);
    talk->next.len = 1;
    cr_assert_eq(conversation_status(harness, ANN, ANN, BOB, 1, talk, NULL), STATUS_INVALID_CURSOR);
    talk->next.len = 0;
    cr_assert_eq(conversation_status(harness, ANN, ANN, BOB, 1, talk, NULL), STATUS_INVALID_CURSOR);
    harness_close(harness);
}

Test(dms_mark_read, marks_what_the_user_got_up_to_a_message_once)
{
    struct harness *harness = open_dms();
    sent(harness, ANN, BOB);
    sent(harness, BOB, ANN);
    sent(harness, ANN, BOB);
    sent(harness, CARL, BOB);
    sent(harness, ANN, BOB);
    harness_advance_ms(harness, 1000);
    uint64_t first_ms = harness_now_ms(harness), head = harness_head_seq(harness);
    cr_assert_eq(mark(harness, BOB, ANN, 3), 2);
    cr_assert_eq(harness_head_seq(harness), head + 1);
    harness_advance_ms(harness, 1000);
    cr_assert_eq(mark(harness, BOB, ANN, 3), 0);
    cr_assert_eq(mark(harness, BOB, ANN, 1), 0);
    cr_assert_eq(harness_head_seq(harness), head + 1, "nothing changes, nothing is written");
    cr_assert_eq(mark(harness, BOB, ANN, 5), 1);
    Pb__DirectMessagePage *page = conversation(harness, ANN, BOB, 10, NULL);
    ASSERT_IDS(page, 1, 2, 3, 5);
    const uint64_t read_at[] = {first_ms, 0, first_ms, first_ms + 1000};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(page->items[i]->has_read_at, read_at[i] != 0, "place %zu", i);
        cr_assert_eq(page->items[i]->read_at, read_at[i]);
    }
    cr_assert_not(of_user(harness, CARL, 1, NULL)->items[0]->has_read_at);
    cr_assert_eq(mark(harness, ANN, BOB, 5), 1, "up to a message of one's own");
    harness_close(harness);
}

Test(dms_mark_read, refuses_strangers_and_messages_of_others)
{
    struct harness *harness = open_dms();
    sent(harness, ANN, BOB);
    sent(harness, ANN, CARL);
    uint64_t head = harness_head_seq(harness);
    cr_assert_eq(mark_status(harness, CARL, ANN, BOB, CARL, 1, NULL), STATUS_FORBIDDEN);
    cr_assert_eq(mark_status(harness, NOBODY, ANN, BOB, CARL, 1, NULL), STATUS_FORBIDDEN);
    cr_assert_eq(mark_status(harness, CARL, ANN, BOB, BOB, 1, NULL), STATUS_FORBIDDEN);
    cr_assert_eq(mark_status(harness, ANN, ANN, BOB, BOB, 1, NULL), STATUS_FORBIDDEN);
    cr_assert_eq(mark_status(harness, BOB, ANN, BOB, BOB, 2, NULL), STATUS_UP_TO_OUTSIDE);
    cr_assert_eq(mark_status(harness, BOB, BOB, BOB, BOB, 1, NULL), STATUS_UP_TO_OUTSIDE);
    cr_assert_eq(mark_status(harness, BOB, ANN, BOB, BOB, 99, NULL), STATUS_MESSAGE_NOT_FOUND);
    cr_assert_eq(harness_head_seq(harness), head);
    cr_assert_eq(mark_status(harness, BOB, BOB, ANN, BOB, 1, NULL), STATUS_OK);
    harness_close(harness);
}

Test(dms_mark_read, agrees_with_a_plain_count_over_random_talks)
{
    struct harness *harness = open_dms();
    unsigned seed = seed_print();
    struct {
        uint64_t from, to;
        bool read;
    } all[200];
    size_t count = 0;
    const uint64_t users[] = {ANN, BOB, CARL};
    while (count < ARRAY_LEN(all)) {
        uint64_t a = users[rand_r(&seed) % 3], b = users[rand_r(&seed) % 3];
        if (count == 0 || rand_r(&seed) % 4 != 0) {
            sent(harness, a, b);
            all[count].from = a;
            all[count].to = b;
            all[count++].read = false;
            continue;
        }
        uint64_t up_to = 1 + (uint64_t)rand_r(&seed) % count;
        if (!(all[up_to - 1].from == a && all[up_to - 1].to == b) &&
            !(all[up_to - 1].from == b && all[up_to - 1].to == a)) {
            cr_assert_eq(mark_status(harness, a, a, b, a, up_to, NULL), STATUS_UP_TO_OUTSIDE);
            continue;
        }
        uint64_t expected = 0;
        for (size_t i = 0; i < up_to; i++) {
            bool marks = all[i].to == a && all[i].from == b && !all[i].read;
            expected += marks;
            all[i].read = all[i].read || marks;
        }
        cr_assert_eq(mark(harness, a, b, up_to), expected);
    }
    cr_assert(harness_rebuild_is_equal(harness));
    for (size_t u = 0; u < 3; u++) {
        Pb__DirectMessagePage *page = NULL;
        do {
            page = of_user(harness, users[u], 100, page);
            for (size_t i = 0; i < page->n_items; i++)
                cr_assert_eq(page->items[i]->has_read_at, all[page->items[i]->message_id - 1].read);
        } while (page->has_next);
    }
    harness_close(harness);
}

Test(dms, go_on_where_they_were_after_a_restart)
{
    struct harness *harness = open_dms();
    sent(harness, ANN, BOB);
    sent(harness, BOB, ANN);
    cr_assert_eq(mark(harness, BOB, ANN, 1), 1);
    harness_restart(harness);
    ASSERT_IDS(conversation(harness, ANN, BOB, 10, NULL), 1, 2);
    cr_assert_eq(mark(harness, BOB, ANN, 2), 0);
    cr_assert_eq(sent(harness, ANN, BOB)->message_id, 3);
    cr_assert_eq(mark(harness, BOB, ANN, 3), 1);
    cr_assert(harness_rebuild_is_equal(harness));
    cr_assert_eq(sent(harness, ANN, BOB)->message_id, 4);
    harness_close(harness);
}
