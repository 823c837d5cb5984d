#include "tests/sim/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/fiber.h"
#include "tests/sim/headers.h"
#include "tests/sim/memory.h"
#include "tests/sim/text.h"

enum { EVENTS_PER_TURN = 256, HEADER_BYTES = 512, HTTP_UNAVAILABLE = 503, JSON_DEPTH = 128 };

enum agent_state { AGENT_READY, AGENT_CALLING, AGENT_SLEEPING, AGENT_RETURNED };

struct agent {
    struct client *client;
    unsigned index;
    enum agent_state state;
    struct fiber *fiber;
    agent_main *main;
    void *context;
    uint64_t wake_us; /* AGENT_SLEEPING */
    uint64_t due_us;
    CURL *easy;
    CURLcode result; /* of the last try */
    unsigned sent;   /* times that libcurl sent the last try's request */
    struct text_buffer body;
    struct reply_headers headers;
};

struct client {
    char *base_url;
    unsigned retries, timeout_ms;
    CURLM *multi;
    int epoll, signals;
    uint64_t curl_wake_us; /* libcurl's own timer; UINT64_MAX: none */
    bool stopping;
    struct agent **agents; /* made on first use, kept for the next run */
    unsigned agent_count;
};

uint64_t client_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void expect_curl(CURLcode code)
{
    if (code != CURLE_OK) {
        sim_fatal(EX_SOFTWARE, "libcurl: %s", curl_easy_strerror(code));
    }
}

static void expect_multi(CURLMcode code)
{
    if (code != CURLM_OK) {
        sim_fatal(EX_SOFTWARE, "libcurl: %s", curl_multi_strerror(code));
    }
}

/* ---- answers ---- */

void answer_clear(struct answer *answer)
{
    json_object_put(answer->json);
    free(answer->next);
    *answer = (struct answer){0};
}

const char *answer_text(const struct answer *answer, const char *field)
{
    struct json_object *value;

    if (!json_object_is_type(answer->json, json_type_object) ||
        !json_object_object_get_ex(answer->json, field, &value) ||
        !json_object_is_type(value, json_type_string)) {
        return "";
    }
    return json_object_get_string(value);
}

const char *trouble_name(enum trouble trouble)
{
    static const char *const names[TROUBLES] = {
        [TROUBLE_NONE] = "answered",         [TROUBLE_REFUSED] = "refused", [TROUBLE_TIMEOUT] = "timed out",
        [TROUBLE_RESET] = "connection lost", [TROUBLE_OTHER] = "no answer",
    };

    return names[trouble];
}

static enum trouble trouble_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return TROUBLE_NONE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return TROUBLE_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return TROUBLE_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_ABORTED_BY_CALLBACK: /* on_send */
        return TROUBLE_RESET;
    default:
        return TROUBLE_OTHER;
    }
}

/* ---- libcurl's callbacks ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct agent *agent = context;
    size_t length = size * count;

    if (length > CLIENT_REPLY_MAX_BYTES - agent->body.length) {
        return 0;
    }
    text_add(&agent->body, bytes, length);
    return length;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct agent *agent = context;

    headers_add(&agent->headers, bytes, size * count);
    return size * count;
}

/* libcurl sends again by itself when a kept connection dies: here that is a try of its own, which the options
 * allow or not. */
static int on_send(void *context, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct agent *agent = context;

    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    return agent->sent++ == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct client *client = context;
    struct epoll_event event = {.data.fd = fd};

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        /* libcurl may have closed it already: then it is gone from the set. */
        (void)epoll_ctl(client->epoll, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(client->multi, fd, NULL);
        return 0;
    }
    event.events =
        (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    if (epoll_ctl(client->epoll, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
        sim_fatal(EX_OSERR, "epoll: %s", strerror(errno));
    }
    curl_multi_assign(client->multi, fd, client);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct client *client = context;

    (void)multi;
    client->curl_wake_us = timeout_ms < 0 ? UINT64_MAX : client_now_us() + (uint64_t)timeout_ms * 1000;
    return 0;
}

/* ---- the client ---- */

static void watch_signals(struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    client->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    event.data.fd = client->signals;
    if (client->signals < 0 || epoll_ctl(client->epoll, EPOLL_CTL_ADD, client->signals, &event) != 0) {
        sim_fatal(EX_OSERR, "signalfd: %s", strerror(errno));
    }
}

struct client *client_new(const struct client_options *options)
{
    struct client *client = mem_zeroed(1, sizeof *client);

    expect_curl(curl_global_init(CURL_GLOBAL_ALL));
    client->base_url = mem_text(options->base_url);
    client->retries = options->retries;
    client->timeout_ms = options->timeout_ms;
    client->curl_wake_us = UINT64_MAX;
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    client->multi = curl_multi_init();
    if (client->epoll < 0 || client->multi == NULL) {
        sim_fatal(EX_OSERR, "cannot start a client");
    }
    watch_signals(client);
    expect_multi(curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket));
    expect_multi(curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client));
    expect_multi(curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer));
    expect_multi(curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client));
    expect_multi(curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CLIENT_AGENTS_MAX));
    expect_multi(curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING));
    return client;
}

void client_free(struct client *client)
{
    for (unsigned i = 0; i < client->agent_count; i++) {
        curl_easy_cleanup(client->agents[i]->easy);
        headers_clear(&client->agents[i]->headers);
        free(client->agents[i]->body.bytes);
        free(client->agents[i]);
    }
    curl_multi_cleanup(client->multi);
    curl_global_cleanup();
    close(client->epoll);
    close(client->signals);
    free(client->agents);
    free(client->base_url);
    free(client);
}

void client_set_retries(struct client *client, unsigned retries)
{
    client->retries = retries;
}

bool client_stopping(const struct client *client)
{
    return client->stopping;
}

static void on_signal(struct client *client)
{
    struct signalfd_siginfo info;

    while (read(client->signals, &info, sizeof info) == sizeof info) {
        if (client->stopping) {
            _exit(128 + (int)info.ssi_signo);
        }
        client->stopping = true;
    }
    for (unsigned i = 0; i < client->agent_count; i++) {
        client->agents[i]->wake_us = 0;
    }
}

/* ---- agents ---- */

static struct agent *agent_new(struct client *client, unsigned index)
{
    struct agent *agent = mem_zeroed(1, sizeof *agent);

    agent->client = client;
    agent->index = index;
    agent->state = AGENT_RETURNED;
    agent->easy = curl_easy_init();
    if (agent->easy == NULL) {
        sim_fatal(EX_OSERR, "out of memory");
    }
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_PRIVATE, agent));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_WRITEFUNCTION, on_body));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_WRITEDATA, agent));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_HEADERFUNCTION, on_header));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_HEADERDATA, agent));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_PREREQFUNCTION, on_send));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_PREREQDATA, agent));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_NOSIGNAL, 1L));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_TIMEOUT_MS, (long)client->timeout_ms));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_NOPROXY, "*"));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_USERAGENT, "forumd-sim/" FORUMD_VERSION));
    return agent;
}

unsigned agent_index(const struct agent *agent)
{
    return agent->index;
}

struct client *agent_client(const struct agent *agent)
{
    return agent->client;
}

void agent_sleep_until(struct agent *agent, uint64_t at_us)
{
    if (at_us > client_now_us() && !agent->client->stopping) {
        agent->wake_us = at_us;
        agent->state = AGENT_SLEEPING;
        fiber_yield(agent->fiber);
    }
}

void agent_set_due(struct agent *agent, uint64_t due_us)
{
    agent->due_us = due_us;
}

static struct curl_slist *header_add(struct curl_slist *list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(list, text);

    if (longer == NULL) {
        sim_fatal(EX_OSERR, "out of memory");
    }
    return longer;
}

static struct curl_slist *headers_of(const struct call *call)
{
    struct curl_slist *list = header_add(NULL, "Accept: application/json");
    char line[HEADER_BYTES];

    if (call->body != NULL) {
        list = header_add(list, "Content-Type: application/json");
        list = header_add(list, "Expect:");
    }
    if (call->key != NULL) {
        snprintf(line, sizeof line, "Idempotency-Key: %s", call->key);
        list = header_add(list, line);
        /* So that the server's log tells clients apart. */
        snprintf(line, sizeof line, "X-Request-Id: %s", call->key);
        list = header_add(list, line);
    }
    if (call->token != NULL) {
        snprintf(line, sizeof line, "Authorization: Bearer %s", call->token);
        list = header_add(list, line);
    }
    return list;
}

/* One try: sent, and waited for. */
static void perform(struct agent *agent, const struct call *call)
{
    struct client *client = agent->client;
    struct curl_slist *headers = headers_of(call);
    char *url = mem_format("%s%s", client->base_url, call->path);

    agent->body.length = 0;
    agent->sent = 0;
    headers_clear(&agent->headers);
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_URL, url));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_HTTPHEADER, headers));
    if (call->body != NULL) {
        expect_curl(curl_easy_setopt(agent->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(call->body)));
        expect_curl(curl_easy_setopt(agent->easy, CURLOPT_POSTFIELDS, call->body));
        expect_curl(curl_easy_setopt(agent->easy, CURLOPT_POST, 1L));
    } else {
        expect_curl(curl_easy_setopt(agent->easy, CURLOPT_HTTPGET, 1L));
    }
    expect_multi(curl_multi_add_handle(client->multi, agent->easy));
    agent->state = AGENT_CALLING;
    fiber_yield(agent->fiber);
    expect_multi(curl_multi_remove_handle(client->multi, agent->easy));
    expect_curl(curl_easy_setopt(agent->easy, CURLOPT_HTTPHEADER, NULL));
    curl_slist_free_all(headers);
    free(url);
}

static struct json_object *parse_body(const struct agent *agent)
{
    struct json_tokener *tokener;
    struct json_object *json = NULL;

    if (agent->body.length == 0) {
        return NULL;
    }
    tokener = json_tokener_new_ex(JSON_DEPTH);
    if (tokener != NULL) {
        json = json_tokener_parse_ex(tokener, agent->body.bytes, (int)agent->body.length);
        json_tokener_free(tokener);
    }
    return json;
}

static void take_answer(struct agent *agent, struct answer *answer)
{
    long status = 0;

    answer->trouble = trouble_of(agent->result);
    /* A kept connection may break on the request, and the next one be refused: then it was sent. */
    if (answer->trouble == TROUBLE_REFUSED && agent->sent > 0) {
        answer->trouble = TROUBLE_RESET;
    }
    if (answer->trouble == TROUBLE_NONE) {
        expect_curl(curl_easy_getinfo(agent->easy, CURLINFO_RESPONSE_CODE, &status));
    }
    answer->status = (unsigned)status;
    answer->replayed = agent->headers.replayed;
    answer->stale = agent->headers.stale;
    answer->next = agent->headers.next;
    agent->headers.next = NULL;
    if (status >= 200 && status < 300) {
        answer->outcome = OUTCOME_OK;
    } else if (answer->trouble == TROUBLE_REFUSED || (status >= 300 && status < 500)) {
        answer->outcome = OUTCOME_FAILED;
    } else {
        answer->outcome = OUTCOME_UNKNOWN;
    }
    if (status != 0) {
        answer->json = parse_body(agent);
    }
}

static uint64_t retry_delay_us(const struct agent *agent, unsigned tries)
{
    uint64_t delay_ms = (uint64_t)CLIENT_RETRY_MIN_MS << (tries < 10 ? tries : 10);

    if (agent->headers.retry_after_s > 0) {
        delay_ms = (uint64_t)agent->headers.retry_after_s * 1000;
    }
    return (delay_ms < CLIENT_RETRY_MAX_MS ? delay_ms : CLIENT_RETRY_MAX_MS) * 1000;
}

void agent_call(struct agent *agent, const struct call *call, struct answer *answer)
{
    uint64_t sent_us = client_now_us(), start_us = agent->due_us > 0 ? agent->due_us : sent_us;
    bool unsure = false;

    for (unsigned tries = 1;; tries++) {
        *answer = (struct answer){0};
        perform(agent, call);
        take_answer(agent, answer);
        answer->tries = tries;
        if ((answer->status != HTTP_UNAVAILABLE && answer->trouble == TROUBLE_NONE) ||
            tries > agent->client->retries || agent->client->stopping) {
            break;
        }
        unsure = unsure || answer->outcome == OUTCOME_UNKNOWN;
        answer_clear(answer);
        agent_sleep_until(agent, client_now_us() + retry_delay_us(agent, tries - 1));
    }
    /* An earlier try may have taken effect, whatever the last one says. */
    if (unsure && answer->outcome == OUTCOME_FAILED) {
        answer->outcome = OUTCOME_UNKNOWN;
    }
    answer->sent_us = sent_us;
    answer->took_us = client_now_us() - start_us;
    agent->due_us = 0;
}

/* ---- the loop ---- */

static void agent_enter(void *context)
{
    struct agent *agent = context;

    agent->main(agent, agent->context);
}

static unsigned run_ready(struct client *client, unsigned count)
{
    uint64_t now = client_now_us();
    unsigned running = 0;

    for (unsigned i = 0; i < count; i++) {
        struct agent *agent = client->agents[i];

        if (agent->state == AGENT_SLEEPING && agent->wake_us <= now) {
            agent->state = AGENT_READY;
        }
        if (agent->state == AGENT_READY && !fiber_resume(agent->fiber)) {
            agent->state = AGENT_RETURNED;
            fiber_free(agent->fiber);
            agent->fiber = NULL;
        }
        running += agent->state != AGENT_RETURNED;
    }
    return running;
}

static void collect_finished(struct client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct agent *agent = NULL;

        if (message->msg == CURLMSG_DONE) {
            CURLcode result = message->data.result;

            expect_curl(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&agent));
            agent->result = result;
            agent->state = AGENT_READY;
        }
    }
}

static void wait_for_events(struct client *client, unsigned count)
{
    struct epoll_event events[EVENTS_PER_TURN];
    uint64_t wake_us = client->curl_wake_us, now = client_now_us();
    struct timespec timeout;
    int found, still;

    for (unsigned i = 0; i < count; i++) {
        if (client->agents[i]->state == AGENT_SLEEPING && client->agents[i]->wake_us < wake_us) {
            wake_us = client->agents[i]->wake_us;
        }
    }
    wake_us = wake_us > now ? wake_us - now : 0;
    timeout =
        (struct timespec){.tv_sec = (time_t)(wake_us / 1000000), .tv_nsec = (long)(wake_us % 1000000) * 1000};
    found = epoll_pwait2(client->epoll, events, EVENTS_PER_TURN,
                         client->curl_wake_us == UINT64_MAX && wake_us > INT32_MAX ? NULL : &timeout, NULL);
    for (int i = 0; i < found; i++) {
        int fd = events[i].data.fd;
        int mask = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

        if (fd == client->signals) {
            on_signal(client);
        } else {
            expect_multi(curl_multi_socket_action(client->multi, fd, mask, &still));
        }
    }
    if (client->curl_wake_us <= client_now_us()) {
        client->curl_wake_us = UINT64_MAX;
        expect_multi(curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &still));
    }
}

void client_run(struct client *client, unsigned count, agent_main *main, void *context)
{
    if (count > client->agent_count) {
        client->agents = mem_resize(client->agents, count * sizeof client->agents[0]);
        for (unsigned i = client->agent_count; i < count; i++) {
            client->agents[i] = agent_new(client, i);
        }
        client->agent_count = count;
    }
    for (unsigned i = 0; i < count; i++) {
        struct agent *agent = client->agents[i];

        agent->main = main;
        agent->context = context;
        agent->fiber = fiber_new(agent_enter, agent);
        agent->state = AGENT_READY;
    }
    while (run_ready(client, count) > 0) {
        wait_for_events(client, count);
        collect_finished(client);
    }
}
