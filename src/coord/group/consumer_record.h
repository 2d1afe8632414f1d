/* Between the records of consumer groups (types 3 to 8 and 16 of __consumer_offsets, KIP-848) and what they change.
 *
 *   3   ConsumerGroupMetadata                   the group's epoch, a hash of the topics it subscribes to (KIP-1101)
 *   4   ConsumerGroupPartitionMetadata          the topics themselves, before that hash; Kafka 4.3 writes its tombstone only
 *   5   ConsumerGroupMemberMetadata             a member's profile
 *   6   ConsumerGroupTargetAssignmentMetadata   the epoch of the assignment, and when it was made
 *   7   ConsumerGroupTargetAssignmentMember     a member's target
 *   8   ConsumerGroupCurrentMemberAssignment    a member's state
 *   16  ConsumerGroupRegularExpression          topics that an expression stood for
 */
#pragma once

#include "coord/group/consumer_group.h"
#include "coord/record.h"

/* Whether a key type is one of these. */
bool consumer_record_is(const struct wire_message *key_type);

/* A record that says so, in the arena; texts are borrowed, and partitions from the change. */
void consumer_record_from(struct arena *arena, struct bytes group_id,
                          const struct consumer_change *change, struct record *out);

/* What a record changes, and in which group. Its values are owned by the change (made in `scratch` on the way), the key is
 * borrowed from the record. */
void consumer_record_read(const struct record *record, struct arena *scratch,
                          struct bytes *out_group_id, struct consumer_change *out);
