/*
 * A domain's description of itself: all that the engine around it needs to know. Each domain folder has one
 * `struct domain` in DOMAIN.c, and schema.sql   its tables (embedded at build as DOMAIN_schema_sql); changed
 * only by adding migrations commands.c   handlers: decide apply.c      events -> owned tables, and folds:
 * other engines' events -> derived tables check.c      what must be true
 * of the tables and knows neither HTTP nor NNG.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "engined/check_rows.h"
#include "engined/context.h"
#include "engined/store.h"
#include "proto/domains.h"
#include "proto/schema.h"

/* Decides one command. On STATUS_OK *reply is set (in the arena, of the command's reply type).
 * STATUS_DEFERRED only after a PENDING look-up, barrier or password. Any other status refuses: nothing may
 * have been emitted then. */
typedef enum status (*command_fn)(struct context *context, const ProtobufCMessage *request,
                                  ProtobufCMessage **reply);

/* Adds to an answer what must not be kept with it in the request table: a token. Runs for the first answer
 * and for each replay of it, on a copy; reads tables, emits nothing. May refuse, and on a replay (`replayed`)
 * defer as command_fn. */
typedef enum status (*complete_fn)(struct context *context, const ProtobufCMessage *request,
                                   ProtobufCMessage *reply, bool replayed);

struct completion_row {
    uint16_t id; /* of the command */
    complete_fn complete;
};

struct command_row {
    uint16_t id; /* COMMAND_ID_posts_create */
    command_fn decide;
};

/* Applies one event of the domain's own to its tables. */
typedef void (*apply_fn)(void *state, struct arena *arena, const ProtobufCMessage *event);

struct event_row {
    uint32_t type;
    apply_fn apply;
};

/* One event of another engine, unpacked. */
struct followed_event {
    uint64_t seq;
    uint64_t at_ms;
    uint32_t type;
    const ProtobufCMessage *message;
};
/* Applies what one pull brought, in order, summed up where that is possible, to the derived tables of that
 * source. Same transaction as the cursor. */
typedef void (*fold_fn)(void *state, struct arena *arena, const struct followed_event *events, size_t count);
/* Drops the derived rows of that source: it will be pulled again from its beginning. */
typedef void (*forget_fn)(void *state);

struct follow_row {
    enum domain_id source;
    const uint32_t *types; /* event types wanted */
    size_t type_count;
    fold_fn fold;
    forget_fn forget;
    struct check_table table; /* what they fill; which of its rows count is the same however the events were
                                 parted into pulls */
};

/* A look-up: ids -> names, asked of `owner` by `command`, whose request has one repeated uint64 field, and
 * whose reply has as its first field the ids that exist and, if names are wanted, as its second the names in
 * the same order. Positive answers are kept in the engine's own table known(lookup, id, name). */
struct lookup_row {
    enum domain_id owner;
    uint16_t command; /* COMMAND_ID_subreddits_resolve */
};

struct domain {
    enum domain_id id;
    const char *const *migrations; /* SQL texts, in order; append only */
    size_t migration_count;
    enum store_sync sync;

    const struct command_row *commands;
    size_t command_count;
    const struct completion_row *completions;
    size_t completion_count;
    const struct event_row *events;
    size_t event_count;
    const struct follow_row *follows;
    size_t follow_count;
    const struct lookup_row *lookups;
    size_t lookup_count;
    const struct domain_checks *checks;

    /* Prepares statements, loads counters. Never NULL; exits on trouble. */
    void *(*open)(struct store *store);
    void (*close)(void *state);
    /* A transaction was rolled back: forget all memory that mirrors tables (counters, ranks). Load again on
     * need. */
    void (*rolled_back)(void *state);
    /* Empties the owned tables (not the event log): rebuild applies the whole log again afterwards. */
    void (*clear)(void *state);
};

/* By id; each defined in its folder. */
const struct domain *domain_by_id(enum domain_id id);
extern const struct domain users_domain, subreddits_domain, posts_domain, comments_domain, dms_domain,
    feed_domain;
