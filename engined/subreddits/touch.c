/* Which things an event changes as they are shown. The list of all shows each one's members. */
#include "engined/subreddits/subreddits_state.h"

static void touch(struct versions *versions, uint64_t subreddit_id)
{
    versions_touch(versions, VERSION_SUBREDDIT, subreddit_id);
    versions_touch(versions, VERSION_LIST, 0);
}

void subreddits_touch_created(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    (void)state;
    touch(versions, ((const Pb__SubredditCreated *)message)->subreddit_id);
}

void subreddits_touch_joined(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    (void)state;
    const Pb__MemberJoined *event = (const Pb__MemberJoined *)message;
    touch(versions, event->subreddit_id);
    versions_touch(versions, VERSION_USER, event->user_id);
}

void subreddits_touch_left(void *state, const ProtobufCMessage *message, struct versions *versions)
{
    (void)state;
    const Pb__MemberLeft *event = (const Pb__MemberLeft *)message;
    touch(versions, event->subreddit_id);
    versions_touch(versions, VERSION_USER, event->user_id);
}
