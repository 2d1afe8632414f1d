/* Control records: what brokers and quorums write into a log for one another (KIP-98, KIP-595, KIP-853).
 *
 * A control batch has bit 5 of the attributes set and holds, but for snapshots' first batches, one record. Its key is
 * version i16 (0), type i16; its value is a message with its version before it, which belongs to the message codecs: here it is bytes.
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
 * Returns the type or CONTROL_UNKNOWN as 0 and above in *out; -ERR_MALFORMED for a key that is null or shorter than
 * 4 bytes, or whose version is negative. */
MUST_CHECK int control_record_parse(struct bytes key, enum control_type *out);

/* Starts a builder for control batches of a quorum's log: no producer, CreateTime, uncompressed. */
void control_batch_init(struct batch_builder *b, int64_t base_offset, int32_t leader_epoch, size_t size_bytes_max);
/* Adds one control record. Value: the encoded message. -ERR_LIMIT as batch_builder_add. */
MUST_CHECK int control_batch_add(struct batch_builder *b, enum control_type type, int64_t timestamp_ms,
                                 struct bytes value);

/* The marker that ends a transaction on one partition: a whole batch, valid while the builder is.
 * type: CONTROL_ABORT or CONTROL_COMMIT. leader_epoch -1 where the leader's append sets it. */
struct transaction_marker {
    enum control_type type;
    int64_t base_offset;
    int32_t leader_epoch;
    int64_t timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
};
MUST_CHECK int transaction_marker_build(struct batch_builder *b, const struct transaction_marker *marker, struct bytes *out);
/* A marker's value: version i16 (0), coordinator epoch i32. Later versions are read as version 0. -ERR_MALFORMED. */
MUST_CHECK int transaction_marker_parse_value(struct bytes value, int32_t *out_coordinator_epoch);
