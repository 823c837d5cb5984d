/*
 * What the server acknowledged: every id it gave, every state a vote or a membership may have, and how many
 * of each text there must be. Kept in memory; with a file, also appended as JSON lines, from which a later
 * process makes the same record again.
 *
 * Grows with the run: about 100 bytes an operation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/client.h"
#include "tests/sim/ids.h"

/* A user, subreddit, post, comment or message. Fields that a kind has not are 0. */
struct record_item {
    enum id_kind kind;
    uint64_t id;        /* 0 unless acknowledged */
    const char *name;   /* users, subreddits */
    const char *token;  /* users, or NULL */
    uint64_t author;    /* subreddits: the creator */
    uint64_t container; /* posts: the subreddit; comments: the post; messages: the recipient */
    uint64_t parent;    /* comments: the parent; posts: the original; messages: the one replied to */
    uint64_t text_hash; /* of what was written (record_text_hash) */
    bool own;           /* made by this run, so that no other run writes to it */
};

/* What may be true of a membership or a vote. An unknown outcome leaves both, for good: it may come late. */
enum {
    MEMBER_OUT = 1,
    MEMBER_IN = 2,
    VOTE_NONE = 1,
    VOTE_UP = 2,
    VOTE_DOWN = 4,
};

/* How many there must be of one kind, author, container, parent and text. */
struct record_expected {
    uint32_t acked, unknown;
};

struct record;

struct record *record_new(void) MUST_USE;
void record_free(struct record *record);
/* From now on, each line is also appended to the file (made 0600: it may hold tokens). False with errno on
 * trouble. */
bool record_open_file(struct record *record, const char *path) MUST_USE;
/* Writes out what is buffered. False if any line could not be written. */
bool record_flush(struct record *record) MUST_USE;
/* Adds the lines of a file. False if it cannot be read, or a line is no record: then *line_number is that
 * line (0: the file). */
bool record_load_file(struct record *record, const char *path, size_t *line_number) MUST_USE;

/* Nobody else writes to the server: whatever is there and was not asked for is a phantom. */
void record_set_complete(struct record *record);
bool record_is_complete(const struct record *record);

uint64_t record_text_hash(const char *title, const char *content);
/* Alike for two things of one name (whatever its case), or else of one author, container, parent and text. */
uint64_t record_fingerprint(const struct record_item *item);

void record_item(struct record *record, enum outcome outcome, const struct record_item *item);
/* `state` is MEMBER_IN or MEMBER_OUT. */
void record_member(struct record *record, enum outcome outcome, uint64_t user, uint64_t subreddit,
                   unsigned state);
/* `kind` is ID_POST or ID_COMMENT; `state` one of VOTE_*. */
void record_vote(struct record *record, enum outcome outcome, uint64_t user, enum id_kind kind, uint64_t id,
                 unsigned state);

/* ---- reading ---- */

size_t record_count(const struct record *record, enum id_kind kind);
/* In the order in which they were acknowledged; `at` < record_count. */
const struct record_item *record_at(const struct record *record, enum id_kind kind, size_t at);
const struct record_item *record_find(const struct record *record, enum id_kind kind, uint64_t id);
/* Bits of MEMBER_* or VOTE_* that may be true; 0 if nothing was ever asked. */
unsigned record_member_state(const struct record *record, uint64_t user, uint64_t subreddit);
/* How many of a thing like `item` (its id aside) the server was asked for. False: none, ever. */
bool record_expected(const struct record *record, const struct record_item *item,
                     struct record_expected *expected) MUST_USE;
/* The smallest id of that kind that this run itself got; 0 if none. */
uint64_t record_first_own(const struct record *record, enum id_kind kind);

struct record_member_entry {
    uint64_t user, subreddit;
    unsigned states;
};

struct record_vote_entry {
    uint64_t user, id;
    enum id_kind kind;
    unsigned states;
};

/* Walk in no order: start with *cursor 0. False after the last. */
bool record_next_member(const struct record *record, size_t *cursor,
                        struct record_member_entry *entry) MUST_USE;
bool record_next_vote(const struct record *record, size_t *cursor, struct record_vote_entry *entry) MUST_USE;
