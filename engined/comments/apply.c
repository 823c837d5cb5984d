#include "engined/comments/comments_state.h"

void comments_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct comments *comments = state;
    const Pb__CommentCreated *event = (const Pb__CommentCreated *)message;
    query_bind(comments->comment_insert, "uuuuuuss", event->comment_id, event->post_id, event->author_id,
               event->parent_id, (uint64_t)event->depth, event->created_at, event->author_username,
               event->content);
    query_run(comments->comment_insert);
    query_bind(comments->tally_insert, "uuu", event->post_id, event->comment_id, event->parent_id);
    query_run(comments->tally_insert);
    if (event->has_parent_id) {
        query_bind(comments->tally_reply, "uu", event->post_id, event->parent_id);
        query_run(comments->tally_reply);
    }
    comments->next_comment_id = event->comment_id + 1;
    struct thread_entry entry = {.id = event->comment_id, .parent_id = event->parent_id};
    threads_add(comments->threads, event->post_id, &entry);
}

void comments_apply_vote_changed(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct comments *comments = state;
    const Pb__CommentVoteChanged *event = (const Pb__CommentVoteChanged *)message;
    if (event->new_vote == 0) {
        query_bind(comments->vote_delete, "uu", event->voter_id, event->comment_id);
        query_run(comments->vote_delete);
    } else {
        query_bind(comments->vote_put, "uui", event->voter_id, event->comment_id, (int64_t)event->new_vote);
        query_run(comments->vote_put);
    }
    query_bind(comments->tally_votes, "uuuu", event->post_id, event->comment_id, event->upvotes,
               event->downvotes);
    query_run(comments->tally_votes);
    threads_set_votes(comments->threads, event->post_id, event->comment_id, (uint32_t)event->upvotes,
                      (uint32_t)event->downvotes);
}
