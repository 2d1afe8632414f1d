/* Feature levels: what this build supports, what a new cluster begins with, and what a metadata.version allows
 * (KIP-584, KIP-778, KIP-1022). Facts of Apache Kafka 4.3.1.
 */
#pragma once

#include "base/err.h"
#include "metadata/image.h"

#define FEATURE_METADATA_VERSION    "metadata.version"
#define FEATURE_KRAFT_VERSION       "kraft.version"
#define FEATURE_TRANSACTION_VERSION "transaction.version"
#define FEATURE_GROUP_VERSION       "group.version"
#define FEATURE_SHARE_VERSION       "share.version"
#define FEATURE_STREAMS_VERSION     "streams.version"
#define FEATURE_ELR_VERSION         "eligible.leader.replicas.version"

struct feature {
    const char *name;
    int16_t min; /* supported by this build, as ApiVersions and registrations tell */
    int16_t max;
};

/* In order of names; metadata.version and kraft.version are among them. */
const struct feature *features(uint32_t *out_count);
const struct feature *feature_find(struct bytes name); /* NULL */

/* The level that a cluster formatted at this metadata.version begins with. For kraft.version: when its voters are
 * dynamic; it is never a metadata record, raft's control records tell it. */
int16_t feature_initial_level(const struct feature *feature, int16_t metadata_level);

/* Whether a feature may have this level beside a metadata.version. 0, or -ERR_INVALID_ARGUMENT with a note: outside the
 * supported range, or it needs a higher metadata.version. */
MUST_CHECK int feature_check(const struct feature *feature, int16_t level, int16_t metadata_level,
                             struct err_note *note);

/* Levels of metadata.version from which something is possible. */
enum metadata_level {
    METADATA_LEVEL_MIN = 7,                 /* 3.3-IV3 */
    METADATA_LEVEL_ZK_BROKERS = 8,          /* 3.4-IV0: register broker record 2 */
    METADATA_LEVEL_SCRAM = 11,              /* 3.5-IV2 */
    METADATA_LEVEL_ISR_SHRINK_QUIETLY = 12, /* 3.6-IV0: shrinking the ISR leaves the leader epoch */
    METADATA_LEVEL_TRANSACTIONS = 13,       /* 3.6-IV1 */
    METADATA_LEVEL_TOKENS = 14,             /* 3.6-IV2 */
    METADATA_LEVEL_CONTROLLERS = 15,        /* 3.7-IV0: controllers register */
    METADATA_LEVEL_DIRECTORIES = 17,        /* 3.7-IV2: replicas know their directory */
    METADATA_LEVEL_ELR = 23,                /* 4.0-IV1: partition records can tell the ELR */
    METADATA_LEVEL_CORDONED = 30,           /* 4.3-IV0: cordoned directories */
    METADATA_LEVEL_MAX = 30,
};

/* "4.3-IV0"; NULL for levels outside METADATA_LEVEL_MIN … MAX. */
const char *metadata_level_name(int16_t level);
/* "4.3-IV0", "4.3" or "4.3.1" (the newest level of that release). -ERR_INVALID_ARGUMENT; the note lists what there is. */
MUST_CHECK int metadata_level_from_text(struct bytes text, int16_t *out, struct err_note *note);

/* Of an image; METADATA_LEVEL_MIN where none is recorded. */
int16_t metadata_level(const struct metadata_image *image);

/* Versions in which records are written at a level. */
int16_t metadata_register_broker_version(int16_t level);
int16_t
metadata_partition_version(int16_t level); /* of PartitionRecord and PartitionChangeRecord */
