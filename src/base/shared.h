/* Counted bytes: the one kind of memory that outlives a request and crosses threads.
 *
 * Record data is received into one of these; the log's pending writes and the request both hold a
 * reference. The count is atomic; the content has one writer at a time by agreement of its holders.
 */
#pragma once

#include "base/base.h"

struct shared {
    uint32_t reference_count;                              /* atomic */
    size_t size;                                           /* usable bytes at data */
    void (*on_free)(struct shared *shared, void *context); /* NULL: mem_free */
    void *context;
    uint8_t data[];
};

struct shared *shared_new(size_t size_bytes); /* count 1, content uninitialised */
struct shared *shared_ref(struct shared *shared);
void shared_unref(struct shared *shared); /* NULL is fine */
