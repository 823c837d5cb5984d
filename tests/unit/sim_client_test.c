#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/fiber.h"
#include "tests/sim/headers.h"
#include "tests/sim/ids.h"
#include "tests/sim/table.h"

/* ---- headers ---- */

static void expect_next(const char *line, const char *next)
{
    struct reply_headers headers = {0};

    headers_add(&headers, line, strlen(line));
    if (next == NULL) {
        cr_expect_null(headers.next, "%s", line);
    } else {
        cr_assert_not_null(headers.next, "%s", line);
        cr_expect_str_eq(headers.next, next, "%s", line);
    }
    headers_clear(&headers);
}

Test(headers, find_the_next_page_in_a_link)
{
    expect_next("Link: </api/x?after=a>; rel=\"next\"\r\n", "/api/x?after=a");
    expect_next("link:<http://127.0.0.1:8080/api/x?after=a>;rel=next\r\n", "/api/x?after=a");
    expect_next("Link: </first>; rel=\"first\", </second>; rel=\"next\"\r\n", "/second");
    expect_next("Link: </api/x?to=http://y/z>; rel=\"next\"\r\n", "/api/x?to=http://y/z");
    expect_next("Link: </prev>; rel=\"prev\"\r\n", NULL);
    expect_next("Link: </broken\r\n", NULL);
    expect_next("Linked: </x>; rel=\"next\"\r\n", NULL);
}

Test(headers, know_when_to_try_again_and_what_was_replayed)
{
    static const char retry[] = "Retry-After: 7\r\n", replayed[] = "Idempotent-Replayed: true\r\n";
    struct reply_headers headers = {0};

    headers_add(&headers, retry, strlen(retry));
    headers_add(&headers, replayed, strlen(replayed));
    cr_expect_eq(headers.retry_after_s, 7);
    cr_expect(headers.replayed);
    cr_expect_not(headers.stale);
    headers_clear(&headers);
    cr_expect_not(headers.replayed);
}

/* ---- ids ---- */

Test(ids, are_read_only_where_they_are_of_their_kind_and_whole)
{
    cr_expect_eq(id_parse(ID_POST, "post_17"), 17);
    cr_expect_eq(id_parse(ID_MESSAGE, "dm_1"), 1);
    cr_expect_eq(id_parse(ID_POST, "comment_17"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_0"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_017"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_17x"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_-1"), 0);
    cr_expect_eq(id_parse(ID_POST, "post_99999999999999999999"), 0);
    cr_expect_eq(id_parse(ID_POST, NULL), 0);
    cr_expect_str_eq(id_format(ID_SUBREDDIT, 5).text, "sub_5");
}

/* ---- tables ---- */

Test(table, keeps_each_pair_apart_while_it_grows)
{
    struct table *table = table_new();
    struct table_entry entry;
    size_t cursor = 0, seen = 0;

    for (uint64_t a = 0; a < 100; a++) {
        for (uint64_t b = 0; b < 100; b++) {
            *table_put(table, a, b) = a * 1000 + b + 1;
        }
    }
    cr_assert_eq(table_count(table), 10000);
    for (uint64_t a = 0; a < 100; a++) {
        for (uint64_t b = 0; b < 100; b++) {
            cr_assert_eq(table_get(table, a, b), a * 1000 + b + 1);
        }
    }
    cr_expect_null(table_find(table, 100, 0));
    while (table_next(table, &cursor, &entry)) {
        cr_assert_eq(entry.value, entry.a * 1000 + entry.b + 1);
        seen++;
    }
    cr_expect_eq(seen, 10000);
    table_free(table);
}

/* ---- fibers ---- */

struct counting {
    struct fiber *self;
    unsigned count;
};

static void count_to_three(void *context)
{
    struct counting *counting = context;
    volatile unsigned local = 0; /* must survive each pause */

    while (local < 3) {
        local++;
        counting->count = local;
        fiber_yield(counting->self);
    }
}

Test(fiber, goes_on_where_it_paused_each_with_its_own_stack)
{
    struct counting one = {0}, two = {0};

    one.self = fiber_new(count_to_three, &one);
    two.self = fiber_new(count_to_three, &two);
    for (unsigned i = 1; i <= 3; i++) {
        cr_assert(fiber_resume(one.self));
        cr_expect_eq(one.count, i);
        cr_expect_eq(two.count, i - 1);
        cr_assert(fiber_resume(two.self));
        cr_expect_eq(two.count, i);
    }
    cr_expect_not(fiber_resume(one.self));
    cr_expect_not(fiber_resume(two.self));
    fiber_free(one.self);
    fiber_free(two.self);
}
