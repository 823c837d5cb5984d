#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tests/sim/client.h"
#include "tests/sim/forum.h"
#include "tests/sim/import.h"
#include "tests/sim/journey.h"
#include "tests/sim/load.h"
#include "tests/sim/memory.h"
#include "tests/sim/multi.h"
#include "tests/sim/random.h"
#include "tests/sim/record.h"
#include "tests/sim/settings.h"
#include "tests/sim/sign.h"
#include "tests/sim/stats.h"
#include "tests/sim/verify.h"

static bool run_journey(struct forum *forum, const struct settings *settings)
{
    forum->narrate = !settings->quiet;
    return journey_run(forum);
}

static bool run_multi(struct forum *forum, const struct settings *settings)
{
    return multi_run(forum, settings->first, settings->quiet);
}

static bool run_load(struct forum *forum, const struct settings *settings)
{
    struct load_options options = settings->load;

    options.clients = settings->clients;
    options.seed = settings->seed;
    options.quiet = settings->quiet;
    return load_run(forum, &options);
}

static bool run_import(struct forum *forum, const struct settings *settings)
{
    struct import_options options = {.directory = settings->operand,
                                     .clients = settings->clients,
                                     .replies = settings->replies,
                                     .seed = settings->seed,
                                     .quiet = settings->quiet};

    return import_run(forum, &options);
}

/* NULL: nothing but the reading back. */
static bool (*const commands[])(struct forum *forum, const struct settings *settings) = {
    [COMMAND_JOURNEY] = run_journey, [COMMAND_MULTI] = run_multi, [COMMAND_LOAD] = run_load,
    [COMMAND_IMPORT] = run_import,   [COMMAND_VERIFY] = NULL,
};

/* What needs no run: one thing, and what it says is all that is printed. False: it is none of those. */
static bool run_alone(const struct settings *settings, bool *good)
{
    struct client_options options = {
        .base_url = settings->url, .retries = settings->retries, .timeout_ms = settings->timeout_ms};
    struct client *client;

    *good = true;
    switch (settings->command) {
    case COMMAND_KEYGEN:
        sign_make_key(settings->operand, settings->algorithm);
        return true;
    case COMMAND_SIGN:
        sign_post(settings->operand, settings->post);
        return true;
    case COMMAND_VERIFY_SIGNATURE:
        client = client_new(&options);
        *good = sign_verify(client, settings->operand);
        client_free(client);
        return true;
    default:
        return false;
    }
}

/* `verify` compares with the records of runs before; the others begin one, or go on with it. */
static struct record *open_record(const struct settings *settings)
{
    struct record *record = record_new();
    size_t line;

    for (size_t i = 0; settings->command == COMMAND_VERIFY && i < settings->record_count; i++) {
        if (!record_load_file(record, settings->records[i], &line)) {
            if (line > 0) {
                sim_fatal(EX_DATAERR, "%s, line %zu: no line of a record", settings->records[i], line);
            }
            sim_fatal(EX_NOINPUT, "cannot read the record %s", settings->records[i]);
        }
    }
    if (settings->complete) {
        record_set_complete(record);
    }
    if (settings->command != COMMAND_VERIFY && settings->record_count > 0 &&
        !record_open_file(record, settings->records[0])) {
        sim_fatal(EX_CANTCREAT, "cannot write the record %s", settings->records[0]);
    }
    return record;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct client_options client_options;
    struct verify_options verify_options;
    struct forum forum = {0};
    bool good = true;

    settings_parse(&settings, argc, argv);
    if (run_alone(&settings, &good)) {
        settings_clear(&settings);
        return good ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    client_options = (struct client_options){
        .base_url = settings.url, .retries = settings.retries, .timeout_ms = settings.timeout_ms};
    forum.client = client_new(&client_options);
    forum.record = open_record(&settings);
    forum.stats = stats_new();
    if (settings.trace != NULL && !stats_trace(forum.stats, settings.trace)) {
        sim_fatal(EX_CANTCREAT, "cannot write the trace %s", settings.trace);
    }
    snprintf(forum.run, sizeof forum.run, "%s", settings.run);
    snprintf(forum.tag, sizeof forum.tag, "%s", settings.tag);
    printf("forumd-sim: seed %llu, run %s\n", (unsigned long long)settings.seed, forum.run);
    fflush(stdout);

    if (commands[settings.command] != NULL) {
        good = commands[settings.command](&forum, &settings);
    }
    if (!record_flush(forum.record)) {
        fprintf(stderr, "forumd-sim: the record could not be written\n");
        good = false;
    }
    if (!stats_flush(forum.stats)) {
        fprintf(stderr, "forumd-sim: the trace could not be written\n");
        good = false;
    }
    if (settings.verify && !client_stopping(forum.client)) {
        verify_options = (struct verify_options){
            .agents = settings.clients, .seed = settings.seed, .quiet = settings.quiet};
        good = verify(forum.client, forum.record, &verify_options) && good;
    }
    good = good && (!client_stopping(forum.client) || settings.load.endless);
    stats_free(forum.stats);
    record_free(forum.record);
    client_free(forum.client);
    settings_clear(&settings);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
