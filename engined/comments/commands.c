#include "engined/comments/commands.h"

#include "common/attributes.h"
#include "common/limits.h"
#include "engined/comments/comments_state.h"
#include "engined/page.h"

static uint64_t next_comment_id(struct comments *comments)
{
    if (comments->next_comment_id == 0) {
        uint64_t last = 0;
        (void)query_one_u64(comments->last_id, &last);
        comments->next_comment_id = last + 1;
    }
    return comments->next_comment_id;
}

enum status comments_find_post(struct context *context, uint64_t post_id)
{
    switch (context_lookup(context, COMMENTS_LOOKUP_POST, post_id, NULL)) {
    case LOOKUP_FOUND:
        return STATUS_OK;
    case LOOKUP_PENDING:
        return STATUS_DEFERRED;
    case LOOKUP_MISSING:
        break;
    }
    return STATUS_POST_NOT_FOUND;
}

/* Whether one may reply to the parent; *depth is the reply's. */
static enum status check_parent(struct comments *comments, uint64_t parent_id, uint64_t post_id,
                                uint32_t *depth)
{
    uint64_t parent_post_id = 0;
    uint32_t parent_depth = 0;
    if (!comment_place(comments, parent_id, &parent_post_id, &parent_depth))
        return STATUS_PARENT_NOT_FOUND;
    if (parent_post_id != post_id)
        return STATUS_PARENT_OF_OTHER_POST;
    *depth = parent_depth + 1;
    return *depth <= LIMIT_COMMENT_DEPTH ? STATUS_OK : STATUS_COMMENT_TOO_DEEP;
}

enum status comments_create(struct context *context, const ProtobufCMessage *message,
                            ProtobufCMessage **reply)
{
    const Pb__CommentsCreate *request = (const Pb__CommentsCreate *)message;
    if (context->actor == 0 || request->content == NULL)
        return STATUS_BAD_FRAME;
    Pb__CommentCreated event = PB__COMMENT_CREATED__INIT;
    enum status status = comments_find_post(context, request->post_id);
    if (status == STATUS_OK && request->has_parent_id)
        status = check_parent(context->state, request->parent_id, request->post_id, &event.depth);
    if (status != STATUS_OK)
        return status;
    event.has_comment_id = event.has_post_id = event.has_author_id = true;
    event.has_depth = event.has_created_at = true;
    event.comment_id = next_comment_id(context->state);
    event.post_id = request->post_id;
    event.has_parent_id = request->has_parent_id;
    event.parent_id = request->parent_id;
    event.author_id = context->actor;
    event.author_username = arena_strdup(context->arena, context->actor_name);
    event.content = request->content;
    event.created_at = context->now_ms;
    context_emit(context, &event.base);
    *reply = &comment_of_event(&event, context->arena)->base;
    return STATUS_OK;
}

enum status comments_get(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__CommentsGet *request = (const Pb__CommentsGet *)message;
    Pb__Comment *comment = comment_find(context->state, request->comment_id, context->actor, context->arena);
    if (comment == NULL)
        return STATUS_COMMENT_NOT_FOUND;
    *reply = &comment->base;
    return STATUS_OK;
}

/* Fills in what the comment has now: false: there is none. */
static bool find_vote_target(struct comments *comments, uint64_t comment_id, Pb__CommentVoteChanged *event)
{
    query_bind(comments->vote_target, "u", comment_id);
    bool found = query_row(comments->vote_target);
    if (found) {
        event->post_id = query_u64(comments->vote_target, 0);
        event->author_id = query_u64(comments->vote_target, 1);
        event->upvotes = query_u64(comments->vote_target, 2);
        event->downvotes = query_u64(comments->vote_target, 3);
    }
    query_done(comments->vote_target);
    return found;
}

static ProtobufCMessage *voted(const Pb__CommentVoteChanged *event, struct arena *arena)
{
    Pb__CommentVoted *reply = arena_alloc_raw(arena, sizeof(*reply));
    pb__comment_voted__init(reply);
    reply->has_comment_id = reply->has_upvotes = reply->has_downvotes = true;
    reply->has_score = reply->has_my_vote = true;
    reply->comment_id = event->comment_id;
    reply->upvotes = event->upvotes;
    reply->downvotes = event->downvotes;
    reply->score = (int64_t)event->upvotes - (int64_t)event->downvotes;
    reply->my_vote = comment_vote_type(event->new_vote);
    return &reply->base;
}

enum status comments_vote(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    static const int votes[] = {
        [PB__VOTE_TYPE__none] = 0, [PB__VOTE_TYPE__upvote] = 1, [PB__VOTE_TYPE__downvote] = -1};
    const Pb__CommentsVote *request = (const Pb__CommentsVote *)message;
    struct comments *comments = context->state;
    if (context->actor == 0 || !request->has_vote_type || (size_t)request->vote_type >= ARRAY_LEN(votes))
        return STATUS_BAD_FRAME;
    Pb__CommentVoteChanged event = PB__COMMENT_VOTE_CHANGED__INIT;
    if (!find_vote_target(comments, request->comment_id, &event))
        return STATUS_COMMENT_NOT_FOUND;
    event.comment_id = request->comment_id;
    event.voter_id = context->actor;
    event.old_vote = comment_vote_of(comments, request->comment_id, context->actor);
    event.new_vote = votes[request->vote_type];
    event.upvotes += (uint64_t)((event.new_vote > 0) - (event.old_vote > 0));
    event.downvotes += (uint64_t)((event.new_vote < 0) - (event.old_vote < 0));
    event.at_ms = context->now_ms;
    event.has_comment_id = event.has_post_id = event.has_author_id = event.has_voter_id = true;
    event.has_old_vote = event.has_new_vote = event.has_upvotes = event.has_downvotes = true;
    event.has_at_ms = true;
    if (event.new_vote != event.old_vote)
        context_emit(context, &event.base);
    *reply = voted(&event, context->arena);
    return STATUS_OK;
}

enum status comments_of_user(struct context *context, const ProtobufCMessage *message,
                             ProtobufCMessage **reply)
{
    const Pb__CommentsOfUser *request = (const Pb__CommentsOfUser *)message;
    struct arena *arena = context->arena;
    uint64_t before;
    if (!page_after_id(request->has_after, request->after, COMMAND_ID_comments_of_user, INT64_MAX, arena,
                       &before))
        return STATUS_INVALID_CURSOR;
    size_t limit = page_limit(request->limit);
    Pb__CommentPage *page = arena_alloc_raw(arena, sizeof(*page));
    pb__comment_page__init(page);
    page->items = arena_alloc_raw(arena, (limit + 1) * sizeof(page->items[0]));
    size_t found = comments_find_of_author(context->state, request->user_id, before, limit + 1,
                                           context->actor, arena, page->items);
    size_t bytes = 0;
    for (; page->n_items < found && page->n_items < limit; page->n_items++) {
        bytes += comment_bytes_bound(page->items[page->n_items]);
        if (bytes > PAGE_BYTES_MAX)
            break;
    }
    if (page->n_items > 0 && page->n_items < found) {
        page->has_next = true;
        page->next =
            page_next_id(COMMAND_ID_comments_of_user, page->items[page->n_items - 1]->comment_id, arena);
    }
    *reply = &page->base;
    return STATUS_OK;
}
