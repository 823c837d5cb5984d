/* The engine's inside, shared by engine.c (turns), decide.c (one frame) and context.c (what handlers see).
 * Private to them. */
#pragma once

#include "common/arena.h"
#include "common/latency.h"
#include "engined/collects.h"
#include "engined/copying.h"
#include "engined/crashes.h"
#include "engined/domain.h"
#include "engined/engine.h"
#include "engined/event_log.h"
#include "engined/follower.h"
#include "engined/lookup.h"
#include "engined/parking.h"
#include "engined/password_jobs.h"
#include "engined/pulls.h"
#include "engined/requests.h"
#include "engined/store.h"
#include "engined/timing.h"
#include "engined/versions.h"

#define HANDLERS_MAX 64 /* low byte of a command id */
#define EVENTS_MAX   64
/* A parked command is told that what it needs is not there so much before its deadline. */
#define PARKED_EARLY_MS 20

/* A batch that came in and is answered at the end of this turn, unless it is held open. */
struct message {
    void *handle;
    struct batch_reader reader;
    struct batch reply; /* kept with the slot between turns */
    bool held;          /* a collect or pull: answered later */
    uint64_t received_us;
    bool traced; /* it has frames that say which request they are for */
    struct request_frame held_frame;
};

struct pending_answer {
    struct ask ask;
    enum ask_result result;
    uint8_t *payload; /* reply frame's, copied; NULL when there is none */
    size_t length;
};

/* One frame being decided. */
struct decision {
    enum status status;
    uint16_t flags;
    const uint8_t *payload; /* arena */
    size_t length;
};

/* A parked command's decision, until the commit. */
struct outcome {
    struct parked *parked;
    struct decision decision;
};

struct engine {
    const struct domain *domain;
    struct engine_options options;
    struct engine_io io;
    struct store *store;
    void *state; /* the domain's */
    struct arena *arena;
    struct crashes *crashes;
    struct versions *versions; /* NULL: it owns nothing that is shown */
    struct event_log *log;
    struct requests *requests;
    struct lookups *lookups;
    struct followers *followers;
    struct collects *collects;
    struct pulls *pulls;
    struct copying *copying;
    struct password_jobs *passwords;

    command_fn handlers[HANDLERS_MAX];
    complete_fn completers[HANDLERS_MAX];
    const struct event_row *events[EVENTS_MAX];

    struct message *messages; /* of this turn */
    size_t message_count, message_capacity;
    struct pending_answer answers[ASK_KINDS * DOMAIN_COUNT];
    size_t answer_count;

    struct parked_list parked;     /* waiting */
    struct parked_list ready;      /* to be decided in this turn */
    struct parked_list new_parked; /* parked in this turn; dropped if it fails */
    struct parked_list crowded;    /* decided in this turn, but their batch's reply is full */
    struct outcome *outcomes;
    size_t outcome_count, outcome_capacity;

    struct engine_time now;
    uint64_t wall_ms;   /* of the turn; never goes back */
    uint64_t steady_ms; /* of the turn: wall_ms of the first one, and what has passed since */
    bool refuse_writes; /* second try of a turn, or storage known to be unwritable */
    uint64_t next_probe_ms;
    uint64_t next_look_ms; /* for what another process changed */
    uint64_t ask_serial[ASK_KINDS][DOMAIN_COUNT];
    struct parked *deciding; /* NULL: a frame that just came in */
    struct trace trace;      /* of the frame being decided */
    struct trace named;      /* what the frame behind is for, by its client's name; in the arena */
    uint64_t turn_us, decided_us, committed_us; /* of this turn */
    uint64_t latency[LATENCY_BUCKETS + 1];      /* frames answered, by their time here */
    struct slow_log slow;
    enum wait_kind wait; /* set by a PENDING look-up or barrier */
    unsigned wait_lookup;
    uint64_t wait_id;
    Pb__PasswordsCheck wait_check; /* its texts are in the arena */
    uint64_t emitted;              /* by the command being decided */
    size_t queue;

    struct {
        uint64_t frames, batches, writes, replays, expired, bad_batches;
    } stats;
    uint64_t committed_wall_ms; /* the last turn that wrote; 0: none yet */
};

/* decide.c: one frame, up to its answer. `parked` is NULL for a frame that just came in. STATUS_DEFERRED:
 * parked. */
void engine_decide(struct engine *engine, const struct request_frame *frame, struct parked *parked,
                   struct decision *decision);
/* The frame is one of those that every engine answers itself, and was: true. Its message may be `held` then.
 */
bool engine_decide_own(struct engine *engine, struct message *message, const struct request_frame *frame,
                       struct decision *decision);
/* If it is a frame that names the one behind it: so be it. */
bool engine_take_name(struct engine *engine, const struct request_frame *frame);
/* After the commit: the message's collect or pull stays open from now on. */
void engine_hold(struct engine *engine, struct message *message);
/* What a command that was deferred just now waits for. */
void engine_wait(struct engine *engine, struct parked *parked);
/* Parks a frame that was deferred just now. */
void engine_park(struct engine *engine, const struct request_frame *frame, const struct message *message);
