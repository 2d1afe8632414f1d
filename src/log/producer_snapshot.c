/* Snapshots of producers: see producer_snapshot.h. */
#include "log/producer_snapshot.h"

#include "base/be.h"
#include "wire/crc32c.h"

enum {
    SNAPSHOT_VERSION = 1,
    CRC_AT = 2,
    COUNT_AT = 6,
    ENTRIES_AT = 10,
    ENTRY_BYTES = 46,
};

static void encode_entry(const struct producer *producer, struct buf *out)
{
    const struct producer_batch none = { .last_sequence = -1, .last_offset = -1 };
    const struct producer_batch *last =
        producer->batch_count == 0 ? &none : &producer->batches[producer->batch_count - 1];
    buf_put_i64(out, producer->id);
    buf_put_i16(out, producer->epoch);
    buf_put_i32(out, last->last_sequence);
    buf_put_i64(out, last->last_offset);
    buf_put_i32(out, last->offset_delta);
    buf_put_i64(out, producer->last_timestamp);
    buf_put_i32(out, producer->coordinator_epoch);
    buf_put_i64(out, producer->txn_first_offset);
}

void producer_snapshot_encode(const struct producers *producers, struct buf *out)
{
    const size_t start = out->size;
    buf_put_i16(out, SNAPSHOT_VERSION);
    buf_put_i32(out, 0);
    buf_put_i32(out, (int32_t)producers_count(producers));
    for (struct map_i64_walk walk = { 0 }; map_i64_next(&producers->by_id, &walk);)
        encode_entry(walk.value, out);
    if (buf_is_ok(out)) {
        be_store_u32(out->data + start + CRC_AT,
                     crc32c(0, out->data + start + COUNT_AT, out->size - start - COUNT_AT));
    }
}

static struct producer decode_entry(const uint8_t *at)
{
    const struct producer_batch last = {
        .last_sequence = be_load_i32(at + 10),
        .last_offset = be_load_i64(at + 14),
        .offset_delta = be_load_i32(at + 22),
        .timestamp = be_load_i64(at + 26),
    };
    const int64_t txn_first_offset = be_load_i64(at + 38);
    struct producer producer = {
        .id = be_load_i64(at),
        .epoch = be_load_i16(at + 8),
        .last_timestamp = last.timestamp,
        .coordinator_epoch = be_load_i32(at + 34),
        .txn_first_offset = txn_first_offset < 0 ? -1 : txn_first_offset,
    };
    if (last.last_offset >= 0 && last.offset_delta >= 0) {
        producer.batch_count = 1;
        producer.is_cut = true;
        producer.batches[0] = last;
    }
    return producer;
}

int producer_snapshot_decode(struct bytes content, int64_t now_ms, int64_t expiration_ms,
                             struct producers *producers)
{
    if (content.size < ENTRIES_AT)
        return -ERR_MALFORMED;
    if (be_load_i16(content.data) != SNAPSHOT_VERSION)
        return -ERR_VERSION;
    if (be_load_u32(content.data + CRC_AT) !=
        crc32c(0, content.data + COUNT_AT, content.size - COUNT_AT))
        return -ERR_CORRUPT;
    const int32_t count = be_load_i32(content.data + COUNT_AT);
    if (count < 0 || content.size - ENTRIES_AT != (size_t)count * ENTRY_BYTES)
        return -ERR_MALFORMED;
    for (int32_t i = 0; i < count; i++) {
        const struct producer producer =
            decode_entry(content.data + ENTRIES_AT + (size_t)i * ENTRY_BYTES);
        if (!producer_is_expired(&producer, now_ms, expiration_ms))
            producers_load(producers, &producer);
    }
    return 0;
}
