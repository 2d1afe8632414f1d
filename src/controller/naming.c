/* See naming.h. */
#include "controller/naming.h"

/* What a name's value in the map says: bits of a number that is kept as a pointer. */
enum { NAMED = 1, NAMED_TWICE = 2, TOLD = 4 };

static uintptr_t state_of(const struct naming *naming, struct bytes name)
{
    return (uintptr_t)map_get(&naming->names, name);
}

void naming_init(struct naming *naming, uint64_t seed)
{
    map_init(&naming->names, seed);
}

void naming_deinit(struct naming *naming)
{
    map_deinit(&naming->names);
}

void naming_add(struct naming *naming, struct bytes name)
{
    const uintptr_t state = state_of(naming, name) == 0 ? NAMED : NAMED | NAMED_TWICE;
    (void)map_put(&naming->names, name, (void *)state);
}

bool naming_is_twice(const struct naming *naming, struct bytes name)
{
    return (state_of(naming, name) & NAMED_TWICE) != 0;
}

bool naming_tell(struct naming *naming, struct bytes name)
{
    const uintptr_t state = state_of(naming, name);
    ASSERT(state != 0); /* it was added */
    (void)map_put(&naming->names, name, (void *)(state | TOLD));
    return (state & TOLD) == 0;
}
