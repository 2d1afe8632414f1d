/* What Java makes of a text: where groups live on disk depends on it.
 *
 * Kafka places a group in the partition `abs(groupId.hashCode()) % partitions` of __consumer_offsets, and hashCode runs over
 * UTF-16 units (Java Language, String.hashCode). Bytes that are not UTF-8 count as U+FFFD, as Java decodes them.
 */
#pragma once

#include "base/buf.h"

int32_t java_string_hash(struct bytes text);
/* String.compareTo: by UTF-16 units. */
int java_string_compare(struct bytes a, struct bytes b);
size_t java_string_length(struct bytes text);                   /* in UTF-16 units */
void java_string_put_units(struct bytes text, struct buf *out); /* low byte first */

/* The partition of an internal topic that a group (or transactional id) belongs to. Kafka's abs: of INT32_MIN it is 0. */
int32_t java_partition_for(struct bytes id, int32_t partition_count);
