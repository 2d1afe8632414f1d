/* The records a new cluster begins with: the content of `bootstrap.checkpoint` as kafka-storage format writes it.
 *
 * FeatureLevelRecord for metadata.version, then for each other feature by name whose level is above 0. Credentials of
 * --add-scram follow them (the caller adds those). raft/snapshot.h makes a file of them: snapshot_print_bootstrap.
 */
#pragma once

#include "base/arena.h"
#include "metadata/feature.h"
#include "metadata/record.h"

struct metadata_bootstrap_feature {
    struct bytes name;
    int16_t level;
};

/* The initial levels at a metadata.version, with `chosen` ones (--feature) instead where given; kraft.version may be
 * among them and gives no record. out: *out_count records in the arena, pointing into it and to `chosen`.
 * -ERR_INVALID_ARGUMENT: unknown feature, or see feature_check. */
MUST_CHECK int metadata_bootstrap_records(int16_t metadata_level,
                                          const struct metadata_bootstrap_feature *chosen,
                                          uint32_t chosen_count, struct arena *arena,
                                          struct metadata_record **out, uint32_t *out_count,
                                          struct err_note *note);
