/*
 * A backup: a directory with a file per domain and manifest.json, which is written last - without it nothing
 * there counts. Each function that says so exits with one clear line on trouble.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attributes.h"
#include "proto/domains.h"

#define MANIFEST_FILE     "manifest.json"
#define BACKUP_HASH_BYTES 32
#define BACKUP_PATH_BYTES 4096

/* What is copied first refers to what is copied later: so whatever a file names is in the files behind it. */
#define BACKUP_DOMAINS 6
extern const enum domain_id backup_order[BACKUP_DOMAINS];

struct backup_file {
    uint64_t bytes;
    uint8_t hash[BACKUP_HASH_BYTES]; /* BLAKE2b */
    uint64_t schema;                 /* user_version */
    uint64_t head_seq, log_id;
    uint64_t copied_at; /* ms since 1970: it holds all that was acknowledged before the copy of it began */
};

struct backup_manifest {
    uint64_t began_at, ended_at; /* ms since 1970 */
    bool token_keys;             /* token.key and token.pub are there too */
    struct backup_file files[DOMAIN_COUNT];
};

/* How far it is: `done` of `total` bytes. NULL is fine. */
typedef void (*backup_progress_fn)(void *arg, uint64_t done, uint64_t total);

/* Copies a plain file that is not a link, and only one of `owner` (-1: anybody's), to a new one of mode 0600;
 * synced. Exits. */
void backup_copy_file(const char *from, const char *to, uid_t owner, struct backup_file *file,
                      backup_progress_fn progress, void *arg);
/* Its size and hash alone. False: *why says why not. */
bool backup_hash_file(const char *path, struct backup_file *file, backup_progress_fn progress, void *arg,
                      const char **why) MUST_USE;

bool backup_is_complete(const char *dir) MUST_USE; /* has a manifest */
/* Writes and syncs it, and the directory. Exits. */
void backup_write_manifest(const char *dir, const struct backup_manifest *manifest);
/* Exits when there is none, or it cannot be understood. */
void backup_read_manifest(const char *dir, struct backup_manifest *manifest);
/* Compares all files with the manifest. Exits at the first that differs. */
void backup_verify(const char *dir, const struct backup_manifest *manifest);
