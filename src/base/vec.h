/* A growing typed array: `VEC(struct thing) things = { 0 };`, freed with VEC_DEINIT(&things).
 *
 * items, count and capacity may be read directly. VEC_PUSH answers a pointer to the new, zeroed
 * element, valid until the next push. Growth from outside input is bounded by the caller. */
#pragma once

#include "base/mem.h"

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t count;                                                                              \
        size_t capacity;                                                                           \
    }

#define VEC_PUSH(vec)                                                                              \
    ((__typeof__((vec)->items))vec_grow_(&(vec)->items, &(vec)->count, &(vec)->capacity,           \
                                         sizeof(*(vec)->items)))
#define VEC_ADD(vec, value) (*VEC_PUSH(vec) = (value))
#define VEC_POP(vec)        ((vec)->items[--(vec)->count])
#define VEC_REMOVE_AT(vec, index)                                                                  \
    vec_remove_((vec)->items, &(vec)->count, (index), sizeof(*(vec)->items))
#define VEC_DEINIT(vec)                                                                            \
    do {                                                                                           \
        mem_free((vec)->items);                                                                    \
        (vec)->items = NULL;                                                                       \
        (vec)->count = (vec)->capacity = 0;                                                        \
    } while (0)

void *vec_grow_(void *items_pointer, size_t *count, size_t *capacity, size_t item_bytes);
void vec_remove_(void *items, size_t *count, size_t index, size_t item_bytes);
