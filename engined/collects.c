#include "engined/collects.h"

#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"

/* Workers of two generations (a reload) and then some: beyond, the sender longest unheard of is forgotten. */
#define SENDERS_MAX     (4 * LIMIT_WORKERS)
#define ANSWER_EARLY_MS 50 /* before a collect's deadline, so that it arrives in time */

struct decided {
    struct decided *next;
    struct reply_frame reply; /* payload: behind the struct */
    struct frame_time time;   /* told if it was parked for long */
    uint64_t deadline_ms;
};

struct sender {
    uint64_t id; /* run id of the process */
    struct decided *first, *last;
    void *message; /* its collect, held open */
    uint64_t serial, message_deadline_ms;
    uint64_t used; /* turn counter, for forgetting */
};

struct collects {
    collect_answer_fn answer;
    void *arg;
    struct sender senders[SENDERS_MAX];
    size_t sender_count; /* slots ever used */
    struct batch batch;
    struct parked_timings timings;
    uint64_t uses;
    size_t decided_count;
};

struct collects *collects_new(collect_answer_fn answer, void *arg)
{
    struct collects *collects = xcalloc(1, sizeof(*collects));
    collects->answer = answer;
    collects->arg = arg;
    return collects;
}

static void pop_decided(struct collects *collects, struct sender *sender)
{
    struct decided *decided = sender->first;
    sender->first = decided->next;
    if (sender->first == NULL)
        sender->last = NULL;
    free(decided);
    collects->decided_count--;
}

void collects_free(struct collects *collects)
{
    for (size_t i = 0; i < collects->sender_count; i++)
        while (collects->senders[i].first != NULL)
            pop_decided(collects, &collects->senders[i]);
    batch_dispose(&collects->batch);
    free(collects);
}

/* Answers the sender's collect with what is there and fits. */
static void answer_sender(struct collects *collects, struct sender *sender, uint64_t run)
{
    struct batch *batch = &collects->batch;
    batch_begin(batch, BATCH_REPLY, run, sender->serial);
    while (sender->first != NULL && batch->count < LIMIT_BATCH_FRAMES &&
           batch->length + REPLY_HEADER_BYTES + sender->first->reply.length <= LIMIT_BATCH_BYTES) {
        memcpy(batch_add_reply(batch, &sender->first->reply), sender->first->reply.payload,
               sender->first->reply.length);
        if (sender->first->time.parked_us >= LIMIT_PARKED_TOLD_US)
            timing_add_parked(&collects->timings, &sender->first->reply.id, &sender->first->time);
        pop_decided(collects, sender);
    }
    timing_tell_parked(batch, &collects->timings);
    void *message = sender->message;
    sender->message = NULL;
    collects->answer(collects->arg, message, batch);
}

static struct sender *find_sender(struct collects *collects, uint64_t id)
{
    struct sender *oldest = &collects->senders[0];
    for (size_t i = 0; i < collects->sender_count; i++) {
        struct sender *sender = &collects->senders[i];
        if (sender->id == id) {
            sender->used = ++collects->uses;
            return sender;
        }
        if (sender->used < oldest->used)
            oldest = sender;
    }
    if (collects->sender_count < SENDERS_MAX)
        oldest = &collects->senders[collects->sender_count++];
    while (oldest->first != NULL)
        pop_decided(collects, oldest);
    if (oldest->message != NULL)
        answer_sender(collects, oldest, 0);
    *oldest = (struct sender){.id = id, .used = ++collects->uses};
    return oldest;
}

bool collects_add(struct collects *collects, uint64_t sender_id, const struct reply_frame *reply,
                  const struct frame_time *time, uint64_t deadline_ms)
{
    if (collects->decided_count >= LIMIT_DECIDED)
        return false;
    struct sender *sender = find_sender(collects, sender_id);
    struct decided *decided = xmalloc(sizeof(*decided) + reply->length);
    decided->next = NULL;
    decided->reply = *reply;
    decided->time = time != NULL ? *time : (struct frame_time){0};
    decided->deadline_ms = deadline_ms;
    if (reply->length > 0)
        memcpy(decided + 1, reply->payload, reply->length);
    decided->reply.payload = (const uint8_t *)(decided + 1);
    if (sender->last != NULL)
        sender->last->next = decided;
    else
        sender->first = decided;
    sender->last = decided;
    collects->decided_count++;
    return true;
}

void collects_hold(struct collects *collects, uint64_t sender_id, void *message, uint64_t serial,
                   uint64_t deadline_ms)
{
    struct sender *sender = find_sender(collects, sender_id);
    if (sender->message != NULL) {
        batch_begin(&collects->batch, BATCH_REPLY, 0, sender->serial);
        collects->answer(collects->arg, sender->message, &collects->batch);
    }
    sender->message = message;
    sender->serial = serial;
    sender->message_deadline_ms = deadline_ms;
}

void collects_turn(struct collects *collects, uint64_t run, uint64_t now_ms)
{
    for (size_t i = 0; i < collects->sender_count; i++) {
        struct sender *sender = &collects->senders[i];
        if (sender->message != NULL &&
            (sender->first != NULL || now_ms + ANSWER_EARLY_MS >= sender->message_deadline_ms))
            answer_sender(collects, sender, run);
        /* Deadlines are nearly in order: what waits first is the oldest. */
        while (sender->first != NULL && sender->first->deadline_ms < now_ms)
            pop_decided(collects, sender);
    }
}

uint64_t collects_next_ms(const struct collects *collects)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < collects->sender_count; i++) {
        const struct sender *sender = &collects->senders[i];
        if (sender->message != NULL && sender->message_deadline_ms - ANSWER_EARLY_MS < next)
            next = sender->message_deadline_ms - ANSWER_EARLY_MS;
        if (sender->first != NULL && sender->first->deadline_ms < next)
            next = sender->first->deadline_ms;
    }
    return next;
}

size_t collects_waiting(const struct collects *collects)
{
    return collects->decided_count;
}
