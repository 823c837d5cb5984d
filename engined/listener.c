#include "engined/listener.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/nng_time.h"
#include "common/transport.h"

enum {
    /*
     * NNG says "sent" when the kernel, or its own connection, has the bytes; closing then may still reset a
     * connection whose peer is just sending, and the peer's NNG throws away what it had not read. So the
     * close comes this long after the last send.
     */
    LINGER_MS = 50,
};

/* Who holds it: NNG (receiving, then sending), the queue, or the owner. */
struct inbound {
    struct listener *listener;
    nng_ctx context;
    nng_aio *receive_aio;
    nng_aio *send_aio;
    nng_msg *request; /* from the receipt to the answer */
    uint64_t received_us;
    void *owner;
    STAILQ_ENTRY(inbound) queue_link;
};

STAILQ_HEAD(inbound_queue, inbound);

struct listener {
    nng_socket socket;
    int event_fd;
    pthread_mutex_t mutex; /* guards what follows, up to `all_sent` */
    struct inbound_queue queue;
    size_t queue_length;
    size_t sending;
    uint64_t last_sent_ms;
    bool closing;
    pthread_cond_t all_sent;
    struct inbound inbounds[LIMIT_INBOUND];
};

static void listener_signal(const struct listener *listener)
{
    ensure(eventfd_write(listener->event_fd, 1) == 0);
}

static void inbound_receive(struct inbound *inbound)
{
    nng_ctx_recv(inbound->context, inbound->receive_aio);
}

/* On one of NNG's threads. */
static void on_received(void *arg)
{
    struct inbound *inbound = arg;
    struct listener *listener = inbound->listener;

    /* Without a time limit a receive fails only when the listener closes. */
    if (nng_aio_result(inbound->receive_aio) != 0)
        return;
    inbound->request = nng_aio_get_msg(inbound->receive_aio);
    inbound->received_us = clock_monotonic_us();
    nng_aio_set_msg(inbound->receive_aio, NULL);
    pthread_mutex_lock(&listener->mutex);
    STAILQ_INSERT_TAIL(&listener->queue, inbound, queue_link);
    bool was_empty = listener->queue_length++ == 0;
    pthread_mutex_unlock(&listener->mutex);
    if (was_empty)
        listener_signal(listener);
}

/* On one of NNG's threads. */
static void on_sent(void *arg)
{
    struct inbound *inbound = arg;
    struct listener *listener = inbound->listener;
    uint64_t now_ms = clock_monotonic_ms();

    if (nng_aio_result(inbound->send_aio) != 0) {
        /* A failed send gives the message back. */
        nng_msg_free(nng_aio_get_msg(inbound->send_aio));
        nng_aio_set_msg(inbound->send_aio, NULL);
    }
    pthread_mutex_lock(&listener->mutex);
    listener->last_sent_ms = now_ms;
    if (--listener->sending == 0 && listener->closing)
        pthread_cond_signal(&listener->all_sent);
    pthread_mutex_unlock(&listener->mutex);
    /* Does nothing once the receive aio was stopped by listener_close, which waits for the end of this
     * callback. */
    inbound_receive(inbound);
}

static enum exit_code exit_code_of(int error)
{
    switch (error) {
    case NNG_EADDRINUSE:
        return EXIT_UNAVAILABLE;
    case NNG_EADDRINVAL:
    case NNG_ENOTSUP:
    case NNG_EINVAL:
        return EXIT_USAGE;
    default:
        return EXIT_OS;
    }
}

static int inbound_open(struct inbound *inbound, struct listener *listener)
{
    int error;

    inbound->listener = listener;
    if ((error = nng_ctx_open(&inbound->context, listener->socket)) != 0)
        return error;
    if ((error = nng_aio_alloc(&inbound->receive_aio, on_received, inbound)) != 0)
        return error;
    if ((error = nng_aio_alloc(&inbound->send_aio, on_sent, inbound)) != 0)
        return error;
    nng_aio_set_timeout(inbound->receive_aio, NNG_DURATION_INFINITE);
    nng_aio_set_timeout(inbound->send_aio, NNG_DURATION_INFINITE);
    inbound_receive(inbound);
    return 0;
}

static void listener_init_handover(struct listener *listener)
{
    pthread_condattr_t attributes;

    listener->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (listener->event_fd < 0)
        fatal_exit(EXIT_OS, "eventfd: %s", strerror(errno));
    STAILQ_INIT(&listener->queue);
    ensure(pthread_mutex_init(&listener->mutex, NULL) == 0);
    ensure(pthread_condattr_init(&attributes) == 0);
    ensure(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    ensure(pthread_cond_init(&listener->all_sent, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

struct listener *listener_open(const char *url)
{
    struct listener *listener = xcalloc(1, sizeof(*listener));
    sigset_t signals;

    if (!transport_url_safe(url, nng_version()))
        fatal_exit(EXIT_USAGE, "listen address %s: needs NNG 1.6, this is %s; use tcp://", url,
                   nng_version());
    listener_init_handover(listener);
    transport_signals_block(&signals);
    nng_time_start();
    int error = nng_rep0_open(&listener->socket);
    transport_signals_restore(&signals);
    if (error == 0)
        error = nng_socket_set_size(listener->socket, NNG_OPT_RECVMAXSZ, TRANSPORT_RECEIVE_MAX_BYTES);
    for (size_t i = 0; error == 0 && i < LIMIT_INBOUND; i++)
        error = inbound_open(&listener->inbounds[i], listener);
    if (error == 0)
        error = nng_listen(listener->socket, url, NULL, 0);
    if (error != 0)
        fatal_exit(exit_code_of(error), "listen address %s: %s", url, nng_strerror(error));
    return listener;
}

static struct timespec timespec_of_ms(uint64_t ms)
{
    return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

static void listener_drain(struct listener *listener, uint64_t deadline_ms)
{
    struct timespec deadline = timespec_of_ms(deadline_ms);

    pthread_mutex_lock(&listener->mutex);
    while (listener->sending > 0) {
        if (pthread_cond_timedwait(&listener->all_sent, &listener->mutex, &deadline) == ETIMEDOUT)
            break;
    }
    uint64_t read_ms = listener->last_sent_ms + LINGER_MS;
    pthread_mutex_unlock(&listener->mutex);

    struct timespec until = timespec_of_ms(read_ms < deadline_ms ? read_ms : deadline_ms);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

void listener_close(struct listener *listener, uint64_t drain_ms)
{
    uint64_t deadline_ms = clock_monotonic_ms() + drain_ms;

    pthread_mutex_lock(&listener->mutex);
    listener->closing = true;
    pthread_mutex_unlock(&listener->mutex);
    /* A stopped aio refuses every further operation, so a send that ends now starts no receive. */
    for (size_t i = 0; i < LIMIT_INBOUND; i++)
        nng_aio_stop(listener->inbounds[i].receive_aio);
    listener_drain(listener, deadline_ms);
    for (size_t i = 0; i < LIMIT_INBOUND; i++) {
        struct inbound *inbound = &listener->inbounds[i];

        nng_aio_free(inbound->send_aio);
        nng_aio_free(inbound->receive_aio);
        nng_msg_free(inbound->request);
        nng_ctx_close(inbound->context);
    }
    pthread_cond_destroy(&listener->all_sent);
    pthread_mutex_destroy(&listener->mutex);
    close(listener->event_fd);
    free(listener);
}

int listener_fd(const struct listener *listener)
{
    return listener->event_fd;
}

struct inbound *listener_next(struct listener *listener)
{
    pthread_mutex_lock(&listener->mutex);
    struct inbound *inbound = STAILQ_FIRST(&listener->queue);
    if (inbound != NULL) {
        STAILQ_REMOVE_HEAD(&listener->queue, queue_link);
        listener->queue_length--;
    } else {
        /* Under the mutex: whoever fills the empty queue signals after this. */
        eventfd_t ignored;
        ensure(eventfd_read(listener->event_fd, &ignored) == 0 || errno == EAGAIN);
    }
    pthread_mutex_unlock(&listener->mutex);
    return inbound;
}

size_t listener_waiting(const struct listener *listener)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)&listener->mutex;

    pthread_mutex_lock(mutex);
    size_t length = listener->queue_length;
    pthread_mutex_unlock(mutex);
    return length;
}

const uint8_t *inbound_bytes(const struct inbound *inbound, size_t *length)
{
    *length = nng_msg_len(inbound->request);
    return nng_msg_body(inbound->request);
}

uint64_t inbound_received_us(const struct inbound *inbound)
{
    return inbound->received_us;
}

void inbound_set_owner(struct inbound *inbound, void *owner)
{
    inbound->owner = owner;
}

void *inbound_owner(const struct inbound *inbound)
{
    return inbound->owner;
}

/* After this the owner has no claim on it: NNG's threads use it again at once. */
static void inbound_end(struct inbound *inbound)
{
    ensure(inbound->request != NULL);
    nng_msg_free(inbound->request);
    inbound->request = NULL;
    inbound->owner = NULL;
}

void inbound_answer(struct inbound *inbound, const uint8_t *bytes, size_t length)
{
    struct listener *listener = inbound->listener;
    nng_msg *answer;

    ensure(length <= LIMIT_MESSAGE_BYTES);
    ensure(nng_msg_alloc(&answer, length) == 0);
    if (length > 0)
        memcpy(nng_msg_body(answer), bytes, length);
    inbound_end(inbound); /* after the copy: the answer may quote the request */
    pthread_mutex_lock(&listener->mutex);
    listener->sending++;
    pthread_mutex_unlock(&listener->mutex);
    nng_aio_set_msg(inbound->send_aio, answer);
    nng_ctx_send(inbound->context, inbound->send_aio);
}

void inbound_drop(struct inbound *inbound)
{
    inbound_end(inbound);
    inbound_receive(inbound);
}
