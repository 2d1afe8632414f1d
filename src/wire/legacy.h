/* Message sets: the record formats of magic 0 and 1, as old log segments still hold them.
 *
 * Apache Kafka 4.3.1 takes none from producers (a Produce request must carry magic 2), but reads them: recovery checks
 * them like any batch, a fetch sends them as they are, consumers and the dump tool walk them, compaction
 * keeps or rewrites them. None is ever written here.
 *
 *   byte  0  offset         i64   of the last message inside, where compressed
 *         8  message_size   i32   bytes after this field
 *        12  crc            u32   CRC-32 (IEEE) of byte 16 to the end
 *        16  magic          i8    0 or 1
 *        17  attributes     i8    bits 0-2 codec (no zstd), 3 timestamp type (magic 1)
 *        18  timestamp      i64   magic 1 only
 *   18 / 26  key length i32 (-1 null), key, value length i32 (-1 null), value
 *
 * A message with a codec is a wrapper: its value decompresses to a message set. Inner offsets are absolute in
 * magic 0; in magic 1 they run from 0 relative to the first (KIP-31), and where the wrapper's type is LogAppendTime the
 * wrapper's timestamp is that of every message inside (KIP-32).
 *
 * A view borrows. Threads: none shared.
 */
#pragma once

#include "wire/batch.h"

#define LEGACY_OVERHEAD_BYTES_0 26 /* of a message without key and value, magic 0 */
#define LEGACY_OVERHEAD_BYTES_1 34

struct legacy_view {
    struct bytes bytes; /* the whole message, offset and size included */
    int64_t offset;     /* the last offset of the "batch" */
    int8_t magic;
    int8_t attributes;
    uint32_t crc;
    int64_t timestamp; /* -1 in magic 0; also the largest one inside, as recovery takes it */
    struct bytes key;
    struct bytes value;
};

static inline enum codec legacy_codec(const struct legacy_view *view)
{
    return (enum codec)(view->attributes & BATCH_CODEC_MASK);
}
static inline bool legacy_is_log_append_time(const struct legacy_view *view)
{
    return view->magic == 1 && (view->attributes & BATCH_LOG_APPEND_TIME) != 0;
}

/* The first message of input. Checks lengths and magic, not the CRC.
 * Returns its size in bytes; -ERR_OVERRUN when input ends before it does; -ERR_CORRUPT for an impossible size,
 * or a key or value that does not fit it; -ERR_VERSION for a magic other than 0 and 1. */
MUST_CHECK int legacy_parse(struct bytes input, struct legacy_view *out);

/* 0 or -ERR_CORRUPT. */
MUST_CHECK int legacy_check_crc(const struct legacy_view *view);

/* The first offset inside: walks a wrapper. Returns 0 or as legacy_walk_next. */
MUST_CHECK int legacy_base_offset(const struct legacy_view *view, struct codec_contexts *contexts,
                                  uint32_t record_bytes_max, int64_t *out);

/* Walks what one message stands for: itself, or the messages of a wrapper, decompressed in bounded chunks. A magic 1
 * wrapper is decompressed twice, because its offsets count back from the last. As Apache Kafka does:
 * a message cut off by the end of a wrapper's value is left out; inner CRCs are not looked at. */
struct legacy_walk {
    struct legacy_view outer;
    struct codec_contexts *contexts; /* borrowed; may be NULL */
    struct compress_window window;   /* closed: not a wrapper, or not begun */
    uint32_t record_bytes_max;
    int64_t base_offset; /* of a magic 1 wrapper: what inner offsets are relative to */
    int32_t index;       /* of the next message */
    struct legacy_view
        inner; /* what the last record was made from; its bytes as long as the record's */
    bool is_begun;
    int error;
};
/* The view's bytes and contexts are borrowed until deinit. */
void legacy_walk_init(struct legacy_walk *walk, const struct legacy_view *view,
                      struct codec_contexts *contexts, uint32_t record_bytes_max);
/* 1; 0 after the last; then and ever after -ERR_CORRUPT (codec, sizes, no message inside, a wrapper inside a wrapper, an offset
 * below that of its messages), -ERR_UNSUPPORTED (zstd, or no codec), -ERR_LIMIT (a message past record_bytes_max).
 * out->headers is empty; key and value are valid until the next call. */
MUST_CHECK int legacy_walk_next(struct legacy_walk *walk, struct record *out);
void legacy_walk_deinit(struct legacy_walk *walk);
