#include "common/rebind.h"

#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fatal.h"

#if UINTPTR_MAX > UINT32_MAX
#define RELOCATION_SYMBOL(info) ELF64_R_SYM(info)
#else
#define RELOCATION_SYMBOL(info) ELF32_R_SYM(info)
#endif

struct span {
    uintptr_t begin, end;
};

/* Of one library, as the loader keeps them in memory. */
struct tables {
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * jumps, *data; /* functions that are called; addresses that are taken */
    size_t jump_count, data_count;
    struct span protected;
};

struct search {
    uintptr_t inside;
    const char *symbol;
    struct rebind_slot *slot;
    unsigned found;
};

static bool within(struct span span, uintptr_t address)
{
    return address >= span.begin && address < span.end;
}

static struct span segment_of(const struct dl_phdr_info *object, const ElfW(Phdr) * header)
{
    uintptr_t begin = object->dlpi_addr + header->p_vaddr;
    return (struct span){begin, begin + header->p_memsz};
}

static bool object_has(const struct dl_phdr_info *object, uintptr_t address)
{
    for (unsigned i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_LOAD &&
            within(segment_of(object, &object->dlpi_phdr[i]), address))
            return true;
    return false;
}

/* The loader has made most of these absolute, but not on every machine. */
static const void *pointer_of(const struct dl_phdr_info *object, const ElfW(Dyn) * entry)
{
    uintptr_t address = entry->d_un.d_ptr;
    return (const void *)(address < object->dlpi_addr ? object->dlpi_addr + address : address);
}

static void read_dynamic(const struct dl_phdr_info *object, const ElfW(Dyn) * entry, struct tables *tables)
{
    bool addends = true;
    for (; entry->d_tag != DT_NULL; entry++) {
        switch (entry->d_tag) {
        case DT_SYMTAB:
            tables->symbols = pointer_of(object, entry);
            break;
        case DT_STRTAB:
            tables->names = pointer_of(object, entry);
            break;
        case DT_JMPREL:
            tables->jumps = pointer_of(object, entry);
            break;
        case DT_PLTRELSZ:
            tables->jump_count = entry->d_un.d_val / sizeof(ElfW(Rela));
            break;
        case DT_PLTREL:
            addends = entry->d_un.d_val == DT_RELA;
            break;
        case DT_RELA:
            tables->data = pointer_of(object, entry);
            break;
        case DT_RELASZ:
            tables->data_count = entry->d_un.d_val / sizeof(ElfW(Rela));
            break;
        default:
            break;
        }
    }
    if (!addends)
        tables->jump_count = 0;
}

static struct tables tables_of(const struct dl_phdr_info *object)
{
    struct tables tables = {0};
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        struct span segment = segment_of(object, &object->dlpi_phdr[i]);
        if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
            read_dynamic(object, (const ElfW(Dyn) *)segment.begin, &tables);
        if (object->dlpi_phdr[i].p_type == PT_GNU_RELRO) /* whole pages, as the loader rounds them */
            tables.protected = (struct span){segment.begin & ~(page - 1), segment.end & ~(page - 1)};
    }
    return tables;
}

static void look_through(struct search *search, const struct dl_phdr_info *object,
                         const struct tables *tables, const ElfW(Rela) * relocations, size_t count)
{
    for (size_t i = 0; relocations != NULL && i < count; i++) {
        size_t index = RELOCATION_SYMBOL(relocations[i].r_info);
        if (index == 0 || strcmp(tables->names + tables->symbols[index].st_name, search->symbol) != 0)
            continue;
        uintptr_t entry = object->dlpi_addr + relocations[i].r_offset;
        *search->slot = (struct rebind_slot){(void **)entry, within(tables->protected, entry)};
        search->found++;
    }
}

static int look_into(struct dl_phdr_info *object, size_t size, void *arg)
{
    (void)size;
    struct search *search = arg;
    if (!object_has(object, search->inside))
        return 0;
    struct tables tables = tables_of(object);
    if (tables.symbols != NULL && tables.names != NULL) {
        look_through(search, object, &tables, tables.jumps, tables.jump_count);
        look_through(search, object, &tables, tables.data, tables.data_count);
    }
    return 1;
}

bool rebind_find(const void *inside, const char *symbol, struct rebind_slot *slot)
{
    struct search search = {.inside = (uintptr_t)inside, .symbol = symbol, .slot = slot};
    dl_iterate_phdr(look_into, &search);
    return search.found == 1;
}

static void set_protection(const struct rebind_slot *slot, int protection)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *begin = (void *)((uintptr_t)slot->entry & ~(page - 1));
    if (slot->read_only && mprotect(begin, page, protection) != 0)
        fatal_exit(EXIT_OS, "the table of a library's functions: %s", strerror(errno));
}

void *rebind_set(const struct rebind_slot *slot, void *function)
{
    set_protection(slot, PROT_READ | PROT_WRITE);
    void *old = *slot->entry;
    *slot->entry = function;
    set_protection(slot, PROT_READ);
    return old;
}
