/* The request table alone: what is remembered, and that forgetting goes in small steps. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "engined/requests.h"
#include "engined/store.h"

#define NOW_MS 1700000000000ull
#define STEP   16

extern const char engine_schema_sql[];

static const char *const migrations[] = {engine_schema_sql};

static char dir[64];
static struct store *store;
static struct requests *requests;
static struct arena *arena;

static void start(void)
{
    log_open("test", LOG_LEVEL_WARN);
    snprintf(dir, sizeof(dir), "/tmp/forumd-requests-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    store = store_open(dir, "t", STORE_SYNC_NORMAL);
    store_migrate(store, migrations, 1, NULL, NULL);
    requests = requests_open(store);
    arena = arena_new();
}

static void stop(void)
{
    char command[128];
    arena_free(arena);
    requests_close(requests);
    store_close(store);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(requests, .init = start, .fini = stop);

static struct request_id id_of(uint64_t number)
{
    struct request_id id = {{0}};
    memcpy(id.bytes, &number, sizeof(number));
    return id;
}

static void remember(uint64_t first, uint64_t count, bool client, uint64_t expires_ms)
{
    cr_assert(store_begin(store));
    for (uint64_t i = first; i < first + count; i++) {
        struct request_id id = id_of(i);
        requests_remember(requests, &id, client, i, expires_ms, (const uint8_t *)"answer", 6);
    }
    cr_assert(store_commit(store));
}

static enum requests_found find(uint64_t number, uint64_t fingerprint)
{
    struct request_id id = id_of(number);
    const uint8_t *reply;
    size_t length;
    return requests_find(requests, &id, fingerprint, NOW_MS, arena, &reply, &length);
}

static uint64_t rows(void)
{
    struct query *count = store_prepare(store, "SELECT count(*) FROM requests");
    uint64_t value = 0;
    query_bind(count, "");
    cr_assert(query_one_u64(count, &value));
    return value;
}

static void prune(void)
{
    cr_assert(store_begin(store));
    requests_prune(requests, NOW_MS, STEP, true);
    cr_assert(store_commit(store));
}

Test(requests, of_clients_are_known_until_they_expire)
{
    remember(1, 1, true, NOW_MS);
    remember(2, 1, true, NOW_MS - 1);
    cr_assert_eq(find(1, 1), REQUEST_KNOWN);
    cr_assert_eq(find(1, 7), REQUEST_MISMATCH);
    cr_assert_eq(find(2, 2), REQUEST_NEW, "whether it was pruned yet or not");
    cr_assert_eq(find(3, 3), REQUEST_NEW);
}

Test(requests, of_workers_are_known_until_they_are_pruned)
{
    remember(1, 1, false, NOW_MS - 1);
    cr_assert_eq(find(1, 1), REQUEST_KNOWN);
    cr_assert_eq(find(1, 7), REQUEST_MISMATCH);
    cr_assert(store_begin(store));
    requests_prune(requests, NOW_MS, STEP, false);
    cr_assert(store_commit(store));
    cr_assert_eq(find(1, 1), REQUEST_KNOWN);
    prune();
    cr_assert_eq(find(1, 1), REQUEST_NEW);
}

Test(requests, are_pruned_in_small_steps_the_oldest_first_and_only_when_expired)
{
    remember(0, 5 * STEP, false, NOW_MS - 1);
    remember(1000, 2 * STEP, true, NOW_MS - 2);
    remember(2000, STEP, false, NOW_MS + 1);
    remember(3000, STEP, true, NOW_MS + 1);
    remember(4000, 1, false, NOW_MS - 1000);
    uint64_t left = rows();
    for (int step = 0; left > 2 * STEP; step++) {
        cr_assert_lt(step, 10);
        prune();
        uint64_t now_left = rows();
        cr_assert_lt(now_left, left, "step %d", step);
        cr_assert_leq(left - now_left, 2 * STEP, "step %d", step);
        cr_assert(step > 0 || find(4000, 4000) == REQUEST_NEW);
        left = now_left;
    }
    prune();
    cr_assert_eq(rows(), 2 * STEP);
    cr_assert_eq(find(2000, 2000), REQUEST_KNOWN);
    cr_assert_eq(find(3000, 3000), REQUEST_KNOWN);
}

Test(requests, come_back_when_their_pruning_is_rolled_back)
{
    remember(1, STEP, true, NOW_MS - 1);
    cr_assert(store_begin(store));
    requests_prune(requests, NOW_MS, STEP, true);
    store_rollback(store);
    requests_rolled_back(requests);
    cr_assert_eq(rows(), STEP);
    prune();
    cr_assert_eq(rows(), 0);
}
