#include "tests/sim/table.h"

#include <stdlib.h>

#include "tests/sim/hash.h"
#include "tests/sim/memory.h"

enum { FIRST_SLOTS = 64 };

struct slot {
    struct table_entry entry;
    bool used;
};

struct table {
    struct slot *slots;
    size_t slot_count; /* a power of two */
    size_t count;
};

struct table *table_new(void)
{
    struct table *table = mem_zeroed(1, sizeof *table);

    table->slot_count = FIRST_SLOTS;
    table->slots = mem_zeroed(table->slot_count, sizeof *table->slots);
    return table;
}

void table_free(struct table *table)
{
    if (table != NULL) {
        free(table->slots);
        free(table);
    }
}

size_t table_count(const struct table *table)
{
    return table->count;
}

/* The pair's slot, or the free one where it belongs. */
static struct slot *probe(const struct table *table, uint64_t a, uint64_t b)
{
    size_t mask = table->slot_count - 1;
    size_t at = (size_t)hash_number(hash_number(HASH_START, a), b) & mask;

    while (table->slots[at].used && (table->slots[at].entry.a != a || table->slots[at].entry.b != b)) {
        at = (at + 1) & mask;
    }
    return &table->slots[at];
}

static void grow(struct table *table)
{
    struct slot *old = table->slots;
    size_t old_count = table->slot_count;

    table->slot_count *= 2;
    table->slots = mem_zeroed(table->slot_count, sizeof *table->slots);
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].used) {
            *probe(table, old[i].entry.a, old[i].entry.b) = old[i];
        }
    }
    free(old);
}

uint64_t *table_find(const struct table *table, uint64_t a, uint64_t b)
{
    struct slot *slot = probe(table, a, b);

    return slot->used ? &slot->entry.value : NULL;
}

uint64_t *table_put(struct table *table, uint64_t a, uint64_t b)
{
    struct slot *slot = probe(table, a, b);

    if (!slot->used) {
        if ((table->count + 1) * 3 > table->slot_count * 2) {
            grow(table);
            slot = probe(table, a, b);
        }
        *slot = (struct slot){.entry = {.a = a, .b = b, .value = 0}, .used = true};
        table->count++;
    }
    return &slot->entry.value;
}

uint64_t table_get(const struct table *table, uint64_t a, uint64_t b)
{
    const uint64_t *value = table_find(table, a, b);

    return value != NULL ? *value : 0;
}

bool table_next(const struct table *table, size_t *cursor, struct table_entry *entry)
{
    while (*cursor < table->slot_count) {
        const struct slot *slot = &table->slots[(*cursor)++];

        if (slot->used) {
            *entry = slot->entry;
            return true;
        }
    }
    return false;
}
