#include "tests/fault/power_loss.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/lib/keeper.h"
#include "tests/lib/require.h"

#define SECTOR_BYTES 512
#define TORN_CHANCE  0.2 /* of a write that survives */

struct playback {
    const char *directory, *journal;
    unsigned short dice[3]; /* erand48's */
    double survives;
    struct power_loss_result result;
};

static bool chance(struct playback *playback, double of)
{
    return erand48(playback->dice) < of;
}

/* One file's records in the order of the writes. */
struct history {
    const struct power_loss_record **records;
    size_t count;
};

static const uint8_t *old_bytes(const struct power_loss_record *record)
{
    return (const uint8_t *)(record + 1);
}

static const uint8_t *new_bytes(const struct power_loss_record *record)
{
    return old_bytes(record) + record->old_length;
}

static size_t record_bytes(const struct power_loss_record *record)
{
    return sizeof(*record) + record->old_length + record->new_length;
}

/* Copies are made, since records stand at any address in a segment. */
static void add_segment(struct history *history, const char *bytes, size_t length)
{
    size_t at = 0;
    struct power_loss_record head;
    while (at + sizeof(head) <= length) {
        memcpy(&head, bytes + at, sizeof(head));
        if (at + record_bytes(&head) > length)
            return; /* it was not written whole, so what it tells did not happen */
        struct power_loss_record *record = keep_alloc(record_bytes(&head));
        memcpy(record, bytes + at, record_bytes(&head));
        at += record_bytes(&head);
        history->records = realloc(history->records, (history->count + 1) * sizeof(history->records[0]));
        REQUIRE(history->records, "out of memory");
        history->records[history->count++] = record;
    }
}

static void write_at(int fd, const void *bytes, size_t length, uint64_t offset)
{
    REQUIRE(pwrite(fd, bytes, length, (off_t)offset) == (ssize_t)length, "cannot write: %s", strerror(errno));
}

static void set_size(int fd, uint64_t size)
{
    REQUIRE(ftruncate(fd, (off_t)size) == 0, "cannot truncate: %s", strerror(errno));
}

static void undo(int fd, const struct power_loss_record *record)
{
    write_at(fd, old_bytes(record), record->old_length, record->offset);
    set_size(fd, record->old_size);
}

static void redo_sectors(struct playback *playback, int fd, const struct power_loss_record *record)
{
    bool torn = chance(playback, TORN_CHANCE);
    playback->result.torn += torn;
    for (uint64_t at = 0, length; at < record->new_length; at += length) {
        length = SECTOR_BYTES - (record->offset + at) % SECTOR_BYTES;
        if (length > record->new_length - at)
            length = record->new_length - at;
        if (!torn || chance(playback, 0.5))
            write_at(fd, new_bytes(record) + at, length, record->offset + at);
    }
}

static void redo_some(struct playback *playback, int fd, const struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        const struct power_loss_record *record = history->records[i];
        playback->result.writes++;
        if (!chance(playback, playback->survives))
            playback->result.lost++;
        else if (record->kind == POWER_LOSS_TRUNCATE)
            set_size(fd, record->offset);
        else
            redo_sectors(playback, fd, record);
    }
}

static void play_file(struct playback *playback, const char *name, const struct history *history)
{
    int fd = open(keep_format("%s/%s", playback->directory, name), O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return; /* its name is lost */
    REQUIRE(fd >= 0, "%s: %s", name, strerror(errno));
    for (size_t i = history->count; i > 0; i--)
        undo(fd, history->records[i - 1]);
    redo_some(playback, fd, history);
    close(fd);
}

static void lose_names(struct playback *playback, const struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        const char *name =
            keep_copy((const char *)new_bytes(history->records[i]), history->records[i]->new_length);
        if (chance(playback, playback->survives))
            continue;
        const char *path = keep_format("%s/%s", playback->directory, name);
        if (access(path, F_OK) == 0)
            playback->result.names_lost++;
        keeper_remove_tree(path); /* a file, or a directory with all in it */
    }
}

static int is_segment(const struct dirent *entry)
{
    return strchr(entry->d_name, '@') != NULL;
}

static int is_shared_memory(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, "-shm") == 0;
}

static void lose_shared_memory(const struct playback *playback)
{
    struct dirent **names;
    int count = scandir(playback->directory, &names, is_shared_memory, alphasort);
    REQUIRE(count >= 0, "%s: %s", playback->directory, strerror(errno));
    for (int i = 0; i < count; i++)
        unlink(keep_format("%s/%s", playback->directory, names[i]->d_name));
}

/* Plays the segments of one name, which stand together, oldest first. Returns how many they were. */
static int play_name(struct playback *playback, struct dirent **segments, int count)
{
    struct history history = {0};
    size_t name_length = strcspn(segments[0]->d_name, "@");
    const char *name = keep_copy(segments[0]->d_name, name_length);
    int used = 0;
    for (; used < count && strncmp(segments[used]->d_name, segments[0]->d_name, name_length + 1) == 0;
         used++) {
        const char *path = keep_format("%s/%s", playback->journal, segments[used]->d_name);
        size_t length;
        const char *bytes = keep_file(path, &length);
        REQUIRE(bytes, "%s: %s", path, strerror(errno));
        add_segment(&history, bytes, length);
        unlink(path);
    }
    if (strcmp(name, POWER_LOSS_DIRECTORY_NAME) == 0)
        lose_names(playback, &history);
    else
        play_file(playback, name, &history);
    free(history.records);
    return used;
}

struct power_loss_result power_loss_play(const char *directory, uint64_t seed, double survives)
{
    struct playback playback = {
        .directory = directory,
        .journal = keep_format("%s%s", directory, POWER_LOSS_JOURNAL_SUFFIX),
        .survives = survives,
        .dice = {(unsigned short)seed, (unsigned short)(seed >> 16), (unsigned short)(seed >> 32)}};
    struct dirent **segments;
    /* By strcmp: the names of a file's segments stand together, and "." before all. */
    int count = scandir(playback.journal, &segments, is_segment, alphasort);
    REQUIRE(count >= 0, "%s: %s", playback.journal, strerror(errno));
    for (int i = 0; i < count;)
        i += play_name(&playback, segments + i, count - i);
    lose_shared_memory(&playback);
    return playback.result;
}
