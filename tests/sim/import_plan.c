#include "tests/sim/import_plan.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/changelog.h"
#include "tests/sim/import.h"
#include "tests/sim/memory.h"
#include "tests/sim/table.h"
#include "tests/sim/text.h"

struct planner {
    struct import_plan *plan;
    struct table *pairs; /* person, package */
};

static void add_member(struct planner *planner, size_t person, size_t package)
{
    struct import_plan *plan = planner->plan;
    uint64_t *known = table_put(planner->pairs, person, package);

    if (*known == 0 && person != plan->packages[package].creator) {
        plan->members =
            mem_grow(plan->members, plan->member_count, &plan->member_capacity, sizeof plan->members[0]);
        plan->members[plan->member_count++] = (struct import_member){.person = person, .package = package};
    }
    *known = 1;
}

static size_t person_of(const struct import_plan *plan, const char *name)
{
    return name_book_add(plan->people, name != NULL ? name : IMPORT_NOBODY);
}

static void add_package(struct planner *planner, const struct changelog *changelog, const char *name,
                        const char *path)
{
    struct import_plan *plan = planner->plan;
    struct import_package package = {.name = mem_text(name), .path = mem_text(path)};
    size_t position = plan->package_count;

    package.name_position = name_book_add(plan->subreddits, name);
    package.creator = person_of(plan, changelog->entries[changelog->entry_count - 1].maintainer);
    plan->packages =
        mem_grow(plan->packages, plan->package_count, &plan->package_capacity, sizeof plan->packages[0]);
    plan->packages[plan->package_count++] = package;
    for (size_t i = 0; i < changelog->entry_count; i++) {
        const struct changelog_entry *entry = &changelog->entries[i];

        add_member(planner, person_of(plan, entry->maintainer), position);
        for (size_t at = 0; at < entry->bullet_count; at++) {
            if (entry->bullets[at].author != NULL) {
                add_member(planner, person_of(plan, entry->bullets[at].author), position);
            }
        }
        plan->comments += entry->bullet_count;
    }
    plan->posts += changelog->entry_count;
}

static void add_file(struct planner *planner, const char *path, bool replies)
{
    struct changelog *changelog = changelog_read(path, replies);
    const char *file = strrchr(path, '/');
    const char *start = file;
    char *bytes, *name;

    if (changelog == NULL) {
        fprintf(stderr, "forumd-sim: cannot read %s: passed over\n", path);
        return;
    }
    while (start > path && start[-1] != '/') {
        start--;
    }
    bytes = mem_text_part(start, (size_t)(file - start));
    name = text_to_utf8(bytes, strlen(bytes));
    if (changelog->entry_count > 0) {
        add_package(planner, changelog, name, path);
    }
    free(name);
    free(bytes);
    changelog_free(changelog);
}

struct import_plan *import_plan_new(const char *directory, bool replies)
{
    struct import_plan *plan;
    struct planner planner;
    char *pattern = mem_format("%s/*/changelog.Debian.gz", directory);
    glob_t found;
    int result = glob(pattern, 0, NULL, &found);

    free(pattern);
    if (result != 0) {
        fprintf(stderr, "forumd-sim: %s has no */changelog.Debian.gz that can be read\n", directory);
        return NULL;
    }
    plan = mem_zeroed(1, sizeof *plan);
    plan->subreddits = name_book_new(&name_rule_subreddit);
    plan->people = name_book_new(&name_rule_user);
    planner = (struct planner){.plan = plan, .pairs = table_new()};
    for (size_t i = 0; i < found.gl_pathc && plan->package_count < IMPORT_PACKAGES_MAX; i++) {
        add_file(&planner, found.gl_pathv[i], replies);
    }
    table_free(planner.pairs);
    globfree(&found);
    return plan;
}

void import_plan_free(struct import_plan *plan)
{
    for (size_t i = 0; i < plan->package_count; i++) {
        free(plan->packages[i].name);
        free(plan->packages[i].path);
    }
    name_book_free(plan->subreddits);
    name_book_free(plan->people);
    free(plan->packages);
    free(plan->members);
    free(plan);
}
