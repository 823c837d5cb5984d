/* forumctl COMMAND: what an administrator does. The table of sub-commands; each has a file of its own. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/log.h"
#include "common/version.h"
#include "deploy/forumctl/command.h"

static const struct ctl_command commands[] = {
    {"init", "", "make a state directory and its keys", ctl_init},
    {"backup", "DIR", "copy all data of a forum that runs", ctl_backup},
    {"check", "DIR", "compare a state directory or a backup with its logs", ctl_check},
    {"rebuild", "DOMAIN", "make a domain's tables anew from the logs", ctl_rebuild},
    {"restore", "BACKUP DIR", "make a state directory of a backup", ctl_restore},
    {"status", "", "how every process is", ctl_status},
    {"top", "", "the same, live", ctl_top},
    {"user", "ACTION ...", "accounts, their passwords and sessions", ctl_user},
    {"token", "ACTION ...", "a token for a user; the end of one", ctl_token},
    {"export", "FILE", "everything that a community owns, as JSON lines", ctl_export},
    {"import", "FILE", "a new state directory of an export", ctl_import},
    {"rotate-token-key", "", "sign tokens with a new key from now on", ctl_rotate_token_key},
};

static int print_help(void)
{
    printf("Usage: forumctl COMMAND [flags]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int width = printf("  %s %s", commands[i].name, commands[i].operands);
        printf("%*s%s\n", width < 28 ? 28 - width : 1, "", commands[i].help);
    }
    printf("\nforumctl COMMAND --help tells more; --version prints the version.\n");
    return EXIT_SUCCESS;
}

static const struct ctl_command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    log_open("forumctl", LOG_LEVEL_INFO);
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0)
        return print_help();
    if (strcmp(name, "--version") == 0) {
        printf("forumctl %s\n", version_text);
        return EXIT_SUCCESS;
    }
    if (sodium_init() < 0)
        fatal_exit(EXIT_OS, "libsodium cannot start");
    const struct ctl_command *command = find_command(name);
    if (command == NULL)
        fatal_exit(EXIT_USAGE, "%s%s%s; forumctl --help lists the commands", *name != '\0' ? "\"" : "",
                   *name != '\0' ? name : "name a command first", *name != '\0' ? "\" is no command" : "");
    return command->run(argc - 1, argv + 1);
}
