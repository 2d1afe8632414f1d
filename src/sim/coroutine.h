/* A function on a stack of its own, which runs until it yields and goes on where it was. For jobs of the simulator.
 *
 * Sanitizers are told of every change of stacks. Threads: resumed and ended on one.
 */
#pragma once

#include "base/base.h"

struct coroutine;

/* `body` begins at the first resume. The stack (256 KB, more under sanitizers) is the coroutine's. */
struct coroutine *coroutine_new(void (*body)(struct coroutine *self, void *context), void *context);
/* It has ended, or was never resumed: what lies on its stack is not released. NULL is fine. */
void coroutine_free(struct coroutine *coroutine);

/* Runs it until it yields or ends; not from within itself or another. */
void coroutine_resume(struct coroutine *coroutine);
bool coroutine_has_ended(const struct coroutine *coroutine);
/* Back to who resumed it. From within its body only. */
void coroutine_yield(struct coroutine *self);
/* A new body on the stack of one that has ended. */
void coroutine_reuse(struct coroutine *coroutine,
                     void (*body)(struct coroutine *self, void *context), void *context);
