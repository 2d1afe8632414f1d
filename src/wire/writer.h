/* Writing Kafka's primitive types to a bounded buffer, with gaps for bytes that live elsewhere.
 *
 * A gap stands for a file region of a fetch response: its size is counted in lengths and prefixes,
 * its bytes are sent by io from the file. Errors are sticky (buf.failed).
 */
#pragma once

#include "base/buf.h"
#include "base/uuid.h"

struct writer_gap {
    size_t position;   /* in the buffer: the region's bytes come before the byte at this position */
    size_t size_bytes; /* of the region */
    void *region;      /* borrowed, opaque to wire */
};

struct writer {
    struct buf *out; /* borrowed */
    struct writer_gap *gaps;
    uint32_t gap_count;
    uint32_t gap_count_max; /* a gap past it sets buf.failed */
};

struct writer writer_to(struct buf *out);
struct writer writer_with_gaps(struct buf *out, struct writer_gap *gaps, uint32_t gap_count_max);

void write_i8(struct writer *w, int8_t value);
void write_i16(struct writer *w, int16_t value);
void write_i32(struct writer *w, int32_t value);
void write_i64(struct writer *w, int64_t value);
void write_f64(struct writer *w, double value);
void write_bool(struct writer *w, bool value);
void write_uuid(struct writer *w, struct uuid value);
void write_uvarint(struct writer *w, uint32_t value);
void write_varint(struct writer *w, int32_t value);
void write_varlong(struct writer *w, int64_t value);
void write_run(struct writer *w, struct bytes run);
void write_gap(struct writer *w, void *region, size_t size_bytes);

uint32_t uvarint_size(uint32_t value);
uint32_t varint_size(int32_t value);
uint32_t varlong_size(int64_t value);
