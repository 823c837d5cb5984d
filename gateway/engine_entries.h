/*
 * The requests of one engine client: their storage, their order by deadline, and those that are with the
 * engine by request id. Internal to engine_client.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/attributes.h"
#include "gateway/engine_client.h"

enum entry_state {
    ENTRY_QUEUED,    /* was not sent, or surely not decided */
    ENTRY_SUSPECT,   /* was with an engine that died; goes out alone */
    ENTRY_IN_FLIGHT, /* in the batch under way */
    ENTRY_ANSWERED,  /* what came for it is held until a turn has time for it */
    ENTRY_DEFERRED,  /* the engine decides it later; a collect brings the answer */
    ENTRY_STATES,
};

struct entry {
    enum entry_state state;
    TAILQ_ENTRY(entry) link; /* in the list of its state */
    TAILQ_ENTRY(entry) deadline_link;
    LIST_ENTRY(entry) id_link; /* while in flight, answered or deferred */
    engine_reply_fn done;      /* NULL: answered at its deadline; kept until the engine is done with it */
    void *arg;
    struct request_frame frame; /* its payload is the entry's own */
    uint8_t *payload;
    size_t payload_capacity;
    unsigned retries;    /* how often it went out alone */
    unsigned batch_size; /* of the batch it went out with last */
    const char *given_id;
    uint64_t since_us; /* when it came into its state */
    struct engine_times times;
    uint64_t run;       /* deferred: by which run of the engine */
    uint64_t forget_ms; /* given up and deferred: until when its answer is waited for */
};

TAILQ_HEAD(entry_list, entry);
LIST_HEAD(entry_bucket, entry);

#define ENTRY_BUCKETS       1024
#define ENTRIES_KEPT        1024 /* for reuse */
#define ENTRY_PAYLOAD_KEPT  1024 /* larger payloads are freed with their request */
#define ENTRY_PAYLOAD_FIRST 128

struct entries {
    struct entry_list lists[ENTRY_STATES];
    struct entry_list by_deadline; /* those with a callback, earliest first */
    struct entry_bucket buckets[ENTRY_BUCKETS];
    size_t count; /* in any state */
    size_t queued;
    size_t bytes; /* their payloads */
    struct entry_list unused;
    size_t unused_count;
};

void entries_init(struct entries *entries);
void entries_dispose(struct entries *entries);

/* A new entry at the end of the queue. */
struct entry *entries_add(struct entries *entries, const struct engine_request *request, engine_reply_fn done,
                          void *arg) MUST_USE;
/* From one state to another, at the end of its list. */
void entries_move(struct entries *entries, struct entry *entry, enum entry_state state);
/* Likewise, at the beginning. */
void entries_move_first(struct entries *entries, struct entry *entry, enum entry_state state);
void entries_remove(struct entries *entries, struct entry *entry);
/* Nobody waits for it any more: out of the order by deadline. */
void entries_give_up(struct entries *entries, struct entry *entry);
/* Among those in flight, answered or deferred; NULL: none. No two of them have the same id. */
struct entry *entries_by_id(const struct entries *entries, const struct request_id *id);
