/* The records a new cluster begins with: the content of `bootstrap.checkpoint` as kafka-storage format writes it.
 *
 * FeatureLevelRecord for metadata.version, then for each other feature by name whose level is above 0; SCRAM
 * credentials (--add-scram) after them. raft/snapshot.h (snapshot_print_bootstrap) makes a file of them.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "metadata/feature.h"
#include "metadata/record.h"

struct metadata_bootstrap_feature {
    struct bytes name;
    int16_t level;
};

/* The defaults for a metadata.version, with `chosen` levels (--feature) laid over. out: *out_count records in the arena.
 * -ERR_INVALID_ARGUMENT: unknown feature, level out of range, or a level that needs another feature (the note says
 * which, in Kafka's words). */
MUST_CHECK int metadata_bootstrap_records(int16_t level,
                                          const struct metadata_bootstrap_feature *chosen,
                                          uint32_t chosen_count, struct arena *arena,
                                          struct metadata_record **out, uint32_t *out_count,
                                          struct err_note *note);
