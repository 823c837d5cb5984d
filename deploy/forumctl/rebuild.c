/* forumctl rebuild DOMAIN: a domain's tables made anew from its log, and from the logs that it follows. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "common/log.h"
#include "common/options.h"
#include "deploy/forumctl/command.h"
#include "deploy/forumctl/progress.h"
#include "deploy/state/state_dir.h"
#include "engined/audit/replay.h"
#include "engined/domain.h"

#define STAGING "rebuild.tmp"

/* What every engine has that no log gives. Cursors come with what was derived up to them. */
static const char *const engine_tables[] = {"engine_meta", "events", "requests", "known", "timelines"};

struct rebuild {
    const char *dir;
    const struct domain *domain;
    char staging[REPLAY_PATH_BYTES];
    char old_path[REPLAY_PATH_BYTES], new_path[REPLAY_PATH_BYTES];
    struct progress progress;
};

static void remove_staged(const struct rebuild *rebuild)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char path[REPLAY_PATH_BYTES + 16];
        snprintf(path, sizeof(path), "%s%s", rebuild->new_path, suffixes[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            fatal_exit(EXIT_OS, "cannot remove %s: %s", path, strerror(errno));
    }
}

static void make_staging(const struct rebuild *rebuild)
{
    if (mkdir(rebuild->staging, 0700) != 0 && errno != EEXIST)
        fatal_exit(EXIT_OS, "cannot make %s: %s", rebuild->staging, strerror(errno));
    remove_staged(rebuild); /* of a rebuild that was interrupted */
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    progress_show(arg, done, total);
}

static void refuse_other_schema(const struct rebuild *rebuild)
{
    char why[STORE_WHY_BYTES];
    uint64_t version = 0;
    struct store *old = store_open_file(rebuild->old_path, STORE_READ, why);
    if (old == NULL)
        fatal_exit(EXIT_DATA, "cannot read %s: %s", rebuild->old_path, why);
    if (!store_number(old, "PRAGMA user_version", &version) || version != rebuild->domain->migration_count)
        fatal_exit(EXIT_DATA, "%s has schema %llu, not %zu: %s", rebuild->old_path,
                   (unsigned long long)version, rebuild->domain->migration_count,
                   version < rebuild->domain->migration_count ? "start its engine once first"
                                                              : "it is of a newer forumd");
    store_close(old);
}

static void make_tables(struct rebuild *rebuild)
{
    progress_begin(&rebuild->progress, domain_name(rebuild->domain->id));
    struct replay replay = {.dir = rebuild->dir,
                            .access = STORE_READ,
                            .domain = rebuild->domain,
                            .out_dir = rebuild->staging,
                            .progress = on_progress,
                            .arg = &rebuild->progress};
    if (replay_run(&replay))
        return;
    remove_staged(rebuild);
    (void)!rmdir(rebuild->staging);
    fatal_exit(EXIT_DATA, "the log of %s cannot be applied (the line above tells why); nothing was changed",
               domain_name(rebuild->domain->id));
}

static void take_over(const struct rebuild *rebuild, struct store *new, const char *table)
{
    char sql[192], why[STORE_WHY_BYTES];
    snprintf(sql, sizeof(sql), "DELETE FROM main.%s; INSERT INTO main.%s SELECT * FROM old.%s", table, table,
             table);
    if (!store_run(new, sql, why))
        fatal_exit(EXIT_DATA, "cannot take over the table %s of %s: %s; nothing was changed", table,
                   rebuild->old_path, why);
}

/* Told apart from one that was followed: its events are asked for again from the first one on. */
static void note_unfollowed(const struct rebuild *rebuild, struct store *new)
{
    for (size_t i = 0; i < rebuild->domain->follow_count; i++) {
        uint64_t one;
        char sql[96];
        enum domain_id source = rebuild->domain->follows[i].source;
        snprintf(sql, sizeof(sql), "SELECT 1 FROM main.cursors WHERE source = %d", (int)source);
        if (!store_number(new, sql, &one))
            fprintf(stderr, "what comes from %s will be pulled when the engine starts\n",
                    domain_name(source));
    }
}

static void complete(const struct rebuild *rebuild)
{
    char why[STORE_WHY_BYTES];
    struct store *new = store_open_file(rebuild->new_path, STORE_CHANGE, why);
    if (new == NULL || !store_attach(new, rebuild->old_path, STORE_READ, "old", why) ||
        !store_run(new, "BEGIN", why))
        fatal_exit(EXIT_DATA, "cannot complete %s: %s; nothing was changed", rebuild->new_path, why);
    for (size_t i = 0; i < ARRAY_LEN(engine_tables); i++)
        take_over(rebuild, new, engine_tables[i]);
    for (size_t i = 0; i < rebuild->domain->checks->kept_count; i++)
        take_over(rebuild, new, rebuild->domain->checks->kept[i]);
    if (!store_run(new, "COMMIT", why))
        fatal_exit(EXIT_IO, "cannot complete %s: %s; nothing was changed", rebuild->new_path, why);
    note_unfollowed(rebuild, new);
    store_close(new);
    if (!store_settle(rebuild->new_path, why))
        fatal_exit(EXIT_IO, "cannot complete %s: %s; nothing was changed", rebuild->new_path, why);
}

static void give_and_sync(const struct rebuild *rebuild)
{
    struct stat info;
    int fd = open(rebuild->new_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || stat(rebuild->old_path, &info) != 0 || fchmod(fd, info.st_mode & 0777) != 0 ||
        (geteuid() == 0 && fchown(fd, info.st_uid, info.st_gid) != 0) || fsync(fd) != 0)
        fatal_exit(EXIT_IO, "cannot finish %s: %s", rebuild->new_path, strerror(errno));
    close(fd);
    state_dir_sync(rebuild->staging);
}

/* The old file's write-ahead log must not be there any more when the new file takes its name: it would be
 * applied to it.
 */
static void put_into_place(const struct rebuild *rebuild)
{
    char why[STORE_WHY_BYTES];
    if (!store_settle(rebuild->old_path, why))
        fatal_exit(EXIT_DATA, "cannot write the log of %s back into it: %s; nothing was changed",
                   rebuild->old_path, why);
    state_dir_sync(rebuild->dir); /* that the log is gone lasts, before the new file has the name */
    if (rename(rebuild->new_path, rebuild->old_path) != 0)
        fatal_exit(EXIT_OS, "cannot put %s into place: %s", rebuild->old_path, strerror(errno));
    state_dir_sync(rebuild->dir);
    (void)!rmdir(rebuild->staging);
}

int ctl_rebuild(int argc, char **argv)
{
    static struct rebuild rebuild;
    rebuild.dir = state_dir_default();
    enum domain_id domain;
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &rebuild.dir, 0, 0, NULL, "DIR", "where all data is"},
    };
    size_t operands =
        options_parse("forumctl rebuild DOMAIN [flags]\n\n"
                      "Makes the tables of users, subreddits, posts, comments, dms or feed anew from the "
                      "logs, into a new file that\n"
                      "then takes the old one's place. Passwords, kept answers and the log itself are taken "
                      "over. The domain's engine\n"
                      "must not run; others may. If it is interrupted the old file is there as it was.",
                      rows, ARRAY_LEN(rows), argc, argv);
    if (operands != 1 || !domain_parse(argv[argc - 1], &domain))
        fatal_exit(EXIT_USAGE, "rebuild: name one domain: users, subreddits, posts, comments, dms or feed");
    log_level_set(LOG_LEVEL_WARN); /* not the stores that it opens */
    rebuild.domain = domain_by_id(domain);
    int lock_fd = state_dir_lock_name(rebuild.dir, domain_name(domain));
    if (lock_fd < 0)
        fatal_exit(EXIT_UNAVAILABLE, "the %s engine runs on %s: stop it first", domain_name(domain),
                   rebuild.dir);
    state_dir_path(rebuild.dir, STAGING, rebuild.staging, sizeof(rebuild.staging));
    replay_path(rebuild.dir, rebuild.domain, rebuild.old_path);
    replay_path(rebuild.staging, rebuild.domain, rebuild.new_path);
    refuse_other_schema(&rebuild);
    make_staging(&rebuild);
    make_tables(&rebuild);
    complete(&rebuild);
    give_and_sync(&rebuild);
    put_into_place(&rebuild);
    close(lock_fd);
    progress_end(&rebuild.progress, "made anew from the logs");
    return EXIT_SUCCESS;
}
