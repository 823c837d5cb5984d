#include "deploy/forumctl/engines.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/caller.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "deploy/forumctl/engines_network.h"
#include "deploy/state/state_dir.h"
#include "proto/frame.h"

/* One process that can be asked, and what was asked last. */
struct peer {
    enum domain_id domain;
    unsigned member;
    struct caller *caller;
    struct call *call;
    uint64_t serial;
    bool waiting;
    uint8_t *bytes; /* the answer; NULL: none */
    size_t length;
};

struct engines {
    struct engines_options options;
    struct mac_key key;
    struct caller_hub *hub;
    struct peer peers[ENGINES_MAX];
    size_t peer_count;
    uint64_t run, last_serial;
    struct batch batch;
};

static void on_answer(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct peer *peer = arg;
    peer->waiting = false;
    if (result != CALL_ANSWERED)
        return;
    peer->bytes = xmalloc(length);
    memcpy(peer->bytes, bytes, length);
    peer->length = length;
}

static void add_peer(struct engines *engines, enum domain_id domain, unsigned member)
{
    char url[DOMAIN_URL_MAX];
    struct peer *peer = &engines->peers[engines->peer_count++];
    if (domain == DOMAIN_PASSWORDS)
        passwords_url(engines->options.port_base, member, url);
    else
        domain_url(engines->options.port_base, domain, url);
    peer->domain = domain;
    peer->member = member;
    peer->caller = caller_open(engines->hub, url);
    peer->call = call_new(peer->caller, on_answer, peer);
}

struct engines *engines_open(const struct engines_options *options)
{
    char path[PATH_MAX];
    struct engines *engines = xcalloc(1, sizeof(*engines));
    engines->options = *options;
    if (options->mac_key == NULL)
        state_dir_key_path(options->state_dir, "mac.key", path, sizeof(path));
    mac_key_load(options->mac_key != NULL ? options->mac_key : path, &engines->key);
    while (engines->run == 0)
        randombytes_buf(&engines->run, sizeof(engines->run));
    int left_fd = engines_join_network(options->state_dir);
    engines->hub = caller_hub_new();
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        add_peer(engines, (enum domain_id)i, 0);
    for (unsigned i = 0; i < options->password_processes; i++)
        add_peer(engines, DOMAIN_PASSWORDS, i);
    engines_leave_network(left_fd);
    return engines;
}

void engines_close(struct engines *engines)
{
    for (size_t i = 0; i < engines->peer_count; i++) {
        caller_close(engines->peers[i].caller);
        free(engines->peers[i].bytes);
    }
    caller_hub_free(engines->hub);
    batch_dispose(&engines->batch);
    sodium_memzero(&engines->key, sizeof(engines->key));
    free(engines);
}

static void peer_ask(struct engines *engines, struct peer *peer, const struct request_frame *frame,
                     uint64_t timeout_ms)
{
    free(peer->bytes);
    peer->bytes = NULL;
    peer->serial = ++engines->last_serial;
    batch_begin(&engines->batch, BATCH_REQUEST, engines->run, peer->serial);
    uint8_t *at = batch_add_request(&engines->batch, frame);
    if (frame->length > 0)
        memcpy(at, frame->payload, frame->length);
    batch_seal(&engines->batch, &engines->key);
    peer->waiting = true;
    call_start(peer->call, engines->batch.bytes, engines->batch.length, timeout_ms);
    sodium_memzero(engines->batch.bytes, engines->batch.length); /* a password may be in it */
}

static void make_id(const struct engines *engines, struct request_id *id)
{
    memcpy(id->bytes, &engines->run, sizeof(engines->run));
    memcpy(id->bytes + sizeof(engines->run), &engines->last_serial, sizeof(engines->last_serial));
}

static bool any_waits(const struct engines *engines)
{
    for (size_t i = 0; i < engines->peer_count; i++)
        if (engines->peers[i].waiting)
            return true;
    return false;
}

/* Calls end by themselves, at their time limit at the latest. */
static void await_answers(struct engines *engines)
{
    while (any_waits(engines)) {
        struct pollfd fd = {.fd = caller_hub_fd(engines->hub), .events = POLLIN};
        if (poll(&fd, 1, -1) < 0 && errno != EINTR)
            fatal_exit(EXIT_OS, "poll: %s", strerror(errno));
        caller_hub_dispatch(engines->hub);
    }
}

/* The first frame of the answer; false: there is none of our engine. */
static bool read_answer(const struct engines *engines, const struct peer *peer, struct reply_frame *frame)
{
    struct batch_reader reader;
    return peer->bytes != NULL &&
           batch_open(&reader, BATCH_REPLY, peer->bytes, peer->length, &engines->key) == BATCH_FINE &&
           reader.serial == peer->serial && batch_next_reply(&reader, frame);
}

size_t engines_ping(struct engines *engines, struct arena *arena, uint64_t timeout_ms,
                    struct engine_answer out[static ENGINES_MAX])
{
    struct request_frame frame = {.command = COMMAND_ID_engine_ping,
                                  .deadline_ms = clock_monotonic_ms() + timeout_ms};
    for (size_t i = 0; i < engines->peer_count; i++) {
        make_id(engines, &frame.id);
        peer_ask(engines, &engines->peers[i], &frame, timeout_ms);
    }
    await_answers(engines);
    for (size_t i = 0; i < engines->peer_count; i++) {
        struct peer *peer = &engines->peers[i];
        struct reply_frame reply;
        out[i] = (struct engine_answer){.domain = peer->domain, .member = peer->member};
        if (read_answer(engines, peer, &reply) && reply.status == STATUS_OK)
            out[i].status = pb__engine_status__unpack(arena_allocator(arena), reply.length, reply.payload);
        if (out[i].status != NULL)
            out[i].pid = (pid_t)out[i].status->pid;
        else if (peer->domain != DOMAIN_PASSWORDS)
            out[i].pid = engines_pid(engines->options.state_dir, peer->domain);
    }
    return engines->peer_count;
}

static struct peer *peer_of(struct engines *engines, enum domain_id domain)
{
    for (size_t i = 0; i < engines->peer_count; i++)
        if (engines->peers[i].domain == domain)
            return &engines->peers[i];
    fatal_exit(EXIT_SOFTWARE, "no engine for this command");
}

/* The command's frame in an answer; false: it is not there. */
static bool find_reply(const struct engines *engines, const struct peer *peer, const struct request_id *id,
                       struct reply_frame *frame)
{
    struct batch_reader reader;
    if (peer->bytes == NULL ||
        batch_open(&reader, BATCH_REPLY, peer->bytes, peer->length, &engines->key) != BATCH_FINE ||
        reader.serial != peer->serial)
        return false;
    while (batch_next_reply(&reader, frame))
        if (memcmp(frame->id.bytes, id->bytes, REQUEST_ID_BYTES) == 0)
            return true;
    return false;
}

enum status engines_run(struct engines *engines, const struct admin_command *command, struct arena *arena,
                        ProtobufCMessage **reply)
{
    const struct schema_command *row = &schema_commands[command->command];
    struct peer *peer = peer_of(engines, domain_of_id(row->id));
    size_t length = protobuf_c_message_get_packed_size(command->request);
    uint8_t *payload = arena_alloc_raw(arena, length);
    protobuf_c_message_pack(command->request, payload);
    struct request_frame frame = {.command = row->id,
                                  .actor = command->actor,
                                  .deadline_ms = clock_monotonic_ms() + LIMIT_ADMIN_MS,
                                  .payload = payload,
                                  .length = (uint32_t)length};
    snprintf(frame.actor_name, sizeof(frame.actor_name), "%s",
             command->actor_name != NULL ? command->actor_name : "");
    make_id(engines, &frame.id);
    peer_ask(engines, peer, &frame, LIMIT_ADMIN_MS);
    await_answers(engines);
    sodium_memzero(payload, length);
    struct reply_frame answer;
    bool found = find_reply(engines, peer, &frame.id, &answer);
    while (found && answer.status == STATUS_DEFERRED) {
        struct request_frame collect = {.command = COMMAND_ID_engine_collect,
                                        .deadline_ms = clock_monotonic_ms() + LIMIT_COLLECT_HOLD_MS};
        make_id(engines, &collect.id);
        peer_ask(engines, peer, &collect, LIMIT_ADMIN_MS);
        await_answers(engines);
        found = find_reply(engines, peer, &frame.id, &answer);
    }
    if (!found)
        return STATUS_ENGINE_UNAVAILABLE;
    if (answer.status == STATUS_OK)
        *reply = protobuf_c_message_unpack(row->reply->descriptor, arena_allocator(arena), answer.length,
                                           answer.payload);
    return answer.status == STATUS_OK && *reply == NULL ? STATUS_BAD_FRAME : (enum status)answer.status;
}
