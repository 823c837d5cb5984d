/* What every engine does around its domain: once only, deadlines, time, framing. Shown on the posts domain.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/limits.h"
#include "proto/frame.h"
#include "proto/posts.pb-c.h"
#include "proto/schema_commands.h"
#include "tests/unit/harness.h"

#define SUB 3

static struct harness *h;

static void start(void)
{
    h = harness_open(&posts_domain);
    harness_know(h, 0, SUB, "unit_tests");
}

static void stop(void)
{
    harness_close(h);
}

TestSuite(engine, .init = start, .fini = stop);

static Pb__PostsCreate post_titled(const char *title)
{
    Pb__PostsCreate request = PB__POSTS_CREATE__INIT;
    request.has_subreddit_id = request.has_author_id = 1;
    request.subreddit_id = SUB;
    request.author_id = 1;
    request.title = (char *)title;
    return request;
}

static enum status create(const char *title, const char *key, uint64_t *post_id, bool *replayed)
{
    Pb__PostsCreate request = post_titled(title);
    ProtobufCMessage *reply = NULL;
    enum status status;
    if (key != NULL)
        status =
            harness_run_keyed(h, 1, "author", COMMAND_ID_posts_create, &request.base, key, &reply, replayed);
    else
        status = harness_run(h, 1, "author", COMMAND_ID_posts_create, &request.base, &reply);
    if (status == STATUS_OK && post_id != NULL)
        *post_id = ((Pb__Post *)reply)->post_id;
    return status;
}

Test(engine, gives_a_keyed_write_its_first_answer_again_also_after_a_restart)
{
    uint64_t first = 0, again = 0, after = 0;
    bool replayed = true;
    cr_assert_eq(create("once", "key-1", &first, &replayed), STATUS_OK);
    cr_assert_not(replayed);
    uint64_t events = harness_head_seq(h);
    cr_assert_eq(create("once", "key-1", &again, &replayed), STATUS_OK);
    cr_assert(replayed);
    cr_assert_eq(again, first);
    harness_restart(h);
    cr_assert_eq(create("once", "key-1", &after, &replayed), STATUS_OK);
    cr_assert(replayed);
    cr_assert_eq(after, first);
    cr_assert_eq(harness_head_seq(h), events, "nothing happened a second time");
}

Test(engine, refuses_a_key_that_was_used_for_another_request)
{
    bool replayed;
    cr_assert_eq(create("one", "key-1", NULL, &replayed), STATUS_OK);
    uint64_t events = harness_head_seq(h);
    cr_assert_eq(create("two", "key-1", NULL, &replayed), STATUS_KEY_REUSED);
    cr_assert_eq(harness_head_seq(h), events);
}

Test(engine, does_not_remember_a_refusal_under_its_key)
{
    Pb__PostsCreate request = post_titled("later");
    request.subreddit_id = SUB + 1;
    bool replayed;
    cr_assert_eq(
        harness_run_keyed(h, 1, "author", COMMAND_ID_posts_create, &request.base, "key-2", NULL, &replayed),
        STATUS_SUBREDDIT_NOT_FOUND);
    harness_know(h, 0, SUB + 1, "later");
    cr_assert_eq(
        harness_run_keyed(h, 1, "author", COMMAND_ID_posts_create, &request.base, "key-2", NULL, &replayed),
        STATUS_OK);
    cr_assert_not(replayed);
}

Test(engine, forgets_a_key_after_its_day)
{
    uint64_t first = 0, second = 0;
    bool replayed;
    cr_assert_eq(create("daily", "key-3", &first, &replayed), STATUS_OK);
    harness_advance_ms(h, LIMIT_CLIENT_KEY_MS + 1);
    cr_assert_eq(create("daily", "key-3", &second, &replayed), STATUS_OK);
    cr_assert_not(replayed);
    cr_assert_neq(first, second);
}

Test(engine, knows_a_key_for_its_day_though_the_wall_clock_steps_beyond)
{
    uint64_t first = 0, again = 0;
    bool replayed;
    cr_assert_eq(create("daily", "key-4", &first, &replayed), STATUS_OK);
    harness_step_wall_ms(h, 2 * LIMIT_CLIENT_KEY_MS);
    cr_assert_eq(create("other", NULL, NULL, NULL), STATUS_OK); /* whoever writes prunes */
    cr_assert_eq(create("daily", "key-4", &again, &replayed), STATUS_OK);
    cr_assert(replayed);
    cr_assert_eq(again, first);
    harness_advance_ms(h, LIMIT_CLIENT_KEY_MS + 1);
    cr_assert_eq(create("daily", "key-4", &again, &replayed), STATUS_OK);
    cr_assert_not(replayed);
}

/* The wall clock steps, the engine dies, and the worker tries again what was with it. */
Test(engine, keeps_answers_for_workers_that_try_again_over_a_step_and_a_restart)
{
    cr_assert_eq(create("first", NULL, NULL, NULL), STATUS_OK);
    harness_step_wall_ms(h, 2 * (LIMIT_DEADLINE_MS + LIMIT_REQUEST_ID_GRACE_MS));
    harness_restart(h);
    cr_assert_eq(create("second", NULL, NULL, NULL), STATUS_OK);
    harness_advance_ms(h, LIMIT_DEADLINE_MS);
    cr_assert_eq(create("third", NULL, NULL, NULL), STATUS_OK);
    cr_assert_eq(harness_rows(h, "requests"), 3, "what a worker may still try again is forgotten");
    harness_advance_ms(h, LIMIT_DEADLINE_MS + LIMIT_REQUEST_ID_GRACE_MS + 1);
    cr_assert_eq(create("fourth", NULL, NULL, NULL), STATUS_OK);
    cr_assert_eq(harness_rows(h, "requests"), 1);
}

Test(engine, answers_an_expired_frame_without_running_it)
{
    cr_assert_eq(create("in time", NULL, NULL, NULL), STATUS_OK);
    uint64_t events = harness_head_seq(h);
    harness_set_deadline_ms(h, 0);
    cr_assert_eq(create("too late", NULL, NULL, NULL), STATUS_EXPIRED);
    cr_assert_eq(harness_head_seq(h), events);
}

Test(engine, forgets_old_answers_in_small_steps_as_it_writes)
{
    uint64_t written = 3 * LIMIT_PRUNE_ROWS;
    for (uint64_t i = 0; i < written; i++)
        cr_assert_eq(create("old", NULL, NULL, NULL), STATUS_OK);
    cr_assert_eq(harness_rows(h, "requests"), written);
    harness_advance_ms(h, LIMIT_DEADLINE_MS + LIMIT_REQUEST_ID_GRACE_MS + 1);
    for (uint64_t step = 1; step <= 3; step++) {
        cr_assert_eq(create("new", NULL, NULL, NULL), STATUS_OK);
        cr_assert_eq(harness_rows(h, "requests"), written - step * LIMIT_PRUNE_ROWS + step);
    }
}

Test(engine, never_lets_time_go_back_not_even_over_a_restart)
{
    Pb__PostsCreate request = post_titled("now");
    ProtobufCMessage *reply;
    cr_assert_eq(harness_run(h, 1, "author", COMMAND_ID_posts_create, &request.base, &reply), STATUS_OK);
    uint64_t first_ms = ((Pb__Post *)reply)->created_at;
    harness_step_wall_ms(h, -3600 * 1000);
    cr_assert_eq(harness_run(h, 1, "author", COMMAND_ID_posts_create, &request.base, &reply), STATUS_OK);
    cr_assert_geq(((Pb__Post *)reply)->created_at, first_ms);
    harness_restart(h);
    cr_assert_eq(harness_run(h, 1, "author", COMMAND_ID_posts_create, &request.base, &reply), STATUS_OK);
    cr_assert_geq(((Pb__Post *)reply)->created_at, first_ms);
}

Test(engine, drops_bytes_that_are_not_a_sealed_batch)
{
    uint8_t bytes[256];
    memset(bytes, 0x5a, sizeof(bytes));
    cr_assert(harness_drops(h, bytes, sizeof(bytes)));
    cr_assert(harness_drops(h, bytes, 3));
    struct mac_key wrong = {.bytes = {1}};
    struct batch batch = {0};
    batch_begin(&batch, BATCH_REQUEST, 1, 1);
    struct request_frame frame = {.command = COMMAND_ID_engine_ping, .deadline_ms = UINT64_MAX};
    (void)!batch_add_request(&batch, &frame);
    batch_seal(&batch, &wrong);
    cr_assert(harness_drops(h, batch.bytes, batch.length), "a wrong MAC");
    batch_dispose(&batch);
    cr_assert_eq(create("still there", NULL, NULL, NULL), STATUS_OK);
}

Test(engine, answers_a_command_of_another_domain_without_running_it)
{
    Pb__PostsGet request = PB__POSTS_GET__INIT;
    cr_assert_eq(harness_run(h, 1, "author", COMMAND_ID_users_get, &request.base, NULL), STATUS_BAD_FRAME);
}
