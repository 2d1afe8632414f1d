/* Names that many things share, kept once: topics of committed offsets, protocol types.
 *
 * Each has a serial number, given in the order in which names became known, by which tables can be sorted
 * without looking at addresses. Threads: one.
 */
#pragma once

#include "base/map.h"

struct name {
    uint32_t reference_count;
    uint32_t size;
    uint64_t serial;
    char text[]; /* not terminated */
};

struct names {
    struct map by_text;
    uint64_t next_serial;
};

void names_init(struct names *names, uint64_t hash_seed);
void names_deinit(struct names *names); /* every reference has been given back */

struct name *name_ref_text(struct names *names,
                           struct bytes text); /* a reference; made if it is not there */
struct name *name_find(const struct names *names, struct bytes text); /* borrowed, or NULL */
struct name *name_ref(struct name *name);
void name_unref(struct names *names, struct name *name); /* NULL is fine */
struct bytes name_text(const struct name *name);         /* NULL gives null */
