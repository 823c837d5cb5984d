#include "proto/version_map.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/log.h"

struct version_map {
    char path[4096];
    const struct version_page *page; /* NULL: none */
    dev_t device;
    ino_t inode;
    uint64_t turn; /* in it the file at `path` was still the one that is mapped */
    uint64_t retry_ms;
    bool told; /* that it cannot be read */
};

struct version_map *version_map_new(const char *dir, enum domain_id domain)
{
    struct version_map *map = xcalloc(1, sizeof(*map));
    if (snprintf(map->path, sizeof(map->path), "%s/%s" VERSION_PAGE_SUFFIX, dir, domain_name(domain)) >=
        (int)sizeof(map->path))
        fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
    return map;
}

static void let_go(struct version_map *map)
{
    if (map->page != NULL)
        munmap((void *)(uintptr_t)map->page, sizeof(*map->page));
    map->page = NULL;
}

void version_map_free(struct version_map *map)
{
    if (map == NULL)
        return;
    let_go(map);
    free(map);
}

/* One that is too short is being made. */
static void open_page(struct version_map *map, bool expected)
{
    struct stat file;
    int fd = open(map->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (expected && !map->told)
            log_notice("answers are not kept: %s cannot be read: %m", map->path);
        map->told = true;
        return;
    }
    if (fstat(fd, &file) == 0 && file.st_size >= (off_t)sizeof(struct version_page)) {
        void *at = mmap(NULL, sizeof(struct version_page), PROT_READ, MAP_SHARED, fd, 0);
        map->page = at != MAP_FAILED ? at : NULL;
        map->device = file.st_dev;
        map->inode = file.st_ino;
    }
    close(fd);
}

const struct version_page *version_map_look(struct version_map *map, uint64_t turn, uint64_t now_ms,
                                            bool expected)
{
    struct stat file;
    if (map->turn == turn)
        return map->page;
    map->turn = turn;
    if (map->page != NULL &&
        (stat(map->path, &file) != 0 || file.st_ino != map->inode || file.st_dev != map->device))
        let_go(map);
    if (map->page == NULL && now_ms >= map->retry_ms) {
        open_page(map, expected);
        map->retry_ms = now_ms + VERSION_MAP_RETRY_MS;
    }
    return map->page;
}
