/* Snapshot files: names, Apache Kafka's own files, what we write, and every way to be broken. */
#include "raft/snapshot.h"

#include "base/fixture.h"
#include "base/mem.h"
#include "base/test.h"
#include "raft/snapshot_plan.h"

#include <errno.h>
#include <string.h>

FIXTURE(bootstrap, "metadata/bootstrap.checkpoint");
FIXTURE(formatted, "metadata/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint");
FIXTURE(snapshot_108, "metadata/__cluster_metadata-0/00000000000000000108-0000000004.checkpoint");

static int64_t read_bytes(void *context, int64_t position, void *out, size_t size)
{
    const struct bytes *b = context;
    const struct bytes part = bytes_slice(*b, (size_t)position, size);
    memcpy(out, part.data, part.size);
    return (int64_t)part.size;
}

static struct snapshot_source source_of(struct bytes *bytes)
{
    return (struct snapshot_source){ .read = read_bytes, .context = bytes };
}

static int put_bytes(void *context, struct bytes bytes)
{
    buf_put_bytes(context, bytes);
    return 0;
}

/* Reads a whole file: the number of data records, or the error. */
static int read_all(struct bytes file, struct err_note *note)
{
    struct snapshot_reader reader;
    struct bytes value;
    int count = 0;
    snapshot_reader_init(&reader, source_of(&file));
    int r;
    while ((r = snapshot_reader_next(&reader, &value, note)) > 0)
        count++;
    snapshot_reader_deinit(&reader);
    return r < 0 ? r : count;
}

TEST(snapshot_name, is_what_kafka_calls_it)
{
    char name[SNAPSHOT_NAME_SIZE];
    snapshot_name((struct snapshot_id){ .end_offset = 108, .epoch = 4 }, "", name);
    EXPECT_TEXT(name, "00000000000000000108-0000000004.checkpoint");
    static const struct {
        const char *name;
        enum snapshot_file_kind kind;
    } cases[] = {
        { "00000000000000000108-0000000004.checkpoint", SNAPSHOT_FILE_WHOLE },
        { "00000000000000000108-0000000004.checkpoint.deleted", SNAPSHOT_FILE_DELETED },
        { "00000000000000000108-0000000004.checkpoint.part", SNAPSHOT_FILE_PART },
        { "00000000000000000108-00000000041234567890.checkpoint.part", SNAPSHOT_FILE_PART },
        { "09223372036854775807-2147483647.checkpoint", SNAPSHOT_FILE_WHOLE },
        { "09223372036854775808-0000000000.checkpoint", SNAPSHOT_FILE_NONE },
        { "00000000000000000108-2147483648.checkpoint", SNAPSHOT_FILE_NONE },
        { "00000000000000000108-0000000004.checkpoint.", SNAPSHOT_FILE_NONE },
        { "00000000000000000108-0000000004", SNAPSHOT_FILE_NONE },
        { "0000000000000000010x-0000000004.checkpoint", SNAPSHOT_FILE_NONE },
        { "-0000000000000000108-0000000004.checkpoint", SNAPSHOT_FILE_NONE },
        { "00000000000000000108_0000000004.checkpoint", SNAPSHOT_FILE_NONE },
        { "00000000000000000108.log", SNAPSHOT_FILE_NONE },
        { "bootstrap.checkpoint", SNAPSHOT_FILE_NONE },
        { "", SNAPSHOT_FILE_NONE },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct snapshot_id id = SNAPSHOT_ID_NONE;
        const enum snapshot_file_kind kind =
            snapshot_name_parse(bytes_from_text(cases[i].name), &id);
        if (kind != cases[i].kind)
            test_fail(__FILE__, __LINE__, "'%s' is kind %d", cases[i].name, (int)kind);
        EXPECT_EQ(id.end_offset == -1, kind == SNAPSHOT_FILE_NONE);
    }
    const struct snapshot_id a = { 1, 5 };
    EXPECT(snapshot_id_compare(a, (struct snapshot_id){ 2, 0 }) < 0);
    EXPECT(snapshot_id_compare(a, (struct snapshot_id){ 1, 4 }) > 0);
    EXPECT_EQ(snapshot_id_compare(a, a), 0);
}

TEST(snapshot_reader, reads_files_of_apache_kafka)
{
    EXPECT_EQ(read_all(FIXTURE_BYTES(bootstrap), NULL), 6);
    EXPECT_EQ(read_all(FIXTURE_BYTES(formatted), NULL), 0);
    EXPECT_EQ(read_all(FIXTURE_BYTES(snapshot_108), NULL), 34);
    struct bytes file = FIXTURE_BYTES(snapshot_108);
    struct snapshot_reader reader;
    struct batch_view batch;
    snapshot_reader_init(&reader, source_of(&file));
    EXPECT_EQ(snapshot_reader_next_batch(&reader, &batch, NULL), 1);
    EXPECT(reader.last_contained_log_timestamp > INT64_C(1700000000000));
    snapshot_reader_deinit(&reader);
}

/* Blanks what two writers of the same content may differ in: the times of batches and with them the CRC. */
static struct buf without_times(struct bytes file)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct batch_view batch;
    int size;
    while ((size = batch_parse(file, &batch)) > 0) {
        uint8_t *copy = buf_extend(&out, (size_t)size);
        memcpy(copy, batch.bytes.data, (size_t)size);
        memset(copy + 17, 0, 4);
        memset(copy + 27, 0, 16);
        file = bytes_slice(file, (size_t)size, file.size);
    }
    EXPECT_EQ(file.size, 0);
    return out;
}

static void expect_same_but_times(struct bytes a, struct bytes b)
{
    struct buf x = without_times(a);
    struct buf y = without_times(b);
    EXPECT_BYTES(buf_view(&x), buf_view(&y));
    buf_deinit(&x);
    buf_deinit(&y);
}

/* What kafka-storage format writes, byte for byte but for the times. */
TEST(snapshot_print, formats_a_directory_as_kafka_does)
{
    struct bytes file = FIXTURE_BYTES(bootstrap);
    struct snapshot_reader reader;
    struct bytes values[6];
    struct arena arena;
    arena_init(&arena, 1 << 20);
    snapshot_reader_init(&reader, source_of(&file));
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        EXPECT_EQ(snapshot_reader_next(&reader, &values[i], NULL), 1);
        values[i].data = arena_dup(&arena, values[i].data, values[i].size);
    }
    snapshot_reader_deinit(&reader);
    struct buf out;
    buf_init(&out, 1 << 20);
    snapshot_print_bootstrap(values, ARRAY_LEN(values), 1234, &out);
    expect_same_but_times(buf_view(&out), FIXTURE_BYTES(bootstrap));

    struct raft_voters voters;
    EXPECT_OK(raft_voters_from_initial(BYTES_LITERAL("1@127.0.0.1:19701:Uoc8llZDQzutC8egU4I2VA"),
                                       BYTES_LITERAL("CONTROLLER"), &voters, NULL));
    buf_clear(&out);
    snapshot_print_voters(&voters, INT64_C(1795374988802),
                          &out); /* the header's own time, which is content */
    expect_same_but_times(buf_view(&out), FIXTURE_BYTES(formatted));
    EXPECT_EQ(read_all(buf_view(&out), NULL), 0);
    buf_deinit(&out);
    raft_voters_deinit(&voters);
    arena_deinit(&arena);
}

static void write_sample(struct buf *out, uint32_t record_count, size_t record_bytes,
                         const struct raft_voters *voters)
{
    const struct snapshot_header header = { .id = { .end_offset = 77, .epoch = 5 },
                                            .last_contained_log_timestamp = 4242,
                                            .kraft_version = voters == NULL ? 0 : 1,
                                            .voters = voters };
    struct snapshot_writer w;
    EXPECT_OK(snapshot_writer_open(&w, &header, 9999,
                                   (struct snapshot_sink){ .put = put_bytes, .context = out }));
    AUTO(mem_freep) uint8_t *record = mem_zalloc(record_bytes);
    for (uint32_t i = 0; i < record_count; i++) {
        memcpy(record, &i, sizeof(i));
        EXPECT_OK(snapshot_writer_add(&w, bytes_from(record, record_bytes)));
    }
    EXPECT_OK(snapshot_writer_finish(&w));
    EXPECT_EQ(w.size_bytes, out->size);
    snapshot_writer_deinit(&w);
}

/* From none to several batches, and records that need a batch of their own. */
TEST(snapshot_writer, what_is_written_reads_back)
{
    struct raft_voters voters;
    EXPECT_OK(raft_voters_from_initial(BYTES_LITERAL("1@h:1:Uoc8llZDQzutC8egU4I2VA"),
                                       BYTES_LITERAL("C"), &voters, NULL));
    static const struct {
        uint32_t count;
        size_t bytes;
    } cases[] = { { 0, 4 }, { 1, 4 }, { 3, 100 }, { 5000, 1000 }, { 3, 2 << 20 } };
    for (size_t c = 0; c < 2 * ARRAY_LEN(cases); c++) {
        struct buf out;
        buf_init(&out, 64 << 20);
        const uint32_t count = cases[c / 2].count;
        write_sample(&out, count, cases[c / 2].bytes, c % 2 == 0 ? NULL : &voters);
        struct bytes file = buf_view(&out);
        struct snapshot_reader reader;
        struct bytes value;
        snapshot_reader_init(&reader, source_of(&file));
        for (uint32_t i = 0; i < count; i++) {
            EXPECT_EQ(snapshot_reader_next(&reader, &value, NULL), 1);
            EXPECT_EQ(value.size, cases[c / 2].bytes);
            EXPECT(memcmp(value.data, &i, sizeof(i)) == 0);
        }
        EXPECT_EQ(snapshot_reader_next(&reader, &value, NULL), 0);
        EXPECT_EQ(reader.last_contained_log_timestamp, 4242);
        snapshot_reader_deinit(&reader);
        /* Offsets run on over all batches, and all carry the snapshot's epoch. */
        int64_t next = 0;
        struct batch_view batch;
        while (file.size > 0) {
            EXPECT(batch_parse(file, &batch) > 0);
            EXPECT_EQ(batch.base_offset, next);
            EXPECT_EQ(batch.leader_epoch, 5);
            next = batch_last_offset(&batch) + 1;
            file = bytes_slice(file, batch.bytes.size, file.size);
        }
        EXPECT_EQ(next, count + (c % 2 == 0 ? 2 : 4));
        buf_deinit(&out);
    }
    raft_voters_deinit(&voters);
}

TEST(snapshot_writer, a_record_too_large_for_any_batch_is_refused_for_good)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    const struct snapshot_header header = { .id = { .end_offset = 1, .epoch = 1 } };
    struct snapshot_writer w;
    EXPECT_OK(snapshot_writer_open(&w, &header, 1,
                                   (struct snapshot_sink){ .put = put_bytes, .context = &out }));
    AUTO(mem_freep) uint8_t *large = mem_zalloc(SNAPSHOT_BATCH_BYTES_MAX);
    EXPECT_ERR(snapshot_writer_add(&w, bytes_from(large, SNAPSHOT_BATCH_BYTES_MAX)), ERR_LIMIT);
    EXPECT_ERR(snapshot_writer_add(&w, BYTES_LITERAL("x")), ERR_LIMIT);
    EXPECT_ERR(snapshot_writer_finish(&w), ERR_LIMIT);
    snapshot_writer_deinit(&w);
    buf_deinit(&out);
}

static int fail_nth(void *context, struct bytes bytes)
{
    (void)bytes;
    return --*(int *)context == 0 ? -ENOSPC : 0;
}

TEST(snapshot_writer, the_sinks_first_failure_is_the_answer_ever_after)
{
    for (int n = 1; n <= 3; n++) { /* header, records, footer */
        int countdown = n;
        const struct snapshot_header header = { .id = { .end_offset = 1, .epoch = 1 } };
        struct snapshot_writer w;
        const int opened = snapshot_writer_open(
            &w, &header, 1, (struct snapshot_sink){ .put = fail_nth, .context = &countdown });
        EXPECT_EQ(opened, n == 1 ? -ENOSPC : 0);
        EXPECT_EQ(snapshot_writer_add(&w, BYTES_LITERAL("x")), n == 1 ? -ENOSPC : 0);
        EXPECT_EQ(snapshot_writer_finish(&w), -ENOSPC);
        snapshot_writer_deinit(&w);
    }
}

/* A crash may leave any beginning of a file under its final name only by a bug, but disks do worse. */
TEST(snapshot_reader, every_cut_is_an_error)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    write_sample(&out, 3, 50, NULL);
    const struct bytes files[] = { FIXTURE_BYTES(formatted), FIXTURE_BYTES(bootstrap),
                                   buf_view(&out) };
    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        for (size_t cut = 0; cut < files[f].size; cut++) {
            struct err_note note = { .text = "" };
            EXPECT_ERR(read_all(bytes_slice(files[f], 0, cut), &note), ERR_OVERRUN);
            EXPECT(strstr(note.text, "byte") != NULL);
        }
    }
    buf_deinit(&out);
}

TEST(snapshot_reader, every_flipped_byte_is_an_error_where_the_crc_reaches)
{
    const struct bytes file = FIXTURE_BYTES(bootstrap);
    AUTO(mem_freep) uint8_t *copy = mem_dup(file.data, file.size);
    for (size_t i = 0; i < file.size; i++) {
        copy[i] ^= 0x5a;
        const int r = read_all(bytes_from(copy, file.size), NULL);
        /* The base offset and the leader epoch of a batch lie before its CRC and mean nothing here. */
        const size_t starts[] = { 0, 83, 336 };
        bool is_covered = true;
        for (size_t b = 0; b < ARRAY_LEN(starts); b++)
            is_covered &= !(i >= starts[b] &&
                            (i < starts[b] + 8 || (i >= starts[b] + 12 && i < starts[b] + 16)));
        if ((r < 0) != is_covered)
            test_fail(__FILE__, __LINE__, "byte %zu flipped gives %d", i, r);
        copy[i] ^= 0x5a;
    }
}

/* Whole batches in an order that no writer makes. */
TEST(snapshot_reader, header_and_footer_have_their_places)
{
    const struct bytes file = FIXTURE_BYTES(bootstrap);
    const struct bytes header = bytes_slice(file, 0, 83);
    const struct bytes records = bytes_slice(file, 83, 253);
    const struct bytes footer = bytes_slice(file, 336, 75);
    const struct bytes rows[][4] = {
        { records, header, footer }, { footer, header, records },
        { header, header, footer },  { header, footer, records },
        { header, footer, footer },  { header, records, header, footer },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        for (size_t k = 0; k < ARRAY_LEN(rows[i]) && rows[i][k].data != NULL; k++)
            buf_put_bytes(&out, rows[i][k]);
        struct err_note note;
        EXPECT_ERR(read_all(buf_view(&out), &note), ERR_CORRUPT);
        buf_deinit(&out);
    }
}

static int64_t fail_reading(void *context, int64_t position, void *out, size_t size)
{
    (void)context;
    (void)position;
    (void)out;
    (void)size;
    return -EIO;
}

TEST(snapshot_reader, passes_on_what_the_disk_says)
{
    struct snapshot_reader reader;
    struct bytes value;
    struct err_note note;
    snapshot_reader_init(&reader, (struct snapshot_source){ .read = fail_reading });
    EXPECT_EQ(snapshot_reader_next(&reader, &value, &note), -EIO);
    EXPECT(strstr(note.text, "byte 0") != NULL);
    snapshot_reader_deinit(&reader);
}

/* ---- plan ------------------------------------------------------------------------------------------ */

TEST(snapshot_plan, due_by_bytes_or_by_time_and_one_at_a_time)
{
    const struct snapshot_settings settings = { .record_bytes_between = 1000,
                                                .interval_ms_max = 60000 };
    struct snapshot_progress p = { .record_bytes = 0 };
    EXPECT_EQ(snapshot_is_due(&p, &settings, 1000000), SNAPSHOT_NOT_DUE); /* nothing new: never */
    EXPECT_EQ(snapshot_deadline_ms(&p, &settings), INT64_MAX);
    snapshot_progress_committed(&p, 400, 5000);
    snapshot_progress_committed(&p, 400, 6000);
    EXPECT_EQ(snapshot_deadline_ms(&p, &settings), 65000);
    EXPECT_EQ(snapshot_is_due(&p, &settings, 64999), SNAPSHOT_NOT_DUE);
    EXPECT_EQ(snapshot_is_due(&p, &settings, 65000), SNAPSHOT_DUE_TIME);
    snapshot_progress_committed(&p, 200, 6001);
    EXPECT_EQ(snapshot_is_due(&p, &settings, 6001), SNAPSHOT_DUE_BYTES);
    snapshot_progress_started(&p);
    snapshot_progress_committed(&p, 5000, 7000);
    EXPECT_EQ(snapshot_is_due(&p, &settings, 1000000), SNAPSHOT_NOT_DUE);
    snapshot_progress_ended(&p);
    EXPECT_EQ(snapshot_is_due(&p, &settings, 7001), SNAPSHOT_DUE_BYTES);
    const struct snapshot_settings by_bytes = { .record_bytes_between = 10000,
                                                .interval_ms_max = 0 };
    EXPECT_EQ(snapshot_is_due(&p, &by_bytes, INT64_MAX - 1), SNAPSHOT_NOT_DUE);
}

TEST(snapshot_plan, old_snapshots_go_by_size_and_age_but_one_stays)
{
    const struct snapshot_stat s[] = {
        { .id = { 10, 1 }, .size_bytes = 100, .last_contained_log_timestamp = 1000 },
        { .id = { 20, 1 }, .size_bytes = 100, .last_contained_log_timestamp = 2000 },
        { .id = { 30, 1 }, .size_bytes = 100, .last_contained_log_timestamp = 3000 },
    };
    const struct {
        int64_t bytes, ms, wall_ms;
        uint32_t gone;
    } cases[] = {
        { -1, -1, 1000000, 0 }, { 1300, -1, 0, 0 },     { 1299, -1, 0, 1 },   { 1199, -1, 0, 2 },
        { 0, -1, 0, 2 },        { -1, 500, 1500, 0 },   { -1, 500, 1501, 1 }, { -1, 500, 2501, 2 },
        { -1, 500, 999999, 2 }, { 1250, 500, 1501, 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct snapshot_settings settings = { .retention_bytes = cases[i].bytes,
                                                    .retention_ms = cases[i].ms };
        EXPECT_EQ(snapshot_plan_deletion(s, 3, 1000, &settings, cases[i].wall_ms), cases[i].gone);
    }
    const struct snapshot_settings none = { .retention_bytes = 0, .retention_ms = 0 };
    EXPECT_EQ(snapshot_plan_deletion(s, 1, 1000, &none, 999999), 0);
    EXPECT_EQ(snapshot_plan_deletion(s, 0, 1000, &none, 999999), 0);
}
