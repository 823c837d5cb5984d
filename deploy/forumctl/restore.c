/* forumctl restore BACKUP DIR: a state directory made of a backup. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "common/options.h"
#include "deploy/forumctl/backup_files.h"
#include "deploy/forumctl/command.h"
#include "deploy/forumctl/progress.h"
#include "deploy/state/keys.h"
#include "deploy/state/state_dir.h"
#include "engined/copying.h"
#include "engined/domain.h"
#include "engined/store_offline.h"
#include "proto/token_keys.h"

struct restore {
    const char *backup, *dir;
    char staging[BACKUP_PATH_BYTES];
    struct backup_manifest manifest;
    int locks[BACKUP_DOMAINS];
};

static void file_path(const char *dir, enum domain_id domain, const char *suffix, char *out)
{
    char name[64];
    snprintf(name, sizeof(name), "%s.db%s", domain_name(domain), suffix);
    state_dir_path(dir, name, out, BACKUP_PATH_BYTES);
}

static bool is_there(const char *path)
{
    struct stat info;
    if (lstat(path, &info) == 0)
        return true;
    if (errno != ENOENT)
        fatal_exit(EXIT_OS, "cannot look at %s: %s", path, strerror(errno));
    return false;
}

static void remove_file(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        fatal_exit(EXIT_OS, "cannot remove %s: %s", path, strerror(errno));
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* What a directory may hold into which nothing was put yet: keys, and the locks of engines that ran. */
static bool is_harmless(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lost+found") == 0 ||
           strcmp(name, "mac.key") == 0 || strcmp(name, TOKEN_PUBLIC_FILE) == 0 ||
           strcmp(name, TOKEN_SECRET_FILE) == 0 || ends_with(name, ".lock");
}

static void refuse_what_is_there(const char *dir)
{
    DIR *entries = opendir(dir);
    if (entries == NULL)
        fatal_exit(EXIT_OS, "cannot read %s: %s", dir, strerror(errno));
    const struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        if (!is_harmless(entry->d_name))
            fatal_exit(EXIT_USAGE,
                       "%s is not empty: it holds \"%s\"; move what is there away, or name another directory",
                       dir, entry->d_name);
    closedir(entries);
}

/* As long as the directory STATE_RESTORING_DIR is there no engine starts. So a restore that was interrupted
 * is known as such, and whatever it put into place already is its own: there was no file when it began. */
static void clear_interrupted(struct restore *restore)
{
    char path[BACKUP_PATH_BYTES];
    for (size_t i = 0; i < BACKUP_DOMAINS; i++) {
        static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
        for (size_t s = 0; s < ARRAY_LEN(suffixes); s++) {
            file_path(restore->staging, backup_order[i], suffixes[s], path);
            remove_file(path);
            file_path(restore->dir, backup_order[i], suffixes[s], path);
            remove_file(path);
        }
    }
    fprintf(stderr, "an interrupted restore was in %s; it begins anew\n", restore->dir);
}

static void lock_engines(struct restore *restore)
{
    for (size_t i = 0; i < BACKUP_DOMAINS; i++) {
        restore->locks[i] = state_dir_lock_name(restore->dir, domain_name(backup_order[i]));
        if (restore->locks[i] < 0)
            fatal_exit(EXIT_UNAVAILABLE, "the %s engine runs on %s: stop the forum first",
                       domain_name(backup_order[i]), restore->dir);
    }
}

static void prepare(struct restore *restore)
{
    state_dir_make(restore->dir);
    lock_engines(restore);
    state_dir_path(restore->dir, STATE_RESTORING_DIR, restore->staging, sizeof(restore->staging));
    if (is_there(restore->staging))
        clear_interrupted(restore);
    else
        refuse_what_is_there(restore->dir);
    if (mkdir(restore->staging, 0700) != 0 && errno != EEXIST)
        fatal_exit(EXIT_OS, "cannot make %s: %s", restore->staging, strerror(errno));
    state_dir_sync(restore->dir);
}

/* The log goes on in a timeline that nobody heard of: who followed the one that was backed up may have read
 * what is not in the backup, and pulls afresh. */
static void renew_log(const char *path)
{
    char why[STORE_WHY_BYTES], sql[160];
    uint64_t id = 0;
    while (id == 0)
        id = (uint64_t)randombytes_random() << 31 | randombytes_random() >> 1;
    snprintf(sql, sizeof(sql),
             "BEGIN IMMEDIATE; DELETE FROM timelines; UPDATE engine_meta SET log_id = %llu; COMMIT",
             (unsigned long long)id);
    struct store *store = store_open_file(path, STORE_CHANGE, why);
    if (store == NULL || !store_run(store, sql, why))
        fatal_exit(EXIT_DATA, "cannot give %s a new log id: %s", path, why);
    store_close(store);
    if (!store_settle(path, why))
        fatal_exit(EXIT_IO, "cannot finish %s: %s", path, why);
}

static void sync_and_give(const struct restore *restore, const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        fatal_exit(EXIT_OS, "cannot open %s: %s", path, strerror(errno));
    state_dir_give(restore->dir, fd);
    if (fsync(fd) != 0)
        fatal_exit(EXIT_IO, "cannot sync %s: %s", path, strerror(errno));
    close(fd);
}

static void on_copied(void *arg, uint64_t done, uint64_t total)
{
    progress_show(arg, done, total);
}

static void refuse_newer(enum domain_id domain, const struct backup_file *file)
{
    size_t known = domain_by_id(domain)->migration_count;
    if (file->schema > known)
        fatal_exit(EXIT_DATA, "the backup's %s.db is of a newer forumd (schema %llu, this one knows %zu)",
                   domain_name(domain), (unsigned long long)file->schema, known);
}

/* Into the staging directory. What is copied is what the manifest vouches for: the hash is of the bytes that
 * were written. */
static void take(struct restore *restore, enum domain_id domain)
{
    char from[BACKUP_PATH_BYTES], to[BACKUP_PATH_BYTES], what[64];
    struct backup_file copied;
    struct progress progress;
    file_path(restore->backup, domain, "", from);
    file_path(restore->staging, domain, "", to);
    snprintf(what, sizeof(what), "%s.db", domain_name(domain));
    progress_begin(&progress, what);
    backup_copy_file(from, to, (uid_t)-1, &copied, on_copied, &progress);
    if (sodium_memcmp(copied.hash, restore->manifest.files[domain].hash, BACKUP_HASH_BYTES) != 0)
        fatal_exit(EXIT_DATA, "%s changed while it was read", from);
    renew_log(to);
    sync_and_give(restore, to);
    progress_end(&progress, "restored");
}

static void put_into_place(struct restore *restore)
{
    char from[BACKUP_PATH_BYTES], to[BACKUP_PATH_BYTES];
    state_dir_sync(restore->staging);
    for (size_t i = 0; i < BACKUP_DOMAINS; i++) {
        file_path(restore->staging, backup_order[i], "", from);
        file_path(restore->dir, backup_order[i], "", to);
        if (rename(from, to) != 0)
            fatal_exit(EXIT_OS, "cannot put %s into place: %s", to, strerror(errno));
    }
    state_dir_sync(restore->dir);
    if (rmdir(restore->staging) != 0) /* from here on engines start */
        fatal_exit(EXIT_OS, "cannot remove %s: %s", restore->staging, strerror(errno));
    state_dir_sync(restore->dir);
}

/* Tokens of the backed-up forum stay good only with its keys, and if there are none here already. */
static void take_keys(struct restore *restore)
{
    static const char *const names[] = {TOKEN_PUBLIC_FILE, TOKEN_SECRET_FILE};
    static const char *const all[] = {"mac.key", TOKEN_PUBLIC_FILE, TOKEN_SECRET_FILE, "keys.lock"};
    char from[BACKUP_PATH_BYTES], to[BACKUP_PATH_BYTES];
    struct backup_file ignored;
    state_dir_path(restore->dir, TOKEN_SECRET_FILE, to, sizeof(to));
    bool wanted = restore->manifest.token_keys && !is_there(to);
    for (size_t i = 0; wanted && i < ARRAY_LEN(names); i++) {
        state_dir_path(restore->backup, names[i], from, sizeof(from));
        state_dir_path(restore->dir, names[i], to, sizeof(to));
        remove_file(to);
        backup_copy_file(from, to, (uid_t)-1, &ignored, NULL, NULL);
    }
    keys_make(restore->dir);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        state_dir_path(restore->dir, all[i], to, sizeof(to));
        sync_and_give(restore, to);
    }
    state_dir_sync(restore->dir);
}

int ctl_restore(int argc, char **argv)
{
    static struct restore restore;
    if (options_parse(
            "forumctl restore BACKUP DIR\n\n"
            "Makes the state directory DIR of a backup. DIR may exist, but hold no data; keys that are "
            "there\n"
            "already stay. All files are compared with the manifest first. If it is interrupted no engine "
            "starts\n"
            "on DIR until a restore into it is complete. Logs get new ids, so that derived tables are made "
            "anew.\n"
            "Run `forumctl rotate-token-key --drop` if tokens may be out that are younger than the backup.",
            NULL, 0, argc, argv) != 2)
        fatal_exit(EXIT_USAGE, "restore: name the backup and the state directory to make");
    restore.backup = argv[argc - 2];
    restore.dir = argv[argc - 1];
    backup_read_manifest(restore.backup, &restore.manifest);
    for (size_t i = 0; i < BACKUP_DOMAINS; i++)
        refuse_newer(backup_order[i], &restore.manifest.files[backup_order[i]]);
    backup_verify(restore.backup, &restore.manifest);
    prepare(&restore);
    for (size_t i = 0; i < BACKUP_DOMAINS; i++)
        take(&restore, backup_order[i]);
    take_keys(&restore);
    put_into_place(&restore);
    for (size_t i = 0; i < BACKUP_DOMAINS; i++)
        close(restore.locks[i]);
    printf("restored %s from %s\n", restore.dir, restore.backup);
    return EXIT_SUCCESS;
}
