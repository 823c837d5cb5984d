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
    const char *state_dir = "./state";
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &state_dir, 0, 0, NULL, "DIR", "where all data is"},
    };
    if (options_parse("forumctl init [flags]\n\n"
                      "Makes the state directory and what it lacks of keys. What is there stays.",
                      rows, ARRAY_LEN(rows), argc, argv) > 0)
        fatal_exit(EXIT_USAGE, "init: \"%s\" is one word too many", argv[argc - 1]);
    state_dir_make(state_dir);
    if (keys_make(state_dir))
        printf("made the keys in %s\n", state_dir);
    else
        printf("%s has its keys already\n", state_dir);
    return EXIT_SUCCESS;
}
