/* What Prometheus is told: by promtool's rules, and whether it is so. deploy/prometheus too. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/attributes.h"
#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define PROMTOOL   "/usr/bin/promtool"
#define RULES      FORUMD_SOURCE_DIR "/deploy/prometheus/forumd.rules.yml"
#define RULES_TEST FORUMD_SOURCE_DIR "/deploy/prometheus/forumd.rules.test.yml"
#define PROGRAM_MS 20000
#define WAIT_MS    15000

static void expect_promtool(const char *command)
{
    cr_assert(access(PROMTOOL, X_OK) == 0, "there is no " PROMTOOL);
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    struct program_result result = program_run(argv, NULL, NULL, PROGRAM_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %d\n%s", command, result.exit_code, result.output);
}

static const char *metrics_of(const struct forum *forum)
{
    struct reply *reply = forum_get(forum, "/metrics");
    CHECK_STATUS(reply, 200);
    return reply->body;
}

/* Of the line that begins with `name`, labels included; -1: there is none. */
static double value_of(const struct forum *forum, const char *name)
{
    const char *line = strstr(metrics_of(forum), keep_format("\n%s ", name));
    return line ? atof(line + strlen(name) + 2) : -1;
}

struct wanted {
    const struct forum *forum;
    const char *name;
    double least, most;
};

static bool is_within(void *arg)
{
    const struct wanted *wanted = arg;
    double value = value_of(wanted->forum, wanted->name);
    return wanted->least <= value && value <= wanted->most;
}

static void expect_soon(const struct forum *forum, const char *name, double least, double most)
{
    struct wanted wanted = {forum, name, least, most};
    cr_assert(wait_until(is_within, &wanted, WAIT_MS), "%s is %f, not %f to %f\n%s", name,
              value_of(forum, name), least, most, metrics_of(forum));
}

static void use_everything(const struct forum *forum)
{
    const char *user = make_user(forum);
    const char *post = make_post(forum, make_subreddit(forum, user), user, "T");
    CHECK_OK(forum_get(forum, "/api/posts/%s", post));
    CHECK_OK(forum_get(forum, "/api/feed/%s", user));
    CHECK_PROBLEM(forum_get(forum, "/nowhere"), 404, NULL);
}

static void expect_clean(const struct forum *forum, const char *name)
{
    const char *path = keep_format("%s/%s", forum_run_directory(), name), *text = metrics_of(forum);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", path);
    expect_promtool(keep_format(PROMTOOL " check metrics <%s", path));
}

Test(metrics, are_as_promtool_wants_them_with_all_engines_and_without_one)
{
    struct forum *forum = forum_start(&(struct forum_spec){.name = "promtool"});
    use_everything(forum);
    expect_clean(forum, "all");
    pid_t engine = forum_process(forum, "forumd-engined: posts");
    cr_assert_eq(kill(engine, SIGSTOP), 0);
    expect_clean(forum, "one-missing");
    cr_assert_eq(kill(engine, SIGCONT), 0);
    cr_assert(forum_wait_ready(forum, FORUM_START_MS));
    cr_assert_eq(forum_stop(forum, SIGTERM), 0);
}

Test(metrics, say_what_processes_take_and_which_version_they_are)
{
    static const struct {
        const char *name;
        double least, most;
    } figures[] = {
        {"forumd_gateway_workers_up", 2, 2},
        {"forumd_gateway_worker_starts_total", 2, 2},
        {"forumd_gateway_worker_restarts_total", 0, 0},
        {"forumd_gateway_resident_memory_bytes", 2e6, 4e9},
        {"forumd_gateway_cpu_seconds_total", 1e-6, 1000},
        {"forumd_gateway_sessions_known", 1, 1},
        {"forumd_http_connections", 1, 1},
        {"forumd_http_connections_max", 100, 1e6},
        {"forumd_gateway_pending{engine=\"posts\"}", 0, 0},
        {"forumd_gateway_circuits_open{engine=\"posts\"}", 0, 0},
        {"forumd_engine_resident_memory_bytes{engine=\"posts\"}", 1e6, 4e9},
        {"forumd_engine_cpu_seconds_total{engine=\"posts\"}", 1e-6, 1000},
        {"forumd_engine_open_fds{engine=\"posts\"}", 8, 200},
        {"forumd_engine_file_bytes{engine=\"posts\"}", 4096, 1e8},
    };
    struct forum *forum = forum_start(&(struct forum_spec){.name = "figures"});
    use_everything(forum);
    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        expect_soon(forum, figures[i].name, figures[i].least, figures[i].most);
    const char *version = json_text(forum_get(forum, "/health"), "version");
    cr_assert_eq(value_of(forum, keep_format("forumd_build_info{version=\"%s\"}", version)), 1);
    cr_assert_eq(forum_stop(forum, SIGTERM), 0);
}

Test(metrics, count_a_worker_that_died_and_forget_what_it_had_open)
{
    struct forum *forum = forum_start(&(struct forum_spec){.name = "died"});
    struct connection *connections[8];
    for (size_t i = 0; i < ARRAY_LEN(connections); i++)
        connections[i] = http_open(forum_port(forum));
    expect_soon(forum, "forumd_http_connections", 9, 9); /* and the one that asks */
    forum_kill_and_wait_for_another(forum, "forumd-gateway: worker 1");
    forum_kill_and_wait_for_another(forum, "forumd-gateway: worker 2");
    expect_soon(forum, "forumd_gateway_worker_restarts_total", 2, 2);
    expect_soon(forum, "forumd_gateway_workers_up", 2, 2);
    expect_soon(forum, "forumd_http_connections", 1, 1);
    for (size_t i = 0; i < ARRAY_LEN(connections); i++)
        http_close(connections[i]);
    cr_assert_eq(forum_stop(forum, SIGTERM), 0);
}

Test(metrics, leave_out_gauges_of_workers_that_a_reload_replaced_or_that_stand_still)
{
    static const char *const flags[] = {"--hang-timeout=60000", NULL};
    struct forum *forum = forum_start(&(struct forum_spec){.name = "reload", .flags = flags});
    cr_assert_eq(kill(forum_process(forum, "forumd-gateway: master"), SIGHUP), 0);
    expect_soon(forum, "forumd_gateway_worker_starts_total", 4, 4);
    expect_soon(forum, "forumd_gateway_workers_up", 2, 2);
    cr_assert_eq(value_of(forum, "forumd_gateway_worker_restarts_total"), 0);
    pid_t stopped = forum_process(forum, "forumd-gateway: worker 3");
    cr_assert_eq(kill(stopped, SIGSTOP), 0);
    expect_soon(forum, "forumd_gateway_workers_up", 1, 1);
    cr_assert_eq(kill(stopped, SIGCONT), 0);
    expect_soon(forum, "forumd_gateway_workers_up", 2, 2);
    cr_assert_eq(forum_stop(forum, SIGTERM), 0);
}

/* On one connection, so by one worker. */
static void expect_status(struct connection *connection, const char *path, unsigned status)
{
    const char *request = keep_format("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    cr_assert(http_write(connection, request, strlen(request)));
    struct reply *reply = http_read(connection, false);
    cr_assert_eq(reply->status, status, "%s", http_describe(reply));
}

/* The worker has been answered by the engine before: one that never reached it has nothing that could time
 * out. */
Test(metrics, show_the_circuit_of_an_engine_that_hangs)
{
    static const char *const flags[] = {"--hang-timeout=60000", "--deadline=300", NULL};
    static const char circuits[] = "forumd_gateway_circuits_open{engine=\"comments\"}";
    struct forum *forum = forum_start(&(struct forum_spec){.name = "circuit", .flags = flags});
    pid_t engine = forum_process(forum, "forumd-engined: comments");
    struct connection *connection = http_open(forum_port(forum));
    expect_status(connection, "/api/comments/comment_1", 404);
    cr_assert_eq(kill(engine, SIGSTOP), 0);
    expect_status(connection, "/api/comments/comment_1", 503);
    http_close(connection);
    expect_soon(forum, circuits, 1, 2);
    cr_assert_eq(value_of(forum, "forumd_gateway_circuits_open{engine=\"posts\"}"), 0);
    cr_assert_eq(kill(engine, SIGCONT), 0);
    expect_soon(forum, circuits, 0, 0);
    cr_assert_eq(forum_stop(forum, SIGTERM), 0);
}

Test(rules, are_right_and_fire_on_what_they_are_for_alone)
{
    expect_promtool(PROMTOOL " check rules " RULES);
    expect_promtool(PROMTOOL " test rules " RULES_TEST);
}

/* A metric that is renamed would never fire again, and nobody would notice. */
Test(rules, name_only_metrics_that_there_are)
{
    struct forum *forum = forum_start(&(struct forum_spec){.name = "names"});
    use_everything(forum);
    const char *rules = keep_file(RULES, NULL), *metrics = metrics_of(forum);
    size_t names = 0;
    cr_assert(rules);
    for (const char *at = rules; (at = strstr(at, "forumd_")); names++) {
        size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
        const char *name = keep_copy(at, length);
        cr_expect(strstr(metrics, keep_format("\n%s{", name)) || strstr(metrics, keep_format("\n%s ", name)),
                  "the rules name %s", name);
        at += length;
    }
    cr_assert_gt(names, 20);
    cr_assert_eq(forum_stop(forum, SIGTERM), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
