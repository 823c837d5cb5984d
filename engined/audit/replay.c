#include "engined/audit/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "common/log.h"
#include "engined/domain.h"

#define EVENTS_A_COMMIT 8192
#define FOLD_EVENTS     1024
#define EVENT_ROWS      64

struct run {
    const struct replay *replay;
    struct store *out;
    void *state;
    struct arena *arena;
    struct query *keep_cursor;
    apply_fn appliers[EVENT_ROWS];
    uint64_t done, total, uncommitted;
};

void replay_path(const char *dir, const struct domain *domain, char *out)
{
    if (snprintf(out, REPLAY_PATH_BYTES, "%s/%s.db", dir, domain_name(domain->id)) >= REPLAY_PATH_BYTES)
        fatal_exit(EXIT_CONFIG, "a directory's name is too long");
}

static struct store *open_source(const struct run *run, const struct domain *domain)
{
    char path[REPLAY_PATH_BYTES], why[STORE_WHY_BYTES];
    replay_path(run->replay->dir, domain, path);
    struct store *store = store_open_file(path, run->replay->access, why);
    if (store == NULL)
        log_warn("cannot read %s: %s", path, why);
    return store;
}

static ProtobufCMessage *unpack(struct run *run, struct query *events, const struct schema_message *schema)
{
    size_t length;
    const void *payload = query_blob_peek(events, 2, &length);
    return protobuf_c_message_unpack(schema->descriptor, arena_allocator(run->arena), length, payload);
}

static void commit(struct run *run)
{
    if (store_failed(run->out) || !store_commit(run->out))
        fatal_exit(EXIT_IO, "cannot write the new tables of %s", domain_name(run->replay->domain->id));
    if (!store_begin(run->out))
        fatal_exit(EXIT_IO, "cannot write the new tables of %s", domain_name(run->replay->domain->id));
    run->uncommitted = 0;
}

static void count(struct run *run, uint64_t events)
{
    run->done += events;
    run->uncommitted += events;
    if (run->uncommitted >= EVENTS_A_COMMIT)
        commit(run);
    if (run->replay->progress != NULL)
        run->replay->progress(run->replay->arg, run->done, run->total);
}

/* What cannot be read is left out: whoever checks the log tells of it. */
static void apply_own(struct run *run, struct store *source)
{
    struct query *events = store_prepare(source, "SELECT seq, type, payload FROM events ORDER BY seq");
    query_bind(events, "");
    while (query_row(events)) {
        uint32_t type = (uint32_t)query_u64(events, 1);
        const struct schema_message *schema = schema_event_by_type(type);
        bool ours = schema != NULL && domain_of_id((uint16_t)type) == run->replay->domain->id;
        apply_fn apply = ours && (type & 0xff) < EVENT_ROWS ? run->appliers[type & 0xff] : NULL;
        ProtobufCMessage *event = apply != NULL ? unpack(run, events, schema) : NULL;
        if (event != NULL)
            apply(run->state, run->arena, event);
        arena_reset(run->arena);
        count(run, 1);
    }
    if (store_failed(source))
        fatal_exit(EXIT_DATA, "the log of %s cannot be read to its end: %s",
                   domain_name(run->replay->domain->id), store_error(source));
}

bool replay_place_is_known(struct store *source, uint64_t log_id, uint64_t seq)
{
    /* Where the timeline ends in which the log's id was this one. */
    static const char sql[] =
        "WITH all_lines AS (SELECT 0 AS first_seq, log_id AS id FROM engine_meta UNION ALL SELECT first_seq, "
        "id FROM "
        "timelines), ends AS (SELECT id, coalesce(lead(first_seq) OVER (ORDER BY first_seq) - 1, (SELECT "
        "coalesce(max(seq), 0) FROM events)) AS last_seq FROM all_lines) SELECT 1 FROM ends WHERE id = ?1 "
        "AND "
        "last_seq >= ?2";
    char why[STORE_WHY_BYTES];
    uint64_t one;
    struct query *query = store_try_prepare(source, sql, why);
    if (query == NULL)
        return false;
    query_bind(query, "uu", log_id, seq);
    bool known = query_one_u64(query, &one);
    query_drop(query);
    return known;
}

static bool is_wanted(const struct follow_row *follow, uint32_t type)
{
    for (size_t i = 0; i < follow->type_count; i++)
        if (follow->types[i] == type)
            return true;
    return false;
}

static void fold(struct run *run, const struct follow_row *follow, struct store *source, uint64_t upto)
{
    struct followed_event events[FOLD_EVENTS];
    size_t held = 0;
    struct query *query =
        store_prepare(source, "SELECT seq, type, payload, at_ms FROM events WHERE seq <= ?1 ORDER BY seq");
    query_bind(query, "u", upto);
    bool more = true;
    while (more) {
        more = query_row(query);
        uint32_t type = more ? (uint32_t)query_u64(query, 1) : 0;
        const struct schema_message *schema =
            more && is_wanted(follow, type) ? schema_event_by_type(type) : NULL;
        ProtobufCMessage *message = schema != NULL ? unpack(run, query, schema) : NULL;
        if (message != NULL)
            events[held++] = (struct followed_event){
                .seq = query_u64(query, 0), .at_ms = query_u64(query, 3), .type = type, .message = message};
        if (held == FOLD_EVENTS || (!more && held > 0)) {
            follow->fold(run->state, run->arena, events, held);
            arena_reset(run->arena);
            held = 0;
        }
        count(run, more);
    }
    if (store_failed(source))
        fatal_exit(EXIT_DATA, "the log of %s cannot be read to its end: %s", domain_name(follow->source),
                   store_error(source));
}

/* The row of `cursors`; false: nothing was followed yet. */
static bool read_cursor(struct store *store, enum domain_id source, uint64_t *log_id, uint64_t *seq)
{
    struct query *query = store_prepare(store, "SELECT log_id, seq FROM cursors WHERE source = ?1");
    query_bind(query, "u", (uint64_t)source);
    bool found = query_row(query);
    if (found) {
        *log_id = query_u64(query, 0);
        *seq = query_u64(query, 1);
    }
    query_done(query);
    return found;
}

static void follow_source(struct run *run, const struct follow_row *follow, struct store *own)
{
    uint64_t log_id, seq;
    if (!read_cursor(own, follow->source, &log_id, &seq))
        return;
    struct store *source = open_source(run, domain_by_id(follow->source));
    if (source == NULL)
        return;
    if (replay_place_is_known(source, log_id, seq)) {
        run->total += seq;
        fold(run, follow, source, seq);
        query_bind(run->keep_cursor, "uuu", (uint64_t)follow->source, log_id, seq);
        query_run(run->keep_cursor);
    }
    store_close(source);
}

static void open_out(struct run *run)
{
    const struct domain *domain = run->replay->domain;
    char why[STORE_WHY_BYTES];
    run->out = store_open(run->replay->out_dir, domain_name(domain->id), STORE_SYNC_NORMAL);
    store_migrate(run->out, domain->migrations, domain->migration_count, NULL, NULL);
    if (!store_run(run->out, "PRAGMA synchronous=OFF", why))
        fatal_exit(EXIT_IO, "%s", why);
    run->keep_cursor =
        store_prepare(run->out, "INSERT INTO cursors (source, log_id, seq) VALUES (?1, ?2, ?3)");
    run->state = domain->open(run->out);
    for (size_t i = 0; i < domain->event_count; i++)
        run->appliers[domain->events[i].type & 0xff] = domain->events[i].apply;
}

static void make_tables(struct run *run)
{
    const struct domain *domain = run->replay->domain;
    struct store *own = open_source(run, domain);
    if (own == NULL)
        fatal_exit(EXIT_DATA, "there is no log of %s to be read", domain_name(domain->id));
    open_out(run);
    if (!store_begin(run->out))
        fatal_exit(EXIT_IO, "cannot begin the new tables of %s", domain_name(domain->id));
    (void)!store_number(own, "SELECT max(seq) FROM events", &run->total);
    apply_own(run, own);
    for (size_t i = 0; i < domain->follow_count; i++)
        follow_source(run, &domain->follows[i], own);
    store_close(own);
    if (store_failed(run->out) || !store_commit(run->out))
        fatal_exit(EXIT_IO, "cannot write the new tables of %s", domain_name(domain->id));
    domain->close(run->state);
    store_close(run->out);
}

bool replay_run(const struct replay *replay)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        fatal_exit(EXIT_OS, "fork: %s", strerror(errno));
    if (pid == 0) {
        struct run run = {.replay = replay, .arena = arena_new()};
        make_tables(&run);
        _exit(EXIT_SUCCESS);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            fatal_exit(EXIT_OS, "waitpid: %s", strerror(errno));
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}
