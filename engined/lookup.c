#include "engined/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "proto/schema.h"

#define LOOKUP_ROWS_MAX 4

struct id_list {
    uint64_t ids[LIMIT_LOOKUP_IDS];
    size_t count;
};

struct row_state {
    struct id_list wanted; /* for the next request; beyond its size an id waits to be wanted again */
    struct id_list asked;  /* in the request under way, or answered in this turn */
    bool under_way, answered;
    /* This turn's answer; points into the reply, which lives until the turn is over. */
    const uint64_t *found;
    char *const *names;
    size_t found_count;
};

struct lookups {
    struct store *store;
    const struct lookup_row *rows;
    size_t count;
    struct query *get, *put;
    struct row_state *states;
};

struct lookups *lookups_open(struct store *store, const struct lookup_row *rows, size_t count)
{
    ensure(count <= LOOKUP_ROWS_MAX);
    struct lookups *lookups = xcalloc(1, sizeof(*lookups));
    lookups->store = store;
    lookups->rows = rows;
    lookups->count = count;
    lookups->get = store_prepare(store, "SELECT name FROM known WHERE lookup = ?1 AND id = ?2");
    lookups->put = store_prepare(store, "INSERT OR IGNORE INTO known (lookup, id, name) VALUES (?1, ?2, ?3)");
    lookups->states = xcalloc(count > 0 ? count : 1, sizeof(lookups->states[0]));
    return lookups;
}

void lookups_close(struct lookups *lookups)
{
    free(lookups->states);
    free(lookups);
}

static bool list_has(const struct id_list *list, uint64_t id)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->ids[i] == id)
            return true;
    return false;
}

static void list_add(struct id_list *list, uint64_t id)
{
    if (list->count < LIMIT_LOOKUP_IDS && !list_has(list, id))
        list->ids[list->count++] = id;
}

static enum lookup_result get_answered(const struct row_state *state, uint64_t id, struct arena *arena,
                                       const char **name)
{
    for (size_t i = 0; i < state->found_count; i++) {
        if (state->found[i] == id) {
            if (name != NULL)
                *name = state->names != NULL ? arena_strdup(arena, state->names[i]) : NULL;
            return LOOKUP_FOUND;
        }
    }
    return LOOKUP_MISSING;
}

enum lookup_result lookups_get(struct lookups *lookups, unsigned row, uint64_t id, struct arena *arena,
                               const char **name)
{
    ensure(row < lookups->count);
    struct row_state *state = &lookups->states[row];
    query_bind(lookups->get, "uu", (uint64_t)row, id);
    bool known = query_row(lookups->get);
    if (known && name != NULL)
        *name = query_text(lookups->get, 0, arena);
    query_done(lookups->get);
    if (known)
        return LOOKUP_FOUND;
    if (state->answered && list_has(&state->asked, id))
        return get_answered(state, id, arena, name);
    list_add(&state->wanted, id);
    return LOOKUP_PENDING;
}

/* The request's one field, by its descriptor: a repeated uint64. */
static void set_repeated_u64(ProtobufCMessage *message, uint64_t *ids, size_t count)
{
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[0];
    *(size_t *)(void *)((char *)message + field->quantifier_offset) = count;
    *(uint64_t **)(void *)((char *)message + field->offset) = ids;
}

const uint8_t *lookups_next_request(struct lookups *lookups, unsigned row, struct arena *arena,
                                    size_t *length)
{
    struct row_state *state = &lookups->states[row];
    if (state->under_way || state->wanted.count == 0)
        return NULL;
    state->asked = state->wanted;
    state->wanted.count = 0;
    state->under_way = true;
    const ProtobufCMessageDescriptor *type =
        schema_command_by_id(lookups->rows[row].command)->request->descriptor;
    ProtobufCMessage *request = arena_alloc(arena, type->sizeof_message);
    protobuf_c_message_init(type, request);
    set_repeated_u64(request, state->asked.ids, state->asked.count);
    *length = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = arena_alloc_raw(arena, *length);
    protobuf_c_message_pack(request, bytes);
    return bytes;
}

void lookups_answered(struct lookups *lookups, unsigned row, const ProtobufCMessage *reply)
{
    struct row_state *state = &lookups->states[row];
    const ProtobufCFieldDescriptor *ids = &reply->descriptor->fields[0];
    state->found_count = *(const size_t *)(const void *)((const char *)reply + ids->quantifier_offset);
    state->found = *(uint64_t *const *)(const void *)((const char *)reply + ids->offset);
    state->names = NULL;
    if (reply->descriptor->n_fields > 1) {
        const ProtobufCFieldDescriptor *names = &reply->descriptor->fields[1];
        size_t name_count = *(const size_t *)(const void *)((const char *)reply + names->quantifier_offset);
        if (name_count == state->found_count)
            state->names = *(char **const *)(const void *)((const char *)reply + names->offset);
    }
    state->under_way = false;
    state->answered = true;
}

void lookups_store(struct lookups *lookups)
{
    for (size_t row = 0; row < lookups->count; row++) {
        const struct row_state *state = &lookups->states[row];
        for (size_t i = 0; state->answered && i < state->found_count; i++) {
            query_bind(lookups->put, "uus", (uint64_t)row, state->found[i],
                       state->names != NULL ? state->names[i] : NULL);
            FAULT_POINT(lookup_before);
            query_run(lookups->put);
            FAULT_POINT(lookup_after);
        }
    }
}

void lookups_unanswered(struct lookups *lookups, unsigned row)
{
    struct row_state *state = &lookups->states[row];
    state->asked.count = 0;
    state->wanted.count = 0;
    state->under_way = false;
}

void lookups_want(struct lookups *lookups, unsigned row, uint64_t id)
{
    list_add(&lookups->states[row].wanted, id);
}

bool lookups_decided(const struct lookups *lookups, unsigned row, uint64_t id)
{
    const struct row_state *state = &lookups->states[row];
    return state->answered && list_has(&state->asked, id);
}

void lookups_turn_over(struct lookups *lookups)
{
    for (size_t row = 0; row < lookups->count; row++) {
        struct row_state *state = &lookups->states[row];
        if (!state->answered)
            continue;
        state->answered = false;
        state->asked.count = 0;
        state->found = NULL;
        state->names = NULL;
        state->found_count = 0;
    }
}
