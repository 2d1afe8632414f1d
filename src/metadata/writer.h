/* Writes an image out as the records that rebuild it: the content of a snapshot.
 *
 * Order as Apache Kafka's: features (metadata.version first), brokers, controllers, topics (each followed by its
 * partitions), configs, client quotas, producer ids, ACLs, SCRAM credentials, delegation tokens; within each in order of
 * keys. Record versions follow the image's metadata.version.
 */
#pragma once

#include "base/arena.h"
#include "metadata/image.h"
#include "metadata/record.h"

/* Receives one record; it is valid for the call. A negative answer ends the writing and is passed on. */
struct metadata_sink {
    int (*put)(void *context, const struct metadata_record *record);
    void *context;
};

/* Returns 0 or what the sink answered. Memory: one record. May run on a worker: the image is immutable. */
MUST_CHECK int metadata_image_write(const struct metadata_image *image, struct metadata_sink sink);
