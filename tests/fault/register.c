#include "tests/fault/register.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/lib/make.h"

#define ANSWER_S 10
#define PAUSE_NS 2000000 /* before a write is tried again */

static void copy(char out[32], const char *text)
{
    snprintf(out, 32, "%s", text);
}

void register_make(struct reg *reg, const struct forum *forum, enum register_kind kind,
                   const char *const *users, unsigned number)
{
    memset(reg, 0, sizeof(*reg));
    atomic_flag_clear(&reg->told);
    reg->kind = kind;
    reg->port = forum_port(forum);
    reg->users = users;
    const char *user = make_user_named(forum, keep_format("reg_%u", number));
    copy(reg->user, user);
    copy(reg->other, make_user_named(forum, keep_format("other_%u", number)));
    copy(reg->name, keep_format("reg_%u", number));
    copy(reg->subreddit, make_subreddit_named(forum, user, reg->name));
    copy(reg->post, make_post(forum, reg->subreddit, user, "first"));
}

/* ---- a request and its answer ---- */

void asker_close(struct asker *asker)
{
    if (asker->fd >= 0)
        close(asker->fd);
    asker->fd = -1;
}

static bool asker_open(struct asker *asker)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)asker->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = ANSWER_S};
    int on = 1;
    if (asker->fd >= 0)
        return true;
    asker->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (asker->fd >= 0 && connect(asker->fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
        setsockopt(asker->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
        setsockopt(asker->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0)
        return true;
    asker_close(asker);
    return false;
}

/* The answer is whole; *body is its text. */
static bool answer_is_whole(struct asker *asker, size_t length, char **body)
{
    asker->bytes[length] = '\0';
    char *end = strstr(asker->bytes, "\r\n\r\n"), *field = strstr(asker->bytes, "Content-Length: ");
    if (end == NULL || field == NULL || field > end)
        return false;
    *body = end + 4;
    return (size_t)(*body - asker->bytes) + strtoul(field + 16, NULL, 10) <= length;
}

/* The status, or 0: no answer. The connection is kept. */
static unsigned ask(struct asker *asker, const char *request, char **body)
{
    size_t length = strlen(request), got = 0;
    if (!asker_open(asker))
        return 0;
    if (send(asker->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) {
        asker_close(asker);
        return 0;
    }
    do {
        ssize_t more = recv(asker->fd, asker->bytes + got, sizeof(asker->bytes) - 1 - got, 0);
        if (more <= 0) {
            asker_close(asker);
            return 0;
        }
        got += (size_t)more;
    } while (!answer_is_whole(asker, got, body));
    unsigned status = (unsigned)strtoul(asker->bytes + sizeof("HTTP/1.1 ") - 1, NULL, 10);
    if (strstr(asker->bytes, "Connection: close") != NULL &&
        strstr(asker->bytes, "Connection: close") < *body)
        asker_close(asker);
    return status;
}

/* ---- steps ---- */

/* Of a register that goes up with each user and then down again. */
static uint64_t swing(uint64_t step)
{
    uint64_t place = step % (2 * REGISTER_USERS);
    return place <= REGISTER_USERS ? place : 2 * REGISTER_USERS - place;
}

static bool goes_up(uint64_t step)
{
    return (step - 1) % (2 * REGISTER_USERS) < REGISTER_USERS;
}

static const char *swinger(const struct reg *reg, uint64_t step)
{
    return reg->users[(step - 1) % REGISTER_USERS];
}

static bool value_comes_again(enum register_kind kind)
{
    return kind == REGISTER_VOTES || kind == REGISTER_MEMBERS;
}

/* What an answer says at this step. */
static uint64_t value_at(const struct reg *reg, uint64_t step)
{
    if (reg->kind == REGISTER_MEMBERS)
        return swing(step) + 1; /* its creator */
    return reg->kind == REGISTER_VOTES ? swing(step) : step;
}

static void write_request(const struct reg *reg, uint64_t step, char *out, size_t size)
{
    char path[128], body[256];
    switch (reg->kind) {
    case REGISTER_VOTES:
        snprintf(path, sizeof(path), "/api/posts/%s/vote", reg->post);
        snprintf(body, sizeof(body), "{\"user_id\":\"%s\",\"vote_type\":\"%s\"}", swinger(reg, step),
                 goes_up(step) ? "upvote" : "none");
        break;
    case REGISTER_MEMBERS:
        snprintf(path, sizeof(path), "/api/subreddits/%s/%s", reg->subreddit,
                 goes_up(step) ? "join" : "leave");
        snprintf(body, sizeof(body), "{\"user_id\":\"%s\"}", swinger(reg, step));
        break;
    case REGISTER_POSTS:
        snprintf(path, sizeof(path), "/api/posts/create");
        snprintf(body, sizeof(body),
                 "{\"author_id\":\"%s\",\"subreddit_id\":\"%s\",\"title\":\"T%" PRIu64 "\"}", reg->user,
                 reg->subreddit, step);
        break;
    case REGISTER_COMMENTS:
        snprintf(path, sizeof(path), "/api/comments/create");
        snprintf(body, sizeof(body), "{\"author_id\":\"%s\",\"post_id\":\"%s\",\"content\":\"C\"}", reg->user,
                 reg->post);
        break;
    default:
        snprintf(path, sizeof(path), "/api/dm/send");
        snprintf(body, sizeof(body),
                 "{\"from_user_id\":\"%s\",\"to_user_id\":\"%s\",\"content\":\"M%" PRIu64 "\"}", reg->user,
                 reg->other, step);
        break;
    }
    snprintf(
        out, size,
        "POST %s HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nIdempotency-Key: %s-%d-%" PRIu64
        "\r\nContent-Length: %zu\r\n\r\n%s",
        path, reg->user, (int)reg->kind, step, strlen(body), body);
}

void register_write(struct reg *reg, struct asker *asker, const atomic_bool *stop)
{
    char request[1024], *body;
    uint64_t step = atomic_load(&reg->acked) + 1;
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    write_request(reg, step, request, sizeof(request));
    atomic_store(&reg->sent, step);
    while (!atomic_load(stop)) {
        unsigned status = ask(asker, request, &body);
        atomic_fetch_add(&reg->tries, 1);
        if (status == 200 || status == 201) {
            atomic_store(&reg->acked, step);
            return;
        }
        (void)nanosleep(&pause, NULL);
    }
}

/* ---- reads ---- */

/* Some reads by name, some of the list that the thing is in: each has a cached answer of its own. */
static const char *read_path(const struct reg *reg, uint64_t random, char *out, size_t size)
{
    bool other_way = random % 2 != 0;
    switch (reg->kind) {
    case REGISTER_VOTES:
        snprintf(out, size, other_way ? "/api/posts/%s" : "/api/subreddits/%s/posts?limit=1",
                 other_way ? reg->post : reg->subreddit);
        return "\"upvotes\":";
    case REGISTER_MEMBERS:
        snprintf(out, size, other_way ? "/api/subreddits/%s" : "/api/r/%s",
                 other_way ? reg->subreddit : reg->name);
        return "\"member_count\":";
    case REGISTER_POSTS:
        snprintf(out, size,
                 other_way ? "/api/feed/%s?sort=new&limit=1" : "/api/subreddits/%s/posts?sort=new&limit=1",
                 other_way ? reg->user : reg->subreddit);
        return "\"title\":\"T";
    case REGISTER_COMMENTS:
        snprintf(out, size, "/api/posts/%s/comments?limit=1&sort=%s", reg->post, other_way ? "new" : "old");
        return "X-Total-Count: ";
    default:
        snprintf(out, size, "/api/dm/user/%s?limit=1", other_way ? reg->user : reg->other);
        return "\"content\":\"M";
    }
}

/* The first step in [from, to] at which the value was this; false: none. */
static bool find_step(const struct reg *reg, uint64_t value, uint64_t from, uint64_t to, uint64_t *step)
{
    for (*step = from; *step <= to; ++*step)
        if (value_at(reg, *step) == value)
            return true;
    return false;
}

static void note_seen(struct reg *reg, uint64_t step)
{
    uint64_t seen = atomic_load(&reg->seen);
    while (seen < step && !atomic_compare_exchange_weak(&reg->seen, &seen, step))
        ;
}

static void note_stale(struct reg *reg, const char *path, uint64_t value, uint64_t from, uint64_t to)
{
    if (!atomic_flag_test_and_set(&reg->told))
        snprintf(reg->first_stale, sizeof(reg->first_stale),
                 "GET %s said %" PRIu64 "; step %" PRIu64 " (%" PRIu64 ") was known before, %" PRIu64
                 " was the last begun",
                 path, value, from, value_at(reg, from), to);
    atomic_fetch_add(&reg->stale, 1);
}

void register_read(struct reg *reg, struct asker *asker, uint64_t random)
{
    char path[128], request[256], *body;
    const char *mark = read_path(reg, random, path, sizeof(path));
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", path);
    uint64_t from = atomic_load(&reg->acked), seen = atomic_load(&reg->seen), step;
    if (seen > from)
        from = seen;
    unsigned status = ask(asker, request, &body);
    uint64_t to = atomic_load(&reg->sent);
    atomic_fetch_add(&reg->reads, 1);
    if (status != 200 || strstr(asker->bytes, "X-Feed-Stale") != NULL)
        return; /* the engine is away, or the answer says itself that it may be old */
    const char *found = strstr(asker->bytes, mark);
    uint64_t value = found != NULL ? strtoull(found + strlen(mark), NULL, 10) : 0;
    atomic_fetch_add(&reg->fresh, 1);
    if (!find_step(reg, value, from, to, &step))
        note_stale(reg, path, value, from, to);
    else if (!value_comes_again(reg->kind))
        note_seen(reg, step);
}
