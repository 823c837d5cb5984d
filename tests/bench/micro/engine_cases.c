/*
 * Hot handlers, each through the engine that has it: batches come in, are decided in one turn, committed to a
 * file and answered. So an operation holds its share of frames, MACs, the commit and its sync.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "engined/domain.h"
#include "proto/comments.pb-c.h"
#include "proto/feed.pb-c.h"
#include "proto/posts.pb-c.h"
#include "proto/schema_commands.h"
#include "proto/subreddits.pb-c.h"
#include "proto/users.pb-c.h"
#include "tests/bench/micro/micro.h"
#include "tests/unit/harness.h"

#define SUBREDDITS 100
#define JOINS      10
#define USERS      100 /* of the feed; votes are by ten times as many */
#define VOTERS     1000
#define POSTS      10000
#define FEED_POSTS 2000
#define LIST       20
#define ANN        1
#define TEXT                                                                                                 \
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore."

union request {
    ProtobufCMessage base;
    Pb__PostsCreate create_post;
    Pb__PostsGet get_post;
    Pb__PostsVote vote;
    Pb__PostsMultiget multiget;
    Pb__PostsOfSubreddit list;
    Pb__CommentsCreate create_comment;
    Pb__UsersCreate create_user;
    Pb__UsersGet get_user;
    Pb__FeedGet feed;
};

struct world {
    struct harness *harness;
    uint64_t random, serial;
    unsigned batch;
    uint16_t command;
    void (*make)(struct world *world, size_t i);
    union request requests[LIMIT_BATCH_FRAMES];
    const ProtobufCMessage *rows[LIMIT_BATCH_FRAMES];
    char names[LIMIT_BATCH_FRAMES][32];
    uint64_t ids[LIMIT_BATCH_FRAMES][LIST];
};

/* The same numbers in every run (xorshift): 1 to n. */
static uint64_t pick(struct world *world, uint64_t n)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random % n + 1;
}

static uint64_t run(void *state, uint64_t wanted)
{
    struct world *world = state;
    uint64_t done = 0;
    while (done < wanted) {
        for (size_t i = 0; i < world->batch; i++)
            world->make(world, i);
        harness_advance_ms(world->harness, 1);
        ensure(harness_run_many(world->harness, ANN, "ann", world->command, world->rows, world->batch) ==
               world->batch);
        done += world->batch;
    }
    return done;
}

static struct world *world_new(const struct domain *domain, unsigned batch)
{
    struct world *world = xcalloc(1, sizeof(*world));
    world->harness = harness_open(domain);
    world->random = 88172645463325252ull;
    world->batch = batch;
    for (size_t i = 0; i < LIMIT_BATCH_FRAMES; i++)
        world->rows[i] = &world->requests[i].base;
    return world;
}

static void use(struct world *world, uint16_t command, void (*make)(struct world *, size_t))
{
    world->command = command;
    world->make = make;
}

static void world_close(void *state)
{
    struct world *world = state;
    harness_close(world->harness);
    free(world);
}

/* --- posts --- */

static void make_post(struct world *world, size_t i)
{
    Pb__PostsCreate *create = &world->requests[i].create_post;
    pb__posts_create__init(create);
    create->has_subreddit_id = create->has_author_id = 1;
    create->subreddit_id = pick(world, SUBREDDITS);
    create->author_id = ANN;
    snprintf(world->names[i], sizeof(world->names[i]), "Post %llu", (unsigned long long)++world->serial);
    create->title = world->names[i];
    create->content = (char *)TEXT;
}

static void make_get(struct world *world, size_t i)
{
    Pb__PostsGet *get = &world->requests[i].get_post;
    pb__posts_get__init(get);
    get->has_post_id = 1;
    get->post_id = pick(world, POSTS);
}

static void make_multiget(struct world *world, size_t i)
{
    Pb__PostsMultiget *multiget = &world->requests[i].multiget;
    pb__posts_multiget__init(multiget);
    for (size_t k = 0; k < LIST; k++)
        world->ids[i][k] = pick(world, POSTS);
    multiget->n_post_ids = LIST;
    multiget->post_ids = world->ids[i];
}

static void make_list(struct world *world, size_t i)
{
    Pb__PostsOfSubreddit *list = &world->requests[i].list;
    pb__posts_of_subreddit__init(list);
    list->has_subreddit_id = list->has_limit = 1;
    list->subreddit_id = pick(world, SUBREDDITS);
    list->limit = LIST;
}

static void make_vote(struct world *world, size_t i)
{
    Pb__PostsVote *vote = &world->requests[i].vote;
    pb__posts_vote__init(vote);
    vote->has_post_id = vote->has_user_id = vote->has_vote_type = 1;
    vote->post_id = pick(world, POSTS);
    vote->user_id = pick(world, VOTERS);
    vote->vote_type = pick(world, 5) > 1 ? PB__VOTE_TYPE__upvote : PB__VOTE_TYPE__downvote;
}

static struct world *posts_world(unsigned batch)
{
    struct world *world = world_new(&posts_domain, LIMIT_BATCH_FRAMES);
    char name[32];
    for (uint64_t i = 1; i <= SUBREDDITS; i++) {
        snprintf(name, sizeof(name), "bench_s%llu", (unsigned long long)i);
        harness_know(world->harness, 0, i, name);
    }
    use(world, COMMAND_ID_posts_create, make_post);
    (void)!run(world, POSTS);
    world->batch = batch;
    return world;
}

static void *open_create_post(unsigned batch)
{
    return posts_world(batch);
}

static void *open_get_post(unsigned batch)
{
    struct world *world = posts_world(batch);
    use(world, COMMAND_ID_posts_get, make_get);
    return world;
}

static void *open_multiget(unsigned batch)
{
    struct world *world = posts_world(batch);
    use(world, COMMAND_ID_posts_multiget, make_multiget);
    return world;
}

static void *open_list(unsigned batch)
{
    struct world *world = posts_world(batch);
    use(world, COMMAND_ID_posts_of_subreddit, make_list);
    return world;
}

static void *open_vote(unsigned batch)
{
    struct world *world = posts_world(batch);
    use(world, COMMAND_ID_posts_vote, make_vote);
    return world;
}

/* --- comments --- */

static void make_comment(struct world *world, size_t i)
{
    Pb__CommentsCreate *create = &world->requests[i].create_comment;
    pb__comments_create__init(create);
    create->has_post_id = create->has_author_id = 1;
    create->post_id = pick(world, FEED_POSTS);
    create->author_id = ANN;
    create->content = (char *)TEXT;
}

static void *open_create_comment(unsigned batch)
{
    struct world *world = world_new(&comments_domain, batch);
    for (uint64_t i = 1; i <= FEED_POSTS; i++)
        harness_know(world->harness, 0, i, "");
    use(world, COMMAND_ID_comments_create, make_comment);
    return world;
}

/* --- users --- */

static void make_user(struct world *world, size_t i)
{
    Pb__UsersCreate *create = &world->requests[i].create_user;
    pb__users_create__init(create);
    snprintf(world->names[i], sizeof(world->names[i]), "bench_%llu", (unsigned long long)++world->serial);
    create->username = world->names[i];
}

static void make_get_user(struct world *world, size_t i)
{
    Pb__UsersGet *get = &world->requests[i].get_user;
    pb__users_get__init(get);
    get->has_user_id = 1;
    get->user_id = pick(world, VOTERS);
}

static void *open_register(unsigned batch)
{
    struct world *world = world_new(&users_domain, batch);
    use(world, COMMAND_ID_users_create, make_user);
    return world;
}

static void *open_get_user(unsigned batch)
{
    struct world *world = world_new(&users_domain, LIMIT_BATCH_FRAMES);
    use(world, COMMAND_ID_users_create, make_user);
    (void)!run(world, VOTERS);
    world->batch = batch;
    use(world, COMMAND_ID_users_get, make_get_user);
    return world;
}

/* --- feed --- */

static void make_feed(struct world *world, size_t i)
{
    Pb__FeedGet *get = &world->requests[i].feed;
    pb__feed_get__init(get);
    get->has_user_id = get->has_limit = 1;
    get->user_id = pick(world, USERS);
    get->limit = LIST;
}

static void join(struct world *world, uint64_t user, uint64_t subreddit)
{
    Pb__MemberJoined joined = PB__MEMBER_JOINED__INIT;
    joined.has_user_id = joined.has_subreddit_id = 1;
    joined.user_id = user;
    joined.subreddit_id = subreddit;
    harness_feed_event(world->harness, DOMAIN_SUBREDDITS, &joined.base);
}

static void *open_feed(unsigned batch)
{
    struct world *world = world_new(&feed_domain, batch);
    for (uint64_t user = 1; user <= USERS; user++)
        for (uint64_t k = 0; k < JOINS; k++)
            join(world, user, (user + k * 7) % SUBREDDITS + 1);
    for (uint64_t post = 1; post <= FEED_POSTS; post++) {
        Pb__PostCreated created = PB__POST_CREATED__INIT;
        created.has_post_id = created.has_subreddit_id = created.has_created_at = 1;
        created.post_id = post;
        created.subreddit_id = pick(world, SUBREDDITS);
        created.created_at = harness_now_ms(world->harness);
        created.title = (char *)"Post";
        harness_feed_event(world->harness, DOMAIN_POSTS, &created.base);
    }
    use(world, COMMAND_ID_feed_get, make_feed);
    return world;
}

const struct micro_case engine_cases[] = {
    {"get_post", 256, open_get_post, run, world_close},
    {"get_20_posts", 64, open_multiget, run, world_close},
    {"list_subreddit", 64, open_list, run, world_close},
    {"get_user", 256, open_get_user, run, world_close},
    {"feed", 64, open_feed, run, world_close},
    {"vote", 256, open_vote, run, world_close},
    {"create_comment", 256, open_create_comment, run, world_close},
    {"register", 256, open_register, run, world_close},
    {"create_post_batch_1", 1, open_create_post, run, world_close},
    {"create_post_batch_4", 4, open_create_post, run, world_close},
    {"create_post_batch_16", 16, open_create_post, run, world_close},
    {"create_post_batch_64", 64, open_create_post, run, world_close},
    {"create_post_batch_256", 256, open_create_post, run, world_close},
    {"create_post_batch_1024", 1024, open_create_post, run, world_close},
};
const size_t engine_case_count = ARRAY_LEN(engine_cases);
