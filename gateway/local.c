#include "gateway/local.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/version.h"
#include "gateway/engine_board.h"
#include "gateway/openapi.h"
#include "gateway/request_state.h"

#define TYPE_JSON       "application/json"
#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

static struct text *body_begin(struct request *request)
{
    struct text *body = &request->requests->body;
    text_clear(body);
    return body;
}

void local_root(struct request *request)
{
    struct text *body = body_begin(request);
    text_append_string(body, "{\"name\":\"forumd\",\"version\":\"");
    text_append_string(body, version_text);
    text_append_string(
        body, "\",\"links\":{\"openapi\":\"/openapi.json\",\"health\":\"/health\",\"ready\":\"/ready\","
              "\"metrics\":\"/metrics\",\"subreddits\":\"/api/subreddits\"}}");
    request_answer_body(request, 200, TYPE_JSON);
}

void local_health(struct request *request)
{
    struct text *body = body_begin(request);
    text_append_string(body, "{\"status\":\"healthy\",\"version\":\"");
    text_append_string(body, version_text);
    text_append_string(body, "\",\"worker_pid\":");
    text_append_i64(body, getpid());
    text_append_string(body, ",\"uptime_ms\":");
    text_append_u64(body, clock_monotonic_ms() - request->requests->services.started_ms);
    text_append_string(body, "}");
    request_answer_body(request, 200, TYPE_JSON);
}

static void append_number(struct text *body, const char *name, bool known, uint64_t value)
{
    text_append_string(body, name);
    if (known)
        text_append_u64(body, value);
    else
        text_append_string(body, "null");
}

static void append_engine(struct text *body, enum domain_id domain, const struct engine_state *state)
{
    const char *name = domain_name(domain);
    text_append_json(body, name, strlen(name));
    text_append_string(body, state->up ? ":{\"up\":true" : ":{\"up\":false");
    text_append_string(body, ",\"state\":\"");
    text_append_string(body, engine_condition_name(state->condition));
    text_append_string(body, "\"");
    append_number(body, ",\"latency_us\":", state->up, state->latency_us);
    append_number(body, ",\"queue\":", state->up, state->status.queue);
    append_number(body, ",\"restarts\":", state->was_up, state->restarts);
    text_append_string(body, ",\"storage\":");
    text_append_string(body, !state->up ? "null" : state->status.storage_ok ? "\"ok\"" : "\"unavailable\"");
    text_append_string(body, "}");
}

static void on_ready_board(void *arg)
{
    struct request *request = arg;
    const struct engine_board *board = request->requests->services.board;
    bool all_up = closed_sessions_known(request->requests->services.closed), known = all_up;
    if (request->exchange == NULL) {
        request_release(request);
        return;
    }
    arena_reset(request->requests->arena);
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        all_up = all_up && engine_board_state(board, (enum domain_id)i)->up;
    struct text *body = body_begin(request);
    text_append_string(body, all_up ? "{\"status\":\"ready\"" : "{\"status\":\"degraded\"");
    text_append_string(body, known ? ",\"sessions\":\"known\"" : ",\"sessions\":\"unknown\"");
    text_append_string(body, ",\"engines\":{");
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        if (i > DOMAIN_FIRST)
            text_append_string(body, ",");
        append_engine(body, (enum domain_id)i, engine_board_state(board, (enum domain_id)i));
    }
    text_append_string(body, "}}");
    request_answer_body(request, all_up ? 200 : 503, TYPE_JSON);
}

static void ask_board(struct request *request, void (*done)(void *arg))
{
    request->waiter.done = done;
    request->waiter.arg = request;
    engine_board_ask(request->requests->services.board, &request->waiter);
}

void local_ready(struct request *request)
{
    ask_board(request, on_ready_board);
}

static uint64_t unsigned_at(const Pb__EngineStatus *status, size_t offset, size_t size)
{
    const char *at = (const char *)status + offset;
    if (size == sizeof(uint64_t))
        return *(const uint64_t *)(const void *)at;
    return *(const uint32_t *)(const void *)at;
}

/* Those fields of an engine's status that are shown: name, type, what it is, and by how much it is divided
 * (times). */
#define ENGINE_METRICS(X)                                                                                    \
    X(uptime_ms, "uptime_seconds", "gauge", 1000, "since the engine started")                                \
    X(restarts, "restarts_total", "counter", 1, "how often its supervisor restarted it")                     \
    X(queue, "queue", "gauge", 1, "messages that wait")                                                      \
    X(parked, "parked", "gauge", 1, "commands that wait for something")                                      \
    X(head_seq, "head_seq", "gauge", 1, "events in its log")                                                 \
    X(commits, "commits_total", "counter", 1, "transactions committed since it started")                     \
    X(commit_us, "commit_seconds_total", "counter", 1000000, "spent in commits, syncs included")             \
    X(frames, "frames_total", "counter", 1, "frames decided or refused")                                     \
    X(batches, "received_batches_total", "counter", 1, "batches received")                                   \
    X(writes, "writes_total", "counter", 1, "commands that wrote")                                           \
    X(replays, "replays_total", "counter", 1, "answers given again from the request table")                  \
    X(expired, "expired_total", "counter", 1, "frames that came too late")                                   \
    X(bad_batches, "bad_batches_total", "counter", 1, "batches dropped")                                     \
    X(events_followed, "events_followed_total", "counter", 1, "events of other engines applied")             \
    X(lag_events, "lag_events", "gauge", 1, "events of other engines not yet applied")                       \
    X(synchronous, "synchronous", "gauge", 1, "what SQLite says of its connection: 1 normal, 2 full")        \
    X(cpu_us, "cpu_seconds_total", "counter", 1000000, "processor time since it started")                    \
    X(resident_bytes, "resident_memory_bytes", "gauge", 1, "memory it has")                                  \
    X(descriptors, "open_fds", "gauge", 1, "open descriptors")                                               \
    X(file_bytes, "file_bytes", "gauge", 1, "its database on the disk")

static const struct engine_metric {
    const char *name, *type, *help;
    unsigned divisor;
    size_t offset, size;
} engine_metrics[] = {
#define X(field, name, type, divisor, help)                                                                  \
    {name, type, help, divisor, offsetof(Pb__EngineStatus, field), sizeof(((Pb__EngineStatus *)0)->field)},
    ENGINE_METRICS(X)
#undef X
};

static void append_metric_head(struct text *body, const char *name, const char *type, const char *help)
{
    const char *parts[] = {
        "# HELP forumd_engine_", name, " ", help, "\n# TYPE forumd_engine_", name, " ", type, "\n"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        text_append_string(body, parts[i]);
}

static void append_metric(struct text *body, const char *name, enum domain_id domain, uint64_t value,
                          unsigned divisor)
{
    const char *parts[] = {"forumd_engine_", name, "{engine=\"", domain_name(domain), "\"} "};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        text_append_string(body, parts[i]);
    text_append_u64(body, value / divisor);
    for (text_append_string(body, divisor > 1 ? "." : ""); divisor > 1; divisor /= 10)
        text_append_u64(body, value % divisor / (divisor / 10));
    text_append_string(body, "\n");
}

static void append_engine_metric(struct text *body, const struct engine_board *board,
                                 const struct engine_metric *metric)
{
    append_metric_head(body, metric->name, metric->type, metric->help);
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        const struct engine_state *state = engine_board_state(board, (enum domain_id)i);
        if (state->up)
            append_metric(body, metric->name, (enum domain_id)i,
                          unsigned_at(&state->status, metric->offset, metric->size), metric->divisor);
    }
}

static void append_engines_up(struct text *body, const struct engine_board *board)
{
    append_metric_head(body, "up", "gauge", "answered within half a second");
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        append_metric(body, "up", (enum domain_id)i, engine_board_state(board, (enum domain_id)i)->up, 1);
    append_metric_head(body, "storage_ok", "gauge", "its file can be written");
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        const struct engine_state *state = engine_board_state(board, (enum domain_id)i);
        append_metric(body, "storage_ok", (enum domain_id)i, state->up && state->status.storage_ok, 1);
    }
}

static void on_metrics_board(void *arg)
{
    struct request *request = arg;
    const struct request_services *services = &request->requests->services;
    if (request->exchange == NULL) {
        request_release(request);
        return;
    }
    arena_reset(request->requests->arena);
    struct text *body = body_begin(request);
    metrics_print(services->metrics, clock_monotonic_ms(), body);
    text_append_string(body,
                       "# HELP forumd_gateway_sessions_known whether the worker asked knows which sessions "
                       "were closed\n# TYPE forumd_gateway_sessions_known gauge\n");
    text_append_string(body, closed_sessions_known(services->closed) ? "forumd_gateway_sessions_known 1\n"
                                                                     : "forumd_gateway_sessions_known 0\n");
    append_engines_up(body, services->board);
    for (size_t i = 0; i < ARRAY_LEN(engine_metrics); i++)
        append_engine_metric(body, services->board, &engine_metrics[i]);
    request_answer_body(request, 200, TYPE_PROMETHEUS);
}

void local_metrics(struct request *request)
{
    ask_board(request, on_metrics_board);
}

void local_openapi(struct request *request)
{
    struct requests *requests = request->requests;
    if (requests->openapi.length == 0)
        openapi_encode(&requests->openapi);
    text_clear(&requests->body);
    text_append(&requests->body, requests->openapi.bytes, requests->openapi.length);
    request_answer_body(request, 200, TYPE_JSON);
}
