/* Record batches, viewed in place: magic 2 (KIP-98), and what is left of magic 0 and 1 on old disks.
 *
 *   byte  0  base_offset          i64   patched by the leader; outside the CRC
 *         8  batch_length         i32   bytes after this field; whole batch = 12 + batch_length
 *        12  partition_leader_epoch i32 patched by the leader; outside the CRC
 *        16  magic                i8
 *        17  crc                  u32   CRC-32C of byte 21 to the end
 *        21  attributes           i16   bits 0-2 codec, 3 timestamp type (1: log append time), 4 transactional, 5 control, 6 delete horizon set
 *        23  last_offset_delta    i32
 *        27  base_timestamp       i64   delete horizon when bit 6 is set
 *        35  max_timestamp        i64
 *        43  producer_id          i64   -1: none
 *        51  producer_epoch       i16
 *        53  base_sequence        i32
 *        57  record_count         i32
 *        61  records (compressed as a whole by the codec of the attributes)
 *
 * A record: varint length, i8 attributes (0), varlong timestamp delta, varint offset delta, varint key length
 * (-1 null), key, varint value length (-1 null), value, varint header count, then (varint key length, key,
 * varint value length or -1, value)*.
 *
 * A view borrows; nothing here allocates but where it takes a buf or an arena. Threads: none shared.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "wire/compress_window.h"

#define BATCH_OVERHEAD_BYTES 61 /* header of magic 2 */
#define BATCH_PREFIX_BYTES   17 /* enough to know size and magic of any batch */
#define BATCH_MAGIC          2

enum {
    BATCH_CODEC_MASK = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40,
};

/* The header of one whole batch, decoded. `bytes` is all of it, from base_offset on; borrowed. */
struct batch_view {
    struct bytes bytes;
    int64_t base_offset;
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

static inline int64_t batch_last_offset(const struct batch_view *b)
{
    return b->base_offset + b->last_offset_delta;
}
static inline enum codec batch_codec(const struct batch_view *b)
{
    return (enum codec)(b->attributes & BATCH_CODEC_MASK); /* 5 to 7 are no codec */
}
/* As they are: maybe compressed. */
static inline struct bytes batch_records(const struct batch_view *b)
{
    return bytes_from(b->bytes.data + BATCH_OVERHEAD_BYTES, b->bytes.size - BATCH_OVERHEAD_BYTES);
}

/* The first batch of `input`. Checks lengths and magic, not the CRC.
 * Returns the batch's size in bytes; -ERR_OVERRUN when input ends before the batch does (also: fewer than
 * BATCH_PREFIX_BYTES); -ERR_CORRUPT for an impossible length; -ERR_VERSION for magic other than 2
 * (magic 0 and 1: out->magic, out->base_offset and out->bytes are set all the same, see legacy.h). */
MUST_CHECK int batch_parse(struct bytes input, struct batch_view *out);
/* The same where only the beginning of the batch is at hand: BATCH_OVERHEAD_BYTES are enough (BATCH_PREFIX_BYTES for magic
 * 0 and 1). out->bytes is null. */
MUST_CHECK int batch_parse_header(struct bytes input, struct batch_view *out);
/* The size alone, of a batch of any magic: -ERR_OVERRUN for fewer than BATCH_PREFIX_BYTES, or -ERR_CORRUPT. */
MUST_CHECK int batch_size(struct bytes input);

/* 0 or -ERR_CORRUPT. */
MUST_CHECK int batch_check_crc(const struct batch_view *batch);

/* The CRC that a whole batch of any magic has in its header, and the one that its bytes have. */
uint32_t batch_crc_stored(struct bytes batch);
uint32_t batch_crc_computed(struct bytes batch);

/* Writes into the batch's own bytes (the caller owns them, mutable). base_offset and leader epoch lie
 * before the CRC. The times (max_timestamp and the type bit) lie under it: call batch_seal when done, which
 * computes it anew. */
void batch_set_base_offset(uint8_t *batch, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch);
void batch_set_append_time(uint8_t *batch, int64_t timestamp_ms);
void batch_set_create_time(uint8_t *batch, int64_t max_timestamp_ms);
void batch_seal(uint8_t *batch, size_t size_bytes);

struct record_header {
    struct bytes key;   /* never null */
    struct bytes value; /* may be null */
};

struct record {
    int64_t offset;
    int64_t timestamp; /* log append time: the batch's max_timestamp */
    struct bytes key;
    struct bytes value;
    struct bytes headers; /* undecoded: header_count pairs; see record_headers */
    int32_t header_count;
    uint32_t size_bytes; /* of the record on the wire, its length varint included */
};

/* Walks the records of a batch, decompressing in bounded chunks: never holds more than one record
 * plus a chunk. Key, value and headers of a record are valid until the next call.
 *
 *   AUTO(record_walk_deinit) struct record_walk walk;
 *   record_walk_init(&walk, &batch, contexts, record_bytes_max);
 *   while ((r = record_walk_next(&walk, &record)) > 0) …
 * next returns 1, 0 after the last record, or, then and at every later call, -ERR_MALFORMED / -ERR_OVERRUN / -ERR_CORRUPT
 * (codec) / -ERR_UNSUPPORTED (no such codec) / -ERR_LIMIT (one record larger than record_bytes_max). It checks that the
 * record count is exact, that offset deltas ascend strictly and stay within last_offset_delta, that lengths add up, and
 * that nothing follows the last record. */
struct record_walk {
    struct batch_view batch;
    struct codec_contexts *contexts; /* borrowed; may be NULL */
    struct compress_window window;   /* closed: uncompressed, or not begun */
    struct bytes rest;               /* what is there of the records from the next one on */
    uint32_t record_bytes_max;
    int32_t index; /* of the next record */
    int32_t offset_delta_last;
    bool is_begun;
    int error;
};
/* batch's bytes and contexts are borrowed until deinit; contexts may be NULL. */
void record_walk_init(struct record_walk *walk, const struct batch_view *batch,
                      struct codec_contexts *contexts, uint32_t record_bytes_max);
MUST_CHECK int record_walk_next(struct record_walk *walk, struct record *out);
void record_walk_deinit(struct record_walk *walk);

/* The first record with at least this timestamp, not below start_offset. Keys, values and headers are passed over, so that memory
 * does not grow with a record. Returns 1; 0: none has it; -ERR_LIMIT: not before passed_bytes_max of records, uncompressed,
 * were passed, and that is as far as was looked; else as record_walk_next. */
struct batch_time_search {
    int64_t timestamp;
    int64_t start_offset;
    uint64_t passed_bytes_max;
    struct codec_contexts *contexts; /* borrowed; may be NULL */
};
struct batch_time_found {
    int64_t offset;
    int64_t timestamp;
};
MUST_CHECK int batch_find_time(const struct batch_view *batch,
                               const struct batch_time_search *search,
                               struct batch_time_found *out);

/* Decodes the headers of a record; out (header_count of them) lives in the arena, its bytes are borrowed
 * from the record. Returns the count, -ERR_MALFORMED, -ERR_OVERRUN or -ERR_LIMIT (arena full). A record from a walk
 * has sound headers, so only the last can happen to it. */
MUST_CHECK int record_headers(const struct record *record, struct arena *arena,
                              struct record_header **out);

/* Builds one batch. Records are appended uncompressed, then sealed with a codec.
 *   batch_builder_init(&b, &options) … batch_builder_add(&b, …) … batch_builder_finish(&b) → whole batch */
struct batch_options {
    int64_t base_offset;
    int32_t leader_epoch; /* -1 for clients */
    int16_t attributes;   /* timestamp type, transactional, control; the codec comes from `codec` */
    enum codec codec;
    int codec_level;        /* COMPRESS_LEVEL_DEFAULT */
    int64_t append_time_ms; /* with BATCH_LOG_APPEND_TIME */
    int64_t producer_id;    /* -1 none */
    int16_t producer_epoch;
    int32_t base_sequence;
    size_t size_bytes_max;
    struct codec_contexts *contexts; /* borrowed; may be NULL */
};
struct batch_builder {
    struct batch_options options;
    struct buf out;    /* header space, then records */
    struct buf sealed; /* the batch, where a codec is used */
    int32_t record_count;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t last_offset_delta;
};
#define BATCH_OPTIONS_NONE                                                                         \
    ((struct batch_options){ .leader_epoch = -1,                                                   \
                             .producer_id = -1,                                                    \
                             .producer_epoch = -1,                                                 \
                             .base_sequence = -1,                                                  \
                             .codec_level = COMPRESS_LEVEL_DEFAULT,                                \
                             .size_bytes_max = INT32_MAX })

void batch_builder_init(struct batch_builder *b, const struct batch_options *options);
void batch_builder_deinit(struct batch_builder *b);
/* Begins the next batch in the same memory. */
void batch_builder_reset(struct batch_builder *b, const struct batch_options *options);
/* Offset deltas run 0, 1, 2 …; `batch_builder_add_at` chooses one (ascending). Key and value may be null; header keys may not.
 * -ERR_LIMIT past size_bytes_max (nothing changed). */
MUST_CHECK int batch_builder_add(struct batch_builder *b, int64_t timestamp_ms, struct bytes key,
                                 struct bytes value, const struct record_header *headers,
                                 int32_t header_count);
MUST_CHECK int batch_builder_add_at(struct batch_builder *b, int32_t offset_delta,
                                    int64_t timestamp_ms, struct bytes key, struct bytes value,
                                    const struct record_header *headers, int32_t header_count);
size_t batch_builder_size(const struct batch_builder *b); /* uncompressed, header included */
/* The whole batch, sealed, in the builder's memory; valid until deinit, reset or the next add. May be called again.
 * Returns 0, -ERR_INVALID_ARGUMENT (no record yet, or a level that the codec has not), or -ERR_LIMIT (incompressible
 * records that grew past size_bytes_max). */
MUST_CHECK int batch_builder_finish(struct batch_builder *b, struct bytes *out);
