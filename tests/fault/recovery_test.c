/* How long an engine with a million posts is away when it is killed. FORUMD_RECOVERY_POSTS: another number of
 * posts. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define POSTS      "1000000"
#define SUBREDDITS 50
#define KILLS      9 /* an odd number: the median is one of them */
#define MEDIAN_MS  300
#define SERVICE_MS 300 /* between two kills: after less service the next start may be put off */
#define FILL_MS    240000

static void fill(const struct forum *forum, const char *posts)
{
    const char *user = make_user_named(forum, "ann");
    for (int i = 1; i <= SUBREDDITS; i++)
        make_post(forum, make_subreddit_named(forum, user, keep_format("sub_%d", i)), user, "First");
    const char *const argv[] = {forum_executable("forumd-fill"),
                                "--posts",
                                posts,
                                "--subreddits",
                                keep_format("%d", SUBREDDITS),
                                "--port-base",
                                keep_format("%u", forum_engines_port_base(forum)),
                                "--mac-key",
                                keep_format("%s/mac.key", forum_state_directory(forum)),
                                NULL};
    struct program_result result = program_run(argv, NULL, NULL, FILL_MS);
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
    printf("fault: recovery: %s", result.output);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* From the kill to the answer of a request that came right behind it. */
static void kill_and_ask(struct forum *forum, const char *engine, const char *path)
{
    uint64_t took_ms[KILLS];
    const char *role = keep_format("forumd-engined: %s", engine);
    for (int i = 0; i < KILLS; i++) {
        uint64_t until_ms = wait_now_ms() + SERVICE_MS;
        while (wait_now_ms() < until_ms)
            CHECK_OK(forum_get(forum, "%s", path));
        uint64_t start_ms = wait_now_ms();
        cr_assert(kill(forum_process(forum, role), SIGKILL) == 0);
        CHECK_OK(forum_get(forum, "%s", path));
        took_ms[i] = wait_now_ms() - start_ms;
        cr_assert(forum_wait_ready(forum, FORUM_START_MS));
    }
    qsort(took_ms, KILLS, sizeof(took_ms[0]), compare);
    printf("fault: recovery: kill -9 of %s to the answer of %s: median %llu ms, worst %llu ms of %d\n",
           engine, path, (unsigned long long)took_ms[KILLS / 2], (unsigned long long)took_ms[KILLS - 1],
           KILLS);
    cr_assert_lt(took_ms[KILLS / 2], MEDIAN_MS, "the median is %llu ms",
                 (unsigned long long)took_ms[KILLS / 2]);
}

Test(recovery, of_engines_with_a_million_posts_takes_less_than_300_ms)
{
    struct forum *forum = forum_start(NULL);
    const char *posts = getenv("FORUMD_RECOVERY_POSTS");
    fill(forum, posts ? posts : POSTS);
    kill_and_ask(forum, "posts", "/api/posts/post_1000");
    kill_and_ask(forum, "posts", "/api/subreddits/sub_7/posts?sort=hot");
    kill_and_ask(forum, "users", "/api/users/user_1");
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 280});
}
