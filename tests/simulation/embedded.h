/* What consumers of the classic protocol tell each other through the coordinator, in Kafka's own form (ConsumerProtocolSubscription,
 * ConsumerProtocolAssignment): a coordinator that converts a group reads it, too. Partitions are keys of commits.h, as bits.
 */
#pragma once

#include "base/buf.h"
#include "scene.h"

struct embedded_subscription {
    uint32_t wants;
    uint32_t owned;     /* of a cooperative member */
    int32_t generation; /* in which it has these; -1: none, or not told */
    /* The generation in which a static member came back; 0: it did not. Nobody reads that: it differs from what the coordinator knows of
     * the member, and so has everybody join again. */
    int32_t back_in;
};

/* Of all topics that are there: what a member subscribes to, as by a pattern. */
uint32_t embedded_existing(const struct scene *scene);

/* version: 1 to 3. Both write at the end of `out`. */
void embedded_write_subscription(const struct scene *scene, int16_t version,
                                 const struct embedded_subscription *told, struct buf *out);
struct embedded_subscription embedded_read_subscription(const struct scene *scene,
                                                        struct bytes metadata);
void embedded_write_assignment(const struct scene *scene, uint32_t keys, struct buf *out);
/* Of nothing: none. */
uint32_t embedded_read_assignment(const struct scene *scene, struct bytes assignment);
