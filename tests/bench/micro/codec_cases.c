/* Frames, events and JSON: what is between the socket and a handler. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "gateway/json_decode.h"
#include "gateway/json_encode.h"
#include "proto/engine.pb-c.h"
#include "proto/frame.h"
#include "proto/posts.pb-c.h"
#include "proto/schema_commands.h"
#include "tests/bench/micro/micro.h"

#define BATCH 64
#define POSTS 25
#define AT_MS 1700000000000ull
#define TITLE "Load post of a benchmark"
#define TEXT                                                                                                 \
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore."

struct codec {
    struct arena *arena;
    struct mac_key key;
    struct batch batch;
    uint8_t *bytes;
    size_t length;
    struct text text;
    Pb__Post posts[POSTS], *rows[POSTS];
    Pb__PostPage page;
};

static struct codec *codec_new(void)
{
    struct codec *codec = xcalloc(1, sizeof(*codec));
    codec->arena = arena_new();
    memset(codec->key.bytes, 7, sizeof(codec->key.bytes));
    return codec;
}

static void codec_close(void *state)
{
    struct codec *codec = state;
    arena_free(codec->arena);
    batch_dispose(&codec->batch);
    text_dispose(&codec->text);
    free(codec->bytes);
    free(codec);
}

/* --- frames: an operation is a frame in a batch of 64, its MAC included --- */

static void write_batch(struct codec *codec)
{
    struct request_frame frame = {.command = COMMAND_ID_posts_get, .actor = 5, .deadline_ms = AT_MS};
    Pb__PostsGet get = PB__POSTS_GET__INIT;
    get.has_post_id = 1;
    batch_begin(&codec->batch, BATCH_REQUEST, 1, 1);
    for (uint64_t i = 1; i <= BATCH; i++) {
        get.post_id = i * 1000;
        memcpy(frame.id.bytes, &i, sizeof(i));
        frame.length = (uint32_t)pb__posts_get__get_packed_size(&get);
        pb__posts_get__pack(&get, batch_add_request(&codec->batch, &frame));
    }
    batch_seal(&codec->batch, &codec->key);
}

static void *frames_open(unsigned parameter)
{
    (void)parameter;
    struct codec *codec = codec_new();
    write_batch(codec);
    return codec;
}

static uint64_t frames_encode(void *state, uint64_t wanted)
{
    uint64_t done = 0;
    for (; done < wanted; done += BATCH)
        write_batch(state);
    return done;
}

static uint64_t frames_decode(void *state, uint64_t wanted)
{
    struct codec *codec = state;
    struct batch_reader reader;
    struct request_frame frame;
    uint64_t done = 0;
    while (done < wanted) {
        ensure(batch_open(&reader, BATCH_REQUEST, codec->batch.bytes, codec->batch.length, &codec->key) ==
               BATCH_FINE);
        arena_reset(codec->arena);
        while (batch_next_request(&reader, &frame)) {
            ensure(pb__posts_get__unpack(arena_allocator(codec->arena), frame.length, frame.payload) != NULL);
            done++;
        }
    }
    return done;
}

/* --- events: an operation is one event of an answer to a follower that brings 64 --- */

static void *events_open(unsigned parameter)
{
    (void)parameter;
    struct codec *codec = codec_new();
    Pb__EventRecord records[BATCH], *rows[BATCH];
    Pb__EventsPulled pulled = PB__EVENTS_PULLED__INIT;
    Pb__PostCreated created = PB__POST_CREATED__INIT;
    created.has_post_id = created.has_author_id = created.has_subreddit_id = created.has_created_at = 1;
    created.post_id = created.author_id = created.subreddit_id = 1000;
    created.created_at = AT_MS;
    created.title = (char *)TITLE;
    created.content = (char *)TEXT;
    for (size_t i = 0; i < BATCH; i++) {
        pb__event_record__init(&records[i]);
        records[i].has_seq = records[i].has_type = records[i].has_at_ms = records[i].has_payload = 1;
        records[i].seq = i + 1;
        records[i].at_ms = AT_MS;
        records[i].payload.len = pb__post_created__get_packed_size(&created);
        records[i].payload.data = arena_alloc(codec->arena, records[i].payload.len);
        pb__post_created__pack(&created, records[i].payload.data);
        rows[i] = &records[i];
    }
    pulled.n_events = BATCH;
    pulled.events = rows;
    codec->length = pb__events_pulled__get_packed_size(&pulled);
    codec->bytes = xmalloc(codec->length);
    pb__events_pulled__pack(&pulled, codec->bytes);
    return codec;
}

static uint64_t events_decode(void *state, uint64_t wanted)
{
    struct codec *codec = state;
    uint64_t done = 0;
    while (done < wanted) {
        arena_reset(codec->arena);
        Pb__EventsPulled *pulled =
            pb__events_pulled__unpack(arena_allocator(codec->arena), codec->length, codec->bytes);
        ensure(pulled != NULL && pulled->n_events == BATCH);
        for (size_t i = 0; i < BATCH; i++) {
            const ProtobufCBinaryData *payload = &pulled->events[i]->payload;
            ensure(pb__post_created__unpack(arena_allocator(codec->arena), payload->len, payload->data) !=
                   NULL);
        }
        done += BATCH;
    }
    return done;
}

/* --- JSON --- */

static void *json_open(unsigned parameter)
{
    (void)parameter;
    struct codec *codec = codec_new();
    pb__post_page__init(&codec->page);
    for (size_t i = 0; i < POSTS; i++) {
        Pb__Post *post = codec->rows[i] = &codec->posts[i];
        pb__post__init(post);
        post->has_post_id = post->has_author_id = post->has_subreddit_id = post->has_upvotes = 1;
        post->has_downvotes = post->has_score = post->has_comment_count = post->has_is_repost = 1;
        post->has_created_at = post->has_signature_verified = 1;
        post->post_id = 10000 + i;
        post->author_id = 500 + i;
        post->subreddit_id = 1 + i;
        post->upvotes = 17;
        post->downvotes = 3;
        post->score = 14;
        post->created_at = AT_MS + i;
        post->title = (char *)TITLE;
        post->content = (char *)TEXT;
        post->author_username = (char *)"bench_u500";
        post->subreddit_name = (char *)"bench_s1";
    }
    codec->page.items = codec->rows;
    codec->page.n_items = POSTS;
    return codec;
}

static uint64_t json_decode_create(void *state, uint64_t wanted)
{
    static const char body[] = "{\"subreddit_id\":\"sub_17\",\"author_id\":\"user_523\",\"title\":\"" TITLE
                               "\",\"content\":\"" TEXT "\"}";
    struct codec *codec = state;
    struct decode_input input = {
        .schema = schema_commands[CMD_posts_create].request, .body = body, .body_length = sizeof(body) - 1};
    for (uint64_t i = 0; i < wanted; i++) {
        ProtobufCMessage *message;
        struct field_errors errors = {.count = 0};
        arena_reset(codec->arena);
        ensure(json_decode(&input, codec->arena, &message, &errors) == STATUS_OK);
    }
    return wanted;
}

static uint64_t json_encode_post(void *state, uint64_t wanted)
{
    struct codec *codec = state;
    for (uint64_t i = 0; i < wanted; i++) {
        text_clear(&codec->text);
        json_encode(&codec->text, schema_commands[CMD_posts_get].reply, &codec->rows[i % POSTS]->base);
    }
    return wanted;
}

static uint64_t json_encode_list(void *state, uint64_t wanted)
{
    struct codec *codec = state;
    for (uint64_t i = 0; i < wanted; i++) {
        text_clear(&codec->text);
        json_encode(&codec->text, schema_commands[CMD_posts_of_subreddit].reply, &codec->page.base);
    }
    return wanted;
}

const struct micro_case codec_cases[] = {
    {"frame_encode", 0, frames_open, frames_encode, codec_close},
    {"frame_decode", 0, frames_open, frames_decode, codec_close},
    {"event_decode", 0, events_open, events_decode, codec_close},
    {"json_decode_create_post", 0, json_open, json_decode_create, codec_close},
    {"json_encode_post", 0, json_open, json_encode_post, codec_close},
    {"json_encode_25_posts", 0, json_open, json_encode_list, codec_close},
};
const size_t codec_case_count = ARRAY_LEN(codec_cases);
