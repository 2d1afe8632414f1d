/* Reading Kafka's primitive types from a run of bytes that knows its end, with a sticky error.
 *
 * After the first overrun or malformed value every read yields zero or null and moves nothing; the
 * caller tests once (reader_is_ok). Nothing is copied: runs of bytes point into the input.
 * Source: Kafka protocol guide, "Protocol Primitive Types"; KIP-482 for the compact forms.
 */
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"

struct reader {
    const uint8_t *data;
    size_t size;
    size_t position;
    int error; /* 0, -ERR_OVERRUN, -ERR_MALFORMED or -ERR_LIMIT; the first one stays */
};

struct reader reader_from(struct bytes input);
bool reader_is_ok(const struct reader *r);
size_t reader_left(const struct reader *r);
void reader_fail(struct reader *r, int code); /* keeps the first code */

int8_t read_i8(struct reader *r);
int16_t read_i16(struct reader *r);
uint16_t read_u16(struct reader *r);
int32_t read_i32(struct reader *r);
uint32_t read_u32(struct reader *r);
int64_t read_i64(struct reader *r);
double read_f64(struct reader *r);
bool read_bool(struct reader *r); /* any byte but 0 is true, as in Kafka */
struct uuid read_uuid(struct reader *r);
uint32_t read_uvarint(struct reader *r); /* at most 5 bytes; more is -ERR_MALFORMED */
int32_t read_varint(struct reader *r);   /* zig-zag */
int64_t read_varlong(struct reader *r);  /* zig-zag, at most 10 bytes */
struct bytes read_run(struct reader *r, size_t size_bytes); /* null when they are not there */
