/* The page of versions, from the engine that writes it to the answers that a worker keeps by it; and which
 * routes have a rule. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/attributes.h"
#include "common/log.h"
#include "engined/versions.h"
#include "gateway/cache.h"
#include "gateway/cache_rules.h"
#include "gateway/compose.h"
#include "gateway/engine_pages.h"
#include "proto/feed.pb-c.h"

enum { RUN = 11, NEXT_RUN = 12, CATS = 5, DOGS = 6, POST_ID = 7 };

static char dir[] = "/tmp/forumd-cache-XXXXXX";
static struct versions *versions;
static struct engine_pages *pages;
static struct metrics *metrics;
static struct cache *cache;
static uint64_t now_ms;

static void turn(void)
{
    engine_pages_turn(pages, now_ms += 2000);
}

static void begin(uint64_t run)
{
    versions_close(versions);
    versions = versions_open(dir, "posts", run);
}

static void answered_by(uint64_t run)
{
    *engine_pages_run(pages, DOMAIN_POSTS) = run;
}

static void set_up(void)
{
    log_open("test", LOG_LEVEL_ERROR);
    cr_assert(mkdtemp(dir));
    metrics = metrics_open(-1, 1, 0);
    pages = engine_pages_open(dir);
    cache = cache_new(1 << 20, pages, metrics);
    begin(RUN);
    answered_by(RUN);
    turn();
}

static void tear_down(void)
{
    char command[128];
    cache_free(cache);
    engine_pages_close(pages);
    versions_close(versions);
    metrics_close(metrics);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    cr_assert(system(command) == 0);
}

TestSuite(pages, .init = set_up, .fini = tear_down);
TestSuite(cache, .init = set_up, .fini = tear_down);

static uint32_t keys[BASIS_KEYS_MAX];

/* Of posts of CATS, as the page says it now. */
static struct basis basis_now(bool *counts)
{
    struct basis basis = {.owner_count = 1, .key_count = 1, .marks = {{.owner = DOMAIN_POSTS}}, .keys = keys};
    keys[0] = basis_key(0, version_bucket(VERSION_SUBREDDIT, CATS));
    *counts = engine_pages_mark(pages, &basis);
    return basis;
}

static struct basis basis_that_counts(void)
{
    bool counts;
    struct basis basis = basis_now(&counts);
    cr_assert(counts);
    return basis;
}

Test(pages, hold_until_what_is_named_is_raised)
{
    struct basis basis = basis_that_counts();
    cr_assert(engine_pages_hold(pages, &basis));
    versions_touch(versions, VERSION_SUBREDDIT, DOGS);
    versions_touch(versions, VERSION_POST, CATS);
    versions_raise(versions);
    cr_assert(engine_pages_hold(pages, &basis));
    versions_touch(versions, VERSION_SUBREDDIT, CATS);
    cr_assert(engine_pages_hold(pages, &basis), "nothing is committed yet");
    versions_raise(versions);
    cr_assert_not(engine_pages_hold(pages, &basis));
    basis = basis_that_counts();
    cr_assert(engine_pages_hold(pages, &basis), "what is asked after the raising has it in it");
}

Test(pages, do_not_hold_when_everything_is_raised)
{
    struct basis basis = basis_that_counts();
    versions_touch_all(versions);
    versions_raise(versions);
    cr_assert_not(engine_pages_hold(pages, &basis));
}

Test(pages, raise_everything_when_too_much_is_touched)
{
    struct basis basis = basis_that_counts();
    for (uint64_t i = 0; i <= 20000; i++)
        versions_touch(versions, VERSION_SUBREDDIT, DOGS);
    versions_raise(versions);
    cr_assert_not(engine_pages_hold(pages, &basis));
}

Test(pages, of_one_run_say_nothing_about_the_next)
{
    struct basis basis = basis_that_counts();
    begin(NEXT_RUN);
    cr_assert_not(engine_pages_hold(pages, &basis));
    answered_by(NEXT_RUN);
    cr_assert_not(engine_pages_hold(pages, &basis));
    basis = basis_that_counts();
    cr_assert(engine_pages_hold(pages, &basis));
}

Test(pages, hold_while_nobody_writes_them)
{
    struct basis basis = basis_that_counts();
    versions_close(versions);
    versions = NULL;
    turn();
    cr_assert(engine_pages_hold(pages, &basis));
}

Test(pages, of_another_engine_than_answers_do_not_count)
{
    bool counts;
    struct basis basis = basis_that_counts();
    answered_by(NEXT_RUN); /* by one that writes elsewhere */
    cr_assert_not(engine_pages_hold(pages, &basis));
    (void)basis_now(&counts);
    cr_assert_not(counts);
    answered_by(0);
    (void)basis_now(&counts);
    cr_assert_not(counts);
}

static void move(const char *from, const char *to)
{
    char a[128], b[128];
    snprintf(a, sizeof(a), "%s/%s", dir, from);
    snprintf(b, sizeof(b), "%s/%s", dir, to);
    cr_assert(rename(a, b) == 0);
}

Test(pages, that_were_moved_away_do_not_hold)
{
    struct basis basis = basis_that_counts();
    move("posts" VERSION_PAGE_SUFFIX, "old");
    turn();
    cr_assert_not(engine_pages_hold(pages, &basis));
    begin(NEXT_RUN); /* makes another */
    answered_by(NEXT_RUN);
    turn();
    basis = basis_that_counts();
    cr_assert(engine_pages_hold(pages, &basis));
}

Test(pages, that_are_too_short_are_not_read)
{
    bool counts;
    char path[128];
    engine_pages_close(pages);
    pages = engine_pages_open(dir);
    snprintf(path, sizeof(path), "%s/posts" VERSION_PAGE_SUFFIX, dir);
    cr_assert(unlink(path) == 0);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs("short", file) >= 0 && fclose(file) == 0);
    answered_by(RUN);
    turn();
    (void)basis_now(&counts);
    cr_assert_not(counts);
    begin(RUN); /* grows it */
    turn();
    (void)basis_now(&counts);
    cr_assert(counts);
}

Test(pages, without_a_directory_never_count)
{
    bool counts;
    engine_pages_close(pages);
    pages = engine_pages_open(NULL);
    answered_by(RUN);
    turn();
    (void)basis_now(&counts);
    cr_assert_not(counts);
}

static void keep(const char *target, uint64_t user, const char *body, size_t length)
{
    struct cached answer = {.route = &routes[3],
                            .user = user,
                            .target = target,
                            .target_length = strlen(target),
                            .headers = {{"X-Total-Count", "3"}},
                            .header_count = 1,
                            .etag = "\"tag\"",
                            .body = body,
                            .body_length = length,
                            .basis = basis_that_counts()};
    cache_keep(cache, &answer);
}

static const struct cached *find(const char *target, uint64_t user)
{
    return cache_find(cache, target, strlen(target), user);
}

Test(cache, gives_back_what_was_kept_for_that_target_and_user)
{
    char body[] = "[1]";
    keep("/a?b", 2, body, 3);
    body[1] = '2'; /* it has a copy */
    const struct cached *found = find("/a?b", 2);
    cr_assert(found);
    cr_assert(memcmp(found->body, "[1]", 3) == 0 && found->body_length == 3);
    cr_assert_str_eq(found->etag, "\"tag\"");
    cr_assert_str_eq(found->headers[0].value, "3");
    cr_assert_eq(found->route, &routes[3]);
    cr_assert_null(find("/a?b", 0));
    cr_assert_null(find("/a?c", 2));
    cr_assert_null(find("/a?", 2));
    cr_assert_eq(cache_route(cache, "/a?b", 4), &routes[3]);
    cr_assert_null(cache_route(cache, "/a", 2));
}

Test(cache, drops_what_is_outdated_and_takes_the_new)
{
    keep("/a", 0, "old", 3);
    versions_touch(versions, VERSION_SUBREDDIT, CATS);
    versions_raise(versions);
    cr_assert_null(find("/a", 0));
    cr_assert_eq(metrics_sum(metrics, METRIC_CACHE_ENTRIES), 0);
    keep("/a", 0, "new", 3);
    keep("/a", 0, "NEW", 3);
    cr_assert_eq(metrics_sum(metrics, METRIC_CACHE_ENTRIES), 1);
    cr_assert(memcmp(find("/a", 0)->body, "NEW", 3) == 0);
}

Test(cache, does_not_keep_what_was_outdated_before_it_came)
{
    struct cached answer = {.target = "/a",
                            .target_length = 2,
                            .etag = "",
                            .body = "x",
                            .body_length = 1,
                            .basis = basis_that_counts()};
    versions_touch(versions, VERSION_SUBREDDIT, CATS);
    versions_raise(versions);
    cache_keep(cache, &answer);
    cr_assert_eq(metrics_sum(metrics, METRIC_CACHE_ENTRIES), 0);
}

Test(cache, makes_room_by_what_was_not_used)
{
    static char body[4000];
    char target[32];
    keep("/used", 0, body, sizeof(body));
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(target, sizeof(target), "/%u", i);
        keep(target, 0, body, sizeof(body));
        cr_assert(find("/used", 0), "%u", i);
        cr_assert_leq(metrics_sum(metrics, METRIC_CACHE_BYTES), 1 << 20);
    }
    cr_assert_null(find("/0", 0));
    cr_assert(find("/999", 0));
    cr_assert_gt(metrics_sum(metrics, METRIC_CACHE_ENTRIES), 200);
}

Test(cache, does_not_keep_what_would_drive_out_all_else)
{
    static char body[1 << 18];
    keep("/large", 0, body, sizeof(body));
    cr_assert_null(find("/large", 0));
}

Test(cache, leaves_what_is_being_sent_until_it_is_sent)
{
    keep("/a", 0, "abc", 3);
    const struct cached *held = find("/a", 0);
    cached_hold(held);
    versions_touch_all(versions);
    versions_raise(versions);
    cr_assert_null(find("/a", 0));
    cr_assert(memcmp(held->body, "abc", 3) == 0); /* AddressSanitizer looks, too */
    cached_done(held->body, held->body_length, (void *)(uintptr_t)held);
}

/* What is shown as time passes, or by a worker alone: no event tells of it. */
static const enum command_index never_kept[] = {CMD_users_get, CMD_users_get_by_name};

Test(rules, are_there_for_each_read_that_changes_by_events_alone)
{
    for (size_t i = 0; i < route_count; i++) {
        const struct route *route = &routes[i];
        bool is_read = route->kind == ROUTE_COMMAND && schema_commands[route->command].kind == COMMAND_READ &&
                       strcmp(route->method, "GET") == 0;
        bool excepted = false;
        for (size_t k = 0; k < ARRAY_LEN(never_kept); k++)
            excepted |= is_read && never_kept[k] == route->command;
        cr_expect_eq(route->cache != NULL, is_read && !excepted, "%s %s", route->method, route->path);
    }
}

static bool has_ids(const struct schema_message *schema, const char *name)
{
    unsigned index;
    return schema_field_by_name(schema, name, &index) != NULL &&
           schema->descriptor->fields[index].type == PROTOBUF_C_TYPE_UINT64;
}

Test(rules, name_fields_that_there_are_and_owners_that_publish)
{
    for (size_t i = 0; i < route_count; i++) {
        const struct cache_rule *rule = routes[i].cache;
        if (rule == NULL)
            continue;
        const struct schema_command *command = &schema_commands[routes[i].command];
        cr_expect_neq(rule->keys[0].owner, 0);
        for (size_t k = 0; k < CACHE_RULE_KEYS_MAX && rule->keys[k].owner != 0; k++) {
            const struct cache_key_rule *key = &rule->keys[k];
            cr_expect_neq(key->owner, DOMAIN_FEED, "%s: it owns nothing", routes[i].path);
            cr_expect(
                key->source == CACHE_ONE ||
                    has_ids(key->source == CACHE_OF_REQUEST ? command->request : command->reply, key->field),
                "%s: %s", routes[i].path, key->field);
        }
    }
}

static bool may_be_kept(const Pb__FeedPage *page)
{
    uint32_t rests_on[BASIS_KEYS_MAX];
    Pb__FeedGet request = PB__FEED_GET__INIT;
    struct basis basis = {.keys = rests_on};
    request.has_user_id = true;
    request.user_id = 1;
    cr_assert(cache_rule_begin(&cache_feed, schema_commands[CMD_feed_get].request, &request.base, &basis));
    return cache_rule_end(&cache_feed, schema_commands[CMD_feed_get].reply, &page->base, &basis);
}

/* An engine of before there was a cache says nothing of subreddits. */
Test(rules, keep_feeds_that_say_on_which_subreddits_they_rest)
{
    uint64_t posts[] = {POST_ID}, subreddits[] = {CATS, DOGS};
    Pb__FeedPage page = PB__FEED_PAGE__INIT;
    page.n_post_ids = ARRAY_LEN(posts);
    page.post_ids = posts;
    cr_assert(!may_be_kept(&page));
    page.n_subreddit_ids = ARRAY_LEN(subreddits);
    page.subreddit_ids = subreddits;
    cr_assert(may_be_kept(&page));
}
