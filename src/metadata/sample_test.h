/* What metadata's tests share: records by short calls, and an image as text. */
#pragma once

#include "base/buf.h"
#include "base/test.h"
#include "metadata/loader.h"
#include "metadata/writer.h"
#include "wire/message.h"

/* One JSON line for each record that a snapshot of the image would hold. Freed with mem_free. */
char *sample_dump(const struct metadata_image *image);

/* Replays one record at the next offset (offsets run 0, 1, 2 …; epoch 1); ends the test when it is refused. */
void sample_put(struct metadata_loader *loader, const struct wire_message *message, int16_t version,
                const void *value);
/* Replays one that must be refused with this code, and leave everything as it was. */
void sample_refuse(struct metadata_loader *loader, const struct wire_message *message,
                   int16_t version, const void *value, int code);

struct uuid sample_id(uint8_t number); /* distinct, not reserved */
void sample_topic(struct metadata_loader *loader, const char *name, struct uuid id);
void sample_remove_topic(struct metadata_loader *loader, struct uuid id);
/* One replica per id, all in sync, the first leads, directories sample_id(200 + replica). */
void sample_partition(struct metadata_loader *loader, struct uuid topic, int32_t partition,
                      const int32_t *replicas, int32_t replica_count);
void sample_config(struct metadata_loader *loader, int8_t type, const char *resource,
                   const char *name, const char *value); /* NULL value removes */
void sample_broker(struct metadata_loader *loader, int32_t id, int64_t epoch, bool is_fenced);
void sample_feature(struct metadata_loader *loader, const char *name, int16_t level);
