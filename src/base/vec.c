/* The untyped half of VEC. See vec.h. */
#include "base/vec.h"

#include <string.h>

#define CAPACITY_FIRST ((size_t)8)

void *vec_grow_(void *items_pointer, size_t *count, size_t *capacity, size_t item_bytes)
{
    /* Copied in and out: the variable is a pointer to the element type, not a void pointer. */
    uint8_t *items;
    memcpy(&items, items_pointer, sizeof(items));
    if (*count == *capacity) {
        const size_t wanted = *capacity == 0 ? CAPACITY_FIRST : *capacity * 2;
        items = mem_reallocarray(items, wanted, item_bytes);
        memcpy(items_pointer, &items, sizeof(items));
        *capacity = wanted;
    }
    uint8_t *added = items + *count * item_bytes;
    memset(added, 0, item_bytes);
    (*count)++;
    return added;
}

void vec_remove_(void *items, size_t *count, size_t index, size_t item_bytes)
{
    ASSERT(index < *count);
    uint8_t *gone = (uint8_t *)items + index * item_bytes;
    (*count)--;
    memmove(gone, gone + item_bytes, (*count - index) * item_bytes);
}
