/*
 * The wall clock steps. Two ways to make it: libfaketime, which programs cannot tell from the real thing when
 * they ask for the time; and clock_step_shim.c, which besides ends waits that were under way as the kernel
 * would.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/clock_step.h"
#include "tests/fault/counters.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define SETTLED_MS 10000
#define USUAL_MS   5000 /* an engine's return, and counters that follow; on a busy machine */
#define NEVER_MS   1500 /* long enough to see that it does not return: usually it takes a tenth of that */
#define HOUR_MS    3600000ll
#define STEPS      20
#define CONTROLS   5 /* on a busy machine the worker may dial before or after all steps */

static const char *const quiet[] = {"--access-log=off", NULL};

static const char *faketime(void)
{
    const char *const argv[] = {"/bin/sh", "-c",
                                "ls /usr/lib/*/faketime/libfaketimeMT.so.1 | head -n 1 | tr -d '\\n'", NULL};
    return program_run(argv, NULL, NULL, SETTLED_MS).output;
}

static void set_faketime(const char *file, const char *offset)
{
    const char *fresh = keep_format("%s.new", file);
    FILE *out = fopen(fresh, "we");
    cr_assert(out && fprintf(out, "%s\n", offset) > 0 && fclose(out) == 0 && rename(fresh, file) == 0);
}

/* The shim's clock, not stepped yet. */
static _Atomic int64_t *new_stepped_clock(const char *file)
{
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    cr_assert(fd >= 0 && ftruncate(fd, sizeof(int64_t)) == 0, "%s: %s", file, strerror(errno));
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert(page != MAP_FAILED, "%s: %s", file, strerror(errno));
    close(fd);
    return page;
}

static const char *shim(void)
{
    return keep_format("LD_PRELOAD=%s/clock_step_shim.so", FORUMD_BIN_DIR);
}

static int64_t now_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct reply *keyed_post(struct forum *forum, const char *key, const char *title)
{
    return forum_request(forum, "POST", "/api/posts/create", keep_format("Idempotency-Key: %s\r\n", key),
                         json_body("{'subreddit_id':'sub_1','author_id':'user_1','title':'%s'}", title));
}

struct posted {
    struct forum *forum;
    int64_t at_least_ms, last_ms;
};

/* Makes a post; true once the engine's clock shows the step. */
static bool posts_at(void *arg)
{
    struct posted *posted = arg;
    struct reply *post = keyed_post(posted->forum, make_name("k"), "T");
    CHECK_CREATED(post);
    int64_t at_ms = json_number(post, "created_at");
    cr_assert_geq(at_ms, posted->last_ms, "time went back by %lld ms", (long long)(posted->last_ms - at_ms));
    posted->last_ms = at_ms;
    return at_ms >= posted->at_least_ms;
}

/* All sorts list all posts, the newest first where that is asked for. */
static void check_rankings(struct forum *forum, size_t posts)
{
    static const char *const sorts[] = {"hot", "new", "top", "controversial", "rising", "best"};
    for (size_t i = 0; i < ARRAY_LEN(sorts); i++) {
        struct reply *list = forum_get(forum, "/api/subreddits/sub_1/posts?sort=%s&limit=100", sorts[i]);
        CHECK_OK(list);
        if (strcmp(sorts[i], "rising") != 0) /* of the last 12 hours alone */
            cr_assert_eq(json_count(list, ""), posts, "%s: %s", sorts[i], http_describe(list));
    }
    struct reply *fresh = forum_get(forum, "/api/subreddits/sub_1/posts?sort=new&limit=100");
    for (size_t i = 1; i < posts; i++)
        cr_assert_geq(json_number(fresh, keep_format("%zu.created_at", i - 1)),
                      json_number(fresh, keep_format("%zu.created_at", i)));
}

static size_t post_count(struct forum *forum)
{
    return json_count(forum_get(forum, "/api/subreddits/sub_1/posts?sort=new&limit=100"), "");
}

/* What needs the posts engine, from the workers and from other engines, is done, and within the usual time.
 */
static void check_posts_are_reached(struct forum *forum, uint64_t since_ms)
{
    const char *post = make_post(forum, "sub_1", "user_1", "T");
    make_vote(forum, post, "user_1", "upvote");
    make_comment(forum, post, "user_1", NULL, "C");
    CHECK_NOTHING_WRONG(counters_differences(forum));
    uint64_t took_ms = wait_now_ms() - since_ms;
    cr_assert_lt(took_ms, USUAL_MS, "only after %llu ms", (unsigned long long)took_ms);
}

static void kill_posts_and_check(struct forum *forum)
{
    uint64_t since_ms = wait_now_ms();
    forum_kill_and_wait_for_another(forum, "forumd-engined: posts");
    check_posts_are_reached(forum, since_ms);
}

Test(clocks, that_step_back_and_far_forward_stop_nothing_and_never_show)
{
    const char *file = keep_format("%s/clock", forum_run_directory());
    set_faketime(file, "+0");
    const char *const env[] = {keep_format("LD_PRELOAD=%s", faketime()),
                               keep_format("FAKETIME_TIMESTAMP_FILE=%s", file),
                               "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1", NULL};
    struct forum *forum = forum_start(&(struct forum_spec){.flags = quiet, .env = env});
    make_subreddit(forum, make_user(forum));
    const char *first = json_text(keyed_post(forum, "before", "Before"), "post_id");
    int64_t start_ms = json_number(forum_get(forum, "/api/posts/post_1"), "created_at");
    cr_assert(llabs(start_ms - now_wall_ms()) < HOUR_MS / 2);

    set_faketime(file, "-1h");
    struct posted posted = {.forum = forum, .last_ms = start_ms};
    uint64_t begin_ms = wait_now_ms();
    for (int i = 0; i < 20; i++)
        (void)!posts_at(&posted);
    cr_assert_lt(posted.last_ms, start_ms + HOUR_MS / 2);
    struct reply *again = keyed_post(forum, "before", "Before");
    CHECK_CREATED(again);
    CHECK_TEXT(again, "post_id", first);
    cr_assert_str_eq(http_header(again, "Idempotent-Replayed"), "true");
    CHECK_NOTHING_WRONG(counters_differences(forum));
    check_rankings(forum, post_count(forum));
    kill_posts_and_check(forum); /* its successor starts in the past */

    set_faketime(file, "+23h");
    posted.at_least_ms = start_ms + 22 * HOUR_MS;
    cr_assert(wait_until(posts_at, &posted, SETTLED_MS), "the step never came");
    CHECK_PROBLEM(keyed_post(forum, "before", "Another"), 422, "idempotency_key_reused");
    set_faketime(file, "+2d");
    posted.at_least_ms = start_ms + 47 * HOUR_MS;
    cr_assert(wait_until(posts_at, &posted, SETTLED_MS), "the step never came");
    again = keyed_post(forum, "before", "Before"); /* its day has not passed, the clock was set */
    CHECK_CREATED(again);
    cr_assert_str_eq(http_header(again, "Idempotent-Replayed"), "true");
    CHECK_NOTHING_WRONG(counters_differences(forum));
    check_rankings(forum, post_count(forum));
    set_faketime(file, "+0");
    posted.at_least_ms = 0;
    (void)!posts_at(&posted);
    check_posts_are_reached(forum, wait_now_ms());
    kill_posts_and_check(forum);
    check_rankings(forum, post_count(forum));
    printf("fault: clocks: an hour back, two days forward and back again while serving %zu posts in %llu ms, "
           "with kills of an engine; time never went back\n",
           post_count(forum), (unsigned long long)(wait_now_ms() - begin_ms));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* --- steps while an engine is away, and all who need it dial it again and again --- */

static bool is_noticed(void *arg)
{
    return forum_get(arg, "/ready")->status == 503;
}

/* The launcher is held, so that nobody is started. */
static void take_posts_away(struct forum *forum)
{
    cr_assert(kill(forum_launcher(forum), SIGSTOP) == 0);
    cr_assert(kill(forum_process(forum, "forumd-engined: posts"), SIGKILL) == 0);
    cr_assert(wait_until(is_noticed, forum, SETTLED_MS), "nobody misses the engine");
}

/* In many steps, so that some of them meet whoever dials between two tries. */
static void step_clock_to(const struct forum *forum, _Atomic int64_t *offset_ms, int64_t to_ms)
{
    int64_t step_ms = (to_ms - *offset_ms) / STEPS;
    for (int i = 0; i < STEPS; i++) {
        atomic_fetch_add(offset_ms, step_ms);
        CHECK_OK(forum_get(forum, "/health"));
    }
    atomic_store(offset_ms, to_ms);
}

static uint64_t let_posts_return(struct forum *forum)
{
    cr_assert(kill(forum_launcher(forum), SIGCONT) == 0);
    return wait_now_ms();
}

Test(clocks, that_step_while_an_engine_is_away_do_not_delay_its_return)
{
    static const int hours[] = {-1, 47, -24, 0};
    const char *file = keep_format("%s/stepped", forum_run_directory());
    _Atomic int64_t *offset_ms = new_stepped_clock(file);
    const char *const env[] = {shim(), keep_format("%s=%s", CLOCK_STEP_VARIABLE, file), NULL};
    struct forum *forum = forum_start(&(struct forum_spec){.flags = quiet, .env = env});
    make_subreddit(forum, make_user(forum));
    check_posts_are_reached(forum, wait_now_ms()); /* all who need the engine are connected */
    uint64_t most_ms = 0;
    for (size_t i = 0; i < ARRAY_LEN(hours); i++) {
        take_posts_away(forum);
        step_clock_to(forum, offset_ms, hours[i] * HOUR_MS);
        uint64_t since_ms = let_posts_return(forum);
        cr_assert(forum_wait_ready(forum, USUAL_MS), "away since a step to %d h: %s", hours[i],
                  forum_log(forum));
        uint64_t took_ms = wait_now_ms() - since_ms;
        most_ms = took_ms > most_ms ? took_ms : most_ms;
        check_posts_are_reached(forum, since_ms);
    }
    printf("fault: clocks: %zu steps while the posts engine was away: there again after %llu ms at most\n",
           STEPS * ARRAY_LEN(hours), (unsigned long long)most_ms);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

/* The control of the test above; and a process that finds itself with another NNG says so. One worker: a
 * second one may come up, and dial for the first time, after the steps. */
Test(clocks, that_step_back_delay_an_engines_return_with_an_nng_that_times_by_them_and_the_log_says_so)
{
    const char *file = keep_format("%s/control", forum_run_directory());
    _Atomic int64_t *offset_ms = new_stepped_clock(file);
    const char *const env[] = {shim(), keep_format("%s=%s", CLOCK_STEP_VARIABLE, file),
                               CLOCK_STEP_OTHER_NNG_VARIABLE "=1", NULL};
    struct forum *forum = forum_start(&(struct forum_spec){.workers = 1, .flags = quiet, .env = env});
    static const char *const who[] = {" posts[", " comments[", " passwords[", " worker["};
    for (size_t i = 0; i < ARRAY_LEN(who); i++) {
        bool said = false;
        for (const char *line = forum_log(forum); *line; line += strcspn(line, "\n"), line += *line == '\n') {
            const char *text = keep_copy(line, strcspn(line, "\n"));
            said |= strstr(text, who[i]) && strstr(text, "NNG times by the wall clock");
        }
        cr_expect(said, "nothing from%s: %s", who[i], forum_log(forum));
    }
    bool delayed = false;
    for (int64_t hours = 1; !delayed && hours <= CONTROLS; hours++) {
        take_posts_away(forum);
        step_clock_to(forum, offset_ms, -hours * HOUR_MS);
        (void)!let_posts_return(forum);
        delayed = !forum_wait_ready(forum, NEVER_MS);
    }
    cr_expect(delayed, "the shim steps no clock that NNG times by");
    atomic_store(offset_ms, 0);
    cr_expect(forum_wait_ready(forum, SETTLED_MS), "it does not come back with the time: %s",
              forum_log(forum));
    forum_kill(forum);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
