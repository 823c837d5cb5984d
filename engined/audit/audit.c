#include "engined/audit/audit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/fatal.h"
#include "engined/audit/compare.h"
#include "engined/audit/replay.h"
#include "engined/domain.h"

#define SQL_BYTES          4096
#define INTEGRITY_MESSAGES "20"

/* What holds of every file, beside the rows below. */
#define RULE_THERE        "the file is there and can be read"
#define RULE_WHOLE        "SQLite finds the file whole"
#define RULE_SCHEMA_KNOWN "its schema is the one that this program knows"
#define RULE_LOG          "the log has no gaps, and each event can be read"
#define RULE_APPLIED      "the log can be applied from its beginning"

struct run {
    const struct audit *audit;
    struct findings findings;
    char temp[REPLAY_PATH_BYTES];
    struct arena *arena;
    const char *replaying;
    bool comparable[DOMAIN_COUNT]; /* the file has the schema that we know */
};

/* $D is the domain's name. */
static const struct check_row engine_rows[] = {
    {"the log has an id",
     "SELECT 'there are ' || count(*) || ' ids' FROM $D.engine_meta HAVING count(*) <> 1"},
    {"timelines begin within the log",
     "SELECT 'one begins at ' || first_seq FROM $D.timelines WHERE first_seq < 1 OR first_seq > "
     "(SELECT coalesce(max(seq), 0) FROM $D.events)"},
    {"timelines have ids of their own", "SELECT count(*) || ' have the id ' || id FROM (SELECT id FROM "
                                        "$D.timelines UNION ALL SELECT log_id FROM "
                                        "$D.engine_meta) GROUP BY id HAVING count(*) > 1"},
    {"kept answers are of requests",
     "SELECT 'the answer of ' || hex(id) FROM $D.requests WHERE length(id) <> 16 OR client NOT IN (0, 1) "
     "OR expires_ms <= 0"},
};

static const char *name_of(const struct domain *domain)
{
    return domain_name(domain->id);
}

/* --- one file --- */

static struct store *open_file(struct run *run, const struct domain *domain)
{
    char path[REPLAY_PATH_BYTES], why[STORE_WHY_BYTES];
    replay_path(run->audit->dir, domain, path);
    struct store *store = store_open_file(path, run->audit->access, why);
    findings_rule(&run->findings, name_of(domain), RULE_THERE);
    if (store == NULL)
        findings_wrong(&run->findings, "%s: %s", path, access(path, F_OK) != 0 ? strerror(errno) : why);
    return store;
}

static void check_integrity(struct run *run, struct store *store, const struct domain *domain)
{
    findings_rule(&run->findings, name_of(domain), RULE_WHOLE);
    struct query *query = store_prepare(store, "PRAGMA integrity_check(" INTEGRITY_MESSAGES ")");
    query_bind(query, "");
    while (query_row(query))
        if (strcmp(query_text_peek(query, 0), "ok") != 0)
            findings_wrong(&run->findings, "%s", query_text_peek(query, 0));
    if (store_failed(store))
        findings_wrong(&run->findings, "%s", store_error(store));
    query_drop(query);
    findings_rule_end(&run->findings);
}

static void check_version(struct run *run, struct store *store, const struct domain *domain)
{
    uint64_t version = 0;
    findings_rule(&run->findings, name_of(domain), RULE_SCHEMA_KNOWN);
    (void)!store_number(store, "PRAGMA user_version", &version);
    run->comparable[domain->id] = version == domain->migration_count;
    if (version > domain->migration_count)
        findings_wrong(&run->findings, "it is %llu, of a newer forumd; this one knows %zu",
                       (unsigned long long)version, domain->migration_count);
    else if (version < domain->migration_count)
        findings_wrong(&run->findings, "it is %llu, and was not brought to %zu: start its engine once",
                       (unsigned long long)version, domain->migration_count);
}

static const char *event_trouble(struct run *run, const struct domain *domain, struct query *events)
{
    size_t length;
    uint64_t type = query_u64(events, 1);
    const struct schema_message *schema = type <= UINT16_MAX ? schema_event_by_type((uint32_t)type) : NULL;
    if (schema == NULL || domain_of_id((uint16_t)type) != domain->id)
        return "has a type that this domain does not know";
    const void *payload = query_blob_peek(events, 3, &length);
    const ProtobufCMessage *event =
        protobuf_c_message_unpack(schema->descriptor, arena_allocator(run->arena), length, payload);
    arena_reset(run->arena);
    return event == NULL ? "cannot be decoded" : NULL;
}

static void check_log(struct run *run, struct store *store, const struct domain *domain)
{
    char why[STORE_WHY_BYTES];
    uint64_t expected = 1, last_ms = 0;
    findings_rule(&run->findings, name_of(domain), RULE_LOG);
    struct query *events =
        store_try_prepare(store, "SELECT seq, type, at_ms, payload FROM events ORDER BY seq", why);
    if (events == NULL) {
        findings_wrong(&run->findings, "%s", why);
        return;
    }
    query_bind(events, "");
    while (query_row(events)) {
        uint64_t seq = query_u64(events, 0), at_ms = query_u64(events, 2);
        if (seq != expected)
            findings_wrong(&run->findings, "events from %llu to %llu are missing",
                           (unsigned long long)expected, (unsigned long long)seq - 1);
        const char *trouble = event_trouble(run, domain, events);
        if (trouble != NULL)
            findings_wrong(&run->findings, "event %llu %s", (unsigned long long)seq, trouble);
        if (at_ms < last_ms)
            findings_wrong(&run->findings, "event %llu is older than the one before it",
                           (unsigned long long)seq);
        expected = seq + 1;
        last_ms = at_ms;
    }
    if (store_failed(store))
        findings_wrong(&run->findings, "it cannot be read to its end: %s", store_error(store));
    query_drop(events);
    findings_rule_end(&run->findings);
}

static void check_file(struct run *run, const struct domain *domain)
{
    struct store *store = open_file(run, domain);
    if (store == NULL)
        return;
    check_integrity(run, store, domain);
    check_version(run, store, domain);
    check_log(run, store, domain);
    store_close(store);
}

/* --- what the logs give --- */

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct run *run = arg;
    if (run->audit->progress != NULL)
        run->audit->progress(run->audit->arg, run->replaying, done, total);
}

static bool was_folded(struct store *anew, enum domain_id source)
{
    uint64_t one;
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT 1 FROM cursors WHERE source = %d", (int)source);
    return store_number(anew, sql, &one);
}

static void compare_derived(struct run *run, struct store *file, struct store *anew,
                            const struct domain *domain, const struct follow_row *follow)
{
    uint64_t rows = 0;
    char sql[128], rule[COMPARE_RULE_BYTES];
    if (was_folded(anew, follow->source)) {
        compare_table(file, anew, name_of(domain), &follow->table, &run->findings);
        return;
    }
    compare_rule(&follow->table, rule);
    findings_rule(&run->findings, name_of(domain), rule);
    snprintf(sql, sizeof(sql), "SELECT 1 FROM %s LIMIT 1", follow->table.name);
    if (store_number(file, sql, &rows))
        findings_note(&run->findings,
                      "not compared: it is of another log, and is made anew when the engine starts");
}

static void compare_all(struct run *run, struct store *file, struct store *anew, const struct domain *domain)
{
    compare_schema(file, anew, name_of(domain), &run->findings);
    for (size_t i = 0; i < domain->checks->owned_count; i++)
        compare_table(file, anew, name_of(domain), &domain->checks->owned[i], &run->findings);
    for (size_t i = 0; i < domain->follow_count; i++)
        compare_derived(run, file, anew, domain, &domain->follows[i]);
}

static void check_tables(struct run *run, const struct domain *domain)
{
    char path[REPLAY_PATH_BYTES], why[STORE_WHY_BYTES];
    struct replay replay = {.dir = run->audit->dir,
                            .access = run->audit->access,
                            .domain = domain,
                            .out_dir = run->temp,
                            .progress = on_progress,
                            .arg = run};
    run->replaying = name_of(domain);
    replay_path(run->temp, domain, path);
    bool applied = replay_run(&replay);
    findings_rule(&run->findings, name_of(domain), RULE_APPLIED);
    struct store *anew = applied ? store_open_file(path, STORE_CHANGE, why) : NULL;
    struct store *file = anew != NULL ? open_file(run, domain) : NULL;
    if (anew == NULL)
        findings_wrong(&run->findings, "it cannot; stderr has a line about it");
    if (file != NULL)
        compare_all(run, file, anew, domain);
    if (file != NULL)
        store_close(file);
    if (anew != NULL)
        store_close(anew);
}

static void remove_made(const struct run *run, const struct domain *domain)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[REPLAY_PATH_BYTES], name[REPLAY_PATH_BYTES + 8];
    replay_path(run->temp, domain, path);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        if (unlink(name) != 0 && errno != ENOENT)
            fatal_exit(EXIT_OS, "cannot remove %s: %s", name, strerror(errno));
    }
}

/* --- rules --- */

static void put_name(const char *sql, const char *name, char out[static SQL_BYTES])
{
    size_t length = 0;
    for (const char *at = sql; *at != '\0'; at++) {
        bool here = at[0] == '$' && at[1] == 'D';
        length += (size_t)snprintf(out + length, SQL_BYTES - length, here ? "%s" : "%.1s", here ? name : at);
        ensure(length < SQL_BYTES);
        at += here;
    }
}

static void check_rule(struct run *run, struct store *all, const struct domain *domain,
                       const struct check_row *row)
{
    char sql[SQL_BYTES], why[STORE_WHY_BYTES];
    findings_rule(&run->findings, name_of(domain), row->rule);
    put_name(row->sql, name_of(domain), sql);
    struct query *query = store_try_prepare(all, sql, why);
    if (query == NULL) {
        findings_wrong(&run->findings, "this cannot be asked: %s", why);
        return;
    }
    query_bind(query, "");
    while (query_row(query)) {
        const char *what = query_text_peek(query, 0);
        findings_wrong(&run->findings, "%s",
                       what != NULL ? what : "a row that should have no nulls has some");
    }
    if (store_failed(all))
        findings_wrong(&run->findings, "this cannot be told: %s", store_error(all));
    query_drop(query);
    findings_rule_end(&run->findings);
}

static void attach_all(struct run *run, struct store *all)
{
    char path[REPLAY_PATH_BYTES], why[STORE_WHY_BYTES];
    for (enum domain_id id = DOMAIN_FIRST; id < DOMAIN_COUNT; id++) {
        findings_rule(&run->findings, domain_name(id), RULE_THERE);
        replay_path(run->audit->dir, domain_by_id(id), path);
        if (access(path, F_OK) == 0 && !store_attach(all, path, run->audit->access, domain_name(id), why))
            findings_wrong(&run->findings, "%s: %s", path, why);
    }
}

static void check_rules(struct run *run)
{
    char why[STORE_WHY_BYTES];
    struct store *all = store_open_file(NULL, STORE_CHANGE, why);
    if (all == NULL)
        fatal_exit(EXIT_OS, "cannot open a database in memory: %s", why);
    attach_all(run, all);
    for (enum domain_id id = DOMAIN_FIRST; id < DOMAIN_COUNT; id++) {
        const struct domain *domain = domain_by_id(id);
        for (size_t i = 0; i < ARRAY_LEN(engine_rows); i++)
            check_rule(run, all, domain, &engine_rows[i]);
        for (size_t i = 0; i < domain->checks->row_count; i++)
            check_rule(run, all, domain, &domain->checks->rows[i]);
    }
    store_close(all);
}

uint64_t audit_run(const struct audit *audit)
{
    struct run run = {
        .audit = audit, .findings = {.tell = audit->tell, .arg = audit->arg}, .arena = arena_new()};
    if (snprintf(run.temp, sizeof(run.temp), "%s/forumd-check-XXXXXX", audit->temp_dir) >=
            (int)sizeof(run.temp) ||
        mkdtemp(run.temp) == NULL)
        fatal_exit(EXIT_OS, "cannot make a directory in %s: %s", audit->temp_dir, strerror(errno));
    for (enum domain_id id = DOMAIN_FIRST; id < DOMAIN_COUNT; id++)
        check_file(&run, domain_by_id(id));
    for (enum domain_id id = DOMAIN_FIRST; id < DOMAIN_COUNT; id++) {
        if (!run.comparable[id])
            continue;
        check_tables(&run, domain_by_id(id));
        remove_made(&run, domain_by_id(id));
    }
    if (rmdir(run.temp) != 0)
        fatal_exit(EXIT_OS, "cannot remove %s: %s", run.temp, strerror(errno));
    check_rules(&run);
    arena_free(run.arena);
    return run.findings.wrong;
}

void audit_rules(finding_fn tell, void *arg)
{
    static const char *const common[] = {RULE_THERE, RULE_WHOLE,   RULE_SCHEMA_KNOWN,
                                         RULE_LOG,   RULE_APPLIED, COMPARE_SCHEMA_RULE};
    char rule[COMPARE_RULE_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(common); i++)
        tell(arg, FINDING_NOTE, "*", common[i], "");
    for (size_t i = 0; i < ARRAY_LEN(engine_rows); i++)
        tell(arg, FINDING_NOTE, "*", engine_rows[i].rule, "");
    for (enum domain_id id = DOMAIN_FIRST; id < DOMAIN_COUNT; id++) {
        const struct domain *domain = domain_by_id(id);
        for (size_t i = 0; i < domain->checks->row_count; i++)
            tell(arg, FINDING_NOTE, name_of(domain), domain->checks->rows[i].rule, "");
        for (size_t i = 0; i < domain->checks->owned_count; i++) {
            compare_rule(&domain->checks->owned[i], rule);
            tell(arg, FINDING_NOTE, name_of(domain), rule, "");
        }
        for (size_t i = 0; i < domain->follow_count; i++) {
            compare_rule(&domain->follows[i].table, rule);
            tell(arg, FINDING_NOTE, name_of(domain), rule, "");
        }
    }
}
