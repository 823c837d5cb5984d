/*
 * forumd-fill: writes posts straight into a running posts engine, in full batches and past the gateway - a
 * million of them within a minute, each as durable as any other. The subreddits must have a post each already
 * (through the gateway), so that the engine knows their names: what it would have to look up fails here.
 * Prints one line with what it did and how fast.
 */
#include <endian.h>
#include <inttypes.h>
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
#include "proto/domains.h"
#include "proto/frame.h"
#include "proto/posts.pb-c.h"
#include "proto/schema_commands.h"
#include "proto/status.h"

#define CALLS_MAX   16
#define DEADLINE_MS 20000
#define TEXT_BYTES  256

struct fill {
    unsigned posts, subreddits, users, batch, calls, port_base;
    const char *mac_key_path;
    struct mac_key key;
    struct caller_hub *hub;
    uint64_t run;
    unsigned sent, written;
};

struct lane {
    struct fill *fill;
    struct call *call;
    struct batch batch;
    uint64_t serial;
    bool busy;
};

static void add_post(struct fill *fill, struct lane *lane)
{
    char title[TEXT_BYTES], content[TEXT_BYTES];
    uint64_t number = ++fill->sent;
    Pb__PostsCreate create = PB__POSTS_CREATE__INIT;
    create.has_subreddit_id = create.has_author_id = 1;
    create.subreddit_id = number % fill->subreddits + 1;
    create.author_id = number % fill->users + 1;
    snprintf(title, sizeof(title), "Post %" PRIu64 " of a forum that was filled", number);
    snprintf(content, sizeof(content),
             "What was to be said in post %" PRIu64
             ": as much as people write when they are in a hurry, two or "
             "three lines and not more, to which some others may answer.",
             number);
    create.title = title;
    create.content = content;
    struct request_frame frame = {
        .command = COMMAND_ID_posts_create,
        .actor = create.author_id,
        .deadline_ms = clock_monotonic_ms() + DEADLINE_MS,
        .length = (uint32_t)pb__posts_create__get_packed_size(&create),
    };
    memcpy(frame.id.bytes, &fill->run, sizeof(fill->run));
    uint64_t counter = htobe64(number); /* as workers count theirs */
    memcpy(frame.id.bytes + sizeof(fill->run), &counter, sizeof(counter));
    snprintf(frame.actor_name, sizeof(frame.actor_name), "user_%" PRIu64, create.author_id);
    pb__posts_create__pack(&create, batch_add_request(&lane->batch, &frame));
}

static void lane_send(struct lane *lane)
{
    struct fill *fill = lane->fill;
    if (fill->sent == fill->posts)
        return;
    batch_begin(&lane->batch, BATCH_REQUEST, fill->run, ++lane->serial);
    while (lane->batch.count < fill->batch && fill->sent < fill->posts)
        add_post(fill, lane);
    batch_seal(&lane->batch, &fill->key);
    lane->busy = true;
    call_start(lane->call, lane->batch.bytes, lane->batch.length, DEADLINE_MS);
}

static void on_answer(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct lane *lane = arg;
    struct batch_reader reader;
    struct reply_frame reply;
    lane->busy = false;
    if (result != CALL_ANSWERED ||
        batch_open(&reader, BATCH_REPLY, bytes, length, &lane->fill->key) != BATCH_FINE)
        fatal_exit(EXIT_UNAVAILABLE, "the posts engine did not answer: result %d", (int)result);
    while (batch_next_reply(&reader, &reply)) {
        if (reply.status != STATUS_OK)
            fatal_exit(EXIT_UNAVAILABLE, "a post was refused: status %u", reply.status);
        lane->fill->written++;
    }
    lane_send(lane);
}

static void fill_run(struct fill *fill)
{
    struct lane lanes[CALLS_MAX] = {0};
    char url[DOMAIN_URL_MAX];
    mac_key_load(fill->mac_key_path, &fill->key);
    randombytes_buf(&fill->run, sizeof(fill->run));
    fill->hub = caller_hub_new();
    domain_url(fill->port_base, DOMAIN_POSTS, url);
    struct caller *caller = caller_open(fill->hub, url);
    for (unsigned i = 0; i < fill->calls; i++) {
        lanes[i] = (struct lane){.fill = fill, .call = call_new(caller, on_answer, &lanes[i])};
        lane_send(&lanes[i]);
    }
    while (fill->written < fill->posts) {
        struct pollfd wait = {.fd = caller_hub_fd(fill->hub), .events = POLLIN};
        ensure(poll(&wait, 1, -1) == 1);
        caller_hub_dispatch(fill->hub);
    }
    for (unsigned i = 0; i < fill->calls; i++)
        batch_dispose(&lanes[i].batch);
    caller_close(caller);
    caller_hub_free(fill->hub);
}

int main(int argc, char **argv)
{
    struct fill fill = {.posts = 1000000,
                        .subreddits = 1,
                        .users = 1,
                        .batch = LIMIT_BATCH_FRAMES,
                        .calls = 2,
                        .port_base = DOMAIN_PORT_BASE_DEFAULT,
                        .mac_key_path = "state/mac.key"};
    const struct option_row rows[] = {
        {"posts", OPTION_UINT, &fill.posts, 1, 100000000, NULL, "N", "how many to write"},
        {"subreddits", OPTION_UINT, &fill.subreddits, 1, 1000000, NULL, "N", "they go to sub_1 to sub_N"},
        {"users", OPTION_UINT, &fill.users, 1, 1000000, NULL, "N", "they are by user_1 to user_N"},
        {"batch", OPTION_UINT, &fill.batch, 1, LIMIT_BATCH_FRAMES, NULL, "N", "posts in a message"},
        {"calls", OPTION_UINT, &fill.calls, 1, CALLS_MAX, NULL, "N", "messages under way at once"},
        {"port-base", OPTION_UINT, &fill.port_base, 1024, DOMAIN_PORT_BASE_MAX, NULL, "N", "of the engines"},
        {"mac-key", OPTION_STRING, &fill.mac_key_path, 0, 0, NULL, "FILE", "key of the batches"},
    };
    if (options_parse("forumd-fill [flags]", rows, ARRAY_LEN(rows), argc, argv) != 0)
        fatal_exit(EXIT_USAGE, "unexpected argument: %s", argv[argc - 1]);
    log_open("fill", LOG_LEVEL_INFO);
    if (sodium_init() < 0)
        fatal_exit(EXIT_OS, "libsodium cannot start");
    uint64_t start_ms = clock_monotonic_ms();
    fill_run(&fill);
    uint64_t took_ms = clock_monotonic_ms() - start_ms;
    printf("%u posts in %" PRIu64 " ms, %" PRIu64 "/s\n", fill.written, took_ms,
           took_ms > 0 ? (uint64_t)fill.written * 1000 / took_ms : 0);
    return 0;
}
