/*
 * What a handler gets: the one command it decides. Handlers do no I/O but their own tables, read no clock and
 * draw no random numbers.
 *
 * decide: a command's handler reads tables, then either refuses (a status) or emits events; context_emit
 * appends each to the event log and applies it at once, in the same transaction, so that what follows sees
 * it. apply is the only code that changes owned tables, reads nothing but those tables and the event, and
 * cannot refuse.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/store.h"
#include "proto/domains.h"
#include "proto/status.h"
#include "proto/token.h"

struct engine;

struct context {
    struct engine *engine;  /* for the functions below */
    void *state;            /* what the domain's open() gave */
    struct arena *arena;    /* lives until the batch is answered */
    uint64_t now_ms;        /* wall time of the batch; never goes back, also over restarts */
    uint64_t actor;         /* user number, 0: nobody */
    const char *actor_name; /* as registered; "" when nobody */
    bool again;             /* it was parked and is decided again */
    bool id_is_secret;      /* nobody but who asked first can ask under this request id */
};

/* Appends the event (its type is in its schema) and applies it. Only in handlers of COMMAND_WRITE. */
void context_emit(struct context *context, const ProtobufCMessage *event);

/* What never changes once it is, asked of its owner on first need. PENDING: return STATUS_DEFERRED at once;
 * the command is decided again when the answer is there. */
enum lookup_result { LOOKUP_FOUND, LOOKUP_MISSING, LOOKUP_PENDING };
/* `lookup` is the row's index in the domain's table of look-ups; `name` (may be NULL) gets the thing's name,
 * in the arena. */
enum lookup_result context_lookup(struct context *context, unsigned lookup, uint64_t id,
                                  const char **name) MUST_USE;

/* For reads that must see what the sources had when the read came in (feed): PENDING: return STATUS_DEFERRED
 * at once. READY: all that the sources had then is applied, or LIMIT_FEED_WAIT_MS passed, or a source is
 * known to be down: `stale` (an array of DOMAIN_COUNT) says which sources could not be asked. */
enum barrier_result { BARRIER_READY, BARRIER_PENDING };
enum barrier_result context_barrier(struct context *context, bool *stale) MUST_USE;

/* Checks a password against a hash, and hashes a new one, in a password process (engined/passwords.h).
 * PENDING: return STATUS_DEFERRED at once. REFUSED: too many wait; return STATUS_OVERLOADED. READY: for this
 * very `hash`. The texts must be those of the command's own request, or of its tables. */
struct password_check {
    const char *password;     /* NULL: nothing is to be checked */
    const char *hash;         /* NULL: nobody's; the check takes as long, and fails */
    const char *new_password; /* NULL: none; hashed only if the check went well */
};
enum password_result { PASSWORD_READY, PASSWORD_PENDING, PASSWORD_REFUSED };
enum password_result context_password(struct context *context, const struct password_check *check,
                                      bool *matches, const char **new_hash) MUST_USE;

/* Whether this is a proof, made just now, that whoever asks has the key that tokens are signed with: a token
 * of user 0 and of the name ADMIN_NAME. NULL proves nothing. */
bool context_is_admin(struct context *context, const char *proof) MUST_USE;

/* The token's text, in the arena; NULL: none can be given now. In completions only. */
char *context_token(struct context *context, struct token *token) MUST_USE;
