#include "deploy/forumctl/import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "engined/engine.h"
#include "gateway/json_decode.h"
#include "proto/comments.pb-c.h"
#include "proto/dms.pb-c.h"
#include "proto/export.pb-c.h"
#include "proto/posts.pb-c.h"
#include "proto/subreddits.pb-c.h"
#include "proto/users.pb-c.h"

#define LINES_A_COMMIT 10000

struct import {
    struct engine *engines[DOMAIN_COUNT]; /* the feed, too, which owns nothing */
    struct arena *arena;
    char *why; /* of the line being read */
    uint64_t lines, uncommitted;
    size_t stage;     /* type of the last line */
    uint64_t last_id; /* of that type */
    struct query *username, *subreddit_name, *post, *comment, *message, *unread;
    struct query *is_member, *post_voted, *comment_voted, *user_named, *subreddit_named, *sessions;
    struct query *credential_put;
};

PRINTF_LIKE(2, 3) static bool refuse(struct import *import, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(import->why, IMPORT_WHY_BYTES, format, args);
    va_end(args);
    return false;
}

/* --- looking back --- */

static const char *text_of(struct import *import, struct query *query, uint64_t id)
{
    query_bind(query, "u", id);
    const char *text = query_row(query) ? query_text(query, 0, import->arena) : NULL;
    query_done(query);
    return text;
}

static bool has(struct query *query, uint64_t a, uint64_t b)
{
    query_bind(query, "uu", a, b);
    bool found = query_row(query);
    query_done(query);
    return found;
}

static bool has_name(struct query *query, const char *name)
{
    query_bind(query, "s", name);
    bool found = query_row(query);
    query_done(query);
    return found;
}

/* The row's first columns; false: there is no such thing. */
static bool numbers_of(struct query *query, uint64_t id, uint64_t *out, int count)
{
    query_bind(query, "u", id);
    bool found = query_row(query);
    for (int i = 0; found && i < count; i++)
        out[i] = query_u64(query, i);
    query_done(query);
    return found;
}

static const char *need_user(struct import *import, const char *field, uint64_t user_id)
{
    const char *name = text_of(import, import->username, user_id);
    if (name == NULL)
        (void)!refuse(import, "%s: there is no user_%llu before", field, (unsigned long long)user_id);
    return name;
}

/* Domains count on it. */
static bool counted(struct import *import, const char *field, uint64_t id)
{
    if (id != import->last_id + 1)
        return refuse(import, "%s: must be number %llu: ids are counted from 1 without gaps", field,
                      (unsigned long long)import->last_id + 1);
    import->last_id = id;
    return true;
}

static void emit(struct import *import, enum domain_id domain, uint64_t at_ms, const ProtobufCMessage *event)
{
    engine_import(import->engines[domain], at_ms, event);
}

/* --- a type of line each --- */

static bool take_forumd(struct import *import, const ProtobufCMessage *line)
{
    (void)line;
    return import->lines == 0 || refuse(import, "type: forumd is the first line's alone");
}

static bool take_user(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportUser *line = (const Pb__ExportUser *)message;
    if (!counted(import, "user_id", line->user_id))
        return false;
    if (has_name(import->user_named, line->username))
        return refuse(import, "username: %s is taken by a user before", line->username);
    if ((line->public_key != NULL) != line->has_key_algorithm)
        return refuse(import, "key_algorithm: public_key and key_algorithm belong together");
    if (line->sessions < 1 || line->sessions > UINT32_MAX || line->closed_upto > line->sessions)
        return refuse(import, "closed_upto: at most as many as sessions, of which there is one at least");
    if (line->closed_except > line->closed_upto)
        return refuse(import, "closed_except: must not be larger than closed_upto");
    if (line->password_hash != NULL && strncmp(line->password_hash, "$argon2id$", strlen("$argon2id$")) != 0)
        return refuse(import, "password_hash: is no hash of Argon2id");
    Pb__UserCreated created = PB__USER_CREATED__INIT;
    created.has_user_id = created.has_created_at = true;
    created.user_id = line->user_id;
    created.username = line->username;
    created.created_at = line->created_at;
    created.public_key = line->public_key;
    created.has_key_algorithm = line->has_key_algorithm;
    created.key_algorithm = line->key_algorithm;
    emit(import, DOMAIN_USERS, line->created_at, &created.base);
    if (line->sessions > 1) {
        Pb__UserSessionOpened opened = PB__USER_SESSION_OPENED__INIT;
        opened.has_user_id = opened.has_session = opened.has_opened_at = true;
        opened.user_id = line->user_id;
        opened.session = line->sessions;
        opened.opened_at = line->created_at;
        emit(import, DOMAIN_USERS, line->created_at, &opened.base);
    }
    if (line->closed_upto > 0) {
        Pb__UserSessionsClosed closed = PB__USER_SESSIONS_CLOSED__INIT;
        closed.has_user_id = closed.has_upto = closed.has_except = closed.has_closed_at = true;
        closed.user_id = line->user_id;
        closed.upto = line->closed_upto;
        closed.except = line->closed_except;
        closed.closed_at = line->created_at;
        emit(import, DOMAIN_USERS, line->created_at, &closed.base);
    }
    if (line->password_hash != NULL) { /* in no event, as always */
        query_bind(import->credential_put, "us", line->user_id, line->password_hash);
        query_run(import->credential_put);
    }
    return true;
}

static bool take_closed_session(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportClosedSession *line = (const Pb__ExportClosedSession *)message;
    uint64_t sessions;
    if (!numbers_of(import->sessions, line->user_id, &sessions, 1))
        return refuse(import, "user_id: there is no user_%llu before", (unsigned long long)line->user_id);
    if (line->session < 1 || line->session > sessions)
        return refuse(import, "session: was never opened");
    Pb__UserSessionsClosed closed = PB__USER_SESSIONS_CLOSED__INIT;
    closed.has_user_id = closed.has_session = closed.has_closed_at = true;
    closed.user_id = line->user_id;
    closed.session = line->session;
    closed.closed_at = line->closed_at;
    emit(import, DOMAIN_USERS, line->closed_at, &closed.base);
    return true;
}

static bool take_subreddit(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportSubreddit *line = (const Pb__ExportSubreddit *)message;
    if (!counted(import, "subreddit_id", line->subreddit_id) ||
        need_user(import, "creator_id", line->creator_id) == NULL)
        return false;
    if (has_name(import->subreddit_named, line->name))
        return refuse(import, "name: %s is taken by a subreddit before", line->name);
    Pb__SubredditCreated created = PB__SUBREDDIT_CREATED__INIT;
    created.has_subreddit_id = created.has_creator_id = created.has_created_at = true;
    created.subreddit_id = line->subreddit_id;
    created.name = line->name;
    created.description = line->description;
    created.creator_id = line->creator_id;
    created.created_at = line->created_at;
    emit(import, DOMAIN_SUBREDDITS, line->created_at, &created.base);
    return true;
}

static const char *need_subreddit(struct import *import, uint64_t subreddit_id)
{
    const char *name = text_of(import, import->subreddit_name, subreddit_id);
    if (name == NULL)
        (void)!refuse(import, "subreddit_id: there is no sub_%llu before", (unsigned long long)subreddit_id);
    return name;
}

static bool take_membership(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportMembership *line = (const Pb__ExportMembership *)message;
    if (need_user(import, "user_id", line->user_id) == NULL ||
        need_subreddit(import, line->subreddit_id) == NULL)
        return false;
    if (has(import->is_member, line->user_id, line->subreddit_id))
        return refuse(import, "subreddit_id: the user is a member already");
    Pb__MemberJoined joined = PB__MEMBER_JOINED__INIT;
    joined.has_subreddit_id = joined.has_user_id = joined.has_joined_at = true;
    joined.subreddit_id = line->subreddit_id;
    joined.user_id = line->user_id;
    joined.joined_at = line->joined_at;
    emit(import, DOMAIN_SUBREDDITS, line->joined_at, &joined.base);
    return true;
}

static bool take_post(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportPost *line = (const Pb__ExportPost *)message;
    bool is_signed = line->signature != NULL;
    const char *subreddit, *author;
    uint64_t original[4];
    if (!counted(import, "post_id", line->post_id) ||
        (subreddit = need_subreddit(import, line->subreddit_id)) == NULL ||
        (author = need_user(import, "author_id", line->author_id)) == NULL)
        return false;
    if (line->has_original_post_id && !numbers_of(import->post, line->original_post_id, original, 4))
        return refuse(import, "original_post_id: there is no such post before");
    if (line->has_signature_algorithm != is_signed || line->has_signed_at != is_signed ||
        (line->author_key != NULL) != is_signed)
        return refuse(import, "signature: it, signature_algorithm, signed_at and author_key belong together");
    Pb__PostCreated created = PB__POST_CREATED__INIT;
    created.has_post_id = created.has_subreddit_id = created.has_author_id = created.has_created_at = true;
    created.post_id = line->post_id;
    created.subreddit_id = line->subreddit_id;
    created.subreddit_name = (char *)(uintptr_t)subreddit;
    created.author_id = line->author_id;
    created.author_username = (char *)(uintptr_t)author;
    created.title = line->title;
    created.content = line->content;
    created.url = line->url;
    created.has_original_post_id = line->has_original_post_id;
    created.original_post_id = line->original_post_id;
    created.created_at = line->created_at;
    created.signature = line->signature;
    created.has_signature_algorithm = created.has_signed_at = is_signed;
    created.signature_algorithm = line->signature_algorithm;
    created.signed_at = line->signed_at;
    created.author_key = line->author_key;
    emit(import, DOMAIN_POSTS, line->created_at, &created.base);
    return true;
}

static bool is_vote(struct import *import, Pb__VoteType type)
{
    return type != PB__VOTE_TYPE__none || refuse(import, "vote_type: must be upvote or downvote");
}

/* Of a post or a comment: [0] upvotes, [1] downvotes, then its place and author. */
static void count_vote(uint64_t thing[static 4], Pb__VoteType type)
{
    thing[type == PB__VOTE_TYPE__upvote ? 0 : 1]++;
}

static bool take_post_vote(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportPostVote *line = (const Pb__ExportPostVote *)message;
    uint64_t post[4];
    if (!is_vote(import, line->vote_type) || need_user(import, "user_id", line->user_id) == NULL)
        return false;
    if (!numbers_of(import->post, line->post_id, post, 4))
        return refuse(import, "post_id: there is no such post before");
    if (has(import->post_voted, line->post_id, line->user_id))
        return refuse(import, "user_id: has voted on this post before");
    count_vote(post, line->vote_type);
    Pb__PostVoteChanged changed = PB__POST_VOTE_CHANGED__INIT;
    changed.has_post_id = changed.has_subreddit_id = changed.has_author_id = changed.has_voter_id = true;
    changed.has_old_vote = changed.has_new_vote = changed.has_upvotes = changed.has_downvotes = true;
    changed.post_id = line->post_id;
    changed.subreddit_id = post[2];
    changed.author_id = post[3];
    changed.voter_id = line->user_id;
    changed.new_vote = line->vote_type == PB__VOTE_TYPE__upvote ? 1 : -1;
    changed.upvotes = post[0];
    changed.downvotes = post[1];
    emit(import, DOMAIN_POSTS, 0, &changed.base);
    return true;
}

/* The comment's columns: [0] upvotes, [1] downvotes, [2] post, [3] author, [4] depth. */
static bool take_comment(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportComment *line = (const Pb__ExportComment *)message;
    const char *author;
    uint64_t post[4], parent[5] = {0};
    if (!counted(import, "comment_id", line->comment_id) ||
        (author = need_user(import, "author_id", line->author_id)) == NULL)
        return false;
    if (!numbers_of(import->post, line->post_id, post, 4))
        return refuse(import, "post_id: there is no such post before");
    if (line->has_parent_id && !numbers_of(import->comment, line->parent_id, parent, 5))
        return refuse(import, "parent_id: there is no such comment before");
    if (line->has_parent_id && parent[2] != line->post_id)
        return refuse(import, "parent_id: is of another post");
    if (line->has_parent_id && parent[4] + 1 > LIMIT_COMMENT_DEPTH)
        return refuse(import, "parent_id: comments nest %d deep at most", LIMIT_COMMENT_DEPTH);
    Pb__CommentCreated created = PB__COMMENT_CREATED__INIT;
    created.has_comment_id = created.has_post_id = created.has_author_id = true;
    created.has_depth = created.has_created_at = true;
    created.comment_id = line->comment_id;
    created.post_id = line->post_id;
    created.has_parent_id = line->has_parent_id;
    created.parent_id = line->parent_id;
    created.author_id = line->author_id;
    created.author_username = (char *)(uintptr_t)author;
    created.content = line->content;
    created.depth = line->has_parent_id ? (uint32_t)parent[4] + 1 : 0;
    created.created_at = line->created_at;
    emit(import, DOMAIN_COMMENTS, line->created_at, &created.base);
    return true;
}

static bool take_comment_vote(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportCommentVote *line = (const Pb__ExportCommentVote *)message;
    uint64_t comment[5];
    if (!is_vote(import, line->vote_type) || need_user(import, "user_id", line->user_id) == NULL)
        return false;
    if (!numbers_of(import->comment, line->comment_id, comment, 5))
        return refuse(import, "comment_id: there is no such comment before");
    if (has(import->comment_voted, line->user_id, line->comment_id))
        return refuse(import, "user_id: has voted on this comment before");
    count_vote(comment, line->vote_type);
    Pb__CommentVoteChanged changed = PB__COMMENT_VOTE_CHANGED__INIT;
    changed.has_comment_id = changed.has_post_id = changed.has_author_id = changed.has_voter_id = true;
    changed.has_old_vote = changed.has_new_vote = changed.has_upvotes = changed.has_downvotes = true;
    changed.comment_id = line->comment_id;
    changed.post_id = comment[2];
    changed.author_id = comment[3];
    changed.voter_id = line->user_id;
    changed.new_vote = line->vote_type == PB__VOTE_TYPE__upvote ? 1 : -1;
    changed.upvotes = comment[0];
    changed.downvotes = comment[1];
    emit(import, DOMAIN_COMMENTS, 0, &changed.base);
    return true;
}

static bool between(const uint64_t ends[static 2], const Pb__ExportMessage *line)
{
    return (ends[0] == line->from_user_id && ends[1] == line->to_user_id) ||
           (ends[0] == line->to_user_id && ends[1] == line->from_user_id);
}

static bool take_message(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportMessage *line = (const Pb__ExportMessage *)message;
    uint64_t ends[2];
    if (!counted(import, "message_id", line->message_id) ||
        need_user(import, "from_user_id", line->from_user_id) == NULL ||
        need_user(import, "to_user_id", line->to_user_id) == NULL)
        return false;
    if (line->has_reply_to_id &&
        (!numbers_of(import->message, line->reply_to_id, ends, 2) || !between(ends, line)))
        return refuse(import, "reply_to_id: there is no such message before in this conversation");
    if (line->has_read_at && has(import->unread, line->from_user_id, line->to_user_id))
        return refuse(import, "read_at: a message before it in this conversation is unread");
    Pb__MessageSent sent = PB__MESSAGE_SENT__INIT;
    sent.has_message_id = sent.has_from_user_id = sent.has_to_user_id = sent.has_created_at = true;
    sent.message_id = line->message_id;
    sent.from_user_id = line->from_user_id;
    sent.to_user_id = line->to_user_id;
    sent.content = line->content;
    sent.has_reply_to_id = line->has_reply_to_id;
    sent.reply_to_id = line->reply_to_id;
    sent.created_at = line->created_at;
    emit(import, DOMAIN_DMS, line->created_at, &sent.base);
    if (!line->has_read_at)
        return true;
    Pb__MessagesRead read = PB__MESSAGES_READ__INIT;
    read.has_reader_id = read.has_other_id = read.has_up_to = read.has_read_at = true;
    read.reader_id = line->to_user_id;
    read.other_id = line->from_user_id;
    read.up_to = line->message_id;
    read.read_at = line->read_at;
    emit(import, DOMAIN_DMS, 0, &read.base);
    return true;
}

static bool take_end(struct import *import, const ProtobufCMessage *message)
{
    const Pb__ExportEnd *line = (const Pb__ExportEnd *)message;
    return line->lines == import->lines ||
           refuse(import, "lines: there were %llu", (unsigned long long)import->lines);
}

/* In the order that they must come in. */
static const struct line_type {
    const char *name;
    const ProtobufCMessageDescriptor *descriptor;
    bool (*take)(struct import *import, const ProtobufCMessage *line);
} types[] = {
    {"forumd", &pb__export_forumd__descriptor, take_forumd},
    {"user", &pb__export_user__descriptor, take_user},
    {"closed_session", &pb__export_closed_session__descriptor, take_closed_session},
    {"subreddit", &pb__export_subreddit__descriptor, take_subreddit},
    {"membership", &pb__export_membership__descriptor, take_membership},
    {"post", &pb__export_post__descriptor, take_post},
    {"post_vote", &pb__export_post_vote__descriptor, take_post_vote},
    {"comment", &pb__export_comment__descriptor, take_comment},
    {"comment_vote", &pb__export_comment_vote__descriptor, take_comment_vote},
    {"message", &pb__export_message__descriptor, take_message},
    {"end", &pb__export_end__descriptor, take_end},
};

/* --- around --- */

static void no_answer(void *arg, void *message, const uint8_t *bytes, size_t length)
{
    (void)arg, (void)message, (void)bytes, (void)length;
}

static void no_drop(void *arg, void *message)
{
    (void)arg, (void)message;
}

static void no_ask(void *arg, struct ask ask, enum domain_id to, const uint8_t *bytes, size_t length,
                   uint64_t timeout_ms)
{
    (void)arg, (void)ask, (void)to, (void)bytes, (void)length, (void)timeout_ms;
}

static struct query *prepare(struct import *import, enum domain_id domain, const char *sql)
{
    return store_prepare(engine_store(import->engines[domain]), sql);
}

struct import *import_open(const char *dir)
{
    struct import *import = xcalloc(1, sizeof(*import));
    struct engine_options options = {.state_dir = dir, .run = 1};
    struct engine_io io = {.answer = no_answer, .drop = no_drop, .ask = no_ask};
    import->arena = arena_new();
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        import->engines[i] = engine_open(domain_by_id((enum domain_id)i), &options, &io);
        if (!engine_import_begin(import->engines[i]))
            fatal_exit(EXIT_IO, "cannot write %s.db in %s", domain_name((enum domain_id)i), dir);
    }
    import->username = prepare(import, DOMAIN_USERS, "SELECT username FROM users WHERE user_id = ?1");
    import->user_named = prepare(import, DOMAIN_USERS, "SELECT 1 FROM users WHERE username = ?1");
    import->sessions = prepare(import, DOMAIN_USERS, "SELECT sessions FROM users WHERE user_id = ?1");
    import->credential_put =
        prepare(import, DOMAIN_USERS, "INSERT INTO credentials (user_id, hash) VALUES (?1, ?2)");
    import->subreddit_name =
        prepare(import, DOMAIN_SUBREDDITS, "SELECT name FROM subreddits WHERE subreddit_id = ?1");
    import->subreddit_named = prepare(import, DOMAIN_SUBREDDITS, "SELECT 1 FROM subreddits WHERE name = ?1");
    import->is_member = prepare(import, DOMAIN_SUBREDDITS,
                                "SELECT 1 FROM memberships WHERE user_id = ?1 AND subreddit_id = ?2");
    /* A post that nobody voted on may have no row there yet. */
    import->post = prepare(import, DOMAIN_POSTS,
                           "SELECT coalesce(s.upvotes, 0), coalesce(s.downvotes, 0), p.subreddit_id, "
                           "p.author_id FROM posts p LEFT JOIN scores s ON s.subreddit_id = p.subreddit_id "
                           "AND s.post_id = p.post_id WHERE p.post_id = ?1");
    import->post_voted =
        prepare(import, DOMAIN_POSTS, "SELECT 1 FROM votes WHERE post_id = ?1 AND user_id = ?2");
    import->comment = prepare(
        import, DOMAIN_COMMENTS,
        "SELECT t.upvotes, t.downvotes, c.post_id, c.author_id, c.depth FROM comments c JOIN tallies t "
        "ON t.post_id = c.post_id AND t.comment_id = c.comment_id WHERE c.comment_id = ?1");
    import->comment_voted =
        prepare(import, DOMAIN_COMMENTS, "SELECT 1 FROM votes WHERE user_id = ?1 AND comment_id = ?2");
    import->message =
        prepare(import, DOMAIN_DMS, "SELECT from_user_id, to_user_id FROM messages WHERE message_id = ?1");
    import->unread =
        prepare(import, DOMAIN_DMS,
                "SELECT 1 FROM messages WHERE min(from_user_id, to_user_id) = min(?1, ?2) AND "
                "max(from_user_id, to_user_id) = max(?1, ?2) AND from_user_id = ?1 AND read_at IS "
                "NULL LIMIT 1");
    return import;
}

void import_close(struct import *import)
{
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        engine_close(import->engines[i]);
    arena_free(import->arena);
    free(import);
}

static bool commit_all(struct import *import, bool again)
{
    import->uncommitted = 0;
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        if (!engine_import_commit(import->engines[i]) || (again && !engine_import_begin(import->engines[i])))
            return refuse(import, "%s.db cannot be written", domain_name((enum domain_id)i));
    }
    return true;
}

/* The type, which stands first; ARRAY_LEN(types): none of them. */
static size_t type_of(const char *line, size_t length)
{
    static const char before[] = "{\"type\":\"";
    size_t skipped = sizeof(before) - 1, type = ARRAY_LEN(types);
    if (length <= skipped || memcmp(line, before, skipped) != 0)
        return type;
    const char *name = line + skipped, *end = memchr(name, '"', length - skipped);
    for (size_t i = 0; end != NULL && i < ARRAY_LEN(types); i++)
        if (strlen(types[i].name) == (size_t)(end - name) &&
            memcmp(types[i].name, name, (size_t)(end - name)) == 0)
            type = i;
    return type;
}

static const struct schema_message *schema_of(const ProtobufCMessageDescriptor *descriptor)
{
    size_t i = 0;
    while (i < schema_message_count && schema_messages[i]->descriptor != descriptor)
        i++;
    ensure(i < schema_message_count);
    return schema_messages[i];
}

static bool decode(struct import *import, const struct line_type *type, const char *line, size_t length,
                   ProtobufCMessage **message)
{
    struct field_errors errors = {.count = 0};
    struct decode_input input = {.schema = schema_of(type->descriptor), .body = line, .body_length = length};
    if (json_decode(&input, import->arena, message, &errors) == STATUS_OK)
        return true;
    const struct field_error *first = &errors.rows[0];
    if (errors.count == 0)
        return refuse(import, "is not valid");
    return refuse(import, "%s%s%s", first->field != NULL ? first->field : "",
                  first->field != NULL ? ": " : "", first->detail);
}

bool import_line(struct import *import, const char *line, size_t length, char *why)
{
    ProtobufCMessage *message;
    size_t type = type_of(line, length);
    import->why = why;
    arena_reset(import->arena);
    if (type == ARRAY_LEN(types))
        return refuse(import, "does not begin with {\"type\":\" and a type that is known");
    if (import->lines == 0 && type != 0)
        return refuse(import, "type: the first line's must be forumd");
    if (import->stage == ARRAY_LEN(types) - 1 && import->lines > 0)
        return refuse(import, "type: nothing may follow the end");
    if (type < import->stage)
        return refuse(import, "type: %s must come before %s", types[type].name, types[import->stage].name);
    if (type != import->stage)
        import->last_id = 0;
    import->stage = type;
    if (!decode(import, &types[type], line, length, &message) || !types[type].take(import, message))
        return false;
    import->lines++;
    return ++import->uncommitted < LINES_A_COMMIT || commit_all(import, true);
}

bool import_finish(struct import *import, char *why)
{
    import->why = why;
    if (import->lines == 0 || import->stage != ARRAY_LEN(types) - 1)
        return refuse(import, "the line of type end is missing: the file is not whole");
    return commit_all(import, false);
}
