/*
 * proto/frame.c: a batch with a right MAC but any bytes is read whole or refused whole; what was read and is
 * written again reads the same. Then each frame's payload goes where payloads go.
 * Input: a byte, odd for requests; then the batch, whose MAC is put right here.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "proto/engine.pb-c.h"
#include "proto/frame.h"
#include "proto/schema.h"
#include "tests/fuzz/fuzz.h"

#define MAC_OFFSET 32
#define MAC_BYTES  16

static const struct mac_key key = {{7}};

static void put_mac_right(uint8_t *bytes, size_t length)
{
    crypto_generichash_state state;
    memset(bytes + MAC_OFFSET, 0, MAC_BYTES);
    crypto_generichash_init(&state, key.bytes, MAC_KEY_BYTES, MAC_BYTES);
    crypto_generichash_update(&state, bytes, length);
    crypto_generichash_final(&state, bytes + MAC_OFFSET, MAC_BYTES);
}

static void unpack(const struct schema_message *schema, const uint8_t *payload, size_t length,
                   struct arena *arena)
{
    ProtobufCMessage *message =
        protobuf_c_message_unpack(schema->descriptor, arena_allocator(arena), length, payload);
    if (message != NULL)
        ensure(protobuf_c_message_check(message));
}

static void copy_requests(struct batch_reader *reader, struct batch *copy, struct arena *arena)
{
    struct request_frame frame;
    while (batch_next_request(reader, &frame)) {
        memcpy(batch_add_request(copy, &frame), frame.payload, frame.length);
        const struct schema_command *command = schema_command_by_id(frame.command);
        if (command != NULL)
            unpack(command->request, frame.payload, frame.length, arena);
    }
}

static void copy_replies(struct batch_reader *reader, struct batch *copy, struct arena *arena)
{
    struct reply_frame frame;
    while (batch_next_reply(reader, &frame)) {
        memcpy(batch_add_reply(copy, &frame), frame.payload, frame.length);
        if (schema_command_count > 0)
            unpack(schema_command_by_id(1)->reply, frame.payload, frame.length, arena);
    }
}

static void expect_same_requests(struct batch_reader a, struct batch_reader b)
{
    struct request_frame x, y;
    while (batch_next_request(&a, &x)) {
        ensure(batch_next_request(&b, &y));
        ensure(x.command == y.command && x.flags == y.flags && x.actor == y.actor);
        ensure(x.deadline_ms == y.deadline_ms && strcmp(x.actor_name, y.actor_name) == 0);
        ensure(memcmp(x.id.bytes, y.id.bytes, REQUEST_ID_BYTES) == 0);
        ensure(x.length == y.length && memcmp(x.payload, y.payload, x.length) == 0);
    }
    ensure(!batch_next_request(&b, &y));
}

static void check_batch(enum batch_kind kind, const uint8_t *bytes, size_t length, struct arena *arena)
{
    struct batch_reader reader, again;
    struct batch copy = {0};
    if (batch_open(&reader, kind, bytes, length, &key) != BATCH_FINE)
        return;
    const struct batch_reader begin = reader;
    batch_begin(&copy, kind, reader.sender, reader.serial);
    if (kind == BATCH_REQUEST)
        copy_requests(&reader, &copy, arena);
    else
        copy_replies(&reader, &copy, arena);
    ensure(reader.offset == length && copy.length == length && copy.count == reader.count);
    batch_seal(&copy, &key);
    ensure(batch_open(&again, kind, copy.bytes, copy.length, &key) == BATCH_FINE);
    ensure(again.sender == reader.sender && again.serial == reader.serial);
    if (kind == BATCH_REQUEST)
        expect_same_requests(begin, again);
    batch_dispose(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct fuzz_input input = {data, size};
    enum batch_kind kind = fuzz_byte(&input) % 2 != 0 ? BATCH_REQUEST : BATCH_REPLY;
    if (arena == NULL) {
        ensure(sodium_init() >= 0);
        arena = arena_new();
    }
    arena_reset(arena);
    uint8_t *bytes = xmalloc(input.left > 0 ? input.left : 1);
    memcpy(bytes, input.at, input.left);
    struct batch_reader reader;
    enum batch_fault fault = batch_open(&reader, kind, bytes, input.left, &key);
    ensure(fault == BATCH_MALFORMED || fault == BATCH_WRONG_MAC || input.left >= BATCH_HEADER_BYTES);
    if (input.left >= BATCH_HEADER_BYTES) {
        put_mac_right(bytes, input.left);
        check_batch(kind, bytes, input.left, arena);
    }
    free(bytes);
    return 0;
}
