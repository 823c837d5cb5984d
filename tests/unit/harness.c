#include "tests/unit/harness.h"

#include <endian.h>
#include <ftw.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"
#include "engined/engine.h"
#include "engined/password_hash.h"
#include "engined/store.h"
#include "engined/versions.h"
#include "proto/engine.pb-c.h"
#include "proto/schema_commands.h"

#define START_WALL_MS 1700000000000ull
#define KNOWN_MAX     4096
#define SOURCE_EVENTS 4096
#define ROUNDS_MAX    64
#define SENDER        77

struct known_thing {
    unsigned lookup;
    uint64_t id;
    char name[32];
};

struct source {
    uint64_t log_id;
    Pb__EventRecord records[SOURCE_EVENTS];
    size_t count;
    uint64_t run;          /* that it tells; 0: none */
    struct versions *page; /* NULL: none */
};

struct asked {
    bool open;
    struct ask ask;
    enum domain_id to;
    uint64_t serial;
    struct request_frame frame;
    uint8_t *payload;
};

struct harness {
    const struct domain *domain;
    char dir[64];
    struct mac_key key;
    struct token_secret_key token_key;
    struct token_public_keys token_keys;
    unsigned passwords_asked, heads_asked;
    bool passwords_away;
    struct engine *engine;
    struct engine_time now;
    uint64_t next_id;
    struct known_thing known[KNOWN_MAX];
    size_t known_count;
    struct source *sources; /* by domain */
    struct asked asked[ASK_KINDS][DOMAIN_COUNT];
    struct arena *arena; /* replies; lives until close */
    /* What the last batch (or collect) brought for the request under way. */
    struct request_id waiting;
    bool answered;
    uint16_t status, flags;
    ProtobufCMessage *reply;
    const struct schema_command *command;
    int collect_token, batch_token;
    uint64_t deadline_ms;
    unsigned dropped;
    /* While harness_run_many is under way: what its answers said. */
    bool counting;
    size_t fine, deferred;
    struct batch many;
};

static void take_reply(struct harness *h, const struct reply_frame *frame)
{
    if (h->counting) {
        h->fine += frame->status == STATUS_OK;
        h->deferred += frame->status == STATUS_DEFERRED;
        return;
    }
    if (memcmp(frame->id.bytes, h->waiting.bytes, REQUEST_ID_BYTES) != 0)
        return;
    h->answered = true;
    h->status = frame->status;
    h->flags = frame->flags;
    h->reply = NULL;
    if (frame->status == STATUS_OK) {
        h->reply = protobuf_c_message_unpack(h->command->reply->descriptor, arena_allocator(h->arena),
                                             frame->length, frame->payload);
        ensure(h->reply != NULL);
    }
}

static void on_answer(void *arg, void *message, const uint8_t *bytes, size_t length)
{
    struct harness *h = arg;
    (void)message;
    struct batch_reader reader;
    ensure(batch_open(&reader, BATCH_REPLY, bytes, length, &h->key) == BATCH_FINE);
    struct reply_frame frame;
    while (batch_next_reply(&reader, &frame))
        take_reply(h, &frame);
}

static void on_drop(void *arg, void *message)
{
    struct harness *h = arg;
    (void)message;
    h->dropped++;
}

static void on_ask(void *arg, struct ask ask, enum domain_id to, const uint8_t *bytes, size_t length,
                   uint64_t timeout_ms)
{
    struct harness *h = arg;
    (void)timeout_ms;
    struct asked *asked = &h->asked[ask.kind][ask.index];
    ensure(!asked->open);
    struct batch_reader reader;
    ensure(batch_open(&reader, BATCH_REQUEST, bytes, length, &h->key) == BATCH_FINE && reader.count == 1);
    ensure(batch_next_request(&reader, &asked->frame));
    asked->open = true;
    asked->ask = ask;
    asked->to = to;
    asked->serial = reader.serial;
    asked->payload = arena_copy(h->arena, asked->frame.payload, asked->frame.length);
}

static bool on_open(void *arg, const char *text, uint64_t wall_ms, struct token *token)
{
    struct harness *h = arg;
    return token_open(text, strlen(text), &h->token_keys, wall_ms, token) == TOKEN_FINE;
}

static bool on_sign(void *arg, struct token *token, char *text)
{
    struct harness *h = arg;
    token_sign(token, &h->token_key, text);
    return true;
}

static void open_engine(struct harness *h)
{
    struct engine_options options = {
        .state_dir = h->dir,
        .key = h->key,
        .run = 4711 + h->next_id,
        .start_ms = h->now.monotonic_ms,
        .password_processes = 2,
        .sign = on_sign,
        .open = on_open,
        .sign_arg = h,
    };
    struct engine_io io = {.answer = on_answer, .drop = on_drop, .ask = on_ask, .arg = h};
    memset(h->asked, 0, sizeof(h->asked));
    h->engine = engine_open(h->domain, &options, &io);
}

struct harness *harness_open(const struct domain *domain)
{
    struct harness *h = xcalloc(1, sizeof(*h));
    ensure(sodium_init() >= 0);
    log_open("harness", LOG_LEVEL_WARN);
    h->domain = domain;
    snprintf(h->dir, sizeof(h->dir), "/tmp/forumd-unit-XXXXXX");
    ensure(mkdtemp(h->dir) != NULL);
    h->now = (struct engine_time){.monotonic_ms = 1000000, .wall_ms = START_WALL_MS};
    h->deadline_ms = LIMIT_DEADLINE_MS;
    h->next_id = 1;
    h->arena = arena_new();
    token_keys_generate(&h->token_key, &h->token_keys.rows[0]);
    h->token_keys.count = 1;
    h->sources = xcalloc(DOMAIN_COUNT, sizeof(h->sources[0]));
    for (int i = 0; i < DOMAIN_COUNT; i++)
        h->sources[i].log_id = 100 + (uint64_t)i;
    open_engine(h);
    return h;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

void harness_close(struct harness *h)
{
    engine_close(h->engine);
    (void)!nftw(h->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    arena_free(h->arena);
    batch_dispose(&h->many);
    for (size_t i = 0; i < DOMAIN_COUNT; i++)
        versions_close(h->sources[i].page);
    free(h->sources);
    free(h);
}

void harness_sign(struct harness *h, struct token *token, char *text)
{
    token_sign(token, &h->token_key, text);
}

uint64_t harness_now_ms(const struct harness *h)
{
    return h->now.wall_ms;
}

void harness_advance_ms(struct harness *h, uint64_t ms)
{
    h->now.wall_ms += ms;
    h->now.monotonic_ms += ms;
}

void harness_step_wall_ms(struct harness *h, int64_t by_ms)
{
    h->now.wall_ms += (uint64_t)by_ms;
}

void harness_set_deadline_ms(struct harness *h, uint64_t deadline_ms)
{
    h->deadline_ms = deadline_ms;
}

bool harness_drops(struct harness *h, const uint8_t *bytes, size_t length)
{
    unsigned before = h->dropped;
    return engine_receive(h->engine, &h->batch_token, bytes, length, 0) == 0 && h->dropped == before + 1;
}

/* --- the other engines --- */

static void send_answer(struct harness *h, struct asked *asked, const ProtobufCMessage *reply)
{
    struct batch batch = {0};
    size_t length = protobuf_c_message_get_packed_size(reply);
    batch_begin(&batch, BATCH_REPLY, 1, asked->serial);
    struct reply_frame frame = {.status = STATUS_OK, .id = asked->frame.id, .length = (uint32_t)length};
    protobuf_c_message_pack(reply, batch_add_reply(&batch, &frame));
    batch_seal(&batch, &h->key);
    asked->open = false;
    engine_answered(h->engine, asked->ask, ASK_ANSWERED, batch.bytes, batch.length);
    batch_dispose(&batch);
}

static void *field_at(const ProtobufCMessage *message, unsigned offset)
{
    return (char *)message + offset;
}

static void answer_lookup(struct harness *h, struct asked *asked)
{
    const struct schema_command *command = schema_command_by_id(asked->frame.command);
    ProtobufCMessage *request = protobuf_c_message_unpack(
        command->request->descriptor, arena_allocator(h->arena), asked->frame.length, asked->payload);
    ensure(request != NULL);
    const ProtobufCFieldDescriptor *ids_field = &request->descriptor->fields[0];
    size_t count = *(size_t *)field_at(request, ids_field->quantifier_offset);
    const uint64_t *ids = *(uint64_t **)field_at(request, ids_field->offset);
    uint64_t *found = arena_alloc(h->arena, count * sizeof(found[0]));
    char **names = arena_alloc(h->arena, count * sizeof(names[0]));
    size_t found_count = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < h->known_count; k++) {
            if (h->known[k].lookup != asked->ask.index || h->known[k].id != ids[i])
                continue;
            found[found_count] = ids[i];
            names[found_count++] = h->known[k].name;
        }
    }
    const ProtobufCMessageDescriptor *type = command->reply->descriptor;
    ProtobufCMessage *reply = arena_alloc(h->arena, type->sizeof_message);
    protobuf_c_message_init(type, reply);
    *(size_t *)field_at(reply, type->fields[0].quantifier_offset) = found_count;
    *(uint64_t **)field_at(reply, type->fields[0].offset) = found;
    if (type->n_fields > 1) {
        *(size_t *)field_at(reply, type->fields[1].quantifier_offset) = found_count;
        *(char ***)field_at(reply, type->fields[1].offset) = names;
    }
    send_answer(h, asked, reply);
}

static bool answer_pull(struct harness *h, struct asked *asked)
{
    struct source *source = &h->sources[asked->to];
    Pb__EventsPull *pull =
        pb__events_pull__unpack(arena_allocator(h->arena), asked->frame.length, asked->payload);
    ensure(pull != NULL);
    Pb__EventsPulled pulled = PB__EVENTS_PULLED__INIT;
    pulled.has_log_id = pulled.has_upto_seq = pulled.has_head_seq = 1;
    pulled.has_run = source->run != 0;
    pulled.run = source->run;
    pulled.log_id = source->log_id;
    pulled.head_seq = source->count;
    if ((pull->log_id != 0 && pull->log_id != source->log_id) || pull->after_seq > source->count) {
        pulled.has_reset = pulled.reset = 1;
        send_answer(h, asked, &pulled.base);
        return true;
    }
    if (pull->after_seq == source->count)
        return false;
    pulled.upto_seq = source->count;
    pulled.events = arena_alloc(h->arena, source->count * sizeof(pulled.events[0]));
    for (size_t i = pull->after_seq; i < source->count; i++)
        for (size_t t = 0; t < pull->n_types; t++)
            if (pull->types[t] == source->records[i].type)
                pulled.events[pulled.n_events++] = &source->records[i];
    send_answer(h, asked, &pulled.base);
    return true;
}

static bool answer_password(struct harness *h, struct asked *asked)
{
    char new_hash[PASSWORD_HASH_MAX];
    Pb__PasswordsChecked reply;
    Pb__PasswordsCheck *request =
        pb__passwords_check__unpack(arena_allocator(h->arena), asked->frame.length, asked->payload);
    if (h->passwords_away)
        return false;
    ensure(request != NULL && password_hash_answer(request, new_hash, &reply));
    h->passwords_asked++;
    send_answer(h, asked, &reply.base);
    return true;
}

static bool answer_one(struct harness *h, struct asked *asked)
{
    if (!asked->open)
        return false;
    if (asked->ask.kind == ASK_LOOKUP) {
        answer_lookup(h, asked);
        return true;
    }
    if (asked->ask.kind == ASK_PULL)
        return answer_pull(h, asked);
    if (asked->ask.kind == ASK_PASSWORD)
        return answer_password(h, asked);
    Pb__EventsHeadAnswer head = PB__EVENTS_HEAD_ANSWER__INIT;
    h->heads_asked++;
    head.has_log_id = head.has_head_seq = 1;
    head.has_run = h->sources[asked->to].run != 0;
    head.run = h->sources[asked->to].run;
    head.log_id = h->sources[asked->to].log_id;
    head.head_seq = h->sources[asked->to].count;
    send_answer(h, asked, &head.base);
    return true;
}

/* A turn, then whatever the other engines can answer, until nothing moves. */
static void settle(struct harness *h)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        engine_turn(h->engine, h->now);
        bool moved = engine_next_ms(h->engine) <= h->now.monotonic_ms;
        for (int kind = 0; kind < ASK_KINDS; kind++)
            for (int i = 0; i < DOMAIN_COUNT; i++)
                moved |= answer_one(h, &h->asked[kind][i]);
        if (!moved)
            return;
    }
}

void harness_know(struct harness *h, unsigned lookup, uint64_t id, const char *name)
{
    ensure(h->known_count < KNOWN_MAX);
    struct known_thing *thing = &h->known[h->known_count++];
    thing->lookup = lookup;
    thing->id = id;
    snprintf(thing->name, sizeof(thing->name), "%s", name != NULL ? name : "");
}

void harness_feed_event(struct harness *h, enum domain_id domain, const ProtobufCMessage *event)
{
    struct source *source = &h->sources[domain];
    ensure(source->count < SOURCE_EVENTS);
    const struct schema_message *schema = NULL;
    for (size_t i = 0; i < schema_event_count; i++)
        if (schema_events[i]->descriptor == event->descriptor)
            schema = schema_events[i];
    ensure(schema != NULL);
    Pb__EventRecord *record = &source->records[source->count++];
    pb__event_record__init(record);
    record->has_seq = record->has_type = record->has_at_ms = record->has_payload = 1;
    record->seq = source->count;
    record->type = schema->event;
    record->at_ms = h->now.wall_ms;
    record->payload.len = protobuf_c_message_get_packed_size(event);
    record->payload.data = arena_alloc(h->arena, record->payload.len);
    protobuf_c_message_pack(event, record->payload.data);
    if (source->page != NULL)
        versions_log(source->page, source->log_id, source->count);
    settle(h);
}

void harness_reset_source(struct harness *h, enum domain_id domain)
{
    h->sources[domain].log_id += 1000;
    h->sources[domain].count = 0;
}

/* --- commands --- */

static void send_frame(struct harness *h, void *token, const struct request_frame *frame, uint64_t serial)
{
    static struct batch batch;
    batch_begin(&batch, BATCH_REQUEST, SENDER, serial);
    uint8_t *at = batch_add_request(&batch, frame);
    if (frame->length > 0)
        memcpy(at, frame->payload, frame->length);
    batch_seal(&batch, &h->key);
    uint8_t *kept = arena_copy(h->arena, batch.bytes, batch.length);
    ensure(engine_receive(h->engine, token, kept, batch.length, 0) == 1);
}

static void collect(struct harness *h)
{
    struct request_frame frame = {.command = COMMAND_ID_engine_collect,
                                  .deadline_ms = h->now.monotonic_ms + LIMIT_COLLECT_HOLD_MS};
    send_frame(h, &h->collect_token, &frame, h->next_id);
    settle(h);
}

static enum status run(struct harness *h, const struct request_frame *frame, ProtobufCMessage **reply,
                       bool *replayed)
{
    h->command = schema_command_by_id(frame->command);
    ensure(h->command != NULL);
    h->waiting = frame->id;
    h->answered = false;
    send_frame(h, &h->batch_token, frame, h->next_id);
    settle(h);
    ensure(h->answered);
    if (h->status == STATUS_DEFERRED)
        collect(h);
    if (reply != NULL)
        *reply = h->status == STATUS_OK ? h->reply : NULL;
    if (replayed != NULL)
        *replayed = (h->flags & REPLY_REPLAYED) != 0;
    return (enum status)h->status;
}

static struct request_frame make_frame(struct harness *h, uint64_t actor, const char *actor_name,
                                       uint16_t command, const ProtobufCMessage *request)
{
    struct request_frame frame = {
        .command = command, .actor = actor, .deadline_ms = h->now.monotonic_ms + h->deadline_ms};
    snprintf(frame.actor_name, sizeof(frame.actor_name), "%s", actor_name != NULL ? actor_name : "");
    frame.length = (uint32_t)protobuf_c_message_get_packed_size(request);
    uint8_t *payload = arena_alloc(h->arena, frame.length);
    protobuf_c_message_pack(request, payload);
    frame.payload = payload;
    h->next_id++;
    memcpy(frame.id.bytes, &h->next_id, sizeof(h->next_id));
    return frame;
}

enum status harness_run(struct harness *h, uint64_t actor, const char *actor_name, uint16_t command,
                        const ProtobufCMessage *request, ProtobufCMessage **reply)
{
    struct request_frame frame = make_frame(h, actor, actor_name, command, request);
    return run(h, &frame, reply, NULL);
}

size_t harness_run_many(struct harness *h, uint64_t actor, const char *actor_name, uint16_t command,
                        const ProtobufCMessage *const *requests, size_t count)
{
    struct request_frame frame = {
        .command = command, .actor = actor, .deadline_ms = h->now.monotonic_ms + h->deadline_ms};
    snprintf(frame.actor_name, sizeof(frame.actor_name), "%s", actor_name);
    batch_begin(&h->many, BATCH_REQUEST, SENDER, h->next_id);
    for (size_t i = 0; i < count; i++) {
        /* As a worker's, which make neighbours in the request table. */
        uint64_t run = SENDER, counter = htobe64(++h->next_id);
        memcpy(frame.id.bytes, &run, sizeof(run));
        memcpy(frame.id.bytes + sizeof(run), &counter, sizeof(counter));
        frame.length = (uint32_t)protobuf_c_message_get_packed_size(requests[i]);
        protobuf_c_message_pack(requests[i], batch_add_request(&h->many, &frame));
    }
    batch_seal(&h->many, &h->key);
    h->counting = true;
    h->fine = h->deferred = 0;
    ensure(engine_receive(h->engine, &h->batch_token, h->many.bytes, h->many.length, 0) == count);
    settle(h);
    if (h->deferred > 0)
        collect(h);
    h->counting = false;
    return h->fine;
}

enum status harness_run_keyed(struct harness *h, uint64_t actor, const char *actor_name, uint16_t command,
                              const ProtobufCMessage *request, const char *key, ProtobufCMessage **reply,
                              bool *replayed)
{
    struct request_frame frame = make_frame(h, actor, actor_name, command, request);
    frame.flags = REQUEST_CLIENT_KEY;
    if (strlen(key) >= REQUEST_LONG_KEY_CHARS)
        frame.flags |= REQUEST_LONG_KEY;
    char scope[128];
    int length = snprintf(scope, sizeof(scope), "%llu %s", (unsigned long long)actor, key);
    crypto_generichash(frame.id.bytes, REQUEST_ID_BYTES, (const uint8_t *)scope, (size_t)length, NULL, 0);
    return run(h, &frame, reply, replayed);
}

void harness_restart(struct harness *h)
{
    engine_close(h->engine);
    h->next_id += 1000;
    open_engine(h);
}

bool harness_token(struct harness *h, const char *text, struct token *token)
{
    return text != NULL &&
           token_open(text, strlen(text), &h->token_keys, h->now.wall_ms, token) == TOKEN_FINE;
}

unsigned harness_passwords_asked(const struct harness *h)
{
    return h->passwords_asked;
}

void harness_passwords_away(struct harness *h, bool away)
{
    h->passwords_away = away;
}

const char *harness_directory(const struct harness *h)
{
    return h->dir;
}

void harness_publish(struct harness *h, enum domain_id domain, uint64_t run, uint64_t told)
{
    struct source *source = &h->sources[domain];
    versions_close(source->page);
    source->page = versions_open(h->dir, domain_name(domain), run);
    source->run = told;
    versions_log(source->page, source->log_id, source->count);
}

void harness_publish_log(struct harness *h, enum domain_id domain, uint64_t id_offset, uint64_t seq_offset)
{
    struct source *source = &h->sources[domain];
    versions_log(source->page, source->log_id + id_offset, source->count + seq_offset);
}

unsigned harness_heads_asked(const struct harness *h)
{
    return h->heads_asked;
}

uint64_t harness_head_seq(struct harness *h)
{
    return engine_head_seq(h->engine);
}

/* --- rebuild --- */

static void dump_table(sqlite3 *db, FILE *out, const char *table)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\"", table);
    sqlite3_stmt *rows;
    ensure(sqlite3_prepare_v2(db, sql, -1, &rows, NULL) == SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        fprintf(out, "%s:", table);
        for (int i = 0; i < sqlite3_column_count(rows); i++)
            fprintf(out, " %d=%s", sqlite3_column_type(rows, i),
                    sqlite3_column_text(rows, i) != NULL ? (const char *)sqlite3_column_text(rows, i) : "-");
        fputc('\n', out);
    }
    sqlite3_finalize(rows);
}

static char *dump_all(struct harness *h)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s.db", h->dir, domain_name(h->domain->id));
    sqlite3 *db;
    ensure(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ensure(out != NULL);
    sqlite3_stmt *tables;
    ensure(sqlite3_prepare_v2(db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name", -1,
                              &tables, NULL) == SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW)
        dump_table(db, out, (const char *)sqlite3_column_text(tables, 0));
    sqlite3_finalize(tables);
    sqlite3_close(db);
    fclose(out);
    return text;
}

bool harness_rebuild_is_equal(struct harness *h)
{
    char *before = dump_all(h);
    engine_rebuild(h->engine);
    char *after = dump_all(h);
    bool equal = strcmp(before, after) == 0;
    if (!equal)
        fprintf(stderr, "--- before\n%s--- after\n%s", before, after);
    free(before);
    free(after);
    return equal;
}

uint64_t harness_rows(struct harness *h, const char *table)
{
    char sql[128];
    uint64_t rows = 0;
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    struct query *count = store_prepare(engine_store(h->engine), sql);
    query_bind(count, "");
    ensure(query_one_u64(count, &rows));
    return rows;
}
