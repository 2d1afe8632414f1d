/* What a request handler may reach: the rooms of one shard, wired together by node/.
 *
 * Everything here belongs to the shard's thread. The configuration and the image are immutable
 * snapshots: a handler reads the pointers once and may keep a reference if it waits.
 */
#pragma once

#include "base/diag.h"
#include "base/map.h"
#include "base/uuid.h"
#include "io/io.h"

struct config;
struct metadata_image;
struct replicas;
struct groups;
struct transactions;
struct server;
struct controller_link;
struct fetch_sessions;
struct log_dirs;
struct loggers;
struct producer_ids;
struct quorum_view;

struct shard {
    struct io *io;
    const struct diag *diag;
    struct loggers *loggers; /* the levels of what diag prints; owned by node */
    uint64_t hash_seed;

    int32_t node_id;
    char cluster_id[UUID_TEXT_SIZE + 64];

    struct config *config;        /* effective broker settings; counted */
    struct metadata_image *image; /* committed metadata as this shard has applied it; counted */
    struct replicas *replicas;    /* partitions of this shard; owned by node */
    struct groups *groups;        /* group coordinators with their logs; owned by node */
    struct transactions *transactions; /* transaction coordinators with theirs; owned by node */
    struct fetch_sessions *sessions;
    struct log_dirs *log_dirs;
    struct controller_link *controller; /* the way to the active controller */
    struct quorum_view *quorum;         /* what DescribeQuorum tells */
    struct producer_ids *producer_ids;
    struct server *server;
    struct map topics_in_creation; /* name → what auto_topic.c asked for; values are its own */
};
