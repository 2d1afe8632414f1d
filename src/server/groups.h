/* The group coordinators of one shard: one for each partition of __consumer_offsets that this node leads.
 *
 * Feeds them with requests and time, carries out what they decide (appends with acks=all, answers, timers), loads them from
 * their logs, lets them go when leadership does. Follows the image: node calls groups_apply, all else goes by itself.
 * Threads: the shard's.
 */
#pragma once

#include "server/request.h"

struct groups;

struct groups *groups_new(struct shard *shard);
/* After the server's and the replicas' end: nobody is answered any more. NULL is fine. */
void groups_free(struct groups *groups);

/* Follows shard->image and shard->config: call it when either has changed, and again when the logs that the image asks
 * for are open. */
void groups_apply(struct groups *groups);

/* Answers everyone who waits (NOT_COORDINATOR: they look for the next one), and serves no more. `done` is called, now or
 * later, when no job of ours is under way. */
void groups_close(struct groups *groups, void (*done)(void *context), void *context);

/* ---- for handlers --------------------------------------------------------------------------------- */

/* A question to a coordinator. Lives in the request's arena. */
struct group_ask {
    struct request *request;
    /* Once, perhaps before groups_ask returns: `response` is the struct of the API's response, borrowed for the call
     * and free to be changed. */
    void (*done)(struct group_ask *ask, void *response);
    const char *
        regex_fault; /* ConsumerGroupHeartbeat: as struct group_request has it; valid for the call */
    uint64_t
        verification_guard; /* TxnOffsetCommit: log_verification_begin, once the coordinator has said yes; else 0 */
};

/* Whether groups of the consumer protocol are (group.version, group.coordinator.rebalance.protocols). */
bool groups_serve_consumers(const struct shard *shard);
/* Partitions of __consumer_offsets; 0: it does not exist yet. */
int32_t groups_partition_count(const struct shard *shard);
/* Which of them a group belongs to; -1: there are none. */
int32_t groups_partition_of(const struct shard *shard, struct bytes group_id);

/* `message`: as coord/group/group_coordinator.h wants the request of request->api; valid until the answer, but for JoinGroup
 * and SyncGroup, where it is valid for the call. Where this node does not lead the partition the answer is NOT_COORDINATOR. */
void groups_ask(struct request *request, int32_t partition, const void *message,
                struct group_ask *ask);
/* The request itself, answered with what comes back. */
void groups_forward(struct request *request, struct bytes group_id);
/* The same for JoinGroup and SyncGroup: if the answer is not there at once, the bytes that the request came in are let go. */
void groups_forward_and_wait(struct request *request, struct bytes group_id);
/* Answers with an error in the shape of the request's API. */
void groups_refuse(struct request *request, enum kafka_error error);

/* ---- ends of transactions ------------------------------------------------------------------------- */

/* A marker for a partition of __consumer_offsets. Lives in its owner's memory until `done`. */
struct group_end {
    /* Once, perhaps before groups_end_transaction returns: NONE when the marker is written and the offsets count; as
     * partition_end_transaction; NOT_LEADER_OR_FOLLOWER, too, where the coordinator is not here or not ready yet. */
    void (*done)(struct group_end *end, enum kafka_error error);
    struct group_ask ask;
};
struct partition_marker;
void groups_end_transaction(struct shard *shard, int32_t partition,
                            const struct partition_marker *marker, struct group_end *end);
