/* A target that fails on purpose, to prove that the harness notices: an assertion, a byte too many, an
 * operation without a meaning, memory that nobody frees. See run. */
#include "fuzz.h"

#include "base/mem.h"

#include <string.h>

/* Not so plain that a compiler would do the work itself. */
static uint8_t byte_at(const uint8_t *volatile data, size_t index)
{
    return data[index];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || memcmp(data, "bad", 3) != 0)
        return 0;
    switch (data[3]) {
    case 'a':
        ASSERT(size > INT32_MAX);
        break;
    case 'o':
        return byte_at(data, size) == 7 ? -1 : 0;
    case 'u': {
        volatile int32_t shift = 40;
        return (1 << shift) == 7 ? -1 : 0;
    }
    case 'l': {
        uint8_t *volatile lost = mem_alloc(size);
        lost = NULL;
        return lost == NULL ? 0 : -1;
    }
    default:
        break;
    }
    return 0;
}
