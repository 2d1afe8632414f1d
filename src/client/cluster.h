/* What a client knows of a cluster: brokers and how to reach them, topics and who leads their partitions.
 *
 * Knowledge comes from Metadata requests to any broker, first to the bootstrap servers. A refresh that fails is tried again at
 * another server after the back-off, for ever; the owner hears of each attempt and gives up when it wants to.
 * Threads: the loop's.
 */
#pragma once

#include "base/diag.h"
#include "base/map.h"
#include "base/uuid.h"
#include "client/channel.h"
#include "config/config.h"

struct cluster;

struct cluster_partition {
    int32_t index;
    int32_t leader; /* -1: none */
    int32_t leader_epoch;
    int16_t error;
};

struct cluster_topic {
    char *name;
    struct uuid id; /* zero: the broker is too old to tell */
    int16_t error;  /* enum kafka_error; KAFKA_NONE: it is there */
    bool is_internal;
    struct cluster_partition *partitions; /* by index */
    int32_t partition_count;
};

struct cluster_owner {
    void (*on_metadata)(void *context, int result); /* 0, or why an attempt failed; may be NULL */
    void *context;
};

struct cluster_params {
    struct io *io;
    struct client_settings settings;
    struct config_list bootstrap; /* "host:port"; copied */
    bool allows_topic_creation;
    const struct diag *diag; /* hears of brokers that cannot be reached; NULL: nobody does */
    struct cluster_owner owner;
};

/* -ERR_INVALID_SETTING: an address that is none. */
MUST_CHECK int cluster_new(const struct cluster_params *params, struct cluster **out,
                           struct err_note *note);
void cluster_free(struct cluster *cluster); /* NULL is fine; open calls are cancelled */

/* A connection to some broker: one that is ready where there is one. */
struct channel *cluster_any(struct cluster *cluster);
struct channel *cluster_broker(struct cluster *cluster, int32_t id); /* NULL: not known */
/* A second connection, for what a broker does as a coordinator: joining a group waits long, and so may a fetch; in one
 * connection they would hold each other up. NULL: not known. */
struct channel *cluster_coordinator(struct cluster *cluster, int32_t id);
/* After a call to a connection failed with this result: the next cluster_any is another one. `words` say why; whoever hears of brokers that
 * cannot be reached is told. */
void cluster_pass_over(struct cluster *cluster, int result, const char *words);
/* No bootstrap server's name is one: there is nothing to wait for. Then cluster_nowhere gives the code, with a note. */
bool cluster_is_nowhere(const struct cluster *cluster);
int cluster_nowhere(const struct cluster *cluster,
                    struct err_note *note); /* -ERR_INVALID_SETTING */

void cluster_want(struct cluster *cluster, struct bytes topic); /* from the next refresh on */
void cluster_want_all(struct cluster *cluster);
/* Asks for metadata: at once where something is wanted that was not asked about yet, else not sooner than
 * retry.backoff.ms after the answer before; while an answer is under way, once more after it. A ticket:
 * cluster_is_refreshed when an answer has come to a question not older than this call. */
uint64_t cluster_refresh(struct cluster *cluster);
bool cluster_is_refreshed(const struct cluster *cluster, uint64_t ticket);
uint64_t cluster_generation(const struct cluster *cluster); /* counts answers; 0: nothing known */

const struct cluster_topic *cluster_topic(const struct cluster *cluster,
                                          struct bytes name); /* NULL */
const struct cluster_partition *cluster_partition(const struct cluster *cluster, struct bytes topic,
                                                  int32_t index); /* NULL */
/* for (struct map_walk w = { 0 }; map_next(cluster_topics(cluster), &w);) … w.value */
const struct map *cluster_topics(const struct cluster *cluster);
/* Ids of all brokers, in the order of the answer. */
struct cluster_ids {
    const int32_t *items;
    size_t count;
};
struct cluster_ids cluster_broker_ids(const struct cluster *cluster);

/* The leader moved: what the answer to a Produce said of it (KIP-951). */
void cluster_set_leader(struct cluster *cluster, struct bytes topic, int32_t partition,
                        int32_t leader, int32_t leader_epoch);
