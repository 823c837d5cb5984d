#include "gateway/session_follower.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"
#include "proto/engine.pb-c.h"
#include "proto/schema_commands.h"
#include "proto/token.h"
#include "proto/users.pb-c.h"

enum { EVENT_USER_SESSIONS_CLOSED = 0x0108 }; /* proto/users.proto */

struct session_follower {
    const struct engine_transport *transport;
    void *peer, *call;
    const struct mac_key *key;
    struct request_ids *ids;
    struct closed_sessions *closed;
    struct batch batch;
    uint64_t log_id, seq; /* this worker's cursor; log_id 0: never heard */
    uint64_t epoch;       /* under which it adds; 0: none yet */
    uint64_t old_epoch;   /* while the page is filled anew: what it is looked at by until then */
    bool anew;
    uint64_t serial;
    uint64_t next_ms;   /* UINT64_MAX: a question is under way */
    bool asks_for_head; /* it is that question */
    bool head_known, full_told;
};

/* --- asking --- */

static void ask(struct session_follower *follower, uint16_t command, const void *payload, size_t length,
                uint64_t deadline_ms, uint64_t timeout_ms)
{
    struct request_frame frame = {.command = command, .length = (uint32_t)length};
    frame.deadline_ms = follower->transport->now_us(follower->peer) / 1000 + deadline_ms;
    request_ids_next(follower->ids, &frame.id);
    follower->asks_for_head = command == COMMAND_ID_engine_head;
    follower->next_ms = UINT64_MAX;
    batch_begin(&follower->batch, BATCH_REQUEST, follower->ids->run_id, ++follower->serial);
    uint8_t *at = batch_add_request(&follower->batch, &frame);
    if (length > 0)
        memcpy(at, payload, length);
    batch_seal(&follower->batch, follower->key);
    follower->transport->call_start(follower->call, follower->batch.bytes, follower->batch.length,
                                    timeout_ms);
}

static void pull(struct session_follower *follower)
{
    uint32_t types[] = {EVENT_USER_SESSIONS_CLOSED};
    uint8_t payload[64];
    Pb__EventsPull request = PB__EVENTS_PULL__INIT;
    request.has_log_id = request.has_after_seq = true;
    request.log_id = follower->log_id;
    request.after_seq = follower->seq;
    request.n_types = ARRAY_LEN(types);
    request.types = types;
    ensure(pb__events_pull__get_packed_size(&request) <= sizeof(payload));
    /* It is answered before its frame's deadline; the call itself waits a little longer for that answer. */
    ask(follower, COMMAND_ID_engine_pull, payload, pb__events_pull__pack(&request, payload),
        LIMIT_PULL_HOLD_MS, LIMIT_PULL_HOLD_MS + LIMIT_ASK_MS);
}

static void next_question(struct session_follower *follower)
{
    if (!follower->head_known && !closed_sessions_known(follower->closed))
        ask(follower, COMMAND_ID_engine_head, NULL, 0, LIMIT_ASK_MS, LIMIT_ASK_MS);
    else
        pull(follower);
}

/* --- answers --- */

static bool add_under(struct session_follower *follower, uint64_t epoch, const Pb__UserSessionsClosed *event)
{
    uint64_t now_ms = clock_wall_ms();
    /* A worker may have let somebody renew a token a moment longer. */
    uint64_t until_ms = event->closed_at + TOKEN_LIFE_MS + LIMIT_DEADLINE_MS;
    bool fits = true;
    if (event->upto != 0)
        fits = closed_sessions_add_upto(follower->closed, epoch, event->user_id, (uint32_t)event->upto,
                                        (uint32_t)event->except, until_ms, now_ms);
    if (event->session != 0)
        fits = closed_sessions_add(follower->closed, epoch, event->user_id, (uint32_t)event->session,
                                   until_ms, now_ms) &&
               fits;
    return fits;
}

/* Also under the epoch that counts, where another worker brought about another one than this worker fills. */
static void add_event(struct session_follower *follower, const Pb__EventRecord *record)
{
    uint64_t counting = closed_sessions_epoch(follower->closed);
    Pb__UserSessionsClosed *event =
        pb__user_sessions_closed__unpack(NULL, record->payload.len, record->payload.data);
    if (event == NULL) {
        log_error("an event of the users engine cannot be read seq=%llu", (unsigned long long)record->seq);
        return;
    }
    bool fits = add_under(follower, follower->epoch, event);
    if (counting != 0 && counting != follower->epoch)
        fits = add_under(follower, counting, event) && fits;
    if (!fits && !follower->full_told) {
        log_error("too many closed sessions: some tokens are refused with 503 (told once)");
        follower->full_told = true;
    }
    pb__user_sessions_closed__free_unpacked(event, NULL);
}

/* All that the log has is added. */
static void caught_up(struct session_follower *follower)
{
    follower->epoch =
        closed_sessions_publish(follower->closed, follower->anew ? follower->old_epoch : 0, follower->epoch);
    follower->anew = false;
    closed_sessions_set_cursor(follower->closed, follower->log_id, follower->seq);
}

/* A log goes on under other ids when its engine was restarted; a reset says that it is another log. */
static void begin_anew(struct session_follower *follower, uint64_t log_id)
{
    log_notice("the users engine has another event log; following it from its beginning");
    follower->log_id = follower->seq = 0;
    follower->old_epoch = closed_sessions_epoch(follower->closed);
    follower->epoch = log_id;
    follower->anew = true;
}

static void take_events(struct session_follower *follower, const Pb__EventsPulled *pulled)
{
    uint64_t counting = closed_sessions_epoch(follower->closed);
    if (!follower->anew && counting != 0)
        follower->epoch = counting;
    else if (follower->epoch == 0)
        follower->epoch = pulled->log_id;
    follower->log_id = pulled->log_id;
    for (size_t i = 0; i < pulled->n_events; i++)
        add_event(follower, pulled->events[i]);
    follower->seq = pulled->upto_seq;
    if (follower->seq >= pulled->head_seq)
        caught_up(follower);
}

static bool take_pulled(struct session_follower *follower, const struct reply_frame *frame)
{
    Pb__EventsPulled *pulled = pb__events_pulled__unpack(NULL, frame->length, frame->payload);
    if (pulled == NULL)
        return false;
    if (pulled->reset)
        begin_anew(follower, pulled->log_id);
    else if (pulled->log_id != 0) /* 0: nothing is said of the log */
        take_events(follower, pulled);
    pb__events_pulled__free_unpacked(pulled, NULL);
    return true;
}

static bool take_head(struct session_follower *follower, const struct reply_frame *frame)
{
    Pb__EventsHeadAnswer *head = pb__events_head_answer__unpack(NULL, frame->length, frame->payload);
    if (head == NULL)
        return false;
    if (head->head_seq == 0) /* nothing ever happened there: this is all */
        follower->epoch = closed_sessions_publish(follower->closed, 0, head->log_id);
    follower->head_known = true;
    pb__events_head_answer__free_unpacked(head, NULL);
    return true;
}

static bool take_answer(struct session_follower *follower, const uint8_t *bytes, size_t length)
{
    struct batch_reader reader;
    struct reply_frame frame;
    if (batch_open(&reader, BATCH_REPLY, bytes, length, follower->key) != BATCH_FINE ||
        reader.serial != follower->serial || !batch_next_reply(&reader, &frame) || frame.status != STATUS_OK)
        return false;
    return follower->asks_for_head ? take_head(follower, &frame) : take_pulled(follower, &frame);
}

static void on_done(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct session_follower *follower = arg;
    if (result == CALL_ANSWERED && take_answer(follower, bytes, length)) {
        next_question(follower);
        return;
    }
    follower->head_known = false; /* an engine that was restarted does not know who is in a hurry */
    follower->next_ms = follower->transport->now_us(follower->peer) / 1000 + SESSION_FOLLOWER_GAP_MS;
}

struct session_follower *session_follower_new(const struct engine_transport *transport, void *peer,
                                              const struct mac_key *key, struct request_ids *ids,
                                              struct closed_sessions *closed)
{
    struct session_follower *follower = xcalloc(1, sizeof(*follower));
    follower->transport = transport;
    follower->peer = peer;
    follower->key = key;
    follower->ids = ids;
    follower->closed = closed;
    follower->call = transport->call_new(peer, on_done, follower);
    closed_sessions_cursor(closed, &follower->log_id, &follower->seq);
    follower->epoch = closed_sessions_epoch(closed);
    return follower;
}

void session_follower_free(struct session_follower *follower)
{
    if (follower == NULL)
        return;
    follower->transport->call_cancel(follower->call);
    batch_dispose(&follower->batch);
    free(follower);
}

void session_follower_tick(struct session_follower *follower)
{
    if (follower->next_ms <= follower->transport->now_us(follower->peer) / 1000)
        next_question(follower);
}

uint64_t session_follower_next_ms(const struct session_follower *follower)
{
    return follower->next_ms;
}
