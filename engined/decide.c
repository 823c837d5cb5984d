/* One frame: deadline, decoding, dedupe, the domain's handler, the stored answer. And the commands every
 * engine answers itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/process.h"
#include "common/version.h"
#include "engined/engine_state.h"
#include "proto/schema_commands.h"

static void pack_reply(struct engine *engine, const ProtobufCMessage *reply, struct decision *decision)
{
    decision->length = protobuf_c_message_get_packed_size(reply);
    uint8_t *bytes = arena_alloc_raw(engine->arena, decision->length);
    protobuf_c_message_pack(reply, bytes);
    decision->payload = bytes;
    if (decision->length > LIMIT_REPLY_FRAME_BYTES) {
        decision->status = STATUS_REPLY_TOO_LARGE;
        decision->length = 0;
    }
}

static ProtobufCMessage *unpack_request(struct engine *engine, const struct request_frame *frame,
                                        const struct schema_command *command)
{
    return protobuf_c_message_unpack(command->request->descriptor, arena_allocator(engine->arena),
                                     frame->length, frame->payload);
}

/* Of command and payload: of what was asked, and without secrets. It is kept, and a fast hash of a password
 * must not be. */
static uint64_t fingerprint(struct engine *engine, const struct request_frame *frame,
                            const struct schema_command *command)
{
    const uint8_t *bytes = frame->payload;
    size_t length = frame->length;
    ProtobufCMessage *request = NULL;
    if (!schema_prints_all(command->request))
        request = unpack_request(engine, frame, command);
    if (request != NULL) {
        schema_drop_unprinted(command->request, request);
        length = protobuf_c_message_get_packed_size(request);
        uint8_t *packed = arena_alloc_raw(engine->arena, length);
        protobuf_c_message_pack(request, packed);
        bytes = packed;
    }
    /* Seeded by the command, so that equal payloads of two commands differ. Kept in SQLite's signed integers.
     */
    return XXH3_64bits_withSeed(bytes, length, frame->command) >> 1;
}

/* Of what is asked, by whom. Never 0. */
static uint64_t blame_of(const struct request_frame *frame, uint64_t print)
{
    return XXH3_64bits_withSeed(&frame->actor, sizeof(frame->actor), print) | 1;
}

/* A write that was decided before gets its first answer. True: the decision is made. */
static bool answered_before(struct engine *engine, const struct request_frame *frame, uint64_t print,
                            struct decision *decision)
{
    bool client = (frame->flags & REQUEST_CLIENT_KEY) != 0;
    switch (requests_find(engine->requests, &frame->id, print, engine->steady_ms, engine->arena,
                          &decision->payload, &decision->length)) {
    case REQUEST_KNOWN:
        decision->status = STATUS_OK;
        decision->flags = REPLY_REPLAYED;
        engine->stats.replays++;
        return true;
    case REQUEST_MISMATCH:
        decision->status = client ? STATUS_KEY_REUSED : STATUS_BAD_FRAME;
        return true;
    case REQUEST_NEW:
        break;
    }
    if (client && !requests_has_room(engine->requests)) {
        decision->status = STATUS_TOO_MANY_KEYS;
        return true;
    }
    return false;
}

static void remember(struct engine *engine, const struct request_frame *frame, uint64_t print,
                     const struct decision *decision)
{
    bool client = (frame->flags & REQUEST_CLIENT_KEY) != 0;
    if (!client && engine->emitted == 0)
        return; /* nothing happened: deciding it again does no harm */
    uint64_t left_ms = frame->deadline_ms - engine->now.monotonic_ms;
    uint64_t keep_ms = client ? LIMIT_CLIENT_KEY_MS : left_ms + LIMIT_REQUEST_ID_GRACE_MS;
    requests_remember(engine->requests, &frame->id, client, print, engine->steady_ms + keep_ms,
                      decision->payload, decision->length);
}

static struct context context_of(struct engine *engine, const struct request_frame *frame,
                                 const struct parked *parked)
{
    return (struct context){
        .engine = engine,
        .state = engine->state,
        .arena = engine->arena,
        .now_ms = engine->wall_ms,
        .actor = frame->actor,
        .actor_name = frame->actor_name,
        .again = parked != NULL,
        .id_is_secret = (frame->flags & REQUEST_CLIENT_KEY) == 0 || (frame->flags & REQUEST_LONG_KEY) != 0,
    };
}

static void decode_and_run(struct engine *engine, const struct request_frame *frame,
                           const struct schema_command *command, struct parked *parked,
                           struct decision *decision)
{
    command_fn handler = engine->handlers[command->id & 0xff];
    FAULT_MATCH(decode_before, frame->payload, frame->length);
    ProtobufCMessage *request = unpack_request(engine, frame, command), *reply = NULL;
    if (handler == NULL || request == NULL) {
        decision->status = STATUS_BAD_FRAME;
        return;
    }
    FAULT_MATCH(decode_after, frame->payload, frame->length);
    struct context context = context_of(engine, frame, parked);
    engine->deciding = parked;
    engine->emitted = 0;
    decision->status = handler(&context, request, &reply);
    engine->deciding = NULL;
    /* Sticky storage errors may make a handler see less than there is: what it says counts for nothing then.
     */
    if (store_failed(engine->store))
        return;
    ensure(decision->status == STATUS_OK ? reply != NULL : engine->emitted == 0);
    if (decision->status == STATUS_OK) {
        ensure(reply->descriptor == command->reply->descriptor);
        pack_reply(engine, reply, decision);
    }
}

static void run_handler(struct engine *engine, const struct request_frame *frame, uint64_t print,
                        const struct schema_command *command, struct parked *parked,
                        struct decision *decision)
{
    uint64_t blame = blame_of(frame, print);
    if (crashes_blame(engine->crashes, blame, engine->now.wall_ms)) {
        char id[TRACE_TEXT_MAX + 1];
        decision->status = STATUS_POISONOUS;
        log_notice("a request that this engine died of is refused id=%s command=0x%04x",
                   trace_text(&engine->trace, id), frame->command);
        return;
    }
    crashes_deciding(engine->crashes, blame, frame->command, engine->now.wall_ms, &engine->trace);
    decode_and_run(engine, frame, command, parked, decision);
    crashes_decided(engine->crashes);
}

/* Adds what is not stored to an answer that is made or found. */
static void complete(struct engine *engine, const struct request_frame *frame,
                     const struct schema_command *command, struct parked *parked, struct decision *decision)
{
    complete_fn completer = engine->completers[command->id & 0xff];
    if (completer == NULL || decision->status != STATUS_OK || store_failed(engine->store))
        return;
    bool replayed = (decision->flags & REPLY_REPLAYED) != 0;
    ProtobufCMessage *request = unpack_request(engine, frame, command);
    ProtobufCMessage *reply = protobuf_c_message_unpack(
        command->reply->descriptor, arena_allocator(engine->arena), decision->length, decision->payload);
    struct context context = context_of(engine, frame, parked);
    uint64_t emitted = engine->emitted;
    engine->deciding = parked;
    decision->status =
        request != NULL && reply != NULL ? completer(&context, request, reply, replayed) : STATUS_BAD_FRAME;
    engine->deciding = NULL;
    ensure(engine->emitted == emitted && (decision->status != STATUS_DEFERRED || replayed));
    decision->length = 0;
    if (decision->status == STATUS_OK)
        pack_reply(engine, reply, decision);
    else
        decision->flags = 0;
}

static void decide(struct engine *engine, const struct request_frame *frame, struct parked *parked,
                   struct decision *decision)
{
    *decision = (struct decision){.status = STATUS_BAD_FRAME};
    const struct schema_command *command = schema_command_by_id(frame->command);
    if (command == NULL || domain_of_id(frame->command) != engine->domain->id ||
        (frame->command & 0xff) >= HANDLERS_MAX)
        return;
    if (frame->deadline_ms <= engine->now.monotonic_ms) {
        decision->status = parked != NULL ? STATUS_DEPENDENCY_UNAVAILABLE : STATUS_EXPIRED;
        engine->stats.expired++;
        return;
    }
    uint64_t print = fingerprint(engine, frame, command);
    if (command->kind != COMMAND_WRITE) {
        run_handler(engine, frame, print, command, parked, decision);
        complete(engine, frame, command, parked, decision);
        return;
    }
    if (engine->refuse_writes) {
        decision->status = STATUS_STORAGE_UNAVAILABLE;
        return;
    }
    if (answered_before(engine, frame, print, decision)) {
        complete(engine, frame, command, parked, decision);
        return;
    }
    run_handler(engine, frame, print, command, parked, decision);
    if (decision->status != STATUS_OK || store_failed(engine->store))
        return;
    engine->stats.writes++;
    remember(engine, frame, print, decision);
    complete(engine, frame, command, parked, decision);
}

static void tell_decided(const struct engine *engine, const struct request_frame *frame,
                         const struct decision *decision)
{
    const struct schema_command *command = schema_command_by_id(frame->command);
    char id[TRACE_TEXT_MAX + 1];
    log_debug("decided id=%s command=%s status=%s", trace_text(&engine->trace, id),
              command != NULL ? command->name : "-", status_row((uint16_t)decision->status)->code);
}

void engine_decide(struct engine *engine, const struct request_frame *frame, struct parked *parked,
                   struct decision *decision)
{
    decide(engine, frame, parked, decision);
    if (log_enabled(LOG_LEVEL_DEBUG))
        tell_decided(engine, frame, decision);
}

void engine_wait(struct engine *engine, struct parked *parked)
{
    parked->wait = engine->wait;
    parked->lookup = engine->wait_lookup;
    parked->lookup_id = engine->wait_id;
    if (parked->wait != WAIT_PASSWORD)
        return;
    bool matches;
    const char *new_hash;
    /* In a second try of the turn, the first try's question is still the right one. */
    if (parked->password != NULL && password_job_is_of(parked->password, engine->wait_check.hash) &&
        !password_job_done(parked->password, &matches, &new_hash))
        return;
    password_job_free(parked->password);
    parked->password = password_job_new(engine->passwords, &engine->wait_check);
}

void engine_park(struct engine *engine, const struct request_frame *frame, const struct message *message)
{
    struct parked *parked = parked_new(frame, message->reader.sender);
    if (engine->trace.given != NULL)
        snprintf(parked->given_id, sizeof(parked->given_id), "%s", engine->trace.given);
    parked->received_us = message->received_us;
    parked->parked_us = engine->turn_us;
    engine_wait(engine, parked);
    if (parked->wait == WAIT_BARRIER) {
        followers_barrier_begin(engine->followers, &parked->barrier);
        parked->barrier_deadline_ms = engine->now.monotonic_ms + LIMIT_FEED_WAIT_MS;
    }
    parked_append(&engine->new_parked, parked);
}

/* The commands of every engine (proto/engine.proto). */

static void own_ping(struct engine *engine, struct message *message, const struct request_frame *frame,
                     struct decision *decision)
{
    (void)message, (void)frame;
    struct store_stats storage;
    store_stats(engine->store, &storage);
    struct process_usage usage;
    process_usage(&usage);
    Pb__EngineStatus status = PB__ENGINE_STATUS__INIT;
    status.domain = (char *)domain_name(engine->domain->id);
    status.version = (char *)version_text;
#define SET(field, value) (status.has_##field = 1, status.field = (value))
    SET(pid, (uint32_t)getpid());
    SET(uptime_ms, engine->now.monotonic_ms - engine->options.start_ms);
    SET(restarts, engine->options.restarts);
    SET(queue, (uint32_t)engine->queue);
    SET(parked, (uint32_t)engine->parked.count);
    SET(head_seq, event_log_head(engine->log));
    SET(commits, storage.commits);
    SET(commit_us, storage.commit_us);
    SET(frames, engine->stats.frames);
    SET(batches, engine->stats.batches);
    SET(writes, engine->stats.writes);
    SET(replays, engine->stats.replays);
    SET(expired, engine->stats.expired);
    SET(bad_batches, engine->stats.bad_batches);
    SET(events_followed, followers_folded(engine->followers));
    SET(storage_ok, !store_unwritable(engine->store));
    SET(lag_events, followers_lag(engine->followers));
    SET(synchronous, store_synchronous(engine->store));
    SET(cpu_us, usage.cpu_us);
    SET(resident_bytes, usage.resident_bytes);
    SET(descriptors, process_descriptors());
    SET(file_bytes, store_bytes(engine->store));
    if (engine->committed_wall_ms > 0)
        SET(last_commit_at, engine->committed_wall_ms);
    status.n_latency = ARRAY_LEN(engine->latency);
    status.latency = engine->latency;
#undef SET
    decision->status = STATUS_OK;
    pack_reply(engine, &status.base, decision);
}

/* Collects and pulls are held open once the turn is committed; here only whether they may be. */
static void own_collect(struct engine *engine, struct message *message, const struct request_frame *frame,
                        struct decision *decision)
{
    (void)engine, (void)frame, (void)decision;
    message->held = true;
}

static void hold_collect(struct engine *engine, struct message *message)
{
    const struct request_frame *frame = &message->held_frame;
    collects_hold(engine->collects, message->reader.sender, message->handle, message->reader.serial,
                  frame->deadline_ms);
}

static Pb__EventsPull *unpack_pull(struct engine *engine, const struct request_frame *frame)
{
    return pb__events_pull__unpack(arena_allocator(engine->arena), frame->length, frame->payload);
}

static void own_pull(struct engine *engine, struct message *message, const struct request_frame *frame,
                     struct decision *decision)
{
    message->held = unpack_pull(engine, frame) != NULL;
    decision->status = STATUS_BAD_FRAME; /* unless held */
}

static void hold_pull(struct engine *engine, struct message *message)
{
    const struct request_frame *frame = &message->held_frame;
    pulls_hold(engine->pulls, message->reader.sender, message->handle, message->reader.serial, &frame->id,
               unpack_pull(engine, frame), frame->deadline_ms);
}

static void own_head(struct engine *engine, struct message *message, const struct request_frame *frame,
                     struct decision *decision)
{
    (void)frame;
    pulls_hurry(engine->pulls, message->reader.sender);
    Pb__EventsHeadAnswer answer = PB__EVENTS_HEAD_ANSWER__INIT;
    answer.has_log_id = answer.has_head_seq = answer.has_run = 1;
    answer.run = engine->options.run;
    answer.log_id = event_log_id(engine->log);
    answer.head_seq = event_log_head(engine->log);
    decision->status = STATUS_OK;
    pack_reply(engine, &answer.base, decision);
}

static void own_copy(struct engine *engine, struct message *message, const struct request_frame *frame,
                     struct decision *decision)
{
    (void)message;
    const Pb__EngineCopy *ask =
        pb__engine_copy__unpack(arena_allocator(engine->arena), frame->length, frame->payload);
    if (ask == NULL)
        return;
    Pb__EngineCopied copied;
    copying_ask(engine->copying, ask, engine->now.monotonic_ms, &copied);
    decision->status = STATUS_OK;
    pack_reply(engine, &copied.base, decision);
}

bool engine_take_name(struct engine *engine, const struct request_frame *frame)
{
    if (frame->command != COMMAND_ID_engine_trace)
        return false;
    Pb__EngineTrace *name =
        pb__engine_trace__unpack(arena_allocator(engine->arena), frame->length, frame->payload);
    if (name == NULL || name->id == NULL || strlen(name->id) > TRACE_TEXT_MAX)
        return false;
    engine->named = (struct trace){.number = name->trace, .given = name->id};
    return true;
}

static void own_trace(struct engine *engine, struct message *message, const struct request_frame *frame,
                      struct decision *decision)
{
    (void)message;
    if (!engine_take_name(engine, frame))
        return;
    Pb__EngineTraced traced = PB__ENGINE_TRACED__INIT;
    decision->status = STATUS_OK;
    pack_reply(engine, &traced.base, decision);
}

static const struct own_command {
    uint16_t command;
    void (*decide)(struct engine *engine, struct message *message, const struct request_frame *frame,
                   struct decision *decision);
    void (*hold)(struct engine *engine,
                 struct message *message); /* holds its message open: must be the batch's only frame */
} own_commands[] = {
    {COMMAND_ID_engine_ping, own_ping, NULL},      {COMMAND_ID_engine_collect, own_collect, hold_collect},
    {COMMAND_ID_engine_pull, own_pull, hold_pull}, {COMMAND_ID_engine_head, own_head, NULL},
    {COMMAND_ID_engine_trace, own_trace, NULL},    {COMMAND_ID_engine_copy, own_copy, NULL},
};

static const struct own_command *find_own(uint16_t command)
{
    for (size_t i = 0; i < ARRAY_LEN(own_commands); i++)
        if (own_commands[i].command == command)
            return &own_commands[i];
    return NULL;
}

bool engine_decide_own(struct engine *engine, struct message *message, const struct request_frame *frame,
                       struct decision *decision)
{
    if (domain_of_id(frame->command) != DOMAIN_ENGINE)
        return false;
    *decision = (struct decision){.status = STATUS_BAD_FRAME};
    const struct own_command *own = find_own(frame->command);
    if (own == NULL || (own->hold != NULL && message->reader.count != 1))
        return true;
    if (frame->deadline_ms <= engine->now.monotonic_ms) {
        decision->status = STATUS_EXPIRED;
        return true;
    }
    own->decide(engine, message, frame, decision);
    if (message->held)
        message->held_frame = *frame;
    return true;
}

void engine_hold(struct engine *engine, struct message *message)
{
    find_own(message->held_frame.command)->hold(engine, message);
}
