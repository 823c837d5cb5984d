#include "gateway/http_server.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/fault.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/head_checker.h"
#include "gateway/problem.h"

#define ACCEPT_RETRY_MS    100 /* after accept failed: out of descriptors, say */
#define DATE_BYTES         40
#define LENGTH_BYTES       24
#define READ_BYTES         (16 << 10) /* at most, of a connection in a turn */
#define EVHTTP_HEAD_MAX    (64 << 10) /* above the checker's limits, so that evhttp itself never refuses */
#define EVHTTP_BODY_MAX    (4 << 20)
#define EVHTTP_ALL_METHODS 0xffff

/*
 * What a connection is in the middle of; each with one list in order of entry, so that the first one is the
 * first to be late.
 */
enum phase {
    PHASE_NEW,       /* accepted in this turn */
    PHASE_IDLE,      /* between requests */
    PHASE_HEAD,      /* part of a head is here */
    PHASE_BODY,      /* part of a body is here */
    PHASE_WAITING,   /* the request is with its handler */
    PHASE_ANSWERING, /* the client is to read the answer */
    PHASE_REFUSING,  /* taken away from evhttp: the last answer, then the end */
    PHASE_COUNT,
};

/* A connection; as an exchange: the one request that is being handled on it. */
struct http_exchange {
    struct http_server *server;
    struct bufferevent *bev;
    struct evhttp_connection *evcon; /* NULL while new */
    struct head_checker *checker;
    enum phase phase;
    uint64_t since_ms;
    TAILQ_ENTRY(http_exchange) phase_link;
    TAILQ_ENTRY(http_exchange) turn_link; /* in `answered` or `doomed` */
    struct evhttp_request *request;       /* handed to the handler, not yet answered */
    void *owner;
    uint64_t handled; /* requests handed to the handler */
    int fd;
    enum status refusal; /* what the end will say; STATUS_OK: not refused */
    const char *refusal_detail;
    bool answered, doomed; /* on that list */
    TAILQ_ENTRY(http_exchange) doze_link;
    bool dozing;
    uint64_t doze_ms;
    bool writing; /* what is added to the output now is ours, not evhttp's */
};

TAILQ_HEAD(exchange_list, http_exchange);

struct http_server {
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *bound; /* NULL from the drain on */
    struct evconnlistener *listener;
    struct event *adopting; /* connections that were just accepted */
    struct http_hooks hooks;
    struct metrics *metrics;
    struct exchange_list phases[PHASE_COUNT];
    uint64_t timeouts_ms[PHASE_COUNT]; /* 0: none */
    struct exchange_list answered;     /* in this turn: their answers are to be written */
    struct exchange_list doomed;       /* to be refused at the end of this turn */
    struct exchange_list dozing;       /* by doze_ms */
    struct http_exchange **by_fd;
    size_t by_fd_size;
    size_t connections, connections_max;
    unsigned accepted;  /* in this turn */
    uint64_t accept_ms; /* accepting is switched on again then, whatever happened */
    uint64_t drain_ms;  /* since when; UINT64_MAX: not draining */
    time_t date_s;
    char date[DATE_BYTES]; /* the Date header of date_s */
    char input[READ_BYTES];
};

static void exchange_enter(struct http_exchange *exchange, enum phase phase)
{
    struct http_server *server = exchange->server;
    if (exchange->phase == phase)
        return;
    TAILQ_REMOVE(&server->phases[exchange->phase], exchange, phase_link);
    TAILQ_INSERT_TAIL(&server->phases[phase], exchange, phase_link);
    exchange->phase = phase;
    exchange->since_ms = clock_monotonic_ms();
}

/* In the same phase, anew. */
static void exchange_stay(struct http_exchange *exchange)
{
    struct exchange_list *list = &exchange->server->phases[exchange->phase];
    TAILQ_REMOVE(list, exchange, phase_link);
    TAILQ_INSERT_TAIL(list, exchange, phase_link);
    exchange->since_ms = clock_monotonic_ms();
}

/* Off the list of answers that this turn is to write. */
static void exchange_written(struct http_exchange *exchange)
{
    TAILQ_REMOVE(&exchange->server->answered, exchange, turn_link);
    exchange->answered = false;
}

/* To be refused at the end of the turn, when evhttp's functions are off the stack. */
static void exchange_doom(struct http_exchange *exchange, enum status status, const char *detail)
{
    if (exchange->doomed)
        return;
    if (exchange->answered)
        exchange_written(exchange);
    exchange->refusal = status;
    exchange->refusal_detail = detail;
    exchange->doomed = true;
    TAILQ_INSERT_TAIL(&exchange->server->doomed, exchange, turn_link);
}

static void exchange_throw_away_input(struct http_exchange *exchange)
{
    struct evbuffer *input = bufferevent_get_input(exchange->bev);
    (void)evbuffer_drain(input, evbuffer_get_length(input));
}

/* Refused, and all whole requests before the bad bytes are answered: none of what is left may reach evhttp.
 */
static void exchange_end_at_refusal(struct http_exchange *exchange)
{
    if (exchange->handled < head_checker_requests(exchange->checker))
        return;
    exchange_throw_away_input(exchange);
    exchange_doom(exchange, exchange->refusal, exchange->refusal_detail);
}

static enum phase phase_of_input(const struct http_exchange *exchange)
{
    static const enum phase phases[] = {
        [HEAD_PHASE_IDLE] = PHASE_IDLE, [HEAD_PHASE_HEAD] = PHASE_HEAD, [HEAD_PHASE_BODY] = PHASE_BODY};
    return phases[head_checker_phase(exchange->checker)];
}

static const char *server_date(struct http_server *server)
{
    time_t now_s = (time_t)(clock_wall_ms() / 1000);
    struct tm parts;
    if (now_s != server->date_s || server->date[0] == '\0') {
        server->date_s = now_s;
        (void)strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT",
                       gmtime_r(&now_s, &parts));
    }
    return server->date;
}

/* All that is here are the bytes of one whole request, which were just checked. */
static bool input_is_one_request(const struct http_exchange *exchange)
{
    return exchange->phase == PHASE_IDLE && evbuffer_get_length(bufferevent_get_input(exchange->bev)) == 0 &&
           head_checker_phase(exchange->checker) == HEAD_PHASE_IDLE &&
           head_checker_requests(exchange->checker) == exchange->handled + 1;
}

/*
 * Refuses a request at the least cost there is, if the hook says so: neither evhttp nor a buffer of
 * libevent's ever sees it. The answer goes to the kernel at once. It does not fit only when the client leaves
 * many answers unread: then it has lost its connection.
 */
static bool exchange_shed(struct http_exchange *exchange, const char *bytes, size_t length)
{
    struct http_server *server = exchange->server;
    char answer[HTTP_REFUSAL_BYTES];
    if (server->drain_ms != UINT64_MAX)
        return false;
    size_t size = server->hooks.refuse(server->hooks.arg, bytes, length, server_date(server), answer);
    if (size == 0)
        return false;
    exchange->handled++;
    exchange_stay(exchange);
    if (send(exchange->fd, answer, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
        (void)shutdown(exchange->fd, SHUT_RDWR);
    return true;
}

static void input_add(struct bufferevent *bev, const char *bytes, size_t length)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    (void)evbuffer_unfreeze(input, 0);
    ensure(evbuffer_add(input, bytes, length) == 0);
    (void)evbuffer_freeze(input, 0);
}

static void exchange_wake(struct http_exchange *exchange)
{
    if (!exchange->dozing)
        return;
    TAILQ_REMOVE(&exchange->server->dozing, exchange, doze_link);
    exchange->dozing = false;
    ensure(event_add(&exchange->bev->ev_read, NULL) == 0);
}

/*
 * Whose request comes byte by byte is not listened to for a while: what they cost must not depend on how many
 * pieces they make of it. All of them are looked at together, so that they wake nobody up in between.
 */
static void exchange_doze(struct http_exchange *exchange, size_t came)
{
    struct http_server *server = exchange->server;
    uint64_t now_ms = clock_monotonic_ms();
    if ((exchange->phase != PHASE_HEAD && exchange->phase != PHASE_BODY) || came >= HTTP_DRIP_BYTES ||
        now_ms < exchange->since_ms + HTTP_DOZE_AFTER_MS || exchange->dozing)
        return;
    ensure(event_del(&exchange->bev->ev_read) == 0);
    exchange->dozing = true;
    exchange->doze_ms = (now_ms / HTTP_DOZE_MS + 1) * HTTP_DOZE_MS;
    TAILQ_INSERT_TAIL(&server->dozing, exchange, doze_link);
}

/* Whether evhttp can do something with what is here: a request, a head that announces a body, or a good part
 * of a body. It would look at each byte's arrival for a line's end. */
static bool input_is_useful(const struct http_exchange *exchange, uint64_t heads_before)
{
    return exchange->refusal != STATUS_OK || head_checker_heads(exchange->checker) > heads_before ||
           head_checker_requests(exchange->checker) > exchange->handled ||
           evbuffer_get_length(bufferevent_get_input(exchange->bev)) >= READ_BYTES;
}

/*
 * Checks what came, and takes out what HTTP allows but evhttp cannot read. When a byte is refused it and all
 * behind it go too: the whole requests before it are still served, and what evhttp reads them from must be
 * what was checked.
 */
static void exchange_take(struct http_exchange *exchange, char *bytes, size_t length)
{
    uint64_t heads = head_checker_heads(exchange->checker);
    size_t came = length;
    if (exchange->refusal != STATUS_OK)
        return;
    enum head_verdict verdict = head_checker_filter(exchange->checker, bytes, &length);
    if (verdict != HEAD_REFUSED && input_is_one_request(exchange) && exchange_shed(exchange, bytes, length))
        return;
    input_add(exchange->bev, bytes, length);
    if (verdict == HEAD_REFUSED) {
        exchange->refusal = head_checker_status(exchange->checker);
        exchange->refusal_detail = head_checker_detail(exchange->checker);
        if (exchange->phase < PHASE_WAITING)
            exchange_end_at_refusal(exchange);
    } else if (exchange->phase < PHASE_WAITING) {
        exchange_enter(exchange, phase_of_input(exchange));
    }
    if (input_is_useful(exchange, heads))
        bufferevent_trigger(exchange->bev, EV_READ, 0); /* may free the exchange */
    else
        exchange_doze(exchange, came);
}

/*
 * Reads in place of libevent's own function: that one asks for the number of bytes first and makes a buffer
 * for each read, which took 2 of the 9 us that a refusal cost; and bytes are checked, and refused, before
 * they are in any buffer.
 */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct http_exchange *exchange = arg;
    struct http_server *server = exchange->server;
    (void)what;
    ssize_t got = recv(fd, server->input, sizeof(server->input), MSG_DONTWAIT);
    if (got > 0) {
        exchange_take(exchange, server->input, (size_t)got);
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        exchange_doze(exchange, 0);
    } else {
        (void)bufferevent_disable(exchange->bev, EV_READ);
        bufferevent_trigger_event(exchange->bev,
                                  BEV_EVENT_READING | (got == 0 ? BEV_EVENT_EOF : BEV_EVENT_ERROR), 0);
    }
}

void http_server_look(struct http_server *server, uint64_t now_ms)
{
    struct http_exchange *exchange;
    for (unsigned i = 0; i < HTTP_SLOW_PER_TURN && (exchange = TAILQ_FIRST(&server->dozing)) != NULL &&
                         exchange->doze_ms <= now_ms;
         i++) {
        exchange_wake(exchange);
        on_readable(exchange->fd, EV_READ, exchange);
    }
}

/* libevent says that this part of a bufferevent may change with 2.2. */
static_assert(LIBEVENT_VERSION_NUMBER < 0x02020000, "look whether bufferevents still read by ev_read");

static void set_reader(struct http_exchange *exchange, event_callback_fn reader, void *arg)
{
    struct event *readable = &exchange->bev->ev_read;
    bool wanted = event_pending(readable, EV_READ, NULL) != 0;
    ensure(event_del(readable) == 0);
    ensure(event_assign(readable, exchange->server->base, exchange->fd, EV_READ | EV_PERSIST | EV_FINALIZE,
                        reader, arg) == 0);
    if (wanted)
        ensure(event_add(readable, NULL) == 0);
}

static void on_readable_no_more(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

/* The net below the head checker: whatever evhttp writes by itself but "100 Continue" is replaced by our
 * refusal. */
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
    static const char go_on[] = "HTTP/1.1 100";
    struct http_exchange *exchange = arg;
    char begin[sizeof(go_on) - 1];
    if (info->n_added == 0 || exchange->writing)
        return;
    if (evbuffer_copyout(output, begin, sizeof(begin)) == (ev_ssize_t)sizeof(begin) &&
        memcmp(begin, go_on, sizeof(begin)) == 0)
        return;
    exchange_doom(exchange, STATUS_BAD_REQUEST, "the request cannot be understood");
}

/* For each connection accepted. evhttp's own object is not made yet: the rest is done as soon as libevent is
 * through with the listener, before it looks at another socket, or bytes could come past the head checker (a
 * loop that is to turn once turns again while callbacks are left over). */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct http_server *server = arg;
    struct http_exchange *exchange = xcalloc(1, sizeof(*exchange));
    exchange->server = server;
    exchange->fd = -1;
    exchange->checker = head_checker_new();
    exchange->bev = bufferevent_socket_new(base, -1, 0);
    ensure(exchange->bev != NULL);
    ensure(evbuffer_add_cb(bufferevent_get_output(exchange->bev), on_output, exchange) != NULL);
    bufferevent_setwatermark(exchange->bev, EV_READ, 0, HTTP_INPUT_BYTES);
    bufferevent_incref(exchange->bev);
    exchange->since_ms = clock_monotonic_ms();
    TAILQ_INSERT_TAIL(&server->phases[PHASE_NEW], exchange, phase_link);
    server->connections++;
    metrics_add(server->metrics, METRIC_CONNECTIONS, 1);
    metrics_add(server->metrics, METRIC_ACCEPTED, 1);
    if (++server->accepted >= HTTP_ACCEPTS_PER_TURN || server->connections >= server->connections_max)
        evconnlistener_disable(server->listener);
    event_active(server->adopting, EV_TIMEOUT, 0);
    return exchange->bev;
}

static void on_accept_failed(struct evconnlistener *listener, void *arg)
{
    (void)arg; /* evhttp's */
    log_warn("cannot accept connections for now: %m");
    evconnlistener_disable(listener);
}

static void exchange_free(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    if (exchange->answered)
        exchange_written(exchange);
    if (exchange->doomed)
        TAILQ_REMOVE(&server->doomed, exchange, turn_link);
    if (exchange->dozing)
        TAILQ_REMOVE(&server->dozing, exchange, doze_link);
    TAILQ_REMOVE(&server->phases[exchange->phase], exchange, phase_link);
    if (exchange->fd >= 0)
        server->by_fd[exchange->fd] = NULL;
    head_checker_free(exchange->checker);
    free(exchange);
    server->connections--;
    metrics_add(server->metrics, METRIC_CONNECTIONS, -1);
}

/* evhttp is about to free the connection, whoever asked for it. */
static void on_closed(struct evhttp_connection *evcon, void *arg)
{
    struct http_exchange *exchange = arg;
    struct http_server *server = exchange->server;
    (void)evcon;
    set_reader(exchange, on_readable_no_more, exchange->bev); /* its end is done by that argument */
    (void)evbuffer_remove_cb(bufferevent_get_output(exchange->bev), on_output, exchange);
    if (exchange->request != NULL) {
        /* After an error evhttp has taken it off the connection, and leaves it to us. */
        if (evhttp_request_get_connection(exchange->request) == NULL)
            evhttp_request_free(exchange->request);
        metrics_add(server->metrics, METRIC_CLIENTS_GONE, 1);
        server->hooks.gone(server->hooks.arg, exchange->owner);
    }
    exchange_free(exchange);
}

static void by_fd_set(struct http_server *server, int fd, struct http_exchange *exchange)
{
    size_t size = server->by_fd_size > 0 ? server->by_fd_size : 256;
    while (size <= (size_t)fd)
        size *= 2;
    if (size > server->by_fd_size) {
        server->by_fd = xrealloc(server->by_fd, size * sizeof(server->by_fd[0]));
        memset(server->by_fd + server->by_fd_size, 0, (size - server->by_fd_size) * sizeof(server->by_fd[0]));
        server->by_fd_size = size;
    }
    server->by_fd[fd] = exchange;
}

/* evhttp's object for the connection stands as the argument of its callbacks by now; nothing was read yet. */
static void exchange_adopt(struct http_exchange *exchange)
{
    void *evcon = NULL;
    bufferevent_getcb(exchange->bev, NULL, NULL, NULL, &evcon);
    if (evcon == NULL) { /* evhttp could not use it and let go of it */
        (void)evbuffer_remove_cb(bufferevent_get_output(exchange->bev), on_output, exchange);
        bufferevent_decref(exchange->bev);
        exchange_free(exchange);
        return;
    }
    exchange->evcon = evcon;
    exchange->fd = bufferevent_getfd(exchange->bev);
    by_fd_set(exchange->server, exchange->fd, exchange);
    set_reader(exchange, on_readable, exchange);
    evhttp_connection_set_closecb(exchange->evcon, on_closed, exchange);
    exchange_enter(exchange, PHASE_IDLE);
    bufferevent_decref(exchange->bev);
}

/* The answer is with the kernel. evhttp goes on to the next request, or closes. */
static void on_answered(struct evhttp_request *request, void *arg)
{
    struct http_exchange *exchange = arg;
    (void)request;
    if (exchange->answered)
        exchange_written(exchange);
    exchange_enter(exchange, phase_of_input(exchange));
    if (exchange->refusal != STATUS_OK)
        exchange_end_at_refusal(exchange);
}

static void adopt_all(struct http_server *server)
{
    struct http_exchange *exchange;
    while ((exchange = TAILQ_FIRST(&server->phases[PHASE_NEW])) != NULL)
        exchange_adopt(exchange);
}

static void on_accepted(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    adopt_all(arg);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct http_server *server = arg;
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
    struct http_exchange *exchange = server->by_fd[bufferevent_getfd(bev)];
    ensure(exchange != NULL); /* adopted before a byte of it was read */
    exchange->request = request;
    exchange->owner = NULL;
    exchange->handled++;
    exchange_enter(exchange, PHASE_WAITING);
    evhttp_request_set_on_complete_cb(request, on_answered, exchange);
    server->hooks.request(server->hooks.arg, exchange);
}

void http_exchange_set_owner(struct http_exchange *exchange, void *owner)
{
    exchange->owner = owner;
}

const char *http_exchange_method(const struct http_exchange *exchange)
{
    static const struct {
        enum evhttp_cmd_type type;
        const char *name;
    } methods[] = {
        {EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_POST, "POST"},       {EVHTTP_REQ_HEAD, "HEAD"},
        {EVHTTP_REQ_PUT, "PUT"},     {EVHTTP_REQ_DELETE, "DELETE"},   {EVHTTP_REQ_PATCH, "PATCH"},
        {EVHTTP_REQ_TRACE, "TRACE"}, {EVHTTP_REQ_OPTIONS, "OPTIONS"}, {EVHTTP_REQ_CONNECT, "CONNECT"},
    };
    enum evhttp_cmd_type type = evhttp_request_get_command(exchange->request);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (methods[i].type == type)
            return methods[i].name;
    return "";
}

const char *http_exchange_target(const struct http_exchange *exchange)
{
    return evhttp_request_get_uri(exchange->request);
}

const char *http_exchange_header(const struct http_exchange *exchange, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(exchange->request), name);
}

size_t http_exchange_header_lines(const struct http_exchange *exchange, const char *name, const char **values,
                                  size_t max)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(exchange->request);
    struct evkeyval *header;
    size_t all = 0, seen = 0, count = 0;
    TAILQ_FOREACH(header, headers, next)
    all += strcasecmp(header->key, name) == 0;
    TAILQ_FOREACH(header, headers, next)
    if (strcasecmp(header->key, name) == 0 && all - seen++ <= max)
        values[count++] = header->value;
    return count;
}

const struct sockaddr *http_exchange_peer(const struct http_exchange *exchange)
{
    return evhttp_connection_get_addr(exchange->evcon);
}

const char *http_exchange_body(const struct http_exchange *exchange, size_t *length)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(exchange->request);
    *length = evbuffer_get_length(body);
    return *length > 0 ? (const char *)evbuffer_pullup(body, -1) : NULL;
}

/* Whether `token` is in a comma-separated list. */
static bool list_has(const char *list, const char *token)
{
    size_t length = strlen(token);
    while (*list != '\0') {
        list += strspn(list, ", \t");
        size_t item = strcspn(list, ", \t");
        if (item == length && strncasecmp(list, token, length) == 0)
            return true;
        list += item;
    }
    return false;
}

/* evhttp sees no more than a first Connection header of one word. */
static bool client_closes(struct evhttp_request *request)
{
    struct evkeyval *header;
    TAILQ_FOREACH(header, evhttp_request_get_input_headers(request), next)
    if (strcasecmp(header->key, "Connection") == 0 && list_has(header->value, "close"))
        return true;
    return false;
}

static void add_body(struct evbuffer *output, const struct http_answer *answer, bool bodiless)
{
    if (!bodiless && answer->body_done != NULL)
        ensure(evbuffer_add_reference(output, answer->body, answer->body_length, answer->body_done,
                                      answer->body_arg) == 0);
    else if (!bodiless)
        ensure(evbuffer_add(output, answer->body, answer->body_length) == 0);
    else if (answer->body_done != NULL)
        answer->body_done(answer->body, answer->body_length, answer->body_arg);
}

void http_exchange_answer(struct http_exchange *exchange, const struct http_answer *answer)
{
    struct http_server *server = exchange->server;
    struct evhttp_request *request = exchange->request;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    bool bodiless = answer->status == 204 || answer->status == 304;
    char length[LENGTH_BYTES];
    ensure(request != NULL);
    (void)evhttp_add_header(headers, "Date", server_date(server));
    for (size_t i = 0; i < answer->header_count; i++)
        (void)evhttp_add_header(headers, answer->headers[i].name, answer->headers[i].value);
    if (server->drain_ms != UINT64_MAX || client_closes(request))
        (void)evhttp_add_header(headers, "Connection", "close");
    if (!bodiless) {
        snprintf(length, sizeof(length), "%zu", answer->body_length);
        (void)evhttp_add_header(headers, "Content-Length", length);
    }
    bodiless |= answer->body_length == 0 || evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
    add_body(evhttp_request_get_output_buffer(request), answer, bodiless);
    exchange->request = NULL;
    exchange->owner = NULL;
    exchange_enter(exchange, PHASE_ANSWERING);
    exchange->answered = true;
    TAILQ_INSERT_TAIL(&server->answered, exchange, turn_link);
    exchange->writing = true;
    evhttp_send_reply(request, (int)answer->status, problem_title(answer->status), NULL);
    exchange->writing = false;
}

/* Written at once rather than when epoll says so: that spares the usual answer two system calls and a turn of
 * the loop. What does not fit, and any error, is left to the write event, which is on already. */
static void exchange_write(struct http_exchange *exchange)
{
    struct evbuffer *output = bufferevent_get_output(exchange->bev);
    exchange_written(exchange);
    (void)evbuffer_unfreeze(output, 1);
    FAULT_POINT(write_before);
    (void)evbuffer_write(output, exchange->fd);
    FAULT_POINT(write_after);
    (void)evbuffer_freeze(output, 1);
    if (evbuffer_get_length(output) == 0)
        bufferevent_trigger(exchange->bev, EV_WRITE, 0); /* may free the exchange */
}

/* A connection that was taken away from evhttp ends here; evhttp frees its object all the same. */
static void exchange_close(struct http_exchange *exchange)
{
    evhttp_connection_free(exchange->evcon);
}

/* What still comes is thrown away, or closing would reset the connection under the answer that the client is
 * reading. */
static void on_refused_input(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    (void)arg;
    (void)evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_refusal_written(struct bufferevent *bev, void *arg)
{
    struct http_exchange *exchange = arg;
    (void)bufferevent_disable(bev, EV_WRITE);
    (void)shutdown(exchange->fd, SHUT_WR);
}

static void on_refused_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev, (void)what;
    exchange_close(arg);
}

static void write_refusal(struct http_exchange *exchange, struct evbuffer *output,
                          const struct http_answer *answer)
{
    evbuffer_add_printf(output, "HTTP/1.1 %u %s\r\nDate: %s\r\n", answer->status,
                        problem_title(answer->status), server_date(exchange->server));
    for (size_t i = 0; i < answer->header_count; i++)
        evbuffer_add_printf(output, "%s: %s\r\n", answer->headers[i].name, answer->headers[i].value);
    evbuffer_add_printf(output, "Connection: close\r\nContent-Length: %zu\r\n\r\n", answer->body_length);
    ensure(evbuffer_add(output, answer->body, answer->body_length) == 0);
}

/* Takes the connection away from evhttp, says why, and lets it end. */
static void exchange_refuse(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    struct evbuffer *output = bufferevent_get_output(exchange->bev);
    struct http_answer answer = {0};
    TAILQ_REMOVE(&server->doomed, exchange, turn_link);
    exchange->doomed = false;
    exchange_wake(exchange);
    server->hooks.refused(server->hooks.arg, http_exchange_peer(exchange), exchange->refusal,
                          exchange->refusal_detail, &answer);
    bufferevent_setcb(exchange->bev, on_refused_input, on_refusal_written, on_refused_event, exchange);
    (void)evbuffer_unfreeze(output, 1);
    (void)evbuffer_drain(output, evbuffer_get_length(output));
    (void)evbuffer_freeze(output, 1);
    exchange_throw_away_input(exchange);
    exchange_enter(exchange, PHASE_REFUSING);
    exchange->writing = true;
    write_refusal(exchange, output, &answer);
    (void)bufferevent_enable(exchange->bev, EV_READ | EV_WRITE);
}

/* Without this the kernel would keep offering the rest of the answer to a client that does not read. */
static void exchange_reset(struct http_exchange *exchange)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(exchange->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    exchange_close(exchange);
}

static void exchange_is_late(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    metrics_add(server->metrics, METRIC_CLIENT_TIMEOUTS, exchange->phase == PHASE_REFUSING ? 0 : 1);
    if (exchange->phase == PHASE_HEAD || exchange->phase == PHASE_BODY) {
        exchange_doom(exchange, STATUS_REQUEST_TIMEOUT, NULL);
        exchange_refuse(exchange);
    } else if (exchange->phase == PHASE_ANSWERING) {
        exchange_reset(exchange);
    } else {
        exchange_close(exchange);
    }
}

/* A crowd that came together is late together: closed in parts, so that it holds up nobody else. */
static void close_late(struct http_server *server, uint64_t now_ms)
{
    unsigned closed = 0;
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        struct http_exchange *exchange;
        while (server->timeouts_ms[i] != 0 && (exchange = TAILQ_FIRST(&server->phases[i])) != NULL &&
               exchange->since_ms + server->timeouts_ms[i] <= now_ms && closed++ < HTTP_SLOW_PER_TURN)
            exchange_is_late(exchange);
    }
}

static void close_idle(struct http_server *server)
{
    struct http_exchange *exchange;
    while ((exchange = TAILQ_FIRST(&server->phases[PHASE_IDLE])) != NULL)
        exchange_close(exchange);
}

static void accept_again(struct http_server *server, uint64_t now_ms)
{
    bool paused = server->accepted >= HTTP_ACCEPTS_PER_TURN;
    server->accepted = 0;
    if (server->listener == NULL || server->connections >= server->connections_max)
        return;
    if (paused || now_ms >= server->accept_ms) {
        evconnlistener_enable(server->listener);
        server->accept_ms = now_ms + ACCEPT_RETRY_MS;
    }
}

void http_server_turn(struct http_server *server, uint64_t now_ms)
{
    struct http_exchange *exchange;
    adopt_all(server);
    while ((exchange = TAILQ_FIRST(&server->answered)) != NULL)
        exchange_write(exchange);
    while ((exchange = TAILQ_FIRST(&server->doomed)) != NULL) {
        metrics_add(server->metrics, METRIC_REFUSED_HEADS, 1);
        exchange_refuse(exchange);
    }
    close_late(server, now_ms);
    if (server->drain_ms != UINT64_MAX && now_ms >= server->drain_ms + HTTP_DRAIN_IDLE_MS)
        close_idle(server);
    accept_again(server, now_ms);
}

uint64_t http_server_next_ms(const struct http_server *server)
{
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        const struct http_exchange *first = TAILQ_FIRST(&server->phases[i]);
        if (server->timeouts_ms[i] != 0 && first != NULL &&
            first->since_ms + server->timeouts_ms[i] < next_ms)
            next_ms = first->since_ms + server->timeouts_ms[i];
    }
    const struct http_exchange *dozing = TAILQ_FIRST(&server->dozing);
    if (dozing != NULL && dozing->doze_ms < next_ms)
        next_ms = dozing->doze_ms;
    if (server->drain_ms != UINT64_MAX && !TAILQ_EMPTY(&server->phases[PHASE_IDLE]) &&
        server->drain_ms + HTTP_DRAIN_IDLE_MS < next_ms)
        next_ms = server->drain_ms + HTTP_DRAIN_IDLE_MS;
    /* Accepting may have failed meanwhile, which on_accept_failed has no way to note here. */
    if (server->listener != NULL && server->connections > 0 &&
        server->connections < server->connections_max && server->accept_ms < next_ms)
        next_ms = server->accept_ms;
    return next_ms;
}

void http_server_drain(struct http_server *server, uint64_t now_ms)
{
    if (server->drain_ms != UINT64_MAX)
        return;
    server->drain_ms = now_ms;
    evhttp_del_accept_socket(server->http, server->bound);
    server->bound = NULL;
    server->listener = NULL;
}

size_t http_server_connections(const struct http_server *server)
{
    return server->connections;
}

struct http_server *http_server_new(struct event_base *base, int listen_fd, size_t connections_max,
                                    const struct http_timeouts *timeouts, const struct http_hooks *hooks,
                                    struct metrics *metrics)
{
    struct http_server *server = xcalloc(1, sizeof(*server));
    server->base = base;
    server->hooks = *hooks;
    server->metrics = metrics;
    server->connections_max = connections_max;
    server->timeouts_ms[PHASE_IDLE] = timeouts->idle_ms;
    server->timeouts_ms[PHASE_HEAD] = timeouts->head_ms;
    server->timeouts_ms[PHASE_BODY] = timeouts->body_ms;
    server->timeouts_ms[PHASE_ANSWERING] = timeouts->answer_ms;
    server->timeouts_ms[PHASE_REFUSING] = HTTP_LINGER_TIMEOUT_MS;
    server->drain_ms = UINT64_MAX;
    for (size_t i = 0; i < PHASE_COUNT; i++)
        TAILQ_INIT(&server->phases[i]);
    TAILQ_INIT(&server->answered);
    TAILQ_INIT(&server->doomed);
    TAILQ_INIT(&server->dozing);
    server->http = evhttp_new(base);
    server->adopting = event_new(base, -1, 0, on_accepted, server);
    server->listener =
        evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE, 0, listen_fd);
    ensure(server->http != NULL && server->adopting != NULL);
    if (server->listener == NULL)
        fatal_exit(EXIT_OS, "cannot listen on descriptor %d: %m", listen_fd);
    evconnlistener_set_error_cb(server->listener, on_accept_failed);
    server->bound = evhttp_bind_listener(server->http, server->listener);
    ensure(server->bound != NULL);
    evhttp_set_max_headers_size(server->http, EVHTTP_HEAD_MAX);
    evhttp_set_max_body_size(server->http, EVHTTP_BODY_MAX);
    evhttp_set_default_content_type(server->http, NULL);
    evhttp_set_allowed_methods(server->http, EVHTTP_ALL_METHODS);
    evhttp_set_bevcb(server->http, on_accept, server);
    evhttp_set_gencb(server->http, on_request, server);
    return server;
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    adopt_all(server);
    event_free(server->adopting);
    evhttp_free(server->http);
    free(server->by_fd);
    free(server);
}
