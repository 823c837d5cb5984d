#include "engined/event_log.h"

#include <sodium.h>
#include <stdlib.h>

#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"

struct timeline {
    uint64_t first_seq, id;
};

struct event_log {
    struct store *store;
    struct query *append, *read, *last, *begin_timeline;
    struct timeline *timelines; /* by first_seq; never empty */
    size_t timeline_count;
    bool own_timeline; /* the last one is this process's */
    uint64_t head;
    uint64_t last_ms;
};

static void load_head(struct event_log *log)
{
    log->head = 0;
    log->last_ms = 0;
    query_bind(log->last, "");
    if (query_row(log->last)) {
        log->head = query_u64(log->last, 0);
        log->last_ms = query_u64(log->last, 1);
    }
    query_done(log->last);
}

/* Positive in SQLite's signed integers, and never 0: followers send 0 for "never heard". */
static uint64_t random_id(void)
{
    uint64_t id;
    randombytes_buf(&id, sizeof(id));
    return (id >> 1) | 1;
}

static void add_timeline(struct event_log *log, uint64_t first_seq, uint64_t id)
{
    size_t bytes = (log->timeline_count + 1) * sizeof(log->timelines[0]);
    log->timelines = xrealloc(log->timelines, bytes);
    log->timelines[log->timeline_count++] = (struct timeline){first_seq, id};
}

static uint64_t make_id(struct store *store)
{
    uint64_t id = random_id();
    struct query *set = store_prepare(store, "INSERT INTO engine_meta (only, log_id) VALUES (1, ?1)");
    if (!store_begin(store))
        fatal_exit(EXIT_IO, "cannot begin the first transaction");
    query_bind(set, "u", id);
    query_run(set);
    if (store_failed(store) || !store_commit(store))
        fatal_exit(EXIT_IO, "cannot write the first transaction");
    return id;
}

static void load_timelines(struct event_log *log)
{
    uint64_t id = 0;
    struct query *first = store_prepare(log->store, "SELECT log_id FROM engine_meta");
    query_bind(first, "");
    if (!query_one_u64(first, &id)) {
        id = make_id(log->store);
        log->own_timeline = true;
    }
    add_timeline(log, 0, id);
    struct query *others =
        store_prepare(log->store, "SELECT first_seq, id FROM timelines ORDER BY first_seq");
    query_bind(others, "");
    while (query_row(others))
        add_timeline(log, query_u64(others, 0), query_u64(others, 1));
}

struct event_log *event_log_open(struct store *store)
{
    struct event_log *log = xcalloc(1, sizeof(*log));
    log->store = store;
    load_timelines(log);
    log->append =
        store_prepare(store, "INSERT INTO events (seq, type, at_ms, payload) VALUES (?1, ?2, ?3, ?4)");
    log->read =
        store_prepare(store, "SELECT seq, type, at_ms, payload FROM events WHERE seq > ?1 ORDER BY seq");
    log->last = store_prepare(store, "SELECT seq, at_ms FROM events ORDER BY seq DESC LIMIT 1");
    log->begin_timeline = store_prepare(store, "INSERT INTO timelines (first_seq, id) VALUES (?1, ?2)");
    load_head(log);
    return log;
}

void event_log_close(struct event_log *log)
{
    free(log->timelines);
    free(log);
}

uint64_t event_log_id(const struct event_log *log)
{
    return log->timelines[log->timeline_count - 1].id;
}

uint64_t event_log_head(const struct event_log *log)
{
    return log->head;
}

uint64_t event_log_last_ms(const struct event_log *log)
{
    return log->last_ms;
}

bool event_log_holds(const struct event_log *log, uint64_t id, uint64_t seq)
{
    if (id == 0)
        return seq == 0;
    uint64_t end = log->head;
    for (size_t i = log->timeline_count; i > 0; i--) {
        const struct timeline *timeline = &log->timelines[i - 1];
        if (timeline->id == id)
            return seq <= end;
        end = timeline->first_seq - 1;
    }
    return false;
}

static void begin_timeline(struct event_log *log)
{
    add_timeline(log, log->head + 1, random_id());
    query_bind(log->begin_timeline, "uu", log->head + 1, event_log_id(log));
    query_run(log->begin_timeline);
    log->own_timeline = true;
}

void event_log_append(struct event_log *log, uint32_t type, uint64_t at_ms, const uint8_t *payload,
                      size_t length)
{
    if (!log->own_timeline)
        begin_timeline(log);
    query_bind(log->append, "uuub", log->head + 1, (uint64_t)type, at_ms, payload, length);
    FAULT_POINT(append_before);
    query_run(log->append);
    FAULT_POINT(append_after);
    log->head++;
    log->last_ms = at_ms;
}

void event_log_rolled_back(struct event_log *log)
{
    load_head(log);
    if (log->timelines[log->timeline_count - 1].first_seq > log->head) {
        log->timeline_count--;
        log->own_timeline = false;
    }
}

static bool is_wanted(uint32_t type, const uint32_t *types, size_t type_count)
{
    for (size_t i = 0; i < type_count; i++)
        if (types[i] == type)
            return true;
    return false;
}

static Pb__EventRecord *read_record(struct event_log *log, struct arena *arena, size_t *bytes)
{
    Pb__EventRecord *record = arena_alloc(arena, sizeof(*record));
    pb__event_record__init(record);
    record->has_seq = record->has_type = record->has_at_ms = record->has_payload = 1;
    record->seq = query_u64(log->read, 0);
    record->type = (uint32_t)query_u64(log->read, 1);
    record->at_ms = query_u64(log->read, 2);
    const void *payload = query_blob_peek(log->read, 3, &record->payload.len);
    record->payload.data = arena_copy(arena, payload, record->payload.len);
    *bytes += record->payload.len;
    return record;
}

void event_log_read(struct event_log *log, uint64_t after_seq, const uint32_t *types, size_t type_count,
                    struct arena *arena, Pb__EventsPulled *out)
{
    size_t bytes = 0, count = 0, seen = 0;
    uint64_t upto = after_seq;
    Pb__EventRecord *found[LIMIT_PULL_EVENTS];
    query_bind(log->read, "u", after_seq);
    while (count < LIMIT_PULL_EVENTS && bytes < LIMIT_PULL_BYTES && seen < LIMIT_PULL_SCAN &&
           query_row(log->read)) {
        seen++;
        upto = query_u64(log->read, 0);
        if (is_wanted((uint32_t)query_u64(log->read, 1), types, type_count))
            found[count++] = read_record(log, arena, &bytes);
    }
    query_done(log->read);
    out->has_log_id = out->has_upto_seq = out->has_head_seq = 1;
    out->log_id = event_log_id(log);
    out->upto_seq = upto;
    out->head_seq = log->head;
    out->n_events = count;
    out->events = arena_copy(arena, found, count * sizeof(found[0]));
}

void event_log_each(struct event_log *log,
                    void (*visit)(void *arg, uint32_t type, const uint8_t *payload, size_t length), void *arg)
{
    query_bind(log->read, "u", (uint64_t)0);
    while (query_row(log->read)) {
        size_t length;
        const void *payload = query_blob_peek(log->read, 3, &length);
        visit(arg, (uint32_t)query_u64(log->read, 1), payload, length);
    }
}
