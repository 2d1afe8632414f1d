/* A growing run of bytes that knows its maximum from birth, with a sticky error.
 *
 * Writes past size_max, or a failed reservation, set `failed`; later writes do nothing, and the
 * owner tests once at the end (buf_is_ok). What is put may not lie in the buf itself. Integers are written big-endian, as on Kafka's wire.
 */
#pragma once

#include "base/bytes.h"

struct buf {
    uint8_t *data; /* owned; NULL until the first write */
    size_t size;
    size_t capacity;
    size_t size_max;
    bool failed;
};

void buf_init(struct buf *buf, size_t size_max);
void buf_deinit(struct buf *buf); /* zeroed or released: fine */
void buf_clear(struct buf *buf);  /* forgets content and error, keeps the memory */
bool buf_is_ok(const struct buf *buf);
struct bytes buf_view(const struct buf *buf); /* borrowed until the next write */
uint8_t *buf_take(struct buf *buf); /* ownership moves to the caller (mem_free); buf is empty */

/* Space for exactly size_bytes more at the end, counted as written; NULL after failure. Valid until the next write. */
uint8_t *buf_extend(struct buf *buf, size_t size_bytes);
void buf_put(struct buf *buf, const void *bytes, size_t size_bytes);
void buf_put_bytes(struct buf *buf, struct bytes b);
void buf_put_text(struct buf *buf, const char *text);
void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_i16(struct buf *buf, int16_t value);
void buf_put_i32(struct buf *buf, int32_t value);
void buf_put_i64(struct buf *buf, int64_t value);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* JSON string literal with quotes and escapes; invalid UTF-8 is written as U+FFFD; null as null. */
void buf_put_json_string(struct buf *buf, struct bytes b);
