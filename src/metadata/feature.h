/* Feature levels: what this build supports, what a new cluster begins with, and what a metadata.version allows
 * (KIP-584, KIP-1022).
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "metadata/image.h"

struct feature {
    const char *name;
    int16_t min; /* supported */
    int16_t max;
    int16_t initial;          /* of a cluster formatted with the newest metadata.version */
    bool is_finalized_by_log; /* kraft.version is not: raft's voters decide it */
};

/* In order of names, metadata.version and kraft.version among them. */
const struct feature *features(uint32_t *out_count);
const struct feature *feature_find(struct bytes name); /* NULL */

#define FEATURE_METADATA_VERSION    "metadata.version"
#define FEATURE_KRAFT_VERSION       "kraft.version"
#define FEATURE_TRANSACTION_VERSION "transaction.version"
#define FEATURE_GROUP_VERSION       "group.version"
#define FEATURE_SHARE_VERSION       "share.version"
#define FEATURE_STREAMS_VERSION     "streams.version"
#define FEATURE_ELR_VERSION         "eligible.leader.replicas.version"

/* Levels of metadata.version from which something is possible. */
enum metadata_level {
    METADATA_LEVEL_MIN = 7, /* 3.3-IV3 */
    METADATA_LEVEL_ISR_SHRINK_NO_EPOCH =
        12,                                 /* 3.6-IV0: shrinking the ISR leaves the leader epoch */
    METADATA_LEVEL_SCRAM = 11,              /* 3.5-IV2 */
    METADATA_LEVEL_TRANSACTIONS = 13,       /* 3.6-IV1 */
    METADATA_LEVEL_DELEGATION_TOKENS = 14,  /* 3.6-IV2 */
    METADATA_LEVEL_CONTROLLER_RECORDS = 15, /* 3.7-IV0 */
    METADATA_LEVEL_DIRECTORIES = 17,        /* 3.7-IV2 */
    METADATA_LEVEL_ELR = 23,                /* 4.0-IV1 */
    METADATA_LEVEL_CORDONED = 30,           /* 4.3-IV0 */
    METADATA_LEVEL_MAX = 30,
};

/* "4.3-IV0"; NULL for levels outside METADATA_LEVEL_MIN … MAX. */
const char *metadata_level_name(int16_t level);
/* "4.3-IV0", "4.3", "4.3.1" (the newest level of that release), or the number. -ERR_INVALID_ARGUMENT. */
MUST_CHECK int metadata_level_from_text(struct bytes text, int16_t *out, struct err_note *note);

int16_t
metadata_level(const struct metadata_image *image); /* METADATA_LEVEL_MIN where none is recorded */

/* Versions in which records are written at a level. */
int16_t metadata_register_broker_version(int16_t level);
int16_t metadata_partition_version(int16_t level);
int16_t metadata_partition_change_version(int16_t level);
