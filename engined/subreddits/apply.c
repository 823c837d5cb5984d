#include "engined/subreddits/subreddits_state.h"

void subreddits_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct subreddits *subreddits = state;
    const Pb__SubredditCreated *event = (const Pb__SubredditCreated *)message;
    query_bind(subreddits->insert, "uuuss", event->subreddit_id, event->creator_id, event->created_at,
               event->name, event->description);
    query_run(subreddits->insert);
    subreddits->next_subreddit_id = event->subreddit_id + 1;
}

static void count_members(struct subreddits *subreddits, uint64_t subreddit_id, int64_t change)
{
    query_bind(subreddits->count_members, "ui", subreddit_id, change);
    query_run(subreddits->count_members);
}

void subreddits_apply_joined(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct subreddits *subreddits = state;
    const Pb__MemberJoined *event = (const Pb__MemberJoined *)message;
    query_bind(subreddits->member_insert, "uuu", event->user_id, event->subreddit_id, event->joined_at);
    query_run(subreddits->member_insert);
    count_members(subreddits, event->subreddit_id, 1);
}

void subreddits_apply_left(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct subreddits *subreddits = state;
    const Pb__MemberLeft *event = (const Pb__MemberLeft *)message;
    query_bind(subreddits->member_delete, "uu", event->user_id, event->subreddit_id);
    query_run(subreddits->member_delete);
    count_members(subreddits, event->subreddit_id, -1);
}
