/*
 * Simulated power loss. power_loss_shim.c (LD_PRELOAD) keeps, outside the watched directory, a journal of
 * everything that was done to its files since each file's last sync; after kill -9 of all processes
 * power_loss_play makes the directory what a disk may hold after a power cut: each file as last synced, plus
 * any subset of the later writes (seeded), some of them torn at sector boundaries.
 *
 * The journal lies in DIRECTORY.journal, in segments "NAME@NUMBER" that end at a sync of the file NAME. The
 * segments of the directory itself ("." as NAME) hold the files and directories made since it was last
 * synced: their names may be lost. Wrong where a file is renamed or removed with unsynced writes in it
 * (SQLite does neither while it runs), and -shm files are left out: memory, which SQLite makes anew.
 */
#pragma once

#include <stdint.h>

#include "common/attributes.h"

/* Environment of the shim: the watched directory, as its users name it (absolute, without links). */
#define POWER_LOSS_DIRECTORY_VARIABLE "FORUMD_POWER_DIRECTORY"
#define POWER_LOSS_JOURNAL_SUFFIX     ".journal"
#define POWER_LOSS_DIRECTORY_NAME     "."
#define POWER_LOSS_NAME_BYTES         64

enum power_loss_kind { POWER_LOSS_WRITE, POWER_LOSS_TRUNCATE, POWER_LOSS_CREATE };

/* What stands in a segment, one after another, with `old_length` bytes that were overwritten or cut off and
 * `new_length` bytes (a write's; of CREATE: the file's name) behind each. Written before the deed: the last
 * one may be of something that did not happen, or be cut off. */
struct power_loss_record {
    uint64_t kind;
    uint64_t offset; /* TRUNCATE: the new size */
    uint64_t old_size;
    uint64_t old_length, new_length;
};

struct power_loss_result {
    unsigned writes; /* that were not synced, truncations among them */
    unsigned lost, torn;
    unsigned names_lost; /* files and directories whose directory entry was not synced */
};

/* Plays the power cut and empties the journal. `survives`: the chance of each unsynced write, 0 to 1. No
 * process may use the directory. Fails the test on trouble. */
struct power_loss_result power_loss_play(const char *directory, uint64_t seed, double survives) MUST_USE;
