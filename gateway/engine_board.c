#include "gateway/engine_board.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "proto/schema_commands.h"

struct ping {
    struct engine_board *board;
    void *call;
    uint64_t serial;
    uint64_t started_us;
    struct engine_state state;
};

TAILQ_HEAD(waiters, engine_waiter);

struct engine_board {
    const struct engine_transport *transport;
    const struct mac_key *key;
    struct request_ids *ids;
    struct ping pings[DOMAIN_COUNT];
    unsigned busy; /* pings under way; 0: no round */
    uint64_t last_serial;
    struct batch batch;
    struct waiters waiters;
};

/* False: no answer, or not one of our engine. */
static bool read_status(const struct ping *ping, const uint8_t *bytes, size_t length,
                        Pb__EngineStatus *status)
{
    struct batch_reader reader;
    struct reply_frame frame;
    if (batch_open(&reader, BATCH_REPLY, bytes, length, ping->board->key) != BATCH_FINE ||
        reader.serial != ping->serial || !batch_next_reply(&reader, &frame) || frame.status != STATUS_OK)
        return false;
    Pb__EngineStatus *unpacked = pb__engine_status__unpack(NULL, frame.length, frame.payload);
    if (unpacked == NULL)
        return false;
    *status = *unpacked;
    status->domain = NULL;
    status->version = NULL;
    status->n_latency = 0;
    status->latency = NULL;
    status->base.n_unknown_fields = 0;
    status->base.unknown_fields = NULL;
    pb__engine_status__free_unpacked(unpacked, NULL);
    return true;
}

/* Those called back may ask again: that begins the next round. */
static void round_end(struct engine_board *board)
{
    struct waiters done = TAILQ_HEAD_INITIALIZER(done);
    struct engine_waiter *waiter;
    TAILQ_CONCAT(&done, &board->waiters, link);
    while ((waiter = TAILQ_FIRST(&done)) != NULL) {
        TAILQ_REMOVE(&done, waiter, link);
        waiter->done(waiter->arg);
    }
}

const char *engine_condition_name(enum engine_condition condition)
{
    static const char *const names[] = {
        [ENGINE_DOWN] = "down", [ENGINE_SILENT] = "silent", [ENGINE_UP] = "up"};
    return names[condition];
}

static void on_ping(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct ping *ping = arg;
    struct engine_state state = {.was_up = ping->state.was_up, .restarts = ping->state.restarts};
    state.condition = result == CALL_RESET || result == CALL_NOT_SENT ? ENGINE_DOWN : ENGINE_SILENT;
    if (result == CALL_ANSWERED && read_status(ping, bytes, length, &state.status)) {
        state.up = state.was_up = true;
        state.condition = ENGINE_UP;
        state.latency_us = clock_monotonic_us() - ping->started_us;
        state.restarts = state.status.restarts;
    }
    ping->state = state;
    if (--ping->board->busy == 0)
        round_end(ping->board);
}

struct engine_board *engine_board_new(const struct engine_transport *transport, void *const *peers,
                                      const struct mac_key *key, struct request_ids *ids)
{
    struct engine_board *board = xcalloc(1, sizeof(*board));
    board->transport = transport;
    board->key = key;
    board->ids = ids;
    TAILQ_INIT(&board->waiters);
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        board->pings[i].board = board;
        board->pings[i].call = transport->call_new(peers[i], on_ping, &board->pings[i]);
    }
    return board;
}

void engine_board_free(struct engine_board *board)
{
    if (board == NULL)
        return;
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        board->transport->call_cancel(board->pings[i].call);
    batch_dispose(&board->batch);
    free(board);
}

static void ping_start(struct engine_board *board, struct ping *ping)
{
    struct request_frame frame = {.command = COMMAND_ID_engine_ping,
                                  .deadline_ms = clock_monotonic_ms() + ENGINE_BOARD_TIMEOUT_MS};
    request_ids_next(board->ids, &frame.id);
    ping->serial = ++board->last_serial;
    ping->started_us = clock_monotonic_us();
    board->busy++;
    batch_begin(&board->batch, BATCH_REQUEST, board->ids->run_id, ping->serial);
    (void)!batch_add_request(&board->batch, &frame);
    batch_seal(&board->batch, board->key);
    board->transport->call_start(ping->call, board->batch.bytes, board->batch.length,
                                 ENGINE_BOARD_TIMEOUT_MS);
}

void engine_board_ask(struct engine_board *board, struct engine_waiter *waiter)
{
    bool first = TAILQ_EMPTY(&board->waiters); /* no round is under way */
    TAILQ_INSERT_TAIL(&board->waiters, waiter, link);
    for (int i = DOMAIN_FIRST; first && i < DOMAIN_COUNT; i++)
        ping_start(board, &board->pings[i]);
}

const struct engine_state *engine_board_state(const struct engine_board *board, enum domain_id domain)
{
    return &board->pings[domain].state;
}
