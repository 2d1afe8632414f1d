/* Inside the controller: what its managers share.
 *
 * A manager reads the working image (controller_working) and adds records to a result; nothing else changes.
 * What is not metadata (when a broker was last heard of) lives in struct controller and is lost with leadership.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "controller/controller.h"
#include "metadata/feature.h"
#include "metadata/loader.h"
#include "wire/kafka_error.h"

/* A broker's session: not metadata, kept by the active controller alone. */
struct broker_session {
    int32_t id;
    int64_t contact_ms; /* last heard of */
    uint32_t held_count;
};

struct controller {
    struct controller_settings settings;
    char *cluster_id;               /* what settings.cluster_id points to */
    int32_t epoch;                  /* -1: not active */
    struct metadata_loader *loader; /* working state; NULL when not active */
    struct map_i64 sessions;        /* broker id → struct broker_session */
    int64_t written_ms;             /* when records were appended last: for NoOpRecords */
};

/* ---- results: records gathered in the call's arena --------------------------------------------- */

struct draft {
    const struct controller_call *call;
    const struct metadata_image *image; /* working */
    struct metadata_record *records;
    uint32_t count;
    uint32_t capacity;
    int16_t level; /* metadata.version */
};

void draft_init(struct draft *draft, const struct controller *controller,
                const struct controller_call *call);
/* Adds a record; `value` lives in the arena or is borrowed from the request. */
void draft_add(struct draft *draft, const struct wire_message *message, int16_t version,
               const void *value);
void draft_truncate(struct draft *draft, uint32_t count); /* forgets what a failed part had added */
/* Whether a broker may ask in this epoch of its: NONE, BROKER_ID_NOT_REGISTERED or STALE_BROKER_EPOCH. */
enum kafka_error draft_check_broker(const struct draft *draft, int32_t broker_id,
                                    int64_t broker_epoch);
void draft_finish(struct draft *draft, bool is_atomic, const struct wire_message *message,
                  void *response, struct controller_result *out);
#define DRAFT_NEW(draft, type) ARENA_NEW((draft)->call->arena, type)

/* The note's words for an error_message field, in the call's arena; null when it has none. */
struct bytes controller__words(const struct controller_call *call, const struct err_note *note);

bool controller__is_allowed(const struct controller_call *call, enum controller_action action,
                            struct bytes topic);

/* ---- partitions (partition_change.c) ------------------------------------------------------------- */

/* Brokers as they will be once the records of this draft are applied. */
struct broker_change {
    int32_t id;
    bool becomes_active; /* unfenced; else it leaves: fenced or shutting down */
};

/* Leaders, ISR and ELR of every partition that a broker's coming or going touches (KIP-966). */
void partition_changes(struct draft *draft, const struct broker_change *change);

/* ---- placement (placement.c) --------------------------------------------------------------------- */

struct placement {
    int32_t *replicas; /* partition_count × replication_factor */
    uint32_t partition_count;
    uint16_t replication_factor;
};

/* Stripes replicas over racks and brokers (Kafka's StripedReplicaPlacer: fenced brokers last, never leaders while others live).
 * NONE, or INVALID_REPLICATION_FACTOR with the note. */
enum kafka_error placement_plan(const struct draft *draft, uint32_t partition_count,
                                uint16_t replication_factor, struct placement *out,
                                struct err_note *note);

/* Adds the PartitionRecord of a new partition; ISR is the active replicas. False: none is active. */
bool placement_add_partition(struct draft *draft, struct uuid topic_id, int32_t partition,
                             const int32_t *replicas, uint16_t replica_count);

/* ---- brokers (brokers.c) ------------------------------------------------------------------------- */

/* Fences a broker and moves what it leads. */
void brokers__fence(struct controller *controller, struct draft *draft, int32_t broker_id);

/* ---- settings (configs.c) ------------------------------------------------------------------------ */

struct config_change {
    struct bytes name;
    int8_t operation; /* 0 set, 1 delete, 2 append, 3 subtract */
    struct bytes value;
};
/* Checks and adds the ConfigRecords of one resource; is_new: it does not exist yet (a topic being created). NONE, or an
 * error with the note; then nothing was added. */
enum kafka_error configs_change(struct controller *controller, struct draft *draft,
                                enum metadata_config_type type, struct bytes resource,
                                const struct config_change *changes, uint32_t count, bool is_new,
                                struct err_note *note);
