/*
 * Following other engines: per source one pull under way at all times, whose events are folded into the
 * derived tables in the same transaction as the cursor, so that each takes effect once. And the barrier: a
 * read that must see all that its sources had when it came in waits for a "head" question asked after it, and
 * until the cursor has reached that head. Nobody is asked where a source's page of versions
 * (proto/version_page.h) says that the cursor is at its log's end: the page is of the process that answered
 * last, on this machine, and told of each event before that was answered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/domain.h"
#include "proto/engine.pb-c.h"

struct followers;

/* Pages of sources are looked for in `state_dir`. `versions` NULL: nobody is told what the folds change. */
struct followers *followers_open(struct store *store, const char *state_dir, const struct domain *domain,
                                 void *state, struct versions *versions) MUST_USE;
void followers_close(struct followers *followers);
/* At the beginning of a turn, when what it decides has come in: pages are looked at again before they are
 * believed. */
void followers_turn(struct followers *followers, uint64_t now_ms);
size_t followers_count(const struct followers *followers);
enum domain_id followers_source(const struct followers *followers, size_t index);

/* The packed payload of the next pull, or NULL when one is under way. Marks it under way. */
const uint8_t *followers_next_pull(struct followers *followers, size_t index, struct arena *arena,
                                   size_t *length);
/* What a pull brought; inside the transaction. The pull counts as under way until followers_pull_ended. */
void followers_fold(struct followers *followers, size_t index, const Pb__EventsPulled *pulled,
                    struct arena *arena);
/* How a question to a source ended. */
enum question_end {
    QUESTION_ANSWERED, /* the source is up */
    QUESTION_RESET,    /* the connection broke: the source may be back at once */
    QUESTION_FAILED,   /* no answer in time: the source is down until it answers anything */
};
void followers_pull_ended(struct followers *followers, size_t index, enum question_end end);

/* True when somebody waits and no head question is under way: the owner asks it now. */
bool followers_next_head(struct followers *followers, size_t index);
void followers_head_answered(struct followers *followers, size_t index, const Pb__EventsHeadAnswer *head);
/* It is asked again as long as nothing was answered. */
void followers_head_failed(struct followers *followers, size_t index, enum question_end end);
/* The transaction was rolled back: cursors are what the table says. */
void followers_rolled_back(struct followers *followers);

/* A read comes in: what it has to wait for. */
struct barrier {
    uint64_t serials[DOMAIN_COUNT]; /* per follow index; 0: for nothing */
};
void followers_barrier_begin(struct followers *followers, struct barrier *barrier);
bool followers_barrier_reached(const struct followers *followers, const struct barrier *barrier) MUST_USE;
/* Marks by domain which sources were not reached or are known to be down. */
void followers_stale(const struct followers *followers, const struct barrier *barrier, bool *stale);

uint64_t followers_folded(const struct followers *followers); /* events so far */
uint64_t followers_lag(const struct followers *followers);    /* events known to wait */
