#include "gateway/engine_entries.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"

/* Workers' ids count up in their last 8 bytes, the lowest one last (request_ids.c); keyed ones differ
 * everywhere. */
static size_t bucket_of(const struct request_id *id)
{
    uint64_t tail;
    memcpy(&tail, id->bytes + REQUEST_ID_BYTES - sizeof(tail), sizeof(tail));
    return (size_t)(be64toh(tail) % ENTRY_BUCKETS);
}

static bool state_is_with_engine(enum entry_state state)
{
    return state == ENTRY_IN_FLIGHT || state == ENTRY_ANSWERED || state == ENTRY_DEFERRED;
}

void entries_init(struct entries *entries)
{
    for (size_t i = 0; i < ENTRY_STATES; i++)
        TAILQ_INIT(&entries->lists[i]);
    for (size_t i = 0; i < ENTRY_BUCKETS; i++)
        LIST_INIT(&entries->buckets[i]);
    TAILQ_INIT(&entries->by_deadline);
    TAILQ_INIT(&entries->unused);
    entries->count = 0;
    entries->queued = 0;
    entries->bytes = 0;
    entries->unused_count = 0;
}

static void entry_free(struct entry *entry)
{
    free(entry->payload);
    free(entry);
}

static void list_free(struct entry_list *list)
{
    struct entry *entry;
    while ((entry = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, entry, link);
        entry_free(entry);
    }
}

void entries_dispose(struct entries *entries)
{
    for (size_t i = 0; i < ENTRY_STATES; i++)
        list_free(&entries->lists[i]);
    list_free(&entries->unused);
}

static struct entry *entry_obtain(struct entries *entries)
{
    struct entry *entry = TAILQ_FIRST(&entries->unused);
    if (entry == NULL)
        return xcalloc(1, sizeof(*entry));
    TAILQ_REMOVE(&entries->unused, entry, link);
    entries->unused_count--;
    return entry;
}

static void entry_fill(struct entry *entry, const struct engine_request *request)
{
    if (entry->payload_capacity < request->length) {
        size_t capacity = request->length > ENTRY_PAYLOAD_FIRST ? request->length : ENTRY_PAYLOAD_FIRST;
        free(entry->payload);
        entry->payload = xmalloc(capacity);
        entry->payload_capacity = capacity;
    }
    if (request->length > 0)
        memcpy(entry->payload, request->payload, request->length);
    entry->frame = (struct request_frame){
        .command = request->command,
        .flags = request->flags,
        .id = request->id,
        .actor = request->actor,
        .deadline_ms = request->deadline_ms,
        .trace = request->trace,
        .payload = entry->payload,
        .length = (uint32_t)request->length,
    };
    size_t name_length = strnlen(request->actor_name, ACTOR_NAME_MAX);
    memcpy(entry->frame.actor_name, request->actor_name, name_length);
}

/* From the end: a new request's deadline is nearly always the latest. */
static void insert_by_deadline(struct entries *entries, struct entry *entry)
{
    struct entry *before = TAILQ_LAST(&entries->by_deadline, entry_list);
    while (before != NULL && before->frame.deadline_ms > entry->frame.deadline_ms)
        before = TAILQ_PREV(before, entry_list, deadline_link);
    if (before != NULL)
        TAILQ_INSERT_AFTER(&entries->by_deadline, before, entry, deadline_link);
    else
        TAILQ_INSERT_HEAD(&entries->by_deadline, entry, deadline_link);
}

struct entry *entries_add(struct entries *entries, const struct engine_request *request, engine_reply_fn done,
                          void *arg)
{
    struct entry *entry = entry_obtain(entries);
    entry_fill(entry, request);
    entry->state = ENTRY_QUEUED;
    entry->done = done;
    entry->arg = arg;
    entry->retries = 0;
    entry->batch_size = 0;
    entry->given_id = request->given_id;
    entry->since_us = 0;
    entry->times = (struct engine_times){.steps = 1};
    entry->run = 0;
    entry->forget_ms = 0;
    TAILQ_INSERT_TAIL(&entries->lists[ENTRY_QUEUED], entry, link);
    insert_by_deadline(entries, entry);
    entries->count++;
    entries->queued++;
    entries->bytes += request->length;
    return entry;
}

static void state_leave(struct entries *entries, struct entry *entry)
{
    TAILQ_REMOVE(&entries->lists[entry->state], entry, link);
    entries->queued -= entry->state == ENTRY_QUEUED;
    if (state_is_with_engine(entry->state))
        LIST_REMOVE(entry, id_link);
}

static void state_enter(struct entries *entries, struct entry *entry, enum entry_state state)
{
    entry->state = state;
    entries->queued += state == ENTRY_QUEUED;
    if (state_is_with_engine(state))
        LIST_INSERT_HEAD(&entries->buckets[bucket_of(&entry->frame.id)], entry, id_link);
}

void entries_move(struct entries *entries, struct entry *entry, enum entry_state state)
{
    state_leave(entries, entry);
    state_enter(entries, entry, state);
    TAILQ_INSERT_TAIL(&entries->lists[state], entry, link);
}

void entries_move_first(struct entries *entries, struct entry *entry, enum entry_state state)
{
    state_leave(entries, entry);
    state_enter(entries, entry, state);
    TAILQ_INSERT_HEAD(&entries->lists[state], entry, link);
}

void entries_give_up(struct entries *entries, struct entry *entry)
{
    ensure(entry->done != NULL);
    TAILQ_REMOVE(&entries->by_deadline, entry, deadline_link);
    entry->done = NULL;
}

void entries_remove(struct entries *entries, struct entry *entry)
{
    if (entry->done != NULL)
        entries_give_up(entries, entry);
    state_leave(entries, entry);
    entries->count--;
    entries->bytes -= entry->frame.length;
    if (entry->payload_capacity > ENTRY_PAYLOAD_KEPT || entries->unused_count >= ENTRIES_KEPT) {
        entry_free(entry);
        return;
    }
    TAILQ_INSERT_HEAD(&entries->unused, entry, link);
    entries->unused_count++;
}

struct entry *entries_by_id(const struct entries *entries, const struct request_id *id)
{
    struct entry *entry;
    LIST_FOREACH(entry, &entries->buckets[bucket_of(id)], id_link)
    if (memcmp(entry->frame.id.bytes, id->bytes, REQUEST_ID_BYTES) == 0)
        return entry;
    return NULL;
}
