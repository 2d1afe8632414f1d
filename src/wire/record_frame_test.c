/* Frames of records: round trips of every family, and heads that are not known. */
#include "wire/record_frame.h"

#include "base/test.h"
#include "wire/message_random.h"
#include "wire/messages/offset_commit_key.h"
#include "wire/messages/offset_commit_value.h"
#include "wire/messages/topic_record.h"

struct bench {
    struct arena arena;
    struct buf buf;
    struct writer writer;
    struct err_note note;
};

static void bench_init(struct bench *b)
{
    arena_init(&b->arena, (size_t)64 << 20);
    buf_init(&b->buf, (size_t)16 << 20);
    b->writer = writer_to(&b->buf);
    b->note.text[0] = '\0';
}

static void bench_deinit(struct bench *b)
{
    arena_deinit(&b->arena);
    buf_deinit(&b->buf);
}

TEST(record_frame, stands_before_a_topic_record_as_in_kafka)
{
    struct bench b;
    bench_init(&b);
    struct topic_record record = topic_record_default;
    record.name = BYTES_LITERAL("t");
    EXPECT_OK(record_frame_encode(&topic_record_message, 0, &record, &b.writer, &b.note));
    static const uint8_t wanted[] = { 1, 2, 0, 2, 't', 0, 0, 0, 0, 0, 0,
                                      0, 0, 0, 0, 0,   0, 0, 0, 0, 0, 0 };
    EXPECT_BYTES(buf_view(&b.buf), bytes_from(wanted, sizeof(wanted)));
    bench_deinit(&b);
}

TEST(record_frame, comes_back_for_every_record_and_version)
{
    struct bench b;
    bench_init(&b);
    struct rng rng = rng_from_seed(context->seed);
    uint32_t count;
    const struct wire_message *const *all = wire_messages(&count);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct wire_message *m = all[i];
        if (m->kind != WIRE_KIND_METADATA_RECORD && m->kind != WIRE_KIND_REMOTE_LOG_RECORD)
            continue;
        for (int16_t version = m->version_min; version <= m->version_max; version++, seen++) {
            void *in = arena_must_zalloc(&b.arena, 1, m->struct_bytes);
            wire_random(m, version, WIRE_RANDOM_FULL, &rng, &b.arena, in);
            EXPECT_OK(record_frame_encode(m, version, in, &b.writer, &b.note));
            EXPECT_EQ(record_frame_size(m, version, in, &b.note), b.buf.size);
            struct framed_record back;
            EXPECT_OK(record_frame_decode(m->kind, buf_view(&b.buf), &b.arena, &back, &b.note));
            EXPECT(back.message == m);
            EXPECT_EQ(back.version, version);
            for (size_t cut = 0; cut < b.buf.size; cut++)
                EXPECT(record_frame_decode(m->kind, bytes_slice(buf_view(&b.buf), 0, cut), &b.arena,
                                           &back, &b.note) < 0);
            buf_put_u8(&b.buf, 0);
            EXPECT_ERR(record_frame_decode(m->kind, buf_view(&b.buf), &b.arena, &back, &b.note),
                       ERR_MALFORMED);
            arena_reset(&b.arena);
            buf_clear(&b.buf);
        }
    }
    EXPECT(seen > 30);
    bench_deinit(&b);
}

TEST(record_frame, refuses_heads_that_it_does_not_know)
{
    static const struct {
        uint8_t bytes[5];
        int error;
        const char *words;
    } cases[] = {
        { { 0, 2, 0 }, ERR_VERSION, "record frame version 0: only 1 is known" },
        { { 2, 2, 0 }, ERR_VERSION, "record frame version 2: only 1 is known" },
        { { 1, 100, 0 }, ERR_UNKNOWN_RECORD, "record type 100 is not known" },
        { { 1, 13, 0 },
          ERR_UNKNOWN_RECORD,
          "record type 13 is not known" }, /* a gap among the types */
        { { 1, 2, 9 }, ERR_VERSION, "TopicRecord version 9: versions 0 to 0 are known" },
        { { 1, 2, 0x80, 0x80, 0x04 }, ERR_VERSION, "TopicRecord version 65536 is not known" },
    };
    struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct framed_record out;
        EXPECT_ERR(record_frame_decode(WIRE_KIND_METADATA_RECORD,
                                       bytes_from(cases[i].bytes, sizeof(cases[i].bytes)), &b.arena,
                                       &out, &b.note),
                   cases[i].error);
        EXPECT_TEXT(b.note.text, cases[i].words);
    }
    bench_deinit(&b);
}

TEST(record_frame, leads_committed_offsets_as_in_kafka)
{
    struct bench b;
    bench_init(&b);
    struct offset_commit_key key = offset_commit_key_default;
    key.group = BYTES_LITERAL("g");
    key.topic = BYTES_LITERAL("t");
    key.partition = 3;
    EXPECT_OK(coordinator_key_encode(&offset_commit_key_message, &key, &b.writer, &b.note));
    static const uint8_t key_bytes[] = { 0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 3 };
    EXPECT_BYTES(buf_view(&b.buf), bytes_from(key_bytes, sizeof(key_bytes)));
    struct framed_record key_back;
    EXPECT_OK(coordinator_key_decode(WIRE_KIND_GROUP_KEY, buf_view(&b.buf), &b.arena, &key_back,
                                     &b.note));
    EXPECT(key_back.message == &offset_commit_key_message);

    buf_clear(&b.buf);
    struct offset_commit_value value = offset_commit_value_default;
    value.offset = 5;
    EXPECT_OK(
        coordinator_value_encode(&offset_commit_value_message, 1, &value, &b.writer, &b.note));
    EXPECT_EQ(b.buf.data[1], 1);
    struct framed_record value_back;
    EXPECT_OK(
        coordinator_value_decode(&key_back, buf_view(&b.buf), &b.arena, &value_back, &b.note));
    EXPECT(value_back.message == &offset_commit_value_message);
    EXPECT_EQ(value_back.version, 1);
    EXPECT_EQ(((const struct offset_commit_value *)value_back.value)->offset, 5);
    bench_deinit(&b);
}

TEST(record_frame, refuses_keys_and_values_that_it_does_not_know)
{
    struct bench b;
    bench_init(&b);
    struct framed_record out;
    EXPECT_ERR(coordinator_key_decode(WIRE_KIND_GROUP_KEY, BYTES_LITERAL("\x7f\x7f"), &b.arena,
                                      &out, &b.note),
               ERR_UNKNOWN_RECORD);
    EXPECT_ERR(coordinator_key_decode(WIRE_KIND_SHARE_KEY, BYTES_LITERAL("\xff\xff"), &b.arena,
                                      &out, &b.note),
               ERR_UNKNOWN_RECORD);
    EXPECT_ERR(
        coordinator_key_decode(WIRE_KIND_GROUP_KEY, BYTES_LITERAL("\0"), &b.arena, &out, &b.note),
        ERR_OVERRUN);
    const struct framed_record key = { .message = &offset_commit_key_message };
    EXPECT_ERR(coordinator_value_decode(&key, BYTES_LITERAL("\0\x09"), &b.arena, &out, &b.note),
               ERR_VERSION);
    EXPECT_ERR(coordinator_value_decode(&key, BYTES_LITERAL("\0"), &b.arena, &out, &b.note),
               ERR_OVERRUN);
    bench_deinit(&b);
}

/* A key whose values nobody can read would be a hole in the schema. */
TEST(record_frame, knows_a_value_for_every_key)
{
    uint32_t count;
    const struct wire_message *const *all = wire_messages(&count);
    for (uint32_t i = 0; i < count; i++) {
        const struct wire_message *m = all[i];
        if (m->kind == WIRE_KIND_GROUP_KEY || m->kind == WIRE_KIND_TRANSACTION_KEY ||
            m->kind == WIRE_KIND_SHARE_KEY) {
            EXPECT(wire_record_by_type(m->kind, m->id) == m);
            EXPECT(wire_record_by_type(m->kind + 1, m->id) != NULL);
            EXPECT_EQ(m->version_min, m->version_max);
        }
    }
    EXPECT(wire_record_by_type(WIRE_KIND_REQUEST, 1) == NULL);
    EXPECT(wire_record_by_type(WIRE_KIND_GROUP_KEY, -1) == NULL);
}
