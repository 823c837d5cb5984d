#include "engined/comments/comments_state.h"
#include "engined/page.h"

Pb__VoteType comment_vote_type(int vote)
{
    if (vote == 0)
        return PB__VOTE_TYPE__none;
    return vote > 0 ? PB__VOTE_TYPE__upvote : PB__VOTE_TYPE__downvote;
}

int comment_vote_of(struct comments *comments, uint64_t comment_id, uint64_t user)
{
    query_bind(comments->vote_get, "uu", user, comment_id);
    int vote = query_row(comments->vote_get) ? (int)query_i64(comments->vote_get, 0) : 0;
    query_done(comments->vote_get);
    return vote;
}

bool comment_place(struct comments *comments, uint64_t comment_id, uint64_t *post_id, uint32_t *depth)
{
    query_bind(comments->place, "u", comment_id);
    bool found = query_row(comments->place);
    if (found) {
        *post_id = query_u64(comments->place, 0);
        if (depth != NULL)
            *depth = (uint32_t)query_u64(comments->place, 1);
    }
    query_done(comments->place);
    return found;
}

uint64_t comment_author(struct comments *comments, uint64_t comment_id)
{
    uint64_t author_id = 0;
    query_bind(comments->author, "u", comment_id);
    (void)query_one_u64(comments->author, &author_id);
    return author_id;
}

static void set_counts(Pb__Comment *comment, uint64_t upvotes, uint64_t downvotes, uint64_t replies)
{
    comment->has_upvotes = comment->has_downvotes = comment->has_score = comment->has_reply_count = true;
    comment->upvotes = upvotes;
    comment->downvotes = downvotes;
    comment->score = (int64_t)upvotes - (int64_t)downvotes;
    comment->reply_count = replies;
}

static Pb__Comment *comment_new(struct arena *arena)
{
    Pb__Comment *comment = arena_alloc_raw(arena, sizeof(*comment));
    pb__comment__init(comment);
    comment->has_comment_id = comment->has_post_id = comment->has_author_id = true;
    comment->has_depth = comment->has_created_at = true;
    return comment;
}

/* Of a row of COMMENT_COLUMNS. */
static Pb__Comment *comment_of_row(struct query *row, struct arena *arena)
{
    Pb__Comment *comment = comment_new(arena);
    comment->comment_id = query_u64(row, 0);
    comment->post_id = query_u64(row, 1);
    comment->author_id = query_u64(row, 2);
    comment->has_parent_id = !query_is_null(row, 3);
    comment->parent_id = query_u64(row, 3);
    comment->depth = (uint32_t)query_u64(row, 4);
    comment->created_at = query_u64(row, 5);
    comment->author_username = query_text(row, 6, arena);
    comment->content = query_text(row, 7, arena);
    set_counts(comment, query_u64(row, 8), query_u64(row, 9), query_u64(row, 10));
    return comment;
}

static void set_my_vote(struct comments *comments, Pb__Comment *comment, uint64_t actor)
{
    comment->has_my_vote = actor != 0;
    if (actor != 0)
        comment->my_vote = comment_vote_type(comment_vote_of(comments, comment->comment_id, actor));
}

Pb__Comment *comment_find(struct comments *comments, uint64_t comment_id, uint64_t actor, struct arena *arena)
{
    query_bind(comments->get, "u", comment_id);
    Pb__Comment *comment = query_row(comments->get) ? comment_of_row(comments->get, arena) : NULL;
    query_done(comments->get);
    if (comment != NULL)
        set_my_vote(comments, comment, actor);
    return comment;
}

size_t comments_find_of_author(struct comments *comments, uint64_t author, uint64_t before, size_t limit,
                               uint64_t actor, struct arena *arena, Pb__Comment **found)
{
    size_t count = 0;
    query_bind(comments->of_author, "uuu", author, before, (uint64_t)limit);
    while (query_row(comments->of_author))
        found[count++] = comment_of_row(comments->of_author, arena);
    for (size_t i = 0; i < count; i++)
        set_my_vote(comments, found[i], actor);
    return count;
}

Pb__Comment *comment_of_event(const Pb__CommentCreated *event, struct arena *arena)
{
    Pb__Comment *comment = comment_new(arena);
    comment->comment_id = event->comment_id;
    comment->post_id = event->post_id;
    comment->author_id = event->author_id;
    comment->has_parent_id = event->has_parent_id;
    comment->parent_id = event->parent_id;
    comment->depth = event->depth;
    comment->created_at = event->created_at;
    comment->author_username = event->author_username;
    comment->content = event->content;
    set_counts(comment, 0, 0, 0);
    comment->has_my_vote = true;
    comment->my_vote = PB__VOTE_TYPE__none;
    return comment;
}

size_t comment_bytes_bound(const Pb__Comment *comment)
{
    return COMMENT_FIXED_BYTES_MAX + page_text_bytes(comment->author_username) +
           page_text_bytes(comment->content);
}
