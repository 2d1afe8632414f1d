/* A shard's partitions in a simulated world, for unit tests: an image that tests change by calls, and replicas that
 * follow it on a disk that can be crashed, filled and broken.
 *
 * The rig is node REPLICA_RIG_NODE. Its turn's end is replicas_write alone, or what a test puts over it.
 */
#pragma once

#include "config/config.h"
#include "log/dirs/log_dirs.h"
#include "log/sample_test.h"
#include "metadata/sample_test.h"
#include "replica/replicas.h"
#include "sim/sim_world.h"

#define REPLICA_RIG_NODE       1
#define REPLICA_RIG_OTHER_NODE 2 /* never there */
#define REPLICA_RIG_DIRS_MAX   2

struct replica_rig {
    struct sim_world *world;
    struct sim_node *machine;
    struct io *io; /* of the running incarnation */
    struct config *config;
    struct metadata_loader *loader;
    struct metadata_image *image;
    struct log_dirs *dirs;
    struct log_files *files;
    struct replicas *replicas;
    uint32_t dir_count; /* "/a", "/b" */

    /* What a rig above this one does at the turn's end, and in a crash before and after the replicas have told everyone
     * who waits; may be NULL. */
    void (*turn_end)(void *context);
    void (*ending)(void *context);
    void (*ended)(void *context);
    void *context;

    struct diag diag;
    uint32_t line_counts[DIAG_ERROR + 1];
    char last_line[DIAG_TEXT_SIZE];
    uint32_t failed_dirs; /* as the owner was told */
    uint32_t dirs_left;
    uint32_t applied_count;
    uint32_t late_count; /* logs that were opened later, as the owner was told */
    bool is_loaded;
    bool is_closed;
};

/* Formatted and loaded. `settings`: lines of server.properties, or "". */
void replica_rig_begin(struct replica_rig *rig, uint64_t seed, uint32_t dir_count,
                       const char *settings);
void replica_rig_end(struct replica_rig *rig); /* as a crash */

/* One life and the next, with the image kept. */
void replica_rig_open(
    struct replica_rig *rig); /* directories and logs, but nothing is loaded yet */
void replica_rig_start(struct replica_rig *rig); /* the same, and loaded */
void replica_rig_stop(struct replica_rig *rig);  /* in good order */
void replica_rig_crash(struct replica_rig *rig, enum sim_crash kind);

/* Publishes what was put into the loader, lets the replicas follow, and waits until they have. */
void replica_rig_apply(struct replica_rig *rig);
/* A topic of `partitions` with this node alone in each ISR, in directories that nobody has told; applied. */
struct uuid replica_rig_topic(struct replica_rig *rig, const char *name, int32_t partitions);
/* One with REPLICA_RIG_OTHER_NODE in the ISR as well: what is written there is not committed. */
struct uuid replica_rig_shared_topic(struct replica_rig *rig, const char *name, int32_t partitions);
/* The partition's leader and ISR (count ids); applied. */
void replica_rig_change(struct replica_rig *rig, struct uuid topic, int32_t partition,
                        int32_t leader, const int32_t *isr, int32_t isr_count);
/* Where the metadata have the replica of a partition of this node alone; applied. */
void replica_rig_assign(struct replica_rig *rig, struct uuid topic, int32_t partition,
                        struct uuid directory);
void replica_rig_delete(struct replica_rig *rig, struct uuid topic); /* applied */

void replica_rig_run_ms(struct replica_rig *rig, int64_t ms);
/* One turn of the loop: what was planned is written, who waited is told. */
void replica_rig_turn(struct replica_rig *rig);
/* Runs until `is_true`; a failure of the test after a minute of the world's time. */
void replica_rig_until(struct replica_rig *rig, bool (*is_true)(void *context), void *context);

/* An append and how it went. */
struct rig_append {
    struct append_wait wait;
    struct log_append_result result;
    uint32_t done_count;
    enum kafka_error error;
};
/* Plans `record_count` records; `wait` of the append is taken unless has_no_wait. */
void replica_rig_append(struct partition *p, int32_t record_count, bool is_all,
                        struct rig_append *append);
