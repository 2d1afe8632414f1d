/* A metadata directory of Apache Kafka 4.3.1, loaded: its log from the first record, its snapshot, and both together. */
#include "base/fixture.h"
#include "base/mem.h"
#include "base/vec.h"
#include "metadata/bootstrap.h"
#include "metadata/sample_test.h"
#include "wire/batch.h"
#include "wire/record_frame.h"

#include <stdlib.h>
#include <string.h>

FIXTURE(whole_log, "metadata/__cluster_metadata-0/00000000000000000000.log");
FIXTURE(snapshot, "metadata/__cluster_metadata-0/00000000000000000108-0000000004.checkpoint");
FIXTURE(snapshot_text, "metadata/snapshot.jsonl");
FIXTURE(bootstrap_file, "metadata/bootstrap.checkpoint");

#define SNAPSHOT_END 108

/* Replays the data records of batches whose offsets lie in [from, to); `where` instead of their own places if given. */
static void replay_batches(struct metadata_loader *loader, struct bytes file, int64_t from,
                           int64_t to, const struct metadata_provenance *where)
{
    struct batch_view batch;
    while (file.size > 0) {
        const int size = batch_parse(file, &batch);
        EXPECT(size > 0);
        EXPECT_OK(batch_check_crc(&batch));
        file = bytes_slice(file, (size_t)size, file.size);
        struct metadata_provenance place = { .offset = batch_last_offset(&batch),
                                             .epoch = batch.leader_epoch,
                                             .timestamp_ms = batch.max_timestamp };
        if (batch.base_offset < from || batch.base_offset >= to)
            continue;
        if ((batch.attributes & BATCH_CONTROL) != 0) {
            metadata_loader_skip(loader, where == NULL ? place : *where);
            continue;
        }
        struct record_walk walk;
        struct record record;
        record_walk_init(&walk, &batch, NULL, 1 << 20);
        while (record_walk_next(&walk, &record) > 0) {
            struct err_note note;
            place.offset = record.offset;
            if (metadata_loader_replay_bytes(loader, where == NULL ? place : *where, record.value,
                                             &note) < 0)
                test_fail(__FILE__, __LINE__, "%s", note.text);
        }
        record_walk_deinit(&walk);
    }
}

/* FeatureLevelRecord → FEATURE_LEVEL_RECORD */
static void put_type(struct buf *out, const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z' && c != name)
            buf_put_u8(out, '_');
        buf_put_u8(out, (uint8_t)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
    }
}

typedef VEC(char *) lines;

static int collect_line(void *context, const struct metadata_record *record)
{
    lines *all = context;
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_put_text(&out, "{\"type\":\"");
    put_type(&out, record->message->name);
    buf_printf(&out, "\",\"version\":%d,\"data\":", record->version);
    wire_print(record->message, record->version, record->value, &out);
    buf_put_text(&out, "}");
    buf_put_u8(&out, 0);
    VEC_ADD(all, (char *)buf_take(&out));
    return 0;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static lines lines_of(const struct metadata_image *image)
{
    lines all = { 0 };
    EXPECT_OK(metadata_image_write(image,
                                   (struct metadata_sink){ .put = collect_line, .context = &all }));
    qsort(all.items, all.count, sizeof(char *), compare_lines);
    return all;
}

static void lines_free(lines *all)
{
    for (size_t i = 0; i < all->count; i++)
        mem_free(all->items[i]);
    VEC_DEINIT(all);
}

static struct bytes next_line(struct bytes *rest)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    EXPECT(end != NULL);
    const struct bytes line = bytes_slice(*rest, 0, (size_t)(end - rest->data));
    *rest = bytes_slice(*rest, line.size + 1, rest->size);
    return line;
}

static bool contains(struct bytes line, const char *part)
{
    return memmem(line.data, line.size, part, strlen(part)) != NULL;
}

/* Ranges of features come in the order of a hash map there, by name here: the rest, and the size, must agree. */
static void expect_line(struct bytes ours, struct bytes theirs)
{
    static const char mark[] = "\"features\":[";
    const uint8_t *at = memmem(theirs.data, theirs.size, mark, sizeof(mark) - 1);
    EXPECT_EQ(ours.size, theirs.size);
    if (at == NULL) {
        EXPECT_BYTES(ours, theirs);
        return;
    }
    const size_t begin = (size_t)(at - theirs.data);
    const uint8_t *close = memchr(at, ']', theirs.size - begin);
    const size_t end = (size_t)(close - theirs.data);
    EXPECT_BYTES(bytes_slice(ours, 0, begin), bytes_slice(theirs, 0, begin));
    EXPECT_BYTES(bytes_slice(ours, end, ours.size), bytes_slice(theirs, end, theirs.size));
}

/* The image against what kafka-dump-log printed of Kafka's snapshot. ProducerIdsRecord: here the last asker is kept. */
static void expect_kafkas_snapshot(const struct metadata_image *image, bool has_stale_config)
{
    lines ours = lines_of(image);
    struct bytes rest = FIXTURE_BYTES(snapshot_text);
    size_t i = 0;
    while (rest.size > 0) {
        const struct bytes line = next_line(&rest);
        if (!has_stale_config && contains(line, "\"doomed\""))
            continue; /* Kafka keeps the settings of a topic that is gone: tests/data/metadata/README.md */
        EXPECT(i < ours.count);
        if (contains(line, "PRODUCER_IDS_RECORD"))
            EXPECT(strstr(ours.items[i], "\"nextProducerId\":1000}") != NULL);
        else
            expect_line(bytes_from_text(ours.items[i]), line);
        i++;
    }
    EXPECT_EQ(i, ours.count);
    lines_free(&ours);
}

TEST(metadata_kafka, its_snapshot_loads_and_is_written_back_the_same)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    const struct metadata_provenance where = { .offset = SNAPSHOT_END - 1, .epoch = 4 };
    replay_batches(loader, FIXTURE_BYTES(snapshot), 0, INT64_MAX, &where);
    expect_kafkas_snapshot(metadata_loader_working(loader), true);
    metadata_loader_free(loader);
}

TEST(metadata_kafka, its_log_leads_to_its_snapshot)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    replay_batches(loader, FIXTURE_BYTES(whole_log), 0, SNAPSHOT_END, NULL);
    EXPECT_EQ(metadata_loader_working(loader)->provenance.offset, SNAPSHOT_END - 1);
    EXPECT_EQ(metadata_loader_working(loader)->provenance.epoch, 4);
    EXPECT_EQ(metadata_loader_transaction_offset(loader), -1);
    expect_kafkas_snapshot(metadata_loader_working(loader), false);
    metadata_loader_free(loader);
}

TEST(metadata_kafka, snapshot_and_the_rest_of_the_log_are_the_whole_log)
{
    struct metadata_loader *from_log = metadata_loader_new(NULL);
    replay_batches(from_log, FIXTURE_BYTES(whole_log), 0, INT64_MAX, NULL);
    struct metadata_loader *from_snapshot = metadata_loader_new(NULL);
    const struct metadata_provenance where = { .offset = SNAPSHOT_END - 1, .epoch = 4 };
    replay_batches(from_snapshot, FIXTURE_BYTES(snapshot), 0, INT64_MAX, &where);
    replay_batches(from_snapshot, FIXTURE_BYTES(whole_log), SNAPSHOT_END, INT64_MAX, NULL);
    lines a = lines_of(metadata_loader_working(from_log));
    lines b = lines_of(metadata_loader_working(from_snapshot));
    size_t k = 0;
    for (size_t i = 0; i < b.count; i++) {
        if (strstr(b.items[i], "\"doomed\"") != NULL)
            continue;
        EXPECT(k < a.count);
        if (strstr(b.items[i], "PRODUCER_IDS_RECORD") == NULL)
            EXPECT_TEXT(a.items[k], b.items[i]);
        k++;
    }
    EXPECT_EQ(k, a.count);
    EXPECT_EQ(metadata_loader_working(from_log)->provenance.offset, 121);
    EXPECT(metadata_topic_by_name(metadata_loader_working(from_log), BYTES_LITERAL("last")) !=
           NULL);
    EXPECT(bytes_equal_text(metadata_config_value(metadata_loader_working(from_log),
                                                  METADATA_CONFIG_TOPIC, BYTES_LITERAL("later"),
                                                  BYTES_LITERAL("retention.ms")),
                            "77"));
    lines_free(&a);
    lines_free(&b);
    metadata_loader_free(from_log);
    metadata_loader_free(from_snapshot);
}

/* The records that formatting writes, byte for byte. */
TEST(metadata_kafka, bootstrap_records_are_kafkas)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct metadata_record *records;
    uint32_t count;
    EXPECT_OK(
        metadata_bootstrap_records(METADATA_LEVEL_MAX, NULL, 0, &arena, &records, &count, NULL));
    struct bytes file = FIXTURE_BYTES(bootstrap_file);
    struct batch_view batch;
    uint32_t i = 0;
    int size;
    while (file.size > 0 && (size = batch_parse(file, &batch)) > 0) {
        file = bytes_slice(file, (size_t)size, file.size);
        struct record_walk walk;
        struct record record;
        if ((batch.attributes & BATCH_CONTROL) != 0)
            continue;
        record_walk_init(&walk, &batch, NULL, 1 << 20);
        while (record_walk_next(&walk, &record) > 0) {
            struct buf bytes;
            buf_init(&bytes, 1 << 16);
            struct writer w = writer_to(&bytes);
            EXPECT(i < count);
            EXPECT_OK(record_frame_encode(records[i].message, records[i].version, records[i].value,
                                          &w, NULL));
            EXPECT_BYTES(buf_view(&bytes), record.value);
            buf_deinit(&bytes);
            i++;
        }
        record_walk_deinit(&walk);
    }
    EXPECT_EQ(i, count);
    arena_deinit(&arena);
}
