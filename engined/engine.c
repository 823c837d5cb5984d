#include "engined/engine.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "common/log.h"
#include "engined/engine_state.h"
#include "proto/schema_commands.h"

static void on_collect_answer(void *arg, void *handle, struct batch *batch)
{
    struct engine *engine = arg;
    batch_seal(batch, &engine->options.key);
    FAULT_POINT(collect_before);
    engine->io.answer(engine->io.arg, handle, batch->bytes, batch->length);
    FAULT_POINT(collect_after);
}

/* One reply frame in a batch of its own. */
static void answer_single(struct engine *engine, void *handle, uint64_t serial,
                          const struct reply_frame *reply)
{
    struct batch batch = {0};
    batch_begin(&batch, BATCH_REPLY, engine->options.run, serial);
    memcpy(batch_add_reply(&batch, reply), reply->payload, reply->length);
    batch_seal(&batch, &engine->options.key);
    engine->io.answer(engine->io.arg, handle, batch.bytes, batch.length);
    batch_dispose(&batch);
}

static void on_pull_answer(void *arg, void *handle, uint64_t serial, const struct request_id *id,
                           const Pb__EventsPulled *pulled)
{
    struct engine *engine = arg;
    size_t length = pb__events_pulled__get_packed_size(pulled);
    uint8_t *payload = arena_alloc_raw(engine->arena, length);
    pb__events_pulled__pack(pulled, payload);
    struct reply_frame reply = {
        .status = STATUS_OK, .id = *id, .payload = payload, .length = (uint32_t)length};
    FAULT_POINT(pull_before);
    answer_single(engine, handle, serial, &reply);
    FAULT_POINT(pull_after);
}

static void index_tables(struct engine *engine)
{
    const struct domain *domain = engine->domain;
    for (size_t i = 0; i < domain->command_count; i++) {
        ensure(domain_of_id(domain->commands[i].id) == domain->id &&
               (domain->commands[i].id & 0xff) < HANDLERS_MAX);
        engine->handlers[domain->commands[i].id & 0xff] = domain->commands[i].decide;
    }
    for (size_t i = 0; i < domain->completion_count; i++) {
        ensure(engine->handlers[domain->completions[i].id & 0xff] != NULL);
        engine->completers[domain->completions[i].id & 0xff] = domain->completions[i].complete;
    }
    for (size_t i = 0; i < domain->event_count; i++) {
        ensure((domain->events[i].type >> 8) == (uint32_t)domain->id &&
               (domain->events[i].type & 0xff) < EVENTS_MAX);
        engine->events[domain->events[i].type & 0xff] = &domain->events[i];
    }
}

/* Before it listens, and after each commit, before anything is answered. */
static void raise_versions(struct engine *engine)
{
    if (engine->versions == NULL)
        return;
    /* The log's end first: a worker that read the raised head may ask the feed engine, which must not find
     * then that the end is where it was, or the worker would keep a feed without this commit as one that has
     * it. */
    versions_log(engine->versions, event_log_id(engine->log), event_log_head(engine->log));
    versions_raise(engine->versions);
}

struct engine *engine_open(const struct domain *domain, const struct engine_options *options,
                           const struct engine_io *io)
{
    struct engine *engine = xcalloc(1, sizeof(*engine));
    engine->domain = domain;
    engine->options = *options;
    engine->io = *io;
    engine->slow = (struct slow_log){.slow_us = options->slow_us, .budget.per_second = LIMIT_SLOW_LINES};
    engine->arena = arena_new();
    engine->crashes = crashes_open(options->state_dir, domain_name(domain->id), clock_wall_ms());
    engine->store = store_open(options->state_dir, domain_name(domain->id), domain->sync);
    store_migrate(engine->store, domain->migrations, domain->migration_count, options->alive,
                  options->alive_arg);
    engine->log = event_log_open(engine->store);
    engine->wall_ms = event_log_last_ms(engine->log);
    engine->requests = requests_open(engine->store);
    engine->lookups = lookups_open(engine->store, domain->lookups, domain->lookup_count);
    engine->state = domain->open(engine->store);
    if (domain->event_count > 0)
        engine->versions = versions_open(options->state_dir, domain_name(domain->id), options->run);
    raise_versions(engine);
    engine->followers =
        followers_open(engine->store, options->state_dir, domain, engine->state, engine->versions);
    engine->collects = collects_new(on_collect_answer, engine);
    engine->pulls = pulls_new(engine->log, options->run, on_pull_answer, engine);
    engine->copying = copying_new(engine->store, options->state_dir, domain_name(domain->id));
    engine->passwords = password_jobs_new(options->password_processes);
    index_tables(engine);
    log_debug("recovered log=%llx head=%llu last_ms=%llu", (unsigned long long)event_log_id(engine->log),
              (unsigned long long)event_log_head(engine->log), (unsigned long long)engine->wall_ms);
    return engine;
}

void engine_close(struct engine *engine)
{
    for (size_t i = 0; i < engine->message_capacity; i++)
        batch_dispose(&engine->messages[i].reply);
    free(engine->messages);
    for (size_t i = 0; i < engine->answer_count; i++)
        free(engine->answers[i].payload);
    parked_clear(&engine->parked);
    parked_clear(&engine->ready);
    parked_clear(&engine->new_parked);
    password_jobs_free(engine->passwords);
    free(engine->outcomes);
    collects_free(engine->collects);
    pulls_free(engine->pulls);
    copying_free(engine->copying);
    followers_close(engine->followers);
    engine->domain->close(engine->state);
    lookups_close(engine->lookups);
    requests_close(engine->requests);
    event_log_close(engine->log);
    versions_close(engine->versions);
    store_close(engine->store);
    crashes_close(engine->crashes);
    arena_free(engine->arena);
    free(engine);
}

static void refuse_batch(struct engine *engine, void *handle, enum batch_fault fault)
{
    if (engine->stats.bad_batches++ == 0)
        log_warn("a batch was refused (told once, counted from now on) fault=%s",
                 fault == BATCH_WRONG_MAC ? "wrong-mac" : "malformed");
    engine->io.drop(engine->io.arg, handle);
}

static uint64_t now_us(const struct engine *engine)
{
    return engine->options.now_us != NULL ? engine->options.now_us() : 0;
}

size_t engine_receive(struct engine *engine, void *handle, const uint8_t *bytes, size_t length,
                      uint64_t received_us)
{
    struct batch_reader reader;
    enum batch_fault fault = batch_open(&reader, BATCH_REQUEST, bytes, length, &engine->options.key);
    if (fault != BATCH_FINE || reader.count > LIMIT_BATCH_FRAMES) {
        refuse_batch(engine, handle, fault);
        return 0;
    }
    if (engine->message_count == engine->message_capacity) {
        size_t capacity = engine->message_capacity > 0 ? engine->message_capacity * 2 : 16;
        engine->messages = xrealloc(engine->messages, capacity * sizeof(engine->messages[0]));
        memset(engine->messages + engine->message_capacity, 0,
               (capacity - engine->message_capacity) * sizeof(engine->messages[0]));
        engine->message_capacity = capacity;
    }
    struct message *message = &engine->messages[engine->message_count++];
    message->handle = handle;
    message->reader = reader;
    message->held = false;
    message->received_us = received_us > 0 ? received_us : now_us(engine);
    return reader.count;
}

/* The single reply frame of an ask's answer, or NULL. */
static bool open_answer(struct engine *engine, struct ask ask, const uint8_t *bytes, size_t length,
                        struct reply_frame *reply)
{
    struct batch_reader reader;
    return batch_open(&reader, BATCH_REPLY, bytes, length, &engine->options.key) == BATCH_FINE &&
           reader.serial == engine->ask_serial[ask.kind][ask.index] && batch_next_reply(&reader, reply) &&
           reply->status == STATUS_OK;
}

void engine_answered(struct engine *engine, struct ask ask, enum ask_result result, const uint8_t *bytes,
                     size_t length)
{
    ensure(engine->answer_count < ARRAY_LEN(engine->answers));
    struct pending_answer *answer = &engine->answers[engine->answer_count++];
    *answer = (struct pending_answer){.ask = ask, .result = result};
    struct reply_frame reply;
    if (result != ASK_ANSWERED)
        return;
    if (!open_answer(engine, ask, bytes, length, &reply)) {
        answer->result = ASK_FAILED;
        return;
    }
    answer->payload = xmalloc(reply.length > 0 ? reply.length : 1);
    memcpy(answer->payload, reply.payload, reply.length);
    answer->length = reply.length;
}

/* --- one pass over the turn --- */

static void fold_pull(struct engine *engine, const struct pending_answer *answer)
{
    Pb__EventsPulled *pulled =
        pb__events_pulled__unpack(arena_allocator(engine->arena), answer->length, answer->payload);
    if (pulled != NULL)
        followers_fold(engine->followers, answer->ask.index, pulled, engine->arena);
}

/* Events of other engines, inside the transaction. Without writing they stay where they are: the next pull
 * brings them again. */
static void fold_pulls(struct engine *engine)
{
    for (size_t i = 0; i < engine->answer_count; i++)
        if (engine->answers[i].ask.kind == ASK_PULL && engine->answers[i].result == ASK_ANSWERED)
            fold_pull(engine, &engine->answers[i]);
}

static void add_outcome(struct engine *engine, struct parked *parked, const struct decision *decision)
{
    if (engine->outcome_count == engine->outcome_capacity) {
        engine->outcome_capacity = engine->outcome_capacity > 0 ? engine->outcome_capacity * 2 : 64;
        engine->outcomes = xrealloc(engine->outcomes, engine->outcome_capacity * sizeof(engine->outcomes[0]));
    }
    engine->outcomes[engine->outcome_count++] = (struct outcome){.parked = parked, .decision = *decision};
}

static void decide_ready(struct engine *engine)
{
    for (struct parked *parked = engine->ready.first; parked != NULL; parked = parked->next) {
        struct decision decision;
        engine->trace = (struct trace){parked->sender, parked->frame.trace, parked->given_id};
        engine_decide(engine, &parked->frame, parked, &decision);
        if (store_failed(engine->store))
            return;
        if (decision.status == STATUS_DEFERRED)
            engine_wait(engine, parked);
        add_outcome(engine, parked, &decision);
    }
}

/* What the client called the request; NULL: nothing, or it was not told. */
static const char *given_id(const struct engine *engine, uint64_t trace)
{
    return trace != 0 && engine->named.number == trace ? engine->named.given : NULL;
}

static void decide_frame(struct engine *engine, struct message *message, const struct request_frame *frame)
{
    struct decision decision;
    engine->trace = (struct trace){message->reader.sender, frame->trace, given_id(engine, frame->trace)};
    message->traced |= frame->trace != 0;
    bool crowded = message->reply.length + LIMIT_REPLY_FRAME_BYTES > LIMIT_BATCH_BYTES;
    if (!engine_decide_own(engine, message, frame, &decision))
        engine_decide(engine, frame, NULL, &decision);
    if (message->held || store_failed(engine->store))
        return;
    if (decision.status == STATUS_DEFERRED && engine->parked.count + engine->new_parked.count >= LIMIT_PARKED)
        decision.status = STATUS_OVERLOADED;
    else if (decision.status == STATUS_DEFERRED)
        engine_park(engine, frame, message);
    struct reply_frame reply = {.status = (uint16_t)decision.status,
                                .flags = decision.flags,
                                .id = frame->id,
                                .payload = decision.payload,
                                .length = (uint32_t)decision.length};
    if (crowded && decision.length > 0) {
        /* The batch's reply is full: this answer goes to the sender's next collect. */
        struct parked *parked = parked_new(frame, message->reader.sender);
        parked_append(&engine->crowded, parked);
        add_outcome(engine, parked, &decision);
        reply.status = STATUS_DEFERRED;
        reply.length = 0;
    }
    uint8_t *at = batch_add_reply(&message->reply, &reply);
    if (reply.length > 0)
        memcpy(at, reply.payload, reply.length);
}

static void decide_messages(struct engine *engine)
{
    for (size_t i = 0; i < engine->message_count; i++) {
        struct message *message = &engine->messages[i];
        batch_begin(&message->reply, BATCH_REPLY, engine->options.run, message->reader.serial);
        message->held = message->traced = false;
        engine->named = (struct trace){0};
        struct batch_reader reader = message->reader;
        struct request_frame frame;
        while (!store_failed(engine->store) && batch_next_request(&reader, &frame))
            decide_frame(engine, message, &frame);
    }
}

/* What is kept in memory of tables that another process wrote to is read again. */
static void look_for_strangers(struct engine *engine)
{
    engine->next_look_ms = engine->now.monotonic_ms + LIMIT_LOOK_MS;
    if (!store_changed_by_another(engine->store))
        return;
    log_notice("somebody else changed the file; what was kept of it in memory is read again");
    engine->domain->rolled_back(engine->state);
    if (engine->versions != NULL)
        versions_touch_all(engine->versions);
}

/* Until then a worker may try again what was with the process before this one. By the wall clock it could
 * have expired in between. */
static bool predecessor_is_forgotten(const struct engine *engine)
{
    return engine->now.monotonic_ms - engine->options.start_ms >=
           LIMIT_DEADLINE_MS + LIMIT_REQUEST_ID_GRACE_MS;
}

/* One try at the turn. False: the storage failed before COMMIT and all is rolled back. */
static bool try_turn(struct engine *engine, bool refuse_writes)
{
    engine->refuse_writes = refuse_writes;
    engine->outcome_count = 0;
    uint64_t writes = engine->stats.writes;
    bool fine = store_begin(engine->store);
    if (fine)
        look_for_strangers(engine);
    if (fine && !refuse_writes) {
        fold_pulls(engine);
        lookups_store(engine->lookups);
    }
    if (fine) {
        decide_ready(engine);
        decide_messages(engine);
    }
    if (!store_failed(engine->store) && engine->stats.writes > writes) {
        uint64_t rows = 2 * (engine->stats.writes - writes);
        requests_prune(engine->requests, engine->steady_ms, rows > LIMIT_PRUNE_ROWS ? rows : LIMIT_PRUNE_ROWS,
                       predecessor_is_forgotten(engine));
    }
    bool dirty = store_dirty(engine->store);
    engine->decided_us = now_us(engine);
    if (!store_failed(engine->store) && store_commit(engine->store)) {
        raise_versions(engine);
        engine->committed_us = dirty ? now_us(engine) : engine->decided_us;
        if (dirty) {
            engine->committed_wall_ms = engine->wall_ms;
            log_debug("committed batches=%zu parked=%zu writes=%llu head=%llu", engine->message_count,
                      engine->outcome_count, (unsigned long long)(engine->stats.writes - writes),
                      (unsigned long long)event_log_head(engine->log));
        }
        return true;
    }
    log_warn("turn rolled back batches=%zu next=%s", engine->message_count,
             refuse_writes ? "all refused" : "writes refused");
    if (store_failed(engine->store))
        store_rollback(engine->store);
    engine->stats.writes = writes;
    parked_clear(&engine->new_parked);
    parked_clear(&engine->crowded);
    event_log_rolled_back(engine->log);
    requests_rolled_back(engine->requests);
    followers_rolled_back(engine->followers);
    engine->domain->rolled_back(engine->state);
    return false;
}

/* Not even reading works: everything that waits for this turn is told so. */
static void fail_turn(struct engine *engine)
{
    engine->outcome_count = 0;
    engine->decided_us = engine->committed_us = now_us(engine);
    struct decision decision = {.status = STATUS_STORAGE_UNAVAILABLE};
    for (struct parked *parked = engine->ready.first; parked != NULL; parked = parked->next)
        add_outcome(engine, parked, &decision);
    for (size_t i = 0; i < engine->message_count; i++) {
        struct message *message = &engine->messages[i];
        batch_begin(&message->reply, BATCH_REPLY, engine->options.run, message->reader.serial);
        message->held = false;
        struct batch_reader reader = message->reader;
        struct request_frame frame;
        while (batch_next_request(&reader, &frame)) {
            struct reply_frame reply = {.status = STATUS_STORAGE_UNAVAILABLE, .id = frame.id};
            (void)!batch_add_reply(&message->reply, &reply);
        }
    }
}

/* --- before and after --- */

static void take_lookup(struct engine *engine, const struct pending_answer *answer)
{
    ProtobufCMessage *reply = NULL;
    if (answer->result == ASK_ANSWERED) {
        uint16_t command = engine->domain->lookups[answer->ask.index].command;
        reply = protobuf_c_message_unpack(schema_command_by_id(command)->reply->descriptor,
                                          arena_allocator(engine->arena), answer->length, answer->payload);
    }
    if (reply != NULL)
        lookups_answered(engine->lookups, answer->ask.index, reply);
    else
        lookups_unanswered(engine->lookups, answer->ask.index);
}

static void take_password(struct engine *engine, const struct pending_answer *answer)
{
    Pb__PasswordsChecked *reply = NULL;
    if (answer->result == ASK_ANSWERED)
        reply =
            pb__passwords_checked__unpack(arena_allocator(engine->arena), answer->length, answer->payload);
    password_jobs_answered(engine->passwords, answer->ask.index, reply, engine->now.monotonic_ms);
}

static void take_answers(struct engine *engine)
{
    for (size_t i = 0; i < engine->answer_count; i++) {
        struct pending_answer *answer = &engine->answers[i];
        if (answer->ask.kind == ASK_LOOKUP)
            take_lookup(engine, answer);
        else if (answer->ask.kind == ASK_PASSWORD)
            take_password(engine, answer);
    }
}

static bool password_done(const struct parked *parked)
{
    bool matches;
    const char *new_hash;
    return password_job_done(parked->password, &matches, &new_hash);
}

static bool can_go_on(struct engine *engine, const struct parked *parked)
{
    uint64_t now_ms = engine->now.monotonic_ms;
    if (parked->frame.deadline_ms <= now_ms + PARKED_EARLY_MS)
        return true; /* to be told so before the asker gives up */
    if (parked->wait == WAIT_LOOKUP)
        return lookups_decided(engine->lookups, parked->lookup, parked->lookup_id);
    if (parked->wait == WAIT_PASSWORD)
        return password_done(parked);
    return now_ms >= parked->barrier_deadline_ms ||
           followers_barrier_reached(engine->followers, &parked->barrier);
}

static void pick_ready(struct engine *engine)
{
    struct parked *next;
    for (struct parked *parked = engine->parked.first; parked != NULL; parked = next) {
        next = parked->next;
        if (can_go_on(engine, parked)) {
            parked_remove(&engine->parked, parked);
            parked_append(&engine->ready, parked);
            if (parked->frame.deadline_ms <= engine->now.monotonic_ms + PARKED_EARLY_MS)
                parked->frame.deadline_ms = engine->now.monotonic_ms;
        }
    }
}

/* Pulls and heads end here, after the commit: only then are cursors what they seem. */
static void end_questions(struct engine *engine)
{
    static const enum question_end ends[] = {
        [ASK_ANSWERED] = QUESTION_ANSWERED, [ASK_RESET] = QUESTION_RESET, [ASK_FAILED] = QUESTION_FAILED};
    for (size_t i = 0; i < engine->answer_count; i++) {
        struct pending_answer *answer = &engine->answers[i];
        if (answer->ask.kind == ASK_PULL) {
            followers_pull_ended(engine->followers, answer->ask.index, ends[answer->result]);
        } else if (answer->ask.kind == ASK_HEAD) {
            Pb__EventsHeadAnswer *head = NULL;
            if (answer->result == ASK_ANSWERED)
                head = pb__events_head_answer__unpack(arena_allocator(engine->arena), answer->length,
                                                      answer->payload);
            if (head != NULL)
                followers_head_answered(engine->followers, answer->ask.index, head);
            else
                followers_head_failed(engine->followers, answer->ask.index,
                                      answer->result == ASK_RESET ? QUESTION_RESET : QUESTION_FAILED);
        }
        free(answer->payload);
        answer->payload = NULL;
    }
    engine->answer_count = 0;
}

static uint64_t since(uint64_t earlier_us, uint64_t later_us)
{
    return later_us > earlier_us ? later_us - earlier_us : 0;
}

/* Of what was decided in this turn and came in at `received_us`. */
static struct frame_time time_of_turn(const struct engine *engine, uint64_t received_us)
{
    return (struct frame_time){
        .queue_us = since(received_us, engine->turn_us),
        .decide_us = since(engine->turn_us, engine->decided_us),
        .commit_us = since(engine->decided_us, engine->committed_us),
    };
}

/* Its first turn is in the time that it was parked. */
static struct frame_time time_of_parked(const struct engine *engine, const struct parked *parked)
{
    static const Pb__ParkedFor reasons[] = {[WAIT_LOOKUP] = PB__PARKED_FOR__lookup,
                                            [WAIT_BARRIER] = PB__PARKED_FOR__sources,
                                            [WAIT_PASSWORD] = PB__PARKED_FOR__password};
    struct frame_time time = time_of_turn(engine, engine->turn_us);
    if (parked->parked_us == 0)
        return time; /* its batch's reply was full: it waited for nothing */
    time.queue_us = since(parked->received_us, parked->parked_us);
    time.parked_us = since(parked->parked_us, engine->turn_us);
    time.parked_for = reasons[parked->wait];
    return time;
}

static void count_latency(struct engine *engine, uint64_t received_us, size_t frames)
{
    if (engine->options.now_us != NULL)
        engine->latency[latency_bucket(since(received_us, engine->committed_us))] += frames;
}

static void tell_time_of_parked(struct engine *engine, const struct parked *parked,
                                const struct frame_time *time)
{
    struct trace trace = {parked->sender, parked->frame.trace, parked->given_id};
    count_latency(engine, parked->received_us, 1);
    slow_log_frame(&engine->slow, engine->now.monotonic_ms, &trace, parked->frame.command, time);
}

static void deliver_outcomes(struct engine *engine)
{
    for (size_t i = 0; i < engine->outcome_count; i++) {
        struct parked *parked = engine->outcomes[i].parked;
        const struct decision *decision = &engine->outcomes[i].decision;
        if (decision->status == STATUS_DEFERRED)
            continue; /* waits for something else now: stays in `ready`, put back below */
        struct reply_frame reply = {.status = (uint16_t)decision->status,
                                    .flags = decision->flags,
                                    .id = parked->frame.id,
                                    .payload = decision->payload,
                                    .length = (uint32_t)decision->length};
        uint64_t until_ms = engine->now.monotonic_ms + LIMIT_DEADLINE_MS;
        struct frame_time time = time_of_parked(engine, parked);
        tell_time_of_parked(engine, parked, &time);
        if (!collects_add(engine->collects, parked->sender, &reply, parked->frame.trace != 0 ? &time : NULL,
                          until_ms))
            log_warn("too many answers wait to be collected; one is lost sender=%llx",
                     (unsigned long long)parked->sender);
        parked->sender = 0; /* done */
    }
    engine->outcome_count = 0;
    parked_clear(&engine->crowded);
    struct parked *next;
    for (struct parked *parked = engine->ready.first; parked != NULL; parked = next) {
        next = parked->next;
        parked_remove(&engine->ready, parked);
        if (parked->sender == 0)
            parked_free(parked);
        else
            parked_append(&engine->parked, parked);
    }
    parked_move_all(&engine->parked, &engine->new_parked);
}

/* Only where all of the batch's frames were: else this would be gone through for each batch. */
static void tell_slow_frames(struct engine *engine, const struct message *message,
                             const struct frame_time *time)
{
    struct batch_reader reader = message->reader;
    struct request_frame frame;
    engine->named = (struct trace){0}; /* names are those of this message's frames */
    while (batch_next_request(&reader, &frame)) {
        engine_take_name(engine, &frame);
        struct trace trace = {message->reader.sender, frame.trace, given_id(engine, frame.trace)};
        if (domain_of_id(frame.command) != DOMAIN_ENGINE)
            slow_log_frame(&engine->slow, engine->now.monotonic_ms, &trace, frame.command, time);
    }
}

static void tell_time_of_message(struct engine *engine, struct message *message)
{
    struct frame_time time = time_of_turn(engine, message->received_us);
    uint64_t took_us = since(message->received_us, engine->committed_us);
    count_latency(engine, message->received_us, message->reader.count);
    if (engine->slow.slow_us > 0 && took_us >= engine->slow.slow_us)
        tell_slow_frames(engine, message, &time);
    if (message->traced && engine->options.now_us != NULL)
        timing_tell_batch(&message->reply, &time);
}

static void answer_messages(struct engine *engine)
{
    for (size_t i = 0; i < engine->message_count; i++) {
        struct message *message = &engine->messages[i];
        engine->stats.batches++;
        engine->stats.frames += message->reader.count;
        if (message->held) {
            engine_hold(engine, message);
            continue;
        }
        tell_time_of_message(engine, message);
        batch_seal(&message->reply, &engine->options.key);
        FAULT_POINT(answer_before);
        engine->io.answer(engine->io.arg, message->handle, message->reply.bytes, message->reply.length);
        FAULT_POINT(answer_after);
    }
    engine->message_count = 0;
}

static void send_ask(struct engine *engine, struct ask ask, enum domain_id to, uint16_t command,
                     const uint8_t *payload, size_t length, uint64_t deadline_ms)
{
    struct batch batch = {0};
    uint64_t serial = ++engine->ask_serial[ask.kind][ask.index];
    batch_begin(&batch, BATCH_REQUEST, engine->options.run, serial);
    struct request_frame frame = {.command = command,
                                  .deadline_ms = engine->now.monotonic_ms + deadline_ms,
                                  .length = (uint32_t)length};
    uint8_t *at = batch_add_request(&batch, &frame);
    if (length > 0)
        memcpy(at, payload, length);
    batch_seal(&batch, &engine->options.key);
    /* A held pull is answered before its frame's deadline; the call itself waits a little longer for that
     * answer. */
    uint64_t timeout_ms = ask.kind == ASK_PULL ? deadline_ms + LIMIT_ASK_MS : deadline_ms;
    engine->io.ask(engine->io.arg, ask, to, batch.bytes, batch.length, timeout_ms);
    if (ask.kind == ASK_PASSWORD)
        sodium_memzero(batch.bytes, batch.length);
    batch_dispose(&batch);
}

static void want_lookups_again(struct engine *engine)
{
    for (const struct parked *parked = engine->parked.first; parked != NULL; parked = parked->next)
        if (parked->wait == WAIT_LOOKUP)
            lookups_want(engine->lookups, parked->lookup, parked->lookup_id);
}

static void ask_lookups(struct engine *engine)
{
    if (engine->domain->lookup_count == 0)
        return;
    if (engine->parked.count > 0)
        want_lookups_again(engine);
    for (unsigned row = 0; row < engine->domain->lookup_count; row++) {
        size_t length;
        const uint8_t *payload = lookups_next_request(engine->lookups, row, engine->arena, &length);
        const struct lookup_row *lookup = &engine->domain->lookups[row];
        if (payload != NULL)
            send_ask(engine, (struct ask){ASK_LOOKUP, row}, lookup->owner, lookup->command, payload, length,
                     LIMIT_ASK_MS);
    }
}

static void ask_passwords(struct engine *engine)
{
    unsigned member;
    const uint8_t *payload;
    size_t length;
    while (password_jobs_next(engine->passwords, engine->now.monotonic_ms, &member, &payload, &length))
        send_ask(engine, (struct ask){ASK_PASSWORD, member}, DOMAIN_PASSWORDS, COMMAND_ID_passwords_check,
                 payload, length, LIMIT_PASSWORD_MS);
}

static void ask_sources(struct engine *engine)
{
    for (unsigned i = 0; i < followers_count(engine->followers); i++) {
        enum domain_id source = followers_source(engine->followers, i);
        size_t length;
        const uint8_t *payload = NULL; /* what cannot be stored is not pulled */
        if (!store_unwritable(engine->store))
            payload = followers_next_pull(engine->followers, i, engine->arena, &length);
        if (payload != NULL)
            send_ask(engine, (struct ask){ASK_PULL, i}, source, COMMAND_ID_engine_pull, payload, length,
                     LIMIT_PULL_HOLD_MS);
        if (followers_next_head(engine->followers, i))
            send_ask(engine, (struct ask){ASK_HEAD, i}, source, COMMAND_ID_engine_head, NULL, 0,
                     LIMIT_FEED_WAIT_MS);
    }
}

static void probe_storage(struct engine *engine)
{
    if (!store_unwritable(engine->store) || engine->now.monotonic_ms < engine->next_probe_ms)
        return;
    engine->next_probe_ms = engine->now.monotonic_ms + LIMIT_PROBE_MS;
    if (store_probe(engine->store))
        log_notice("storage can be written again");
}

/* What is kept for a time must not be forgotten at once when the wall clock steps forward; so that is timed
 * by steady_ms. */
static void set_time(struct engine *engine, struct engine_time now)
{
    engine->turn_us = engine->decided_us = engine->committed_us = now_us(engine);
    if (now.wall_ms > engine->wall_ms)
        engine->wall_ms = now.wall_ms;
    if (engine->steady_ms == 0)
        engine->steady_ms = engine->wall_ms;
    else
        engine->steady_ms += now.monotonic_ms - engine->now.monotonic_ms;
    engine->now = now;
}

void engine_turn(struct engine *engine, struct engine_time now)
{
    FAULT_LOOK();
    set_time(engine, now);
    followers_turn(engine->followers, now.monotonic_ms);
    probe_storage(engine);
    take_answers(engine);
    pick_ready(engine);
    if (engine->message_count > 0 || engine->answer_count > 0 || engine->ready.count > 0)
        if (!try_turn(engine, store_unwritable(engine->store)) && !try_turn(engine, true))
            fail_turn(engine);
    if (now.monotonic_ms >=
        engine->next_look_ms) { /* nothing to decide: workers may answer all by themselves */
        look_for_strangers(engine);
        raise_versions(engine);
    }
    lookups_turn_over(engine->lookups);
    end_questions(engine);
    deliver_outcomes(engine);
    answer_messages(engine);
    collects_turn(engine->collects, engine->options.run, now.monotonic_ms);
    pulls_turn(engine->pulls, engine->arena, now.monotonic_ms);
    copying_turn(engine->copying, now.monotonic_ms);
    ask_lookups(engine);
    ask_passwords(engine);
    ask_sources(engine);
    slow_log_turn(&engine->slow, now.monotonic_ms);
    arena_reset(engine->arena);
}

uint64_t engine_next_ms(const struct engine *engine)
{
    uint64_t next = collects_next_ms(engine->collects);
    uint64_t pull = pulls_next_ms(engine->pulls);
    if (pull < next)
        next = pull;
    uint64_t copying = copying_next_ms(engine->copying);
    if (copying < next)
        next = copying;
    uint64_t password = password_jobs_next_ms(engine->passwords);
    if (password < next)
        next = password;
    for (const struct parked *parked = engine->parked.first; parked != NULL; parked = parked->next) {
        uint64_t due = parked->frame.deadline_ms - PARKED_EARLY_MS;
        if (parked->wait == WAIT_BARRIER && parked->barrier_deadline_ms < due)
            due = parked->barrier_deadline_ms;
        if (parked->wait == WAIT_BARRIER && followers_barrier_reached(engine->followers, &parked->barrier))
            due = 0;
        if (due < next)
            next = due;
    }
    if (store_unwritable(engine->store) && engine->next_probe_ms < next)
        next = engine->next_probe_ms;
    if (engine->versions != NULL && engine->next_look_ms < next)
        next = engine->next_look_ms;
    return next;
}

void engine_set_queue(struct engine *engine, size_t queue)
{
    engine->queue = queue;
}

static void reapply(void *arg, uint32_t type, const uint8_t *payload, size_t length)
{
    struct engine *engine = arg;
    const struct schema_message *schema = schema_event_by_type(type);
    ensure(schema != NULL && engine->events[type & 0xff] != NULL);
    ProtobufCMessage *event =
        protobuf_c_message_unpack(schema->descriptor, arena_allocator(engine->arena), length, payload);
    ensure(event != NULL);
    engine->events[type & 0xff]->apply(engine->state, engine->arena, event);
    arena_reset(engine->arena);
}

void engine_rebuild(struct engine *engine)
{
    if (!store_begin(engine->store))
        fatal_exit(EXIT_IO, "cannot begin the rebuild");
    engine->domain->clear(engine->state);
    event_log_each(engine->log, reapply, engine);
    if (store_failed(engine->store) || !store_commit(engine->store))
        fatal_exit(EXIT_IO, "the rebuild failed; nothing was changed");
    engine->domain->rolled_back(engine->state);
    if (engine->versions != NULL)
        versions_touch_all(engine->versions);
    raise_versions(engine);
}

void engine_figures(const struct engine *engine, struct engine_figures *figures)
{
    struct store_stats stats;
    store_stats(engine->store, &stats);
    *figures = (struct engine_figures){
        .frames = engine->stats.frames,
        .waiting = engine->queue,
        .parked = engine->parked.count,
        .events = event_log_head(engine->log),
        .committed_wall_ms = engine->committed_wall_ms,
        .commit_us = stats.last_commit_us,
    };
}

bool engine_import_begin(struct engine *engine)
{
    return store_begin(engine->store);
}

void engine_import(struct engine *engine, uint64_t at_ms, const ProtobufCMessage *event)
{
    struct context context = {.engine = engine, .state = engine->state, .arena = engine->arena};
    if (at_ms > engine->wall_ms)
        engine->wall_ms = at_ms;
    context_emit(&context, event);
    arena_reset(engine->arena);
}

bool engine_import_commit(struct engine *engine)
{
    return !store_failed(engine->store) && store_commit(engine->store);
}

uint64_t engine_head_seq(const struct engine *engine)
{
    return event_log_head(engine->log);
}

struct store *engine_store(struct engine *engine)
{
    return engine->store;
}

const struct version_page *engine_versions(const struct engine *engine)
{
    return engine->versions != NULL ? versions_page(engine->versions) : NULL;
}
