/* engine_client.c against an engine that the test plays: no sockets, no clock. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/engine_client.h"
#include "proto/schema_commands.h"

enum { CALL_REQUESTS, CALL_COLLECT, CALL_PROBE, CALLS };
enum { FRAMES_MAX = 64, ANSWERS_MAX = LIMIT_PENDING_PER_ENGINE + 16 };

struct fake_call {
    call_done_fn done;
    void *arg;
    bool busy;
    uint64_t timeout_ms;
    uint8_t *bytes;
    size_t length;
};

struct answer {
    unsigned number; /* of the request */
    uint16_t status, flags;
    char text[32];
    unsigned batch_size;
    struct engine_times times;
};

/* The test's world: one client, its calls, and what its callbacks were told. */
static struct world {
    struct fake_call calls[CALLS];
    unsigned call_count;
    uint64_t now_ms;
    bool enough; /* of answers, after each */
    struct mac_key key;
    struct request_ids ids;
    struct metrics *metrics;
    struct engine_client *client;
    struct answer answers[ANSWERS_MAX];
    size_t answer_count;
} world;

static void *fake_call_new(void *peer, call_done_fn done, void *arg)
{
    (void)peer;
    ensure(world.call_count < CALLS);
    struct fake_call *call = &world.calls[world.call_count++];
    *call = (struct fake_call){.done = done, .arg = arg};
    return call;
}

static void fake_call_start(void *arg, const uint8_t *bytes, size_t length, uint64_t timeout_ms)
{
    struct fake_call *call = arg;
    cr_assert(!call->busy, "a call was started while busy");
    cr_assert_gt(timeout_ms, 0);
    call->busy = true;
    call->timeout_ms = timeout_ms;
    call->length = length;
    call->bytes = xrealloc(call->bytes, length);
    memcpy(call->bytes, bytes, length);
}

static void fake_call_cancel(void *arg)
{
    ((struct fake_call *)arg)->busy = false;
}

static uint64_t fake_now_us(void *peer)
{
    (void)peer;
    return world.now_ms * 1000;
}

static bool fake_enough(void *arg)
{
    (void)arg;
    return world.enough;
}

static const struct engine_transport transport = {fake_call_new, fake_call_start, fake_call_cancel,
                                                  fake_now_us};

static void world_open(void)
{
    log_open("test", LOG_LEVEL_ERROR);
    ensure(sodium_init() >= 0);
    world.now_ms = 1000000;
    request_ids_open(&world.ids);
    world.metrics = metrics_open(-1, 1, 0);
    struct engine_client_config config = {
        .domain = DOMAIN_POSTS,
        .transport = &transport,
        .key = &world.key,
        .ids = &world.ids,
        .metrics = world.metrics,
        .enough = fake_enough,
    };
    world.client = engine_client_new(&config);
}

static void world_close(void)
{
    engine_client_free(world.client);
    metrics_close(world.metrics);
    for (size_t i = 0; i < CALLS; i++)
        free(world.calls[i].bytes);
}

TestSuite(engine_client, .init = world_open, .fini = world_close);

static void on_answer(void *arg, const struct engine_reply *reply)
{
    ensure(world.answer_count < ANSWERS_MAX);
    struct answer *answer = &world.answers[world.answer_count++];
    *answer = (struct answer){.number = (unsigned)(uintptr_t)arg,
                              .status = reply->status,
                              .flags = reply->flags,
                              .batch_size = reply->batch_size,
                              .times = reply->times};
    if (reply->length > 0)
        memcpy(answer->text, reply->payload, reply->length < 31 ? reply->length : 31);
}

/* Request ids of the tests: `key` in every byte. */
static enum status try_send(unsigned number, uint8_t key, uint64_t deadline_ms)
{
    struct engine_request request = {
        .command = COMMAND_ID_posts_get,
        .flags = REQUEST_CLIENT_KEY,
        .actor = number,
        .actor_name = "ada",
        .payload = (const uint8_t *)"payload",
        .length = 7,
        .deadline_ms = deadline_ms,
    };
    memset(request.id.bytes, key, sizeof(request.id.bytes));
    return engine_client_send(world.client, &request, on_answer, (void *)(uintptr_t)number);
}

static void send_number(unsigned number)
{
    cr_assert_eq(try_send(number, (uint8_t)number, world.now_ms + LIMIT_DEADLINE_MS), STATUS_OK);
}

struct sent {
    struct request_frame frames[FRAMES_MAX];
    size_t count;
    uint64_t serial;
};

/* What lies on a call, checked for its MAC. */
static struct sent sent_on(unsigned which)
{
    struct sent sent = {0};
    struct batch_reader reader;
    struct fake_call *call = &world.calls[which];
    cr_assert(call->busy, "nothing was sent on call %u", which);
    cr_assert_eq(batch_open(&reader, BATCH_REQUEST, call->bytes, call->length, &world.key), BATCH_FINE);
    cr_assert_eq(reader.sender, world.ids.run_id);
    cr_assert_leq(reader.count, FRAMES_MAX);
    while (batch_next_request(&reader, &sent.frames[sent.count]))
        sent.count++;
    sent.serial = reader.serial;
    return sent;
}

static void expect_sent(size_t count, const unsigned *numbers)
{
    struct sent sent = sent_on(CALL_REQUESTS);
    cr_assert_eq(sent.count, count, "%zu frames were sent, not %zu", sent.count, count);
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(sent.frames[i].actor, numbers[i], "frame %zu is of request %u", i,
                     (unsigned)sent.frames[i].actor);
}
#define EXPECT_SENT(...) expect_sent(ARRAY_LEN(((unsigned[]){__VA_ARGS__})), (unsigned[]){__VA_ARGS__})

struct reply_row {
    uint8_t key;
    uint16_t status;
    const char *text;
};

static void complete(unsigned which, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct fake_call *call = &world.calls[which];
    cr_assert(call->busy);
    call->busy = false;
    call->done(call->arg, result, bytes, length);
}

static void end_call(unsigned which, enum call_result result)
{
    complete(which, result, NULL, 0);
}

static void answer_call(unsigned which, uint64_t run, const struct reply_row *rows, size_t count,
                        const struct mac_key *key)
{
    struct batch batch = {0};
    batch_begin(&batch, BATCH_REPLY, run, sent_on(which).serial);
    for (size_t i = 0; i < count; i++) {
        const char *text = rows[i].text != NULL ? rows[i].text : "";
        struct reply_frame frame = {.status = rows[i].status, .length = (uint32_t)strlen(text)};
        memset(frame.id.bytes, rows[i].key, sizeof(frame.id.bytes));
        uint8_t *at = batch_add_reply(&batch, &frame);
        memcpy(at, text, strlen(text));
    }
    batch_seal(&batch, key);
    complete(which, CALL_ANSWERED, batch.bytes, batch.length);
    batch_dispose(&batch);
}
#define ANSWER(which, run, ...)                                                                              \
    answer_call(which, run, (struct reply_row[]){__VA_ARGS__},                                               \
                ARRAY_LEN(((struct reply_row[]){__VA_ARGS__})), &world.key)

static void expect_answer(size_t index, unsigned number, enum status status)
{
    cr_assert_gt(world.answer_count, index, "only %zu answers came", world.answer_count);
    cr_expect_eq(world.answers[index].number, number);
    cr_expect_eq(world.answers[index].status, status, "request %u ended with status %u", number,
                 world.answers[index].status);
}

static void advance(uint64_t ms)
{
    world.now_ms += ms;
    engine_client_tick(world.client);
}

Test(engine_client, sends_what_came_in_one_turn_as_one_batch_in_order)
{
    send_number(1);
    send_number(2);
    send_number(3);
    cr_assert_not(world.calls[CALL_REQUESTS].busy);
    engine_client_flush(world.client);
    EXPECT_SENT(1, 2, 3);
    struct request_frame frame = sent_on(CALL_REQUESTS).frames[0];
    cr_expect_eq(frame.command, COMMAND_ID_posts_get);
    cr_expect_eq(frame.flags, REQUEST_CLIENT_KEY);
    cr_expect_eq(frame.length, 7);
    cr_expect(memcmp(frame.payload, "payload", 7) == 0);
    cr_expect_str_eq(frame.actor_name, "ada");
}

Test(engine_client, gives_each_reply_to_its_request_whatever_their_order)
{
    send_number(1);
    send_number(2);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 7, {2, STATUS_OK, "two"}, {1, STATUS_POST_NOT_FOUND, NULL});
    expect_answer(0, 2, STATUS_OK);
    expect_answer(1, 1, STATUS_POST_NOT_FOUND);
    cr_expect_str_eq(world.answers[0].text, "two");
    cr_expect_eq(world.answers[0].batch_size, 2);
    cr_expect_eq(engine_client_pending(world.client), 0);
}

Test(engine_client, keeps_one_batch_in_flight_and_sends_the_rest_as_the_next)
{
    send_number(1);
    engine_client_flush(world.client);
    send_number(2);
    send_number(3);
    engine_client_flush(world.client);
    EXPECT_SENT(1);
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_OK, NULL});
    engine_client_flush(world.client);
    EXPECT_SENT(2, 3);
}

Test(engine_client, sends_frames_of_a_dead_engine_again_alone_under_their_ids)
{
    send_number(1);
    send_number(2);
    engine_client_flush(world.client);
    send_number(3);
    end_call(CALL_REQUESTS, CALL_RESET);
    cr_expect_eq(world.answer_count, 0);
    engine_client_flush(world.client);
    EXPECT_SENT(1);
    struct request_frame frame = sent_on(CALL_REQUESTS).frames[0];
    cr_expect_eq(frame.flags, REQUEST_CLIENT_KEY | REQUEST_RETRY);
    cr_expect_eq(frame.id.bytes[0], 1);
    ANSWER(CALL_REQUESTS, 8, {1, STATUS_OK, NULL});
    engine_client_flush(world.client);
    EXPECT_SENT(2);
    ANSWER(CALL_REQUESTS, 8, {2, STATUS_OK, NULL});
    engine_client_flush(world.client);
    EXPECT_SENT(3);
    cr_expect_eq(sent_on(CALL_REQUESTS).frames[0].flags, REQUEST_CLIENT_KEY);
    cr_expect_eq(metrics_sum(world.metrics, METRIC_RETRIES), 2);
}

Test(engine_client, gives_up_a_request_that_engines_die_of_and_serves_the_others)
{
    send_number(1);
    send_number(2);
    engine_client_flush(world.client);
    end_call(CALL_REQUESTS, CALL_RESET);
    engine_client_flush(world.client);
    EXPECT_SENT(1);
    end_call(CALL_REQUESTS, CALL_RESET); /* again: it goes behind the other */
    engine_client_flush(world.client);
    EXPECT_SENT(2);
    ANSWER(CALL_REQUESTS, 9, {2, STATUS_OK, NULL});
    expect_answer(0, 2, STATUS_OK);
    engine_client_flush(world.client);
    EXPECT_SENT(1);
    end_call(CALL_REQUESTS, CALL_RESET);
    expect_answer(1, 1, STATUS_POISONOUS);
    cr_expect_eq(engine_client_pending(world.client), 0);
    engine_client_flush(world.client);
    cr_expect_not(world.calls[CALL_REQUESTS].busy);
}

Test(engine_client, sends_nothing_beside_a_request_on_its_last_try_even_while_it_is_deferred)
{
    send_number(1);
    engine_client_flush(world.client);
    for (int i = 0; i < LIMIT_FRAME_RETRIES; i++) {
        end_call(CALL_REQUESTS, CALL_RESET);
        engine_client_flush(world.client);
        EXPECT_SENT(1);
    }
    send_number(2);
    ANSWER(CALL_REQUESTS, 9, {1, STATUS_DEFERRED, NULL});
    engine_client_flush(world.client);
    cr_expect_not(world.calls[CALL_REQUESTS].busy);
    ANSWER(CALL_COLLECT, 9, {1, STATUS_OK, NULL});
    expect_answer(0, 1, STATUS_OK);
    engine_client_flush(world.client);
    EXPECT_SENT(2);
}

Test(engine_client, keeps_what_was_never_sent_in_its_order_until_its_deadline)
{
    send_number(1);
    send_number(2);
    engine_client_flush(world.client);
    send_number(3);
    end_call(CALL_REQUESTS, CALL_NOT_SENT);
    cr_expect_eq(world.answer_count, 0);
    engine_client_flush(world.client);
    EXPECT_SENT(1, 2, 3);
    cr_expect_eq(sent_on(CALL_REQUESTS).frames[0].flags, REQUEST_CLIENT_KEY);
    advance(LIMIT_DEADLINE_MS);
    cr_assert_eq(world.answer_count, 3);
    expect_answer(2, 3, STATUS_EXPIRED);
}

Test(engine_client, answers_each_request_at_its_own_deadline_while_the_batch_hangs)
{
    cr_assert_eq(try_send(1, 1, world.now_ms + 500), STATUS_OK);
    cr_assert_eq(try_send(2, 2, world.now_ms + 300), STATUS_OK);
    engine_client_flush(world.client);
    cr_expect_geq(world.calls[CALL_REQUESTS].timeout_ms, 500, "the call must outlast its latest request");
    cr_expect_eq(engine_client_next_ms(world.client), world.now_ms + 300);
    advance(299);
    cr_expect_eq(world.answer_count, 0);
    advance(1);
    expect_answer(0, 2, STATUS_EXPIRED);
    advance(200);
    expect_answer(1, 1, STATUS_EXPIRED);
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_OK, NULL}, {2, STATUS_OK, NULL}); /* too late: heard by nobody */
    cr_expect_eq(world.answer_count, 2);
    cr_expect_eq(engine_client_pending(world.client), 0);
}

Test(engine_client, refuses_at_once_after_a_timeout_until_a_ping_is_answered)
{
    send_number(1);
    engine_client_flush(world.client);
    advance(LIMIT_DEADLINE_MS);
    expect_answer(0, 1, STATUS_EXPIRED);
    end_call(CALL_REQUESTS, CALL_TIMED_OUT);
    cr_expect_eq(try_send(2, 2, world.now_ms + 100), STATUS_ENGINE_UNAVAILABLE);
    engine_client_tick(world.client);
    cr_expect_eq(sent_on(CALL_PROBE).frames[0].command, COMMAND_ID_engine_ping);
    end_call(CALL_PROBE, CALL_TIMED_OUT);
    engine_client_tick(world.client);
    cr_expect_not(world.calls[CALL_PROBE].busy, "the next ping must wait a little");
    cr_expect_eq(engine_client_next_ms(world.client), world.now_ms + ENGINE_PROBE_GAP_MS);
    advance(ENGINE_PROBE_GAP_MS);
    ANSWER(CALL_PROBE, 8, {0, STATUS_OK, NULL});
    send_number(3);
    engine_client_flush(world.client);
    EXPECT_SENT(3);
}

Test(engine_client, lets_what_waits_behind_a_hung_batch_go_when_the_engine_is_back_in_time)
{
    send_number(1);
    engine_client_flush(world.client);
    advance(1500);
    send_number(2);
    advance(500 + ENGINE_GRACE_MS);
    end_call(CALL_REQUESTS, CALL_TIMED_OUT);
    engine_client_flush(world.client);
    cr_expect_not(world.calls[CALL_REQUESTS].busy);
    engine_client_tick(world.client);
    ANSWER(CALL_PROBE, 8, {0, STATUS_OK, NULL});
    engine_client_flush(world.client);
    EXPECT_SENT(2);
}

Test(engine_client, collects_deferred_answers_on_a_call_of_its_own)
{
    send_number(1);
    send_number(2);
    engine_client_flush(world.client);
    cr_assert_not(world.calls[CALL_COLLECT].busy);
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_DEFERRED, NULL}, {2, STATUS_OK, NULL});
    expect_answer(0, 2, STATUS_OK);
    struct sent collect = sent_on(CALL_COLLECT);
    cr_expect_eq(collect.count, 1);
    cr_expect_eq(collect.frames[0].command, COMMAND_ID_engine_collect);
    cr_expect_eq(collect.frames[0].deadline_ms, world.now_ms + LIMIT_COLLECT_HOLD_MS);
    send_number(3); /* the others go on meanwhile */
    engine_client_flush(world.client);
    EXPECT_SENT(3);
    ANSWER(CALL_REQUESTS, 7, {3, STATUS_DEFERRED, NULL});
    ANSWER(CALL_COLLECT, 7, {1, STATUS_OK, "one"});
    expect_answer(1, 1, STATUS_OK);
    cr_expect(world.calls[CALL_COLLECT].busy, "one is deferred still");
    ANSWER(CALL_COLLECT, 7, {3, STATUS_OK, NULL});
    expect_answer(2, 3, STATUS_OK);
    cr_expect_not(world.calls[CALL_COLLECT].busy);
}

Test(engine_client, takes_a_collected_answer_that_overtakes_the_batch)
{
    send_number(1);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_DEFERRED, NULL});
    send_number(2);
    engine_client_flush(world.client);
    ANSWER(CALL_COLLECT, 7, {1, STATUS_OK, NULL}, {2, STATUS_OK, "early"});
    expect_answer(1, 2, STATUS_OK);
    ANSWER(CALL_REQUESTS, 7, {2, STATUS_DEFERRED, NULL});
    cr_expect_eq(world.answer_count, 2);
    cr_expect_eq(engine_client_pending(world.client), 0);
}

Test(engine_client, sends_deferred_frames_again_when_the_collect_breaks)
{
    send_number(1);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_DEFERRED, NULL});
    end_call(CALL_COLLECT, CALL_RESET);
    engine_client_flush(world.client);
    EXPECT_SENT(1);
    cr_expect(sent_on(CALL_REQUESTS).frames[0].flags & REQUEST_RETRY);
}

Test(engine_client, sends_deferred_frames_again_when_another_run_of_the_engine_answers)
{
    send_number(1);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_DEFERRED, NULL});
    send_number(2);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 8, {2, STATUS_OK, NULL});
    engine_client_flush(world.client);
    EXPECT_SENT(1);
    ANSWER(CALL_REQUESTS, 8, {1, STATUS_OK, NULL});
    expect_answer(1, 1, STATUS_OK);
}

Test(engine_client, forgets_a_deferred_frame_that_expired_and_is_never_answered)
{
    send_number(1);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_DEFERRED, NULL});
    advance(LIMIT_DEADLINE_MS);
    expect_answer(0, 1, STATUS_EXPIRED);
    cr_expect_eq(engine_client_pending(world.client), 1);
    advance(engine_client_next_ms(world.client) - world.now_ms);
    cr_expect_eq(engine_client_pending(world.client), 0);
}

Test(engine_client, fails_what_the_reply_leaves_out)
{
    send_number(1);
    send_number(2);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 7, {2, STATUS_OK, NULL});
    expect_answer(0, 2, STATUS_OK);
    expect_answer(1, 1, STATUS_ENGINE_UNAVAILABLE);
}

Test(engine_client, believes_no_reply_with_a_wrong_mac)
{
    struct mac_key other = {{1}};
    struct reply_row row = {1, STATUS_OK, "forged"};
    send_number(1);
    engine_client_flush(world.client);
    answer_call(CALL_REQUESTS, 7, &row, 1, &other);
    expect_answer(0, 1, STATUS_ENGINE_UNAVAILABLE);
    cr_expect_eq(metrics_sum(world.metrics, METRIC_BAD_MACS), 1);
    cr_expect_eq(try_send(2, 2, world.now_ms + 100), STATUS_ENGINE_UNAVAILABLE,
                 "until our engine is there again");
}

Test(engine_client, bounds_its_queue)
{
    for (unsigned i = 0; i < LIMIT_PENDING_PER_ENGINE; i++)
        cr_assert_eq(try_send(i, (uint8_t)i, world.now_ms + 1000), STATUS_OK);
    cr_expect_eq(try_send(1, 1, world.now_ms + 1000), STATUS_OVERLOADED);
    advance(1000);
    cr_expect_eq(world.answer_count, LIMIT_PENDING_PER_ENGINE);
    send_number(1);
}

Test(engine_client, refuses_a_request_whose_deadline_is_past)
{
    cr_expect_eq(try_send(1, 1, world.now_ms), STATUS_EXPIRED);
}

Test(engine_client, holds_a_twin_under_the_same_id_back_until_the_first_is_decided)
{
    cr_assert_eq(try_send(1, 9, world.now_ms + 1000), STATUS_OK);
    cr_assert_eq(try_send(2, 9, world.now_ms + 1000), STATUS_OK);
    cr_assert_eq(try_send(3, 3, world.now_ms + 1000), STATUS_OK);
    engine_client_flush(world.client);
    EXPECT_SENT(1, 3);
    ANSWER(CALL_REQUESTS, 7, {9, STATUS_DEFERRED, NULL}, {3, STATUS_OK, NULL});
    engine_client_flush(world.client);
    cr_expect_not(world.calls[CALL_REQUESTS].busy);
    ANSWER(CALL_COLLECT, 7, {9, STATUS_OK, NULL});
    engine_client_flush(world.client);
    EXPECT_SENT(2);
}

/* The answer to `count` requests of numbers 1, 2, ..., all in one batch that takes `took_ms`. */
static void decide_batch(unsigned count, unsigned took_ms)
{
    struct reply_row rows[FRAMES_MAX];
    for (unsigned i = 0; i < count; i++) {
        send_number(i + 1);
        rows[i] = (struct reply_row){(uint8_t)(i + 1), STATUS_OK, NULL};
    }
    engine_client_flush(world.client);
    world.now_ms += took_ms;
    answer_call(CALL_REQUESTS, 7, rows, count, &world.key);
}

/* Sends until one is refused; returns how many were taken. None goes out meanwhile. */
static unsigned fill_queue(void)
{
    unsigned taken = 0;
    while (taken <= LIMIT_PENDING_PER_ENGINE &&
           try_send(200, 200, world.now_ms + LIMIT_DEADLINE_MS) == STATUS_OK)
        taken++;
    return taken;
}

Test(engine_client, lets_wait_what_the_engine_decides_in_the_time_for_it)
{
    decide_batch(50, 5); /* 10 in a ms */
    cr_expect_eq(fill_queue(), 10 * LIMIT_QUEUE_MS);
    cr_expect_gt(metrics_sum(world.metrics, METRIC_SHED_ENGINE), 0);
}

Test(engine_client, lets_a_few_wait_for_the_slowest_engine)
{
    decide_batch(2, 1000);
    cr_expect_eq(fill_queue(), LIMIT_QUEUE_MIN);
}

Test(engine_client, lets_all_wait_for_an_engine_that_died)
{
    decide_batch(2, 1000);
    send_number(1);
    engine_client_flush(world.client);
    end_call(CALL_REQUESTS, CALL_RESET);
    cr_expect_eq(fill_queue(), LIMIT_PENDING_PER_ENGINE - 1);
}

Test(engine_client, takes_further_steps_of_admitted_requests_when_others_are_refused)
{
    decide_batch(2, 1000);
    (void)fill_queue();
    struct engine_request request = {.command = COMMAND_ID_posts_get,
                                     .actor_name = "",
                                     .deadline_ms = world.now_ms + LIMIT_DEADLINE_MS,
                                     .admitted = true};
    cr_expect_eq(engine_client_send(world.client, &request, on_answer, NULL), STATUS_OK);
}

/* An answer in each turn, and the others held. */
static void hold_answers_of_four(void)
{
    for (unsigned i = 1; i <= 4; i++)
        send_number(i);
    engine_client_flush(world.client);
    world.enough = true;
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_OK, "one"}, {2, STATUS_DEFERRED, NULL}, {3, STATUS_OK, "three"},
           {4, STATUS_OK, "four"});
    cr_assert_eq(world.answer_count, 1);
}

Test(engine_client, holds_answers_that_a_turn_has_no_time_for_while_the_engine_goes_on)
{
    hold_answers_of_four();
    cr_expect_eq(engine_client_next_ms(world.client), 0, "the rest would wait for traffic");
    send_number(5);
    engine_client_flush(world.client);
    EXPECT_SENT(5);
    engine_client_tick(world.client);
    cr_assert_eq(world.answer_count, 2);
    expect_answer(1, 3, STATUS_OK);
    cr_expect_str_eq(world.answers[1].text, "three");
    engine_client_tick(world.client);
    expect_answer(2, 4, STATUS_OK);
    cr_expect_str_eq(world.answers[2].text, "four");
    cr_expect_gt(engine_client_next_ms(world.client), world.now_ms);
    ANSWER(CALL_REQUESTS, 7, {5, STATUS_OK, NULL});
    ANSWER(CALL_COLLECT, 7, {2, STATUS_OK, "two"});
    expect_answer(3, 5, STATUS_OK);
    expect_answer(4, 2, STATUS_OK);
    cr_expect_eq(engine_client_pending(world.client), 0);
}

Test(engine_client, gives_an_engine_no_more_batches_while_its_answers_pile_up)
{
    for (unsigned i = 0; i < LIMIT_REPLIES_HELD; i++) {
        send_number(10 * i + 1);
        send_number(10 * i + 2);
        engine_client_flush(world.client);
        world.enough = true;
        ANSWER(CALL_REQUESTS, 7, {(uint8_t)(10 * i + 1), STATUS_OK, NULL},
               {(uint8_t)(10 * i + 2), STATUS_OK, NULL});
    }
    cr_expect_eq(world.answer_count, 1);
    send_number(99);
    engine_client_flush(world.client);
    cr_expect_not(world.calls[CALL_REQUESTS].busy);
    world.enough = false;
    engine_client_tick(world.client);
    cr_expect_eq(world.answer_count, 2 * LIMIT_REPLIES_HELD);
    engine_client_flush(world.client);
    EXPECT_SENT(99);
}

Test(engine_client, is_done_with_held_answers_before_it_suspects_those_of_a_broken_connection)
{
    hold_answers_of_four();
    send_number(5);
    engine_client_flush(world.client);
    end_call(CALL_REQUESTS, CALL_RESET);
    cr_assert_eq(world.answer_count, 3, "an answer that was here is lost");
    engine_client_flush(world.client);
    EXPECT_SENT(5);
    ANSWER(CALL_REQUESTS, 8,
           {5, STATUS_OK, NULL}); /* another run: it knows nothing of what the first deferred */
    engine_client_flush(world.client);
    EXPECT_SENT(2);
}

Test(engine_client, is_done_with_held_answers_before_those_of_another_run)
{
    hold_answers_of_four();
    send_number(5);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 8, {5, STATUS_OK, NULL});
    cr_assert_eq(world.answer_count, 4);
    expect_answer(3, 5, STATUS_OK);
    engine_client_flush(world.client);
    EXPECT_SENT(2);
}

/* Also late ones, which a collect brought. */
Test(engine_client, is_done_with_held_late_answers_before_those_of_another_run)
{
    for (unsigned i = 1; i <= 3; i++)
        send_number(i);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_DEFERRED, NULL}, {2, STATUS_DEFERRED, NULL},
           {3, STATUS_DEFERRED, NULL});
    engine_client_flush(world.client);
    world.enough = true;
    ANSWER(CALL_COLLECT, 7, {1, STATUS_OK, "one"}, {2, STATUS_OK, "two"}, {3, STATUS_OK, "three"});
    cr_assert_eq(world.answer_count, 1);
    send_number(5);
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 8, {5, STATUS_OK, NULL});
    cr_assert_eq(world.answer_count, 4, "an answer that was here is asked for again");
    world.enough = false;
    engine_client_tick(world.client);
    cr_expect_eq(engine_client_pending(world.client), 0);
}

Test(engine_client, answers_at_its_deadline_what_is_held_too_long_and_only_once)
{
    hold_answers_of_four();
    advance(LIMIT_DEADLINE_MS);
    expect_answer(1, 3, STATUS_OK);
    cr_assert_eq(world.answer_count, 4);
    expect_answer(2, 2, STATUS_EXPIRED);
    expect_answer(3, 4, STATUS_EXPIRED);
    world.enough = false;
    engine_client_tick(world.client);
    cr_expect_eq(world.answer_count, 4);
    advance(LIMIT_DEADLINE_MS + 1);
    cr_expect_eq(engine_client_pending(world.client), 0);
}

Test(engine_client, refuses_what_a_held_reply_left_out)
{
    for (unsigned i = 1; i <= 3; i++)
        send_number(i);
    engine_client_flush(world.client);
    world.enough = true;
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_OK, NULL}, {2, STATUS_OK, NULL});
    engine_client_tick(world.client);
    expect_answer(1, 2, STATUS_OK);
    expect_answer(2, 3, STATUS_ENGINE_UNAVAILABLE);
    cr_expect_eq(engine_client_pending(world.client), 0);
}

/* --- request ids and times --- */

static void send_named(unsigned number, const char *given_id)
{
    struct engine_request request = {
        .command = COMMAND_ID_posts_get,
        .actor = number,
        .actor_name = "ada",
        .deadline_ms = world.now_ms + LIMIT_DEADLINE_MS,
        .trace = 40 + number,
        .given_id = given_id,
    };
    memset(request.id.bytes, (int)number, sizeof(request.id.bytes));
    cr_assert_eq(engine_client_send(world.client, &request, on_answer, (void *)(uintptr_t)number), STATUS_OK);
}

Test(engine_client, tells_which_request_a_frame_is_for_and_what_its_client_called_it)
{
    send_named(1, NULL);
    send_named(2, "clients-own");
    engine_client_flush(world.client);
    struct sent sent = sent_on(CALL_REQUESTS);
    cr_assert_eq(sent.count, 3);
    cr_expect_eq(sent.frames[0].trace, 41);
    cr_assert_eq(sent.frames[1].command, COMMAND_ID_engine_trace);
    Pb__EngineTrace *name = pb__engine_trace__unpack(NULL, sent.frames[1].length, sent.frames[1].payload);
    cr_assert_not_null(name);
    cr_expect_eq(name->trace, 42);
    cr_expect_str_eq(name->id, "clients-own");
    pb__engine_trace__free_unpacked(name, NULL);
    cr_expect_eq(sent.frames[2].trace, 42);
    /* An engine that does not know that command says so in a frame of its own. */
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_OK, NULL}, {99, STATUS_BAD_FRAME, NULL}, {2, STATUS_OK, NULL});
    expect_answer(0, 1, STATUS_OK);
    expect_answer(1, 2, STATUS_OK);
    cr_expect_eq(world.answers[1].batch_size, 2, "names are no requests");
}

/* Answers, and behind them how long they took. */
static void answer_all_with_timings(unsigned which, const uint8_t *keys, size_t count, enum status status,
                                    const Pb__EngineTimings *timings)
{
    struct batch batch = {0};
    struct reply_frame reply = {.status = (uint16_t)status}, told = {.flags = REPLY_TIMINGS};
    batch_begin(&batch, BATCH_REPLY, 7, sent_on(which).serial);
    for (size_t i = 0; i < count; i++) {
        memset(reply.id.bytes, keys[i], sizeof(reply.id.bytes));
        (void)!batch_add_reply(&batch, &reply);
    }
    told.length = (uint32_t)pb__engine_timings__get_packed_size(timings);
    pb__engine_timings__pack(timings, batch_add_reply(&batch, &told));
    batch_seal(&batch, &world.key);
    complete(which, CALL_ANSWERED, batch.bytes, batch.length);
    batch_dispose(&batch);
}

static void answer_with_timings(unsigned which, uint8_t key, enum status status,
                                const Pb__EngineTimings *timings)
{
    answer_all_with_timings(which, &key, 1, status, timings);
}

static Pb__EngineTimings timings_of(uint64_t queue_us, uint64_t decide_us, uint64_t commit_us)
{
    Pb__EngineTimings timings = PB__ENGINE_TIMINGS__INIT;
    timings.has_queue_us = timings.has_decide_us = timings.has_commit_us = true;
    timings.queue_us = queue_us;
    timings.decide_us = decide_us;
    timings.commit_us = commit_us;
    return timings;
}

Test(engine_client, knows_where_the_time_went_and_that_the_rest_was_spent_on_the_way)
{
    send_number(1);
    world.now_ms += 3;
    engine_client_flush(world.client);
    world.now_ms += 10;
    Pb__EngineTimings timings = timings_of(1000, 2000, 4000);
    answer_with_timings(CALL_REQUESTS, 1, STATUS_OK, &timings);
    expect_answer(0, 1, STATUS_OK);
    struct engine_times *times = &world.answers[0].times;
    cr_expect_eq(times->queue_us, 3000);
    cr_expect_eq(times->engine_queue_us, 1000);
    cr_expect_eq(times->decide_us, 2000);
    cr_expect_eq(times->commit_us, 4000);
    cr_expect_eq(times->hop_us, 3000);
    cr_expect_eq(times->steps, 1);
}

Test(engine_client, counts_all_of_the_way_where_an_older_engine_tells_nothing)
{
    send_number(1);
    engine_client_flush(world.client);
    world.now_ms += 10;
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_OK, NULL});
    cr_expect_eq(world.answers[0].times.hop_us, 10000);
}

Test(engine_client, adds_what_a_deferred_request_was_parked_for)
{
    send_number(1);
    engine_client_flush(world.client);
    world.now_ms += 2;
    Pb__EngineTimings first = timings_of(500, 500, 0);
    answer_with_timings(CALL_REQUESTS, 1, STATUS_DEFERRED, &first);
    world.now_ms += 50;
    uint8_t id[REQUEST_ID_BYTES];
    memset(id, 1, sizeof(id));
    Pb__ParkedTiming parked = PB__PARKED_TIMING__INIT, *items[] = {&parked};
    parked.has_id = parked.has_parked_us = parked.has_parked_for = parked.has_decide_us = true;
    parked.id = (ProtobufCBinaryData){.len = sizeof(id), .data = id};
    parked.parked_us = 45000;
    parked.parked_for = PB__PARKED_FOR__password;
    parked.decide_us = 1000;
    Pb__EngineTimings second = PB__ENGINE_TIMINGS__INIT;
    second.n_parked = 1;
    second.parked = items;
    answer_with_timings(CALL_COLLECT, 1, STATUS_OK, &second);
    expect_answer(0, 1, STATUS_OK);
    struct engine_times *times = &world.answers[0].times;
    cr_expect_eq(times->parked_us, 45000);
    cr_expect_str_eq(engine_parked_for(times), "password");
    cr_expect_eq(times->decide_us, 1500);
    cr_expect_eq(times->hop_us, 1000 + 4000);
}

Test(engine_client, counts_once_what_a_reply_tells_whose_answers_are_held)
{
    Pb__ParkedTiming parked[3], *items[3];
    uint8_t ids[3][REQUEST_ID_BYTES];
    for (unsigned i = 0; i < 3; i++) {
        send_number(i + 1);
        memset(ids[i], (int)i + 1, sizeof(ids[i]));
        pb__parked_timing__init(items[i] = &parked[i]);
        parked[i].has_id = parked[i].has_parked_us = true;
        parked[i].id = (ProtobufCBinaryData){.len = sizeof(ids[i]), .data = ids[i]};
        parked[i].parked_us = 4000;
    }
    engine_client_flush(world.client);
    ANSWER(CALL_REQUESTS, 7, {1, STATUS_DEFERRED, NULL}, {2, STATUS_DEFERRED, NULL},
           {3, STATUS_DEFERRED, NULL});
    world.now_ms += 5;
    Pb__EngineTimings timings = timings_of(0, 0, 0);
    timings.n_parked = 3;
    timings.parked = items;
    world.enough = true;
    answer_all_with_timings(CALL_COLLECT, (const uint8_t[]){1, 2, 3}, 3, STATUS_OK, &timings);
    cr_assert_eq(world.answer_count, 1);
    world.now_ms += 2;
    engine_client_tick(world.client);
    world.now_ms += 3;
    engine_client_tick(world.client);
    cr_assert_eq(world.answer_count, 3);
    cr_expect_gt(engine_client_next_ms(world.client), world.now_ms, "nothing but times was left");
    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(world.answers[i].times.parked_us, 4000);
    cr_expect_eq(world.answers[0].times.hop_us, 1000);
    cr_expect_eq(world.answers[1].times.hop_us, 1000 + 2000, "until this process looked");
    cr_expect_eq(world.answers[2].times.hop_us, 1000 + 5000);
}

Test(engine_client, counts_time_with_an_engine_that_died_as_lost)
{
    send_number(1);
    engine_client_flush(world.client);
    world.now_ms += 7;
    end_call(CALL_REQUESTS, CALL_RESET);
    world.now_ms += 2;
    engine_client_flush(world.client);
    world.now_ms += 1;
    ANSWER(CALL_REQUESTS, 8, {1, STATUS_OK, NULL});
    expect_answer(0, 1, STATUS_OK);
    cr_expect_eq(world.answers[0].times.lost_us, 7000);
    cr_expect_eq(world.answers[0].times.queue_us, 2000);
    cr_expect_eq(world.answers[0].times.hop_us, 1000);
}
