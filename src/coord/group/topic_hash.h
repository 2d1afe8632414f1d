/* A number that stands for what a consumer group's topics look like: when it changes the group is assigned anew (KIP-1101).
 *
 *   of a topic   XXH3 (64 bit) over: 0 (u8), id (two i64), name, partition count (i32), and for each partition its index (i32)
 *                and the racks of its replicas in order, each led by its length (i32)
 *   of a group   XXH3 over the hashes (i64) of its topics that exist, in the order of their names; 0 where there are none
 *
 * Numbers have their low byte first; a text is its UTF-16 units, then how many these are (i32). It stands in the log
 * (ConsumerGroupMetadata), so it must be Kafka's to the bit: else whoever loads the other's log assigns all groups anew.
 * Threads: one.
 */
#pragma once

#include "base/map.h"
#include "metadata/image.h"

/* What was computed before: a topic of many partitions takes a while. */
struct topic_hashes {
    struct map by_name; /* → int64_t on the heap */
};
void topic_hashes_init(struct topic_hashes *hashes, uint64_t hash_seed);
void topic_hashes_deinit(struct topic_hashes *hashes);
void topic_hashes_forget(struct topic_hashes *hashes, struct bytes name); /* it has changed */

/* Of those of the names that the image has; `names` is sorted, each once. */
int64_t topic_hashes_of_group(struct topic_hashes *hashes, const struct metadata_image *image,
                              const struct bytes *names, size_t count);

int64_t topic_hash(const struct metadata_image *image, const struct metadata_topic *topic);
