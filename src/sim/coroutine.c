/* Coroutines by ucontext. */
#include "sim/coroutine.h"

#include "base/mem.h"

#include <ucontext.h>

#ifdef __has_feature
#    define THREAD_SANITIZER __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#    define THREAD_SANITIZER 1
#else
#    define THREAD_SANITIZER 0
#endif

#if ADDRESS_SANITIZER
#    include <sanitizer/common_interface_defs.h>
#endif
#if THREAD_SANITIZER
#    include <sanitizer/tsan_interface.h>
#endif

#if ADDRESS_SANITIZER || THREAD_SANITIZER
#    define STACK_BYTES ((size_t)2 << 20)
#else
#    define STACK_BYTES ((size_t)256 << 10)
#endif

struct coroutine {
    ucontext_t inside;
    ucontext_t outside;
    void (*body)(struct coroutine *self, void *context);
    void *context;
    bool has_begun;
    bool has_ended;
    void *stack; /* owned */
    /* Of the address sanitizer: the fake stack of whoever does not run, and the outer stack. */
    void *inside_fake;
    void *outside_fake;
    const void *outside_bottom;
    size_t outside_size;
    /* Of the thread sanitizer. */
    void *inside_fiber;
    void *outside_fiber;
};

/* ---- what sanitizers are told ---------------------------------------------------------------- */

static void tell_enter(struct coroutine *c)
{
    (void)c;
#if ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(&c->outside_fake, c->stack, STACK_BYTES);
#endif
#if THREAD_SANITIZER
    c->outside_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(c->inside_fiber, 0);
#endif
}

static void tell_entered(struct coroutine *c)
{
    (void)c;
#if ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(c->inside_fake, &c->outside_bottom, &c->outside_size);
#endif
}

static void tell_leave(struct coroutine *c)
{
    (void)c;
#if ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(c->has_ended ? NULL : &c->inside_fake, c->outside_bottom,
                                   c->outside_size);
#endif
#if THREAD_SANITIZER
    __tsan_switch_to_fiber(c->outside_fiber, 0);
#endif
}

static void tell_left(struct coroutine *c)
{
    (void)c;
#if ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(c->outside_fake, NULL, NULL);
#endif
}

static void tell_made(struct coroutine *c)
{
    c->inside_fake = NULL;
#if THREAD_SANITIZER
    c->inside_fiber = __tsan_create_fiber(0);
#endif
}

static void tell_gone(struct coroutine *c)
{
#if THREAD_SANITIZER
    if (c->inside_fiber != NULL)
        __tsan_destroy_fiber(c->inside_fiber);
#endif
    c->inside_fiber = NULL;
}

/* ---- switching ------------------------------------------------------------------------------- */

static void leave(struct coroutine *c)
{
    tell_leave(c);
    const int r = swapcontext(&c->inside, &c->outside);
    ASSERT(r == 0);
}

/* makecontext passes ints only, so the pointer comes in two halves. */
static void entry(unsigned high, unsigned low)
{
    struct coroutine *c = (struct coroutine *)(((uintptr_t)high << 32) | low);
    tell_entered(c);
    c->body(c, c->context);
    c->has_ended = true;
    leave(c); /* for good */
}

static void begin(struct coroutine *c)
{
    const int r = getcontext(&c->inside);
    ASSERT(r == 0);
    c->inside.uc_stack.ss_sp = c->stack;
    c->inside.uc_stack.ss_size = STACK_BYTES;
    c->inside.uc_link = NULL;
    const uintptr_t pointer = (uintptr_t)c;
    makecontext(&c->inside, (void (*)(void))(uintptr_t)entry, 2, (unsigned)(pointer >> 32),
                (unsigned)pointer);
    c->has_begun = true;
    tell_made(c);
}

void coroutine_resume(struct coroutine *c)
{
    ASSERT(!c->has_ended);
    if (!c->has_begun)
        begin(c);
    tell_enter(c);
    const int r = swapcontext(&c->outside, &c->inside);
    ASSERT(r == 0);
    tell_left(c);
    if (c->has_ended)
        tell_gone(c);
}

void coroutine_yield(struct coroutine *self)
{
    leave(self);
    tell_entered(self);
}

struct coroutine *coroutine_new(void (*body)(struct coroutine *self, void *context), void *context)
{
    struct coroutine *c = MEM_NEW(struct coroutine);
    c->stack = mem_alloc(STACK_BYTES);
    c->body = body;
    c->context = context;
    return c;
}

void coroutine_reuse(struct coroutine *c, void (*body)(struct coroutine *self, void *context),
                     void *context)
{
    ASSERT(c->has_ended);
    c->has_begun = false;
    c->has_ended = false;
    c->body = body;
    c->context = context;
}

bool coroutine_has_ended(const struct coroutine *c)
{
    return c->has_ended;
}

void coroutine_free(struct coroutine *c)
{
    if (c == NULL)
        return;
    ASSERT(c->has_ended || !c->has_begun);
    mem_free(c->stack);
    mem_free(c);
}
