/* Which things an event changes as they are shown: a post is in answers about itself, its subreddit's posts
 * and its author's. */
#include "engined/posts/posts_state.h"
#include "proto/comments.pb-c.h"

static void touch(struct versions *versions, uint64_t post_id, uint64_t subreddit_id, uint64_t author_id)
{
    versions_touch(versions, VERSION_POST, post_id);
    versions_touch(versions, VERSION_SUBREDDIT, subreddit_id);
    versions_touch(versions, VERSION_USER, author_id);
}

void posts_touch_created(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    (void)state;
    const Pb__PostCreated *event = (const Pb__PostCreated *)message;
    touch(versions, event->post_id, event->subreddit_id, event->author_id);
}

void posts_touch_vote_changed(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    (void)state;
    const Pb__PostVoteChanged *event = (const Pb__PostVoteChanged *)message;
    touch(versions, event->post_id, event->subreddit_id, event->author_id);
}

/* Counts of posts that are not here (an older copy of the file was put back) are in no answer. */
void posts_touch_comments(void *state, struct arena *arena, const struct followed_event *events, size_t count,
                          struct versions *versions)
{
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t post_id = ((const Pb__CommentCreated *)events[i].message)->post_id;
        const Pb__Post *post = post_id != last ? post_peek(state, post_id, arena) : NULL;
        if (post != NULL)
            touch(versions, post_id, post->subreddit_id, post->author_id);
        last = post_id;
    }
}
