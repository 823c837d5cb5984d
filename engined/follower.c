#include "engined/follower.h"

#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/fault.h"
#include "common/log.h"
#include "proto/version_map.h"

struct follow_state {
    const struct follow_row *row;
    uint64_t log_id, cursor;
    uint64_t known_head;
    bool pulling;
    bool down;    /* the last question failed and nothing was answered since */
    uint64_t run; /* of the process that answered last; 0: none told */
    struct version_map *map;

    /* Barrier: reads that come in wait for the question with the next serial. */
    uint64_t wanted_serial; /* the highest anybody waits for */
    uint64_t asked_serial;  /* of the last question */
    uint64_t done_serial;   /* reads waiting for this or less go on */
    bool asking;            /* a question is under way, or its head is not reached yet */
    bool head_known;        /* it was answered: waiting for the cursor */
    uint64_t head_log, head_seq;
};

struct followers {
    struct store *store;
    void *state;
    struct versions *versions;
    size_t count;
    struct query *load, *save;
    struct follow_state follows[DOMAIN_COUNT];
    uint64_t folded;
    uint64_t turn, now_ms;
};

static void load_cursor(struct followers *followers, struct follow_state *follow)
{
    follow->log_id = 0;
    follow->cursor = 0;
    query_bind(followers->load, "u", (uint64_t)follow->row->source);
    if (query_row(followers->load)) {
        follow->log_id = query_u64(followers->load, 0);
        follow->cursor = query_u64(followers->load, 1);
    }
    query_done(followers->load);
}

struct followers *followers_open(struct store *store, const char *state_dir, const struct domain *domain,
                                 void *state, struct versions *versions)
{
    struct followers *followers = xcalloc(1, sizeof(*followers));
    ensure(domain->follow_count <= DOMAIN_COUNT);
    followers->store = store;
    followers->state = state;
    followers->versions = versions;
    followers->count = domain->follow_count;
    followers->load = store_prepare(store, "SELECT log_id, seq FROM cursors WHERE source = ?1");
    followers->save = store_prepare(
        store, "INSERT INTO cursors (source, log_id, seq) VALUES (?1, ?2, ?3) ON CONFLICT (source) DO "
               "UPDATE SET log_id = excluded.log_id, seq = excluded.seq");
    for (size_t i = 0; i < followers->count; i++) {
        followers->follows[i].row = &domain->follows[i];
        followers->follows[i].map = version_map_new(state_dir, domain->follows[i].source);
        load_cursor(followers, &followers->follows[i]);
    }
    return followers;
}

void followers_close(struct followers *followers)
{
    for (size_t i = 0; i < followers->count; i++)
        version_map_free(followers->follows[i].map);
    free(followers);
}

void followers_turn(struct followers *followers, uint64_t now_ms)
{
    followers->turn++;
    followers->now_ms = now_ms;
}

size_t followers_count(const struct followers *followers)
{
    return followers->count;
}

enum domain_id followers_source(const struct followers *followers, size_t index)
{
    return followers->follows[index].row->source;
}

const uint8_t *followers_next_pull(struct followers *followers, size_t index, struct arena *arena,
                                   size_t *length)
{
    struct follow_state *follow = &followers->follows[index];
    if (follow->pulling)
        return NULL;
    follow->pulling = true;
    Pb__EventsPull pull = PB__EVENTS_PULL__INIT;
    pull.has_log_id = pull.has_after_seq = 1;
    pull.log_id = follow->log_id;
    pull.after_seq = follow->cursor;
    pull.n_types = follow->row->type_count;
    pull.types = arena_copy(arena, follow->row->types, follow->row->type_count * sizeof(uint32_t));
    *length = pb__events_pull__get_packed_size(&pull);
    uint8_t *bytes = arena_alloc_raw(arena, *length);
    pb__events_pull__pack(&pull, bytes);
    return bytes;
}

static void save_cursor(struct followers *followers, struct follow_state *follow)
{
    query_bind(followers->save, "uuu", (uint64_t)follow->row->source, follow->log_id, follow->cursor);
    FAULT_POINT(cursor_before);
    query_run(followers->save);
    FAULT_POINT(cursor_after);
}

/* `events` NULL: all that came from there. */
static void touch(struct followers *followers, const struct follow_row *row, struct arena *arena,
                  const struct followed_event *events, size_t count)
{
    if (followers->versions == NULL)
        return;
    if (row->touch != NULL && events != NULL)
        row->touch(followers->state, arena, events, count, followers->versions);
    else
        versions_touch_all(followers->versions);
}

static void fold_events(struct followers *followers, struct follow_state *follow,
                        const Pb__EventsPulled *pulled, struct arena *arena)
{
    struct followed_event *events = arena_alloc(arena, pulled->n_events * sizeof(events[0]));
    size_t count = 0;
    for (size_t i = 0; i < pulled->n_events; i++) {
        const Pb__EventRecord *record = pulled->events[i];
        const struct schema_message *schema = schema_event_by_type(record->type);
        if (record->seq <= follow->cursor || schema == NULL)
            continue;
        ProtobufCMessage *message = protobuf_c_message_unpack(schema->descriptor, arena_allocator(arena),
                                                              record->payload.len, record->payload.data);
        ensure(message != NULL);
        events[count++] = (struct followed_event){
            .seq = record->seq, .at_ms = record->at_ms, .type = record->type, .message = message};
    }
    if (count > 0) {
        follow->row->fold(followers->state, arena, events, count);
        touch(followers, follow->row, arena, events, count);
    }
    followers->folded += count;
}

/* The barrier's head is reached, or can't be any more because the log is another one. */
static void check_head(struct follow_state *follow)
{
    if (!follow->asking || !follow->head_known)
        return;
    if (follow->head_log == follow->log_id && follow->cursor < follow->head_seq)
        return;
    if (follow->head_log != follow->log_id && follow->head_seq > 0)
        return; /* the pull under way will find the new log */
    follow->done_serial = follow->asked_serial;
    follow->asking = false;
    follow->head_known = false;
}

/* The answer is of no use: who waits, waits for the next. */
static void ask_head_again(struct follow_state *follow)
{
    follow->asking = false;
    follow->head_known = false;
    if (follow->wanted_serial <= follow->asked_serial)
        follow->wanted_serial = follow->asked_serial + 1;
}

void followers_fold(struct followers *followers, size_t index, const Pb__EventsPulled *pulled,
                    struct arena *arena)
{
    struct follow_state *follow = &followers->follows[index];
    if (pulled->reset) {
        log_notice("source has another log, pulling it afresh source=%s", domain_name(follow->row->source));
        follow->row->forget(followers->state);
        touch(followers, follow->row, arena, NULL, 0);
        follow->log_id = pulled->log_id;
        follow->cursor = 0;
        save_cursor(followers, follow);
        if (follow->head_known)
            ask_head_again(follow); /* it may have been the end of the log that is gone */
    } else {
        fold_events(followers, follow, pulled, arena);
        if (follow->log_id != pulled->log_id || follow->cursor < pulled->upto_seq) {
            follow->log_id = pulled->log_id;
            follow->cursor = pulled->upto_seq > follow->cursor ? pulled->upto_seq : follow->cursor;
            save_cursor(followers, follow);
        }
    }
    follow->known_head = pulled->head_seq;
    follow->run = pulled->run;
    log_debug("pulled source=%s events=%zu cursor=%llu", domain_name(follow->row->source), pulled->n_events,
              (unsigned long long)follow->cursor);
}

static void note_end(struct follow_state *follow, enum question_end end)
{
    bool was_down = follow->down;
    if (end != QUESTION_RESET)
        follow->down = end == QUESTION_FAILED;
    if (follow->down != was_down)
        log_info("source is %s source=%s", follow->down ? "down" : "up again",
                 domain_name(follow->row->source));
}

void followers_pull_ended(struct followers *followers, size_t index, enum question_end end)
{
    struct follow_state *follow = &followers->follows[index];
    follow->pulling = false;
    note_end(follow, end);
    check_head(follow);
    /* A source that was restarted goes on under another id: one of the two answers is from before that. */
    if (end == QUESTION_ANSWERED && follow->head_known && follow->head_log != follow->log_id)
        ask_head_again(follow);
}

bool followers_next_head(struct followers *followers, size_t index)
{
    struct follow_state *follow = &followers->follows[index];
    if (follow->asking || follow->wanted_serial <= follow->asked_serial)
        return false;
    follow->asking = true;
    follow->head_known = false;
    follow->asked_serial++;
    return true;
}

void followers_head_answered(struct followers *followers, size_t index, const Pb__EventsHeadAnswer *head)
{
    struct follow_state *follow = &followers->follows[index];
    note_end(follow, QUESTION_ANSWERED);
    follow->head_known = true;
    follow->head_log = head->log_id;
    follow->head_seq = head->head_seq;
    follow->known_head = head->head_seq;
    follow->run = head->run;
    check_head(follow);
}

void followers_head_failed(struct followers *followers, size_t index, enum question_end end)
{
    struct follow_state *follow = &followers->follows[index];
    note_end(follow, end);
    ask_head_again(follow);
}

void followers_rolled_back(struct followers *followers)
{
    for (size_t i = 0; i < followers->count; i++)
        load_cursor(followers, &followers->follows[i]);
}

/* All that the source told anybody of is applied, and its page says so. `log_seq` is read first: what was
 * answered before now is not above it, and where the id then read is of a later timeline than the cursor's,
 * more is to come. */
static bool page_says_reached(struct followers *followers, struct follow_state *follow)
{
    if (follow->run == 0)
        return false;
    const struct version_page *page =
        version_map_look(follow->map, followers->turn, followers->now_ms, false);
    if (page == NULL ||
        atomic_load_explicit(&page->stamp, memory_order_acquire) != version_stamp(follow->run))
        return false;
    uint64_t seq = atomic_load_explicit(&page->log_seq, memory_order_acquire);
    return atomic_load_explicit(&page->log_id, memory_order_acquire) == follow->log_id &&
           follow->cursor >= seq;
}

/* The next question is the first one surely asked after now. */
void followers_barrier_begin(struct followers *followers, struct barrier *barrier)
{
    for (size_t i = 0; i < followers->count; i++) {
        struct follow_state *follow = &followers->follows[i];
        bool reached = !follow->down && page_says_reached(followers, follow);
        barrier->serials[i] = reached ? 0 : follow->asked_serial + 1;
        if (!follow->down && !reached && follow->wanted_serial < barrier->serials[i])
            follow->wanted_serial = barrier->serials[i];
    }
}

static bool source_reached(const struct follow_state *follow, uint64_t serial)
{
    return follow->done_serial >= serial;
}

bool followers_barrier_reached(const struct followers *followers, const struct barrier *barrier)
{
    for (size_t i = 0; i < followers->count; i++)
        if (!source_reached(&followers->follows[i], barrier->serials[i]) && !followers->follows[i].down)
            return false;
    return true;
}

void followers_stale(const struct followers *followers, const struct barrier *barrier, bool *stale)
{
    memset(stale, 0, DOMAIN_COUNT * sizeof(stale[0]));
    for (size_t i = 0; i < followers->count; i++) {
        const struct follow_state *follow = &followers->follows[i];
        if (follow->down || !source_reached(follow, barrier->serials[i]))
            stale[follow->row->source] = true;
    }
}

uint64_t followers_folded(const struct followers *followers)
{
    return followers->folded;
}

uint64_t followers_lag(const struct followers *followers)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < followers->count; i++)
        if (followers->follows[i].known_head > followers->follows[i].cursor)
            lag += followers->follows[i].known_head - followers->follows[i].cursor;
    return lag;
}
