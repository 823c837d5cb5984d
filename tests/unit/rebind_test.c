#include "common/rebind.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "common/attributes.h"
#include "common/clock.h"
#include "tests/unit/rebind_module.h"

#define OUR_SECOND 42

static const struct way {
    const char *path;
    bool read_only;
    const char *what;
} ways[] = {
    {REBIND_DIRECTORY "/rebind_lazy.so", false, "looked up at the first call, as libnng does"},
    {REBIND_DIRECTORY "/rebind_now.so", true, "looked up when loaded, then protected"},
    {REBIND_DIRECTORY "/rebind_no_plt.so", true, "called through the table of addresses"},
};

static int our_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = OUR_SECOND};
    return 0;
}

static time_t (*load(const struct way *way))(void)
{
    void *library = dlopen(way->path, RTLD_LAZY | RTLD_LOCAL);
    cr_assert(library, "%s", dlerror());
    time_t (*now)(void) = (time_t(*)(void))dlsym(library, "rebind_module_now");
    cr_assert(now, "%s", dlerror());
    return now;
}

static bool is_writable(const void *address)
{
    char line[512];
    bool writable = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    cr_assert(maps);
    while (fgets(line, sizeof(line), maps)) {
        uintptr_t begin, end;
        char rights[5];
        cr_assert_eq(sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, rights), 3);
        if ((uintptr_t)address >= begin && (uintptr_t)address < end)
            writable = rights[1] == 'w';
    }
    fclose(maps);
    return writable;
}

static bool is_now(time_t second)
{
    return second + 60 > (time_t)(clock_wall_ms() / 1000) && second < (time_t)(clock_wall_ms() / 1000) + 60;
}

Test(rebind, of_a_librarys_reference_changes_its_calls_alone_and_can_be_undone)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct rebind_slot slot;
        time_t (*now)(void) = load(&ways[i]);
        cr_assert(rebind_find((const void *)now, "clock_gettime", &slot), "%s", ways[i].what);
        cr_expect_eq(slot.read_only, ways[i].read_only, "%s", ways[i].what);
        void *old = rebind_set(&slot, (void *)our_gettime);
        cr_expect_eq(now(), OUR_SECOND, "%s", ways[i].what);
        cr_expect(clock_wall_ms() / 1000 != OUR_SECOND, "%s: also ours", ways[i].what);
        cr_expect_eq(is_writable(slot.entry), !ways[i].read_only, "%s", ways[i].what);
        cr_expect_eq(rebind_set(&slot, old), (void *)our_gettime);
        cr_expect(is_now(now()), "%s", ways[i].what);
    }
}

Test(rebind, of_what_a_library_does_not_refer_to_is_refused)
{
    struct rebind_slot slot;
    time_t (*now)(void) = load(&ways[0]);
    cr_expect_not(rebind_find((const void *)now, "pthread_cond_timedwait", &slot));
    cr_expect_not(rebind_find(&slot, "clock_gettime", &slot), "the stack is no library");
}
