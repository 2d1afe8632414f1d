/* What every coordinator has in common, whatever it coordinates: the states it goes through, and how it tells its owner
 * what to append and what to answer.
 *
 *   LOADING ── loaded ──► ACTIVE ── unload ──► CLOSED
 *      └──── load failed ──► FAILED ── unload ─┘
 *
 * Whoever hosts one (server/coord_log) needs no more than this to serve its partition.
 */
#pragma once

#include "base/bytes.h"

enum coordinator_state {
    COORDINATOR_LOADING, /* the log is being fed to it */
    COORDINATOR_ACTIVE,
    COORDINATOR_FAILED, /* the log cannot be read */
    COORDINATOR_CLOSED, /* this node leads the partition no longer, or stops */
};

struct coord_record {
    struct bytes key;
    struct bytes value; /* null: a tombstone */
};

/* One batch to append to the partition. What became of it must be told, once, in the order of writes. Where one cannot be
 * appended, those after it must not be either: they fail with it, and nothing more is to be said of them. */
struct coord_append {
    uint64_t write_id;
    const struct coord_record *records;
    uint32_t record_count;
};

struct coord_answer {
    uint64_t token;
    int16_t api_key;
    void *
        message; /* the struct of the API's response, fit for the request's version; the owner may change it */
};
