/* From what a request names (a topic's name or its id, by version) to what this shard knows of it. */
#pragma once

#include "metadata/image.h"
#include "replica/replicas.h"
#include "server/request.h"

/* By id when it is not zero, else by name. NONE, or UNKNOWN_TOPIC_ID / UNKNOWN_TOPIC_OR_PARTITION with *out NULL. */
enum kafka_error topic_lookup(const struct shard *shard, struct bytes name, struct uuid id,
                              const struct metadata_topic **out);

/* The partition here, able to serve as leader in the epoch that the client believes in (-1: any). Errors of
 * topic_lookup and partition_check_leader; a partition that exists but not on this node: NOT_LEADER_OR_FOLLOWER. */
enum kafka_error partition_lookup(const struct shard *shard, const struct metadata_topic *topic,
                                  int32_t index, int32_t current_leader_epoch,
                                  struct partition **out);

/* The topics of coordinators. */
#define TOPIC_CONSUMER_OFFSETS  "__consumer_offsets"
#define TOPIC_TRANSACTION_STATE "__transaction_state"

/* Whether clients may not write to it: __consumer_offsets, __transaction_state, __share_group_state. */
bool topic_is_internal(struct bytes name);
