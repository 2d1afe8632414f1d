/* What the two files of the rig share. */
#pragma once

#include "base/map.h"
#include "base/mem.h"
#include "coord/group/group_coordinator.h"
#include "coord/rig_log_test.h"
#include "metadata/loader.h"
#include "rig.h"
#include "rig_answers.h"
#include "words.h"

struct rig {
    struct group_coordinator *coordinator;
    struct group_settings settings;
    struct group_effects effects;
    VEC(struct group_resolution *) resolutions; /* to come back after the step */
    struct arena arena;                         /* of a command */
    struct buf *out;
    int64_t now_ms;
    int64_t wall_skew_ms; /* by which the wall clock was put forward */
    uint64_t next_token;
    uint8_t next_random;
    struct map members;   /* label → member id, heap text */
    struct map_i64 asked; /* token → struct rig_asked */
    struct rig_log log;
    struct metadata_loader *cluster;
    int64_t cluster_offset; /* of its last record */
    int32_t broker_count;
    bool holds_writes;
    struct buf last_state; /* as it was printed last */
};

/* "$a" or "a": the id that was given to who asked under that label; others stand for themselves, "-" for nobody. */
struct bytes rig_member_id(struct rig *rig, const char *word);
struct uuid rig_topic_id(const char *topic);

/* The message of a request by its word, in rig->arena; NULL: no such request. */
const void *rig_request(struct rig *rig, struct command *command, int16_t *out_api_key,
                        int16_t *out_version);
