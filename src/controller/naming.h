/* Which names a request has more than once, in time that grows with the request alone. Kafka refuses such a name, and answers
 * it once. Names are bytes; what has several parts (type and name, name or id) makes one of them. Threads: one at a time.
 */
#pragma once

#include "base/map.h"

struct naming {
    struct map names;
};

/* seed: drawn for each request, so that nobody can choose names that collide. */
void naming_init(struct naming *naming, uint64_t seed);
void naming_deinit(struct naming *naming);
void naming_add(struct naming *naming, struct bytes name); /* for every one, first of all */
bool naming_is_twice(const struct naming *naming, struct bytes name);
/* True the first time it is asked about this name. */
bool naming_tell(struct naming *naming, struct bytes name);
