#include "engined/posts/commands.h"

#include "common/attributes.h"
#include "common/limits.h"
#include "engined/cursor.h"
#include "engined/page.h"
#include "engined/posts/posts_state.h"

/* No post has more besides its texts: 22 tags, varints of 10 bytes, and lengths. */
#define POST_FIXED_BYTES_MAX 256

/* The gateway checks fields by the same schema: a frame that lacks what is required is not understood. */
#define REFUSE_UNLESS(condition)                                                                             \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return STATUS_BAD_FRAME;                                                                         \
    } while (0)

static uint64_t next_post_id(struct posts *posts)
{
    if (posts->next_post_id == 0) {
        uint64_t last = 0;
        (void)query_one_u64(posts->last_id, &last);
        posts->next_post_id = last + 1;
    }
    return posts->next_post_id;
}

/* STATUS_OK: it exists, and *name (may be NULL) is its name. */
static enum status find_subreddit(struct context *context, uint64_t subreddit_id, const char **name)
{
    switch (context_lookup(context, POSTS_LOOKUP_SUBREDDIT, subreddit_id, name)) {
    case LOOKUP_FOUND:
        return STATUS_OK;
    case LOOKUP_PENDING:
        return STATUS_DEFERRED;
    case LOOKUP_MISSING:
        break;
    }
    return STATUS_SUBREDDIT_NOT_FOUND;
}

/* Numbers and dates the new post, names its author, and emits it. */
static Pb__Post *emit_created(struct context *context, Pb__PostCreated *event)
{
    event->has_post_id = event->has_subreddit_id = event->has_author_id = event->has_created_at = true;
    event->post_id = next_post_id(context->state);
    event->author_id = context->actor;
    event->author_username = arena_strdup(context->arena, context->actor_name);
    event->created_at = context->now_ms;
    context_emit(context, &event->base);
    return post_of_event(event, context->arena);
}

enum status posts_create(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__PostsCreate *request = (const Pb__PostsCreate *)message;
    bool is_signed = request->signature != NULL;
    REFUSE_UNLESS(context->actor != 0 && request->title != NULL &&
                  request->has_signature_algorithm == is_signed && request->has_signed_at == is_signed &&
                  (request->author_key != NULL) == is_signed);
    const char *name = NULL;
    enum status status = find_subreddit(context, request->subreddit_id, &name);
    if (status != STATUS_OK)
        return status;
    Pb__PostCreated event = PB__POST_CREATED__INIT;
    event.subreddit_id = request->subreddit_id;
    event.subreddit_name = (char *)name;
    event.title = request->title;
    event.content = request->content;
    event.url = request->url;
    event.signature = request->signature;
    event.has_signature_algorithm = event.has_signed_at = is_signed;
    event.signature_algorithm = request->signature_algorithm;
    event.signed_at = request->signed_at;
    event.author_key = request->author_key;
    *reply = &emit_created(context, &event)->base;
    return STATUS_OK;
}

enum status posts_repost(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__PostsRepost *request = (const Pb__PostsRepost *)message;
    REFUSE_UNLESS(context->actor != 0);
    Pb__Post *root = post_find(context->state, request->post_id, 0, context->arena);
    if (root != NULL && root->has_original_post_id)
        root = post_find(context->state, root->original_post_id, 0, context->arena);
    if (root == NULL)
        return STATUS_POST_NOT_FOUND;
    const char *name = NULL;
    enum status status = find_subreddit(context, request->subreddit_id, &name);
    if (status != STATUS_OK)
        return status;
    Pb__PostCreated event = PB__POST_CREATED__INIT;
    event.subreddit_id = request->subreddit_id;
    event.subreddit_name = (char *)name;
    event.title = root->title;
    event.content = root->content;
    event.url = root->url;
    event.has_original_post_id = true;
    event.original_post_id = root->post_id;
    *reply = &emit_created(context, &event)->base;
    return STATUS_OK;
}

enum status posts_get(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__PostsGet *request = (const Pb__PostsGet *)message;
    Pb__Post *post = post_find(context->state, request->post_id, context->actor, context->arena);
    if (post == NULL)
        return STATUS_POST_NOT_FOUND;
    *reply = &post->base;
    return STATUS_OK;
}

static ProtobufCMessage *voted(const Pb__PostVoteChanged *event, struct arena *arena)
{
    Pb__PostVoted *reply = arena_alloc_raw(arena, sizeof(*reply));
    pb__post_voted__init(reply);
    reply->has_post_id = reply->has_upvotes = reply->has_downvotes = true;
    reply->has_score = reply->has_my_vote = true;
    reply->post_id = event->post_id;
    reply->upvotes = event->upvotes;
    reply->downvotes = event->downvotes;
    reply->score = (int64_t)event->upvotes - (int64_t)event->downvotes;
    reply->my_vote = post_vote_type(event->new_vote);
    return &reply->base;
}

enum status posts_vote(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    static const int votes[] = {
        [PB__VOTE_TYPE__none] = 0, [PB__VOTE_TYPE__upvote] = 1, [PB__VOTE_TYPE__downvote] = -1};
    const Pb__PostsVote *request = (const Pb__PostsVote *)message;
    struct posts *posts = context->state;
    REFUSE_UNLESS(context->actor != 0 && request->has_vote_type &&
                  (size_t)request->vote_type < ARRAY_LEN(votes));
    const Pb__Post *post = post_peek(posts, request->post_id, context->arena);
    if (post == NULL)
        return STATUS_POST_NOT_FOUND;
    Pb__PostVoteChanged event = PB__POST_VOTE_CHANGED__INIT;
    event.subreddit_id = post->subreddit_id;
    event.author_id = post->author_id;
    event.upvotes = post->upvotes;
    event.downvotes = post->downvotes;
    event.post_id = request->post_id;
    event.voter_id = context->actor;
    event.old_vote = post_vote_of(posts, request->post_id, context->actor);
    event.new_vote = votes[request->vote_type];
    event.upvotes += (uint64_t)((event.new_vote > 0) - (event.old_vote > 0));
    event.downvotes += (uint64_t)((event.new_vote < 0) - (event.old_vote < 0));
    event.at_ms = context->now_ms;
    event.has_post_id = event.has_subreddit_id = event.has_author_id = event.has_voter_id = true;
    event.has_old_vote = event.has_new_vote = event.has_upvotes = event.has_downvotes = true;
    event.has_at_ms = true;
    if (event.new_vote != event.old_vote)
        context_emit(context, &event.base);
    *reply = voted(&event, context->arena);
    return STATUS_OK;
}

/* Not below the post's packed size. */
static size_t post_bytes_bound(const Pb__Post *post)
{
    return POST_FIXED_BYTES_MAX + page_text_bytes(post->title) + page_text_bytes(post->content) +
           page_text_bytes(post->url) + page_text_bytes(post->author_username) +
           page_text_bytes(post->subreddit_name) + page_text_bytes(post->signature) +
           page_text_bytes(post->author_key);
}

/* A page being filled; refuses what would make it larger than PAGE_BYTES_MAX. */
struct page {
    Pb__PostPage *message;
    size_t bytes;
};

static struct page page_new(size_t capacity, struct arena *arena)
{
    struct page page = {.message = arena_alloc_raw(arena, sizeof(*page.message))};
    pb__post_page__init(page.message);
    page.message->items = arena_alloc_raw(arena, capacity * sizeof(page.message->items[0]));
    return page;
}

/* Adds the post if there is one. False: the page is full without it. */
static bool page_add_id(struct context *context, struct page *page, uint64_t post_id)
{
    Pb__Post *post = post_find(context->state, post_id, context->actor, context->arena);
    if (post == NULL)
        return true;
    size_t bytes = post_bytes_bound(post);
    if (page->bytes + bytes > PAGE_BYTES_MAX)
        return false;
    page->bytes += bytes;
    page->message->items[page->message->n_items++] = post;
    return true;
}

enum status posts_of_subreddit(struct context *context, const ProtobufCMessage *message,
                               ProtobufCMessage **reply)
{
    const Pb__PostsOfSubreddit *request = (const Pb__PostsOfSubreddit *)message;
    struct posts *posts = context->state;
    struct arena *arena = context->arena;
    REFUSE_UNLESS(ranks_knows(request->sort, request->t));
    enum status status = find_subreddit(context, request->subreddit_id, NULL);
    if (status != STATUS_OK)
        return status;
    Pb__Cursor *after = NULL;
    struct ranks_query query = {
        .subreddits = &request->subreddit_id,
        .subreddit_count = 1,
        .sort = request->sort,
        .window = request->t,
        .now_ms = context->now_ms,
        .limit = page_limit(request->limit),
    };
    struct ranks_page ranked;
    if (!cursor_unpack(request->has_after, request->after, ranks_order(request->sort), arena, &after))
        return STATUS_INVALID_CURSOR;
    query.after = after;
    if (!ranks_page(posts->ranks, &query, arena, &ranked))
        return STATUS_INVALID_CURSOR;
    struct page page = page_new(ranked.count, arena);
    size_t done = 0;
    while (done < ranked.count && page_add_id(context, &page, ranked.ids[done]))
        done++;
    if (done > 0 && (done < ranked.count || ranked.more)) {
        page.message->has_next = true;
        page.message->next = cursor_pack(&ranked.cursors[done - 1], arena);
    }
    page.message->has_total = true;
    page.message->total = ranks_count(posts->ranks, request->subreddit_id);
    *reply = &page.message->base;
    return STATUS_OK;
}

/* Ids of an author's posts below `before`, the newest first, at most `limit`: of rows that are written and of
 * those that are not yet; what is in both counts once. */
static const uint64_t *ids_of_author(struct posts *posts, uint64_t author_id, uint64_t before, size_t limit,
                                     struct arena *arena, size_t *count)
{
    size_t late_count = 0, next = 0;
    const uint64_t *late = late_rows_of_author(posts->late, author_id, before, limit, arena, &late_count);
    uint64_t *ids = arena_alloc_raw(arena, limit * sizeof(ids[0]));
    *count = 0;
    query_bind(posts->of_author, "uuu", author_id, before, (uint64_t)limit);
    bool more = true;
    while (more) {
        more = query_row(posts->of_author);
        uint64_t id = more ? query_u64(posts->of_author, 0) : 0;
        for (; next < late_count && late[next] > id && *count < limit; next++)
            ids[(*count)++] = late[next];
        next += next < late_count && late[next] == id;
        if (more && *count < limit)
            ids[(*count)++] = id;
    }
    return ids;
}

enum status posts_of_user(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__PostsOfUser *request = (const Pb__PostsOfUser *)message;
    struct posts *posts = context->state;
    struct arena *arena = context->arena;
    uint64_t before = 0;
    if (!page_after_id(request->has_after, request->after, COMMAND_ID_posts_of_user, INT64_MAX, arena,
                       &before))
        return STATUS_INVALID_CURSOR;
    size_t limit = page_limit(request->limit), count = 0, done = 0;
    const uint64_t *ids = ids_of_author(posts, request->user_id, before, limit + 1, arena, &count);
    struct page page = page_new(limit, arena);
    while (done < count && done < limit && page_add_id(context, &page, ids[done]))
        done++;
    if (done > 0 && done < count) {
        page.message->has_next = true;
        page.message->next = page_next_id(COMMAND_ID_posts_of_user, ids[done - 1], arena);
    }
    *reply = &page.message->base;
    return STATUS_OK;
}

enum status posts_multiget(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__PostsMultiget *request = (const Pb__PostsMultiget *)message;
    struct page page = page_new(request->n_post_ids, context->arena);
    for (size_t i = 0; i < request->n_post_ids && page_add_id(context, &page, request->post_ids[i]);)
        i++;
    *reply = &page.message->base;
    return STATUS_OK;
}

enum status posts_resolve(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__PostsResolve *request = (const Pb__PostsResolve *)message;
    struct posts *posts = context->state;
    Pb__PostsResolved *resolved = arena_alloc_raw(context->arena, sizeof(*resolved));
    pb__posts_resolved__init(resolved);
    resolved->post_ids = arena_alloc_raw(context->arena, request->n_post_ids * sizeof(uint64_t));
    for (size_t i = 0; i < request->n_post_ids; i++) {
        uint64_t found = 0;
        query_bind(posts->exists, "u", request->post_ids[i]);
        if (query_one_u64(posts->exists, &found))
            resolved->post_ids[resolved->n_post_ids++] = found;
    }
    *reply = &resolved->base;
    return STATUS_OK;
}
