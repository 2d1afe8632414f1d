/* Tells the controller which directory each replica of this node lies in, where the metadata says something else (KIP-858):
 * of new partitions on a node with several directories nobody knows before their logs are open. As Kafka's AssignmentsManager
 * it gathers for half a second. Threads: shard 0.
 */
#pragma once

#include "base/arena.h"
#include "io/io.h"
#include "server/shard.h"

struct assignments {
    struct shard *shard;
    int64_t (*broker_epoch)(void *context);
    void *context;
    struct io_timer timer;
    struct arena arena; /* of the request under way */
    bool is_asking;
    bool has_more; /* than the request under way has room for */
};

void assignments_init(struct assignments *assignments, struct shard *shard,
                      int64_t (*broker_epoch)(void *context), void *context);
void assignments_deinit(struct assignments *assignments); /* no request is under way */

/* Logs were opened, or an image has come: what differs is told soon. Nothing where one directory is all there is. */
void assignments_follow(struct assignments *assignments);
void assignments_stop(
    struct assignments *assignments); /* nothing more is told until the next assignments_follow */
