#include "tests/fault/load.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/lib/program.h"
#include "tests/lib/require.h"
#include "tests/lib/wait.h"

#define FLAGS_MAX 32
#define LOADS_MAX 8

struct load {
    struct program *program;
    const char *record, *trace;
    bool accompanied;
    size_t wanted; /* of load_wait_served */
};

static const char *url_of(const struct forum *forum)
{
    return keep_format("http://127.0.0.1:%u", forum_port(forum));
}

static bool is_set_up(void *arg)
{
    const struct load *load = arg;
    return strstr(program_output(load->program), "load: set up") ||
           keeper_wait(program_keeper(load->program), 0, NULL);
}

struct load *load_start(const struct forum *forum, const struct load_spec *spec)
{
    struct load *load = keep_alloc(sizeof(*load));
    const char *base =
        keep_format("%s/%s.%s", forum_run_directory(), criterion_current_test->name, spec->name);
    load->record = keep_format("%s.record", base);
    load->trace = keep_format("%s.trace", base);
    load->accompanied = spec->accompanied;
    const char *argv[FLAGS_MAX] = {forum_executable("forumd-sim"),
                                   "load",
                                   "--endless",
                                   "--quiet",
                                   "--url",
                                   url_of(forum),
                                   "--record",
                                   load->record,
                                   "--trace",
                                   load->trace,
                                   "--clients",
                                   keep_format("%u", spec->clients),
                                   "--retries",
                                   keep_format("%u", spec->retries)};
    size_t count = 14;
    if (spec->rate > 0) {
        argv[count++] = "--rate";
        argv[count++] = keep_format("%u", spec->rate);
    }
    if (spec->timeout_ms > 0) {
        argv[count++] = "--timeout";
        argv[count++] = keep_format("%u", spec->timeout_ms);
    }
    for (size_t i = 0; spec->flags && spec->flags[i]; i++) {
        REQUIRE(count + 1 < FLAGS_MAX, "too many flags");
        argv[count++] = spec->flags[i];
    }
    load->program = program_start(argv, NULL, forum_run_directory());
    REQUIRE(wait_until(is_set_up, load, LOAD_SETUP_MS) &&
                !keeper_wait(program_keeper(load->program), 0, NULL),
            "the load could not be set up: %s", program_output(load->program));
    return load;
}

struct trace *load_trace(const struct load *load)
{
    return trace_read(load->trace);
}

static size_t count_good(const struct load *load)
{
    const struct trace *trace = load_trace(load);
    size_t good = 0;
    for (size_t i = 0; i < trace->count; i++)
        good += trace_is_good(&trace->requests[i]);
    return good;
}

static bool served_enough(void *arg)
{
    const struct load *load = arg;
    return count_good(load) >= load->wanted;
}

bool load_wait_served(struct load *load, size_t count, unsigned timeout_ms)
{
    load->wanted = count_good(load) + count;
    return wait_until(served_enough, load, timeout_ms);
}

struct trace *load_stop(struct load *load)
{
    REQUIRE(kill(keeper_program(program_keeper(load->program)), SIGTERM) == 0, "kill: %s", strerror(errno));
    struct program_result result = program_finish(load->program, LOAD_STOP_MS);
    REQUIRE(result.exit_code == 0, "the load ended with exit code %d: %s", result.exit_code, result.output);
    return load_trace(load);
}

/* The last line; that of a comparison says what was read and how many differences there are. */
static const char *last_line(const char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    size_t start = length;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    return keep_copy(text + start, length - start);
}

const char *load_verify(const struct forum *forum, struct load *const *loads)
{
    const char *argv[7 + 2 * LOADS_MAX + 1] = {forum_executable("forumd-sim"), "verify", "--quiet", "--url",
                                               url_of(forum)};
    size_t count = 5;
    bool complete = true;
    for (size_t i = 0; loads[i]; i++) {
        REQUIRE(i < LOADS_MAX, "too many loads");
        argv[count++] = "--record";
        argv[count++] = loads[i]->record;
        complete = complete && !loads[i]->accompanied;
    }
    if (complete)
        argv[count++] = "--complete";
    struct program_result result = program_run(argv, NULL, forum_run_directory(), LOAD_VERIFY_MS);
    REQUIRE(result.exit_code == 0, "the server is not as it was acknowledged (exit code %d): %s",
            result.exit_code, result.output);
    return last_line(result.output);
}
