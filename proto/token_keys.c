#include "proto/token_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fatal.h"

#define LOOK_EVERY_MS 1000
#define ID_DIGITS     8

bool token_key_file_changed(struct token_key_file *file, uint64_t now_ms)
{
    struct stat info;
    if (now_ms < file->next_look_ms)
        return false;
    file->next_look_ms = now_ms + LOOK_EVERY_MS;
    if (stat(file->path, &info) != 0 ||
        (info.st_ino == file->inode && info.st_mtim.tv_sec == file->changed.tv_sec &&
         info.st_mtim.tv_nsec == file->changed.tv_nsec))
        return false;
    file->inode = info.st_ino;
    file->changed = info.st_mtim;
    return true;
}

/* The whole file with a final NUL into `out` of TOKEN_KEYS_FILE_BYTES. NULL: read. A mode with any of the
 * `refused` bits is refused. */
static const char *read_file(const char *path, mode_t refused, const char *refusal, char *out)
{
    struct stat info;
    const char *why = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return strerror(errno);
    ssize_t length = read(fd, out, TOKEN_KEYS_FILE_BYTES);
    if (length < 0 || fstat(fd, &info) != 0)
        why = strerror(errno);
    else if (info.st_mode & refused)
        why = refusal;
    else if (length == TOKEN_KEYS_FILE_BYTES || memchr(out, '\0', (size_t)length) != NULL)
        why = "it is not a file of keys";
    close(fd);
    if (why == NULL)
        out[length] = '\0';
    return why;
}

/* `digits` hex digits, then `end`. False: anything else. */
static bool take_hex(const char **at, uint8_t *out, size_t bytes, char end)
{
    size_t length;
    const char *stop;
    if (strspn(*at, "0123456789abcdef") != bytes * 2 ||
        sodium_hex2bin(out, bytes, *at, bytes * 2, NULL, &length, &stop) != 0 || length != bytes ||
        **at == '\0' || (*at)[bytes * 2] != end)
        return false;
    *at += bytes * 2 + 1;
    return true;
}

static bool take_id(const char **at, uint32_t *id)
{
    uint8_t bytes[ID_DIGITS / 2];
    if (!take_hex(at, bytes, sizeof(bytes), ' '))
        return false;
    *id = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return true;
}

static bool take_number(const char **at, uint64_t *number)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits < 1 || digits > 18 || (*at)[digits] != '\n')
        return false;
    *number = 0;
    for (size_t i = 0; i < digits; i++)
        *number = *number * 10 + (uint64_t)((*at)[i] - '0');
    *at += digits + 1;
    return true;
}

const char *token_public_keys_load(const char *path, struct token_public_keys *keys)
{
    char text[TOKEN_KEYS_FILE_BYTES];
    struct token_public_keys found = {.count = 0};
    /* No secret; but who can write it makes tokens. */
    const char *why = read_file(path, S_IWGRP | S_IWOTH, "others can write it: chmod 644 it", text),
               *at = text;
    if (why != NULL)
        return why;
    while (*at != '\0') {
        if (found.count == TOKEN_KEYS_MAX)
            return "it holds too many keys";
        struct token_public_key *key = &found.rows[found.count++];
        if (!take_id(&at, &key->id) || !take_hex(&at, key->bytes, sizeof(key->bytes), ' ') ||
            !take_number(&at, &key->until_ms))
            return "a line is not a key";
    }
    if (found.count == 0)
        return "it holds no key";
    *keys = found;
    return NULL;
}

const char *token_secret_key_load(const char *path, struct token_secret_key *key)
{
    char text[TOKEN_KEYS_FILE_BYTES];
    uint8_t seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES];
    uint32_t id;
    const char *why = read_file(path, S_IRWXG | S_IRWXO, "it is open to others: chmod 600 it", text),
               *at = text;
    if (why == NULL && (!take_id(&at, &id) || !take_hex(&at, seed, sizeof(seed), '\n') || *at != '\0'))
        why = "it is not a key";
    if (why == NULL) {
        key->id = id;
        ensure(crypto_sign_seed_keypair(public_key, key->bytes, seed) == 0);
    }
    sodium_memzero(text, sizeof(text));
    sodium_memzero(seed, sizeof(seed));
    return why;
}

size_t token_public_keys_format(const struct token_public_keys *keys, char *out)
{
    size_t length = 0;
    for (size_t i = 0; i < keys->count; i++) {
        char hex[crypto_sign_PUBLICKEYBYTES * 2 + 1];
        const struct token_public_key *key = &keys->rows[i];
        (void)sodium_bin2hex(hex, sizeof(hex), key->bytes, sizeof(key->bytes));
        length += (size_t)snprintf(out + length, TOKEN_KEYS_FILE_BYTES - length,
                                   "%08" PRIx32 " %s %" PRIu64 "\n", key->id, hex, key->until_ms);
        ensure(length < TOKEN_KEYS_FILE_BYTES);
    }
    return length;
}

size_t token_secret_key_format(const struct token_secret_key *key, char *out)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    char hex[crypto_sign_SEEDBYTES * 2 + 1];
    ensure(crypto_sign_ed25519_sk_to_seed(seed, key->bytes) == 0);
    (void)sodium_bin2hex(hex, sizeof(hex), seed, sizeof(seed));
    int length = snprintf(out, TOKEN_KEYS_FILE_BYTES, "%08" PRIx32 " %s\n", key->id, hex);
    sodium_memzero(seed, sizeof(seed));
    sodium_memzero(hex, sizeof(hex));
    return (size_t)length;
}

void token_keys_generate(struct token_secret_key *secret, struct token_public_key *public_key)
{
    ensure(crypto_sign_keypair(public_key->bytes, secret->bytes) == 0);
    secret->id = public_key->id = randombytes_random();
    public_key->until_ms = 0;
}
