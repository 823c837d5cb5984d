/*
 * Commands that wait for something: a look-up's answer, a barrier or a password process. Kept with a copy of
 * their frame until they are decided or their deadline passes. Bounded by LIMIT_PARKED.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "engined/follower.h"
#include "engined/password_jobs.h"
#include "proto/frame.h"
#include "proto/trace.h"

enum wait_kind { WAIT_LOOKUP, WAIT_BARRIER, WAIT_PASSWORD };

struct parked {
    struct parked *next, *previous;
    struct request_frame frame; /* payload: own copy, behind the struct */
    uint64_t sender;
    char given_id[TRACE_TEXT_MAX + 1]; /* "": none (proto/trace.h) */
    uint64_t received_us, parked_us;   /* when its batch came in, when it was parked first */
    enum wait_kind wait;
    unsigned lookup; /* WAIT_LOOKUP: row and id */
    uint64_t lookup_id;
    struct barrier barrier;        /* WAIT_BARRIER */
    uint64_t barrier_deadline_ms;  /* 0: no barrier was begun for this command yet */
    struct password_job *password; /* WAIT_PASSWORD; owned */
};

struct parked_list {
    struct parked *first, *last;
    size_t count;
};

/* A copy of the frame, unlinked. */
struct parked *parked_new(const struct request_frame *frame, uint64_t sender) MUST_USE;
/* Wipes the payload: a password may be in it. */
void parked_free(struct parked *parked);

void parked_append(struct parked_list *list, struct parked *parked);
void parked_remove(struct parked_list *list, struct parked *parked);
/* Moves all of `from` to the end of `to`. */
void parked_move_all(struct parked_list *to, struct parked_list *from);
void parked_clear(struct parked_list *list);
