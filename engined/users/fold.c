#include <stdlib.h>

#include "engined/users/users_state.h"
#include "proto/comments.pb-c.h"
#include "proto/posts.pb-c.h"

/* What one vote adds to its author's karma. */
struct gain {
    uint64_t author_id;
    int64_t karma;
};

static int compare_authors(const void *a, const void *b)
{
    const struct gain *x = a, *y = b;
    return (x->author_id > y->author_id) - (x->author_id < y->author_id);
}

/* One change of the table per author, however many votes the pull brought. */
static void add_karma(struct query *add, struct gain *gains, size_t count)
{
    qsort(gains, count, sizeof(gains[0]), compare_authors);
    for (size_t i = 0; i < count;) {
        uint64_t author_id = gains[i].author_id;
        int64_t karma = 0;
        for (; i < count && gains[i].author_id == author_id; i++)
            karma += gains[i].karma;
        if (karma == 0)
            continue;
        query_bind(add, "ui", author_id, karma);
        query_run(add);
    }
}

void users_fold_post_votes(void *state, struct arena *arena, const struct followed_event *events,
                           size_t count)
{
    struct users *users = state;
    struct gain *gains = arena_alloc_raw(arena, count * sizeof(gains[0]));
    for (size_t i = 0; i < count; i++) {
        const Pb__PostVoteChanged *event = (const Pb__PostVoteChanged *)events[i].message;
        gains[i] = (struct gain){event->author_id, (int64_t)event->new_vote - event->old_vote};
    }
    add_karma(users->post_karma_add, gains, count);
}

void users_forget_post_votes(void *state)
{
    struct users *users = state;
    query_run(users->post_karma_forget);
}

void users_fold_comment_votes(void *state, struct arena *arena, const struct followed_event *events,
                              size_t count)
{
    struct users *users = state;
    struct gain *gains = arena_alloc_raw(arena, count * sizeof(gains[0]));
    for (size_t i = 0; i < count; i++) {
        const Pb__CommentVoteChanged *event = (const Pb__CommentVoteChanged *)events[i].message;
        gains[i] = (struct gain){event->author_id, (int64_t)event->new_vote - event->old_vote};
    }
    add_karma(users->comment_karma_add, gains, count);
}

void users_forget_comment_votes(void *state)
{
    struct users *users = state;
    query_run(users->comment_karma_forget);
}
