/* The header of a record batch: read, checked, patched. See batch.h. */
#include "wire/batch_int.h"

#include "base/be.h"
#include "wire/crc32c.h"

enum {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_RECORD_COUNT = 57,
    LEGACY_AT_CRC = 12,         /* of what begins with the magic */
    LENGTH_OVERHEAD_BYTES = 12, /* before what the length counts */
    LEGACY_LENGTH_MIN = 14,     /* of a message of magic 0: CRC, magic, attributes, two lengths */
};

int batch_size(struct bytes input)
{
    if (input.size < BATCH_PREFIX_BYTES)
        return -ERR_OVERRUN;
    const int32_t length = be_load_i32(input.data + AT_LENGTH);
    const bool is_legacy = (int8_t)input.data[AT_MAGIC] < BATCH_MAGIC;
    const int32_t length_min =
        is_legacy ? LEGACY_LENGTH_MIN : BATCH_OVERHEAD_BYTES - LENGTH_OVERHEAD_BYTES;
    if (length < length_min || length > INT32_MAX - LENGTH_OVERHEAD_BYTES)
        return -ERR_CORRUPT;
    return length + LENGTH_OVERHEAD_BYTES;
}

int batch_parse_header(struct bytes input, struct batch_view *out)
{
    const int size = batch_size(input);
    if (size < 0)
        return size;
    const uint8_t *p = input.data;
    const int8_t magic = (int8_t)p[AT_MAGIC];
    if (magic == BATCH_MAGIC && input.size < BATCH_OVERHEAD_BYTES)
        return -ERR_OVERRUN;
    *out = (struct batch_view){
        .base_offset = be_load_i64(p + AT_BASE_OFFSET),
        .magic = magic,
    };
    if (magic != BATCH_MAGIC)
        return -ERR_VERSION;
    out->leader_epoch = be_load_i32(p + AT_LEADER_EPOCH);
    out->crc = be_load_u32(p + AT_CRC);
    out->attributes = be_load_i16(p + AT_ATTRIBUTES);
    out->last_offset_delta = be_load_i32(p + AT_LAST_OFFSET_DELTA);
    out->base_timestamp = be_load_i64(p + AT_BASE_TIMESTAMP);
    out->max_timestamp = be_load_i64(p + AT_MAX_TIMESTAMP);
    out->producer_id = be_load_i64(p + AT_PRODUCER_ID);
    out->producer_epoch = be_load_i16(p + AT_PRODUCER_EPOCH);
    out->base_sequence = be_load_i32(p + AT_BASE_SEQUENCE);
    out->record_count = be_load_i32(p + AT_RECORD_COUNT);
    return size;
}

int batch_parse(struct bytes input, struct batch_view *out)
{
    const int size = batch_size(input);
    if (size < 0)
        return size;
    if (input.size < (size_t)size)
        return -ERR_OVERRUN;
    const int r = batch_parse_header(input, out);
    if (r >= 0 || r == -ERR_VERSION)
        out->bytes = bytes_from(input.data, (size_t)size);
    return r;
}

static uint32_t sum(const uint8_t *batch, size_t size_bytes)
{
    return crc32c(0, batch + AT_ATTRIBUTES, size_bytes - AT_ATTRIBUTES);
}

int batch_check_crc(const struct batch_view *batch)
{
    return sum(batch->bytes.data, batch->bytes.size) == batch->crc ? 0 : -ERR_CORRUPT;
}

uint32_t batch_crc_stored(struct bytes batch)
{
    ASSERT(batch.size >= BATCH_PREFIX_BYTES + sizeof(uint32_t));
    return be_load_u32(batch.data +
                       ((int8_t)batch.data[AT_MAGIC] < BATCH_MAGIC ? LEGACY_AT_CRC : AT_CRC));
}

uint32_t batch_crc_computed(struct bytes batch)
{
    ASSERT(batch.size >= BATCH_PREFIX_BYTES + sizeof(uint32_t));
    if ((int8_t)batch.data[AT_MAGIC] < BATCH_MAGIC)
        return crc32_ieee(0, batch.data + AT_MAGIC, batch.size - AT_MAGIC);
    return sum(batch.data, batch.size);
}

void batch_set_base_offset(uint8_t *batch, int64_t base_offset)
{
    be_store_u64(batch + AT_BASE_OFFSET, (uint64_t)base_offset);
}

void batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch)
{
    be_store_u32(batch + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void batch_set_append_time(uint8_t *batch, int64_t timestamp_ms)
{
    const uint16_t attributes = be_load_u16(batch + AT_ATTRIBUTES);
    be_store_u16(batch + AT_ATTRIBUTES, attributes | BATCH_LOG_APPEND_TIME);
    be_store_u64(batch + AT_MAX_TIMESTAMP, (uint64_t)timestamp_ms);
}

void batch_set_create_time(uint8_t *batch, int64_t max_timestamp_ms)
{
    const uint16_t attributes = be_load_u16(batch + AT_ATTRIBUTES);
    be_store_u16(batch + AT_ATTRIBUTES, attributes & (uint16_t)~BATCH_LOG_APPEND_TIME);
    be_store_u64(batch + AT_MAX_TIMESTAMP, (uint64_t)max_timestamp_ms);
}

void batch_seal(uint8_t *batch, size_t size_bytes)
{
    ASSERT(size_bytes >= BATCH_OVERHEAD_BYTES);
    be_store_u32(batch + AT_CRC, sum(batch, size_bytes));
}

void batch__store_header(uint8_t *out, const struct batch_view *header, size_t size_bytes)
{
    ASSERT(size_bytes >= BATCH_OVERHEAD_BYTES && size_bytes <= INT32_MAX);
    batch_set_base_offset(out, header->base_offset);
    be_store_u32(out + AT_LENGTH, (uint32_t)size_bytes - LENGTH_OVERHEAD_BYTES);
    batch_set_leader_epoch(out, header->leader_epoch);
    out[AT_MAGIC] = BATCH_MAGIC;
    be_store_u16(out + AT_ATTRIBUTES, (uint16_t)header->attributes);
    be_store_u32(out + AT_LAST_OFFSET_DELTA, (uint32_t)header->last_offset_delta);
    be_store_u64(out + AT_BASE_TIMESTAMP, (uint64_t)header->base_timestamp);
    be_store_u64(out + AT_MAX_TIMESTAMP, (uint64_t)header->max_timestamp);
    be_store_u64(out + AT_PRODUCER_ID, (uint64_t)header->producer_id);
    be_store_u16(out + AT_PRODUCER_EPOCH, (uint16_t)header->producer_epoch);
    be_store_u32(out + AT_BASE_SEQUENCE, (uint32_t)header->base_sequence);
    be_store_u32(out + AT_RECORD_COUNT, (uint32_t)header->record_count);
    batch_seal(out, size_bytes);
}
