/* forumctl check DIR: a state directory, or a backup, recounted from its parts. */
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/log.h"
#include "common/options.h"
#include "deploy/forumctl/backup_files.h"
#include "deploy/forumctl/command.h"
#include "deploy/forumctl/progress.h"
#include "deploy/state/state_dir.h"
#include "engined/audit/audit.h"

struct check {
    bool json, rules;
    const char *replaying;
    struct progress progress;
};

static void tell_as_json(enum finding_kind kind, const char *domain, const char *rule, const char *what)
{
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "kind", json_object_new_string(kind == FINDING_WRONG ? "wrong" : "note"));
    json_object_object_add(json, "domain", json_object_new_string(domain));
    json_object_object_add(json, "rule", json_object_new_string(rule));
    json_object_object_add(json, "what", json_object_new_string(what));
    puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(json);
}

static void on_finding(void *arg, enum finding_kind kind, const char *domain, const char *rule,
                       const char *what)
{
    const struct check *check = arg;
    if (check->rules)
        printf("%s: %s\n", domain, rule);
    else if (check->json)
        tell_as_json(kind, domain, rule, what);
    else
        printf("%s%s.db: %s: %s\n", kind == FINDING_WRONG ? "" : "note: ", domain, rule, what);
}

static void on_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
    struct check *check = arg;
    if (check->replaying != what) {
        check->replaying = what;
        progress_begin(&check->progress, what);
    }
    progress_show(&check->progress, done, total);
    if (done == total)
        progress_clear(&check->progress);
}

/* Nobody may change what is being compared. */
static void lock_all(const char *dir)
{
    for (size_t i = 0; i < BACKUP_DOMAINS; i++)
        if (state_dir_lock_name(dir, domain_name(backup_order[i])) < 0)
            fatal_exit(EXIT_UNAVAILABLE, "the %s engine runs on %s: stop the forum, or check a backup of it",
                       domain_name(backup_order[i]), dir);
}

static const char *default_temp(void)
{
    const char *temp = getenv("TMPDIR");
    return temp != NULL && *temp != '\0' ? temp : "/var/tmp";
}

int ctl_check(int argc, char **argv)
{
    static struct check check;
    struct audit audit = {.access = STORE_READ,
                          .temp_dir = default_temp(),
                          .tell = on_finding,
                          .arg = &check,
                          .progress = on_progress};
    const struct option_row rows[] = {
        {"json", OPTION_FLAG, &check.json, 0, 0, NULL, NULL, "a JSON object a line"},
        {"rules", OPTION_FLAG, &check.rules, 0, 0, NULL, NULL, "only say what is checked (*: of each file)"},
        {"temp-dir", OPTION_STRING, &audit.temp_dir, 0, 0, NULL, "DIR",
         "where tables are made anew to compare"},
    };
    size_t operands =
        options_parse("forumctl check DIR [flags]\n\n"
                      "Checks the state directory of a forum that does not run, or a backup: the files are "
                      "whole, the logs without\n"
                      "gaps, applying them gives the tables that are there, and everything that refers to "
                      "something or counts\n"
                      "something is right, also between files. Changes nothing. Prints a line for each thing "
                      "that is wrong; notes say\n"
                      "what could not be compared. Exit code 0: nothing is wrong, 1: something is.",
                      rows, ARRAY_LEN(rows), argc, argv);
    if (check.rules && operands == 0) {
        audit_rules(on_finding, &check);
        return EXIT_SUCCESS;
    }
    if (check.rules || operands != 1)
        fatal_exit(EXIT_USAGE, "check: name one directory");
    audit.dir = argv[argc - 1];
    log_level_set(LOG_LEVEL_WARN); /* not the stores that it opens */
    if (backup_is_complete(audit.dir)) {
        struct backup_manifest manifest;
        backup_read_manifest(audit.dir, &manifest);
        backup_verify(audit.dir, &manifest);
        audit.access = STORE_READ_SEALED;
    } else {
        lock_all(audit.dir);
    }
    uint64_t wrong = audit_run(&audit);
    if (check.json)
        printf("{\"wrong\":%llu}\n", (unsigned long long)wrong);
    else
        printf("%s: %llu wrong\n", audit.dir, (unsigned long long)wrong);
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
