#include "tests/sim/forum.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/memory.h"
#include "tests/sim/text.h"

enum { KEY_BYTES = 65, PATH_BYTES = 160, STATUS_CONFLICT = 409, SHOWN_BODY_LENGTH = 120 };

/* One request of a run. */
struct request {
    enum operation operation;
    const char *path;
    struct json_object *body; /* NULL: a GET; freed by send_request */
    const char *key;          /* NULL for a write: a new one */
    const struct account *actor;
};

/* ---- narration ---- */

static const char *first_text(const struct answer *answer, const char *const *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = answer_text(answer, fields[i]);

        if (text[0] != '\0') {
            return text;
        }
    }
    return "";
}

/* What was sent, as far as it fits into a line. The caller frees. */
static char *shown_body(const struct request *request)
{
    char *body, *shown;

    if (request->body == NULL) {
        return mem_text("");
    }
    body = mem_format(" %s", json_object_to_json_string_ext(request->body, JSON_C_TO_STRING_PLAIN));
    if (text_length(body) > SHOWN_BODY_LENGTH) {
        text_cut(body, SHOWN_BODY_LENGTH);
        shown = mem_format("%s...", body);
        free(body);
        return shown;
    }
    return body;
}

static void narrate(const struct request *request, const struct answer *answer)
{
    static const char *const telling[] = {"detail",  "comment_id", "message_id",   "my_vote",
                                          "post_id", "user_id",    "subreddit_id", "title"};
    char *body = shown_body(request);

    printf("%-8s %s %s%s -> ", operation_name(request->operation), request->body != NULL ? "POST" : "GET",
           request->path, body);
    if (answer->status == 0) {
        printf("%s\n", trouble_name(answer->trouble));
    } else if (json_object_is_type(answer->json, json_type_array)) {
        printf("%u, %zu items\n", answer->status, json_object_array_length(answer->json));
    } else {
        printf("%u %s\n", answer->status, first_text(answer, telling, ARRAY_LEN(telling)));
    }
    fflush(stdout);
    free(body);
}

/* ---- sending ---- */

static void send_request(struct agent *agent, struct forum *forum, const struct request *request,
                         struct answer *answer)
{
    char key[KEY_BYTES];
    struct call call = {.path = request->path, .key = request->key};

    if (request->actor != NULL) {
        call.token = request->actor->token;
    }
    if (request->body != NULL) {
        call.body = json_object_to_json_string_ext(request->body,
                                                   JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (call.key == NULL) {
            snprintf(key, sizeof key, "sim-%s-%" PRIu64, forum->run, ++forum->keys);
            call.key = key;
        }
    }
    agent_call(agent, &call, answer);
    stats_add(forum->stats, request->operation, answer);
    if (forum->narrate) {
        narrate(request, answer);
    }
    json_object_put(request->body);
}

static void add_text(struct json_object *body, const char *field, const char *text)
{
    json_object_object_add(body, field, json_object_new_string(text));
}

static void add_id(struct json_object *body, const char *field, enum id_kind kind, uint64_t id)
{
    add_text(body, field, id_format(kind, id).text);
}

/*
 * Notes what became of a new item, and returns its id or 0. With a key of its own, a replayed answer may be
 * an earlier run's; with a new key it can only be that of a try before.
 */
static uint64_t note_item(struct forum *forum, const struct answer *answer, const char *id_field,
                          bool own_key, struct record_item *item)
{
    enum outcome outcome = answer->outcome;

    if (outcome == OUTCOME_OK) {
        item->id = id_parse(item->kind, answer_text(answer, id_field));
        outcome = item->id != 0 ? OUTCOME_OK : OUTCOME_UNKNOWN;
        item->own = !(own_key && answer->replayed);
    }
    record_item(forum->record, outcome, item);
    return item->id;
}

/* ---- users and subreddits ---- */

void account_clear(struct account *account)
{
    free(account->token);
    *account = (struct account){0};
}

/* What another run made: its id, or 0. */
static uint64_t look_up(struct agent *agent, struct forum *forum, enum id_kind kind, const char *path,
                        const char *name)
{
    struct request request = {.operation = OPERATION_READ, .path = path};
    struct record_item item = {.kind = kind, .name = name, .own = false};
    struct answer answer;

    send_request(agent, forum, &request, &answer);
    item.id = id_parse(kind, answer_text(&answer, kind == ID_USER ? "user_id" : "subreddit_id"));
    if (item.id != 0) {
        /* As registered: case may differ. */
        item.name = answer_text(&answer, kind == ID_USER ? "username" : "name");
        record_item(forum->record, OUTCOME_OK, &item);
    }
    answer_clear(&answer);
    return item.id;
}

bool forum_register(struct agent *agent, struct forum *forum, const char *name, struct account *account)
{
    struct request request = {
        .operation = OPERATION_REGISTER, .path = "/api/auth/register", .body = json_object_new_object()};
    struct record_item item = {.kind = ID_USER, .name = name};
    struct answer answer;
    char path[PATH_BYTES];

    account_clear(account);
    snprintf(account->name, sizeof account->name, "%s", name);
    add_text(request.body, "username", name);
    send_request(agent, forum, &request, &answer);
    if (answer.status == STATUS_CONFLICT) {
        snprintf(path, sizeof path, "/api/auth/user/%s", name);
        account->id = look_up(agent, forum, ID_USER, path, name);
    } else {
        item.token = answer_text(&answer, "token")[0] != '\0' ? answer_text(&answer, "token") : NULL;
        account->id = note_item(forum, &answer, "user_id", false, &item);
        account->token = account->id != 0 && item.token != NULL ? mem_text(item.token) : NULL;
    }
    answer_clear(&answer);
    return account->id != 0;
}

uint64_t forum_create(struct agent *agent, struct forum *forum, const struct account *creator,
                      const char *name, const char *description)
{
    struct request request = {.operation = OPERATION_CREATE,
                              .path = "/api/subreddits/create",
                              .body = json_object_new_object(),
                              .actor = creator};
    struct record_item item = {.kind = ID_SUBREDDIT, .name = name, .author = creator->id};
    struct answer answer;
    char path[PATH_BYTES];
    uint64_t id;

    add_text(request.body, "name", name);
    add_text(request.body, "description", description);
    add_id(request.body, "creator_id", ID_USER, creator->id);
    send_request(agent, forum, &request, &answer);
    if (answer.status == STATUS_CONFLICT) {
        snprintf(path, sizeof path, "/api/r/%s", name);
        id = look_up(agent, forum, ID_SUBREDDIT, path, name);
    } else {
        id = note_item(forum, &answer, "subreddit_id", false, &item);
    }
    answer_clear(&answer);
    return id;
}

static bool change_membership(struct agent *agent, struct forum *forum, const struct account *account,
                              uint64_t subreddit, bool joining)
{
    char path[PATH_BYTES];
    struct request request = {.operation = joining ? OPERATION_JOIN : OPERATION_LEAVE,
                              .path = path,
                              .body = json_object_new_object(),
                              .actor = account};
    struct answer answer;
    enum outcome outcome;

    snprintf(path, sizeof path, "/api/subreddits/%s/%s", id_format(ID_SUBREDDIT, subreddit).text,
             joining ? "join" : "leave");
    add_id(request.body, "user_id", ID_USER, account->id);
    send_request(agent, forum, &request, &answer);
    outcome = answer.outcome;
    if (answer.status == STATUS_CONFLICT) {
        const char *wanted = joining ? "already_member" : "not_member";

        outcome = strcmp(answer_text(&answer, "code"), wanted) == 0 ? OUTCOME_OK : outcome;
    }
    record_member(forum->record, outcome, account->id, subreddit, joining ? MEMBER_IN : MEMBER_OUT);
    answer_clear(&answer);
    return outcome == OUTCOME_OK;
}

bool forum_join(struct agent *agent, struct forum *forum, const struct account *account, uint64_t subreddit)
{
    return change_membership(agent, forum, account, subreddit, true);
}

bool forum_leave(struct agent *agent, struct forum *forum, const struct account *account, uint64_t subreddit)
{
    return change_membership(agent, forum, account, subreddit, false);
}

/* ---- what users write ---- */

uint64_t forum_post(struct agent *agent, struct forum *forum, const struct account *author,
                    const struct forum_post *post)
{
    struct request request = {.operation = OPERATION_POST,
                              .path = "/api/posts/create",
                              .body = json_object_new_object(),
                              .key = post->key,
                              .actor = author};
    struct record_item item = {.kind = ID_POST,
                               .author = author->id,
                               .container = post->subreddit,
                               .text_hash = record_text_hash(post->title, post->content)};
    struct answer answer;
    uint64_t id;

    add_id(request.body, "subreddit_id", ID_SUBREDDIT, post->subreddit);
    add_id(request.body, "author_id", ID_USER, author->id);
    add_text(request.body, "title", post->title);
    add_text(request.body, "content", post->content);
    send_request(agent, forum, &request, &answer);
    id = note_item(forum, &answer, "post_id", post->key != NULL, &item);
    answer_clear(&answer);
    return id;
}

uint64_t forum_repost(struct agent *agent, struct forum *forum, const struct account *author, uint64_t post,
                      uint64_t original, uint64_t subreddit)
{
    char path[PATH_BYTES];
    struct request request = {
        .operation = OPERATION_REPOST, .path = path, .body = json_object_new_object(), .actor = author};
    struct record_item item = {
        .kind = ID_POST, .author = author->id, .container = subreddit, .parent = original};
    struct answer answer;
    uint64_t id;

    snprintf(path, sizeof path, "/api/posts/%s/repost", id_format(ID_POST, post).text);
    add_id(request.body, "author_id", ID_USER, author->id);
    add_id(request.body, "subreddit_id", ID_SUBREDDIT, subreddit);
    send_request(agent, forum, &request, &answer);
    id = note_item(forum, &answer, "post_id", false, &item);
    answer_clear(&answer);
    return id;
}

uint64_t forum_comment(struct agent *agent, struct forum *forum, const struct account *author,
                       const struct forum_comment *comment)
{
    struct request request = {.operation = OPERATION_COMMENT,
                              .path = "/api/comments/create",
                              .body = json_object_new_object(),
                              .key = comment->key,
                              .actor = author};
    struct record_item item = {.kind = ID_COMMENT,
                               .author = author->id,
                               .container = comment->post,
                               .parent = comment->parent,
                               .text_hash = record_text_hash("", comment->content)};
    struct answer answer;
    uint64_t id;

    add_id(request.body, "post_id", ID_POST, comment->post);
    add_id(request.body, "author_id", ID_USER, author->id);
    add_text(request.body, "content", comment->content);
    if (comment->parent != 0) {
        add_id(request.body, "parent_id", ID_COMMENT, comment->parent);
    }
    send_request(agent, forum, &request, &answer);
    id = note_item(forum, &answer, "comment_id", comment->key != NULL, &item);
    answer_clear(&answer);
    return id;
}

bool forum_vote(struct agent *agent, struct forum *forum, const struct account *voter, enum id_kind kind,
                uint64_t id, unsigned state)
{
    char path[PATH_BYTES];
    struct request request = {.operation = kind == ID_POST ? OPERATION_VOTE_POST : OPERATION_VOTE_COMMENT,
                              .path = path,
                              .body = json_object_new_object(),
                              .actor = voter};
    struct answer answer;
    bool good;

    snprintf(path, sizeof path, "/api/%s/%s/vote", kind == ID_POST ? "posts" : "comments",
             id_format(kind, id).text);
    add_id(request.body, "user_id", ID_USER, voter->id);
    add_text(request.body, "vote_type",
             state == VOTE_UP     ? "upvote"
             : state == VOTE_DOWN ? "downvote"
                                  : "none");
    send_request(agent, forum, &request, &answer);
    record_vote(forum->record, answer.outcome, voter->id, kind, id, state);
    good = answer.outcome == OUTCOME_OK;
    answer_clear(&answer);
    return good;
}

uint64_t forum_message(struct agent *agent, struct forum *forum, const struct account *from, uint64_t to,
                       const char *content, uint64_t reply_to)
{
    struct request request = {.operation = OPERATION_MESSAGE,
                              .path = "/api/dm/send",
                              .body = json_object_new_object(),
                              .actor = from};
    struct record_item item = {.kind = ID_MESSAGE,
                               .author = from->id,
                               .container = to,
                               .parent = reply_to,
                               .text_hash = record_text_hash("", content)};
    struct answer answer;
    uint64_t id;

    add_id(request.body, "from_user_id", ID_USER, from->id);
    add_id(request.body, "to_user_id", ID_USER, to);
    add_text(request.body, "content", content);
    if (reply_to != 0) {
        add_id(request.body, "reply_to_id", ID_MESSAGE, reply_to);
    }
    send_request(agent, forum, &request, &answer);
    id = note_item(forum, &answer, "message_id", false, &item);
    answer_clear(&answer);
    return id;
}

/* ---- what users read ---- */

bool forum_feed(struct agent *agent, struct forum *forum, const struct account *account,
                struct answer *answer)
{
    char path[PATH_BYTES];
    struct request request = {.operation = OPERATION_FEED, .path = path, .actor = account};

    snprintf(path, sizeof path, "/api/feed/%s", id_format(ID_USER, account->id).text);
    send_request(agent, forum, &request, answer);
    return answer->outcome == OUTCOME_OK && json_object_is_type(answer->json, json_type_array);
}

bool forum_profile(struct agent *agent, struct forum *forum, const struct account *account)
{
    char path[PATH_BYTES];
    struct request request = {.operation = OPERATION_PROFILE, .path = path, .actor = account};
    struct answer answer;
    bool good;

    snprintf(path, sizeof path, "/api/users/%s", id_format(ID_USER, account->id).text);
    send_request(agent, forum, &request, &answer);
    good = answer.outcome == OUTCOME_OK && strcmp(answer_text(&answer, "username"), account->name) == 0;
    answer_clear(&answer);
    return good;
}

bool forum_list(struct agent *agent, struct forum *forum, const char *path, struct answer *answer)
{
    struct request request = {.operation = OPERATION_READ, .path = path};

    send_request(agent, forum, &request, answer);
    return answer->outcome == OUTCOME_OK && json_object_is_type(answer->json, json_type_array);
}
