/* Control records: what brokers and quorums write into a log for one another (KIP-98, KIP-595, KIP-853).
 *
 * A control batch has bit 5 of the attributes set; it holds one record, or several at the head of a snapshot. A
 * record's key is version i16 (0), type i16. Its value is a message (EndTxnMarker after a version i16;
 * LeaderChangeMessage, SnapshotHeaderRecord, SnapshotFooterRecord, KRaftVersionRecord, VotersRecord plain, in version 0), which
 * belongs to the message codecs: but for the marker it is bytes here.
 */
#pragma once

#include "wire/batch.h"

enum control_type {
    CONTROL_ABORT = 0,
    CONTROL_COMMIT = 1,
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_KRAFT_VOTERS = 6,
    CONTROL_UNKNOWN = -1, /* types to come are skipped, not refused */
};
const char *control_type_name(enum control_type type); /* "LEADER_CHANGE"; "UNKNOWN" */

/* The type in a control record's key; later key versions are read as version 0.
 * Returns 0, with CONTROL_UNKNOWN for types that are not listed above; -ERR_MALFORMED for a key that is null or shorter
 * than 4 bytes, or whose version is negative. */
MUST_CHECK int control_record_parse(struct bytes key, enum control_type *out);

/* Starts a builder for control batches of a quorum's log: no producer, CreateTime, uncompressed. finish and deinit as ever. */
void control_batch_init(struct batch_builder *b, int64_t base_offset, int32_t leader_epoch,
                        size_t size_bytes_max);
/* Adds one control record; value: the encoded message. -ERR_LIMIT as batch_builder_add. */
MUST_CHECK int control_batch_add(struct batch_builder *b, enum control_type type,
                                 int64_t timestamp_ms, struct bytes value);

/* The marker that ends a transaction on one partition. */
struct transaction_marker {
    enum control_type type; /* CONTROL_ABORT or CONTROL_COMMIT */
    int64_t base_offset;
    int32_t leader_epoch; /* -1 where the leader's append sets it */
    int64_t timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
};
#define TRANSACTION_MARKER_BYTES 78
/* A marker as a whole batch, sealed. */
void transaction_marker_encode(const struct transaction_marker *marker,
                               uint8_t out[TRANSACTION_MARKER_BYTES]);
/* What the value of a marker holds. Later versions are read as version 0. Returns 0 or -ERR_MALFORMED. */
MUST_CHECK int transaction_marker_parse(struct bytes value, int32_t *out_coordinator_epoch);
