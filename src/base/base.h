/* The words every file may use: assertions, scope cleanup, and small arithmetic helpers.
 *
 * Everything here is free of state and safe from any thread.
 */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_arg)                                                       \
    __attribute__((format(printf, format_index, first_arg)))
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NORETURN      __attribute__((noreturn))
#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)

/* Stays in release builds: a false condition is a bug, and the process stops with one line that
 * names it. Never used on bytes from a network, a file or a person. */
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (UNLIKELY(!(condition)))                                                                \
            assert_failed(__FILE__, __LINE__, #condition);                                         \
    } while (0)

/* Scans of whole structures: only in builds with -DOTTLA_SLOW_CHECKS (debug, simulation, fuzzing). */
#ifdef OTTLA_SLOW_CHECKS
#    define ASSERT_SLOW(condition) ASSERT(condition)
#else
#    define ASSERT_SLOW(condition)                                                                 \
        do {                                                                                       \
        } while (0)
#endif

NORETURN void assert_failed(const char *file, int line, const char *condition);

/* `AUTO(file_closep) struct file *f = NULL;` runs file_closep(&f) when the scope ends;
 * `TAKE(f)` moves the value out and leaves NULL behind, so that the cleanup finds nothing. */
#define AUTO(cleanup_function) __attribute__((cleanup(cleanup_function)))
#define TAKE(pointer)                                                                              \
    __extension__({                                                                                \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

/* 1 where a sanitizer watches: gcc says it by macros of its own, clang by features. */
#ifdef __has_feature
#    define ADDRESS_SANITIZER __has_feature(address_sanitizer)
#    define THREAD_SANITIZER  __has_feature(thread_sanitizer)
#else
#    ifdef __SANITIZE_ADDRESS__
#        define ADDRESS_SANITIZER 1
#    else
#        define ADDRESS_SANITIZER 0
#    endif
#    ifdef __SANITIZE_THREAD__
#        define THREAD_SANITIZER 1
#    else
#        define THREAD_SANITIZER 0
#    endif
#endif

/* A MUST_CHECK result that is ignored on purpose; the comment beside it says why. (gcc does not let a cast
 * to void do that.) */
#define IGNORE_RESULT(call)                                                                        \
    do {                                                                                           \
        __typeof__(call) ignored_ = (call);                                                        \
        (void)ignored_;                                                                            \
    } while (0)

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#define CONTAINER_OF(pointer, type, member)                                                        \
    __extension__({                                                                                \
        __typeof__(((type *)0)->member) *member_ = (pointer);                                      \
        (type *)(void *)((char *)member_ - offsetof(type, member));                                \
    })

/* Each argument is evaluated once. The counter keeps nested uses from shadowing one another. */
#define MIN(a, b)                     LESSER_((a), (b), <, __COUNTER__)
#define MAX(a, b)                     LESSER_((a), (b), >, __COUNTER__)
#define LESSER_(a, b, before, unique) LESSER_NAMED_(a, b, before, unique)
#define LESSER_NAMED_(a, b, before, unique)                                                        \
    __extension__({                                                                                \
        __typeof__(a) first_##unique##_ = (a);                                                     \
        __typeof__(b) second_##unique##_ = (b);                                                    \
        first_##unique##_ before second_##unique##_ ? first_##unique##_ : second_##unique##_;      \
    })

/* For numbers that come from outside: what would pass the range of 64 bits stops at its end. */
static inline int64_t i64_add_clamped(int64_t a, int64_t b)
{
    int64_t sum;
    return !__builtin_add_overflow(a, b, &sum) ? sum : a < 0 ? INT64_MIN : INT64_MAX;
}

static inline int64_t i64_sub_clamped(int64_t a, int64_t b)
{
    int64_t difference;
    return !__builtin_sub_overflow(a, b, &difference) ? difference : a < 0 ? INT64_MIN : INT64_MAX;
}

#define MS_PER_SECOND INT64_C(1000)
#define NS_PER_MS     INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)
