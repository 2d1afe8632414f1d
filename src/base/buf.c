/* A growing run of bytes with a maximum and a sticky error. See buf.h. */
#include "base/buf.h"

#include "base/be.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CAPACITY_FIRST ((size_t)64)

void buf_init(struct buf *buf, size_t size_max)
{
    *buf = (struct buf){ .size_max = size_max };
}

void buf_deinit(struct buf *buf)
{
    mem_free(buf->data);
    buf_init(buf, buf->size_max);
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->failed = false;
}

bool buf_is_ok(const struct buf *buf)
{
    return !buf->failed;
}

struct bytes buf_view(const struct buf *buf)
{
    return buf->data == NULL ? BYTES_LITERAL("") : bytes_from(buf->data, buf->size);
}

uint8_t *buf_take(struct buf *buf)
{
    uint8_t *data = TAKE(buf->data);
    buf->size = 0;
    buf->capacity = 0;
    return data;
}

/* Makes room for size_bytes more, and always for one byte after them, which printf needs for its NUL. */
static bool reserve(struct buf *buf, size_t size_bytes)
{
    if (buf->failed || size_bytes > buf->size_max - buf->size) {
        buf->failed = true;
        return false;
    }
    if (buf->data == NULL || size_bytes > buf->capacity - buf->size) {
        const size_t doubled =
            buf->capacity > buf->size_max / 2 ? buf->size_max : buf->capacity * 2;
        const size_t wanted = MAX(MAX(buf->size + size_bytes, doubled), CAPACITY_FIRST);
        buf->capacity = MIN(wanted, buf->size_max);
        buf->data = mem_realloc(buf->data, MIN(buf->capacity, SIZE_MAX - 1) + 1);
    }
    return true;
}

uint8_t *buf_extend(struct buf *buf, size_t size_bytes)
{
    if (!reserve(buf, size_bytes))
        return NULL;
    uint8_t *out = buf->data + buf->size;
    buf->size += size_bytes;
    return out;
}

void buf_put(struct buf *buf, const void *bytes, size_t size_bytes)
{
    uint8_t *out = buf_extend(buf, size_bytes);
    if (out != NULL && size_bytes > 0)
        memcpy(out, bytes, size_bytes);
}

void buf_put_bytes(struct buf *buf, struct bytes b)
{
    buf_put(buf, b.data, b.size);
}

void buf_put_text(struct buf *buf, const char *text)
{
    buf_put(buf, text, strlen(text));
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
    buf_put(buf, &value, 1);
}

void buf_put_i16(struct buf *buf, int16_t value)
{
    uint8_t bytes[2];
    be_store_u16(bytes, (uint16_t)value);
    buf_put(buf, bytes, sizeof(bytes));
}

void buf_put_i32(struct buf *buf, int32_t value)
{
    uint8_t bytes[4];
    be_store_u32(bytes, (uint32_t)value);
    buf_put(buf, bytes, sizeof(bytes));
}

void buf_put_i64(struct buf *buf, int64_t value)
{
    uint8_t bytes[8];
    be_store_u64(bytes, (uint64_t)value);
    buf_put(buf, bytes, sizeof(bytes));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(length >= 0);
    uint8_t *out = buf_extend(buf, (size_t)length);
    if (out != NULL)
        (void)vsnprintf((char *)out, (size_t)length + 1, format, again); /* measured above */
    va_end(again);
}

static void put_json_byte(struct buf *buf, uint8_t c)
{
    static const char escaped[] = "\"\\\b\f\n\r\t";
    static const char letter[] = "\"\\bfnrt";
    const char *place = c == '\0' ? NULL : strchr(escaped, c);
    if (place != NULL) {
        buf_put_u8(buf, '\\');
        buf_put_u8(buf, (uint8_t)letter[place - escaped]);
    } else if (c < 0x20) {
        buf_printf(buf, "\\u%04x", c);
    } else {
        buf_put_u8(buf, c);
    }
}

void buf_put_json_string(struct buf *buf, struct bytes b)
{
    if (b.data == NULL) {
        buf_put_text(buf, "null");
        return;
    }
    buf_put_u8(buf, '"');
    while (b.size > 0 && !buf->failed) {
        const int step = bytes_utf8_step(b);
        if (step == 1)
            put_json_byte(buf, b.data[0]);
        else if (step > 1)
            buf_put(buf, b.data, (size_t)step);
        else
            buf_put_text(buf, "\xef\xbf\xbd");
        b = bytes_slice(b, (size_t)(step < 0 ? -step : step), b.size);
    }
    buf_put_u8(buf, '"');
}
