/* What the control records of the metadata log say: their values as raft understands them.
 *
 * The envelope (control batch, key) is wire/control_record.h; the values are Kafka's messages LeaderChangeMessage,
 * SnapshotHeaderRecord, SnapshotFooterRecord, KRaftVersionRecord, VotersRecord, each in version 0, which is also what
 * Apache Kafka 4.3.1 writes.
 */
#pragma once

#include "raft/voters.h"
#include "wire/control_record.h"

struct raft_control {
    enum control_type type;
    int32_t leader_id;                    /* CONTROL_LEADER_CHANGE */
    int64_t last_contained_log_timestamp; /* CONTROL_SNAPSHOT_HEADER */
    int16_t kraft_version;                /* CONTROL_KRAFT_VERSION */
    struct raft_voters voters;            /* CONTROL_KRAFT_VOTERS; owned */
};
void raft_control_deinit(struct raft_control *control);

/* One record of a control batch. Types that raft does not know are given with nothing but their type.
 * -ERR_MALFORMED, -ERR_OVERRUN, -ERR_LIMIT; the note names offset, type and field. */
MUST_CHECK int raft_control_parse(const struct record *record, struct raft_control *out,
                                  struct err_note *note);

/* Add one control record to a control batch. They are small and bounded, so a builder with some KiB of room takes them. */
void raft_control_put_leader_change(struct batch_builder *b, int64_t wall_ms, int32_t leader_id,
                                    const struct raft_voters *voters,
                                    const struct raft_voters *granting);
void raft_control_put_kraft_version(struct batch_builder *b, int64_t wall_ms,
                                    int16_t kraft_version);
void raft_control_put_voters(struct batch_builder *b, int64_t wall_ms,
                             const struct raft_voters *voters);
void raft_control_put_snapshot_header(struct batch_builder *b, int64_t wall_ms,
                                      int64_t last_contained_log_timestamp);
void raft_control_put_snapshot_footer(struct batch_builder *b, int64_t wall_ms);
