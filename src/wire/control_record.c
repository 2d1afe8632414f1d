/* Control records. See control_record.h. */
#include "wire/control_record.h"

#include "base/be.h"

#define KEY_BYTES          4
#define MARKER_VALUE_BYTES 6

const char *control_type_name(enum control_type type)
{
    switch (type) {
    case CONTROL_ABORT:
        return "ABORT";
    case CONTROL_COMMIT:
        return "COMMIT";
    case CONTROL_LEADER_CHANGE:
        return "LEADER_CHANGE";
    case CONTROL_SNAPSHOT_HEADER:
        return "SNAPSHOT_HEADER";
    case CONTROL_SNAPSHOT_FOOTER:
        return "SNAPSHOT_FOOTER";
    case CONTROL_KRAFT_VERSION:
        return "KRAFT_VERSION";
    case CONTROL_KRAFT_VOTERS:
        return "KRAFT_VOTERS";
    case CONTROL_UNKNOWN:
        break;
    }
    return "UNKNOWN";
}

int control_record_parse(struct bytes key, enum control_type *out)
{
    if (key.size < KEY_BYTES || be_load_i16(key.data) < 0)
        return -ERR_MALFORMED;
    const int16_t type = be_load_i16(key.data + 2);
    *out = type >= 0 && type <= CONTROL_KRAFT_VOTERS ? (enum control_type)type : CONTROL_UNKNOWN;
    return 0;
}

void control_batch_init(struct batch_builder *b, int64_t base_offset, int32_t leader_epoch,
                        size_t size_bytes_max)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.base_offset = base_offset;
    options.leader_epoch = leader_epoch;
    options.attributes = BATCH_CONTROL;
    options.size_bytes_max = size_bytes_max;
    batch_builder_init(b, &options);
}

int control_batch_add(struct batch_builder *b, enum control_type type, int64_t timestamp_ms,
                      struct bytes value)
{
    ASSERT(type != CONTROL_UNKNOWN);
    ASSERT((b->options.attributes & BATCH_CONTROL) != 0);
    uint8_t key[KEY_BYTES] = { 0 };
    be_store_u16(key + 2, (uint16_t)type);
    return batch_builder_add(b, timestamp_ms, bytes_from(key, sizeof(key)), value, NULL, 0);
}

void transaction_marker_encode(const struct transaction_marker *marker,
                               uint8_t out[TRANSACTION_MARKER_BYTES])
{
    ASSERT(marker->type == CONTROL_ABORT || marker->type == CONTROL_COMMIT);
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.base_offset = marker->base_offset;
    options.leader_epoch = marker->leader_epoch;
    options.attributes = BATCH_CONTROL | BATCH_TRANSACTIONAL;
    options.producer_id = marker->producer_id;
    options.producer_epoch = marker->producer_epoch;
    options.size_bytes_max = TRANSACTION_MARKER_BYTES;
    AUTO(batch_builder_deinit) struct batch_builder b;
    batch_builder_init(&b, &options);

    uint8_t value[MARKER_VALUE_BYTES] = { 0 };
    be_store_u32(value + 2, (uint32_t)marker->coordinator_epoch);
    struct bytes batch;
    int r =
        control_batch_add(&b, marker->type, marker->timestamp_ms, bytes_from(value, sizeof(value)));
    ASSERT(r == 0);
    r = batch_builder_finish(&b, &batch);
    ASSERT(r == 0 && batch.size == TRANSACTION_MARKER_BYTES);
    memcpy(out, batch.data, batch.size);
}

int transaction_marker_parse(struct bytes value, int32_t *out_coordinator_epoch)
{
    if (value.size < MARKER_VALUE_BYTES || be_load_i16(value.data) < 0)
        return -ERR_MALFORMED;
    *out_coordinator_epoch = be_load_i32(value.data + 2);
    return 0;
}
