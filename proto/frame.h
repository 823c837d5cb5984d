/*
 * The fixed framing around protobuf payloads. Little-endian. One batch is one NNG message:
 *
 *   batch header, 48 bytes: magic u32 "FRM1", version u16, kind u16, count u32, body_length u32,
 *                           sender u64 (run id of the sending process), serial u64 (a reply repeats the
 * request's), mac 16 bytes request frame, 72 bytes + payload: length u32 (of the payload), command u16, flags
 * u16, request id 16 bytes, actor u64, deadline u64 (CLOCK_MONOTONIC ms), name_length u8, name 20 bytes,
 * trace u64, zero 3 bytes reply frame, 24 bytes + payload: length u32, status u16, flags u16, request id 16
 * bytes
 *
 * The MAC is libsodium's keyed BLAKE2b over header (MAC zeroed) and body: loopback ports are open to every
 * local user. Short, trailing or inconsistent bytes make the whole batch unreadable (BATCH_MALFORMED);
 * nothing in it is run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

#define BATCH_HEADER_BYTES     48
#define REQUEST_HEADER_BYTES   72
#define REPLY_HEADER_BYTES     24
#define REQUEST_ID_BYTES       16
#define ACTOR_NAME_MAX         20
#define MAC_KEY_BYTES          32
#define MAC_KEY_FILE           "mac.key" /* in the state directory, or among the credentials */
#define REQUEST_LONG_KEY_CHARS 22        /* 128 bits in base64 */

enum batch_kind { BATCH_REQUEST = 1, BATCH_REPLY = 2 };

enum request_flags {
    REQUEST_CLIENT_KEY = 1, /* the request id was made from the client's Idempotency-Key */
    REQUEST_RETRY = 2,      /* it was with an engine that died: may have been decided */
    REQUEST_LONG_KEY = 4,   /* that key is long enough that nobody guesses it (REQUEST_LONG_KEY_CHARS) */
};
enum reply_flags {
    REPLY_REPLAYED = 1, /* the stored first answer */
    REPLY_TIMINGS = 2, /* no answer, but how long the others took (EngineTimings); its id is zero, so that who
                          does not know it passes it over */
};

struct request_id {
    uint8_t bytes[REQUEST_ID_BYTES];
};

struct request_frame {
    uint16_t command;
    uint16_t flags;
    struct request_id id;
    uint64_t actor; /* user number, 0: nobody */
    uint64_t deadline_ms;
    uint64_t trace; /* the sender's number of the client's request that it is for (proto/trace.h), 0: none */
    char actor_name[ACTOR_NAME_MAX + 1];
    const uint8_t *payload; /* points into the batch */
    uint32_t length;
};

struct reply_frame {
    uint16_t status;
    uint16_t flags;
    struct request_id id;
    const uint8_t *payload;
    uint32_t length;
};

struct mac_key {
    uint8_t bytes[MAC_KEY_BYTES];
};
/* Reads a key file of exactly MAC_KEY_BYTES. Exits (EXIT_CONFIG) with one line when it cannot. */
void mac_key_load(const char *path, struct mac_key *key);

/* A batch being written. Grows; reused by batch_begin. Zero-initialise; batch_dispose frees. */
struct batch {
    uint8_t *bytes;
    size_t length, capacity;
    uint32_t count;
};
void batch_begin(struct batch *batch, enum batch_kind kind, uint64_t sender, uint64_t serial);
/* Returns where the payload's `length` bytes are to be written. Valid until the next add. */
uint8_t *batch_add_request(struct batch *batch, const struct request_frame *frame) MUST_USE;
uint8_t *batch_add_reply(struct batch *batch, const struct reply_frame *frame) MUST_USE;
/* Completes header and MAC; batch->bytes, batch->length are then what to send. */
void batch_seal(struct batch *batch, const struct mac_key *key);
void batch_dispose(struct batch *batch);

enum batch_fault { BATCH_FINE, BATCH_MALFORMED, BATCH_WRONG_MAC, BATCH_WRONG_VERSION };

/* A batch being read. Holds no memory. */
struct batch_reader {
    const uint8_t *bytes;
    size_t length, offset;
    uint16_t kind;
    uint32_t count, read;
    uint64_t sender, serial;
};
/* Checks MAC and the structure of all frames, so that reading them cannot fail any more. */
enum batch_fault batch_open(struct batch_reader *reader, enum batch_kind kind, const uint8_t *bytes,
                            size_t length, const struct mac_key *key) MUST_USE;
bool batch_next_request(struct batch_reader *reader, struct request_frame *frame);
bool batch_next_reply(struct batch_reader *reader, struct reply_frame *frame);
