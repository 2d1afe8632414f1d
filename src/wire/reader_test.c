/* Reading and writing of primitive types. */
#include "wire/reader.h"

#include "base/test.h"
#include "wire/writer.h"

#include <string.h>

/* One of each, as a message would hold them. */
static void write_all(struct writer *w)
{
    write_i8(w, -3);
    write_i16(w, -1234);
    write_i32(w, INT32_MIN);
    write_i64(w, INT64_MAX);
    write_f64(w, -0.1);
    write_bool(w, true);
    write_uuid(w, (struct uuid){ { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } });
    write_uvarint(w, 300);
    write_varint(w, -65);
    write_varlong(w, INT64_MIN);
    write_run(w, BYTES_LITERAL("run"));
}

static bool all_is_read(struct reader *r)
{
    bool same = read_i8(r) == -3;
    same &= read_i16(r) == -1234;
    same &= read_i32(r) == INT32_MIN;
    same &= read_i64(r) == INT64_MAX;
    const double real = read_f64(r);
    same &= real < -0.09 && real > -0.11;
    same &= read_bool(r);
    same &= read_uuid(r).bytes[15] == 16;
    same &= read_uvarint(r) == 300;
    same &= read_varint(r) == -65;
    same &= read_varlong(r) == INT64_MIN;
    same &= bytes_equal(read_run(r, 3), BYTES_LITERAL("run"));
    return same;
}

TEST(reader, reads_what_the_writer_wrote)
{
    struct buf buf;
    buf_init(&buf, 1024);
    struct writer w = writer_to(&buf);
    write_all(&w);
    struct reader r = reader_from(buf_view(&buf));
    EXPECT(all_is_read(&r));
    EXPECT(reader_is_ok(&r));
    EXPECT_EQ(reader_left(&r), 0);
    buf_deinit(&buf);
}

TEST(reader, yields_zero_and_stays_in_error_at_every_cut)
{
    struct buf buf;
    buf_init(&buf, 1024);
    struct writer w = writer_to(&buf);
    write_all(&w);
    for (size_t cut = 0; cut < buf.size; cut++) {
        struct reader r = reader_from(bytes_slice(buf_view(&buf), 0, cut));
        EXPECT(!all_is_read(&r));
        EXPECT_EQ(r.error, -ERR_OVERRUN);
        EXPECT(r.position <= cut);
        EXPECT_EQ(read_i64(&r), 0);
        EXPECT(bytes_is_null(read_run(&r, 0)));
    }
    buf_deinit(&buf);
}

static struct reader reader_of(const uint8_t *bytes, size_t size)
{
    return reader_from(bytes_from(bytes, size));
}

TEST(reader, refuses_variable_numbers_that_do_not_end)
{
    static const uint8_t ones[11] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff };
    struct reader r = reader_of(ones, sizeof(ones));
    EXPECT_EQ(read_uvarint(&r), 0);
    EXPECT_EQ(r.error, -ERR_MALFORMED);
    EXPECT_EQ(r.position, 0);
    r = reader_of(ones, sizeof(ones));
    EXPECT_EQ(read_varlong(&r), 0);
    EXPECT_EQ(r.error, -ERR_MALFORMED);
    r = reader_of(ones, 4);
    EXPECT_EQ(read_uvarint(&r), 0);
    EXPECT_EQ(r.error, -ERR_OVERRUN);
}

/* Kafka drops the bits that do not fit; clients that pad their numbers are understood as it does. */
TEST(reader, takes_padded_numbers_and_drops_bits_beyond_the_type)
{
    static const uint8_t padded[] = { 0x81, 0x80, 0x00 };
    struct reader r = reader_of(padded, sizeof(padded));
    EXPECT_EQ(read_uvarint(&r), 1);
    EXPECT_EQ(reader_left(&r), 0);
    static const uint8_t wide[] = { 0xff, 0xff, 0xff, 0xff, 0x7f };
    r = reader_of(wide, sizeof(wide));
    EXPECT_EQ(read_uvarint(&r), UINT32_MAX);
    EXPECT(reader_is_ok(&r));
}

TEST(reader, keeps_the_first_failure)
{
    struct reader r = reader_from(BYTES_NULL);
    reader_fail(&r, -ERR_LIMIT);
    (void)read_i32(&r);
    reader_fail(&r, -ERR_MALFORMED);
    EXPECT_EQ(r.error, -ERR_LIMIT);
}

TEST(writer, announces_the_size_of_variable_numbers)
{
    struct buf buf;
    buf_init(&buf, 64);
    for (uint32_t bit = 0; bit < 64; bit++) {
        for (int64_t step = -1; step <= 1; step++) {
            const int64_t value = (int64_t)((UINT64_C(1) << bit) + (uint64_t)step);
            buf_clear(&buf);
            struct writer w = writer_to(&buf);
            write_varlong(&w, value);
            EXPECT_EQ(varlong_size(value), buf.size);
            struct reader r = reader_from(buf_view(&buf));
            EXPECT_EQ(read_varlong(&r), value);
            buf_clear(&buf);
            write_varint(&w, (int32_t)value);
            EXPECT_EQ(varint_size((int32_t)value), buf.size);
            r = reader_from(buf_view(&buf));
            EXPECT_EQ(read_varint(&r), (int32_t)value);
            buf_clear(&buf);
            write_uvarint(&w, (uint32_t)value);
            EXPECT_EQ(uvarint_size((uint32_t)value), buf.size);
            r = reader_from(buf_view(&buf));
            EXPECT_EQ(read_uvarint(&r), (uint32_t)value);
        }
    }
    buf_deinit(&buf);
}

TEST(writer, notes_gaps_and_fails_when_there_is_no_place_for_one)
{
    struct buf buf;
    buf_init(&buf, 64);
    struct writer_gap gaps[1];
    struct writer w = writer_with_gaps(&buf, gaps, ARRAY_LEN(gaps));
    int region;
    write_i32(&w, 7);
    write_gap(&w, &region, 100);
    EXPECT(buf_is_ok(&buf));
    EXPECT_EQ(w.gap_count, 1);
    EXPECT_EQ(gaps[0].position, 4);
    EXPECT_EQ(gaps[0].size_bytes, 100);
    EXPECT(gaps[0].region == &region);
    write_gap(&w, &region, 1);
    EXPECT(!buf_is_ok(&buf));
    EXPECT_EQ(w.gap_count, 1);
    buf_deinit(&buf);
}
