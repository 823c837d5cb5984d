#include "proto/frame.h"

#include <endian.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/limits.h"

#define BATCH_MAGIC          0x314d5246u /* "FRM1" */
#define BATCH_VERSION        1
#define MAC_BYTES            16
#define MAC_OFFSET           32
#define BATCH_FIRST_CAPACITY 4096

static void put16(uint8_t *at, uint16_t value)
{
    value = htole16(value);
    memcpy(at, &value, sizeof(value));
}

static void put32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof(value));
}

static uint16_t get16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return le16toh(value);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return le32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return le64toh(value);
}

void mac_key_load(const char *path, struct mac_key *key)
{
    uint8_t bytes[MAC_KEY_BYTES + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fatal_exit(EXIT_CONFIG, "cannot open the MAC key %s: %m", path);
    ssize_t length = read(fd, bytes, sizeof(bytes));
    close(fd);
    if (length != MAC_KEY_BYTES)
        fatal_exit(EXIT_CONFIG, "the MAC key %s is not %d bytes long", path, MAC_KEY_BYTES);
    memcpy(key->bytes, bytes, MAC_KEY_BYTES);
    sodium_memzero(bytes, sizeof(bytes));
}

static void batch_reserve(struct batch *batch, size_t more)
{
    size_t need = batch->length + more;
    if (need <= batch->capacity)
        return;
    size_t capacity = batch->capacity > 0 ? batch->capacity : BATCH_FIRST_CAPACITY;
    while (capacity < need)
        capacity *= 2;
    batch->bytes = xrealloc(batch->bytes, capacity);
    batch->capacity = capacity;
}

void batch_begin(struct batch *batch, enum batch_kind kind, uint64_t sender, uint64_t serial)
{
    batch->length = 0;
    batch->count = 0;
    batch_reserve(batch, BATCH_HEADER_BYTES);
    memset(batch->bytes, 0, BATCH_HEADER_BYTES);
    put32(batch->bytes, BATCH_MAGIC);
    put16(batch->bytes + 4, BATCH_VERSION);
    put16(batch->bytes + 6, (uint16_t)kind);
    put64(batch->bytes + 16, sender);
    put64(batch->bytes + 24, serial);
    batch->length = BATCH_HEADER_BYTES;
}

uint8_t *batch_add_request(struct batch *batch, const struct request_frame *frame)
{
    batch_reserve(batch, REQUEST_HEADER_BYTES + (size_t)frame->length);
    uint8_t *at = batch->bytes + batch->length;
    size_t name_length = strnlen(frame->actor_name, ACTOR_NAME_MAX);
    memset(at, 0, REQUEST_HEADER_BYTES);
    put32(at, frame->length);
    put16(at + 4, frame->command);
    put16(at + 6, frame->flags);
    memcpy(at + 8, frame->id.bytes, REQUEST_ID_BYTES);
    put64(at + 24, frame->actor);
    put64(at + 32, frame->deadline_ms);
    at[40] = (uint8_t)name_length;
    memcpy(at + 41, frame->actor_name, name_length);
    put64(at + 61, frame->trace);
    batch->length += REQUEST_HEADER_BYTES + (size_t)frame->length;
    batch->count++;
    return at + REQUEST_HEADER_BYTES;
}

uint8_t *batch_add_reply(struct batch *batch, const struct reply_frame *frame)
{
    batch_reserve(batch, REPLY_HEADER_BYTES + (size_t)frame->length);
    uint8_t *at = batch->bytes + batch->length;
    put32(at, frame->length);
    put16(at + 4, frame->status);
    put16(at + 6, frame->flags);
    memcpy(at + 8, frame->id.bytes, REQUEST_ID_BYTES);
    batch->length += REPLY_HEADER_BYTES + (size_t)frame->length;
    batch->count++;
    return at + REPLY_HEADER_BYTES;
}

/* Over the whole batch as it stands, MAC field zeroed. */
static void mac_compute(uint8_t *mac, const uint8_t *bytes, size_t length, const struct mac_key *key)
{
    static const uint8_t no_mac[MAC_BYTES];
    crypto_generichash_state state;
    crypto_generichash_init(&state, key->bytes, MAC_KEY_BYTES, MAC_BYTES);
    crypto_generichash_update(&state, bytes, MAC_OFFSET);
    crypto_generichash_update(&state, no_mac, MAC_BYTES);
    crypto_generichash_update(&state, bytes + BATCH_HEADER_BYTES, length - BATCH_HEADER_BYTES);
    crypto_generichash_final(&state, mac, MAC_BYTES);
}

void batch_seal(struct batch *batch, const struct mac_key *key)
{
    put32(batch->bytes + 8, batch->count);
    put32(batch->bytes + 12, (uint32_t)(batch->length - BATCH_HEADER_BYTES));
    mac_compute(batch->bytes + MAC_OFFSET, batch->bytes, batch->length, key);
}

void batch_dispose(struct batch *batch)
{
    free(batch->bytes);
    memset(batch, 0, sizeof(*batch));
}

/* Walks all frames once: counts and lengths must end exactly at the batch's end. */
static bool frames_fit(const struct batch_reader *reader, size_t frame_header)
{
    size_t offset = BATCH_HEADER_BYTES;
    for (uint32_t i = 0; i < reader->count; i++) {
        if (reader->length - offset < frame_header)
            return false;
        const uint8_t *at = reader->bytes + offset;
        size_t payload = get32(at);
        offset += frame_header;
        if (reader->length - offset < payload)
            return false;
        if (frame_header == REQUEST_HEADER_BYTES && at[40] > ACTOR_NAME_MAX)
            return false;
        offset += payload;
    }
    return offset == reader->length;
}

enum batch_fault batch_open(struct batch_reader *reader, enum batch_kind kind, const uint8_t *bytes,
                            size_t length, const struct mac_key *key)
{
    if (length < BATCH_HEADER_BYTES || length > LIMIT_MESSAGE_BYTES || get32(bytes) != BATCH_MAGIC)
        return BATCH_MALFORMED;
    uint8_t mac[MAC_BYTES];
    mac_compute(mac, bytes, length, key);
    if (sodium_memcmp(mac, bytes + MAC_OFFSET, MAC_BYTES) != 0)
        return BATCH_WRONG_MAC;
    if (get16(bytes + 4) != BATCH_VERSION)
        return BATCH_WRONG_VERSION;
    *reader = (struct batch_reader){
        .bytes = bytes,
        .length = length,
        .offset = BATCH_HEADER_BYTES,
        .kind = get16(bytes + 6),
        .count = get32(bytes + 8),
        .sender = get64(bytes + 16),
        .serial = get64(bytes + 24),
    };
    if (reader->kind != kind || get32(bytes + 12) != length - BATCH_HEADER_BYTES ||
        !frames_fit(reader, kind == BATCH_REQUEST ? REQUEST_HEADER_BYTES : REPLY_HEADER_BYTES))
        return BATCH_MALFORMED;
    return BATCH_FINE;
}

bool batch_next_request(struct batch_reader *reader, struct request_frame *frame)
{
    if (reader->read == reader->count)
        return false;
    const uint8_t *at = reader->bytes + reader->offset;
    frame->length = get32(at);
    frame->command = get16(at + 4);
    frame->flags = get16(at + 6);
    memcpy(frame->id.bytes, at + 8, REQUEST_ID_BYTES);
    frame->actor = get64(at + 24);
    frame->deadline_ms = get64(at + 32);
    memcpy(frame->actor_name, at + 41, at[40]);
    frame->actor_name[at[40]] = '\0';
    frame->trace = get64(at + 61);
    frame->payload = at + REQUEST_HEADER_BYTES;
    reader->offset += REQUEST_HEADER_BYTES + (size_t)frame->length;
    reader->read++;
    return true;
}

bool batch_next_reply(struct batch_reader *reader, struct reply_frame *frame)
{
    if (reader->read == reader->count)
        return false;
    const uint8_t *at = reader->bytes + reader->offset;
    frame->length = get32(at);
    frame->status = get16(at + 4);
    frame->flags = get16(at + 6);
    memcpy(frame->id.bytes, at + 8, REQUEST_ID_BYTES);
    frame->payload = at + REPLY_HEADER_BYTES;
    reader->offset += REPLY_HEADER_BYTES + (size_t)frame->length;
    reader->read++;
    return true;
}
