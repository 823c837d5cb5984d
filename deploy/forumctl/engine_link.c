#include "deploy/forumctl/engine_link.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/caller.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "deploy/forumctl/engines_network.h"
#include "proto/frame.h"
#include "proto/schema.h"
#include "proto/status.h"

struct engine_link {
    struct mac_key key;
    uint64_t run, serial;
    struct caller_hub *hub;
    struct caller *callers[DOMAIN_COUNT];
    struct call *calls[DOMAIN_COUNT];
    /* Of the question under way. */
    const struct schema_command *command;
    bool done;
    ProtobufCMessage *reply;
    const char *why;
};

void engine_link_close(struct engine_link *link)
{
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        caller_close(link->callers[i]);
    caller_hub_free(link->hub);
    sodium_memzero(&link->key, sizeof(link->key));
    free(link);
}

static void read_answer(struct engine_link *link, const uint8_t *bytes, size_t length)
{
    struct batch_reader reader;
    struct reply_frame frame;
    if (batch_open(&reader, BATCH_REPLY, bytes, length, &link->key) != BATCH_FINE ||
        reader.serial != link->serial || !batch_next_reply(&reader, &frame)) {
        link->why = "its answer is not sealed with our key";
        return;
    }
    if (frame.status != STATUS_OK) {
        link->why = frame.status == STATUS_BAD_FRAME
                        ? "it does not know this question: it is of another version"
                        : "it refused the question";
        return;
    }
    link->reply =
        protobuf_c_message_unpack(link->command->reply->descriptor, NULL, frame.length, frame.payload);
    if (link->reply == NULL)
        link->why = "its answer cannot be read";
}

static void on_done(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    static const char *const whys[] = {
        [CALL_TIMED_OUT] = "it does not answer",
        [CALL_RESET] = "it ended, or has another key",
        [CALL_NOT_SENT] = "nobody listens there",
    };
    struct engine_link *link = arg;
    link->done = true;
    link->why = whys[result];
    if (result == CALL_ANSWERED)
        read_answer(link, bytes, length);
}

struct engine_link *engine_link_open(const char *state_dir, const char *mac_key_path, unsigned port_base)
{
    struct engine_link *link = xcalloc(1, sizeof(*link));
    mac_key_load(mac_key_path, &link->key);
    while (link->run == 0)
        randombytes_buf(&link->run, sizeof(link->run));
    int left_fd = engines_join_network(state_dir);
    link->hub = caller_hub_new();
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        char url[DOMAIN_URL_MAX];
        domain_url(port_base, (enum domain_id)i, url);
        link->callers[i] = caller_open(link->hub, url);
        link->calls[i] = call_new(link->callers[i], on_done, link);
    }
    engines_leave_network(left_fd);
    return link;
}

static void send_question(struct engine_link *link, struct call *call, const ProtobufCMessage *request,
                          uint64_t timeout_ms)
{
    struct batch batch = {0};
    batch_begin(&batch, BATCH_REQUEST, link->run, ++link->serial);
    struct request_frame frame = {.command = link->command->id,
                                  .deadline_ms = clock_monotonic_ms() + timeout_ms,
                                  .length = (uint32_t)protobuf_c_message_get_packed_size(request)};
    protobuf_c_message_pack(request, batch_add_request(&batch, &frame));
    batch_seal(&batch, &link->key);
    call_start(call, batch.bytes, batch.length, timeout_ms);
    batch_dispose(&batch);
}

ProtobufCMessage *engine_link_ask(struct engine_link *link, enum domain_id domain, uint16_t command,
                                  const ProtobufCMessage *request, uint64_t timeout_ms, const char **why)
{
    link->command = schema_command_by_id(command);
    ensure(link->command != NULL && request->descriptor == link->command->request->descriptor);
    link->done = false;
    link->reply = NULL;
    send_question(link, link->calls[domain], request, timeout_ms);
    struct pollfd fd = {.fd = caller_hub_fd(link->hub), .events = POLLIN};
    while (!link->done) {
        if (poll(&fd, 1, 1000) < 0 && errno != EINTR)
            fatal_exit(EXIT_OS, "poll: %s", strerror(errno));
        caller_hub_dispatch(link->hub);
    }
    *why = link->why;
    return link->reply;
}
