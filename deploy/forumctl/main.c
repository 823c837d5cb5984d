/* forumctl COMMAND: what an administrator does to a state directory. */
#include <inttypes.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/attributes.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/log.h"
#include "common/options.h"
#include "deploy/state/keys.h"
#include "deploy/state/state_dir.h"

struct settings {
    const char *state_dir;
    const char *keys_dir; /* where the keys are: state_dir unless told */
    bool drop;
};

static void init(const struct settings *settings)
{
    if (settings->keys_dir == settings->state_dir)
        state_dir_make(settings->state_dir);
    if (keys_make(settings->keys_dir))
        printf("made the keys in %s\n", settings->keys_dir);
    else
        printf("%s has its keys already\n", settings->keys_dir);
}

static void rotate_token_key(const struct settings *settings)
{
    uint32_t id = keys_rotate_token(settings->keys_dir, clock_wall_ms(), settings->drop);
    printf("tokens are signed by key %08" PRIx32 " from now on; %s\n", id,
           settings->drop ? "all older tokens are refused" : "older tokens are accepted until they expire");
}

static const struct command {
    const char *name;
    void (*run)(const struct settings *settings);
} commands[] = {
    {"init", init},
    {"rotate-token-key", rotate_token_key},
};

int main(int argc, char **argv)
{
    struct settings settings = {.state_dir = "./state"};
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &settings.state_dir, 0, 0, NULL, "DIR", "where all data is"},
        {"keys-dir", OPTION_STRING, &settings.keys_dir, 0, 0, NULL, "DIR",
         "init, rotate-token-key: where the keys are, if not there"},
        {"drop", OPTION_FLAG, &settings.drop, 0, 0, NULL, NULL,
         "rotate-token-key: refuse the tokens of all older keys at once"},
    };
    size_t operands =
        options_parse("forumctl init|rotate-token-key [flags]", rows, ARRAY_LEN(rows), argc, argv);
    log_open("forumctl", LOG_LEVEL_INFO);
    if (settings.keys_dir == NULL)
        settings.keys_dir = settings.state_dir;
    if (sodium_init() < 0)
        fatal_exit(EXIT_OS, "libsodium cannot start");
    for (size_t i = 0; operands == 1 && i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[argc - 1], commands[i].name) == 0) {
            commands[i].run(&settings);
            return 0;
        }
    }
    fatal_exit(EXIT_USAGE, "name one command: init or rotate-token-key");
}
