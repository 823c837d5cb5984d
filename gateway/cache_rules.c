#include "gateway/cache_rules.h"

#include "gateway/message_fields.h"
#include "proto/feed.pb-c.h"
#include "proto/posts.pb-c.h"

/* These orders, and these windows of others, let go of posts as time passes. */
static bool is_timeless(Pb__Sort sort, Pb__Window window)
{
    switch (sort) {
    case PB__SORT__hot:
    case PB__SORT__new:
    case PB__SORT__best:
        return true;
    case PB__SORT__top:
    case PB__SORT__controversial:
        return window == PB__WINDOW__all;
    default:
        return false;
    }
}

static bool posts_are_timeless(const ProtobufCMessage *message)
{
    const Pb__PostsOfSubreddit *request = (const Pb__PostsOfSubreddit *)message;
    return is_timeless(request->sort, request->t);
}

static bool feed_is_timeless(const ProtobufCMessage *message)
{
    const Pb__FeedGet *request = (const Pb__FeedGet *)message;
    return is_timeless(request->sort, request->t);
}

/* One that says it may be stale is to be asked for again; and one that does not say on which subreddits it
 * rests: an engine of before there was a cache does not know that it should, and a user who joined none has
 * nothing to keep. */
static bool feed_may_be_kept(const ProtobufCMessage *message)
{
    const Pb__FeedPage *page = (const Pb__FeedPage *)message;
    return page->n_stale == 0 && page->n_subreddit_ids > 0;
}

/* Not here: profiles (presence changes as time passes). */
const struct cache_rule cache_user_key = {
    .keys = {{DOMAIN_USERS, VERSION_USER, CACHE_OF_REQUEST, "user_id"}}};
const struct cache_rule cache_posts_of_user = {
    .keys = {{DOMAIN_POSTS, VERSION_USER, CACHE_OF_REQUEST, "user_id"}}};
const struct cache_rule cache_comments_of_user = {
    .keys = {{DOMAIN_COMMENTS, VERSION_USER, CACHE_OF_REQUEST, "user_id"}}};
const struct cache_rule cache_subreddits = {.keys = {{DOMAIN_SUBREDDITS, VERSION_LIST, CACHE_ONE, NULL}}};
const struct cache_rule cache_subreddit = {
    .keys = {{DOMAIN_SUBREDDITS, VERSION_SUBREDDIT, CACHE_OF_REQUEST, "subreddit_id"}}};
const struct cache_rule cache_subreddit_by_name = {
    .keys = {{DOMAIN_SUBREDDITS, VERSION_SUBREDDIT, CACHE_OF_REPLY, "subreddit_id"}}};
const struct cache_rule cache_posts_of_subreddit = {
    .keys = {{DOMAIN_POSTS, VERSION_SUBREDDIT, CACHE_OF_REQUEST, "subreddit_id"}},
    .request_fits = posts_are_timeless};
const struct cache_rule cache_post = {.keys = {{DOMAIN_POSTS, VERSION_POST, CACHE_OF_REQUEST, "post_id"}}};
const struct cache_rule cache_comments_of_post = {
    .keys = {{DOMAIN_COMMENTS, VERSION_POST, CACHE_OF_REQUEST, "post_id"}}};
const struct cache_rule cache_comment = {
    .keys = {{DOMAIN_COMMENTS, VERSION_COMMENT, CACHE_OF_REQUEST, "comment_id"}}};
/* By what its sources say: the feed engine only follows them. */
const struct cache_rule cache_feed = {
    .keys = {{DOMAIN_SUBREDDITS, VERSION_USER, CACHE_OF_REQUEST, "user_id"},
             {DOMAIN_POSTS, VERSION_SUBREDDIT, CACHE_OF_REPLY, "subreddit_ids"}},
    .request_fits = feed_is_timeless,
    .reply_fits = feed_may_be_kept};
const struct cache_rule cache_messages_of_user = {
    .keys = {{DOMAIN_DMS, VERSION_USER, CACHE_OF_REQUEST, "user_id"}}};
/* Each message between the two is one of either's. */
const struct cache_rule cache_conversation = {.keys = {{DOMAIN_DMS, VERSION_USER, CACHE_OF_REQUEST, "a"}}};

static unsigned owner_index(struct basis *basis, enum domain_id owner)
{
    for (unsigned i = 0; i < basis->owner_count; i++)
        if (basis->marks[i].owner == owner)
            return i;
    basis->marks[basis->owner_count] = (struct page_mark){.owner = owner};
    return basis->owner_count++;
}

static bool add_ids(struct basis *basis, const struct cache_key_rule *key, const uint64_t *ids, size_t count)
{
    unsigned owner = owner_index(basis, key->owner);
    if (basis->key_count + count > BASIS_KEYS_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        basis->keys[basis->key_count++] = basis_key(owner, version_bucket(key->kind, ids[i]));
    return true;
}

static bool add_fields(const struct cache_rule *rule, enum cache_source source,
                       const struct schema_message *schema, const ProtobufCMessage *message,
                       struct basis *basis)
{
    for (size_t i = 0; i < CACHE_RULE_KEYS_MAX && rule->keys[i].owner != 0; i++) {
        const struct cache_key_rule *key = &rule->keys[i];
        const uint64_t *ids;
        size_t count;
        if (key->source != source)
            continue;
        if (!message_u64s(schema, message, key->field, &ids, &count) || !add_ids(basis, key, ids, count))
            return false;
    }
    return true;
}

bool cache_rule_begin(const struct cache_rule *rule, const struct schema_message *schema,
                      const ProtobufCMessage *request, struct basis *basis)
{
    static const uint64_t one = 0;
    basis->owner_count = basis->key_count = 0;
    if (rule->request_fits != NULL && !rule->request_fits(request))
        return false;
    for (size_t i = 0; i < CACHE_RULE_KEYS_MAX && rule->keys[i].owner != 0; i++) {
        (void)owner_index(basis, rule->keys[i].owner); /* its mark is to be read, whatever else comes */
        if (rule->keys[i].source == CACHE_ONE && !add_ids(basis, &rule->keys[i], &one, 1))
            return false;
    }
    return add_fields(rule, CACHE_OF_REQUEST, schema, request, basis);
}

bool cache_rule_end(const struct cache_rule *rule, const struct schema_message *schema,
                    const ProtobufCMessage *reply, struct basis *basis)
{
    if (rule->reply_fits != NULL && !rule->reply_fits(reply))
        return false;
    return add_fields(rule, CACHE_OF_REPLY, schema, reply, basis);
}
