/* Batches that other programs wrote: see tests/data/batches/README.md. */
#include "base/arena.h"
#include "base/mem.h"
#include "base/test.h"
#include "wire/batch_validate.h"
#include "wire/control_record.h"
#include "wire/legacy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RECORD_COUNT    40
#define BASE_TIME       INT64_C(1700000000000)
#define FILE_BYTES_MAX  (1 << 20)
#define ARENA_BYTES_MAX ((size_t)1 << 20)

static const char *const codecs[] = { "none", "gzip", "snappy", "lz4", "zstd" };

struct fixture {
    struct arena arena;
    struct bytes file;
};

static struct fixture fixture_read(const char *format, ...) PRINTF_LIKE(1, 2);
static struct fixture fixture_read(const char *format, ...)
{
    char name[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof(name), format, args);
    va_end(args);

    struct fixture f;
    arena_init(&f.arena, 2 * ARENA_BYTES_MAX);
    char *path = arena_printf(&f.arena, "%s/%s", BATCH_DATA_DIR, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        test_fail(__FILE__, __LINE__, "cannot open %s", path);
    uint8_t *data = arena_alloc(&f.arena, FILE_BYTES_MAX);
    f.file = bytes_from(data, fread(data, 1, FILE_BYTES_MAX, file));
    EXPECT(f.file.size > 0 && f.file.size < FILE_BYTES_MAX);
    (void)fclose(file); /* only read */
    return f;
}

static void fixture_release(struct fixture *f)
{
    arena_deinit(&f->arena);
}

/* The recipe of the README. */
static struct bytes recipe_key(struct arena *arena, int i)
{
    return i % 5 == 0 ? BYTES_NULL : bytes_from_text(arena_printf(arena, "key-%d", i));
}

static struct bytes recipe_value(struct arena *arena, int i)
{
    if (i % 7 == 6)
        return BYTES_NULL;
    char *value = arena_printf(arena, "value-%d ", i);
    const char *word = value;
    for (int n = 0; n < i % 13; n++)
        value = arena_printf(arena, "%s%s", value, word);
    return bytes_from_text(value);
}

static int32_t recipe_headers(struct arena *arena, int i, bool is_java, struct record_header out[2])
{
    if (!is_java) {
        out[0] = (struct record_header){ BYTES_LITERAL("h"), BYTES_LITERAL("1") };
        return 1;
    }
    if (i % 3 != 0)
        return 0;
    out[0] =
        (struct record_header){ BYTES_LITERAL("h"), bytes_from_text(arena_printf(arena, "%d", i)) };
    out[1] = (struct record_header){ BYTES_LITERAL("empty"), BYTES_NULL };
    return i % 6 == 0 ? 2 : 1;
}

static void expect_key_and_value(const struct record *record, struct arena *arena, int i)
{
    EXPECT_BYTES(record->key, recipe_key(arena, i));
    EXPECT_BYTES(record->value, recipe_value(arena, i));
    EXPECT_EQ(bytes_is_null(record->key), i % 5 == 0);
    EXPECT_EQ(bytes_is_null(record->value), i % 7 == 6);
}

static void expect_headers(const struct record *record, struct arena *arena, int i, bool is_java)
{
    struct record_header *headers;
    struct record_header wanted[2];
    const int32_t count = recipe_headers(arena, i, is_java, wanted);
    EXPECT_EQ(record_headers(record, arena, &headers), count);
    for (int32_t h = 0; h < count; h++) {
        EXPECT_BYTES(headers[h].key, wanted[h].key);
        EXPECT_BYTES(headers[h].value, wanted[h].value);
        EXPECT_EQ(bytes_is_null(headers[h].value), bytes_is_null(wanted[h].value));
    }
}

/* Takes the first batch off the file: whole, with a right CRC. */
static struct batch_view take_batch(struct bytes *file)
{
    struct batch_view view;
    const int size = batch_parse(*file, &view);
    EXPECT(size > 0);
    EXPECT_OK(batch_check_crc(&view));
    *file = bytes_slice(*file, (size_t)size, SIZE_MAX);
    return view;
}

static struct batch_rules rules_of_client(void)
{
    return (struct batch_rules){ .is_from_client = true,
                                 .now_ms = INT64_MAX / 2,
                                 .timestamp_before_max_ms = INT64_MAX,
                                 .timestamp_after_max_ms = 3600000,
                                 .uncompressed_bytes_max = BATCH_UNCOMPRESSED_BYTES_MAX };
}

/* Walks all batches of the file, whose records are the recipe's. Librdkafka may have cut them into several batches. */
static void expect_recipe(struct fixture *f, enum codec codec, bool is_java)
{
    struct bytes rest = f->file;
    int i = 0;
    while (rest.size > 0) {
        const struct batch_view view = take_batch(&rest);
        EXPECT_EQ(batch_codec(&view), codec);
        const struct batch_rules rules = rules_of_client();
        struct batch_verdict verdict;
        EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_SOUND);
        EXPECT(verdict.are_deltas_consecutive);
        EXPECT_EQ(verdict.max_timestamp, view.max_timestamp);
        EXPECT_EQ(view.base_offset, i);

        struct record record;
        AUTO(record_walk_deinit) struct record_walk walk;
        record_walk_init(&walk, &view, NULL, 10000);
        int r;
        for (; (r = record_walk_next(&walk, &record)) > 0; i++) {
            EXPECT_EQ(record.offset, i);
            expect_key_and_value(&record, &f->arena, i);
            expect_headers(&record, &f->arena, i, is_java);
            if (is_java)
                EXPECT_EQ(record.timestamp, BASE_TIME + i * 10);
        }
        EXPECT_EQ(r, 0);
    }
    EXPECT_EQ(i, RECORD_COUNT);
}

TEST(batch_fixture, java_producer_with_every_codec)
{
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        AUTO(fixture_release) struct fixture f = fixture_read("java-%s.log", codecs[codec]);
        expect_recipe(&f, codec, true);
    }
}

TEST(batch_fixture, librdkafka_with_every_codec)
{
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        AUTO(fixture_release) struct fixture f = fixture_read("kcat-%s.log", codecs[codec]);
        expect_recipe(&f, codec, false);
    }
}

/* What is built here of the same records has the same bytes as the Java producer's; and the leader's stamp has
 * the same effect: the time of all records is that of the append. */
TEST(batch_fixture, the_builder_writes_what_java_writes)
{
    AUTO(fixture_release) struct fixture f = fixture_read("java-none.log");
    struct bytes rest = f.file;
    const struct batch_view wanted = take_batch(&rest);
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.leader_epoch = wanted.leader_epoch;
    options.producer_id = wanted.producer_id;
    options.producer_epoch = wanted.producer_epoch;
    options.base_sequence = wanted.base_sequence;
    AUTO(batch_builder_deinit) struct batch_builder b;
    batch_builder_init(&b, &options);
    for (int i = 0; i < RECORD_COUNT; i++) {
        struct record_header headers[2];
        const int32_t count = recipe_headers(&f.arena, i, true, headers);
        EXPECT_OK(batch_builder_add(&b, BASE_TIME + i * 10, recipe_key(&f.arena, i),
                                    recipe_value(&f.arena, i), headers, count));
    }
    struct bytes batch;
    EXPECT_OK(batch_builder_finish(&b, &batch));
    EXPECT_BYTES(batch, wanted.bytes);

    AUTO(fixture_release) struct fixture stamped = fixture_read("java-append-time.log");
    rest = stamped.file;
    const struct batch_view view = take_batch(&rest);
    EXPECT_EQ(view.attributes, BATCH_LOG_APPEND_TIME | CODEC_LZ4);
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, &view, NULL, 10000);
    struct record record;
    for (int i = 0; i < RECORD_COUNT; i++) {
        EXPECT_EQ(record_walk_next(&walk, &record), 1);
        EXPECT_EQ(record.timestamp, view.max_timestamp);
        expect_key_and_value(&record, &stamped.arena, i);
    }
    EXPECT_EQ(record_walk_next(&walk, &record), 0);
    uint8_t *copy = mem_dup(view.bytes.data, view.bytes.size);
    batch_set_create_time(copy, BASE_TIME + 390);
    batch_set_append_time(copy, view.max_timestamp);
    batch_seal(copy, view.bytes.size);
    EXPECT_BYTES(bytes_from(copy, view.bytes.size), view.bytes);
    mem_free(copy);
}

/* A committed and an aborted transaction; the markers are those that are made here, byte for byte. */
TEST(batch_fixture, transactions_and_their_markers)
{
    static const enum control_type types[] = { CONTROL_COMMIT, CONTROL_ABORT };
    AUTO(fixture_release) struct fixture f = fixture_read("java-transaction.log");
    struct bytes rest = f.file;
    for (int i = 0; i < 2; i++) {
        const struct batch_view data = take_batch(&rest);
        EXPECT_EQ(data.attributes, BATCH_TRANSACTIONAL | CODEC_ZSTD);
        EXPECT_EQ(data.record_count, RECORD_COUNT);
        const struct batch_view marker = take_batch(&rest);
        EXPECT_EQ(marker.attributes, BATCH_TRANSACTIONAL | BATCH_CONTROL);
        EXPECT_EQ(marker.producer_id, data.producer_id);

        struct record record;
        enum control_type type;
        struct transaction_marker ours = {
            .base_offset = marker.base_offset,
            .leader_epoch = marker.leader_epoch,
            .timestamp_ms = marker.base_timestamp,
            .producer_id = marker.producer_id,
            .producer_epoch = marker.producer_epoch,
        };
        AUTO(record_walk_deinit) struct record_walk walk;
        record_walk_init(&walk, &marker, NULL, 1000);
        EXPECT_EQ(record_walk_next(&walk, &record), 1);
        EXPECT_OK(control_record_parse(record.key, &type));
        EXPECT_EQ(type, types[i]);
        EXPECT_OK(transaction_marker_parse(record.value, &ours.coordinator_epoch));
        ours.type = type;
        uint8_t bytes[TRANSACTION_MARKER_BYTES];
        transaction_marker_encode(&ours, bytes);
        EXPECT_BYTES(bytes_from(bytes, sizeof(bytes)), marker.bytes);
    }
    EXPECT_EQ(rest.size, 0);
}

/* Copies a control batch record by record and expects its bytes. */
static void expect_control_batch_is_ours(const struct batch_view *view)
{
    struct record record;
    enum control_type type;
    AUTO(batch_builder_deinit) struct batch_builder b;
    control_batch_init(&b, view->base_offset, view->leader_epoch, FILE_BYTES_MAX);
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, view, NULL, 1000);
    int r;
    while ((r = record_walk_next(&walk, &record)) > 0) {
        EXPECT_OK(control_record_parse(record.key, &type));
        EXPECT_OK(control_batch_add(&b, type, record.timestamp, record.value));
    }
    EXPECT_EQ(r, 0);
    struct bytes batch;
    EXPECT_OK(batch_builder_finish(&b, &batch));
    EXPECT_BYTES(batch, view->bytes);
}

/* A quorum's first snapshot and the beginning of its log. */
TEST(batch_fixture, control_records_of_a_quorum)
{
    static const enum control_type types[] = { CONTROL_SNAPSHOT_HEADER, CONTROL_KRAFT_VERSION,
                                               CONTROL_KRAFT_VOTERS, CONTROL_SNAPSHOT_FOOTER };
    AUTO(fixture_release) struct fixture f = fixture_read("metadata.checkpoint");
    struct bytes rest = f.file;
    int i = 0;
    while (rest.size > 0) {
        const struct batch_view view = take_batch(&rest);
        EXPECT_EQ(view.attributes, BATCH_CONTROL);
        expect_control_batch_is_ours(&view);
        struct record record;
        AUTO(record_walk_deinit) struct record_walk walk;
        record_walk_init(&walk, &view, NULL, 1000);
        int r;
        for (; (r = record_walk_next(&walk, &record)) > 0; i++) {
            enum control_type type;
            EXPECT_OK(control_record_parse(record.key, &type));
            EXPECT_EQ(type, types[i]);
        }
        EXPECT_EQ(r, 0);
    }
    EXPECT_EQ(i, ARRAY_LEN(types));

    AUTO(fixture_release) struct fixture log = fixture_read("metadata.log");
    rest = log.file;
    const struct batch_view first = take_batch(&rest);
    EXPECT_EQ(first.attributes, BATCH_CONTROL);
    expect_control_batch_is_ours(&first);
    struct batch_view view;
    int r;
    while ((r = batch_parse(rest, &view)) > 0)
        (void)take_batch(&rest);
    EXPECT_EQ(r, -ERR_OVERRUN);
}

static void expect_legacy(const char *name, int8_t magic, enum codec codec, int64_t append_time)
{
    AUTO(fixture_release) struct fixture f = fixture_read("%s", name);
    struct bytes rest = f.file;
    struct legacy_view view;
    int64_t base_offset;
    int i = 0;
    while (rest.size > 0) {
        const int size = legacy_parse(rest, &view);
        EXPECT(size > 0);
        EXPECT_OK(legacy_check_crc(&view));
        EXPECT_EQ(view.magic, magic);
        EXPECT_EQ(legacy_codec(&view), codec);
        EXPECT_EQ(view.offset, codec == CODEC_NONE ? 1000 + i : 1000 + RECORD_COUNT - 1);
        EXPECT_OK(legacy_base_offset(&view, NULL, 10000, &base_offset));
        EXPECT_EQ(base_offset, 1000 + i);
        EXPECT_EQ(legacy_is_log_append_time(&view), append_time > 0);
        rest = bytes_slice(rest, (size_t)size, SIZE_MAX);

        struct record record;
        AUTO(legacy_walk_deinit) struct legacy_walk walk;
        legacy_walk_init(&walk, &view, NULL, 10000);
        int r;
        for (; (r = legacy_walk_next(&walk, &record)) > 0; i++) {
            EXPECT_EQ(record.offset, 1000 + i);
            expect_key_and_value(&record, &f.arena, i);
            EXPECT_EQ(record.header_count, 0);
            EXPECT_EQ(record.timestamp, magic == 0        ? -1
                                        : append_time > 0 ? append_time
                                                          : BASE_TIME + i * 10);
            EXPECT(record.timestamp <= view.timestamp);
        }
        EXPECT_EQ(r, 0);
    }
    EXPECT_EQ(i, RECORD_COUNT);
}

/* Magic 0 with lz4 has a header checksum that is wrong by today's rules. */
TEST(batch_fixture, message_sets_of_every_codec)
{
    for (int8_t magic = 0; magic < 2; magic++) {
        for (enum codec codec = CODEC_NONE; codec < CODEC_ZSTD; codec++) {
            char name[64];
            (void)snprintf(name, sizeof(name), "magic-%d-%s.log", magic, codecs[codec]);
            expect_legacy(name, magic, codec, 0);
        }
    }
    expect_legacy("magic-1-lz4-append-time.log", 1, CODEC_LZ4, BASE_TIME + 12345);
}
