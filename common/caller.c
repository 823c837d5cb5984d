#include "common/caller.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/nng_time.h"
#include "common/transport.h"

enum {
    RECONNECT_MIN_MS = 10,
    RECONNECT_MAX_MS = 100,
    TIMEOUT_MAX_MS = 24 * 3600 * 1000,
    PULSE_GAP_MS = 250,
    PULSE_PATIENCE_MS = 1000,
    PULSE_TURN_MS =
        400, /* the most that one turn counts: a process that was stopped itself waited for nothing */
};

#define PULSE_URL_BYTES 48

TAILQ_HEAD(completions, call);

/* A connection within the process that is closed on purpose, to see whether NNG's reaper takes it away. Lives
 * until the process ends: NNG's threads know it. */
struct pulse {
    nng_socket dialled, listening;
    atomic_uint pipe;     /* of `dialled`; 0: not connected (again) yet */
    atomic_bool unreaped; /* closed, and not taken away yet */
    bool wanted;          /* something happened that a hanging reaper may be behind */
    uint64_t next_ms;     /* not before */
    uint64_t looked_ms;   /* last turn */
    uint64_t unreaped_ms; /* how long we have watched it */
};

struct caller_hub {
    int event_fd;
    unsigned callers;
    struct pulse *pulse;   /* from the first caller on */
    pthread_mutex_t mutex; /* guards what follows, and each call's completion */
    struct completions completed;
    size_t completed_count;
};

struct caller {
    struct caller_hub *hub;
    nng_socket socket;
    nng_aio *try_aio; /* no callback, never waits: shared by the calls */
    LIST_HEAD(, call) calls;
};

struct call {
    struct caller *caller;
    call_done_fn done;
    void *arg;
    LIST_ENTRY(call) link;
    nng_ctx context;
    nng_aio *send_aio;
    nng_aio *receive_aio;
    bool busy;            /* the owner's thread only */
    uint64_t deadline_ms; /* written before the request is handed to NNG */
    /* The completion, under the hub's mutex. */
    TAILQ_ENTRY(call) completed_link;
    bool completed;
    enum call_result result;
    nng_msg *answer;
};

static void hub_signal(const struct caller_hub *hub)
{
    ensure(eventfd_write(hub->event_fd, 1) == 0);
}

/*
 * On one of NNG's threads. From the unlock on the owner may have started the call again, so it is not touched
 * any more. Nor may the hub go: caller_close waits for the end of this callback.
 */
static void call_complete(struct call *call, enum call_result result, nng_msg *answer)
{
    struct caller_hub *hub = call->caller->hub;

    pthread_mutex_lock(&hub->mutex);
    ensure(!call->completed);
    call->completed = true;
    call->result = result;
    call->answer = answer;
    TAILQ_INSERT_TAIL(&hub->completed, call, completed_link);
    bool was_empty = hub->completed_count++ == 0;
    pthread_mutex_unlock(&hub->mutex);
    if (was_empty)
        hub_signal(hub);
}

/* Under the hub's mutex. */
static nng_msg *call_take_completion(struct call *call)
{
    struct caller_hub *hub = call->caller->hub;
    nng_msg *answer = call->answer;

    TAILQ_REMOVE(&hub->completed, call, completed_link);
    hub->completed_count--;
    call->completed = false;
    call->answer = NULL;
    return answer;
}

static nng_duration call_time_left_ms(const struct call *call)
{
    uint64_t now_ms = clock_monotonic_ms();

    /* 0 would mean "do not wait" to NNG, which fails on a path of its own. */
    return call->deadline_ms > now_ms ? (nng_duration)(call->deadline_ms - now_ms) : 1;
}

static void call_receive(struct call *call)
{
    nng_aio_set_timeout(call->receive_aio, call_time_left_ms(call));
    nng_ctx_recv(call->context, call->receive_aio);
}

/* On one of NNG's threads: the request went to a connection, or never will. */
static void on_sent(void *arg)
{
    struct call *call = arg;

    if (nng_aio_result(call->send_aio) == 0) {
        call_receive(call);
        return;
    }
    /* A failed send gives the message back. */
    nng_msg_free(nng_aio_get_msg(call->send_aio));
    nng_aio_set_msg(call->send_aio, NULL);
    call_complete(call, CALL_NOT_SENT, NULL);
}

/* On one of NNG's threads. */
static void on_answer(void *arg)
{
    struct call *call = arg;
    nng_msg *answer = NULL;
    enum call_result result = CALL_RESET;

    switch (nng_aio_result(call->receive_aio)) {
    case 0:
        answer = nng_aio_get_msg(call->receive_aio);
        nng_aio_set_msg(call->receive_aio, NULL);
        result = CALL_ANSWERED;
        break;
    case NNG_ETIMEDOUT:
        result = CALL_TIMED_OUT;
        break;
    default: /* NNG_ECONNRESET, or a cancel: then nobody reads it */
        break;
    }
    call_complete(call, result, answer);
}

struct caller_hub *caller_hub_new(void)
{
    struct caller_hub *hub = xcalloc(1, sizeof(*hub));

    hub->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (hub->event_fd < 0)
        fatal_exit(EXIT_OS, "eventfd: %s", strerror(errno));
    ensure(pthread_mutex_init(&hub->mutex, NULL) == 0);
    TAILQ_INIT(&hub->completed);
    return hub;
}

void caller_hub_free(struct caller_hub *hub)
{
    if (hub == NULL)
        return;
    ensure(hub->callers == 0 && hub->completed_count == 0);
    pthread_mutex_destroy(&hub->mutex);
    close(hub->event_fd);
    free(hub);
}

int caller_hub_fd(const struct caller_hub *hub)
{
    return hub->event_fd;
}

/* One callback; false: none waited. */
static bool hub_dispatch_one(struct caller_hub *hub)
{
    pthread_mutex_lock(&hub->mutex);
    struct call *call = TAILQ_FIRST(&hub->completed);
    if (call == NULL) {
        pthread_mutex_unlock(&hub->mutex);
        return false;
    }
    enum call_result result = call->result;
    nng_msg *answer = call_take_completion(call);
    pthread_mutex_unlock(&hub->mutex);

    call->busy = false;
    if (result == CALL_RESET || result == CALL_NOT_SENT)
        hub->pulse->wanted = true;
    if (answer != NULL)
        call->done(call->arg, result, nng_msg_body(answer), nng_msg_len(answer));
    else
        call->done(call->arg, result, NULL, 0);
    nng_msg_free(answer);
    return true;
}

void caller_hub_dispatch(struct caller_hub *hub)
{
    eventfd_t ignored;

    if (eventfd_read(hub->event_fd, &ignored) != 0 && errno != EAGAIN && errno != EINTR)
        fatal_exit(EXIT_OS, "eventfd: %s", strerror(errno));
    pthread_mutex_lock(&hub->mutex);
    size_t due = hub->completed_count;
    pthread_mutex_unlock(&hub->mutex);
    /* Bounded by what was there at first: a callback that starts a call again must not keep the loop here for
     * ever. */
    while (due > 0 && hub_dispatch_one(hub))
        due--;
    pthread_mutex_lock(&hub->mutex);
    bool more = hub->completed_count > 0;
    pthread_mutex_unlock(&hub->mutex);
    if (more)
        hub_signal(hub);
}

/* On one of NNG's threads; REM_POST on its reaper, at the beginning of its work. */
static void on_pulse(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct pulse *pulse = arg;

    if (event == NNG_PIPE_EV_ADD_POST)
        atomic_store(&pulse->pipe, (unsigned)nng_pipe_id(pipe));
    else
        atomic_store(&pulse->unreaped, false);
}

static int pulse_open(struct caller_hub *hub)
{
    char url[PULSE_URL_BYTES];
    int error;

    if (hub->pulse != NULL)
        return 0;
    struct pulse *pulse = hub->pulse = xcalloc(1, sizeof(*pulse));
    snprintf(url, sizeof(url), "inproc://pulse-%p", (void *)pulse);
    if ((error = nng_pair0_open(&pulse->listening)) != 0 || (error = nng_pair0_open(&pulse->dialled)) != 0)
        return error;
    if ((error = nng_pipe_notify(pulse->dialled, NNG_PIPE_EV_ADD_POST, on_pulse, pulse)) != 0 ||
        (error = nng_pipe_notify(pulse->dialled, NNG_PIPE_EV_REM_POST, on_pulse, pulse)) != 0 ||
        (error = nng_socket_set_ms(pulse->dialled, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0)
        return error;
    if ((error = nng_listen(pulse->listening, url, NULL, 0)) != 0)
        return error;
    return nng_dial(pulse->dialled, url, NULL, 0);
}

static void pulse_begin(struct pulse *pulse, uint64_t now_ms)
{
    unsigned id = now_ms < pulse->next_ms ? 0 : atomic_exchange(&pulse->pipe, 0);

    if (id == 0)
        return;
    pulse->wanted = false;
    pulse->next_ms = now_ms + PULSE_GAP_MS;
    pulse->unreaped_ms = 0;
    atomic_store(&pulse->unreaped, true);
    (void)!nng_pipe_close((nng_pipe){.id = id}); /* it may have closed by itself */
}

bool caller_hub_stuck(struct caller_hub *hub, uint64_t now_ms)
{
    struct pulse *pulse = hub->pulse;

    if (pulse == NULL)
        return false;
    uint64_t turn_ms = now_ms - pulse->looked_ms;
    pulse->looked_ms = now_ms;
    if (!atomic_load(&pulse->unreaped)) {
        if (pulse->wanted)
            pulse_begin(pulse, now_ms);
        return false;
    }
    pulse->unreaped_ms += turn_ms < PULSE_TURN_MS ? turn_ms : PULSE_TURN_MS;
    return pulse->unreaped_ms >= PULSE_PATIENCE_MS;
}

static void caller_dial(struct caller *caller, const char *url)
{
    nng_dialer dialer;
    int error = nng_dialer_create(&dialer, caller->socket, url);

    if (error != 0)
        fatal_exit(EXIT_USAGE, "engine address %s: %s", url, nng_strerror(error));
    error = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    if (error != 0)
        fatal_exit(EXIT_USAGE, "engine address %s: %s", url, nng_strerror(error));
}

static int caller_set_options(nng_socket socket)
{
    static const struct {
        const char *name;
        nng_duration value_ms;
    } times[] = {
        {NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE},
        {NNG_OPT_RECONNMINT, RECONNECT_MIN_MS},
        {NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS},
    };
    int error = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, TRANSPORT_RECEIVE_MAX_BYTES);

    for (size_t i = 0; error == 0 && i < ARRAY_LEN(times); i++)
        error = nng_socket_set_ms(socket, times[i].name, times[i].value_ms);
    return error;
}

struct caller *caller_open(struct caller_hub *hub, const char *url)
{
    struct caller *caller = xcalloc(1, sizeof(*caller));
    sigset_t signals;

    if (!transport_url_safe(url, nng_version()))
        fatal_exit(EXIT_USAGE, "engine address %s: needs NNG 1.6, this is %s; use tcp://", url,
                   nng_version());
    caller->hub = hub;
    LIST_INIT(&caller->calls);
    transport_signals_block(&signals);
    nng_time_start();
    int error = nng_req0_open(&caller->socket);
    transport_signals_restore(&signals);
    if (error == 0)
        error = pulse_open(hub);
    if (error == 0)
        error = caller_set_options(caller->socket);
    if (error == 0)
        error = nng_aio_alloc(&caller->try_aio, NULL, NULL);
    if (error != 0)
        fatal_exit(EXIT_OS, "engine address %s: %s", url, nng_strerror(error));
    nng_aio_set_timeout(caller->try_aio, NNG_DURATION_ZERO);
    caller_dial(caller, url);
    hub->callers++;
    return caller;
}

static void call_free(struct call *call)
{
    call_cancel(call);
    nng_aio_free(call->send_aio);
    nng_aio_free(call->receive_aio);
    nng_ctx_close(call->context);
    free(call);
}

void caller_close(struct caller *caller)
{
    struct call *call;

    if (caller == NULL)
        return;
    while ((call = LIST_FIRST(&caller->calls)) != NULL) {
        LIST_REMOVE(call, link);
        call_free(call);
    }
    nng_aio_free(caller->try_aio);
    caller->hub->callers--;
    free(caller);
}

struct call *call_new(struct caller *caller, call_done_fn done, void *arg)
{
    struct call *call = xcalloc(1, sizeof(*call));
    int error = nng_ctx_open(&call->context, caller->socket);

    if (error == 0)
        error = nng_aio_alloc(&call->send_aio, on_sent, call);
    if (error == 0)
        error = nng_aio_alloc(&call->receive_aio, on_answer, call);
    if (error != 0)
        fatal_exit(EXIT_OS, "request context: %s", nng_strerror(error));
    call->caller = caller;
    call->done = done;
    call->arg = arg;
    LIST_INSERT_HEAD(&caller->calls, call, link);
    return call;
}

bool call_busy(const struct call *call)
{
    return call->busy;
}

/*
 * Sends if a connection is ready this instant. The aio has no callback, so that a send that works - the usual
 * case - is complete on return and wakes none of NNG's threads. REQ hands the message over or gives it back
 * under one lock: a failure here means not sent.
 */
static bool call_try_send(struct call *call, nng_msg *message)
{
    nng_aio *aio = call->caller->try_aio;

    nng_aio_set_msg(aio, message);
    nng_ctx_send(call->context, aio);
    nng_aio_wait(aio);
    nng_aio_set_msg(aio, NULL);
    return nng_aio_result(aio) == 0;
}

void call_start(struct call *call, const uint8_t *bytes, size_t length, uint64_t timeout_ms)
{
    nng_msg *message;

    ensure(!call->busy);
    ensure(length <= LIMIT_MESSAGE_BYTES && timeout_ms > 0 && timeout_ms <= TIMEOUT_MAX_MS);
    ensure(nng_msg_alloc(&message, length) == 0);
    if (length > 0)
        memcpy(nng_msg_body(message), bytes, length);
    call->busy = true;
    call->deadline_ms = clock_monotonic_ms() + timeout_ms;
    if (call_try_send(call, message)) {
        call_receive(call);
        return;
    }
    nng_aio_set_timeout(call->send_aio, (nng_duration)timeout_ms);
    nng_aio_set_msg(call->send_aio, message);
    nng_ctx_send(call->context, call->send_aio);
}

/*
 * The send comes first: its callback is what starts the receive, so once it is over nothing can start one any
 * more. After both waits no callback of this call runs or will run, and what is left is a completion that may
 * stand in the list.
 */
void call_cancel(struct call *call)
{
    struct caller_hub *hub = call->caller->hub;
    nng_msg *answer = NULL;

    if (!call->busy)
        return;
    nng_aio_cancel(call->send_aio);
    nng_aio_wait(call->send_aio);
    nng_aio_cancel(call->receive_aio);
    nng_aio_wait(call->receive_aio);
    pthread_mutex_lock(&hub->mutex);
    if (call->completed)
        answer = call_take_completion(call);
    pthread_mutex_unlock(&hub->mutex);
    nng_msg_free(answer);
    call->busy = false;
}
