/* The command line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/lib/signer.h"
#include "tests/sim/forum.h"
#include "tests/sim/load.h"

#define SETTINGS_RECORDS_MAX 64

enum command {
    COMMAND_JOURNEY,
    COMMAND_MULTI,
    COMMAND_LOAD,
    COMMAND_IMPORT,
    COMMAND_VERIFY,
    COMMAND_KEYGEN,
    COMMAND_SIGN,
    COMMAND_VERIFY_SIGNATURE,
};

struct settings {
    enum command command;
    char *url; /* no slash at the end */
    uint64_t seed;
    bool seed_given;
    char run[FORUM_NAME_BYTES], tag[FORUM_TAG_MAX + 1];
    unsigned clients, retries, timeout_ms, first;
    bool quiet, verify, replies;
    bool complete;         /* verify: the records hold all that was ever asked of the server */
    const char *trace;     /* NULL: none */
    const char *operand;   /* import: the directory; keygen, sign: the key's file; verify-signature: a post */
    const char *algorithm; /* keygen */
    struct signer_post post; /* sign */
    const char *records[SETTINGS_RECORDS_MAX];
    size_t record_count;
    struct load_options load; /* without what the other fields say */
};

/* Trouble, --help and --version end the process. */
void settings_parse(struct settings *settings, int argc, char **argv);
void settings_clear(struct settings *settings);
