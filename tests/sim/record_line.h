/* A line of a record's file: one JSON object an operation. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/client.h"
#include "tests/sim/record.h"

enum record_what { RECORD_ITEM, RECORD_MEMBER, RECORD_VOTE };

struct record_line {
    enum record_what what;
    enum outcome outcome;
    struct record_item item; /* a membership: author, container; a vote: author, kind and container */
    unsigned state;
    struct json_object *json; /* holds the item's texts */
};

/* False if the text is no such line. The caller clears it. */
bool record_line_parse(const char *text, struct record_line *line) MUST_USE;
void record_line_clear(struct record_line *line);

struct record_writer;

/* Appends. NULL with errno on trouble. */
struct record_writer *record_writer_open(const char *path) MUST_USE;
void record_writer_free(struct record_writer *writer);
bool record_writer_flush(struct record_writer *writer) MUST_USE;
void record_write_item(struct record_writer *writer, enum outcome outcome, const struct record_item *item);
void record_write_member(struct record_writer *writer, enum outcome outcome, uint64_t user,
                         uint64_t subreddit, unsigned state);
void record_write_vote(struct record_writer *writer, enum outcome outcome, uint64_t user, enum id_kind kind,
                       uint64_t id, unsigned state);
