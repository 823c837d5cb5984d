#include "engined/passwords.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/latency.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/process.h"
#include "common/sandbox.h"
#include "common/version.h"
#include "engined/listener.h"
#include "engined/password_hash.h"
#include "proto/domains.h"
#include "proto/engine.pb-c.h"
#include "proto/frame.h"
#include "proto/schema_commands.h"
#include "proto/status.h"

#define DRAIN_MS 1000
#define POLL_MS  5000

enum { POLL_LISTENER, POLL_SIGNALS, POLL_LIFELINE, POLL_COUNT };

struct passwords {
    struct listener *listener;
    struct notify *notify;
    struct mac_key key;
    struct arena *arena;
    struct batch reply;
    uint64_t run; /* random, not 0: who this process is */
    uint64_t start_ms, checked;
    uint64_t latency[LATENCY_BUCKETS + 1];
    bool refused; /* a batch was, and it was told */
    int signal_fd, lifeline_fd;
};

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        fatal_exit(EXIT_OS, "cannot block signals: %s", strerror(errno));
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        fatal_exit(EXIT_OS, "signalfd: %s", strerror(errno));
    return fd;
}

static void put_payload(struct passwords *passwords, const ProtobufCMessage *message,
                        struct reply_frame *reply)
{
    reply->length = (uint32_t)protobuf_c_message_get_packed_size(message);
    uint8_t *payload = arena_alloc_raw(passwords->arena, reply->length);
    protobuf_c_message_pack(message, payload);
    reply->payload = payload;
}

/* For forumctl status. */
static enum status tell_status(struct passwords *passwords, struct reply_frame *reply)
{
    struct process_usage usage;
    process_usage(&usage);
    Pb__EngineStatus status = PB__ENGINE_STATUS__INIT;
    status.domain = (char *)domain_name(DOMAIN_PASSWORDS);
    status.version = (char *)version_text;
    status.has_pid = status.has_uptime_ms = status.has_restarts = status.has_frames = true;
    status.has_storage_ok = status.has_resident_bytes = true;
    status.pid = (uint32_t)getpid();
    status.uptime_ms = clock_monotonic_ms() - passwords->start_ms;
    status.restarts = notify_restarts();
    status.frames = passwords->checked;
    status.storage_ok = true; /* it has none */
    status.resident_bytes = usage.resident_bytes;
    status.n_latency = ARRAY_LEN(passwords->latency);
    status.latency = passwords->latency;
    put_payload(passwords, &status.base, reply);
    return STATUS_OK;
}

/* The answer's payload, in the arena. */
static enum status work(struct passwords *passwords, const struct request_frame *frame,
                        struct reply_frame *reply)
{
    char new_hash[PASSWORD_HASH_MAX];
    Pb__PasswordsChecked checked;
    if (frame->command == COMMAND_ID_engine_ping)
        return tell_status(passwords, reply);
    if (frame->command != COMMAND_ID_passwords_check)
        return STATUS_BAD_FRAME;
    if (frame->deadline_ms <= clock_monotonic_ms())
        return STATUS_EXPIRED;
    Pb__PasswordsCheck *request =
        pb__passwords_check__unpack(arena_allocator(passwords->arena), frame->length, frame->payload);
    if (request == NULL)
        return STATUS_BAD_FRAME;
    uint64_t begin_us = clock_monotonic_us();
    bool fine = password_hash_answer(request, new_hash, &checked);
    passwords->latency[latency_bucket(clock_monotonic_us() - begin_us)]++;
    passwords->checked++;
    if (request->password != NULL)
        sodium_memzero(request->password, strlen(request->password));
    if (request->new_password != NULL)
        sodium_memzero(request->new_password, strlen(request->new_password));
    if (!fine)
        return STATUS_OVERLOADED;
    put_payload(passwords, &checked.base, reply);
    return STATUS_OK;
}

static void answer_frame(struct passwords *passwords, const struct request_frame *frame)
{
    struct reply_frame reply = {.id = frame->id};
    reply.status = (uint16_t)work(passwords, frame, &reply);
    uint8_t *at = batch_add_reply(&passwords->reply, &reply);
    if (reply.length > 0)
        memcpy(at, reply.payload, reply.length);
    arena_reset(passwords->arena);
    notify_alive(passwords->notify, clock_monotonic_ms());
}

static void answer(struct passwords *passwords, struct inbound *inbound)
{
    size_t length;
    struct batch_reader reader;
    struct request_frame frame;
    const uint8_t *bytes = inbound_bytes(inbound, &length);
    if (batch_open(&reader, BATCH_REQUEST, bytes, length, &passwords->key) != BATCH_FINE) {
        if (!passwords->refused)
            log_warn("a batch was refused (told once)");
        passwords->refused = true;
        inbound_drop(inbound);
        return;
    }
    batch_begin(&passwords->reply, BATCH_REPLY, passwords->run, reader.serial);
    while (batch_next_request(&reader, &frame))
        answer_frame(passwords, &frame);
    batch_seal(&passwords->reply, &passwords->key);
    sodium_memzero((void *)(uintptr_t)bytes, length); /* the request's own copy: it goes back to NNG next */
    inbound_answer(inbound, passwords->reply.bytes, passwords->reply.length);
}

/* True: it is to end. */
static bool loop_turn(struct passwords *passwords)
{
    struct pollfd fds[POLL_COUNT] = {
        [POLL_LISTENER] = {.fd = listener_fd(passwords->listener), .events = POLLIN},
        [POLL_SIGNALS] = {.fd = passwords->signal_fd, .events = POLLIN},
        [POLL_LIFELINE] = {.fd = passwords->lifeline_fd, .events = POLLIN}, /* -1: ignored by poll */
    };
    uint64_t wait_ms = notify_interval_ms(passwords->notify);
    int count = poll(fds, POLL_COUNT, wait_ms < POLL_MS ? (int)wait_ms : POLL_MS);
    if (count < 0 && errno != EINTR)
        fatal_exit(EXIT_OS, "poll: %s", strerror(errno));
    if (count > 0 && (fds[POLL_SIGNALS].revents != 0 || fds[POLL_LIFELINE].revents != 0))
        return true;
    struct inbound *inbound = listener_next(passwords->listener);
    if (inbound != NULL)
        answer(passwords, inbound);
    notify_alive(passwords->notify, clock_monotonic_ms());
    return false;
}

int passwords_run(const struct passwords_options *options)
{
    char url[DOMAIN_URL_MAX];
    struct passwords passwords = {
        .notify = notify_open(), .lifeline_fd = lifeline_open(), .start_ms = clock_monotonic_ms()};
    passwords.signal_fd = open_signals();
    passwords.arena = arena_new();
    mac_key_load(options->mac_key_path, &passwords.key);
    while (passwords.run == 0)
        randombytes_buf(&passwords.run, sizeof(passwords.run));
    passwords_url(options->port_base, options->member, url);
    passwords.listener = listener_open(url);
    sandbox_enter(SANDBOX_WORKER); /* it changes no file either */
    log_info("serving url=%s", url);
    notify_ready(passwords.notify);
    while (!loop_turn(&passwords))
        ;
    notify_stopping(passwords.notify);
    log_info("stopping");
    listener_close(passwords.listener, DRAIN_MS);
    batch_dispose(&passwords.reply);
    arena_free(passwords.arena);
    notify_close(passwords.notify);
    close(passwords.signal_fd);
    return 0;
}
