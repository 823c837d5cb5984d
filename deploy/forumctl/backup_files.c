#include "deploy/forumctl/backup_files.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fatal.h"
#include "deploy/forumctl/progress.h"
#include "deploy/state/state_dir.h"

#define FORMAT      1
#define CHUNK_BYTES (1u << 20)
#define HEX_CHARS   (2 * BACKUP_HASH_BYTES + 1)

const enum domain_id backup_order[BACKUP_DOMAINS] = {DOMAIN_FEED,  DOMAIN_DMS,        DOMAIN_COMMENTS,
                                                     DOMAIN_POSTS, DOMAIN_SUBREDDITS, DOMAIN_USERS};

/* --- files --- */

static int open_source(const char *path, uid_t owner, uint64_t *bytes, const char **why)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    *why = fd < 0 ? strerror(errno) : NULL;
    if (fd >= 0 && fstat(fd, &info) != 0)
        *why = strerror(errno);
    else if (fd >= 0 && (!S_ISREG(info.st_mode) || info.st_nlink != 1))
        *why = "it is not a plain file of one name";
    else if (fd >= 0 && owner != (uid_t)-1 && info.st_uid != owner)
        *why = "it belongs to somebody else";
    if (*why == NULL) {
        *bytes = (uint64_t)info.st_size;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* From `fd` to `to` (-1: nowhere). */
static bool pump(int fd, int to, uint64_t total, struct backup_file *file, backup_progress_fn progress,
                 void *arg, const char **why)
{
    crypto_generichash_state hash;
    uint8_t *chunk = xmalloc(CHUNK_BYTES);
    ssize_t length;
    file->bytes = 0;
    *why = NULL;
    ensure(crypto_generichash_init(&hash, NULL, 0, BACKUP_HASH_BYTES) == 0);
    while (*why == NULL && (length = read(fd, chunk, CHUNK_BYTES)) != 0) {
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 || (to >= 0 && !write_all(to, chunk, (size_t)length))) {
            *why = strerror(errno);
            break;
        }
        crypto_generichash_update(&hash, chunk, (size_t)length);
        file->bytes += (uint64_t)length;
        if (progress != NULL)
            progress(arg, file->bytes, total);
    }
    crypto_generichash_final(&hash, file->hash, BACKUP_HASH_BYTES);
    free(chunk);
    return *why == NULL;
}

void backup_copy_file(const char *from, const char *to, uid_t owner, struct backup_file *file,
                      backup_progress_fn progress, void *arg)
{
    uint64_t total;
    const char *why;
    int in = open_source(from, owner, &total, &why);
    if (in < 0)
        fatal_exit(EXIT_DATA, "cannot read %s: %s", from, why);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        fatal_exit(EXIT_OS, "cannot make %s: %s", to, strerror(errno));
    if (!pump(in, out, total, file, progress, arg, &why))
        fatal_exit(EXIT_IO, "cannot copy %s to %s: %s", from, to, why);
    if (fsync(out) != 0 || close(out) != 0)
        fatal_exit(EXIT_IO, "cannot write %s: %s", to, strerror(errno));
    close(in);
}

bool backup_hash_file(const char *path, struct backup_file *file, backup_progress_fn progress, void *arg,
                      const char **why)
{
    uint64_t total;
    int fd = open_source(path, (uid_t)-1, &total, why);
    if (fd < 0)
        return false;
    bool fine = pump(fd, -1, total, file, progress, arg, why);
    close(fd);
    return fine;
}

/* --- the manifest --- */

bool backup_is_complete(const char *dir)
{
    char path[BACKUP_PATH_BYTES];
    state_dir_path(dir, MANIFEST_FILE, path, sizeof(path));
    return access(path, F_OK) == 0;
}

/* Ids are 63 random bits: as text, since readers of JSON round large numbers. */
static struct json_object *file_to_json(enum domain_id domain, const struct backup_file *file)
{
    char hex[HEX_CHARS], id[24];
    struct json_object *json = json_object_new_object();
    sodium_bin2hex(hex, sizeof(hex), file->hash, BACKUP_HASH_BYTES);
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)file->log_id);
    json_object_object_add(json, "domain", json_object_new_string(domain_name(domain)));
    json_object_object_add(json, "bytes", json_object_new_uint64(file->bytes));
    json_object_object_add(json, "blake2b", json_object_new_string(hex));
    json_object_object_add(json, "schema", json_object_new_uint64(file->schema));
    json_object_object_add(json, "head_seq", json_object_new_uint64(file->head_seq));
    json_object_object_add(json, "log_id", json_object_new_string(id));
    json_object_object_add(json, "copied_at", json_object_new_uint64(file->copied_at));
    return json;
}

static struct json_object *manifest_to_json(const struct backup_manifest *manifest)
{
    struct json_object *json = json_object_new_object(), *files = json_object_new_array();
    json_object_object_add(json, "format", json_object_new_int(FORMAT));
    json_object_object_add(json, "forumd", json_object_new_string(FORUMD_VERSION));
    json_object_object_add(json, "began_at", json_object_new_uint64(manifest->began_at));
    json_object_object_add(json, "ended_at", json_object_new_uint64(manifest->ended_at));
    json_object_object_add(json, "token_keys", json_object_new_boolean(manifest->token_keys));
    for (size_t i = 0; i < BACKUP_DOMAINS; i++)
        json_object_array_add(files, file_to_json(backup_order[i], &manifest->files[backup_order[i]]));
    json_object_object_add(json, "files", files);
    return json;
}

void backup_write_manifest(const char *dir, const struct backup_manifest *manifest)
{
    char path[BACKUP_PATH_BYTES], temporary[BACKUP_PATH_BYTES];
    struct json_object *json = manifest_to_json(manifest);
    const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY);
    state_dir_path(dir, MANIFEST_FILE, path, sizeof(path));
    state_dir_path(dir, MANIFEST_FILE ".new", temporary, sizeof(temporary));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || !write_all(fd, (const uint8_t *)text, strlen(text)) ||
        !write_all(fd, (const uint8_t *)"\n", 1) || fsync(fd) != 0 || close(fd) != 0)
        fatal_exit(EXIT_IO, "cannot write %s: %s", temporary, strerror(errno));
    state_dir_sync(dir); /* what it vouches for is there before it is */
    if (rename(temporary, path) != 0)
        fatal_exit(EXIT_IO, "cannot write %s: %s", path, strerror(errno));
    state_dir_sync(dir);
    json_object_put(json);
}

NO_RETURN static void refuse_manifest(const char *dir, const char *what)
{
    fatal_exit(EXIT_DATA, "%s/" MANIFEST_FILE " cannot be used: %s", dir, what);
}

static struct json_object *field(const char *dir, struct json_object *json, const char *name,
                                 enum json_type type)
{
    struct json_object *value;
    if (!json_object_object_get_ex(json, name, &value) || !json_object_is_type(value, type))
        refuse_manifest(dir, name);
    return value;
}

static uint64_t number(const char *dir, struct json_object *json, const char *name)
{
    return json_object_get_uint64(field(dir, json, name, json_type_int));
}

static void file_from_json(const char *dir, struct json_object *json, struct backup_manifest *manifest)
{
    enum domain_id domain;
    if (!json_object_is_type(json, json_type_object) ||
        !domain_parse(json_object_get_string(field(dir, json, "domain", json_type_string)), &domain))
        refuse_manifest(dir, "it names a file of no known domain");
    struct backup_file *file = &manifest->files[domain];
    const char *hex = json_object_get_string(field(dir, json, "blake2b", json_type_string));
    size_t length;
    if (file->bytes != 0 ||
        sodium_hex2bin(file->hash, BACKUP_HASH_BYTES, hex, strlen(hex), NULL, &length, NULL) != 0 ||
        length != BACKUP_HASH_BYTES)
        refuse_manifest(dir, "a hash");
    file->bytes = number(dir, json, "bytes");
    file->schema = number(dir, json, "schema");
    file->head_seq = number(dir, json, "head_seq");
    file->copied_at = number(dir, json, "copied_at");
    file->log_id = strtoull(json_object_get_string(field(dir, json, "log_id", json_type_string)), NULL, 16);
}

void backup_read_manifest(const char *dir, struct backup_manifest *manifest)
{
    char path[BACKUP_PATH_BYTES];
    state_dir_path(dir, MANIFEST_FILE, path, sizeof(path));
    if (access(path, R_OK) != 0)
        fatal_exit(EXIT_DATA, "%s is no complete backup: it has no " MANIFEST_FILE " (%s)", dir,
                   strerror(errno));
    struct json_object *json = json_object_from_file(path);
    if (json == NULL || !json_object_is_type(json, json_type_object))
        refuse_manifest(dir, "it is not JSON");
    *manifest = (struct backup_manifest){0};
    if (number(dir, json, "format") != FORMAT)
        refuse_manifest(dir, "it is of a newer forumctl");
    manifest->began_at = number(dir, json, "began_at");
    manifest->ended_at = number(dir, json, "ended_at");
    manifest->token_keys = json_object_get_boolean(field(dir, json, "token_keys", json_type_boolean));
    struct json_object *files = field(dir, json, "files", json_type_array);
    for (size_t i = 0; i < json_object_array_length(files); i++)
        file_from_json(dir, json_object_array_get_idx(files, i), manifest);
    for (size_t i = 0; i < BACKUP_DOMAINS; i++)
        if (manifest->files[backup_order[i]].bytes == 0)
            refuse_manifest(dir, "it does not name all files");
    json_object_put(json);
}

static void on_hashed(void *arg, uint64_t done, uint64_t total)
{
    progress_show(arg, done, total);
}

static void verify_file(const char *dir, enum domain_id domain, const struct backup_file *expected)
{
    char name[64], path[BACKUP_PATH_BYTES], what[80];
    const char *why;
    struct backup_file found;
    struct progress progress;
    snprintf(name, sizeof(name), "%s.db", domain_name(domain));
    snprintf(what, sizeof(what), "verify %s", name);
    state_dir_path(dir, name, path, sizeof(path));
    progress_begin(&progress, what);
    if (!backup_hash_file(path, &found, on_hashed, &progress, &why))
        fatal_exit(EXIT_DATA, "cannot read %s: %s", path, why);
    if (found.bytes != expected->bytes)
        fatal_exit(EXIT_DATA, "%s is not what the backup had: it has %llu bytes, not %llu", path,
                   (unsigned long long)found.bytes, (unsigned long long)expected->bytes);
    if (sodium_memcmp(found.hash, expected->hash, BACKUP_HASH_BYTES) != 0)
        fatal_exit(EXIT_DATA, "%s is not what the backup had: its hash is another one", path);
    progress_end(&progress, "as the manifest says");
}

void backup_verify(const char *dir, const struct backup_manifest *manifest)
{
    for (size_t i = 0; i < BACKUP_DOMAINS; i++)
        verify_file(dir, backup_order[i], &manifest->files[backup_order[i]]);
}
