#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/supplemental/util/platform.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/caller.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "common/transport.h"

extern char **environ;

enum {
    RELEASE_AGAIN_MS = 50,
    PATIENCE_MS = 10000, /* what must happen happens by then, on the slowest machine */
    PORT_MIN = 20000,
    PORT_COUNT = 12000, /* stays below the ephemeral ports: dialling one of those may connect to itself */
    MANY = 300,
};

/* One per test: each test is a process of its own. */
struct bench {
    char url[64];
    char tally_path[64];
    uint16_t port;
    pid_t server;
    struct caller_hub *hub;
    struct caller *caller;
};

struct probe {
    struct call *call;
    unsigned completions;
    enum call_result result;
    size_t length;
    char head[32];
    bool uniform; /* all bytes equal */
    struct call *cancel_in_callback;
    bool goes_on; /* asks again from within the callback, as long as it is answered */
};

static void probe_done(void *arg, enum call_result result, const uint8_t *bytes, size_t length)
{
    struct probe *probe = arg;

    probe->completions++;
    probe->result = result;
    probe->length = length;
    memset(probe->head, 0, sizeof(probe->head));
    if (length > 0) {
        memcpy(probe->head, bytes, length < sizeof(probe->head) ? length : sizeof(probe->head) - 1);
        probe->uniform = memcmp(bytes, bytes + 1, length - 1) == 0;
    }
    if (probe->cancel_in_callback != NULL)
        call_cancel(probe->cancel_in_callback);
    if (probe->goes_on && result == CALL_ANSWERED)
        call_start(probe->call, (const uint8_t *)"e again", strlen("e again"), PATIENCE_MS);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A hang in NNG must end as a failed test with its name. */
TestSuite(transport, .timeout = 120);

static uint16_t free_port(void)
{
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        uint16_t port = (uint16_t)(PORT_MIN + ((unsigned)getpid() * 7 + i) % PORT_COUNT);
        struct sockaddr_in address = loopback(port);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

        close(fd);
        if (is_free)
            return port;
    }
    cr_fatal("no free port");
    return 0;
}

static pid_t spawn_server(const char *url, const char *tally_path, int output)
{
    char *argv[] = {(char *)TRANSPORT_SERVER, (char *)url, (char *)tally_path, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;

    cr_assert(posix_spawn_file_actions_init(&actions) == 0);
    cr_assert(posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) == 0);
    cr_assert(posix_spawn(&pid, TRANSPORT_SERVER, &actions, NULL, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void server_start(struct bench *bench)
{
    int ends[2];
    char line[16];

    cr_assert(pipe2(ends, O_CLOEXEC) == 0);
    bench->server = spawn_server(bench->url, bench->tally_path, ends[1]);
    close(ends[1]);
    struct pollfd wait = {.fd = ends[0], .events = POLLIN};
    cr_assert(poll(&wait, 1, PATIENCE_MS) == 1 && read(ends[0], line, sizeof(line)) > 0,
              "the server did not start");
    close(ends[0]);
}

static int server_reap(struct bench *bench)
{
    int status;

    cr_assert(waitpid(bench->server, &status, 0) == bench->server);
    bench->server = 0;
    return status;
}

static void server_kill(struct bench *bench)
{
    cr_assert(kill(bench->server, SIGKILL) == 0);
    server_reap(bench);
}

static struct bench bench_open_without_server(void)
{
    struct bench bench = {.port = free_port()};

    snprintf(bench.url, sizeof(bench.url), "tcp://127.0.0.1:%u", bench.port);
    snprintf(bench.tally_path, sizeof(bench.tally_path), "/tmp/transport_tally_%d", getpid());
    unlink(bench.tally_path);
    bench.hub = caller_hub_new();
    bench.caller = caller_open(bench.hub, bench.url);
    return bench;
}

static void bench_close(struct bench *bench)
{
    caller_close(bench->caller);
    caller_hub_free(bench->hub);
    if (bench->server != 0)
        server_kill(bench);
    unlink(bench->tally_path);
}

static off_t tally(const struct bench *bench)
{
    struct stat status;

    return stat(bench->tally_path, &status) == 0 ? status.st_size : 0;
}

static void probe_start(struct probe *probe, const char *text, uint64_t timeout_ms)
{
    call_start(probe->call, (const uint8_t *)text, strlen(text), timeout_ms);
}

static struct probe probe_new(struct bench *bench, struct probe *at)
{
    *at = (struct probe){.call = call_new(bench->caller, probe_done, at)};
    return *at;
}

/* Dispatches until the probe has completed `completions` times; false: not within the time. */
static bool probe_wait(struct bench *bench, const struct probe *probe, unsigned completions,
                       uint64_t within_ms)
{
    uint64_t deadline_ms = clock_monotonic_ms() + within_ms;

    while (probe->completions < completions) {
        uint64_t now_ms = clock_monotonic_ms();
        struct pollfd wait = {.fd = caller_hub_fd(bench->hub), .events = POLLIN};

        if (now_ms >= deadline_ms)
            return false;
        if (poll(&wait, 1, (int)(deadline_ms - now_ms)) == 1)
            caller_hub_dispatch(bench->hub);
    }
    return true;
}

static enum call_result ask(struct bench *bench, struct probe *probe, const char *text, uint64_t timeout_ms)
{
    unsigned before = probe->completions;

    probe_start(probe, text, timeout_ms);
    cr_assert(probe_wait(bench, probe, before + 1, timeout_ms + PATIENCE_MS), "'%s' did not complete", text);
    return probe->result;
}

/* A connection whose end NNG has not noticed yet resets the calls that it still takes. */
static enum call_result ask_past_reset(struct bench *bench, struct probe *probe, const char *text,
                                       uint64_t timeout_ms)
{
    uint64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    enum call_result result;

    do {
        result = ask(bench, probe, text, timeout_ms);
    } while (result == CALL_RESET && clock_monotonic_ms() < deadline_ms);
    return result;
}

static void assert_serves(struct bench *bench)
{
    struct probe probe;

    probe_new(bench, &probe);
    cr_assert(eq(int, ask(bench, &probe, "e still there", PATIENCE_MS), CALL_ANSWERED));
    cr_assert(eq(str, probe.head, "e still there"));
}

/* With a server, and connected. */
static struct bench bench_open(void)
{
    struct bench bench = bench_open_without_server();

    server_start(&bench);
    assert_serves(&bench);
    return bench;
}

Test(transport, a_request_is_answered_with_its_own_answer)
{
    struct bench bench = bench_open();
    struct probe probe;

    probe_new(&bench, &probe);
    cr_assert(not(call_busy(probe.call)));
    probe_start(&probe, "e hello", PATIENCE_MS);
    cr_assert(call_busy(probe.call));
    cr_assert(probe_wait(&bench, &probe, 1, PATIENCE_MS));
    cr_assert(not(call_busy(probe.call)));
    cr_assert(eq(int, probe.result, CALL_ANSWERED));
    cr_assert(eq(str, probe.head, "e hello"));
    bench_close(&bench);
}

Test(transport, many_calls_at_once_each_get_their_own_answer)
{
    struct bench bench = bench_open();
    static struct probe probes[MANY];
    char text[32];

    for (size_t i = 0; i < MANY; i++)
        probe_new(&bench, &probes[i]);
    for (unsigned round = 1; round <= 20; round++) {
        for (size_t i = 0; i < MANY; i++) {
            snprintf(text, sizeof(text), "e %u %zu", round, i);
            probe_start(&probes[i], text, PATIENCE_MS);
        }
        for (size_t i = 0; i < MANY; i++) {
            snprintf(text, sizeof(text), "e %u %zu", round, i);
            cr_assert(probe_wait(&bench, &probes[i], round, PATIENCE_MS));
            cr_assert(eq(int, probes[i].result, CALL_ANSWERED));
            cr_assert(eq(str, probes[i].head, text));
        }
    }
    bench_close(&bench);
}

Test(transport, an_empty_and_a_dropped_request_time_out_and_free_their_context)
{
    struct bench bench = bench_open();
    struct probe probe;

    probe_new(&bench, &probe);
    cr_assert(eq(int, ask(&bench, &probe, "", 50), CALL_TIMED_OUT));
    for (unsigned i = 0; i < LIMIT_INBOUND + 10; i++) {
        probe_start(&probe, "d", PATIENCE_MS);
        call_cancel(probe.call);
    }
    assert_serves(&bench);
    bench_close(&bench);
}

Test(transport, a_server_killed_between_request_and_answer_resets_the_call_and_nothing_runs_twice)
{
    struct bench bench = bench_open();
    struct probe probe;

    probe_new(&bench, &probe);
    for (off_t times = 1; times <= 5; times++) {
        cr_assert(eq(int, ask(&bench, &probe, "x", PATIENCE_MS), CALL_RESET));
        server_reap(&bench);
        server_start(&bench);
        /* Whatever NNG would send again it would have sent before this. */
        assert_serves(&bench);
        assert_serves(&bench);
        cr_assert(eq(long, (long)tally(&bench), (long)times));
    }
    bench_close(&bench);
}

Test(transport, with_nobody_listening_a_call_is_not_sent_and_says_so_after_its_timeout)
{
    struct bench bench = bench_open_without_server();
    struct probe probe;
    uint64_t began_ms = clock_monotonic_ms();

    probe_new(&bench, &probe);
    cr_assert(eq(int, ask(&bench, &probe, "x", 200), CALL_NOT_SENT));
    cr_assert(ge(u64, clock_monotonic_ms() - began_ms, 200));
    server_start(&bench);
    assert_serves(&bench);
    cr_assert(eq(long, (long)tally(&bench), 0));
    bench_close(&bench);
}

Test(transport, a_call_started_with_nobody_listening_is_sent_when_the_server_comes)
{
    struct bench bench = bench_open_without_server();
    struct probe probe;

    probe_new(&bench, &probe);
    probe_start(&probe, "e early", PATIENCE_MS);
    server_start(&bench);
    cr_assert(probe_wait(&bench, &probe, 1, PATIENCE_MS));
    cr_assert(eq(int, probe.result, CALL_ANSWERED));
    bench_close(&bench);
}

Test(transport, the_timeout_covers_connecting_and_the_answer_together)
{
    struct bench bench = bench_open_without_server();
    struct probe probe, ticker;
    uint64_t began_ms = clock_monotonic_ms();

    probe_new(&bench, &probe);
    probe_new(&bench, &ticker);
    probe_start(&probe, "h", 2000);
    cr_assert(eq(int, ask(&bench, &ticker, "e", 900), CALL_NOT_SENT));
    server_start(&bench);
    cr_assert(probe_wait(&bench, &probe, 1, PATIENCE_MS));
    cr_assert(eq(int, probe.result, CALL_TIMED_OUT));
    uint64_t took_ms = clock_monotonic_ms() - began_ms;
    cr_assert(ge(u64, took_ms, 2000));
    cr_assert(lt(u64, took_ms, 2700), "took %lu ms", (unsigned long)took_ms);
    bench_close(&bench);
}

Test(transport, a_frozen_server_times_calls_out_and_serves_again_when_it_goes_on)
{
    struct bench bench = bench_open();
    struct probe probe;

    probe_new(&bench, &probe);
    cr_assert(kill(bench.server, SIGSTOP) == 0);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(eq(int, ask(&bench, &probe, "e late", 100), CALL_TIMED_OUT));
    cr_assert(kill(bench.server, SIGCONT) == 0);
    /* The late answers belong to nobody: the next call gets its own. */
    assert_serves(&bench);
    bench_close(&bench);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

Test(transport, a_restarted_server_is_found_again_within_300_ms)
{
    enum { RESTARTS = 5 };
    struct bench bench = bench_open();
    uint64_t took_ms[RESTARTS];
    struct probe probe;

    probe_new(&bench, &probe);
    for (size_t i = 0; i < RESTARTS; i++) {
        server_kill(&bench);
        /* Long enough that the dialler has backed off as far as it goes. */
        cr_assert(eq(int, ask_past_reset(&bench, &probe, "e", 700), CALL_NOT_SENT));
        server_start(&bench);
        uint64_t began_ms = clock_monotonic_ms();
        cr_assert(eq(int, ask(&bench, &probe, "e", PATIENCE_MS), CALL_ANSWERED));
        took_ms[i] = clock_monotonic_ms() - began_ms;
    }
    /* The median: one slow turn of a busy machine proves nothing. */
    qsort(took_ms, RESTARTS, sizeof(took_ms[0]), compare_u64);
    cr_assert(le(u64, took_ms[RESTARTS / 2], 300));
    bench_close(&bench);
}

Test(transport, a_cancelled_call_may_be_started_again_at_once_and_never_calls_back_for_the_first)
{
    struct bench bench = bench_open();
    struct probe probe;
    char text[32];

    assert_serves(&bench);
    probe_new(&bench, &probe);
    for (unsigned i = 1; i <= 2000; i++) {
        probe_start(&probe, i % 2 ? "h" : "e first", PATIENCE_MS);
        /* At all stages: handed over, on its way, answered, in the list. */
        for (uint64_t until_us = clock_monotonic_us() + i % 200; clock_monotonic_us() < until_us;) {
        }
        call_cancel(probe.call);
        cr_assert(not(call_busy(probe.call)));
        snprintf(text, sizeof(text), "e second %u", i);
        cr_assert(eq(int, ask(&bench, &probe, text, PATIENCE_MS), CALL_ANSWERED));
        cr_assert(eq(str, probe.head, text));
        cr_assert(eq(u32, probe.completions, i));
        if (i % 100 == 0) /* the held ones take contexts */
            cr_assert(eq(int, ask(&bench, &probe, "r", PATIENCE_MS), CALL_ANSWERED));
        probe.completions = i;
    }
    bench_close(&bench);
}

Test(transport, cancelling_while_the_connection_comes_and_goes_loses_no_call)
{
    struct bench bench = bench_open_without_server();
    struct probe probes[8];

    for (size_t i = 0; i < ARRAY_LEN(probes); i++)
        probe_new(&bench, &probes[i]);
    for (unsigned round = 0; round < 10; round++) {
        server_start(&bench);
        for (unsigned turn = 0; turn < 50; turn++) {
            for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
                if (call_busy(probes[i].call) && (turn + i) % 3 == 0)
                    call_cancel(probes[i].call);
                if (!call_busy(probes[i].call))
                    probe_start(&probes[i], "e", 1 + (turn * 7 + i) % 20);
            }
            struct pollfd wait = {.fd = caller_hub_fd(bench.hub), .events = POLLIN};
            if (poll(&wait, 1, 1) == 1)
                caller_hub_dispatch(bench.hub);
        }
        server_kill(&bench);
    }
    server_start(&bench);
    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        call_cancel(probes[i].call);
        cr_assert(eq(int, ask_past_reset(&bench, &probes[i], "e", PATIENCE_MS), CALL_ANSWERED));
    }
    bench_close(&bench);
}

Test(transport, a_callback_may_cancel_a_call_whose_answer_is_already_here)
{
    struct bench bench = bench_open();
    struct probe first, second, last;

    probe_new(&bench, &first);
    probe_new(&bench, &second);
    probe_new(&bench, &last);
    first.cancel_in_callback = second.call;
    second.cancel_in_callback = first.call;
    probe_start(&first, "h", PATIENCE_MS);
    probe_start(&second, "h", PATIENCE_MS);
    probe_start(&last, "r", PATIENCE_MS);
    cr_assert(probe_wait(&bench, &last, 1, PATIENCE_MS));
    assert_serves(&bench);
    cr_assert(eq(u32, first.completions + second.completions, 1));
    bench_close(&bench);
}

Test(transport, closing_ends_busy_calls_without_callbacks)
{
    struct bench bench = bench_open();
    struct probe probes[20];

    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        probe_new(&bench, &probes[i]);
        probe_start(&probes[i], i % 2 ? "h" : "e", PATIENCE_MS);
    }
    caller_close(bench.caller);
    bench.caller = NULL;
    caller_hub_dispatch(bench.hub);
    for (size_t i = 0; i < ARRAY_LEN(probes); i++)
        cr_assert(eq(u32, probes[i].completions, 0));
    bench_close(&bench);
}

Test(transport, held_requests_do_not_block_others_until_all_contexts_are_taken)
{
    struct bench bench = bench_open();
    static struct probe held[LIMIT_INBOUND];
    struct probe release;

    for (size_t i = 0; i < LIMIT_INBOUND; i++) {
        probe_new(&bench, &held[i]);
        if (i < LIMIT_INBOUND - 1)
            probe_start(&held[i], "h", PATIENCE_MS);
    }
    assert_serves(&bench); /* the last free context */
    assert_serves(&bench);
    probe_new(&bench, &release);
    /* Messages in flight together may overtake each other: a release may come in before a hold. */
    for (size_t i = 0; i < LIMIT_INBOUND - 1; i++) {
        while (held[i].completions == 0) {
            cr_assert(eq(int, ask(&bench, &release, "r", PATIENCE_MS), CALL_ANSWERED));
            (void)!probe_wait(&bench, &held[i], 1, RELEASE_AGAIN_MS);
        }
        cr_assert(eq(int, held[i].result, CALL_ANSWERED));
    }
    bench_close(&bench);
}

Test(transport, messages_beyond_the_contexts_wait_their_turn)
{
    struct bench bench = bench_open();
    static struct probe held[LIMIT_INBOUND];
    struct probe waiting;

    for (size_t i = 0; i < LIMIT_INBOUND; i++) {
        probe_new(&bench, &held[i]);
        probe_start(&held[i], "h", 400);
    }
    probe_new(&bench, &waiting);
    cr_assert(eq(int, ask(&bench, &waiting, "e", 100), CALL_TIMED_OUT));
    for (size_t i = 0; i < LIMIT_INBOUND; i++) {
        cr_assert(probe_wait(&bench, &held[i], 1, PATIENCE_MS));
        cr_assert(eq(int, held[i].result, CALL_TIMED_OUT));
    }
    bench_close(&bench);
}

Test(transport, messages_of_16_mib_pass_both_ways)
{
    struct bench bench = bench_open();
    struct probe probe;
    uint8_t *bytes = xmalloc(LIMIT_MESSAGE_BYTES);
    uint32_t wanted = LIMIT_MESSAGE_BYTES;

    probe_new(&bench, &probe);
    memset(bytes, 'e', LIMIT_MESSAGE_BYTES);
    call_start(probe.call, bytes, LIMIT_MESSAGE_BYTES, PATIENCE_MS);
    cr_assert(probe_wait(&bench, &probe, 1, PATIENCE_MS));
    cr_assert(eq(int, probe.result, CALL_ANSWERED));
    cr_assert(eq(sz, probe.length, LIMIT_MESSAGE_BYTES));
    cr_assert(probe.uniform);

    bytes[0] = 'b';
    memcpy(bytes + 1, &wanted, sizeof(wanted));
    call_start(probe.call, bytes, 1 + sizeof(wanted), PATIENCE_MS);
    cr_assert(probe_wait(&bench, &probe, 2, PATIENCE_MS));
    cr_assert(eq(sz, probe.length, LIMIT_MESSAGE_BYTES));
    free(bytes);
    bench_close(&bench);
}

Test(transport, one_byte_over_16_mib_is_a_broken_invariant_of_the_sender, .signal = SIGABRT)
{
    struct bench bench = bench_open_without_server();
    struct probe probe;

    probe_new(&bench, &probe);
    call_start(probe.call, xcalloc(1, LIMIT_MESSAGE_BYTES + 1), LIMIT_MESSAGE_BYTES + 1, PATIENCE_MS);
}

/* Called by NNG's reaper when it begins to take a connection away. */
static void hold_the_reaper(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)pipe, (void)event;
    sem_wait(arg);
}

static void remember_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)event;
    *(nng_pipe *)arg = pipe;
}

/* Turns a loop until it is stuck or not as wanted; false: not within the time. */
static bool stuck_becomes(struct bench *bench, bool wanted, uint64_t within_ms)
{
    uint64_t deadline_ms = clock_monotonic_ms() + within_ms;

    while (caller_hub_stuck(bench->hub, clock_monotonic_ms()) != wanted) {
        struct pollfd wait = {.fd = caller_hub_fd(bench->hub), .events = POLLIN};

        if (clock_monotonic_ms() >= deadline_ms)
            return false;
        if (poll(&wait, 1, 50) == 1)
            caller_hub_dispatch(bench->hub);
    }
    return true;
}

Test(transport, a_reaper_that_hangs_is_noticed_once_a_connection_breaks)
{
    struct bench bench = bench_open();
    struct probe probe;
    nng_socket dialled, listening;
    nng_pipe pipe = {0};
    sem_t release;

    cr_assert(sem_init(&release, 0, 0) == 0);
    cr_assert(nng_pair0_open(&listening) == 0 && nng_pair0_open(&dialled) == 0);
    cr_assert(nng_pipe_notify(dialled, NNG_PIPE_EV_ADD_POST, remember_pipe, &pipe) == 0);
    cr_assert(nng_pipe_notify(dialled, NNG_PIPE_EV_REM_POST, hold_the_reaper, &release) == 0);
    cr_assert(nng_listen(listening, "inproc://hold", NULL, 0) == 0);
    cr_assert(nng_dial(dialled, "inproc://hold", NULL, 0) == 0);
    cr_assert(nng_pipe_close(pipe) == 0);

    probe_new(&bench, &probe);
    cr_assert(not(stuck_becomes(&bench, true, 100)), "nothing happened yet");
    cr_assert(eq(int, ask(&bench, &probe, "x", PATIENCE_MS), CALL_RESET));
    server_reap(&bench);
    cr_assert(stuck_becomes(&bench, true, PATIENCE_MS));
    for (int i = 0; i < 100; i++)
        cr_assert(sem_post(&release) == 0);
    cr_assert(stuck_becomes(&bench, false, PATIENCE_MS));
    server_start(&bench);
    cr_assert(eq(int, ask_past_reset(&bench, &probe, "e", PATIENCE_MS), CALL_ANSWERED));
    bench_close(&bench);
}

Test(transport, connections_that_break_and_come_again_are_not_taken_for_a_hanging_reaper)
{
    struct bench bench = bench_open();
    struct probe probe;

    probe_new(&bench, &probe);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert(eq(int, ask(&bench, &probe, "x", PATIENCE_MS), CALL_RESET));
        server_reap(&bench);
        cr_assert(eq(int, ask_past_reset(&bench, &probe, "e", 300), CALL_NOT_SENT));
        cr_assert(not(caller_hub_stuck(bench.hub, clock_monotonic_ms())));
        server_start(&bench);
        assert_serves(&bench);
        cr_assert(stuck_becomes(&bench, false, PATIENCE_MS));
    }
    bench_close(&bench);
}

static int raw_connect(const struct bench *bench)
{
    struct sockaddr_in address = loopback(bench->port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect: %s", strerror(errno));
    return fd;
}

static void raw_send(int fd, const void *bytes, size_t length)
{
    /* The server may have hung up on us already. */
    cr_assert(send(fd, bytes, length, MSG_NOSIGNAL) >= 0 || errno == EPIPE || errno == ECONNRESET);
}

static void raw_wait_closed(int fd)
{
    uint8_t bytes[64];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    ssize_t got;

    do {
        cr_assert(poll(&wait, 1, PATIENCE_MS) == 1, "the server did not hang up");
        got = recv(fd, bytes, sizeof(bytes), 0);
    } while (got > 0);
    close(fd);
}

#define SP_REQ "\0SP\0\0\x30\0\0"

static void raw_order(int fd, uint8_t id, char order)
{
    const uint8_t message[] = {0, 0, 0, 0, 0, 0, 0, 5, 0x80, 0, 0, id, (uint8_t)order};

    raw_send(fd, message, sizeof(message));
}

static void wait_held(struct bench *bench, size_t count)
{
    struct probe probe;

    probe_new(bench, &probe);
    do { /* messages may overtake each other */
        cr_assert(eq(int, ask(bench, &probe, "n", PATIENCE_MS), CALL_ANSWERED));
    } while ((size_t)probe.head[0] < count);
}

Test(transport, a_server_that_closes_waits_until_a_slow_reader_has_its_answers)
{
    enum { HELD = 20, ANSWER_BYTES = 8 + 4 + (2 << 20) };
    struct bench bench = bench_open();
    int fd = raw_connect(&bench);
    static uint8_t bytes[65536];
    size_t received = 0;
    ssize_t got;

    raw_send(fd, SP_REQ, 8);
    for (uint8_t id = 0; id < HELD; id++)
        raw_order(fd, id, 'h');
    wait_held(&bench, HELD);
    raw_order(fd, HELD, 'q');
    /* More than the kernel buffers: the server must stay while nothing is read. */
    struct pollfd hung_up = {.fd = fd, .events = POLLRDHUP};
    cr_assert(eq(int, poll(&hung_up, 1, 500), 0));
    while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        received += (size_t)got;
    cr_assert(eq(sz, received, 8 + (HELD + 1) * (size_t)ANSWER_BYTES));
    close(fd);
    cr_assert(eq(int, server_reap(&bench), 0));
    bench_close(&bench);
}

Test(transport, a_server_that_closes_amid_traffic_sends_the_answers_under_way)
{
    struct bench bench = bench_open();
    struct probe held[20], traffic[20], quit;

    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        probe_new(&bench, &held[i]);
        probe_start(&held[i], "h", PATIENCE_MS);
    }
    for (size_t i = 0; i < ARRAY_LEN(traffic); i++) {
        probe_new(&bench, &traffic[i]);
        traffic[i].goes_on = true;
        probe_start(&traffic[i], "e", PATIENCE_MS);
    }
    probe_new(&bench, &quit);
    wait_held(&bench, ARRAY_LEN(held));
    cr_assert(eq(int, ask(&bench, &quit, "q", PATIENCE_MS), CALL_ANSWERED));
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        cr_assert(probe_wait(&bench, &held[i], 1, PATIENCE_MS));
        cr_assert(eq(int, held[i].result, CALL_ANSWERED));
        cr_assert(eq(sz, held[i].length, 2u << 20));
    }
    cr_assert(eq(int, server_reap(&bench), 0));
    bench_close(&bench);
}

static const struct {
    const char *what;
    size_t length;
    const char *bytes;
    bool closed; /* the server hangs up by itself */
} garbage[] = {
    {"nothing", 0, "", false},
    {"half a greeting", 4, SP_REQ, false},
    {"HTTP", 24, "GET / HTTP/1.1\r\nHost: x\r", true},
    {"a greeting of PUB", 8, "\0SP\0\0\x20\0\0", true},
    {"a greeting of the future", 8, "\0SP\1\0\x30\0\0", true},
    {"a length beyond all limits", 16, SP_REQ "\xff\xff\xff\xff\xff\xff\xff\xff", true},
    {"one byte over the limit", 16, SP_REQ "\0\0\0\0\x01\0\0\x05", true},
    {"half a length", 12, SP_REQ "\0\0\0\0", false},
    {"a message that never comes", 18, SP_REQ "\0\0\0\0\0\x10\0\0zz", false},
    {"a message without request id", 16, SP_REQ "\0\0\0\0\0\0\0\0", true},
    {"a route that never ends", 24, SP_REQ "\0\0\0\0\0\0\0\x08\0\0\0\1\0\0\0\2", true},
    {"a request with no answer read", 21,
     SP_REQ "\0\0\0\0\0\0\0\x05\x80\0\0\1"
            "e",
     false},
};

static uint64_t server_cpu_us(struct bench *bench, struct probe *probe)
{
    uint64_t us;

    cr_assert(eq(int, ask(bench, probe, "c", PATIENCE_MS), CALL_ANSWERED));
    cr_assert(eq(sz, probe->length, sizeof(us)));
    memcpy(&us, probe->head, sizeof(us));
    return us;
}

Test(transport, garbage_on_the_port_harms_nobody_and_leaves_no_spinning_thread)
{
    struct bench bench = bench_open();
    int open_fds[ARRAY_LEN(garbage)];
    struct probe probe;

    probe_new(&bench, &probe);
    for (unsigned round = 0; round < 30; round++) {
        for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
            int fd = raw_connect(&bench);

            raw_send(fd, garbage[i].bytes, garbage[i].length);
            if (garbage[i].closed && round == 0)
                raw_wait_closed(fd);
            else
                close(fd);
        }
        assert_serves(&bench);
    }
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        open_fds[i] = raw_connect(&bench);
        raw_send(open_fds[i], garbage[i].bytes, garbage[i].length);
    }
    assert_serves(&bench);
    uint64_t before_us = server_cpu_us(&bench, &probe);
    cr_assert(eq(int, ask(&bench, &probe, "d", 500), CALL_TIMED_OUT));
    cr_assert(lt(u64, server_cpu_us(&bench, &probe) - before_us, 250000));
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++)
        close(open_fds[i]);
    assert_serves(&bench);
    bench_close(&bench);
}

Test(transport, random_bytes_on_the_port_harm_nobody)
{
    struct bench bench = bench_open();
    unsigned seed = (unsigned)clock_wall_ms();

    printf("seed %u\n", seed);
    srandom(seed);
    for (unsigned i = 0; i < 200; i++) {
        uint8_t bytes[256];
        int fd = raw_connect(&bench);

        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (uint8_t)random();
        if (i % 2 == 0)
            memcpy(bytes, SP_REQ "\0\0\0\0\0\0\0", 15);
        /* Where the server looks for its order, behind 1 to 8 hops: it obeys, even to die. */
        for (size_t k = 20; k < sizeof(bytes); k += 4)
            bytes[k] &= 0x80;
        raw_send(fd, bytes, (size_t)random() % sizeof(bytes) + 1);
        close(fd);
    }
    assert_serves(&bench);
    bench_close(&bench);
}

Test(transport, a_listen_address_that_cannot_be_ends_the_process_with_its_exit_code)
{
    struct bench bench = bench_open();
    const struct {
        const char *url;
        int exit_code;
    } rows[] = {
        {bench.url, EXIT_UNAVAILABLE},
        {"nonsense", EXIT_USAGE},
        {"tcp://127.0.0.1:x", EXIT_USAGE},
        {"bogus://127.0.0.1:1", EXIT_USAGE},
        {"ipc:///tmp/forumd_transport_test", EXIT_USAGE},
        {"abstract://forumd_transport_test", EXIT_USAGE},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int status;
        pid_t pid = spawn_server(rows[i].url, "/dev/null", STDERR_FILENO);

        cr_assert(waitpid(pid, &status, 0) == pid);
        bool exited = WIFEXITED(status);

        cr_assert(exited);
        cr_assert(eq(int, WEXITSTATUS(status), rows[i].exit_code), "%s", rows[i].url);
    }
    bench_close(&bench);
}

Test(transport, dialling_over_ipc_is_refused_on_an_old_nng, .exit_code = EXIT_USAGE)
{
    struct caller_hub *hub = caller_hub_new();

    cr_assert(caller_open(hub, "ipc:///tmp/forumd_transport_test") == NULL);
}

Test(transport, dialling_nonsense_is_refused, .exit_code = EXIT_USAGE)
{
    struct caller_hub *hub = caller_hub_new();

    cr_assert(caller_open(hub, "nonsense") == NULL);
}

/* That a process whose NNG does not says so: tests/fault/clock_test.c. */
Test(transport, nng_times_by_the_clock_that_never_steps_and_the_process_by_both)
{
    struct bench bench = bench_open_without_server();
    uint64_t before_ms = clock_monotonic_ms();
    nng_time now_ms = nng_clock();
    nng_mtx *mutex;
    nng_cv *cond;
    struct timespec wall;

    cr_expect(before_ms <= now_ms && now_ms <= clock_monotonic_ms());
    cr_assert(nng_mtx_alloc(&mutex) == 0 && nng_cv_alloc(&cond, mutex) == 0);
    nng_mtx_lock(mutex);
    cr_expect(nng_cv_until(cond, now_ms + RELEASE_AGAIN_MS) == NNG_ETIMEDOUT);
    cr_expect(clock_monotonic_ms() >= now_ms + RELEASE_AGAIN_MS);
    nng_mtx_unlock(mutex);
    nng_cv_free(cond);
    nng_mtx_free(mutex);
    cr_expect(clock_gettime(CLOCK_REALTIME, &wall) == 0 && wall.tv_sec > 1700000000);
    bench_close(&bench);
}

Test(transport, only_schemes_with_the_known_fault_are_refused_and_only_before_1_6)
{
    static const struct {
        const char *url, *version;
        bool safe;
    } rows[] = {
        {"tcp://127.0.0.1:1", "1.5.2", true}, {"tls+tcp://127.0.0.1:1", "1.5.2", false},
        {"ipc:///x", "1.5.2", false},         {"unix:///x", "1.5.2", false},
        {"abstract://x", "1.5.2", false},     {"ipc:///x", "1.6.0", true},
        {"ipc:///x", "1.10.1", true},         {"ipc:///x", "2.0.0", true},
        {"ipc:///x", "0.9.0", false},         {"ipc:///x", "?", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect(transport_url_safe(rows[i].url, rows[i].version) == rows[i].safe, "%s on %s", rows[i].url,
                  rows[i].version);
}
