/* Which partition a keyed record belongs to: murmur2 of the key, as Kafka's clients all do, so that keys stay together whoever writes. */
#pragma once

#include "base/bytes.h"

uint32_t partitioner_murmur2(struct bytes key);
/* partition_count > 0 */
int32_t partitioner_of_key(struct bytes key, int32_t partition_count);
