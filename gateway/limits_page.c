#include "gateway/limits_page.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"

#define TABLE_SLOTS (LIMIT_LIMITS_SETS * SHARED_SLOTS_WAYS)
/* Differs whenever a word in the page would mean something else. */
#define PAGE_LAYOUT (0x4c494d4954530100u ^ ((uint64_t)LIMITS_TABLES << 32) ^ TABLE_SLOTS)

struct limits_memory {
    uint64_t layout;
    uint8_t key[crypto_shorthash_KEYBYTES];
    _Alignas(64) struct shared_slot slots[LIMITS_TABLES][TABLE_SLOTS];
};

struct limits_page {
    struct limits_memory *memory;
};

static struct limits_memory *map(int fd)
{
    int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    void *at = mmap(NULL, sizeof(struct limits_memory), PROT_READ | PROT_WRITE, flags, fd, 0);
    if (at == MAP_FAILED)
        fatal_exit(EXIT_OS, "cannot map the page of limits: %s", strerror(errno));
    return at;
}

static void initialise(struct limits_memory *memory)
{
    randombytes_buf(memory->key, sizeof(memory->key));
    memory->layout = PAGE_LAYOUT;
}

int limits_page_make(void)
{
    int fd = memfd_create("forumd-limits", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)sizeof(struct limits_memory)) != 0)
        fatal_exit(EXIT_OS, "cannot make the page of limits: %s", strerror(errno));
    struct limits_memory *memory = map(fd);
    initialise(memory);
    munmap(memory, sizeof(*memory));
    return fd;
}

static bool has_our_size(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && info.st_size == (off_t)sizeof(struct limits_memory);
}

static struct limits_memory *map_shared(int fd)
{
    struct limits_memory *memory = has_our_size(fd) ? map(fd) : NULL;
    if (memory != NULL && memory->layout == PAGE_LAYOUT)
        return memory;
    if (memory != NULL)
        munmap(memory, sizeof(*memory));
    log_warn("the page of limits is another version's: until the gateway is restarted each worker has limits "
             "of its own");
    return NULL;
}

struct limits_page *limits_page_open(int fd)
{
    struct limits_page *page = xcalloc(1, sizeof(*page));
    page->memory = fd >= 0 ? map_shared(fd) : NULL;
    if (page->memory == NULL) {
        page->memory = map(-1);
        initialise(page->memory);
    }
    return page;
}

void limits_page_close(struct limits_page *page)
{
    if (page == NULL)
        return;
    munmap(page->memory, sizeof(*page->memory));
    free(page);
}

struct shared_slots limits_page_table(const struct limits_page *page, unsigned table)
{
    ensure(table < LIMITS_TABLES);
    return (struct shared_slots){.slots = page->memory->slots[table], .sets = LIMIT_LIMITS_SETS};
}

uint64_t limits_page_owner(const struct limits_page *page, const void *bytes, size_t length)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t owner;
    (void)crypto_shorthash(hash, bytes, length, page->memory->key);
    memcpy(&owner, hash, sizeof(owner));
    return owner != 0 ? owner : 1;
}
