/* session_follower.c against a users engine that the test plays: no sockets, no clock but the wall's. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/log.h"
#include "gateway/session_follower.h"
#include "proto/engine.pb-c.h"
#include "proto/schema_commands.h"
#include "proto/token.h"
#include "proto/users.pb-c.h"

#define LOG          4711
#define CLOSED_EVENT 0x0108

static struct world {
    call_done_fn done;
    void *arg;
    bool busy;
    uint8_t *bytes;
    size_t length;
    uint64_t now_ms;
    struct mac_key key;
    struct request_ids ids;
    struct closed_sessions *closed;
    struct session_follower *follower;
} world;

static void *fake_call_new(void *peer, call_done_fn done, void *arg)
{
    (void)peer;
    world.done = done;
    world.arg = arg;
    return &world;
}

static void fake_call_start(void *call, const uint8_t *bytes, size_t length, uint64_t timeout_ms)
{
    (void)call;
    cr_assert(!world.busy && timeout_ms > 0);
    world.busy = true;
    world.bytes = xrealloc(world.bytes, length);
    memcpy(world.bytes, bytes, length);
    world.length = length;
}

static void fake_call_cancel(void *call)
{
    (void)call;
    world.busy = false;
}

static uint64_t fake_now_us(void *peer)
{
    (void)peer;
    return world.now_ms * 1000;
}

static const struct engine_transport transport = {fake_call_new, fake_call_start, fake_call_cancel,
                                                  fake_now_us};

static void follow(void)
{
    world.follower = session_follower_new(&transport, NULL, &world.key, &world.ids, world.closed);
    session_follower_tick(world.follower);
}

static void world_open(void)
{
    log_open("test", LOG_LEVEL_ERROR);
    ensure(sodium_init() >= 0);
    world.now_ms = 1000000;
    request_ids_open(&world.ids);
    world.closed = closed_sessions_open(-1);
    follow();
}

static void world_close(void)
{
    session_follower_free(world.follower);
    closed_sessions_close(world.closed);
    free(world.bytes);
}

TestSuite(session_follower, .init = world_open, .fini = world_close);

/* The question under way. */
static struct request_frame asked(uint64_t *serial)
{
    struct batch_reader reader;
    struct request_frame frame;
    cr_assert(world.busy, "nothing is asked");
    cr_assert_eq(batch_open(&reader, BATCH_REQUEST, world.bytes, world.length, &world.key), BATCH_FINE);
    cr_assert(reader.count == 1 && batch_next_request(&reader, &frame));
    if (serial != NULL)
        *serial = reader.serial;
    return frame;
}

static void expect_pull(uint64_t log_id, uint64_t after_seq)
{
    struct request_frame frame = asked(NULL);
    cr_assert_eq(frame.command, COMMAND_ID_engine_pull);
    Pb__EventsPull *pull = pb__events_pull__unpack(NULL, frame.length, frame.payload);
    cr_assert(pull != NULL && pull->log_id == log_id && pull->after_seq == after_seq);
    cr_assert(pull->n_types == 1 && pull->types[0] == CLOSED_EVENT);
    pb__events_pull__free_unpacked(pull, NULL);
}

static void answer_with(const ProtobufCMessage *message, const struct mac_key *key)
{
    uint64_t serial;
    struct batch batch = {0};
    struct request_frame frame = asked(&serial);
    struct reply_frame reply = {.status = STATUS_OK, .id = frame.id};
    reply.length = (uint32_t)protobuf_c_message_get_packed_size(message);
    batch_begin(&batch, BATCH_REPLY, 1, serial);
    protobuf_c_message_pack(message, batch_add_reply(&batch, &reply));
    batch_seal(&batch, key);
    world.busy = false;
    world.done(world.arg, CALL_ANSWERED, batch.bytes, batch.length);
    batch_dispose(&batch);
}

static void answer_head(uint64_t head_seq)
{
    Pb__EventsHeadAnswer head = PB__EVENTS_HEAD_ANSWER__INIT;
    cr_assert_eq(asked(NULL).command, COMMAND_ID_engine_head);
    head.has_log_id = head.has_head_seq = true;
    head.log_id = LOG;
    head.head_seq = head_seq;
    answer_with(&head.base, &world.key);
}

/* `session` 0: no event. */
static void answer_pull(uint64_t log_id, uint64_t upto_seq, uint64_t head_seq, uint64_t user,
                        uint64_t session)
{
    uint8_t bytes[64];
    Pb__UserSessionsClosed event = PB__USER_SESSIONS_CLOSED__INIT;
    event.has_user_id = event.has_session = event.has_closed_at = true;
    event.user_id = user;
    event.session = session;
    event.closed_at = clock_wall_ms();
    Pb__EventRecord record = PB__EVENT_RECORD__INIT, *records[] = {&record};
    record.has_seq = record.has_type = record.has_payload = true;
    record.seq = upto_seq;
    record.type = CLOSED_EVENT;
    record.payload = (ProtobufCBinaryData){pb__user_sessions_closed__pack(&event, bytes), bytes};
    Pb__EventsPulled pulled = PB__EVENTS_PULLED__INIT;
    pulled.has_log_id = pulled.has_upto_seq = pulled.has_head_seq = true;
    pulled.log_id = log_id;
    pulled.upto_seq = upto_seq;
    pulled.head_seq = head_seq;
    pulled.n_events = session != 0;
    pulled.events = records;
    answer_with(&pulled.base, &world.key);
}

static enum session_state find(uint64_t user, uint32_t session)
{
    return closed_sessions_find(world.closed, user, session, clock_wall_ms());
}

Test(session_follower, knows_at_once_that_an_empty_log_has_closed_nothing)
{
    answer_head(0);
    cr_assert_eq(find(1, 1), SESSION_OPEN);
    expect_pull(0, 0);
}

Test(session_follower, knows_the_list_only_at_the_end_of_the_log)
{
    answer_head(9);
    expect_pull(0, 0);
    answer_pull(LOG, 5, 9, 1, 1);
    cr_assert_eq(find(1, 1), SESSION_UNKNOWN);
    expect_pull(LOG, 5);
    answer_pull(LOG, 9, 9, 2, 1);
    cr_assert_eq(find(1, 1), SESSION_CLOSED);
    cr_assert_eq(find(2, 1), SESSION_CLOSED);
    cr_assert_eq(find(3, 1), SESSION_OPEN);
    expect_pull(LOG, 9);
}

Test(session_follower, goes_on_where_others_were_in_the_page_and_knows_what_they_knew)
{
    answer_head(9);
    answer_pull(LOG, 9, 9, 1, 1);
    session_follower_free(world.follower);
    world.busy = false;
    follow(); /* a new worker: nobody answers it yet */
    expect_pull(LOG, 9);
    cr_assert_eq(find(1, 1), SESSION_CLOSED);
    cr_assert_eq(find(2, 1), SESSION_OPEN);
}

Test(session_follower, asks_again_after_a_while_when_there_is_no_answer)
{
    static const enum call_result failures[] = {CALL_TIMED_OUT, CALL_RESET, CALL_NOT_SENT};
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        world.busy = false;
        world.done(world.arg, failures[i], NULL, 0);
        cr_assert_eq(session_follower_next_ms(world.follower), world.now_ms + SESSION_FOLLOWER_GAP_MS);
        session_follower_tick(world.follower);
        cr_assert(!world.busy, "too early");
        world.now_ms += SESSION_FOLLOWER_GAP_MS;
        session_follower_tick(world.follower);
        cr_assert_eq(asked(NULL).command, COMMAND_ID_engine_head);
    }
}

Test(session_follower, believes_no_answer_with_another_key)
{
    static const struct mac_key other = {.bytes = {1}};
    Pb__EventsHeadAnswer head = PB__EVENTS_HEAD_ANSWER__INIT;
    head.has_log_id = head.has_head_seq = true;
    head.log_id = LOG;
    answer_with(&head.base, &other);
    cr_assert_not(closed_sessions_known(world.closed));
}

Test(session_follower, goes_on_under_the_other_ids_that_the_log_of_a_restarted_engine_has)
{
    answer_head(9);
    answer_pull(LOG, 9, 9, 1, 1);
    answer_pull(LOG + 1, 10, 10, 2, 1);
    expect_pull(LOG + 1, 10);
    cr_assert_eq(find(1, 1), SESSION_CLOSED);
    cr_assert_eq(find(2, 1), SESSION_CLOSED);
    cr_assert_eq(find(3, 1), SESSION_OPEN);
    session_follower_free(world.follower);
    world.busy = false;
    follow(); /* a new worker goes on there, and adds where all look */
    expect_pull(LOG + 1, 10);
    answer_pull(LOG + 2, 11, 11, 3, 1);
    cr_assert_eq(find(1, 1), SESSION_CLOSED);
    cr_assert_eq(find(3, 1), SESSION_CLOSED);
}

Test(session_follower, learns_nothing_of_the_log_from_an_answer_that_says_nothing_of_it)
{
    answer_head(9);
    answer_pull(0, 0, 0, 0, 0);
    cr_assert_not(closed_sessions_known(world.closed));
    expect_pull(0, 0);
}

Test(session_follower, begins_anew_with_another_log)
{
    answer_head(9);
    answer_pull(LOG, 9, 9, 1, 1);
    Pb__EventsPulled reset = PB__EVENTS_PULLED__INIT;
    reset.has_reset = reset.reset = reset.has_log_id = true;
    reset.log_id = LOG + 1;
    answer_with(&reset.base, &world.key);
    expect_pull(0, 0);
    cr_assert_eq(find(1, 1), SESSION_CLOSED, "until the new log is known, the old one counts");
    answer_pull(LOG + 1, 2, 2, 5, 1);
    cr_assert_eq(find(1, 1), SESSION_OPEN);
    cr_assert_eq(find(5, 1), SESSION_CLOSED);
}
