#include "tests/sim/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/changelog.h"
#include "tests/sim/hash.h"
#include "tests/sim/import_plan.h"
#include "tests/sim/memory.h"
#include "tests/sim/progress.h"
#include "tests/sim/random.h"
#include "tests/sim/text.h"

enum { KEY_BYTES = 65, TEXT_BYTES = 256, POST_VOTES_MAX = 5, UPVOTE_PERCENT = 85 };

/* A changelog whose releases are being handed out; freed when the last is done. */
struct shelf {
    struct changelog *changelog;
    size_t package, left, users;
};

struct import {
    struct forum *forum;
    const struct import_options *options;
    struct import_plan *plan;
    struct account *people;
    uint64_t *subreddits; /* ids, by package */
    struct progress progress;
    size_t next; /* of this stage's list */
    struct shelf *shelf;
    uint64_t posts, comments, votes, failures;
};

static bool import_goes_on(const struct import *import)
{
    return !client_stopping(import->forum->client);
}

static void count(struct import *import, uint64_t *counter, bool good)
{
    *counter += good;
    import->failures += !good;
}

/* ---- people, subreddits, memberships ---- */

static void register_people(struct agent *agent, void *context)
{
    struct import *import = context;

    while (import->next < name_book_count(import->plan->people) && import_goes_on(import)) {
        size_t person = import->next++;

        if (!forum_register(agent, import->forum, name_book_name(import->plan->people, person),
                            &import->people[person])) {
            import->failures++;
        }
        progress_bar(&import->progress, "import: maintainers", import->next,
                     name_book_count(import->plan->people));
    }
}

static void create_subreddits(struct agent *agent, void *context)
{
    struct import *import = context;

    while (import->next < import->plan->package_count && import_goes_on(import)) {
        size_t number = import->next++;
        const struct import_package *package = &import->plan->packages[number];
        const struct account *creator = &import->people[package->creator];
        char about[TEXT_BYTES];

        snprintf(about, sizeof about, "Releases of the Debian package %.100s", package->name);
        text_cut(about, FORUM_ABOUT_MAX);
        if (creator->id != 0) {
            import->subreddits[number] =
                forum_create(agent, import->forum, creator,
                             name_book_name(import->plan->subreddits, package->name_position), about);
        }
        import->failures += import->subreddits[number] == 0;
        progress_bar(&import->progress, "import: packages", import->next, import->plan->package_count);
    }
}

static void join_subreddits(struct agent *agent, void *context)
{
    struct import *import = context;

    while (import->next < import->plan->member_count && import_goes_on(import)) {
        const struct import_member *member = &import->plan->members[import->next++];
        const struct account *account = &import->people[member->person];
        uint64_t subreddit = import->subreddits[member->package];

        if (account->id == 0 || subreddit == 0 || !forum_join(agent, import->forum, account, subreddit)) {
            import->failures++;
        }
        progress_bar(&import->progress, "import: memberships", import->next, import->plan->member_count);
    }
}

/* ---- releases ---- */

/* The next changelog's releases. False if there are no more. */
static bool next_shelf(struct import *import)
{
    while (import->shelf == NULL && import->next < import->plan->package_count) {
        size_t number = import->next++;
        struct changelog *changelog;

        if (import->subreddits[number] == 0) {
            continue; /* counted already */
        }
        changelog = changelog_read(import->plan->packages[number].path, import->options->replies);
        if (changelog == NULL || changelog->entry_count == 0) {
            changelog_free(changelog);
            import->failures++;
            continue;
        }
        import->shelf = mem_zeroed(1, sizeof *import->shelf);
        *import->shelf =
            (struct shelf){.changelog = changelog, .package = number, .left = changelog->entry_count};
    }
    return import->shelf != NULL;
}

/* Oldest first. The taker gives the shelf back. */
static const struct changelog_entry *take_release(struct import *import, struct shelf **shelf)
{
    if (!next_shelf(import)) {
        return NULL;
    }
    *shelf = import->shelf;
    (*shelf)->users++;
    if (--(*shelf)->left == 0) {
        import->shelf = NULL;
    }
    return &(*shelf)->changelog->entries[(*shelf)->left];
}

static void give_back(struct shelf *shelf)
{
    if (--shelf->users == 0 && shelf->left == 0) {
        changelog_free(shelf->changelog);
        free(shelf);
    }
}

static const struct account *account_of(const struct import *import, const char *name)
{
    return &import->people[name_book_add(import->plan->people, name != NULL ? name : IMPORT_NOBODY)];
}

/* One that is the same in every import of this release (a changelog may name a version twice), and no
 * other's. */
static void write_key(char key[KEY_BYTES], const struct import *import, const struct shelf *shelf,
                      const struct changelog_entry *entry, size_t bullet)
{
    size_t from_the_end = shelf->changelog->entry_count - (size_t)(entry - shelf->changelog->entries);
    uint64_t halves[2];

    for (unsigned i = 0; i < 2; i++) {
        halves[i] = hash_number(HASH_START, i + (import->options->replies ? 2 : 0));
        halves[i] = hash_text(halves[i], import->plan->packages[shelf->package].name);
        halves[i] = hash_text(halves[i], entry->version);
        halves[i] = hash_number(hash_number(halves[i], from_the_end), bullet);
    }
    snprintf(key, KEY_BYTES, "changelog-%016" PRIx64 "%016" PRIx64, halves[0], halves[1]);
}

static void vote(struct agent *agent, struct import *import, struct random *random, enum id_kind kind,
                 uint64_t id)
{
    const struct account *voter =
        &import->people[random_below(random, name_book_count(import->plan->people))];
    unsigned state = random_below(random, 100) < UPVOTE_PERCENT ? VOTE_UP : VOTE_DOWN;

    if (voter->id != 0) {
        count(import, &import->votes, forum_vote(agent, import->forum, voter, kind, id, state));
    }
}

/* The id, or 0. */
static uint64_t import_post(struct agent *agent, struct import *import, const struct shelf *shelf,
                            const struct changelog_entry *entry)
{
    const struct account *author = account_of(import, entry->maintainer);
    char *title = mem_text(entry->title), *content = mem_text(entry->content);
    char key[KEY_BYTES];
    struct forum_post post = {
        .subreddit = import->subreddits[shelf->package], .title = title, .content = content, .key = key};
    uint64_t id = 0;

    text_cut(title, FORUM_TITLE_MAX);
    text_trim(title);
    text_cut(content, FORUM_CONTENT_MAX);
    write_key(key, import, shelf, entry, 0);
    if (author->id != 0) {
        id = forum_post(agent, import->forum, author, &post);
    }
    count(import, &import->posts, id != 0);
    free(title);
    free(content);
    return id;
}

static uint64_t import_comment(struct agent *agent, struct import *import, const struct shelf *shelf,
                               const struct changelog_entry *entry, size_t bullet,
                               struct forum_comment *comment)
{
    const struct changelog_bullet *one = &entry->bullets[bullet];
    const struct account *author = account_of(import, one->author != NULL ? one->author : entry->maintainer);
    char *content = mem_text(one->text);
    char key[KEY_BYTES];
    uint64_t id = 0;

    text_cut(content, FORUM_COMMENT_MAX);
    text_trim(content);
    write_key(key, import, shelf, entry, bullet + 1);
    comment->content = content;
    comment->key = key;
    if (author->id != 0) {
        id = forum_comment(agent, import->forum, author, comment);
    }
    count(import, &import->comments, id != 0);
    free(content);
    return id;
}

static void import_release(struct agent *agent, struct import *import, const struct shelf *shelf,
                           const struct changelog_entry *entry)
{
    uint64_t post = import_post(agent, import, shelf, entry);
    uint64_t *comments = mem_zeroed(entry->bullet_count, sizeof comments[0]);
    struct random random;
    uint64_t seed = hash_text(hash_number(HASH_START, import->options->seed),
                              import->plan->packages[shelf->package].name);

    random_seed(&random, hash_text(seed, entry->version));
    for (size_t i = 0; post != 0 && i < entry->bullet_count && import_goes_on(import); i++) {
        size_t parent = entry->bullets[i].parent;
        struct forum_comment comment = {.post = post, .parent = parent > 0 ? comments[parent - 1] : 0};

        comments[i] = import_comment(agent, import, shelf, entry, i, &comment);
        if (comments[i] != 0 && random_below(&random, 4) == 0) {
            vote(agent, import, &random, ID_COMMENT, comments[i]);
        }
    }
    for (uint64_t votes = random_below(&random, POST_VOTES_MAX);
         post != 0 && votes > 0 && import_goes_on(import); votes--) {
        vote(agent, import, &random, ID_POST, post);
    }
    free(comments);
}

static void import_releases(struct agent *agent, void *context)
{
    struct import *import = context;
    const struct changelog_entry *entry;
    struct shelf *shelf;

    while (import_goes_on(import) && (entry = take_release(import, &shelf)) != NULL) {
        import_release(agent, import, shelf, entry);
        give_back(shelf);
        progress_bar(&import->progress, "import: releases", import->posts, import->plan->posts);
    }
}

/* ---- the import ---- */

static void run_stages(struct import *import)
{
    static agent_main *const stages[] = {register_people, create_subreddits, join_subreddits,
                                         import_releases};

    for (size_t i = 0; i < ARRAY_LEN(stages) && import_goes_on(import); i++) {
        import->next = 0;
        client_run(import->forum->client, import->options->clients, stages[i], import);
    }
    if (import->shelf != NULL) {
        /* Stopped half-way. */
        changelog_free(import->shelf->changelog);
        free(import->shelf);
    }
}

static bool report(const struct import *import)
{
    bool whole = import->failures == 0 && import_goes_on(import);

    printf("import: %zu subreddits, %zu users, %zu memberships, %" PRIu64 " posts, %" PRIu64
           " comments, %" PRIu64 " votes%s\n",
           import->plan->package_count, name_book_count(import->plan->people), import->plan->member_count,
           import->posts, import->comments, import->votes, whole ? "" : ": INCOMPLETE");
    stats_report(import->forum->stats, stdout);
    return whole;
}

bool import_run(struct forum *forum, const struct import_options *options)
{
    struct import import = {
        .forum = forum, .options = options, .plan = import_plan_new(options->directory, options->replies)};
    bool good;

    if (import.plan == NULL) {
        return false;
    }
    printf("import: found %zu packages, %" PRIu64 " releases, %" PRIu64 " bullets\n",
           import.plan->package_count, import.plan->posts, import.plan->comments);
    fflush(stdout);
    import.people = mem_zeroed(name_book_count(import.plan->people), sizeof import.people[0]);
    import.subreddits = mem_zeroed(import.plan->package_count, sizeof import.subreddits[0]);
    progress_start(&import.progress, options->quiet);
    stats_reset(forum->stats);
    run_stages(&import);
    progress_end(&import.progress);
    good = report(&import);
    for (size_t i = 0; i < name_book_count(import.plan->people); i++) {
        account_clear(&import.people[i]);
    }
    free(import.people);
    free(import.subreddits);
    import_plan_free(import.plan);
    return good;
}
