/* forumctl import: a new state directory, made beside its place and put there whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
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
#include "deploy/forumctl/import.h"
#include "deploy/forumctl/progress.h"
#include "deploy/state/keys.h"
#include "deploy/state/state_dir.h"
#include "proto/token_keys.h"

static const char *const keys[] = {"mac.key", TOKEN_SECRET_FILE, TOKEN_PUBLIC_FILE};

struct importing {
    const char *dir;
    char staging[PATH_MAX];
    bool there; /* the directory, with nothing but keys in it */
    FILE *in;
    struct import *import;
};

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)!nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Or a lock that nobody needs to hold. */
static bool is_key(const char *name)
{
    size_t length = strlen(name), suffix = strlen(".lock");
    if (length > suffix && strcmp(name + length - suffix, ".lock") == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(keys[i], name) == 0)
            return true;
    return false;
}

static void check_empty(struct importing *importing)
{
    DIR *dir = opendir(importing->dir);
    if (dir == NULL && errno == ENOENT)
        return;
    if (dir == NULL)
        fatal_exit(EXIT_OS, "cannot look into %s: %m", importing->dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !is_key(entry->d_name))
            fatal_exit(EXIT_DATA, "%s is not empty: it holds %s; import into a new directory", importing->dir,
                       entry->d_name);
    closedir(dir);
    importing->there = true;
}

/* Keys that are there stay; else new ones are made. */
static void make_staging(struct importing *importing)
{
    size_t length = strlen(importing->dir);
    while (length > 1 && importing->dir[length - 1] == '/')
        length--;
    if (snprintf(importing->staging, PATH_MAX, "%.*s.import", (int)length, importing->dir) >= PATH_MAX)
        fatal_exit(EXIT_USAGE, "the name of the directory is too long");
    remove_tree(importing->staging); /* of an import that was interrupted */
    state_dir_make(importing->staging);
    for (size_t i = 0; importing->there && i < ARRAY_LEN(keys); i++) {
        char from[PATH_MAX], to[PATH_MAX];
        state_dir_path(importing->dir, keys[i], from, sizeof(from));
        state_dir_path(importing->staging, keys[i], to, sizeof(to));
        if (link(from, to) != 0 && errno != ENOENT)
            fatal_exit(EXIT_OS, "cannot take over %s: %m", from);
    }
    (void)keys_make(importing->staging);
}

static NO_RETURN void give_up(struct importing *importing, unsigned long long line, const char *why)
{
    remove_tree(importing->staging);
    if (line > 0)
        fatal_exit(EXIT_DATA, "line %llu: %s; nothing was imported", line, why);
    fatal_exit(EXIT_DATA, "%s; nothing was imported", why);
}

static void read_lines(struct importing *importing)
{
    struct progress progress;
    struct stat info = {0};
    char *line = NULL, why[IMPORT_WHY_BYTES] = "";
    size_t capacity = 0;
    unsigned long long number = 0;
    uint64_t done = 0;
    ssize_t length;
    (void)!fstat(fileno(importing->in), &info);
    progress_begin(&progress, "lines");
    while ((length = getline(&line, &capacity, importing->in)) > 0) {
        number++;
        done += (uint64_t)length;
        if (line[length - 1] == '\n')
            length--;
        if (!import_line(importing->import, line, (size_t)length, why))
            give_up(importing, number, why);
        progress_show(&progress, done, S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0);
    }
    free(line);
    if (ferror(importing->in))
        give_up(importing, 0, "the file cannot be read");
    if (!import_finish(importing->import, why))
        give_up(importing, 0, why);
    snprintf(why, sizeof(why), "%llu", number);
    progress_end(&progress, why);
}

/* What root makes belongs to whom the directory belongs to. */
static void give_files(const struct importing *importing)
{
    struct stat owner;
    DIR *dir = opendir(importing->staging);
    if (dir == NULL || (importing->there && stat(importing->dir, &owner) != 0))
        fatal_exit(EXIT_OS, "cannot look into %s: %m", importing->staging);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        if (importing->there && strcmp(entry->d_name, "..") != 0 &&
            fchownat(dirfd(dir), entry->d_name, owner.st_uid, owner.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
            fatal_exit(EXIT_OS, "cannot give %s to the owner of %s: %m", entry->d_name, importing->dir);
    closedir(dir);
}

static void put_in_place(const struct importing *importing)
{
    give_files(importing);
    state_dir_sync(importing->staging);
    if (renameat2(AT_FDCWD, importing->staging, AT_FDCWD, importing->dir,
                  importing->there ? RENAME_EXCHANGE : RENAME_NOREPLACE) != 0)
        fatal_exit(EXIT_OS, "cannot put %s in the place of %s: %m", importing->staging, importing->dir);
    char parent[PATH_MAX];
    snprintf(parent, sizeof(parent), "%s", importing->dir);
    state_dir_sync(dirname(parent));
    if (importing->there)
        remove_tree(importing->staging); /* what was there: its keys are in the new one, too */
}

int ctl_import(int argc, char **argv)
{
    struct importing importing = {.dir = "./state", .in = stdin};
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &importing.dir, 0, 0, NULL, "DIR",
         "a new state directory, or one that holds nothing but keys"},
    };
    if (options_parse("forumctl import FILE [flags]\n\n"
                      "Makes a state directory of an export; FILE may be -. All of it, or nothing.",
                      rows, ARRAY_LEN(rows), argc, argv) != 1)
        fatal_exit(EXIT_USAGE, "import: name one FILE, or -");
    const char *path = argv[argc - 1];
    if (strcmp(path, "-") != 0 && (importing.in = fopen(path, "re")) == NULL)
        fatal_exit(EXIT_DATA, "cannot read %s: %m", path);
    check_empty(&importing);
    make_staging(&importing);
    log_level_set(LOG_LEVEL_WARN); /* not of each table that is made */
    importing.import = import_open(importing.staging);
    read_lines(&importing);
    import_close(importing.import);
    put_in_place(&importing);
    if (importing.in != stdin)
        fclose(importing.in);
    return EXIT_SUCCESS;
}
