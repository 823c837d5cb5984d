#include "tests/fault/flood.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX       512
#define MEANWHILE_US     100000
#define INPUT_BYTES      (256u << 10)
#define SENDS_PER_TURN   256 /* then answers are read, so that their times are right */
#define PORTS_PER_SOURCE 20000

struct line {
    int fd;
    bool busy;       /* a request is out */
    uint64_t number; /* of the request */
    uint64_t due_us, sent_us;
    unsigned status;    /* of the answer whose body is being read */
    size_t body_left;   /* of it */
    size_t head_length; /* bytes of an unfinished head in `head` */
    char *head;         /* NULL until a head comes in parts */
};

struct flood {
    const struct flood_spec *spec;
    struct flood_result *result;
    int epoll;
    struct line *lines;
    struct line **idle; /* a stack */
    size_t idle_count;
    uint64_t start_us, end_us, meanwhile_us;
    uint64_t next; /* number of the next request */
    size_t busy_count;
    char input[INPUT_BYTES];
};

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Source addresses 127.0.0.2, .3, ... so that ports do not run short. */
static void line_connect(struct flood *flood, struct line *line)
{
    size_t index = (size_t)(line - flood->lines);
    int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)flood->spec->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr =
                                   htonl(INADDR_LOOPBACK + 1 + (uint32_t)(index / PORTS_PER_SOURCE))};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = line};
    line->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(line->fd >= 0, "socket: %s", strerror(errno));
    (void)setsockopt(line->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void)setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    cr_assert(bind(line->fd, (struct sockaddr *)&from, sizeof(from)) == 0, "bind: %s", strerror(errno));
    cr_assert(connect(line->fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect: %s", strerror(errno));
    cr_assert(epoll_ctl(flood->epoll, EPOLL_CTL_ADD, line->fd, &event) == 0, "epoll_ctl: %s",
              strerror(errno));
    line->busy = false;
    line->body_left = 0;
    line->head_length = 0;
    flood->idle[flood->idle_count++] = line;
}

static void line_send(struct flood *flood, struct line *line, uint64_t due_us)
{
    char request[FLOOD_REQUEST_BYTES];
    size_t length = flood->spec->make(flood->spec->arg, flood->next, request, sizeof(request));
    line->number = flood->next++;
    line->busy = true;
    line->due_us = due_us;
    line->sent_us = now_us();
    flood->busy_count++;
    flood->result->sent++;
    /* A socket with nothing in it takes it whole; one that the server closed shows that on reading. */
    ssize_t sent = send(line->fd, request, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    cr_assert(sent == (ssize_t)length || sent < 0);
}

static void line_answered(struct flood *flood, struct line *line)
{
    struct flood_result *result = flood->result;
    uint64_t took_us = now_us() - line->sent_us;
    unsigned status = line->status;
    bool timed = line->sent_us >= flood->start_us + flood->spec->settle_ms * 1000ull;
    if ((status >= 200 && status < 300) || status == 304) {
        result->good++;
        if (timed)
            histogram_add(result->good_us, took_us);
    } else if (status == 503 || status == 429) {
        result->shed++;
        if (timed) {
            histogram_add(result->shed_us, took_us);
            histogram_add(result->shed_due_us, took_us + line->sent_us - line->due_us);
        }
    } else {
        result->other++;
        result->other_status = status;
    }
    line->busy = false;
    flood->busy_count--;
    flood->idle[flood->idle_count++] = line;
}

static void line_broken(struct flood *flood, struct line *line)
{
    if (line->busy) {
        flood->result->broken++;
        flood->busy_count--;
    } else {
        for (size_t i = 0; i < flood->idle_count; i++)
            if (flood->idle[i] == line)
                flood->idle[i] = flood->idle[--flood->idle_count];
    }
    close(line->fd);
    line_connect(flood, line);
}

static size_t length_of_body(const char *head)
{
    const char *field = strcasestr(head, "\r\ncontent-length:");
    return field != NULL ? strtoul(field + 17, NULL, 10) : 0;
}

/* `bytes` begin with a head and are terminated. False: it is not whole yet. */
static bool line_head(struct flood *flood, struct line *line, char *bytes, size_t length)
{
    char *end = strstr(bytes, "\r\n\r\n");
    if (end == NULL)
        return false;
    size_t head_length = (size_t)(end + 4 - bytes), here = length - head_length;
    end[2] = '\0';
    line->status = (unsigned)strtoul(bytes + 9, NULL, 10);
    size_t body = length_of_body(bytes);
    cr_assert(here <= body, "more than one answer came for a request: %s", bytes);
    if (flood->spec->answered != NULL)
        flood->spec->answered(flood->spec->arg, line->number, line->status, bytes);
    line->body_left = body - here;
    line->head_length = 0;
    return true;
}

/* A head that did not come in one piece. */
static void line_keep(struct line *line, const char *bytes, size_t length)
{
    cr_assert(line->head_length + length < FLOOD_HEAD_BYTES, "an answer's head is too long");
    if (line->head == NULL)
        line->head = malloc(FLOOD_HEAD_BYTES);
    memcpy(line->head + line->head_length, bytes, length);
    line->head_length += length;
}

static void line_readable(struct flood *flood, struct line *line)
{
    char *at = flood->input;
    size_t before = line->head_length;
    if (before > 0)
        memcpy(at, line->head, before);
    ssize_t got = recv(line->fd, at + before, INPUT_BYTES - 1 - before, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || !line->busy) {
        line_broken(flood, line);
        return;
    }
    if (line->body_left > 0) {
        cr_assert((size_t)got <= line->body_left, "more came than was announced");
        line->body_left -= (size_t)got;
    } else {
        at[before + (size_t)got] = '\0';
        if (!line_head(flood, line, at, before + (size_t)got)) {
            line_keep(line, at + before, (size_t)got);
            return;
        }
    }
    if (line->body_left == 0)
        line_answered(flood, line);
}

static bool flood_may_send(const struct flood *flood, uint64_t now)
{
    return now < flood->end_us && (flood->spec->count_max == 0 || flood->next < flood->spec->count_max);
}

static uint64_t due_us_of(const struct flood *flood, uint64_t number)
{
    return flood->start_us + (uint64_t)((double)number * 1e6 / flood->spec->rate);
}

static void send_due(struct flood *flood)
{
    for (unsigned i = 0; i < SENDS_PER_TURN && flood->idle_count > 0; i++) {
        uint64_t now = now_us(), due = now;
        if (!flood_may_send(flood, now))
            return;
        if (flood->spec->rate > 0 && (due = due_us_of(flood, flood->next)) > now)
            return;
        line_send(flood, flood->idle[--flood->idle_count], due);
    }
}

static void read_answers(struct flood *flood)
{
    struct epoll_event events[EVENTS_MAX];
    /* The next one may be due in less than a millisecond, the smallest wait. */
    struct timespec wait = {.tv_nsec = flood->spec->rate > 0 ? 200000 : 1000000};
    int count = epoll_pwait2(flood->epoll, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++)
        line_readable(flood, events[i].data.ptr);
}

static void flood_turn(struct flood *flood)
{
    send_due(flood);
    read_answers(flood);
    uint64_t now = now_us();
    if (flood->spec->meanwhile != NULL && now >= flood->meanwhile_us) {
        flood->spec->meanwhile(flood->spec->arg);
        flood->meanwhile_us = now + MEANWHILE_US;
    }
}

void flood_run(const struct flood_spec *spec, struct flood_result *result)
{
    struct flood *flood = calloc(1, sizeof(*flood));
    *result = (struct flood_result){
        .good_us = histogram_new(), .shed_us = histogram_new(), .shed_due_us = histogram_new()};
    flood->spec = spec;
    flood->result = result;
    flood->epoll = epoll_create1(EPOLL_CLOEXEC);
    cr_assert(flood->epoll >= 0, "epoll: %s", strerror(errno));
    flood->lines = calloc(spec->connections, sizeof(flood->lines[0]));
    flood->idle = calloc(spec->connections, sizeof(flood->idle[0]));
    for (unsigned i = 0; i < spec->connections; i++)
        line_connect(flood, &flood->lines[i]);
    flood->start_us = now_us();
    flood->end_us = flood->start_us + spec->duration_ms * 1000ull;
    while (flood_may_send(flood, now_us()))
        flood_turn(flood);
    uint64_t over_us = now_us();
    result->duration_us = over_us - flood->start_us;
    while (flood->busy_count > 0 && now_us() < over_us + FLOOD_TAIL_MS * 1000ull)
        read_answers(flood);
    result->broken += flood->busy_count;
    if (spec->rate > 0) {
        uint64_t due = (uint64_t)(spec->rate * (double)result->duration_us / 1e6);
        result->unsent = due > result->sent ? due - result->sent : 0;
    }
    for (unsigned i = 0; i < spec->connections; i++) {
        close(flood->lines[i].fd);
        free(flood->lines[i].head);
    }
    close(flood->epoll);
    free(flood->lines);
    free(flood->idle);
    free(flood);
}

void flood_result_dispose(struct flood_result *result)
{
    histogram_free(result->good_us);
    histogram_free(result->shed_us);
    histogram_free(result->shed_due_us);
}

double flood_good_rate(const struct flood_result *result)
{
    return (double)result->good * 1e6 / (double)result->duration_us;
}

double flood_sent_rate(const struct flood_result *result)
{
    return (double)result->sent * 1e6 / (double)result->duration_us;
}

void flood_print(const char *name, const struct flood_result *result)
{
    printf("%-10s sent %6.0f/s good %6.0f/s (p50 %.1f p99 %.1f ms) shed %" PRIu64
           " (p50 %.1f p95 %.1f p99 %.1f max %.1f ms; p99 since "
           "due %.1f ms) other %" PRIu64 " broken %" PRIu64 " unsent %" PRIu64 "\n",
           name, flood_sent_rate(result), flood_good_rate(result),
           (double)histogram_percentile(result->good_us, 50) / 1e3,
           (double)histogram_percentile(result->good_us, 99) / 1e3, result->shed,
           (double)histogram_percentile(result->shed_us, 50) / 1e3,
           (double)histogram_percentile(result->shed_us, 95) / 1e3,
           (double)histogram_percentile(result->shed_us, 99) / 1e3,
           (double)histogram_max(result->shed_us) / 1e3,
           (double)histogram_percentile(result->shed_due_us, 99) / 1e3, result->other, result->broken,
           result->unsent);
    fflush(stdout);
}
