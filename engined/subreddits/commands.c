#include "engined/subreddits/commands.h"

#include "engined/subreddits/subreddits_state.h"

uint64_t subreddits_next_id(struct subreddits *subreddits)
{
    if (subreddits->next_subreddit_id == 0) {
        uint64_t last = 0;
        (void)query_one_u64(subreddits->last_id, &last);
        subreddits->next_subreddit_id = last + 1;
    }
    return subreddits->next_subreddit_id;
}

Pb__Subreddit *subreddit_of_row(struct query *row, struct arena *arena)
{
    Pb__Subreddit *subreddit = arena_alloc_raw(arena, sizeof(*subreddit));
    pb__subreddit__init(subreddit);
    subreddit->has_subreddit_id = subreddit->has_creator_id = true;
    subreddit->has_member_count = subreddit->has_created_at = true;
    subreddit->subreddit_id = query_u64(row, 0);
    subreddit->creator_id = query_u64(row, 1);
    subreddit->member_count = query_u64(row, 2);
    subreddit->created_at = query_u64(row, 3);
    subreddit->name = query_text(row, 4, arena);
    subreddit->description = query_text(row, 5, arena);
    return subreddit;
}

static enum status reply_subreddit(struct context *context, uint64_t subreddit_id, ProtobufCMessage **reply)
{
    struct subreddits *subreddits = context->state;
    query_bind(subreddits->get, "u", subreddit_id);
    Pb__Subreddit *subreddit =
        query_row(subreddits->get) ? subreddit_of_row(subreddits->get, context->arena) : NULL;
    query_done(subreddits->get);
    if (subreddit == NULL)
        return STATUS_SUBREDDIT_NOT_FOUND;
    *reply = &subreddit->base;
    return STATUS_OK;
}

/* 0: no subreddit has this name. */
static uint64_t find_by_name(struct subreddits *subreddits, const char *name)
{
    uint64_t subreddit_id = 0;
    query_bind(subreddits->id_by_name, "s", name);
    (void)query_one_u64(subreddits->id_by_name, &subreddit_id);
    return subreddit_id;
}

static void emit_joined(struct context *context, uint64_t subreddit_id)
{
    Pb__MemberJoined event = PB__MEMBER_JOINED__INIT;
    event.has_subreddit_id = event.has_user_id = event.has_joined_at = true;
    event.subreddit_id = subreddit_id;
    event.user_id = context->actor;
    event.joined_at = context->now_ms;
    context_emit(context, &event.base);
}

/* Followers learn of the creator's membership by an event like anybody's. */
enum status subreddits_create(struct context *context, const ProtobufCMessage *message,
                              ProtobufCMessage **reply)
{
    const Pb__SubredditsCreate *request = (const Pb__SubredditsCreate *)message;
    struct subreddits *subreddits = context->state;
    if (context->actor == 0 || request->name == NULL)
        return STATUS_BAD_FRAME;
    if (find_by_name(subreddits, request->name) != 0)
        return STATUS_SUBREDDIT_EXISTS;
    Pb__SubredditCreated event = PB__SUBREDDIT_CREATED__INIT;
    event.has_subreddit_id = event.has_creator_id = event.has_created_at = true;
    event.subreddit_id = subreddits_next_id(subreddits);
    event.creator_id = context->actor;
    event.created_at = context->now_ms;
    event.name = request->name;
    event.description = request->description;
    context_emit(context, &event.base);
    emit_joined(context, event.subreddit_id);
    return reply_subreddit(context, event.subreddit_id, reply);
}

/* STATUS_OK: it exists, and *member says whether the actor is one. */
static enum status find_membership(struct context *context, uint64_t subreddit_id, bool *member)
{
    struct subreddits *subreddits = context->state;
    uint64_t ignored;
    if (context->actor == 0)
        return STATUS_BAD_FRAME;
    query_bind(subreddits->member_count, "u", subreddit_id);
    if (!query_one_u64(subreddits->member_count, &ignored))
        return STATUS_SUBREDDIT_NOT_FOUND;
    query_bind(subreddits->is_member, "uu", context->actor, subreddit_id);
    *member = query_one_u64(subreddits->is_member, &ignored);
    return STATUS_OK;
}

static ProtobufCMessage *membership(struct context *context, uint64_t subreddit_id)
{
    struct subreddits *subreddits = context->state;
    Pb__Membership *membership = arena_alloc_raw(context->arena, sizeof(*membership));
    pb__membership__init(membership);
    membership->has_subreddit_id = membership->has_user_id = membership->has_member_count = true;
    membership->subreddit_id = subreddit_id;
    membership->user_id = context->actor;
    query_bind(subreddits->member_count, "u", subreddit_id);
    (void)query_one_u64(subreddits->member_count, &membership->member_count);
    return &membership->base;
}

enum status subreddits_join(struct context *context, const ProtobufCMessage *message,
                            ProtobufCMessage **reply)
{
    const Pb__SubredditsJoin *request = (const Pb__SubredditsJoin *)message;
    bool member = false;
    enum status status = find_membership(context, request->subreddit_id, &member);
    if (status != STATUS_OK)
        return status;
    if (member)
        return STATUS_ALREADY_MEMBER;
    emit_joined(context, request->subreddit_id);
    *reply = membership(context, request->subreddit_id);
    return STATUS_OK;
}

enum status subreddits_leave(struct context *context, const ProtobufCMessage *message,
                             ProtobufCMessage **reply)
{
    const Pb__SubredditsLeave *request = (const Pb__SubredditsLeave *)message;
    bool member = false;
    enum status status = find_membership(context, request->subreddit_id, &member);
    if (status != STATUS_OK)
        return status;
    if (!member)
        return STATUS_NOT_MEMBER;
    Pb__MemberLeft event = PB__MEMBER_LEFT__INIT;
    event.has_subreddit_id = event.has_user_id = event.has_left_at = true;
    event.subreddit_id = request->subreddit_id;
    event.user_id = context->actor;
    event.left_at = context->now_ms;
    context_emit(context, &event.base);
    *reply = membership(context, request->subreddit_id);
    return STATUS_OK;
}

enum status subreddits_get(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__SubredditsGet *request = (const Pb__SubredditsGet *)message;
    return reply_subreddit(context, request->subreddit_id, reply);
}

enum status subreddits_get_by_name(struct context *context, const ProtobufCMessage *message,
                                   ProtobufCMessage **reply)
{
    const Pb__SubredditsGetByName *request = (const Pb__SubredditsGetByName *)message;
    if (request->name == NULL)
        return STATUS_BAD_FRAME;
    uint64_t subreddit_id = find_by_name(context->state, request->name);
    return subreddit_id != 0 ? reply_subreddit(context, subreddit_id, reply) : STATUS_SUBREDDIT_NOT_FOUND;
}

enum status subreddits_joined(struct context *context, const ProtobufCMessage *message,
                              ProtobufCMessage **reply)
{
    const Pb__SubredditsJoined *request = (const Pb__SubredditsJoined *)message;
    struct subreddits *subreddits = context->state;
    Pb__SubredditsOfUser *joined = arena_alloc_raw(context->arena, sizeof(*joined));
    pb__subreddits_of_user__init(joined);
    size_t capacity = 0;
    query_bind(subreddits->joined, "uu", request->user_id, (uint64_t)SUBREDDITS_JOINED_MAX);
    while (query_row(subreddits->joined)) {
        if (joined->n_subreddit_ids == capacity) {
            size_t wider = capacity > 0 ? capacity * 2 : 64;
            uint64_t *ids = arena_alloc_raw(context->arena, wider * sizeof(ids[0]));
            for (size_t i = 0; i < capacity; i++)
                ids[i] = joined->subreddit_ids[i];
            joined->subreddit_ids = ids;
            capacity = wider;
        }
        joined->subreddit_ids[joined->n_subreddit_ids++] = query_u64(subreddits->joined, 0);
    }
    *reply = &joined->base;
    return STATUS_OK;
}

/* NULL: no such subreddit. */
static char *find_name(struct subreddits *subreddits, uint64_t subreddit_id, struct arena *arena)
{
    query_bind(subreddits->name, "u", subreddit_id);
    char *name = query_row(subreddits->name) ? query_text(subreddits->name, 0, arena) : NULL;
    query_done(subreddits->name);
    return name;
}

enum status subreddits_resolve(struct context *context, const ProtobufCMessage *message,
                               ProtobufCMessage **reply)
{
    const Pb__SubredditsResolve *request = (const Pb__SubredditsResolve *)message;
    struct arena *arena = context->arena;
    size_t count = request->n_subreddit_ids;
    Pb__SubredditsResolved *resolved = arena_alloc_raw(arena, sizeof(*resolved));
    pb__subreddits_resolved__init(resolved);
    resolved->subreddit_ids = arena_alloc_raw(arena, count * sizeof(resolved->subreddit_ids[0]));
    resolved->names = arena_alloc_raw(arena, count * sizeof(resolved->names[0]));
    for (size_t i = 0; i < count; i++) {
        char *name = find_name(context->state, request->subreddit_ids[i], arena);
        if (name == NULL)
            continue;
        resolved->subreddit_ids[resolved->n_subreddit_ids++] = request->subreddit_ids[i];
        resolved->names[resolved->n_names++] = name;
    }
    *reply = &resolved->base;
    return STATUS_OK;
}
