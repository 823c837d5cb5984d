/* forumctl backup DIR: of a forum that runs. Each engine copies its own file (engined/copying.h); this asks
 * for it, takes it away, and vouches for it. */
#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attributes.h"
#include "common/clock.h"
#include "common/fatal.h"
#include "common/options.h"
#include "deploy/forumctl/backup_files.h"
#include "deploy/forumctl/command.h"
#include "deploy/forumctl/engine_link.h"
#include "deploy/forumctl/progress.h"
#include "deploy/state/state_dir.h"
#include "engined/copying.h"
#include "engined/store_offline.h"
#include "proto/schema_commands.h"
#include "proto/token_keys.h"

#define ASK_EVERY_MS   50
#define ASK_TIMEOUT_MS 5000

struct backup {
    const char *dir, *state_dir;
    char staging[BACKUP_PATH_BYTES]; /* where engines write */
    uid_t owner;                     /* of the state directory */
    struct engine_link *link;
    struct backup_manifest manifest;
};

/* What a backup that was interrupted leaves, and nothing else. */
static bool is_ours(const char *name)
{
    if (strcmp(name, MANIFEST_FILE ".new") == 0 || strcmp(name, TOKEN_PUBLIC_FILE) == 0 ||
        strcmp(name, TOKEN_SECRET_FILE) == 0)
        return true;
    for (size_t i = 0; i < BACKUP_DOMAINS; i++) {
        char file[64];
        snprintf(file, sizeof(file), "%s.db", domain_name(backup_order[i]));
        if (strcmp(name, file) == 0)
            return true;
    }
    return false;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Empty afterwards. */
static void make_target(const char *dir)
{
    char path[BACKUP_PATH_BYTES];
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        fatal_exit(EXIT_OS, "cannot make %s: %s", dir, strerror(errno));
    if (backup_is_complete(dir))
        fatal_exit(EXIT_USAGE, "%s holds a backup already: name a new directory for each", dir);
    DIR *entries = opendir(dir);
    if (entries == NULL)
        fatal_exit(EXIT_OS, "cannot read %s: %s", dir, strerror(errno));
    const struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        if (!is_dot(entry->d_name) && !is_ours(entry->d_name))
            fatal_exit(EXIT_USAGE, "%s holds \"%s\", which is of no backup: name a new directory", dir,
                       entry->d_name);
    rewinddir(entries);
    while ((entry = readdir(entries)) != NULL) {
        state_dir_path(dir, entry->d_name, path, sizeof(path));
        if (!is_dot(entry->d_name) && unlink(path) != 0)
            fatal_exit(EXIT_OS, "cannot remove %s, which an interrupted backup left: %s", path,
                       strerror(errno));
    }
    closedir(entries);
}

static void make_staging(struct backup *backup)
{
    struct stat info, made;
    if (stat(backup->state_dir, &info) != 0)
        fatal_exit(EXIT_USAGE, "--state-dir %s: %s", backup->state_dir, strerror(errno));
    backup->owner = info.st_uid;
    state_dir_path(backup->state_dir, COPYING_DIR, backup->staging, sizeof(backup->staging));
    if (mkdir(backup->staging, 0700) != 0 && errno != EEXIST)
        fatal_exit(EXIT_OS, "cannot make %s: %s", backup->staging, strerror(errno));
    if (lstat(backup->staging, &made) != 0 || !S_ISDIR(made.st_mode))
        fatal_exit(EXIT_DATA, "%s is not a directory", backup->staging);
    if (lchown(backup->staging, info.st_uid, info.st_gid) != 0)
        fatal_exit(EXIT_OS, "cannot give %s to the engines: %s", backup->staging, strerror(errno));
}

/* NULL: it runs or is done. */
static const char *trouble_of(const Pb__EngineCopied *copied)
{
    if (copied->state == PB__ENGINE_COPIED__STATE__UNKNOWN)
        return "it was restarted while it copied its file";
    if (copied->state == PB__ENGINE_COPIED__STATE__FAILED)
        return copied->error != NULL ? copied->error : "it failed";
    return NULL;
}

NO_RETURN static void give_up(const struct backup *backup, enum domain_id domain, const char *why)
{
    fatal_exit(
        EXIT_UNAVAILABLE,
        "no backup was made: the %s engine: %s. What is in %s is not complete; the next backup may go there",
        domain_name(domain), why, backup->dir);
}

/* False: not done yet. */
static bool ask(struct backup *backup, enum domain_id domain, Pb__EngineCopy *question,
                struct progress *progress)
{
    const char *why;
    ProtobufCMessage *reply =
        engine_link_ask(backup->link, domain, COMMAND_ID_engine_copy, &question->base, ASK_TIMEOUT_MS, &why);
    if (reply == NULL)
        give_up(backup, domain, why);
    const Pb__EngineCopied *copied = (const Pb__EngineCopied *)reply;
    why = trouble_of(copied);
    if (why != NULL)
        give_up(backup, domain, why);
    bool done = copied->state == PB__ENGINE_COPIED__STATE__DONE;
    progress_show(progress, copied->pages_done, copied->pages_total);
    protobuf_c_message_free_unpacked(reply, NULL);
    return done;
}

static void let_engine_copy(struct backup *backup, enum domain_id domain, struct progress *progress)
{
    Pb__EngineCopy question = PB__ENGINE_COPY__INIT;
    question.has_copy_id = question.has_step = true;
    while (question.copy_id == 0)
        randombytes_buf(&question.copy_id, sizeof(question.copy_id));
    question.step = PB__ENGINE_COPY__STEP__BEGIN;
    backup->manifest.files[domain].copied_at = clock_wall_ms();
    while (!ask(backup, domain, &question, progress)) {
        question.step = PB__ENGINE_COPY__STEP__ASK;
        usleep(ASK_EVERY_MS * 1000);
    }
    question.step = PB__ENGINE_COPY__STEP__END;
    (void)!ask(backup, domain, &question, progress);
}

static uint64_t number_of(struct store *store, const char *path, const char *sql, uint64_t none)
{
    uint64_t value = none;
    if (!store_number(store, sql, &value) && none == UINT64_MAX)
        fatal_exit(EXIT_DATA, "the copy %s cannot be read: %s", path, store_error(store));
    return value;
}

/* Reads the copy as whoever restores it will. */
static void look_into(const char *path, struct backup_file *file)
{
    char why[STORE_WHY_BYTES];
    struct store *store = store_open_file(path, STORE_READ_SEALED, why);
    if (store == NULL)
        fatal_exit(EXIT_DATA, "the copy %s cannot be read: %s", path, why);
    struct query *check = store_prepare(store, "PRAGMA quick_check(1)");
    query_bind(check, "");
    bool any = query_row(check);
    if (!any || strcmp(query_text_peek(check, 0), "ok") != 0)
        fatal_exit(EXIT_DATA, "the copy %s is damaged: %s", path,
                   any ? query_text_peek(check, 0) : store_error(store));
    file->schema = number_of(store, path, "PRAGMA user_version", UINT64_MAX);
    file->head_seq = number_of(store, path, "SELECT max(seq) FROM events", 0);
    file->log_id = number_of(store, path,
                             "SELECT coalesce((SELECT id FROM timelines ORDER BY first_seq DESC LIMIT 1), "
                             "(SELECT log_id FROM engine_meta))",
                             UINT64_MAX);
    store_close(store);
}

static void back_up(struct backup *backup, enum domain_id domain)
{
    char name[64], from[BACKUP_PATH_BYTES], to[BACKUP_PATH_BYTES], result[128];
    struct backup_file *file = &backup->manifest.files[domain];
    struct progress progress;
    snprintf(name, sizeof(name), "%s.db", domain_name(domain));
    state_dir_path(backup->staging, name, from, sizeof(from));
    state_dir_path(backup->dir, name, to, sizeof(to));
    progress_begin(&progress, name);
    let_engine_copy(backup, domain, &progress);
    if (access(from, F_OK) != 0)
        give_up(backup, domain, "its copy is not in the state directory: is --state-dir the one it uses?");
    backup_copy_file(from, to, backup->owner, file, NULL, NULL);
    if (unlink(from) != 0)
        fatal_exit(EXIT_OS, "cannot remove %s: %s", from, strerror(errno));
    look_into(to, file);
    snprintf(result, sizeof(result), "%.1f MB, %llu events", (double)file->bytes / 1e6,
             (unsigned long long)file->head_seq);
    progress_end(&progress, result);
}

static void copy_key(const struct backup *backup, const char *name)
{
    char from[BACKUP_PATH_BYTES], to[BACKUP_PATH_BYTES];
    struct backup_file ignored;
    state_dir_key_path(backup->state_dir, name, from, sizeof(from));
    state_dir_path(backup->dir, name, to, sizeof(to));
    backup_copy_file(from, to, (uid_t)-1, &ignored, NULL, NULL);
}

static void run(struct backup *backup)
{
    int lock_fd = state_dir_lock_name(backup->state_dir, "backup");
    if (lock_fd < 0)
        fatal_exit(EXIT_UNAVAILABLE, "another backup of %s is under way", backup->state_dir);
    /* Whom this keeps waiting can wait. */
    (void)!setpriority(PRIO_PROCESS, 0, 10);
    make_target(backup->dir);
    make_staging(backup);
    backup->manifest.began_at = clock_wall_ms();
    for (size_t i = 0; i < BACKUP_DOMAINS; i++)
        back_up(backup, backup_order[i]);
    if (backup->manifest.token_keys) {
        copy_key(backup, TOKEN_SECRET_FILE);
        copy_key(backup, TOKEN_PUBLIC_FILE);
    }
    backup->manifest.ended_at = clock_wall_ms();
    backup_write_manifest(backup->dir, &backup->manifest);
    if (rmdir(backup->staging) != 0 && errno != ENOENT && errno != ENOTEMPTY)
        fatal_exit(EXIT_OS, "the backup is complete, but %s cannot be removed: %s", backup->staging,
                   strerror(errno));
    close(lock_fd);
}

int ctl_backup(int argc, char **argv)
{
    static struct backup backup;
    backup.state_dir = state_dir_default();
    const char *mac_key = NULL;
    unsigned port_base = DOMAIN_PORT_BASE_DEFAULT;
    char default_key[BACKUP_PATH_BYTES];
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &backup.state_dir, 0, 0, NULL, "DIR", "what the engines run on"},
        {"mac-key", OPTION_STRING, &mac_key, 0, 0, NULL, "FILE",
         "key of the batches (default STATE-DIR/mac.key or /etc/forumd/mac.key)"},
        {"port-base", OPTION_UINT, &port_base, 1024, DOMAIN_PORT_BASE_MAX, NULL, "N", "the engines' ports"},
        {"token-keys", OPTION_FLAG, &backup.manifest.token_keys, 0, 0, NULL, NULL,
         "the keys of tokens too; without, who is logged in has to do so again after a restore"},
    };
    size_t operands = options_parse(
        "forumctl backup DIR [flags]\n\n"
        "Copies all data of a forum that runs into the new directory DIR. Whatever was acknowledged before\n"
        "it began is in it. DIR/manifest.json is written last: without it the backup is not complete.\n"
        "The key of the batches (mac.key) is never in it. To read it: forumctl restore, forumctl check.",
        rows, ARRAY_LEN(rows), argc, argv);
    if (operands != 1)
        fatal_exit(EXIT_USAGE, "backup: name one directory to make");
    backup.dir = argv[argc - 1];
    if (mac_key == NULL) {
        state_dir_key_path(backup.state_dir, "mac.key", default_key, sizeof(default_key));
        mac_key = default_key;
    }
    backup.link = engine_link_open(backup.state_dir, mac_key, port_base);
    run(&backup);
    engine_link_close(backup.link);
    printf("backup complete: %s\n", backup.dir);
    return EXIT_SUCCESS;
}
