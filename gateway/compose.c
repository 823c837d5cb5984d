#include "gateway/compose.h"

#include "proto/feed.pb-c.h"
#include "proto/posts.pb-c.h"
#include "proto/subreddits.pb-c.h"
#include "proto/users.pb-c.h"

static ProtobufCMessage *ask_for_posts(struct arena *arena, const ProtobufCMessage *first)
{
    const Pb__FeedPage *page = (const Pb__FeedPage *)first;
    if (page->n_post_ids == 0)
        return NULL;
    Pb__PostsMultiget *ask = arena_alloc(arena, sizeof(*ask));
    pb__posts_multiget__init(ask);
    ask->n_post_ids = page->n_post_ids;
    ask->post_ids = page->post_ids;
    return &ask->base;
}

/* How many of the ids are dealt with by these posts: all up to the last one shown. Posts come in the order of
 * the ids; if the page ended early, at its limit, the next page begins behind its last post. None shown: all
 * ids are unknown, and done with. */
static size_t ids_dealt_with(const Pb__FeedPage *page, const Pb__PostPage *posts)
{
    if (posts->n_items == 0)
        return page->n_post_ids;
    uint64_t last = posts->items[posts->n_items - 1]->post_id;
    for (size_t i = page->n_post_ids; i > 0; i--)
        if (page->post_ids[i - 1] == last)
            return i;
    return page->n_post_ids;
}

static ProtobufCMessage *join_feed(struct arena *arena, ProtobufCMessage *first, ProtobufCMessage *second)
{
    Pb__FeedPage *page = (Pb__FeedPage *)first;
    Pb__PostPage *posts = (Pb__PostPage *)second;
    if (posts == NULL) {
        posts = arena_alloc(arena, sizeof(*posts));
        pb__post_page__init(posts);
    }
    size_t done = ids_dealt_with(page, posts);
    posts->n_stale = page->n_stale;
    posts->stale = page->stale;
    posts->has_total = false;
    posts->has_next = done > 0 && done <= page->n_cursors && (done < page->n_post_ids || page->more);
    if (posts->has_next)
        posts->next = page->cursors[done - 1];
    return &posts->base;
}

const struct compose compose_feed = {
    .second = CMD_posts_multiget,
    .ask = ask_for_posts,
    .join = join_feed,
};

static ProtobufCMessage *ask_for_joined(struct arena *arena, const ProtobufCMessage *first)
{
    const Pb__UserProfile *profile = (const Pb__UserProfile *)first;
    Pb__SubredditsJoined *ask = arena_alloc(arena, sizeof(*ask));
    pb__subreddits_joined__init(ask);
    ask->has_user_id = true;
    ask->user_id = profile->user_id;
    return &ask->base;
}

static ProtobufCMessage *join_profile(struct arena *arena, ProtobufCMessage *first, ProtobufCMessage *second)
{
    (void)arena;
    Pb__UserProfile *profile = (Pb__UserProfile *)first;
    const Pb__SubredditsOfUser *joined = (const Pb__SubredditsOfUser *)second;
    profile->n_joined_subreddits = joined->n_subreddit_ids;
    profile->joined_subreddits = joined->subreddit_ids;
    return first;
}

const struct compose compose_profile = {
    .second = CMD_subreddits_joined,
    .answer_is_first = true,
    .ask = ask_for_joined,
    .join = join_profile,
};

const struct schema_message *compose_answer_schema(const struct route *route)
{
    bool own = route->compose == NULL || route->compose->answer_is_first;
    return schema_commands[own ? route->command : route->compose->second].reply;
}
