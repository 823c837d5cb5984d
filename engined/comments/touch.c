/* Which things an event changes as they are shown: a comment is in answers about itself, its post's comments
 * and its author's; so is its parent, by the number of replies. */
#include "engined/comments/comments_state.h"

static void touch(struct versions *versions, uint64_t comment_id, uint64_t author_id)
{
    versions_touch(versions, VERSION_COMMENT, comment_id);
    versions_touch(versions, VERSION_USER, author_id);
}

void comments_touch_created(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    const Pb__CommentCreated *event = (const Pb__CommentCreated *)message;
    versions_touch(versions, VERSION_POST, event->post_id);
    touch(versions, event->comment_id, event->author_id);
    if (event->has_parent_id)
        touch(versions, event->parent_id, comment_author(state, event->parent_id));
}

void comments_touch_vote_changed(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    (void)state;
    const Pb__CommentVoteChanged *event = (const Pb__CommentVoteChanged *)message;
    versions_touch(versions, VERSION_POST, event->post_id);
    touch(versions, event->comment_id, event->author_id);
}
