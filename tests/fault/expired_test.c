/* A frame that comes to be decided after its deadline is answered, not run. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/faults.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/wait.h"

#define CONNECTIONS_MAX 1000
#define DEADLINE_MS     400
#define DELAY_MS        1500
#define SLOW_MS         20000

struct scene {
    struct forum *forum;
    const char *ann, *cats;
    struct reply *list; /* ann's posts, as last seen */
};

static const char *request_for(const struct scene *scene, const char *title)
{
    const char *body =
        json_body("{'author_id':'%s','subreddit_id':'%s','title':'%s'}", scene->ann, scene->cats, title);
    return keep_format("POST /api/posts/create HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
                       "Idempotency-Key: %s\r\nContent-Length: %zu\r\n\r\n%s",
                       title, strlen(body), body);
}

/* What the engine says that it answered as expired. */
static unsigned long expired(const struct scene *scene)
{
    struct reply *metrics = forum_get(scene->forum, "/metrics");
    const char *name = "forumd_engine_expired_total{engine=\"posts\"} ";
    const char *line = metrics->body ? strstr(metrics->body, name) : NULL;
    return line ? strtoul(line + strlen(name), NULL, 10) : 0;
}

static bool has_answered_expired(void *arg)
{
    return expired(arg) > 0;
}

static bool has_fired(void *arg)
{
    (void)arg;
    return !faults_armed("posts", "commit_before");
}

static void send_post(const struct scene *scene, struct connection *connection, const char *title)
{
    const char *request = request_for(scene, title);
    cr_assert(http_write(connection, request, strlen(request)));
}

/* Whose the connection is: request ids begin with their worker's. */
static const char *worker_of(struct connection *connection)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: t\r\n\r\n";
    cr_assert(http_write(connection, request, sizeof(request) - 1));
    struct reply *reply = http_read(connection, false);
    CHECK_OK(reply);
    const char *id = http_header(reply, "X-Request-Id");
    return keep_copy(id, strcspn(id, "-"));
}

/* One of another worker than `first`. The kernel chooses, so more than one may be needed. */
static struct connection *open_at_another_worker(const struct scene *scene, const char *first)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = http_open(forum_port(scene->forum));
        if (strcmp(worker_of(connection), first) != 0)
            return connection;
    }
    cr_assert(false, "%d connections, all of one worker", CONNECTIONS_MAX);
    return NULL;
}

/* False while its worker's circuit is open. */
static bool has_list(void *arg)
{
    struct scene *scene = arg;
    scene->list = forum_get(scene->forum, "/api/users/%s/posts?limit=100", scene->ann);
    return scene->list->status == 200;
}

static size_t count_titled(struct scene *scene, const char *title)
{
    cr_assert(wait_until(has_list, scene, SLOW_MS), "%s", http_describe(scene->list));
    const struct reply *list = scene->list;
    size_t found = 0;
    for (size_t i = 0; i < json_count(list, ""); i++)
        found += strcmp(json_text(list, keep_format("%zu.title", i)), title) == 0;
    return found;
}

/* The engine stands still with one worker's batch, decided in time; the other worker's waits in
 * front of the engine till its deadline is past. */
Test(expired, frames_are_answered_and_not_run)
{
    struct scene scene = {.forum = NULL};
    const char *const flags[] = {keep_format("--deadline=%d", DEADLINE_MS), "--hang-timeout=30000", NULL};
    faults_open();
    scene.forum = forum_start(&(struct forum_spec){.flags = flags});
    scene.ann = make_user_named(scene.forum, "ann");
    scene.cats = make_subreddit_named(scene.forum, scene.ann, "cats");
    make_post(scene.forum, scene.cats, scene.ann, "Before");
    struct connection *one = http_open(forum_port(scene.forum));
    struct connection *other = open_at_another_worker(&scene, worker_of(one));
    faults_arm("posts", "commit_before", "action=delay ms=%d", DELAY_MS);
    send_post(&scene, one, "in-time");
    cr_assert(wait_until(has_fired, NULL, SLOW_MS));
    send_post(&scene, other, "too-late");
    CHECK_PROBLEM(http_read(one, false), 503, "deadline_exceeded");
    CHECK_PROBLEM(http_read(other, false), 503, "deadline_exceeded");
    cr_assert(wait_until(has_answered_expired, &scene, SLOW_MS), "%s", forum_log(scene.forum));

    cr_assert_eq(count_titled(&scene, "in-time"), 1, "it was decided in time");
    cr_assert_eq(count_titled(&scene, "too-late"), 0);
    cr_assert_eq(forum_stop(scene.forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 120});
}
