/* forumctl rotate-token-key: tokens get a new key. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/options.h"
#include "deploy/forumctl/command.h"
#include "deploy/state/keys.h"

int ctl_rotate_token_key(int argc, char **argv)
{
    const char *state_dir = "./state";
    bool drop = false;
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &state_dir, 0, 0, NULL, "DIR", "where all data is"},
        {"drop", OPTION_FLAG, &drop, 0, 0, NULL, NULL, "refuse the tokens of all older keys at once"},
    };
    if (options_parse("forumctl rotate-token-key [flags]\n\n"
                      "Makes a new key that tokens are signed with, also while the server runs.",
                      rows, ARRAY_LEN(rows), argc, argv) > 0)
        fatal_exit(EXIT_USAGE, "rotate-token-key: \"%s\" is one word too many", argv[argc - 1]);
    uint32_t id = keys_rotate_token(state_dir, clock_wall_ms(), drop);
    printf("tokens are signed by key %08" PRIx32 " from now on; %s\n", id,
           drop ? "all older tokens are refused" : "older tokens are accepted until they expire");
    return EXIT_SUCCESS;
}
