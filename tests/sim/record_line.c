#include "tests/sim/record_line.h"

#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/sim/ids.h"
#include "tests/sim/memory.h"

struct record_writer {
    FILE *file;
};

static const char *const outcome_names[] = {
    [OUTCOME_OK] = "ok", [OUTCOME_FAILED] = "failed", [OUTCOME_UNKNOWN] = "unknown"};

static const struct {
    const char *name;
    unsigned state;
} vote_names[] = {{"none", VOTE_NONE}, {"upvote", VOTE_UP}, {"downvote", VOTE_DOWN}};

/* What the ids of an item's fields are ids of, by its kind. */
static const struct {
    enum id_kind container, parent;
    bool has_container, has_parent;
} relations[ID_KINDS] = {
    [ID_POST] = {ID_SUBREDDIT, ID_POST, true, true},
    [ID_COMMENT] = {ID_POST, ID_COMMENT, true, true},
    [ID_MESSAGE] = {ID_USER, ID_MESSAGE, true, true},
};

/* ---- reading ---- */

static const char *get_text(struct json_object *json, const char *field)
{
    struct json_object *value;

    if (!json_object_object_get_ex(json, field, &value) || !json_object_is_type(value, json_type_string)) {
        return NULL;
    }
    return json_object_get_string(value);
}

static bool parse_outcome(struct json_object *json, enum outcome *outcome)
{
    const char *name = get_text(json, "outcome");

    for (size_t i = 0; name != NULL && i < ARRAY_LEN(outcome_names); i++) {
        if (strcmp(name, outcome_names[i]) == 0) {
            *outcome = (enum outcome)i;
            return true;
        }
    }
    return false;
}

static bool parse_item(struct json_object *json, struct record_line *line)
{
    struct record_item *item = &line->item;
    const char *text = get_text(json, "text");
    struct json_object *own;

    item->id = id_parse(item->kind, get_text(json, "id"));
    item->name = get_text(json, "name");
    item->token = get_text(json, "token");
    item->author = id_parse(ID_USER, get_text(json, "author"));
    item->container = id_parse(relations[item->kind].container, get_text(json, "in"));
    item->parent = id_parse(relations[item->kind].parent, get_text(json, "parent"));
    item->text_hash = text != NULL ? strtoull(text, NULL, 16) : 0;
    item->own = json_object_object_get_ex(json, "own", &own) && json_object_get_boolean(own);
    return line->outcome != OUTCOME_OK || item->id != 0;
}

static bool parse_member(struct json_object *json, struct record_line *line)
{
    struct json_object *joined;

    line->item.author = id_parse(ID_USER, get_text(json, "user"));
    line->item.container = id_parse(ID_SUBREDDIT, get_text(json, "subreddit"));
    if (!json_object_object_get_ex(json, "joined", &joined)) {
        return false;
    }
    line->state = json_object_get_boolean(joined) ? MEMBER_IN : MEMBER_OUT;
    return line->item.author != 0 && line->item.container != 0;
}

static bool parse_vote(struct json_object *json, struct record_line *line)
{
    const char *target = get_text(json, "target");
    const char *value = get_text(json, "value");

    line->item.author = id_parse(ID_USER, get_text(json, "user"));
    line->item.kind = id_parse(ID_POST, target) != 0 ? ID_POST : ID_COMMENT;
    line->item.container = id_parse(line->item.kind, target);
    for (size_t i = 0; value != NULL && i < ARRAY_LEN(vote_names); i++) {
        if (strcmp(value, vote_names[i].name) == 0) {
            line->state = vote_names[i].state;
        }
    }
    return line->item.author != 0 && line->item.container != 0 && line->state != 0;
}

static bool parse_what(struct json_object *json, struct record_line *line)
{
    const char *what = get_text(json, "what");

    if (what == NULL) {
        return false;
    }
    if (strcmp(what, "member") == 0) {
        line->what = RECORD_MEMBER;
        return parse_member(json, line);
    }
    if (strcmp(what, "vote") == 0) {
        line->what = RECORD_VOTE;
        return parse_vote(json, line);
    }
    for (unsigned kind = 0; kind < ID_KINDS; kind++) {
        if (strcmp(what, id_kind_name((enum id_kind)kind)) == 0) {
            line->what = RECORD_ITEM;
            line->item.kind = (enum id_kind)kind;
            return parse_item(json, line);
        }
    }
    return false;
}

bool record_line_parse(const char *text, struct record_line *line)
{
    *line = (struct record_line){.json = json_tokener_parse(text)};
    if (!json_object_is_type(line->json, json_type_object) || !parse_outcome(line->json, &line->outcome) ||
        !parse_what(line->json, line)) {
        record_line_clear(line);
        return false;
    }
    return true;
}

void record_line_clear(struct record_line *line)
{
    json_object_put(line->json);
    *line = (struct record_line){0};
}

/* ---- writing ---- */

struct record_writer *record_writer_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    struct record_writer *writer;

    if (fd < 0) {
        return NULL;
    }
    writer = mem_zeroed(1, sizeof *writer);
    writer->file = fdopen(fd, "a");
    if (writer->file == NULL) {
        free(writer);
        return NULL;
    }
    return writer;
}

void record_writer_free(struct record_writer *writer)
{
    if (writer != NULL) {
        fclose(writer->file);
        free(writer);
    }
}

bool record_writer_flush(struct record_writer *writer)
{
    return fflush(writer->file) == 0 && !ferror(writer->file);
}

static void write_text(FILE *file, const char *field, const char *text)
{
    if (text != NULL) {
        struct json_object *json = json_object_new_string(text);

        fprintf(file, ",\"%s\":%s", field, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
        json_object_put(json);
    }
}

static void write_id(FILE *file, const char *field, enum id_kind kind, uint64_t id)
{
    if (id != 0) {
        fprintf(file, ",\"%s\":\"%s\"", field, id_format(kind, id).text);
    }
}

void record_write_item(struct record_writer *writer, enum outcome outcome, const struct record_item *item)
{
    FILE *file = writer->file;

    fprintf(file, "{\"what\":\"%s\",\"outcome\":\"%s\"", id_kind_name(item->kind), outcome_names[outcome]);
    write_id(file, "id", item->kind, item->id);
    write_text(file, "name", item->name);
    write_text(file, "token", item->token);
    write_id(file, "author", ID_USER, item->author);
    if (relations[item->kind].has_container) {
        write_id(file, "in", relations[item->kind].container, item->container);
    }
    if (relations[item->kind].has_parent) {
        write_id(file, "parent", relations[item->kind].parent, item->parent);
    }
    if (item->text_hash != 0) {
        fprintf(file, ",\"text\":\"%016" PRIx64 "\"", item->text_hash);
    }
    fprintf(file, ",\"own\":%s}\n", item->own ? "true" : "false");
}

void record_write_member(struct record_writer *writer, enum outcome outcome, uint64_t user,
                         uint64_t subreddit, unsigned state)
{
    fprintf(writer->file,
            "{\"what\":\"member\",\"outcome\":\"%s\",\"user\":\"%s\",\"subreddit\":\"%s\",\"joined\":%s}\n",
            outcome_names[outcome], id_format(ID_USER, user).text, id_format(ID_SUBREDDIT, subreddit).text,
            state == MEMBER_IN ? "true" : "false");
}

void record_write_vote(struct record_writer *writer, enum outcome outcome, uint64_t user, enum id_kind kind,
                       uint64_t id, unsigned state)
{
    const char *value = "none";

    for (size_t i = 0; i < ARRAY_LEN(vote_names); i++) {
        if (vote_names[i].state == state) {
            value = vote_names[i].name;
        }
    }
    fprintf(writer->file,
            "{\"what\":\"vote\",\"outcome\":\"%s\",\"user\":\"%s\",\"target\":\"%s\",\"value\":\"%s\"}\n",
            outcome_names[outcome], id_format(ID_USER, user).text, id_format(kind, id).text, value);
}
