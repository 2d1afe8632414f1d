/* Heap memory that is there or the process stops.
 *
 * Work is admitted against a budget before it starts (docs: design, memory), so an allocation that
 * fails is not a condition to be handled halfway: mem_* print one line and stop. Sizes that come
 * from outside are checked against a limit before they reach these functions.
 */
#pragma once

#include "base/base.h"

void *mem_alloc(size_t size_bytes);  /* uninitialised; size 0 gives a unique pointer */
void *mem_zalloc(size_t size_bytes); /* zeroed */
void *mem_calloc(size_t count, size_t size_bytes); /* zeroed; stops on overflow of the product */
void *mem_realloc(void *old, size_t size_bytes);   /* old may be NULL */
void *mem_reallocarray(void *old, size_t count, size_t size_bytes);
void *mem_dup(const void *bytes, size_t size_bytes);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t size_bytes); /* always terminated */
char *mem_printf(const char *format, ...) PRINTF_LIKE(1, 2);
void mem_free(void *pointer); /* NULL is fine */

/* Advice to the kernel, before memory that was just allocated is used: it will be asked here and there all over, so that large
 * pages are worth their while. Memory of less than a few of them is left as it is. */
void mem_use_large_pages(void *pointer, size_t size_bytes);

#define MEM_NEW(type)              ((type *)mem_zalloc(sizeof(type)))
#define MEM_NEW_ARRAY(type, count) ((type *)mem_calloc((count), sizeof(type)))

/* For AUTO(mem_freep): frees what the variable points to. */
void mem_freep(void *pointer_to_pointer);
