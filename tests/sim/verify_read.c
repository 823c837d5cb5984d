#include "tests/sim/verify_read.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/hash.h"
#include "tests/sim/ids.h"
#include "tests/sim/memory.h"
#include "tests/sim/progress.h"
#include "tests/sim/table.h"

enum { PATH_BYTES = 160, STATUS_UNAUTHORIZED = 401, STATUS_NOT_FOUND = 404 };

struct reader {
    struct client *client;
    const struct record *record;
    const struct verify_options *options;
    struct state *state;
    struct progress progress;
    size_t next;         /* of the list that this stage walks */
    uint64_t next_user;  /* the next id to ask for */
    uint64_t last_known; /* the largest user id that anything names */
    uint64_t users_end;  /* the first id beyond last_known that is not there */
    uint64_t missing;    /* users up to last_known that are not there */
};

/* ---- JSON ---- */

static struct json_object *field_of(struct json_object *object, const char *field, enum json_type type)
{
    struct json_object *value;

    if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, field, &value) ||
        !json_object_is_type(value, type)) {
        return NULL;
    }
    return value;
}

/* "" if there is none */
static const char *text_of(struct json_object *object, const char *field)
{
    struct json_object *value = field_of(object, field, json_type_string);

    return value != NULL ? json_object_get_string(value) : "";
}

/* INT64_MIN, which no counter is, if there is none */
static int64_t number_of(struct json_object *object, const char *field)
{
    struct json_object *value = field_of(object, field, json_type_int);

    return value != NULL ? json_object_get_int64(value) : INT64_MIN;
}

static uint64_t id_of(struct json_object *object, const char *field, enum id_kind kind)
{
    return id_parse(kind, text_of(object, field));
}

/* ---- pages ---- */

/* Takes one item of a list. `owner` is the number whose list it is. False if it is not such an item. */
typedef bool take_item(struct state *state, uint64_t owner, struct json_object *item);

struct list {
    const char *path; /* of the first page */
    const char *token;
    unsigned pages_max;
    uint64_t owner;
    take_item *take;
};

enum list_end { LIST_WHOLE, LIST_CUT, LIST_REFUSED, LIST_FAILED };

static enum list_end take_page(struct reader *reader, const struct list *list, const char *path,
                               const struct answer *answer)
{
    size_t count;

    if (answer->status == STATUS_UNAUTHORIZED && list->token == NULL) {
        return LIST_REFUSED;
    }
    if (answer->outcome != OUTCOME_OK || !json_object_is_type(answer->json, json_type_array)) {
        state_add_trouble(reader->state, "GET %s: %s %u, no list", path, trouble_name(answer->trouble),
                          answer->status);
        return LIST_FAILED;
    }
    count = json_object_array_length(answer->json);
    if (count == 0 && answer->next != NULL) {
        state_add_trouble(reader->state, "GET %s: an empty page, yet it has a next", path);
        return LIST_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        if (!list->take(reader->state, list->owner, json_object_array_get_idx(answer->json, i))) {
            state_add_trouble(reader->state, "GET %s: item %zu lacks what such an item has", path, i);
            return LIST_FAILED;
        }
    }
    return answer->next != NULL ? LIST_CUT : LIST_WHOLE;
}

static enum list_end read_list(struct agent *agent, struct reader *reader, const struct list *list)
{
    char *path = mem_text(list->path);
    enum list_end end = LIST_CUT;

    for (unsigned page = 0; end == LIST_CUT && page < list->pages_max && !client_stopping(reader->client);
         page++) {
        struct call call = {.path = path, .token = list->token};
        struct answer answer;

        agent_call(agent, &call, &answer);
        end = take_page(reader, list, path, &answer);
        if (end == LIST_CUT) {
            free(path);
            path = mem_text(answer.next);
        }
        answer_clear(&answer);
    }
    free(path);
    return end;
}

/* ---- items ---- */

static bool take_subreddit(struct state *state, uint64_t owner, struct json_object *item)
{
    struct state_subreddit subreddit = {.id = id_of(item, "subreddit_id", ID_SUBREDDIT),
                                        .name = text_of(item, "name"),
                                        .creator = id_of(item, "creator_id", ID_USER),
                                        .member_count = number_of(item, "member_count")};

    (void)owner;
    state_add_subreddit(state, &subreddit);
    return subreddit.id != 0;
}

static bool take_post(struct state *state, uint64_t owner, struct json_object *item)
{
    struct state_post post = {.id = id_of(item, "post_id", ID_POST),
                              .author = id_of(item, "author_id", ID_USER),
                              .original = id_of(item, "original_post_id", ID_POST),
                              .subreddit = id_of(item, "subreddit_id", ID_SUBREDDIT),
                              .listed_in = owner,
                              .text_hash = record_text_hash(text_of(item, "title"), text_of(item, "content")),
                              .upvotes = number_of(item, "upvotes"),
                              .downvotes = number_of(item, "downvotes"),
                              .score = number_of(item, "score"),
                              .comment_count = number_of(item, "comment_count"),
                              .is_repost =
                                  json_object_get_boolean(field_of(item, "is_repost", json_type_boolean))};

    if (post.id == 0 || post.upvotes < 0 || post.downvotes < 0 || post.score == INT64_MIN) {
        return false;
    }
    state_add_post(state, &post);
    return true;
}

static bool take_comment(struct state *state, uint64_t owner, struct json_object *item)
{
    struct state_comment comment = {.id = id_of(item, "comment_id", ID_COMMENT),
                                    .author = id_of(item, "author_id", ID_USER),
                                    .parent = id_of(item, "parent_id", ID_COMMENT),
                                    .post = id_of(item, "post_id", ID_POST),
                                    .listed_in = owner,
                                    .text_hash = record_text_hash("", text_of(item, "content")),
                                    .upvotes = number_of(item, "upvotes"),
                                    .downvotes = number_of(item, "downvotes"),
                                    .score = number_of(item, "score"),
                                    .depth = number_of(item, "depth"),
                                    .reply_count = number_of(item, "reply_count")};

    if (comment.id == 0 || comment.upvotes < 0 || comment.downvotes < 0 || comment.score == INT64_MIN) {
        return false;
    }
    state_add_comment(state, &comment);
    return true;
}

static bool take_user_post(struct state *state, uint64_t owner, struct json_object *item)
{
    uint64_t id = id_of(item, "post_id", ID_POST);

    state_add_user_post(state, owner, id);
    return id != 0;
}

static bool take_user_comment(struct state *state, uint64_t owner, struct json_object *item)
{
    uint64_t id = id_of(item, "comment_id", ID_COMMENT);

    state_add_user_comment(state, owner, id);
    return id != 0;
}

static bool take_feed_item(struct state *state, uint64_t owner, struct json_object *item)
{
    struct state_feed_item shown = {.user = owner,
                                    .post = id_of(item, "post_id", ID_POST),
                                    .subreddit = id_of(item, "subreddit_id", ID_SUBREDDIT)};

    state_add_feed_item(state, &shown);
    return shown.post != 0;
}

static bool take_message(struct state *state, uint64_t owner, struct json_object *item)
{
    struct state_message message = {.reader = owner,
                                    .id = id_of(item, "message_id", ID_MESSAGE),
                                    .from = id_of(item, "from_user_id", ID_USER),
                                    .to = id_of(item, "to_user_id", ID_USER),
                                    .reply_to = id_of(item, "reply_to_id", ID_MESSAGE),
                                    .text_hash = record_text_hash("", text_of(item, "content"))};

    state_add_message(state, &message);
    return message.id != 0;
}

/* ---- stages: each an agent function that takes the next of a list until there is none ---- */

static void read_subreddits(struct agent *agent, void *context)
{
    struct reader *reader = context;
    struct list list = {
        .path = "/api/subreddits?limit=100&sort=new", .pages_max = VERIFY_PAGES_MAX, .take = take_subreddit};

    (void)read_list(agent, reader, &list);
}

static void read_posts(struct agent *agent, void *context)
{
    struct reader *reader = context;
    char path[PATH_BYTES];

    while (reader->next < reader->state->subreddit_count && !client_stopping(reader->client)) {
        uint64_t id = reader->state->subreddits[reader->next++].id;
        struct list list = {.path = path, .pages_max = VERIFY_PAGES_MAX, .owner = id, .take = take_post};

        snprintf(path, sizeof path, "/api/subreddits/%s/posts?sort=new&limit=100",
                 id_format(ID_SUBREDDIT, id).text);
        (void)read_list(agent, reader, &list);
        progress_bar(&reader->progress, "verify: posts of subreddits", reader->next,
                     reader->state->subreddit_count);
    }
}

static void read_comments(struct agent *agent, void *context)
{
    struct reader *reader = context;
    char path[PATH_BYTES];

    while (reader->next < reader->state->post_count && !client_stopping(reader->client)) {
        uint64_t id = reader->state->posts[reader->next++].id;
        struct list list = {.path = path, .pages_max = VERIFY_PAGES_MAX, .owner = id, .take = take_comment};

        snprintf(path, sizeof path, "/api/posts/%s/comments?sort=old&limit=100", id_format(ID_POST, id).text);
        (void)read_list(agent, reader, &list);
        progress_bar(&reader->progress, "verify: comments of posts", reader->next, reader->state->post_count);
    }
}

static void read_joined(struct state *state, uint64_t user, struct json_object *profile)
{
    struct json_object *joined = field_of(profile, "joined_subreddits", json_type_array);

    if (joined == NULL) {
        state_add_trouble(state, "%s has no list of joined_subreddits", id_format(ID_USER, user).text);
        return;
    }
    for (size_t i = 0; i < json_object_array_length(joined); i++) {
        struct json_object *item = json_object_array_get_idx(joined, i);
        uint64_t id = json_object_is_type(item, json_type_string)
                          ? id_parse(ID_SUBREDDIT, json_object_get_string(item))
                          : 0;

        if (id != 0) {
            state_add_joined(state, user, id);
        } else {
            state_add_trouble(state, "%s joined something that is no subreddit",
                              id_format(ID_USER, user).text);
        }
    }
}

static uint64_t read_id_by_name(struct agent *agent, const char *name)
{
    struct answer answer;
    char path[PATH_BYTES];
    struct call call = {.path = path};
    uint64_t id;

    snprintf(path, sizeof path, "/api/auth/user/%s", name);
    agent_call(agent, &call, &answer);
    id = answer.outcome == OUTCOME_OK ? id_parse(ID_USER, answer_text(&answer, "user_id")) : 0;
    answer_clear(&answer);
    return id;
}

/* The same users at every reading, about VERIFY_WHOLE_FEEDS of all. */
static bool is_sampled(const struct reader *reader, uint64_t user)
{
    uint64_t all = reader->last_known > VERIFY_WHOLE_FEEDS ? reader->last_known : VERIFY_WHOLE_FEEDS;

    return hash_number(hash_finish(reader->options->seed), user) % all < VERIFY_WHOLE_FEEDS;
}

static bool read_feed(struct agent *agent, struct reader *reader, uint64_t user, const char *token)
{
    bool whole = is_sampled(reader, user);
    char path[PATH_BYTES];
    struct list list = {.path = path,
                        .token = token,
                        .pages_max = whole ? VERIFY_WHOLE_FEED_PAGES : 1,
                        .owner = user,
                        .take = take_feed_item};

    snprintf(path, sizeof path, "/api/feed/%s?limit=100&sort=%s", id_format(ID_USER, user).text,
             whole || user % 2 == 0 ? "new" : "hot");
    return read_list(agent, reader, &list) == LIST_WHOLE && !client_stopping(reader->client);
}

/* All pages of `before` + the user's id + `after`. False if not all were to be had. */
static bool read_of_user(struct agent *agent, struct reader *reader, uint64_t user, const char *before,
                         const char *after, const char *token, take_item *take)
{
    char path[PATH_BYTES];
    struct list list = {
        .path = path, .token = token, .pages_max = VERIFY_PAGES_MAX, .owner = user, .take = take};

    snprintf(path, sizeof path, "%s%s%s?limit=100", before, id_format(ID_USER, user).text, after);
    return read_list(agent, reader, &list) == LIST_WHOLE;
}

static void read_user(struct agent *agent, struct reader *reader, uint64_t id, struct json_object *profile)
{
    const struct record_item *recorded = record_find(reader->record, ID_USER, id);
    const char *token = recorded != NULL ? recorded->token : NULL;
    struct state_user user = {.id = id,
                              .name = text_of(profile, "username"),
                              .karma = number_of(profile, "karma"),
                              .post_karma = number_of(profile, "post_karma"),
                              .comment_karma = number_of(profile, "comment_karma")};

    if (id_of(profile, "user_id", ID_USER) != id) {
        state_add_trouble(reader->state, "%s says it is %s", id_format(ID_USER, id).text,
                          text_of(profile, "user_id"));
    }
    read_joined(reader->state, id, profile);
    user.found_by_name = read_id_by_name(agent, user.name);
    user.feed_whole = read_feed(agent, reader, id, token);
    user.lists_read = read_of_user(agent, reader, id, "/api/users/", "/posts", NULL, take_user_post) &&
                      read_of_user(agent, reader, id, "/api/users/", "/comments", NULL, take_user_comment);
    user.messages_read = read_of_user(agent, reader, id, "/api/dm/user/", "", token, take_message);
    state_add_user(reader->state, &user);
}

/* No route lists all users: their ids count from 1, up to the first that is not there. */
static void read_users(struct agent *agent, void *context)
{
    struct reader *reader = context;
    char path[PATH_BYTES];
    struct call call = {.path = path};

    while (reader->next_user < reader->users_end && !client_stopping(reader->client)) {
        uint64_t id = reader->next_user++;
        struct answer answer;

        snprintf(path, sizeof path, "/api/users/%s", id_format(ID_USER, id).text);
        agent_call(agent, &call, &answer);
        if (answer.outcome == OUTCOME_OK) {
            read_user(agent, reader, id, answer.json);
        } else if (answer.status != STATUS_NOT_FOUND) {
            state_add_trouble(reader->state, "GET %s: %s %u", path, trouble_name(answer.trouble),
                              answer.status);
            /* A server that is gone has no end of users. */
            reader->missing++;
            reader->users_end = id > reader->last_known && id < reader->users_end ? id : reader->users_end;
        } else if (id > reader->last_known || ++reader->missing > VERIFY_MISSING_MAX) {
            reader->users_end = id < reader->users_end ? id : reader->users_end;
        }
        answer_clear(&answer);
        progress_bar(&reader->progress, "verify: users", id, reader->last_known);
    }
}

static bool take_conversation_item(struct state *state, uint64_t owner, struct json_object *item)
{
    uint64_t id = id_of(item, "message_id", ID_MESSAGE);

    state_add_conversation_item(state, owner, id);
    return id != 0;
}

/* The same pairs at every reading, about VERIFY_CONVERSATIONS of all. */
static void choose_conversations(struct reader *reader)
{
    struct state *state = reader->state;
    struct table *pairs = table_new();
    struct table_entry pair;
    uint64_t all = 0;
    size_t cursor = 0;

    for (size_t i = 0; i < state->message_count; i++) {
        uint64_t from = state->messages[i].from, to = state->messages[i].to;

        if (from != 0 && to != 0) {
            uint64_t *known = table_put(pairs, from < to ? from : to, from < to ? to : from);

            all += *known == 0;
            *known = 1;
        }
    }
    all = all > VERIFY_CONVERSATIONS ? all : VERIFY_CONVERSATIONS;
    while (table_next(pairs, &cursor, &pair)) {
        uint64_t hash = hash_number(hash_number(hash_finish(reader->options->seed), pair.a), pair.b);

        if (hash_finish(hash) % all < VERIFY_CONVERSATIONS) {
            state_add_conversation(state, pair.a, pair.b);
        }
    }
    table_free(pairs);
}

static void read_conversations(struct agent *agent, void *context)
{
    struct reader *reader = context;
    struct state *state = reader->state;
    char path[PATH_BYTES];

    while (reader->next < state->conversation_count && !client_stopping(reader->client)) {
        size_t place = reader->next++;
        const struct state_conversation *conversation = &state->conversations[place];
        const struct record_item *first = record_find(reader->record, ID_USER, conversation->first);
        struct list list = {.path = path,
                            .token = first != NULL ? first->token : NULL,
                            .pages_max = VERIFY_PAGES_MAX,
                            .owner = place,
                            .take = take_conversation_item};

        snprintf(path, sizeof path, "/api/dm/conversation/%s/%s?limit=100",
                 id_format(ID_USER, conversation->first).text, id_format(ID_USER, conversation->second).text);
        state->conversations[place].whole = read_list(agent, reader, &list) == LIST_WHOLE;
        progress_bar(&reader->progress, "verify: conversations", reader->next, state->conversation_count);
    }
}

static void know_user(struct reader *reader, uint64_t id)
{
    if (id > reader->last_known) {
        reader->last_known = id;
    }
}

static void find_last_known_user(struct reader *reader)
{
    const struct state *state = reader->state;

    for (size_t i = 0; i < state->subreddit_count; i++) {
        know_user(reader, state->subreddits[i].creator);
    }
    for (size_t i = 0; i < state->post_count; i++) {
        know_user(reader, state->posts[i].author);
    }
    for (size_t i = 0; i < state->comment_count; i++) {
        know_user(reader, state->comments[i].author);
    }
    for (size_t i = 0; i < record_count(reader->record, ID_USER); i++) {
        know_user(reader, record_at(reader->record, ID_USER, i)->id);
    }
}

struct state *verify_read(struct client *client, const struct record *record,
                          const struct verify_options *options)
{
    struct reader reader = {.client = client,
                            .record = record,
                            .options = options,
                            .state = state_new(),
                            .next_user = 1,
                            .users_end = UINT64_MAX};

    progress_start(&reader.progress, options->quiet);
    client_run(client, 1, read_subreddits, &reader);
    if (reader.state->trouble_count > 0) {
        return reader.state; /* nobody there: no use in asking for every user */
    }
    client_run(client, options->agents, read_posts, &reader);
    reader.next = 0;
    client_run(client, options->agents, read_comments, &reader);
    find_last_known_user(&reader);
    client_run(client, options->agents, read_users, &reader);
    choose_conversations(&reader);
    reader.next = 0;
    client_run(client, options->agents, read_conversations, &reader);
    progress_end(&reader.progress);
    return reader.state;
}
