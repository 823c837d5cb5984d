/*
 * Registers to hunt stale reads with: each is something of the forum that one writer changes step by step,
 * so that every answer about it tells which step it is of - or, where a value comes again, of which ones it
 * may be. Steps are numbered from 1; 0 is what it was at first.
 *
 * Threads share them: a writer each, any number of readers. Nothing here fails a test; who waits for the
 * threads looks at `stale`.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/lib/forum.h"

#define REGISTER_USERS    24 /* who vote and join, one after the other */
#define REGISTER_TEXT_MAX 512

enum register_kind {
    REGISTER_VOTES,    /* a post's upvotes: up with each user, then down again */
    REGISTER_MEMBERS,  /* a subreddit's members, likewise */
    REGISTER_POSTS,    /* the newest of a subreddit's posts, in its list and in a member's feed */
    REGISTER_COMMENTS, /* the number of a post's comments */
    REGISTER_MESSAGES, /* the newest message of two users */
    REGISTER_KINDS,
};

struct reg {
    enum register_kind kind;
    unsigned port;
    char user[32], other[32], subreddit[32], name[32], post[32]; /* `name` is the subreddit's */
    const char *const *users;                                    /* REGISTER_USERS ids */
    _Atomic uint64_t sent;                                       /* the step that is under way, or the last */
    _Atomic uint64_t acked;                                      /* the last that was acknowledged */
    _Atomic uint64_t seen; /* the last that a reader saw, where values do not come again */
    _Atomic uint64_t reads, fresh, stale;
    _Atomic uint64_t tries; /* of writes */
    atomic_flag told;
    char first_stale[REGISTER_TEXT_MAX]; /* what the first one was; whole once `stale` says so */
};

/* What it needs is made; fails the test if that cannot be. `users` must stay. */
void register_make(struct reg *reg, const struct forum *forum, enum register_kind kind,
                   const char *const *users, unsigned number);

/* A connection of one thread's, opened when it is needed. */
struct asker {
    unsigned port;
    int fd; /* -1: none */
    char bytes[1 << 16];
};
void asker_close(struct asker *asker);

/* The next step, tried until it is acknowledged or `stop` is set. */
void register_write(struct reg *reg, struct asker *asker, const atomic_bool *stop);
/* One read, held against what was acknowledged before it. */
void register_read(struct reg *reg, struct asker *asker, uint64_t random);
