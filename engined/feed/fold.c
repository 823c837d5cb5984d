#include <stdlib.h>

#include "engined/feed/feed_events.h"
#include "engined/feed/feed_state.h"
#include "proto/posts.pb-c.h"
#include "proto/subreddits.pb-c.h"

/* Both are idempotent: a member who joins is a member, whatever was before. */
void feed_fold_subreddits(void *state, struct arena *arena, const struct followed_event *events, size_t count)
{
    (void)arena;
    struct feed *feed = state;
    for (size_t i = 0; i < count; i++) {
        if (events[i].type == EVENT_MEMBER_JOINED) {
            const Pb__MemberJoined *event = (const Pb__MemberJoined *)events[i].message;
            query_bind(feed->member_add, "uu", event->user_id, event->subreddit_id);
            query_run(feed->member_add);
            joined_drop(feed->joined, event->user_id);
        } else if (events[i].type == EVENT_MEMBER_LEFT) {
            const Pb__MemberLeft *event = (const Pb__MemberLeft *)events[i].message;
            query_bind(feed->member_remove, "uu", event->user_id, event->subreddit_id);
            query_run(feed->member_remove);
            joined_drop(feed->joined, event->user_id);
        }
    }
}

void feed_forget_subreddits(void *state)
{
    struct feed *feed = state;
    query_run(feed->forget_memberships);
    joined_drop_all(feed->joined);
}

static void fold_created(struct feed *feed, const Pb__PostCreated *event)
{
    query_bind(feed->post_add, "uuu", event->subreddit_id, event->post_id, event->created_at);
    query_run(feed->post_add);
    struct rank_entry entry = {.id = event->post_id, .created_ms = event->created_at};
    ranks_add(feed->ranks, event->subreddit_id, &entry);
}

static void fold_votes(struct feed *feed, const Pb__PostVoteChanged *event)
{
    query_bind(feed->post_set_votes, "uuuu", event->subreddit_id, event->post_id, event->upvotes,
               event->downvotes);
    query_run(feed->post_set_votes);
    ranks_set_votes(feed->ranks, event->subreddit_id, event->post_id, (uint32_t)event->upvotes,
                    (uint32_t)event->downvotes);
}

struct vote {
    uint64_t seq;
    const Pb__PostVoteChanged *event;
};

/* By post, the latest last. */
static int compare_votes(const void *a, const void *b)
{
    const struct vote *x = a, *y = b;
    if (x->event->post_id != y->event->post_id)
        return x->event->post_id < y->event->post_id ? -1 : 1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* First all posts, then of all votes on a post only what they came to: an event tells the counts after it. */
void feed_fold_posts(void *state, struct arena *arena, const struct followed_event *events, size_t count)
{
    struct feed *feed = state;
    struct vote *votes = arena_alloc_raw(arena, count * sizeof(votes[0]));
    size_t vote_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (events[i].type == EVENT_POST_CREATED)
            fold_created(feed, (const Pb__PostCreated *)events[i].message);
        else if (events[i].type == EVENT_POST_VOTE_CHANGED)
            votes[vote_count++] =
                (struct vote){events[i].seq, (const Pb__PostVoteChanged *)events[i].message};
    }
    qsort(votes, vote_count, sizeof(votes[0]), compare_votes);
    for (size_t i = 0; i < vote_count; i++)
        if (i + 1 == vote_count || votes[i + 1].event->post_id != votes[i].event->post_id)
            fold_votes(feed, votes[i].event);
}

void feed_forget_posts(void *state)
{
    struct feed *feed = state;
    query_run(feed->forget_posts);
    ranks_drop_all(feed->ranks);
}
