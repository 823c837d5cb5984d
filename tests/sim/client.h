/*
 * Many HTTP clients in one thread: agents (fibers) over one libcurl multi handle, each with one request in
 * flight at most and a connection that is kept. So what is in flight is bounded by the number of agents;
 * nothing queues here.
 */
#pragma once

#include <json-c/json_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

#define CLIENT_AGENTS_MAX      4096
#define CLIENT_REPLY_MAX_BYTES (16u << 20)
#define CLIENT_RETRY_MIN_MS    50    /* doubles with each try, where the server names no time */
#define CLIENT_RETRY_MAX_MS    30000 /* also the most that a Retry-After is honoured */

struct client;
struct agent;

struct client_options {
    const char *base_url; /* "http://127.0.0.1:8080", no slash at the end */
    unsigned retries;     /* after a first try that got 503 or no answer */
    unsigned timeout_ms;  /* one try */
};

/* What became of a write. Unknown: it may have taken effect, once at most (no answer, or a 5xx). */
enum outcome { OUTCOME_OK, OUTCOME_FAILED, OUTCOME_UNKNOWN };

/* Why there was no answer. */
enum trouble { TROUBLE_NONE, TROUBLE_REFUSED, TROUBLE_TIMEOUT, TROUBLE_RESET, TROUBLE_OTHER };
enum { TROUBLES = TROUBLE_OTHER + 1 };

/* One request; nothing is kept of it after agent_call. */
struct call {
    const char *path;  /* with query */
    const char *body;  /* JSON: a POST; NULL: a GET */
    const char *key;   /* Idempotency-Key or NULL; every try has the same */
    const char *token; /* bearer token or NULL */
};

struct answer {
    enum outcome outcome;
    enum trouble trouble;
    unsigned status; /* 0: no answer */
    unsigned tries;
    bool replayed;            /* Idempotent-Replayed: true */
    bool stale;               /* X-Feed-Stale */
    uint64_t sent_us;         /* when the first try was, by client_now_us */
    uint64_t took_us;         /* from there, or from agent_set_due's time, to the answer of the last try */
    char *next;               /* path of the next page, or NULL */
    struct json_object *json; /* the body, or NULL if it is none */
};

void answer_clear(struct answer *answer);
/* A string of the body's object, or "" if there is none; lives as long as the answer. */
const char *answer_text(const struct answer *answer, const char *field) MUST_USE;
const char *trouble_name(enum trouble trouble);

/* Takes over SIGINT and SIGTERM: the first makes client_stopping true, the second ends the process. */
struct client *client_new(const struct client_options *options) MUST_USE;
void client_free(struct client *client);
/* From the next call on. */
void client_set_retries(struct client *client, unsigned retries);
bool client_stopping(const struct client *client);

typedef void agent_main(struct agent *agent, void *context);

/* Runs `count` (<= CLIENT_AGENTS_MAX) agents at once, each agent_main(agent, context), until all returned.
 * Not from inside an agent. */
void client_run(struct client *client, unsigned count, agent_main *main, void *context);

/* 0 .. count-1 */
unsigned agent_index(const struct agent *agent);
struct client *agent_client(const struct agent *agent);
/* Sends, waits, tries again as the options say. The caller clears the answer. */
void agent_call(struct agent *agent, const struct call *call, struct answer *answer);
/* Until CLOCK_MONOTONIC shows `at_us`; returns early when the client is stopping. */
void agent_sleep_until(struct agent *agent, uint64_t at_us);
/* The next call's took_us counts from here, not from its sending: for arrivals on a schedule. 0: as usual. */
void agent_set_due(struct agent *agent, uint64_t due_us);

/* CLOCK_MONOTONIC */
uint64_t client_now_us(void);
