#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sim/client.h"
#include "tests/sim/fiber.h"
#include "tests/sim/headers.h"
#include "tests/sim/ids.h"
#include "tests/sim/table.h"

/* ---- headers ---- */

static void expect_next(const char *line, const char *next)
{
    struct reply_headers headers = {0};

    headers_add(&headers, line, strlen(line));
    if (next == NULL) {
        cr_expect_null(headers.next, "%s", line);
    } else {
        cr_assert_not_null(headers.next, "%s", line);
        cr_expect_str_eq(headers.next, next, "%s", line);
    }
    headers_clear(&headers);
}

Test(headers, find_the_next_page_in_a_link)
{
    expect_next("Link: </api/x?after=a>; rel=\"next\"\r\n", "/api/x?after=a");
    expect_next("link:<http://127.0.0.1:8080/api/x?after=a>;rel=next\r\n", "/api/x?after=a");
    expect_next("Link: </first>; rel=\"first\", </second>; rel=\"next\"\r\n", "/second");
    expect_next("Link: </api/x?to=http://y/z>; rel=\"next\"\r\n", "/api/x?to=http://y/z");
    expect_next("Link: </prev>; rel=\"prev\"\r\n", NULL);
    expect_next("Link: </broken\r\n", NULL);
    expect_next("Linked: </x>; rel=\"next\"\r\n", NULL);
}

Test(headers, know_when_to_try_again_and_what_was_replayed)
{
    static const char retry[] = "Retry-After: 7\r\n", replayed[] = "Idempotent-Replayed: true\r\n";
    struct reply_headers headers = {0};

    headers_add(&headers, retry, strlen(retry));
    headers_add(&headers, replayed, strlen(replayed));
    cr_expect_eq(headers.retry_after_s, 7);
    cr_expect(headers.replayed);
    cr_expect_not(headers.stale);
    headers_clear(&headers);
    cr_expect_not(headers.replayed);
}

/* ---- ids ---- */

Test(ids, are_read_only_where_they_are_of_their_kind_and_whole)
{
    cr_expect_eq(id_parse(ID_POST, "post_17"), 17);
    cr_expect_eq(id_parse(ID_MESSAGE, "dm_1"), 1);
    cr_expect_eq(id_parse(ID_POST, "comment_17"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_0"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_017"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_17x"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_-1"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_99999999999999999999"), 0);
    cr_expect_eq(id_parse(ID_POST, NULL), 0);
    cr_expect_str_eq(id_format(ID_SUBREDDIT, 5).text, "sub_5");
}

/* ---- tables ---- */

Test(table, keeps_each_pair_apart_while_it_grows)
{
    struct table *table = table_new();
    struct table_entry entry;
    size_t cursor = 0, seen = 0;

    for (uint64_t a = 0; a < 100; a++) {
        for (uint64_t b = 0; b < 100; b++) {
            *table_put(table, a, b) = a * 1000 + b + 1;
        }
    }
    cr_assert_eq(table_count(table), 10000);
    for (uint64_t a = 0; a < 100; a++) {
        for (uint64_t b = 0; b < 100; b++) {
            cr_assert_eq(table_get(table, a, b), a * 1000 + b + 1);
        }
    }
    cr_expect_null(table_find(table, 100, 0));
    while (table_next(table, &cursor, &entry)) {
        cr_assert_eq(entry.value, entry.a * 1000 + entry.b + 1);
        seen++;
    }
    cr_expect_eq(seen, 10000);
    table_free(table);
}

/* ---- fibers ---- */

struct counting {
    struct fiber *self;
    unsigned count;
};

static void count_to_three(void *context)
{
    struct counting *counting = context;
    volatile unsigned local = 0; /* must survive each pause */

    while (local < 3) {
        local++;
        counting->count = local;
        fiber_yield(counting->self);
    }
}

Test(fiber, goes_on_where_it_paused_each_with_its_own_stack)
{
    struct counting one = {0}, two = {0};

    one.self = fiber_new(count_to_three, &one);
    two.self = fiber_new(count_to_three, &two);
    for (unsigned i = 1; i <= 3; i++) {
        cr_assert(fiber_resume(one.self));
        cr_expect_eq(one.count, i);
        cr_expect_eq(two.count, i - 1);
        cr_assert(fiber_resume(two.self));
        cr_expect_eq(two.count, i);
    }
    cr_expect_not(fiber_resume(one.self));
    cr_expect_not(fiber_resume(two.self));
    fiber_free(one.self);
    fiber_free(two.self);
}

/* ---- outcomes ---- */

/* A server that answers one request, takes a second one on the same connection, and is gone without an
 * answer. */
struct brief_server {
    int listener;
    char url[64];
};

static void read_head(int fd)
{
    char bytes[4096];
    size_t length = 0;
    ssize_t got = 0;

    do {
        length += (size_t)got;
        bytes[length] = '\0';
    } while (strstr(bytes, "\r\n\r\n") == NULL && length + 1 < sizeof bytes &&
             (got = recv(fd, bytes + length, sizeof bytes - 1 - length, 0)) > 0);
}

static void *serve_briefly(void *context)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    struct brief_server *server = context;
    int fd = accept(server->listener, NULL, NULL);

    read_head(fd);
    cr_assert_eq(send(fd, answer, sizeof answer - 1, 0), (ssize_t)sizeof answer - 1);
    read_head(fd);
    close(server->listener);
    close(fd);
    return NULL;
}

static void listen_briefly(struct brief_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;

    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(server->listener, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(listen(server->listener, 1), 0);
    cr_assert_eq(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
}

static void ask_twice(struct agent *agent, void *context)
{
    struct call call = {.path = "/", .key = "a"};
    struct answer *last = context;

    agent_call(agent, &call, last);
    cr_expect_eq(last->outcome, OUTCOME_OK);
    answer_clear(last);
    agent_call(agent, &call, last);
}

static void ask_once(struct agent *agent, void *context)
{
    struct call call = {.path = "/", .key = "a"};

    agent_call(agent, &call, context);
}

Test(client, does_not_know_what_became_of_a_request_whose_kept_connection_broke_before_the_next_was_refused)
{
    struct brief_server server;
    struct client_options options = {.base_url = server.url, .timeout_ms = 10000};
    struct client *client;
    struct answer answer = {0};
    pthread_t thread;

    listen_briefly(&server);
    cr_assert_eq(pthread_create(&thread, NULL, serve_briefly, &server), 0);
    client = client_new(&options);
    client_run(client, 1, ask_twice, &answer);
    cr_expect_eq(answer.outcome, OUTCOME_UNKNOWN);
    cr_expect_eq(answer.trouble, TROUBLE_RESET);
    answer_clear(&answer);
    client_run(client, 1, ask_once, &answer);
    cr_expect_eq(answer.outcome, OUTCOME_FAILED, "nobody listens any more");
    cr_expect_eq(answer.trouble, TROUBLE_REFUSED);
    answer_clear(&answer);
    client_free(client);
    pthread_join(thread, NULL);
}
