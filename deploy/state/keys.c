#include "deploy/state/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fatal.h"
#include "deploy/state/state_dir.h"
#include "proto/frame.h"
#include "proto/token.h"

#define PATH_BYTES  4096
#define SECRET_MODE 0600
#define PUBLIC_MODE 0644 /* the gateway may run as another user than who made it */

/* Written whole and synced under another name first, so that no crash leaves half a key. Nobody else is at
 * it: the lock of lock_keys. */
static void write_key_file(const char *dir, const char *name, mode_t mode, const void *bytes, size_t length)
{
    char path[PATH_BYTES], new_name[32], temporary[PATH_BYTES];
    snprintf(new_name, sizeof(new_name), "%s.new", name);
    state_dir_path(dir, name, path, sizeof(path));
    state_dir_path(dir, new_name, temporary, sizeof(temporary));
    if (unlink(temporary) != 0 && errno != ENOENT)
        fatal_exit(EXIT_OS, "cannot remove %s: %s", temporary, strerror(errno));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fchmod(fd, mode) != 0 || write(fd, bytes, length) != (ssize_t)length || fsync(fd) != 0 ||
        close(fd) != 0 || rename(temporary, path) != 0)
        fatal_exit(EXIT_OS, "cannot write %s: %s", path, strerror(errno));
    state_dir_sync(dir);
}

/* Released by closing the descriptor. */
static int lock_keys(const char *dir)
{
    char path[PATH_BYTES];
    state_dir_path(dir, "keys.lock", path, sizeof(path));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        fatal_exit(EXIT_OS, "cannot lock %s: %s", path, strerror(errno));
    return fd;
}

/* False: there is no such file. */
static bool look_at(const char *dir, const char *name, char *path, struct stat *info)
{
    state_dir_path(dir, name, path, PATH_BYTES);
    if (stat(path, info) == 0)
        return true;
    if (errno != ENOENT)
        fatal_exit(EXIT_OS, "cannot look at %s: %s", path, strerror(errno));
    return false;
}

static bool make_mac_key(const char *dir)
{
    char path[PATH_BYTES];
    struct stat info;
    if (!look_at(dir, MAC_KEY_FILE, path, &info)) {
        uint8_t key[MAC_KEY_BYTES];
        randombytes_buf(key, sizeof(key));
        write_key_file(dir, MAC_KEY_FILE, SECRET_MODE, key, sizeof(key));
        sodium_memzero(key, sizeof(key));
        return true;
    }
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        fatal_exit(EXIT_DATA, "%s can be read by others: chmod 600 it, or remove it to get a new one", path);
    if (info.st_size != MAC_KEY_BYTES)
        fatal_exit(EXIT_DATA, "%s is not a key: it has %lld bytes instead of %d", path,
                   (long long)info.st_size, MAC_KEY_BYTES);
    return false;
}

/* The public half first: a key that signs is accepted everywhere before it does. */
static void write_token_keys(const char *dir, const struct token_public_keys *accepted,
                             struct token_secret_key *secret)
{
    char text[TOKEN_KEYS_FILE_BYTES];
    size_t length = token_public_keys_format(accepted, text);
    write_key_file(dir, TOKEN_PUBLIC_FILE, PUBLIC_MODE, text, length);
    length = token_secret_key_format(secret, text);
    write_key_file(dir, TOKEN_SECRET_FILE, SECRET_MODE, text, length);
    sodium_memzero(text, sizeof(text));
    sodium_memzero(secret, sizeof(*secret));
}

static void load_accepted(const char *dir, struct token_public_keys *accepted)
{
    char path[PATH_BYTES];
    state_dir_path(dir, TOKEN_PUBLIC_FILE, path, sizeof(path));
    const char *why = token_public_keys_load(path, accepted);
    if (why != NULL)
        fatal_exit(EXIT_DATA, "cannot use %s: %s", path, why);
}

static bool make_token_keys(const char *dir)
{
    char path[PATH_BYTES];
    struct stat info;
    struct token_public_keys accepted = {.count = 1};
    struct token_secret_key secret;
    if (!look_at(dir, TOKEN_SECRET_FILE, path, &info)) {
        token_keys_generate(&secret, &accepted.rows[0]);
        write_token_keys(dir, &accepted, &secret);
        return true;
    }
    const char *why = token_secret_key_load(path, &secret);
    sodium_memzero(&secret, sizeof(secret));
    if (why != NULL)
        fatal_exit(EXIT_DATA, "cannot use %s: %s", path, why);
    load_accepted(dir, &accepted);
    return false;
}

bool keys_make(const char *dir)
{
    int lock_fd = lock_keys(dir);
    bool made_mac = make_mac_key(dir), made_token = make_token_keys(dir);
    close(lock_fd);
    return made_mac || made_token;
}

/* Those that are still accepted behind the new one; the oldest makes room if there are too many. */
static void keep_older(struct token_public_keys *accepted, const struct token_public_keys *older,
                       uint64_t now_ms)
{
    for (size_t i = 0; i < older->count && accepted->count < TOKEN_KEYS_MAX; i++) {
        struct token_public_key key = older->rows[i];
        if (key.until_ms == 0)
            key.until_ms = now_ms + TOKEN_LIFE_MS;
        if (now_ms < key.until_ms)
            accepted->rows[accepted->count++] = key;
    }
}

uint32_t keys_rotate_token(const char *dir, uint64_t now_ms, bool drop)
{
    struct token_public_keys older, accepted = {.count = 1};
    struct token_secret_key secret;
    int lock_fd = lock_keys(dir);
    load_accepted(dir, &older);
    token_keys_generate(&secret, &accepted.rows[0]);
    if (!drop)
        keep_older(&accepted, &older, now_ms);
    write_token_keys(dir, &accepted, &secret);
    close(lock_fd);
    return accepted.rows[0].id;
}
