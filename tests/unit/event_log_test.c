/* Places in an event log: whose are of this log, over restarts, rolled back transactions and older copies. */
#include "engined/event_log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/limits.h"

extern const char engine_schema_sql[], engine_timelines_sql[];

static char directory[] = "/tmp/forumd-event-log-XXXXXX";
static struct store *store;
static struct event_log *event_log;

static void open_log(void)
{
    static const char *const migrations[] = {engine_schema_sql, engine_timelines_sql};
    store = store_open(directory, "t", STORE_SYNC_FULL);
    store_migrate(store, migrations, ARRAY_LEN(migrations), NULL, NULL);
    event_log = event_log_open(store);
}

static void close_log(void)
{
    event_log_close(event_log);
    store_close(store);
}

/* A clean close leaves one file. */
static void copy(const char *from, const char *to)
{
    char command[256];
    snprintf(command, sizeof(command), "cp %s/%s %s/%s", directory, from, directory, to);
    cr_assert(system(command) == 0);
}

static void start(void)
{
    cr_assert(mkdtemp(directory));
    open_log();
}

static void stop(void)
{
    char command[256];
    close_log();
    snprintf(command, sizeof(command), "rm -r %s", directory);
    cr_assert(system(command) == 0);
}

TestSuite(event_log, .init = start, .fini = stop);

static void append(unsigned count)
{
    cr_assert(store_begin(store));
    for (unsigned i = 0; i < count; i++)
        event_log_append(event_log, 1, 1000, (const uint8_t *)"x", 1);
    cr_assert(store_commit(store));
}

static void restart(void)
{
    close_log();
    open_log();
}

Test(event_log, holds_every_place_that_it_ever_gave)
{
    cr_assert(event_log_holds(event_log, 0, 0), "who never heard");
    cr_assert(event_log_holds(event_log, event_log_id(event_log), 0));
    uint64_t ids[4];
    for (uint64_t i = 0; i < ARRAY_LEN(ids); i++) {
        append(3);
        ids[i] = event_log_id(event_log);
        restart();
        cr_assert_eq(event_log_id(event_log), ids[i], "a start alone begins no timeline");
    }
    for (uint64_t i = 0; i < ARRAY_LEN(ids); i++) {
        cr_expect(event_log_holds(event_log, ids[i], 3 * i + 3));
        cr_expect(event_log_holds(event_log, ids[i], 1));
        cr_expect_not(event_log_holds(event_log, ids[i], 3 * i + 4), "beyond what it had then");
        cr_expect(i == 0 || ids[i] != ids[i - 1]);
    }
    cr_expect_not(event_log_holds(event_log, ids[0] ^ 2, 1), "another log");
}

Test(event_log, begins_no_timeline_in_a_transaction_that_is_rolled_back)
{
    append(2);
    uint64_t id = event_log_id(event_log);
    restart();
    cr_assert(store_begin(store));
    event_log_append(event_log, 1, 1000, (const uint8_t *)"x", 1);
    cr_assert_neq(event_log_id(event_log), id);
    store_rollback(store);
    event_log_rolled_back(event_log);
    cr_assert_eq(event_log_id(event_log), id);
    append(1);
    cr_assert_neq(event_log_id(event_log), id);
    cr_assert(event_log_holds(event_log, id, 2));
    cr_assert_not(event_log_holds(event_log, id, 3));
}

Test(event_log, that_is_an_older_copy_tells_who_read_beyond_it_however_long_it_grows)
{
    append(5);
    restart();
    close_log();
    copy("t.db", "older.db");
    open_log();
    append(5);
    uint64_t id = event_log_id(event_log);
    close_log();
    copy("older.db", "t.db");
    open_log();
    cr_assert_not(event_log_holds(event_log, id, 10));
    append(50);
    cr_assert_not(event_log_holds(event_log, id, 10));
    cr_assert_not(event_log_holds(event_log, id, 5), "nor can it know a timeline that began behind the copy");
}

Test(event_log, that_was_copied_in_the_middle_of_a_timeline_knows_its_part_of_it)
{
    append(5);
    uint64_t id = event_log_id(event_log);
    close_log();
    copy("t.db", "older.db");
    open_log();
    close_log();
    copy("older.db", "t.db");
    open_log();
    append(50);
    cr_assert(event_log_holds(event_log, id, 5));
    cr_assert_not(event_log_holds(event_log, id, 6), "the other copy may have gone on with it");
}

/* Who wants little of a long log must not hold up the engine: a gateway that starts wants only what was
 * closed. */
Test(event_log, is_read_in_bounded_steps_also_where_nothing_is_wanted)
{
    static const uint32_t none[] = {2}, all[] = {1};
    struct arena *arena = arena_new();
    Pb__EventsPulled pulled = PB__EVENTS_PULLED__INIT;
    append(LIMIT_PULL_SCAN + 10);
    event_log_read(event_log, 0, none, 1, arena, &pulled);
    cr_assert(pulled.n_events == 0 && pulled.upto_seq == LIMIT_PULL_SCAN);
    cr_assert_eq(pulled.head_seq, LIMIT_PULL_SCAN + 10);
    event_log_read(event_log, pulled.upto_seq, none, 1, arena, &pulled);
    cr_assert(pulled.n_events == 0 && pulled.upto_seq == LIMIT_PULL_SCAN + 10);
    event_log_read(event_log, 3, all, 1, arena, &pulled);
    cr_assert(pulled.n_events == LIMIT_PULL_EVENTS && pulled.upto_seq == 3 + LIMIT_PULL_EVENTS);
    arena_free(arena);
}
