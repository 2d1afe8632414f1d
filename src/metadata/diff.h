/* What changed from one image to a later one, for shards and publishers that act on changes.
 *
 * Costs follow the number of changes: shared structure is passed over. Threads: any; both images are held by the
 * caller for the duration.
 */
#pragma once

#include "metadata/image.h"

/* Called in order: topics by name (a topic deleted and created anew under its name: first deleted, then created),
 * partitions by id within, then the rest. Any function may be NULL. `before` NULL: new; `after` NULL: gone. */
struct metadata_observer {
    void *context;
    /* Topic created or deleted (its partitions are reported too, before the deletion and after the creation). */
    void (*on_topic)(void *context, const struct metadata_topic *before,
                     const struct metadata_topic *after);
    void (*on_partition)(void *context, const struct metadata_topic *topic,
                         const struct metadata_partition *before,
                         const struct metadata_partition *after);
    void (*on_config)(void *context, const struct metadata_config *before,
                      const struct metadata_config *after);
    void (*on_broker)(void *context, const struct metadata_broker *before,
                      const struct metadata_broker *after);
    void (*on_controller)(void *context, const struct metadata_controller *before,
                          const struct metadata_controller *after);
    void (*on_feature)(void *context, const struct metadata_feature *before,
                       const struct metadata_feature *after);
    void (*on_quota)(void *context, const struct metadata_quota *before,
                     const struct metadata_quota *after);
    void (*on_acl)(void *context, const struct metadata_acl *before,
                   const struct metadata_acl *after);
    void (*on_scram)(void *context, const struct metadata_scram *before,
                     const struct metadata_scram *after);
    void (*on_token)(void *context, const struct metadata_token *before,
                     const struct metadata_token *after);
};

/* before NULL: against the empty image. */
void metadata_image_diff(const struct metadata_image *before, const struct metadata_image *after,
                         const struct metadata_observer *observer);
