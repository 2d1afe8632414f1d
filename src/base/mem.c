/* The heap, with failure turned into a stop. See mem.h. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_PAGE_BYTES ((size_t)2 << 20)
#define LARGE_PAGES_MIN  4

static NORETURN void out_of_memory(size_t count, size_t size_bytes)
{
    fprintf(stderr, "out of memory: cannot get %zu x %zu bytes\n", count, size_bytes);
    abort();
}

static void *checked(void *pointer, size_t count, size_t size_bytes)
{
    if (UNLIKELY(pointer == NULL))
        out_of_memory(count, size_bytes);
    return pointer;
}

/* The C library may answer NULL for size 0. */
static size_t at_least_one(size_t size_bytes)
{
    return size_bytes == 0 ? 1 : size_bytes;
}

void *mem_alloc(size_t size_bytes)
{
    return checked(malloc(at_least_one(size_bytes)), 1, size_bytes);
}

void *mem_zalloc(size_t size_bytes)
{
    return mem_calloc(1, size_bytes);
}

void *mem_calloc(size_t count, size_t size_bytes)
{
    return checked(calloc(at_least_one(count), at_least_one(size_bytes)), count, size_bytes);
}

void *mem_realloc(void *old, size_t size_bytes)
{
    return checked(realloc(old, at_least_one(size_bytes)), 1, size_bytes);
}

void *mem_reallocarray(void *old, size_t count, size_t size_bytes)
{
    size_t total_bytes;
    if (__builtin_mul_overflow(count, size_bytes, &total_bytes))
        out_of_memory(count, size_bytes);
    return checked(realloc(old, at_least_one(total_bytes)), count, size_bytes);
}

void *mem_dup(const void *bytes, size_t size_bytes)
{
    void *copy = mem_alloc(size_bytes);
    if (size_bytes > 0)
        memcpy(copy, bytes, size_bytes);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

char *mem_strndup(const char *text, size_t size_bytes)
{
    const size_t length = strnlen(text, size_bytes);
    char *copy = mem_alloc(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    const int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        out_of_memory(1, 0);
    return text;
}

void mem_free(void *pointer)
{
    free(pointer);
}

void mem_use_large_pages(void *pointer, size_t size_bytes)
{
    if (size_bytes < LARGE_PAGES_MIN * LARGE_PAGE_BYTES)
        return;
    const size_t to_first = -(size_t)(uintptr_t)pointer & (LARGE_PAGE_BYTES - 1);
    const size_t usable = (size_bytes - to_first) & ~(LARGE_PAGE_BYTES - 1);
    (void)madvise((char *)pointer + to_first, usable, MADV_HUGEPAGE); /* advice: nothing is lost */
}

void mem_freep(void *pointer_to_pointer)
{
    void *pointer;
    memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
    free(pointer);
}
