/* forumctl init: the state directory and its keys. */
#include <stdio.h>
#include <stdlib.h>

#include "common/fatal.h"
#include "common/options.h"
#include "deploy/forumctl/command.h"
#include "deploy/state/keys.h"
#include "deploy/state/state_dir.h"

int ctl_init(int argc, char **argv)
{
    const char *state_dir = "./state", *keys_dir = NULL;
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &state_dir, 0, 0, NULL, "DIR", "where all data is"},
        {"keys-dir", OPTION_STRING, &keys_dir, 0, 0, NULL, "DIR",
         "where the keys are, if not there: nothing else is made"},
    };
    if (options_parse("forumctl init [flags]\n\n"
                      "Makes the state directory and what it lacks of keys. What is there stays.",
                      rows, ARRAY_LEN(rows), argc, argv) > 0)
        fatal_exit(EXIT_USAGE, "init: \"%s\" is one word too many", argv[argc - 1]);
    if (keys_dir == NULL) {
        state_dir_make(state_dir);
        keys_dir = state_dir;
    }
    if (keys_make(keys_dir))
        printf("made the keys in %s\n", keys_dir);
    else
        printf("%s has its keys already\n", keys_dir);
    return EXIT_SUCCESS;
}
