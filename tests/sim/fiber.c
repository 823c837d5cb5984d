#include "tests/sim/fiber.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/sim/memory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#endif

#ifdef FIBER_ASAN
/* AddressSanitizer must be told of every change of stack (sanitizer/common_interface_defs.h). */
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_BYTES = 512 << 10 }; /* reserved; the system gives pages on first touch */

struct fiber {
    ucontext_t self, resumer;
    fiber_main *main;
    void *context;
    char *mapping; /* a guard page, then the stack */
    size_t mapping_bytes, guard_bytes;
    bool returned;
    void *fake_stack;
    const void *resumer_stack;
    size_t resumer_stack_bytes;
};

#ifdef FIBER_ASAN
static void leave(void **fake_stack, const void *bottom, size_t bytes)
{
    __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
}

static void arrive(void *fake_stack, const void **bottom, size_t *bytes)
{
    __sanitizer_finish_switch_fiber(fake_stack, bottom, bytes);
}
#else
static void leave(void **fake_stack, const void *bottom, size_t bytes)
{
    (void)fake_stack;
    (void)bottom;
    (void)bytes;
}

static void arrive(void *fake_stack, const void **bottom, size_t *bytes)
{
    (void)fake_stack;
    (void)bottom;
    (void)bytes;
}
#endif

/* makecontext passes ints only: the pointer comes in two halves. */
static void enter(unsigned high, unsigned low)
{
    struct fiber *fiber = (struct fiber *)(((uintptr_t)high << 32) | low);

    arrive(NULL, &fiber->resumer_stack, &fiber->resumer_stack_bytes);
    fiber->main(fiber->context);
    fiber->returned = true;
    leave(NULL, fiber->resumer_stack, fiber->resumer_stack_bytes);
    setcontext(&fiber->resumer);
    abort();
}

struct fiber *fiber_new(fiber_main *main, void *context)
{
    struct fiber *fiber = mem_zeroed(1, sizeof *fiber);
    uintptr_t address = (uintptr_t)fiber;

    fiber->main = main;
    fiber->context = context;
    fiber->guard_bytes = (size_t)sysconf(_SC_PAGESIZE);
    fiber->mapping_bytes = fiber->guard_bytes + STACK_BYTES;
    fiber->mapping = mmap(NULL, fiber->mapping_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (fiber->mapping == MAP_FAILED || mprotect(fiber->mapping, fiber->guard_bytes, PROT_NONE) != 0 ||
        getcontext(&fiber->self) != 0) {
        sim_fatal(EX_OSERR, "out of memory for stacks");
    }
    fiber->self.uc_stack.ss_sp = fiber->mapping + fiber->guard_bytes;
    fiber->self.uc_stack.ss_size = STACK_BYTES;
    fiber->self.uc_link = NULL;
    makecontext(&fiber->self, (void (*)(void))enter, 2, (unsigned)(address >> 32),
                (unsigned)(address & 0xFFFFFFFFu));
    return fiber;
}

void fiber_free(struct fiber *fiber)
{
    if (fiber != NULL) {
        munmap(fiber->mapping, fiber->mapping_bytes);
        free(fiber);
    }
}

bool fiber_resume(struct fiber *fiber)
{
    void *fake_stack = NULL;

    leave(&fake_stack, fiber->mapping + fiber->guard_bytes, STACK_BYTES);
    if (swapcontext(&fiber->resumer, &fiber->self) != 0) {
        sim_fatal(EX_OSERR, "cannot change stacks");
    }
    arrive(fake_stack, NULL, NULL);
    return !fiber->returned;
}

void fiber_yield(struct fiber *self)
{
    leave(&self->fake_stack, self->resumer_stack, self->resumer_stack_bytes);
    if (swapcontext(&self->self, &self->resumer) != 0) {
        sim_fatal(EX_OSERR, "cannot change stacks");
    }
    arrive(self->fake_stack, &self->resumer_stack, &self->resumer_stack_bytes);
}
