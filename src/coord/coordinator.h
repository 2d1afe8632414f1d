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

/* What makes a batch one of a transaction, or its end (KIP-98). */
struct coord_transaction {
    int64_t producer_id;
    int16_t producer_epoch;
    uint64_t verification_guard; /* of the partition's log, where it was asked (KIP-890); else 0 */
    /* The batch is the marker, and has no records. */
    bool is_end;
    bool is_commit;
    int32_t coordinator_epoch;
    int16_t transaction_version;
};

/* One batch to append to the partition. What became of it must be told, once, in the order of writes. Where one cannot be
 * appended, those after it must not be either: they fail with it, and nothing more is to be said of them. */
struct coord_append {
    uint64_t write_id;
    const struct coord_record *records;
    uint32_t record_count;
    const struct coord_transaction *transaction; /* NULL: of none */
};

struct coord_answer {
    uint64_t token;
    int16_t api_key;
    void *
        message; /* the struct of the API's response, fit for the request's version; the owner may change it */
};
