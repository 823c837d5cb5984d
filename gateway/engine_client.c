#include "gateway/engine_client.h"

#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/engine_entries.h"
#include "proto/schema_commands.h"
#include "proto/trace.h"

#define ENGINE_FORGET_MS                                                                                     \
    2000 /* how long a deferred answer that came too late for its client is still taken in */

/* One of the client's calls, and what it carries. */
struct channel {
    void *call;
    bool busy;
    uint64_t serial;
    struct batch batch;
};

/* What a turn had no time for. */
struct held_reply {
    TAILQ_ENTRY(held_reply) link;
    struct batch_reader reader; /* of `bytes` */
    struct engine_times times;  /* what the engine told of it */
    uint8_t bytes[];
};

TAILQ_HEAD(held_list, held_reply);

struct engine_client {
    struct engine_client_config config;
    struct entries entries;
    struct channel requests, collect, probe;
    struct held_list held; /* in the order in which they came */
    size_t held_count;
    uint64_t last_serial;
    struct entry *sole;  /* on its last retry: nothing else goes out meanwhile */
    uint64_t sent_ms;    /* the batch under way, or the last one ... */
    unsigned sent_count; /* ... and how many requests it is of */
    size_t room; /* how many requests may wait for their batch; 0: as many as LIMIT_PENDING_PER_ENGINE lets */
    bool circuit_open;
    uint64_t probe_ms;   /* when to ping next; while the circuit is open */
    uint64_t collect_ms; /* not before; after a collect that failed */
    uint64_t forget_ms;  /* when the next given-up deferred request may be dropped */
    bool bad_mac_logged, bad_reply_logged;
};

static uint64_t client_now_us(const struct engine_client *client)
{
    return client->config.transport->now_us(client->config.peer);
}

static uint64_t client_now(const struct engine_client *client)
{
    return client_now_us(client) / 1000;
}

static const char *client_name(const struct engine_client *client)
{
    return domain_name(client->config.domain);
}

static struct entry_list *client_list(struct engine_client *client, enum entry_state state)
{
    return &client->entries.lists[state];
}

const char *engine_parked_for(const struct engine_times *times)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&pb__parked_for__descriptor, (int)times->parked_for);
    return value != NULL ? value->name : "other";
}

void engine_times_add(struct engine_times *sum, const struct engine_times *times)
{
    if (times->parked_us > sum->parked_us)
        sum->parked_for = times->parked_for;
    sum->queue_us += times->queue_us;
    sum->hop_us += times->hop_us;
    sum->engine_queue_us += times->engine_queue_us;
    sum->decide_us += times->decide_us;
    sum->commit_us += times->commit_us;
    sum->parked_us += times->parked_us;
    sum->lost_us += times->lost_us;
    sum->steps += times->steps;
}

/* How long it was in its state until now; it begins another. */
static uint64_t entry_lap(struct entry *entry, uint64_t now_us)
{
    uint64_t lap_us = now_us > entry->since_us ? now_us - entry->since_us : 0;
    entry->since_us = now_us;
    return lap_us;
}

/* It leaves its state without an answer. */
static void entry_lose_time(const struct engine_client *client, struct entry *entry)
{
    bool waits = entry->state == ENTRY_QUEUED || entry->state == ENTRY_SUSPECT;
    uint64_t lap_us = entry_lap(entry, client_now_us(client));
    *(waits ? &entry->times.queue_us : &entry->times.lost_us) += lap_us;
}

/* What the engine does not account for was spent on the way. */
static void entry_take_time(struct entry *entry, const struct engine_times *engine, uint64_t now_us)
{
    uint64_t lap_us = entry_lap(entry, now_us);
    uint64_t told_us = engine->engine_queue_us + engine->decide_us + engine->commit_us + engine->parked_us;
    struct engine_times lap = *engine;
    lap.hop_us = lap_us > told_us ? lap_us - told_us : 0;
    lap.steps = 0;
    engine_times_add(&entry->times, &lap);
}

/* The last thing that happens to an entry. */
static void entry_finish(struct engine_client *client, struct entry *entry, const struct engine_reply *reply)
{
    engine_reply_fn done = entry->done;
    void *arg = entry->arg;
    if (client->sole == entry)
        client->sole = NULL;
    entries_remove(&client->entries, entry);
    if (done != NULL)
        done(arg, reply);
}

static void entry_refuse(struct engine_client *client, struct entry *entry, enum status status)
{
    entry_lose_time(client, entry);
    struct engine_reply reply = {
        .status = (uint16_t)status, .batch_size = entry->batch_size, .times = entry->times};
    entry_finish(client, entry, &reply);
}

static void list_refuse(struct engine_client *client, enum entry_state state, enum status status)
{
    struct entry *entry;
    while ((entry = TAILQ_FIRST(client_list(client, state))) != NULL)
        entry_refuse(client, entry, status);
}

/* Its deadline is here: answered now. What is with the engine is kept, unheard, so that its late answer finds
 * its place. */
static void entry_expire(struct engine_client *client, struct entry *entry, uint64_t now_ms)
{
    metrics_add(client->config.metrics, METRIC_EXPIRED, 1);
    if (entry->state == ENTRY_QUEUED || entry->state == ENTRY_SUSPECT) {
        entry_refuse(client, entry, STATUS_EXPIRED);
        return;
    }
    entry_lose_time(client, entry);
    engine_reply_fn done = entry->done;
    struct engine_reply reply = {
        .status = STATUS_EXPIRED, .batch_size = entry->batch_size, .times = entry->times};
    entry->forget_ms = now_ms + ENGINE_FORGET_MS;
    if (client->forget_ms > entry->forget_ms)
        client->forget_ms = entry->forget_ms;
    if (client->sole == entry)
        client->sole = NULL;
    entries_give_up(&client->entries, entry);
    done(entry->arg, &reply);
}

/* The engine that had this frame died with it, or may have. */
static void entry_suspect(struct engine_client *client, struct entry *entry)
{
    if (client->sole == entry)
        client->sole = NULL;
    if (entry->done == NULL) {
        entries_remove(&client->entries, entry);
    } else if (entry->retries >= LIMIT_FRAME_RETRIES) {
        struct trace trace = {client->config.ids->run_id, entry->frame.trace, entry->given_id};
        char id[TRACE_TEXT_MAX + 1];
        log_warn("a request was with an engine each time it died; given up id=%s engine=%s command=0x%04x",
                 trace_text(&trace, id), client_name(client), entry->frame.command);
        entry_refuse(client, entry, STATUS_POISONOUS);
    } else {
        entry_lose_time(client, entry);
        entry->frame.flags |= REQUEST_RETRY;
        entries_move(&client->entries, entry, ENTRY_SUSPECT);
    }
}

static void list_suspect(struct engine_client *client, enum entry_state state)
{
    struct entry *entry;
    while ((entry = TAILQ_FIRST(client_list(client, state))) != NULL)
        entry_suspect(client, entry);
}

/* Another run of the engine has answered: what earlier ones deferred is not known to it. */
static void suspect_other_runs(struct engine_client *client, uint64_t run)
{
    struct entry *entry = TAILQ_FIRST(client_list(client, ENTRY_DEFERRED));
    while (entry != NULL) {
        struct entry *next = TAILQ_NEXT(entry, link);
        if (entry->run != run)
            entry_suspect(client, entry);
        entry = next;
    }
}

static void circuit_set(struct engine_client *client, bool open, const char *why)
{
    if (client->circuit_open == open)
        return;
    client->circuit_open = open;
    client->probe_ms = client_now(client);
    if (open)
        log_warn("engine does not answer; its requests are refused until it does engine=%s why=\"%s\"",
                 client_name(client), why);
    else
        log_notice("engine answers again engine=%s", client_name(client));
}

static void channel_begin(struct engine_client *client, struct channel *channel)
{
    channel->serial = ++client->last_serial;
    batch_begin(&channel->batch, BATCH_REQUEST, client->config.ids->run_id, channel->serial);
}

static void channel_send(struct engine_client *client, struct channel *channel, uint64_t timeout_ms)
{
    batch_seal(&channel->batch, client->config.key);
    channel->busy = true;
    FAULT_POINT(send_before);
    client->config.transport->call_start(channel->call, channel->batch.bytes, channel->batch.length,
                                         timeout_ms);
    FAULT_POINT(send_after);
}

/* A frame without payload of the worker's own. */
static void channel_add_own(struct engine_client *client, struct channel *channel, uint16_t command,
                            uint64_t deadline_ms)
{
    struct request_frame frame = {.command = command, .deadline_ms = deadline_ms};
    request_ids_next(client->config.ids, &frame.id);
    (void)!batch_add_request(&channel->batch, &frame);
}

/* False: not from our engine, or not the answer to what was sent. Counted, and logged the first time. */
static bool reply_open(struct engine_client *client, const struct channel *channel,
                       struct batch_reader *reader, const uint8_t *bytes, size_t length)
{
    enum batch_fault fault = batch_open(reader, BATCH_REPLY, bytes, length, client->config.key);
    if (fault == BATCH_FINE && reader->serial == channel->serial)
        return true;
    bool *logged = fault == BATCH_WRONG_MAC ? &client->bad_mac_logged : &client->bad_reply_logged;
    metrics_add(client->config.metrics, fault == BATCH_WRONG_MAC ? METRIC_BAD_MACS : METRIC_BAD_REPLIES, 1);
    if (!*logged)
        log_error("reply dropped; is this port ours? engine=%s why=\"%s\"", client_name(client),
                  fault == BATCH_WRONG_MAC ? "wrong MAC" : "unreadable");
    *logged = true;
    return false;
}

static void collect_start(struct engine_client *client)
{
    uint64_t now_ms = client_now(client);
    if (client->collect.busy || now_ms < client->collect_ms || client->held_count >= LIMIT_REPLIES_HELD ||
        TAILQ_EMPTY(client_list(client, ENTRY_DEFERRED)))
        return;
    channel_begin(client, &client->collect);
    channel_add_own(client, &client->collect, COMMAND_ID_engine_collect, now_ms + LIMIT_COLLECT_HOLD_MS);
    channel_send(client, &client->collect, LIMIT_COLLECT_HOLD_MS + ENGINE_COLLECT_SLACK_MS);
}

static void entry_defer(struct engine_client *client, struct entry *entry, uint64_t run,
                        const struct engine_times *batch, uint64_t now_us)
{
    if (entry->state != ENTRY_IN_FLIGHT && entry->state != ENTRY_ANSWERED)
        return;
    entry_take_time(entry, batch, now_us);
    metrics_add(client->config.metrics, METRIC_DEFERRED, 1);
    entry->run = run;
    entries_move(&client->entries, entry, ENTRY_DEFERRED);
}

/* What the frames of a collect waited for, each its own time. */
static void take_parked_times(struct engine_client *client, const Pb__EngineTimings *timings)
{
    for (size_t i = 0; i < timings->n_parked; i++) {
        const Pb__ParkedTiming *parked = timings->parked[i];
        struct request_id id;
        if (parked->id.len != sizeof(id.bytes))
            continue;
        memcpy(id.bytes, parked->id.data, sizeof(id.bytes));
        struct entry *entry = entries_by_id(&client->entries, &id);
        if (entry == NULL)
            continue;
        struct engine_times told = {.parked_us = parked->parked_us,
                                    .parked_for = parked->parked_for,
                                    .decide_us = parked->decide_us,
                                    .commit_us = parked->commit_us};
        entry_take_time(entry, &told, client_now_us(client));
    }
}

/* Where the time of a reply's requests went, if the engine is of a version that tells. */
static void reply_times(struct engine_client *client, struct batch_reader reader, struct engine_times *batch)
{
    struct reply_frame frame;
    *batch = (struct engine_times){0};
    while (batch_next_reply(&reader, &frame)) {
        if ((frame.flags & REPLY_TIMINGS) == 0)
            continue;
        Pb__EngineTimings *timings = pb__engine_timings__unpack(NULL, frame.length, frame.payload);
        if (timings == NULL)
            continue;
        batch->engine_queue_us = timings->queue_us;
        batch->decide_us = timings->decide_us;
        batch->commit_us = timings->commit_us;
        take_parked_times(client, timings);
        pb__engine_timings__free_unpacked(timings, NULL);
    }
}

static bool client_has_enough(const struct engine_client *client)
{
    return client->config.enough != NULL && client->config.enough(client->config.enough_arg);
}

/* Nothing but times is left, and those were taken. */
static bool reply_is_over(struct batch_reader reader)
{
    struct reply_frame frame;
    while (batch_next_reply(&reader, &frame))
        if ((frame.flags & REPLY_TIMINGS) == 0)
            return false;
    return true;
}

/* Frames of a reply, one at least; `whole`: all of them. Those of requests that are settled already are
 * skipped. `times` are the reply's, taken when it came. False: some are left. */
static bool reply_settle(struct engine_client *client, struct batch_reader *reader,
                         const struct engine_times *times, bool whole)
{
    struct reply_frame frame;
    uint64_t now_us = client_now_us(client);
    while (batch_next_reply(reader, &frame)) {
        struct entry *entry = entries_by_id(&client->entries, &frame.id);
        if (entry == NULL)
            continue;
        if (frame.status == STATUS_DEFERRED) {
            entry_defer(client, entry, reader->sender, times, now_us);
            continue;
        }
        entry_take_time(entry, times, now_us);
        struct engine_reply reply = {.status = frame.status,
                                     .flags = frame.flags,
                                     .payload = frame.payload,
                                     .length = frame.length,
                                     .batch_size = entry->batch_size,
                                     .times = entry->times};
        entry_finish(client, entry, &reply);
        if (!whole && client_has_enough(client))
            return reply_is_over(*reader);
    }
    return true;
}

static void reply_hold(struct engine_client *client, const struct batch_reader *reader,
                       const struct engine_times *times)
{
    size_t length = reader->length - reader->offset;
    struct held_reply *held = xmalloc(sizeof(*held) + length);
    memcpy(held->bytes, reader->bytes + reader->offset, length);
    held->reader = *reader;
    held->reader.bytes = held->bytes;
    held->reader.length = length;
    held->reader.offset = 0;
    held->times = *times;
    TAILQ_INSERT_TAIL(&client->held, held, link);
    client->held_count++;
}

static void held_settle(struct engine_client *client, bool whole)
{
    struct held_reply *held;
    while ((held = TAILQ_FIRST(&client->held)) != NULL &&
           reply_settle(client, &held->reader, &held->times, whole)) {
        TAILQ_REMOVE(&client->held, held, link);
        client->held_count--;
        free(held);
    }
    if (held == NULL)
        list_refuse(client, ENTRY_ANSWERED, STATUS_ENGINE_UNAVAILABLE); /* left out of the replies */
}

/* A reply that was opened, and of which nothing was read. */
static void reply_take(struct engine_client *client, struct batch_reader *reader)
{
    const struct held_reply *held = TAILQ_FIRST(&client->held);
    if (held != NULL && held->reader.sender != reader->sender)
        held_settle(client, true);
    suspect_other_runs(client, reader->sender);
    struct engine_times times; /* taken now, and once, however many turns its frames take */
    reply_times(client, *reader, &times);
    if (!TAILQ_EMPTY(&client->held) || !reply_settle(client, reader, &times, false))
        reply_hold(client, reader, &times);
}

/* The batch never left: its frames wait again, in front, in their order. */
static void requests_unsent(struct engine_client *client)
{
    struct entry *entry;
    while ((entry = TAILQ_LAST(client_list(client, ENTRY_IN_FLIGHT), entry_list)) != NULL) {
        if (entry->done == NULL) {
            entries_remove(&client->entries, entry);
            continue;
        }
        if (client->sole == entry)
            client->sole = NULL;
        if ((entry->frame.flags & REQUEST_RETRY) != 0) {
            entry->retries--;
            entries_move_first(&client->entries, entry, ENTRY_SUSPECT);
        } else {
            entries_move_first(&client->entries, entry, ENTRY_QUEUED);
        }
    }
}

/*
 * What may wait is what the engine decides in LIMIT_QUEUE_MS at the speed of its last batch. A batch of few
 * says little about speed: hence LIMIT_QUEUE_MIN, from which a queue, and with it the next batch, grows. A
 * retry goes alone, and says nothing.
 */
static void room_measure(struct engine_client *client)
{
    const struct entry *first = TAILQ_FIRST(client_list(client, ENTRY_IN_FLIGHT));
    uint64_t took_ms = client_now(client) - client->sent_ms;
    uint64_t room = (uint64_t)client->sent_count * LIMIT_QUEUE_MS / (took_ms > 0 ? took_ms : 1);
    if (first != NULL && (first->frame.flags & REQUEST_RETRY) != 0)
        return;
    client->room = room > LIMIT_QUEUE_MIN ? room : LIMIT_QUEUE_MIN;
}

/* It died, or was not there: what waits for its return waits, at most until its deadline. */
static void room_forget(struct engine_client *client)
{
    client->room = 0;
}

static void note_run(struct engine_client *client, uint64_t run)
{
    if (client->config.run != NULL)
        *client->config.run = run;
}

static void requests_answered(struct engine_client *client, const uint8_t *bytes, size_t length)
{
    struct batch_reader reader;
    if (!reply_open(client, &client->requests, &reader, bytes, length)) {
        circuit_set(client, true, "bad reply");
        list_refuse(client, ENTRY_IN_FLIGHT, STATUS_ENGINE_UNAVAILABLE);
        return;
    }
    room_measure(client);
    note_run(client, reader.sender);
    reply_take(client, &reader);
    struct entry *entry;
    while ((entry = TAILQ_FIRST(client_list(client, ENTRY_IN_FLIGHT))) != NULL)
        entries_move(&client->entries, entry, ENTRY_ANSWERED);
    if (TAILQ_EMPTY(&client->held))
        list_refuse(client, ENTRY_ANSWERED, STATUS_ENGINE_UNAVAILABLE); /* left out of the reply */
    collect_start(client);
}

static void on_requests(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct engine_client *client = arg;
    client->requests.busy = false;
    if (result != CALL_ANSWERED)
        held_settle(client, true);
    switch (result) {
    case CALL_ANSWERED:
        FAULT_POINT(receive_before);
        requests_answered(client, bytes, length);
        FAULT_POINT(receive_after);
        break;
    case CALL_TIMED_OUT:
        metrics_add(client->config.metrics, METRIC_TIMEOUTS, 1);
        circuit_set(client, true, "timeout");
        list_refuse(client, ENTRY_IN_FLIGHT, STATUS_EXPIRED);
        break;
    case CALL_RESET:
        metrics_add(client->config.metrics, METRIC_RESETS, 1);
        room_forget(client);
        list_suspect(client, ENTRY_IN_FLIGHT);
        break;
    case CALL_NOT_SENT:
        room_forget(client);
        requests_unsent(client);
        break;
    }
}

static void collect_answered(struct engine_client *client, const uint8_t *bytes, size_t length)
{
    struct batch_reader reader;
    if (!reply_open(client, &client->collect, &reader, bytes, length)) {
        client->collect_ms = client_now(client) + ENGINE_COLLECT_GAP_MS;
        return;
    }
    note_run(client, reader.sender);
    reply_take(client, &reader);
    collect_start(client);
}

static void on_collect(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct engine_client *client = arg;
    client->collect.busy = false;
    if (result != CALL_ANSWERED)
        held_settle(client, true);
    switch (result) {
    case CALL_ANSWERED:
        collect_answered(client, bytes, length);
        break;
    case CALL_TIMED_OUT:
        circuit_set(client, true, "collect timeout");
        client->collect_ms = client_now(client) + ENGINE_COLLECT_GAP_MS;
        break;
    case CALL_RESET:
        metrics_add(client->config.metrics, METRIC_RESETS, 1);
        list_suspect(client, ENTRY_DEFERRED);
        break;
    case CALL_NOT_SENT:
        client->collect_ms = client_now(client) + ENGINE_COLLECT_GAP_MS;
        break;
    }
}

static void on_probe(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct engine_client *client = arg;
    struct batch_reader reader;
    client->probe.busy = false;
    client->probe_ms = client_now(client) + ENGINE_PROBE_GAP_MS;
    if (result == CALL_ANSWERED && reply_open(client, &client->probe, &reader, bytes, length))
        circuit_set(client, false, "");
}

struct engine_client *engine_client_new(const struct engine_client_config *config)
{
    struct engine_client *client = xcalloc(1, sizeof(*client));
    client->config = *config;
    client->forget_ms = UINT64_MAX;
    entries_init(&client->entries);
    TAILQ_INIT(&client->held);
    client->requests.call = config->transport->call_new(config->peer, on_requests, client);
    client->collect.call = config->transport->call_new(config->peer, on_collect, client);
    client->probe.call = config->transport->call_new(config->peer, on_probe, client);
    return client;
}

void engine_client_free(struct engine_client *client)
{
    if (client == NULL)
        return;
    struct channel *channels[] = {&client->requests, &client->collect, &client->probe};
    for (size_t i = 0; i < ARRAY_LEN(channels); i++) {
        client->config.transport->call_cancel(channels[i]->call);
        batch_dispose(&channels[i]->batch);
    }
    struct held_reply *held;
    while ((held = TAILQ_FIRST(&client->held)) != NULL) {
        TAILQ_REMOVE(&client->held, held, link);
        free(held);
    }
    entries_dispose(&client->entries);
    free(client);
}

enum status engine_client_send(struct engine_client *client, const struct engine_request *request,
                               engine_reply_fn done, void *arg)
{
    ensure(done != NULL && (domain_of_id(request->command) == client->config.domain ||
                            domain_of_id(request->command) == DOMAIN_ENGINE));
    if (client->circuit_open) {
        metrics_add(client->config.metrics, METRIC_CIRCUIT_REFUSED, 1);
        return STATUS_ENGINE_UNAVAILABLE;
    }
    if (client->entries.count >= LIMIT_PENDING_PER_ENGINE ||
        client->entries.bytes + request->length > ENGINE_PENDING_BYTES) {
        metrics_add(client->config.metrics, METRIC_OVERLOADED, 1);
        return STATUS_OVERLOADED;
    }
    if (!request->admitted && client->room > 0 && client->entries.queued >= client->room) {
        metrics_add(client->config.metrics, METRIC_SHED_ENGINE, 1);
        return STATUS_OVERLOADED;
    }
    uint64_t now_us = client_now_us(client);
    if (request->deadline_ms <= now_us / 1000) {
        metrics_add(client->config.metrics, METRIC_EXPIRED, 1);
        return STATUS_EXPIRED;
    }
    entries_add(&client->entries, request, done, arg)->since_us = now_us;
    return STATUS_OK;
}

static void batch_add_entry(struct engine_client *client, struct entry *entry)
{
    uint8_t *at = batch_add_request(&client->requests.batch, &entry->frame);
    if (entry->frame.length > 0)
        memcpy(at, entry->payload, entry->frame.length);
    entries_move(&client->entries, entry, ENTRY_IN_FLIGHT);
    client->sent_count++;
}

/* What the client called its request, in front of its frame. An engine of a version that does not know that
 * says so in a reply frame that nobody waits for. */
static void batch_add_name(struct engine_client *client, const struct entry *entry)
{
    if (entry->given_id == NULL || client->requests.batch.count + 1 >= LIMIT_BATCH_FRAMES)
        return;
    Pb__EngineTrace name = PB__ENGINE_TRACE__INIT;
    name.has_trace = true;
    name.trace = entry->frame.trace;
    name.id = (char *)(uintptr_t)entry->given_id;
    struct request_frame frame = {.command = COMMAND_ID_engine_trace,
                                  .deadline_ms = entry->frame.deadline_ms,
                                  .length = (uint32_t)pb__engine_trace__get_packed_size(&name)};
    request_ids_next(client->config.ids, &frame.id);
    pb__engine_trace__pack(&name, batch_add_request(&client->requests.batch, &frame));
}

/* Oldest first, as many as fit. One whose id is with the engine already (two requests under one
 * Idempotency-Key) waits for its twin. */
static void batch_fill(struct engine_client *client)
{
    struct entry *entry = TAILQ_FIRST(client_list(client, ENTRY_QUEUED));
    struct batch *batch = &client->requests.batch;
    while (entry != NULL && batch->count < LIMIT_BATCH_FRAMES) {
        struct entry *next = TAILQ_NEXT(entry, link);
        if (batch->length + REQUEST_HEADER_BYTES + entry->frame.length > LIMIT_BATCH_BYTES)
            break;
        if (entries_by_id(&client->entries, &entry->frame.id) == NULL) {
            batch_add_name(client, entry);
            batch_add_entry(client, entry);
        }
        entry = next;
    }
}

static void batch_fill_alone(struct engine_client *client, struct entry *suspect)
{
    suspect->retries++;
    if (suspect->retries == LIMIT_FRAME_RETRIES)
        client->sole = suspect;
    metrics_add(client->config.metrics, METRIC_RETRIES, 1);
    batch_add_name(client, suspect);
    batch_add_entry(client, suspect);
}

void engine_client_flush(struct engine_client *client)
{
    if (client->requests.busy || client->circuit_open || client->sole != NULL ||
        client->held_count >= LIMIT_REPLIES_HELD)
        return;
    struct entry *suspect = TAILQ_FIRST(client_list(client, ENTRY_SUSPECT));
    if (suspect == NULL && TAILQ_EMPTY(client_list(client, ENTRY_QUEUED)))
        return;
    channel_begin(client, &client->requests);
    client->sent_count = 0;
    if (suspect != NULL)
        batch_fill_alone(client, suspect);
    else
        batch_fill(client);
    if (client->sent_count == 0)
        return;
    struct entry *entry;
    uint64_t now_us = client_now_us(client), now_ms = now_us / 1000, last_ms = now_ms;
    TAILQ_FOREACH(entry, client_list(client, ENTRY_IN_FLIGHT), link)
    {
        entry->times.queue_us += entry_lap(entry, now_us);
        entry->batch_size = client->sent_count;
        if (entry->frame.deadline_ms > last_ms)
            last_ms = entry->frame.deadline_ms;
    }
    metrics_batch(client->config.metrics, client->sent_count);
    client->sent_ms = now_ms;
    channel_send(client, &client->requests, last_ms - now_ms + ENGINE_GRACE_MS);
}

static void expire_due(struct engine_client *client, uint64_t now_ms)
{
    struct entry *entry;
    while ((entry = TAILQ_FIRST(&client->entries.by_deadline)) != NULL && entry->frame.deadline_ms <= now_ms)
        entry_expire(client, entry, now_ms);
}

static void forget_due(struct engine_client *client, uint64_t now_ms)
{
    if (now_ms < client->forget_ms)
        return;
    client->forget_ms = UINT64_MAX;
    struct entry *entry = TAILQ_FIRST(client_list(client, ENTRY_DEFERRED));
    while (entry != NULL) {
        struct entry *next = TAILQ_NEXT(entry, link);
        if (entry->done == NULL && entry->forget_ms <= now_ms)
            entries_remove(&client->entries, entry);
        else if (entry->done == NULL && entry->forget_ms < client->forget_ms)
            client->forget_ms = entry->forget_ms;
        entry = next;
    }
}

static void probe_due(struct engine_client *client, uint64_t now_ms)
{
    if (!client->circuit_open || client->probe.busy || now_ms < client->probe_ms)
        return;
    channel_begin(client, &client->probe);
    channel_add_own(client, &client->probe, COMMAND_ID_engine_ping, now_ms + ENGINE_PROBE_TIMEOUT_MS);
    channel_send(client, &client->probe, ENGINE_PROBE_TIMEOUT_MS);
}

void engine_client_tick(struct engine_client *client)
{
    uint64_t now_ms = client_now(client);
    held_settle(client, false);
    expire_due(client, now_ms);
    forget_due(client, now_ms);
    probe_due(client, now_ms);
    collect_start(client);
}

static void earlier(uint64_t *ms, uint64_t candidate_ms)
{
    if (candidate_ms < *ms)
        *ms = candidate_ms;
}

uint64_t engine_client_next_ms(const struct engine_client *client)
{
    uint64_t next_ms = client->held_count > 0 ? 0 : client->forget_ms;
    const struct entry *first = TAILQ_FIRST(&client->entries.by_deadline);
    if (first != NULL)
        earlier(&next_ms, first->frame.deadline_ms);
    if (client->circuit_open && !client->probe.busy)
        earlier(&next_ms, client->probe_ms);
    if (!client->collect.busy && !TAILQ_EMPTY(&client->entries.lists[ENTRY_DEFERRED]))
        earlier(&next_ms, client->collect_ms);
    return next_ms;
}

size_t engine_client_pending(const struct engine_client *client)
{
    return client->entries.count;
}

bool engine_client_circuit_open(const struct engine_client *client)
{
    return client->circuit_open;
}

enum domain_id engine_client_domain(const struct engine_client *client)
{
    return client->config.domain;
}
