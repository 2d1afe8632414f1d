/* The committed offsets of one group, kept small: a node may hold hundreds of thousands.
 *
 *   offsets → topics, by serial number of their names → items, by partition: 32 bytes each
 *                                                       └→ extra, only where there is something to say: metadata,
 *                                                          an expiry of its own, a topic id unlike the topic's
 *
 * Each item belongs to one topic id: a topic may be deleted and made anew under the same name (KIP-516, KIP-848). Ids are
 * kept with the topic, since nearly always all its items share one.
 * Threads: one. Names are shared through struct names.
 */
#pragma once

#include "base/uuid.h"
#include "coord/names.h"

struct committed_extra;

struct committed {
    int32_t partition;
    int32_t leader_epoch; /* -1: not told */
    int64_t offset;
    int64_t committed_ms;          /* wall clock */
    struct committed_extra *extra; /* owned; NULL: nothing */
};

struct offset_topic {
    struct name *name;    /* a reference */
    struct uuid topic_id; /* of the items without extra */
    struct committed *items;
    uint32_t count; /* never 0 */
    uint32_t capacity;
};

struct offsets {
    struct offset_topic *topics;
    uint32_t topic_count;
    uint32_t topic_capacity;
};

/* One committed offset, all told. */
struct offset_value {
    int64_t offset;
    int64_t committed_ms;
    int64_t expire_ms; /* -1: by the broker's retention */
    struct bytes metadata;
    struct uuid topic_id;
    int32_t leader_epoch;
};

void offsets_deinit(struct offsets *offsets, struct names *names); /* zeroed is empty */
bool offsets_is_empty(const struct offsets *offsets);
size_t offsets_count(const struct offsets *offsets);
size_t offsets_memory_bytes(const struct offsets *offsets);

/* NULL: nothing is committed there. Borrowed until the next change. */
const struct offset_topic *offsets_topic(const struct offsets *offsets, const struct name *name);
const struct committed *offset_topic_get(const struct offset_topic *topic, int32_t partition);
/* `metadata` points into the item. */
struct offset_value committed_value(const struct offset_topic *topic, const struct committed *item);

/* What was at a place before a change. */
struct offset_saved {
    struct name *name; /* a reference */
    int32_t partition;
    bool was_there;
    struct uuid topic_id;
    struct committed item; /* owned */
};

/* Puts a value (copied), or removes it: value NULL. What was there goes to *saved, which the caller gives back with
 * offset_saved_deinit or offsets_restore; NULL: it is forgotten. */
void offsets_set(struct offsets *offsets, struct names *names, struct name *name, int32_t partition,
                 const struct offset_value *value, struct offset_saved *saved);
void offsets_restore(struct offsets *offsets, struct names *names, struct offset_saved *saved);
/* Of one that was there; `metadata` points into it. */
struct offset_value offset_saved_value(const struct offset_saved *saved);
void offset_saved_deinit(struct offset_saved *saved, struct names *names);
