#include "tests/sim/record.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/hash.h"
#include "tests/sim/memory.h"
#include "tests/sim/record_line.h"
#include "tests/sim/table.h"

/* Beside the states of a membership or a vote: one outcome was unknown. */
enum { STICKY = 1 << 8, STATES = STICKY - 1 };

struct items {
    struct record_item *list;
    size_t count, capacity;
    struct table *by_id;
    uint64_t first_own;
};

struct record {
    struct items items[ID_KINDS];
    struct table *members;  /* user, subreddit */
    struct table *votes;    /* user, target */
    struct table *expected; /* fingerprint: acked << 32 | unknown */
    struct record_writer *writer;
    bool complete;
};

struct record *record_new(void)
{
    struct record *record = mem_zeroed(1, sizeof *record);

    for (unsigned kind = 0; kind < ID_KINDS; kind++) {
        record->items[kind].by_id = table_new();
    }
    record->members = table_new();
    record->votes = table_new();
    record->expected = table_new();
    return record;
}

void record_free(struct record *record)
{
    for (unsigned kind = 0; kind < ID_KINDS; kind++) {
        struct items *items = &record->items[kind];

        for (size_t i = 0; i < items->count; i++) {
            free((char *)items->list[i].name);
            free((char *)items->list[i].token);
        }
        free(items->list);
        table_free(items->by_id);
    }
    table_free(record->members);
    table_free(record->votes);
    table_free(record->expected);
    record_writer_free(record->writer);
    free(record);
}

bool record_open_file(struct record *record, const char *path)
{
    record->writer = record_writer_open(path);
    return record->writer != NULL;
}

bool record_flush(struct record *record)
{
    return record->writer == NULL || record_writer_flush(record->writer);
}

void record_set_complete(struct record *record)
{
    record->complete = true;
}

bool record_is_complete(const struct record *record)
{
    return record->complete;
}

uint64_t record_text_hash(const char *title, const char *content)
{
    return hash_finish(hash_text(hash_text(HASH_START, title), content));
}

uint64_t record_fingerprint(const struct record_item *item)
{
    uint64_t hash = hash_number(HASH_START, item->kind);

    if (item->name != NULL) {
        for (const char *at = item->name; *at != '\0'; at++) {
            char folded = (char)tolower((unsigned char)*at);

            hash = hash_bytes(hash, &folded, 1);
        }
        return hash_finish(hash);
    }
    hash = hash_number(hash, item->author);
    hash = hash_number(hash, item->container);
    hash = hash_number(hash, item->parent);
    return hash_number(hash, item->text_hash);
}

static void replace_text(const char **text, const char *with)
{
    if (with != NULL) {
        free((char *)*text);
        *text = mem_text(with);
    }
}

/* True if the id is new to the record. */
static bool add_item(struct items *items, const struct record_item *item)
{
    uint64_t *place = table_put(items->by_id, item->id, 0);
    bool is_new = *place == 0;

    if (is_new) {
        items->list = mem_grow(items->list, items->count, &items->capacity, sizeof items->list[0]);
        items->list[items->count] = *item;
        items->list[items->count].name = item->name != NULL ? mem_text(item->name) : NULL;
        items->list[items->count].token = item->token != NULL ? mem_text(item->token) : NULL;
        *place = ++items->count;
    } else {
        struct record_item *known = &items->list[*place - 1];

        known->own = known->own || item->own;
        replace_text(&known->token, item->token);
    }
    if (item->own && (items->first_own == 0 || item->id < items->first_own)) {
        items->first_own = item->id;
    }
    return is_new;
}

void record_item(struct record *record, enum outcome outcome, const struct record_item *item)
{
    uint64_t *expected = table_put(record->expected, record_fingerprint(item), 0);

    if (outcome == OUTCOME_OK) {
        *expected += add_item(&record->items[item->kind], item) ? UINT64_C(1) << 32 : 0;
        if (item->kind == ID_SUBREDDIT && item->own && item->author != 0) {
            /* The creator is the first member. */
            *table_put(record->members, item->author, item->id) |= MEMBER_IN;
        }
    } else if (outcome == OUTCOME_UNKNOWN) {
        *expected += 1;
    }
    if (record->writer != NULL) {
        record_write_item(record->writer, outcome, item);
    }
}

/* The states that may be true after a request for `state`; `initial` held before the first. */
static void note_state(uint64_t *states, enum outcome outcome, unsigned initial, unsigned state)
{
    if (outcome == OUTCOME_FAILED) {
        return;
    }
    if (outcome == OUTCOME_UNKNOWN) {
        *states |= (*states == 0 ? initial : 0) | state | STICKY;
    } else if (*states & STICKY) {
        *states |= state;
    } else {
        *states = state;
    }
}

void record_member(struct record *record, enum outcome outcome, uint64_t user, uint64_t subreddit,
                   unsigned state)
{
    note_state(table_put(record->members, user, subreddit), outcome, MEMBER_OUT, state);
    if (record->writer != NULL) {
        record_write_member(record->writer, outcome, user, subreddit, state);
    }
}

/* Posts and comments in one space of numbers. */
static uint64_t target_of(enum id_kind kind, uint64_t id)
{
    return id * 2 + (kind == ID_COMMENT);
}

void record_vote(struct record *record, enum outcome outcome, uint64_t user, enum id_kind kind, uint64_t id,
                 unsigned state)
{
    note_state(table_put(record->votes, user, target_of(kind, id)), outcome, VOTE_NONE, state);
    if (record->writer != NULL) {
        record_write_vote(record->writer, outcome, user, kind, id, state);
    }
}

static void apply_line(struct record *record, const struct record_line *line)
{
    switch (line->what) {
    case RECORD_ITEM:
        record_item(record, line->outcome, &line->item);
        break;
    case RECORD_MEMBER:
        record_member(record, line->outcome, line->item.author, line->item.container, line->state);
        break;
    case RECORD_VOTE:
        record_vote(record, line->outcome, line->item.author, line->item.kind, line->item.container,
                    line->state);
        break;
    }
}

bool record_load_file(struct record *record, const char *path, size_t *line_number)
{
    struct record_writer *writer = record->writer;
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t capacity = 0;
    bool good = true;

    *line_number = 0;
    if (file == NULL) {
        return false;
    }
    record->writer = NULL;
    while (good && getline(&text, &capacity, file) >= 0) {
        struct record_line line;

        ++*line_number;
        good = record_line_parse(text, &line);
        if (good) {
            apply_line(record, &line);
            record_line_clear(&line);
        }
    }
    if (good && ferror(file)) {
        *line_number = 0;
        good = false;
    }
    record->writer = writer;
    free(text);
    fclose(file);
    return good;
}

size_t record_count(const struct record *record, enum id_kind kind)
{
    return record->items[kind].count;
}

const struct record_item *record_at(const struct record *record, enum id_kind kind, size_t at)
{
    return &record->items[kind].list[at];
}

const struct record_item *record_find(const struct record *record, enum id_kind kind, uint64_t id)
{
    uint64_t place = table_get(record->items[kind].by_id, id, 0);

    return place > 0 ? &record->items[kind].list[place - 1] : NULL;
}

unsigned record_member_state(const struct record *record, uint64_t user, uint64_t subreddit)
{
    return (unsigned)table_get(record->members, user, subreddit) & STATES;
}

bool record_expected(const struct record *record, const struct record_item *item,
                     struct record_expected *expected)
{
    const uint64_t *packed = table_find(record->expected, record_fingerprint(item), 0);

    if (packed == NULL) {
        return false;
    }
    *expected = (struct record_expected){.acked = (uint32_t)(*packed >> 32), .unknown = (uint32_t)*packed};
    return true;
}

uint64_t record_first_own(const struct record *record, enum id_kind kind)
{
    return record->items[kind].first_own;
}

bool record_next_member(const struct record *record, size_t *cursor, struct record_member_entry *entry)
{
    struct table_entry found;

    if (!table_next(record->members, cursor, &found)) {
        return false;
    }
    *entry = (struct record_member_entry){
        .user = found.a, .subreddit = found.b, .states = (unsigned)found.value & STATES};
    return true;
}

bool record_next_vote(const struct record *record, size_t *cursor, struct record_vote_entry *entry)
{
    struct table_entry found;

    if (!table_next(record->votes, cursor, &found)) {
        return false;
    }
    *entry = (struct record_vote_entry){.user = found.a,
                                        .id = found.b / 2,
                                        .kind = found.b % 2 == 0 ? ID_POST : ID_COMMENT,
                                        .states = (unsigned)found.value & STATES};
    return true;
}
