/*
 * Messages as they lie in a log or come from another process, events before all: any bytes are refused by
 * protobuf-c, or are a message that packs to bytes which mean the same, and that the JSON writer can show if
 * it is a reply. Applying them is not fuzzed: an engine believes its own log and, behind the MAC, that of the
 * others. Input: a byte that chooses the message (0: a whole pull), then its bytes.
 */
#include <stdbool.h>
#include <string.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "gateway/json_encode.h"
#include "gateway/json_scan.h"
#include "gateway/utf8.h"
#include "proto/engine.pb-c.h"
#include "proto/schema.h"
#include "tests/fuzz/fuzz.h"

/* protobuf-c keeps fields that it doesn't know, also ones that it could not write so that it reads them again
 * (field number 0). None of ours is written again with them in it. */
static bool has_unknown(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *at = (const char *)message + field->offset;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        size_t count = 1;
        if (repeated)
            memcpy(&count, (const char *)message + field->quantifier_offset, sizeof(count));
        const ProtobufCMessage *const *inner = repeated ? *(void *const *)(const void *)at : (const void *)at;
        for (size_t j = 0; j < count; j++)
            if (inner[j] != NULL && has_unknown(inner[j]))
                return true;
    }
    return message->n_unknown_fields > 0;
}

/* Other messages have types that the JSON writer does not know. */
static bool is_shown(const struct schema_message *schema)
{
    for (size_t i = 0; i < schema_command_count; i++)
        if (schema_commands[i].reply == schema)
            return true;
    return false;
}

static void check_message(const struct schema_message *schema, const uint8_t *bytes, size_t length,
                          struct arena *arena)
{
    static struct text text;
    struct json_fault fault;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(schema->descriptor, arena_allocator(arena), length, bytes);
    if (message == NULL || has_unknown(message))
        return;
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_alloc_raw(arena, size);
    ensure(protobuf_c_message_pack(message, packed) == size);
    ProtobufCMessage *again =
        protobuf_c_message_unpack(schema->descriptor, arena_allocator(arena), size, packed);
    ensure(again != NULL && protobuf_c_message_get_packed_size(again) == size);
    uint8_t *packed_again = arena_alloc_raw(arena, size);
    protobuf_c_message_pack(again, packed_again);
    ensure(memcmp(packed, packed_again, size) == 0);
    if (!is_shown(schema))
        return;
    text_clear(&text);
    json_encode(&text, schema, message);
    if (utf8_is_valid(text.bytes, text.length) && text.bytes[0] == '{')
        ensure(json_scan(text.bytes, text.length, arena, &fault));
}

static void check_pull(const uint8_t *bytes, size_t length, struct arena *arena)
{
    Pb__EventsPulled *pulled = pb__events_pulled__unpack(arena_allocator(arena), length, bytes);
    for (size_t i = 0; pulled != NULL && i < pulled->n_events; i++) {
        const struct schema_message *schema = schema_event_by_type(pulled->events[i]->type);
        if (schema != NULL)
            check_message(schema, pulled->events[i]->payload.data, pulled->events[i]->payload.len, arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct fuzz_input input = {data, size};
    if (arena == NULL)
        arena = arena_new();
    arena_reset(arena);
    size_t choice = fuzz_byte(&input);
    if (choice == 0)
        check_pull(input.at, input.left, arena);
    else
        check_message(schema_messages[choice % schema_message_count], input.at, input.left, arena);
    return 0;
}
