/* Frames of records: heads, types and versions that come from a log.
 *
 * Input: u8 which family, then
 *   metadata, remote log  the value
 *   coordinators          u8 size of the key, the key, the value
 * Properties: memory stays in proportion to the input, and what decodes encodes to the same message again.
 */
#include "fuzz.h"

#include "wire/record_frame.h"

#define AMPLIFICATION_MAX 128
#define SLACK_BYTES       4096
#define OUTPUT_BYTES_MAX  ((size_t)64 << 20)

static void check_frame(enum wire_kind kind, struct bytes value, struct arena *arena)
{
    struct framed_record record;
    if (record_frame_decode(kind, value, arena, &record, NULL) < 0)
        return;
    struct buf buf;
    buf_init(&buf, OUTPUT_BYTES_MAX);
    struct writer w = writer_to(&buf);
    ASSERT(record_frame_encode(record.message, record.version, record.value, &w, NULL) == 0);
    ASSERT(record_frame_size(record.message, record.version, record.value, NULL) ==
           (int64_t)buf.size);
    struct framed_record again;
    ASSERT(record_frame_decode(kind, buf_view(&buf), arena, &again, NULL) == 0);
    ASSERT(again.message == record.message && again.version == record.version);
    buf_deinit(&buf);
}

static void check_pair(enum wire_kind kind, struct bytes key, struct bytes value,
                       struct arena *arena)
{
    struct framed_record key_record;
    struct framed_record value_record;
    if (coordinator_key_decode(kind, key, arena, &key_record, NULL) < 0)
        return;
    ASSERT(key_record.message->kind == kind);
    if (coordinator_value_decode(&key_record, value, arena, &value_record, NULL) < 0)
        return;
    ASSERT(value_record.message->id == key_record.message->id);
    struct buf buf;
    buf_init(&buf, OUTPUT_BYTES_MAX);
    struct writer w = writer_to(&buf);
    ASSERT(coordinator_key_encode(key_record.message, key_record.value, &w, NULL) == 0);
    ASSERT(coordinator_value_encode(value_record.message, value_record.version, value_record.value,
                                    &w, NULL) == 0);
    buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum wire_kind kinds[] = { WIRE_KIND_METADATA_RECORD, WIRE_KIND_REMOTE_LOG_RECORD,
                                            WIRE_KIND_GROUP_KEY, WIRE_KIND_TRANSACTION_KEY,
                                            WIRE_KIND_SHARE_KEY };
    if (size < 2)
        return 0;
    const enum wire_kind kind = kinds[data[0] % ARRAY_LEN(kinds)];
    struct arena arena;
    arena_init(&arena,
               2 * (AMPLIFICATION_MAX * size + SLACK_BYTES)); /* the frame is decoded twice */
    if (kind == WIRE_KIND_METADATA_RECORD || kind == WIRE_KIND_REMOTE_LOG_RECORD) {
        check_frame(kind, bytes_from(data + 1, size - 1), &arena);
    } else {
        const struct bytes rest = bytes_from(data + 2, size - 2);
        const size_t key_size = MIN((size_t)data[1], rest.size);
        check_pair(kind, bytes_slice(rest, 0, key_size),
                   bytes_slice(rest, key_size, rest.size - key_size), &arena);
    }
    arena_deinit(&arena);
    return 0;
}
