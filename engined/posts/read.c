#include "engined/posts/posts_state.h"

Pb__VoteType post_vote_type(int vote)
{
    if (vote == 0)
        return PB__VOTE_TYPE__none;
    return vote > 0 ? PB__VOTE_TYPE__upvote : PB__VOTE_TYPE__downvote;
}

int post_vote_of(struct posts *posts, uint64_t post_id, uint64_t user)
{
    query_bind(posts->vote_get, "uu", post_id, user);
    int vote = query_row(posts->vote_get) ? (int)query_i64(posts->vote_get, 0) : 0;
    query_done(posts->vote_get);
    return vote;
}

static void set_counts(Pb__Post *post, uint64_t upvotes, uint64_t downvotes, uint64_t comments)
{
    post->has_upvotes = post->has_downvotes = post->has_score = post->has_comment_count = true;
    post->upvotes = upvotes;
    post->downvotes = downvotes;
    post->score = (int64_t)upvotes - (int64_t)downvotes;
    post->comment_count = comments;
}

static void set_origin(Pb__Post *post, uint64_t original_post_id)
{
    post->has_is_repost = true;
    post->is_repost = post->has_original_post_id = original_post_id != 0;
    post->original_post_id = original_post_id;
}

static Pb__Post *post_new(struct arena *arena)
{
    Pb__Post *post = arena_alloc_raw(arena, sizeof(*post));
    pb__post__init(post);
    post->has_post_id = post->has_subreddit_id = post->has_author_id = post->has_created_at = true;
    post->has_signature_verified = true;
    return post;
}

static void set_signing(Pb__Post *post, Pb__KeyAlgorithm algorithm, uint64_t signed_at, char *author_key)
{
    post->has_signature_algorithm = post->has_signed_at = true;
    post->signature_algorithm = algorithm;
    post->signed_at = signed_at;
    post->author_key = author_key;
}

/* Of a row of the query `get`. */
static Pb__Post *post_of_row(struct query *row, struct arena *arena)
{
    Pb__Post *post = post_new(arena);
    post->post_id = query_u64(row, 0);
    post->subreddit_id = query_u64(row, 1);
    post->author_id = query_u64(row, 2);
    post->created_at = query_u64(row, 3);
    set_origin(post, query_u64(row, 4));
    post->subreddit_name = query_text(row, 5, arena);
    post->author_username = query_text(row, 6, arena);
    post->title = query_text(row, 7, arena);
    post->url = query_text(row, 8, arena);
    post->content = query_text(row, 9, arena);
    set_counts(post, query_u64(row, 10), query_u64(row, 11), query_u64(row, 12));
    post->signature = query_text(row, 13, arena);
    if (post->signature != NULL)
        set_signing(post, (Pb__KeyAlgorithm)query_i64(row, 14), query_u64(row, 15),
                    query_text(row, 16, arena));
    return post;
}

/* Kept from now on. */
static Pb__Post *load(struct posts *posts, uint64_t post_id, struct arena *arena)
{
    query_bind(posts->get, "u", post_id);
    Pb__Post *post = query_row(posts->get) ? post_of_row(posts->get, arena) : NULL;
    query_done(posts->get);
    if (post != NULL)
        post_cache_put(posts->cache, post);
    return post;
}

const Pb__Post *post_peek(struct posts *posts, uint64_t post_id, struct arena *arena)
{
    const Pb__Post *kept = post_cache_peek(posts->cache, post_id);
    return kept != NULL ? kept : load(posts, post_id, arena);
}

Pb__Post *post_find(struct posts *posts, uint64_t post_id, uint64_t actor, struct arena *arena)
{
    Pb__Post *post = post_cache_copy(posts->cache, post_id, arena);
    if (post == NULL)
        post = load(posts, post_id, arena);
    if (post == NULL)
        return NULL;
    post->has_my_vote = actor != 0;
    bool voted_by_any = post->upvotes + post->downvotes > 0;
    if (actor != 0 && voted_by_any)
        post->my_vote = post_vote_type(post_vote_of(posts, post_id, actor));
    return post;
}

Pb__Post *post_of_event(const Pb__PostCreated *event, struct arena *arena)
{
    Pb__Post *post = post_new(arena);
    post->post_id = event->post_id;
    post->subreddit_id = event->subreddit_id;
    post->author_id = event->author_id;
    post->created_at = event->created_at;
    set_origin(post, event->original_post_id);
    post->subreddit_name = event->subreddit_name;
    post->author_username = event->author_username;
    post->title = event->title;
    post->url = event->url;
    post->content = event->content;
    post->signature = event->signature;
    if (post->signature != NULL)
        set_signing(post, event->signature_algorithm, event->signed_at, event->author_key);
    set_counts(post, 0, 0, 0);
    post->has_my_vote = true;
    post->my_vote = PB__VOTE_TYPE__none;
    return post;
}
