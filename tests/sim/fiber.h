/*
 * A function that can pause: it runs on a stack of its own, until it yields to whoever resumed it.
 * So that what one simulated user does reads from top to bottom, though hundreds of them share one thread.
 */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"

struct fiber;

typedef void fiber_main(void *context);

/* Nothing runs until the first fiber_resume. */
struct fiber *fiber_new(fiber_main *main, void *context) MUST_USE;
/* Only one that has returned, or never ran. */
void fiber_free(struct fiber *fiber);
/* Runs it until it yields (true) or returns (false). Not from inside a fiber. */
bool fiber_resume(struct fiber *fiber) MUST_USE;
/* From inside `self`: back to the resumer. Returns at the next resume. */
void fiber_yield(struct fiber *self);
