#include <stdlib.h>

#include "engined/posts/posts_state.h"
#include "proto/comments.pb-c.h"

void posts_apply_created(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    struct posts *posts = state;
    const Pb__PostCreated *event = (const Pb__PostCreated *)message;
    query_bind(posts->post_insert, "uuuuusssssssiu", event->post_id, event->subreddit_id, event->author_id,
               event->created_at, event->original_post_id, event->subreddit_name, event->author_username,
               event->title, event->url, event->content, event->signature, event->author_key,
               (int64_t)event->signature_algorithm, event->signed_at);
    query_run(posts->post_insert);
    struct late_post late = {event->post_id, event->subreddit_id, event->author_id, event->created_at};
    late_rows_add(posts->late, &late);
    posts->next_post_id = event->post_id + 1;
    struct rank_entry entry = {.id = event->post_id, .created_ms = event->created_at};
    ranks_add(posts->ranks, event->subreddit_id, &entry);
    post_cache_put(posts->cache, post_of_event(event, arena)); /* feeds ask for the newest at once */
}

void posts_apply_vote_changed(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct posts *posts = state;
    const Pb__PostVoteChanged *event = (const Pb__PostVoteChanged *)message;
    if (event->new_vote == 0) {
        query_bind(posts->vote_delete, "uu", event->post_id, event->voter_id);
        query_run(posts->vote_delete);
    } else {
        query_bind(posts->vote_put, "uui", event->post_id, event->voter_id, (int64_t)event->new_vote);
        query_run(posts->vote_put);
    }
    query_bind(posts->score_update, "uuuu", event->subreddit_id, event->post_id, event->upvotes,
               event->downvotes);
    query_run(posts->score_update);
    if (store_changes(posts->store) == 0 && !store_failed(posts->store)) { /* its row was not yet written */
        query_bind(posts->score_insert, "uuu", event->post_id, event->upvotes, event->downvotes);
        query_run(posts->score_insert);
    }
    ranks_set_votes(posts->ranks, event->subreddit_id, event->post_id, (uint32_t)event->upvotes,
                    (uint32_t)event->downvotes);
    post_cache_set_votes(posts->cache, event->post_id, event->upvotes, event->downvotes);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* One change of the table per post, however many comments the pull brought. */
void posts_fold_comments(void *state, struct arena *arena, const struct followed_event *events, size_t count)
{
    struct posts *posts = state;
    uint64_t *ids = arena_alloc_raw(arena, count * sizeof(ids[0]));
    for (size_t i = 0; i < count; i++)
        ids[i] = ((const Pb__CommentCreated *)events[i].message)->post_id;
    qsort(ids, count, sizeof(ids[0]), compare_ids);
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && ids[end] == ids[i])
            end++;
        query_bind(posts->comments_add, "uu", ids[i], (uint64_t)(end - i));
        query_run(posts->comments_add);
        post_cache_add_comments(posts->cache, ids[i], end - i);
        i = end;
    }
}

void posts_forget_comments(void *state)
{
    struct posts *posts = state;
    query_run(posts->comments_forget);
    post_cache_drop_all(posts->cache);
}
