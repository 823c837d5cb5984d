#include "engined/pulls.h"

#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"

#define PULL_TYPES_MAX  16
#define ANSWER_EARLY_MS 50

struct follower {
    uint64_t id; /* run id of the process; 0: free */
    uint64_t used;
    uint64_t last_answer_ms;
    uint64_t hurry_seq; /* a pull that begins before this is answered at once */

    void *message; /* the pull held open, NULL: none */
    uint64_t serial, deadline_ms;
    struct request_id request;
    uint64_t log_id, after_seq;
    uint64_t scanned_seq; /* no wanted event up to here */
    uint32_t types[PULL_TYPES_MAX];
    size_t type_count;
};

struct pulls {
    struct event_log *log;
    uint64_t run;
    pull_answer_fn answer;
    void *arg;
    uint64_t uses;
    struct follower followers[LIMIT_FOLLOWERS];
};

struct pulls *pulls_new(struct event_log *log, uint64_t run, pull_answer_fn answer, void *arg)
{
    struct pulls *pulls = xcalloc(1, sizeof(*pulls));
    pulls->log = log;
    pulls->answer = answer;
    pulls->arg = arg;
    pulls->run = run;
    return pulls;
}

void pulls_free(struct pulls *pulls)
{
    free(pulls);
}

static void send_answer(struct pulls *pulls, struct follower *follower, Pb__EventsPulled *pulled)
{
    pulled->has_run = 1;
    pulled->run = pulls->run;
    void *message = follower->message;
    follower->message = NULL;
    pulls->answer(pulls->arg, message, follower->serial, &follower->request, pulled);
}

static void init_answer(const struct pulls *pulls, Pb__EventsPulled *pulled, uint64_t upto_seq)
{
    pb__events_pulled__init(pulled);
    pulled->has_log_id = pulled->has_upto_seq = pulled->has_head_seq = 1;
    pulled->log_id = event_log_id(pulls->log);
    pulled->upto_seq = upto_seq;
    pulled->head_seq = event_log_head(pulls->log);
}

/* Says nothing about the follower's cursor: neither where it is nor that it is of this log. */
static void answer_empty(struct pulls *pulls, struct follower *follower)
{
    Pb__EventsPulled pulled;
    init_answer(pulls, &pulled, follower->after_seq);
    pulled.log_id = follower->log_id;
    send_answer(pulls, follower, &pulled);
}

static struct follower *find_follower(struct pulls *pulls, uint64_t id)
{
    struct follower *oldest = &pulls->followers[0];
    for (size_t i = 0; i < LIMIT_FOLLOWERS; i++) {
        struct follower *follower = &pulls->followers[i];
        if (follower->id == id) {
            follower->used = ++pulls->uses;
            return follower;
        }
        if (follower->used < oldest->used)
            oldest = follower;
    }
    if (oldest->message != NULL)
        answer_empty(pulls, oldest);
    *oldest = (struct follower){.id = id, .used = ++pulls->uses};
    return oldest;
}

void pulls_hold(struct pulls *pulls, uint64_t id, void *message, uint64_t serial,
                const struct request_id *request, const Pb__EventsPull *pull, uint64_t deadline_ms)
{
    struct follower *follower = find_follower(pulls, id);
    if (follower->message != NULL)
        answer_empty(pulls, follower);
    follower->message = message;
    follower->serial = serial;
    follower->request = *request;
    follower->deadline_ms = deadline_ms;
    follower->log_id = pull->log_id;
    follower->after_seq = follower->scanned_seq = pull->after_seq;
    follower->type_count = pull->n_types < PULL_TYPES_MAX ? pull->n_types : PULL_TYPES_MAX;
    if (follower->type_count > 0)
        memcpy(follower->types, pull->types, follower->type_count * sizeof(follower->types[0]));
}

void pulls_hurry(struct pulls *pulls, uint64_t id)
{
    find_follower(pulls, id)->hurry_seq = event_log_head(pulls->log);
}

/* The follower's cursor is not of this log: it is another one, or an older copy of the file was put back. */
static bool is_foreign(const struct pulls *pulls, const struct follower *follower)
{
    return !event_log_holds(pulls->log, follower->log_id, follower->after_seq);
}

static void serve_follower(struct pulls *pulls, struct follower *follower, struct arena *arena,
                           uint64_t now_ms)
{
    Pb__EventsPulled pulled;
    if (is_foreign(pulls, follower)) {
        init_answer(pulls, &pulled, 0);
        pulled.has_reset = pulled.reset = 1;
        send_answer(pulls, follower, &pulled);
        return;
    }
    bool hurried = follower->after_seq < follower->hurry_seq;
    bool ending = now_ms + ANSWER_EARLY_MS >= follower->deadline_ms;
    bool news = event_log_head(pulls->log) > follower->scanned_seq;
    if (!hurried && !ending && (!news || now_ms < follower->last_answer_ms + LIMIT_PULL_GAP_MS))
        return;
    pb__events_pulled__init(&pulled);
    event_log_read(pulls->log, follower->scanned_seq, follower->types, follower->type_count, arena, &pulled);
    follower->scanned_seq = pulled.upto_seq;
    if (pulled.n_events == 0 && !hurried && !ending &&
        pulled.upto_seq < follower->after_seq + LIMIT_PULL_EVENTS)
        return;
    follower->last_answer_ms = now_ms;
    send_answer(pulls, follower, &pulled);
}

void pulls_turn(struct pulls *pulls, struct arena *arena, uint64_t now_ms)
{
    for (size_t i = 0; i < LIMIT_FOLLOWERS; i++)
        if (pulls->followers[i].message != NULL)
            serve_follower(pulls, &pulls->followers[i], arena, now_ms);
}

uint64_t pulls_next_ms(const struct pulls *pulls)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < LIMIT_FOLLOWERS; i++) {
        const struct follower *follower = &pulls->followers[i];
        if (follower->message == NULL)
            continue;
        uint64_t due = follower->deadline_ms - ANSWER_EARLY_MS;
        if (event_log_head(pulls->log) > follower->scanned_seq &&
            follower->last_answer_ms + LIMIT_PULL_GAP_MS < due)
            due = follower->last_answer_ms + LIMIT_PULL_GAP_MS;
        if (due < next)
            next = due;
    }
    return next;
}
