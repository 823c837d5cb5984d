/*
 * One actor without sockets or clocks: messages in, decisions, durable state, messages out. The daemon
 * (actor.c) and the unit tests' harness drive it turn by turn.
 *
 * A turn: everything that waits is decided in order inside one transaction - answers of other engines first,
 * then parked commands that can go on, then batches - which commits once; only then is anything answered.
 * When the transaction fails before COMMIT nothing happened: the turn is decided again with writes refused
 * (503 storage_unavailable), so that reads go on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "engined/domain.h"
#include "proto/frame.h"
#include "proto/token.h"
#include "proto/version_page.h"

struct engine;

/* A question to another engine. There is at most one of each kind and index under way. */
enum ask_kind { ASK_LOOKUP, ASK_PULL, ASK_HEAD, ASK_PASSWORD, ASK_KINDS };
struct ask {
    enum ask_kind kind;
    unsigned index; /* of the domain's look-up or follow row, or of the password process */
};
enum ask_result { ASK_ANSWERED, ASK_RESET, ASK_FAILED };

/* How the engine reaches the world. `message` is the owner's handle of a batch that came in: answered or
 * dropped exactly once. */
struct engine_io {
    void (*answer)(void *arg, void *message, const uint8_t *bytes, size_t length);
    void (*drop)(void *arg, void *message);
    void (*ask)(void *arg, struct ask ask, enum domain_id to, const uint8_t *bytes, size_t length,
                uint64_t timeout_ms);
    void *arg;
};

struct engine_options {
    const char *state_dir;
    struct mac_key key;
    uint64_t run;      /* random, not 0: who this process is */
    uint64_t start_ms; /* monotonic */
    unsigned restarts;
    unsigned password_processes; /* 0: none, and no password is taken */
    /* Signs a token; false: it cannot now. NULL: this engine gives none. */
    bool (*sign)(void *arg, struct token *token, char *text);
    /* Whether the text is a token that this engine could have signed now, and what is in it. NULL: none is.
     */
    bool (*open)(void *arg, const char *text, uint64_t wall_ms, struct token *token);
    void *sign_arg;           /* of both */
    uint64_t (*now_us)(void); /* CLOCK_MONOTONIC, for what is told of time alone; NULL: nothing is */
    uint64_t slow_us;         /* frames that took that long get a line in the log; 0: none does */
    void (*alive)(void *arg); /* called during long migrations; may be NULL */
    void *alive_arg;
};

struct engine *engine_open(const struct domain *domain, const struct engine_options *options,
                           const struct engine_io *io) MUST_USE;
/* What is still held open is dropped. */
void engine_close(struct engine *engine);

/* Takes a batch in for the next turn; it came at `received_us` (0: now). `bytes` must live until it is
 * answered or dropped. Wrong MAC or malformed: dropped at once. Returns its frame count. */
size_t engine_receive(struct engine *engine, void *message, const uint8_t *bytes, size_t length,
                      uint64_t received_us);
/* An ask ended; bytes (ASK_ANSWERED) are copied. */
void engine_answered(struct engine *engine, struct ask ask, enum ask_result result, const uint8_t *bytes,
                     size_t length);

struct engine_time {
    uint64_t monotonic_ms;
    uint64_t wall_ms;
};
void engine_turn(struct engine *engine, struct engine_time now);
/* When the next turn is due with nothing coming in (monotonic); UINT64_MAX: never. */
uint64_t engine_next_ms(const struct engine *engine);

/* The length of the queue outside, for EngineStatus. */
void engine_set_queue(struct engine *engine, size_t queue);
/* Empties the owned tables and applies the whole event log again, in one transaction. */
void engine_rebuild(struct engine *engine);
/* For an import into new files, without turns: events appended and applied as a decision's are. Time does not
 * go back: an event is of `at_ms` (wall time) or of the last one's time. */
bool engine_import_begin(struct engine *engine) MUST_USE;
void engine_import(struct engine *engine, uint64_t at_ms, const ProtobufCMessage *event);
/* False: nothing since the beginning happened; the store's error says why. */
bool engine_import_commit(struct engine *engine) MUST_USE;
uint64_t engine_head_seq(const struct engine *engine);

/* What its line of status is made of. */
struct engine_figures {
    uint64_t frames; /* decided so far */
    size_t waiting;  /* as engine_set_queue said last */
    size_t parked;
    uint64_t events;            /* in the log */
    uint64_t committed_wall_ms; /* when the last turn that wrote did; 0: none yet */
    uint64_t commit_us;         /* how long its commit took */
};
void engine_figures(const struct engine *engine, struct engine_figures *figures);
struct store *engine_store(struct engine *engine);
/* What it tells workers; NULL: it has none. */
const struct version_page *engine_versions(const struct engine *engine);
