/*
 * forumd-reads: asks all six engines at once for what they have, in full batches and past the gateway, for a
 * time: to see what engines alone can read together. The forum must hold what is asked for: ids from 1 to the
 * counts that the flags say. Prints a line with each engine's reads a second and one with their sum.
 */
#include <endian.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/caller.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/options.h"
#include "proto/comments.pb-c.h"
#include "proto/dms.pb-c.h"
#include "proto/domains.h"
#include "proto/feed.pb-c.h"
#include "proto/frame.h"
#include "proto/posts.pb-c.h"
#include "proto/schema_commands.h"
#include "proto/status.h"
#include "proto/subreddits.pb-c.h"
#include "proto/users.pb-c.h"

#define LANES       2 /* batches under way to an engine: one is decided while the other travels */
#define DEADLINE_MS 20000
#define FEED_LIMIT  20

struct reads;

union request {
    ProtobufCMessage base;
    Pb__UsersGet user;
    Pb__SubredditsGet subreddit;
    Pb__PostsGet post;
    Pb__CommentsGet comment;
    Pb__DmsConversation conversation;
    Pb__FeedGet feed;
};

/* How an engine is asked. `make` sets the message for one of the ids and returns who asks. */
struct question {
    uint16_t command;
    uint64_t (*make)(const struct reads *reads, union request *request, uint64_t random);
};

struct target {
    struct reads *reads;
    const struct question *question;
    enum domain_id domain;
    struct lane {
        struct target *target;
        struct call *call;
        struct batch batch;
        bool busy;
    } lanes[LANES], collect;
    unsigned deferred; /* not collected yet */
    uint64_t serial, answered;
};

struct reads {
    unsigned users, subreddits, posts, comments, seconds, batch, port_base;
    const char *mac_key_path;
    struct mac_key key;
    struct caller_hub *hub;
    uint64_t run, random, ids, until_ms;
    struct target targets[DOMAIN_COUNT];
};

static uint64_t make_user(const struct reads *reads, union request *request, uint64_t random)
{
    pb__users_get__init(&request->user);
    request->user.has_user_id = 1;
    request->user.user_id = random % reads->users + 1;
    return 1;
}

static uint64_t make_subreddit(const struct reads *reads, union request *request, uint64_t random)
{
    pb__subreddits_get__init(&request->subreddit);
    request->subreddit.has_subreddit_id = 1;
    request->subreddit.subreddit_id = random % reads->subreddits + 1;
    return 1;
}

static uint64_t make_post(const struct reads *reads, union request *request, uint64_t random)
{
    pb__posts_get__init(&request->post);
    request->post.has_post_id = 1;
    request->post.post_id = random % reads->posts + 1;
    return 1;
}

static uint64_t make_comment(const struct reads *reads, union request *request, uint64_t random)
{
    pb__comments_get__init(&request->comment);
    request->comment.has_comment_id = 1;
    request->comment.comment_id = random % reads->comments + 1;
    return 1;
}

static uint64_t make_conversation(const struct reads *reads, union request *request, uint64_t random)
{
    pb__dms_conversation__init(&request->conversation);
    request->conversation.has_a = request->conversation.has_b = 1;
    request->conversation.a = random % (reads->users - 1) + 1;
    request->conversation.b = request->conversation.a + 1;
    return request->conversation.a;
}

static uint64_t make_feed(const struct reads *reads, union request *request, uint64_t random)
{
    pb__feed_get__init(&request->feed);
    request->feed.has_user_id = request->feed.has_limit = 1;
    request->feed.user_id = random % reads->users + 1;
    request->feed.limit = FEED_LIMIT;
    return request->feed.user_id;
}

static const struct question questions[DOMAIN_COUNT] = {
    [DOMAIN_USERS] = {COMMAND_ID_users_get, make_user},
    [DOMAIN_SUBREDDITS] = {COMMAND_ID_subreddits_get, make_subreddit},
    [DOMAIN_POSTS] = {COMMAND_ID_posts_get, make_post},
    [DOMAIN_COMMENTS] = {COMMAND_ID_comments_get, make_comment},
    [DOMAIN_DMS] = {COMMAND_ID_dms_conversation, make_conversation},
    [DOMAIN_FEED] = {COMMAND_ID_feed_get, make_feed},
};

static uint64_t next_random(struct reads *reads)
{
    reads->random ^= reads->random << 13;
    reads->random ^= reads->random >> 7;
    reads->random ^= reads->random << 17;
    return reads->random;
}

static void add_frame(struct lane *lane)
{
    struct reads *reads = lane->target->reads;
    const struct question *question = lane->target->question;
    union request request;
    struct request_frame frame = {.command = question->command,
                                  .deadline_ms = clock_monotonic_ms() + DEADLINE_MS};
    frame.actor = question->make(reads, &request, next_random(reads));
    snprintf(frame.actor_name, sizeof(frame.actor_name), "bench");
    uint64_t id = htobe64(++reads->ids); /* as workers count theirs */
    memcpy(frame.id.bytes, &reads->run, sizeof(reads->run));
    memcpy(frame.id.bytes + sizeof(reads->run), &id, sizeof(id));
    frame.length = (uint32_t)protobuf_c_message_get_packed_size(&request.base);
    protobuf_c_message_pack(&request.base, batch_add_request(&lane->batch, &frame));
}

static void lane_start(struct lane *lane)
{
    struct reads *reads = lane->target->reads;
    batch_seal(&lane->batch, &reads->key);
    lane->busy = true;
    call_start(lane->call, lane->batch.bytes, lane->batch.length, DEADLINE_MS);
}

static void lane_send(struct lane *lane)
{
    struct target *target = lane->target;
    if (lane->busy || target->reads->until_ms <= clock_monotonic_ms())
        return;
    batch_begin(&lane->batch, BATCH_REQUEST, target->reads->run, ++target->serial);
    while (lane->batch.count < target->reads->batch)
        add_frame(lane);
    lane_start(lane);
}

static void collect_send(struct target *target)
{
    struct lane *collect = &target->collect;
    if (collect->busy || target->deferred == 0)
        return;
    struct request_frame frame = {.command = COMMAND_ID_engine_collect,
                                  .deadline_ms = clock_monotonic_ms() + LIMIT_COLLECT_HOLD_MS};
    batch_begin(&collect->batch, BATCH_REQUEST, target->reads->run, ++target->serial);
    (void)!batch_add_request(&collect->batch, &frame);
    lane_start(collect);
}

static void on_answer(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct lane *lane = arg;
    struct target *target = lane->target;
    struct batch_reader reader;
    struct reply_frame reply;
    bool collected = lane == &target->collect;
    lane->busy = false;
    if (result != CALL_ANSWERED ||
        batch_open(&reader, BATCH_REPLY, bytes, length, &target->reads->key) != BATCH_FINE)
        fatal_exit(EXIT_UNAVAILABLE, "the %s engine did not answer: result %d", domain_name(target->domain),
                   (int)result);
    while (batch_next_reply(&reader, &reply)) {
        if (reply.status == STATUS_DEFERRED) {
            target->deferred++;
            continue;
        }
        if (reply.status != STATUS_OK)
            fatal_exit(EXIT_UNAVAILABLE, "the %s engine refused a read: status %u",
                       domain_name(target->domain), reply.status);
        target->answered++;
        target->deferred -= collected;
    }
    /* An engine that answers late gets no more until it did. */
    collect_send(target);
    if (target->deferred > target->reads->batch)
        return;
    for (size_t i = 0; i < LANES; i++)
        lane_send(&target->lanes[i]);
}

static void target_open(struct reads *reads, enum domain_id domain)
{
    struct target *target = &reads->targets[domain];
    char url[DOMAIN_URL_MAX];
    domain_url(reads->port_base, domain, url);
    struct caller *caller = caller_open(reads->hub, url);
    *target = (struct target){.reads = reads, .question = &questions[domain], .domain = domain};
    for (size_t i = 0; i < LANES; i++)
        target->lanes[i] =
            (struct lane){.target = target, .call = call_new(caller, on_answer, &target->lanes[i])};
    target->collect = (struct lane){.target = target, .call = call_new(caller, on_answer, &target->collect)};
    for (size_t i = 0; i < LANES; i++)
        lane_send(&target->lanes[i]);
}

static bool is_busy(const struct reads *reads)
{
    bool busy = false;
    for (int domain = DOMAIN_FIRST; domain < DOMAIN_COUNT; domain++) {
        const struct target *target = &reads->targets[domain];
        busy |= target->collect.busy;
        for (size_t i = 0; i < LANES; i++)
            busy |= target->lanes[i].busy;
    }
    return busy;
}

static void reads_run(struct reads *reads)
{
    mac_key_load(reads->mac_key_path, &reads->key);
    randombytes_buf(&reads->run, sizeof(reads->run));
    reads->random = 88172645463325252ull;
    reads->hub = caller_hub_new();
    uint64_t start_ms = clock_monotonic_ms();
    reads->until_ms = start_ms + reads->seconds * 1000ull;
    for (int domain = DOMAIN_FIRST; domain < DOMAIN_COUNT; domain++)
        target_open(reads, (enum domain_id)domain);
    while (is_busy(reads)) {
        struct pollfd wait = {.fd = caller_hub_fd(reads->hub), .events = POLLIN};
        ensure(poll(&wait, 1, -1) == 1);
        caller_hub_dispatch(reads->hub);
    }
    uint64_t took_ms = clock_monotonic_ms() - start_ms, sum = 0;
    for (int domain = DOMAIN_FIRST; domain < DOMAIN_COUNT; domain++) {
        uint64_t answered = reads->targets[domain].answered;
        printf("%s %llu/s\n", domain_name((enum domain_id)domain),
               (unsigned long long)(answered * 1000 / took_ms));
        sum += answered;
    }
    printf("together %llu/s\n", (unsigned long long)(sum * 1000 / took_ms));
}

int main(int argc, char **argv)
{
    struct reads reads = {.users = 2,
                          .subreddits = 1,
                          .posts = 1,
                          .comments = 1,
                          .seconds = 5,
                          .batch = LIMIT_BATCH_FRAMES,
                          .port_base = DOMAIN_PORT_BASE_DEFAULT,
                          .mac_key_path = "state/mac.key"};
    const struct option_row rows[] = {
        {"users", OPTION_UINT, &reads.users, 2, 1000000, NULL, "N", "there are user_1 to user_N"},
        {"subreddits", OPTION_UINT, &reads.subreddits, 1, 1000000, NULL, "N", "sub_1 to sub_N"},
        {"posts", OPTION_UINT, &reads.posts, 1, 100000000, NULL, "N", "post_1 to post_N"},
        {"comments", OPTION_UINT, &reads.comments, 1, 100000000, NULL, "N", "comment_1 to comment_N"},
        {"seconds", OPTION_UINT, &reads.seconds, 1, 3600, NULL, "N", "how long"},
        {"batch", OPTION_UINT, &reads.batch, 1, LIMIT_BATCH_FRAMES, NULL, "N", "reads in a message"},
        {"port-base", OPTION_UINT, &reads.port_base, 1024, DOMAIN_PORT_BASE_MAX, NULL, "N", "of the engines"},
        {"mac-key", OPTION_STRING, &reads.mac_key_path, 0, 0, NULL, "FILE", "key of the batches"},
    };
    if (options_parse("forumd-reads [flags]", rows, ARRAY_LEN(rows), argc, argv) != 0)
        fatal_exit(EXIT_USAGE, "unexpected argument: %s", argv[argc - 1]);
    log_open("reads", LOG_LEVEL_INFO);
    if (sodium_init() < 0)
        fatal_exit(EXIT_OS, "libsodium cannot start");
    reads_run(&reads);
    return 0;
}
