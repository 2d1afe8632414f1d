/* Names of new topics that metrics could not tell from names that are there: '.' and '_' are one character in those. Each name
 * of a request and of the image is looked at once, however many there are. Threads: one at a time.
 */
#pragma once

#include "base/map.h"
#include "metadata/image.h"

struct collisions {
    struct map
        by_form; /* names in their common form → the topic that has it; the struct's own address: none */
};

/* seed: drawn for each request, so that nobody can choose names that collide in the map. */
void collisions_init(struct collisions *collisions, uint64_t seed);
void collisions_deinit(struct collisions *collisions);
void collisions_add(struct collisions *collisions,
                    struct bytes name); /* for every name that is new */
void collisions_find(struct collisions *collisions,
                     const struct metadata_image *image); /* then once */
/* The first topic, in order of names, that a name which was added collides with, or has; NULL: none. */
const struct metadata_topic *collisions_of(const struct collisions *collisions, struct bytes name);
