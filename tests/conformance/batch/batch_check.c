/* This project's side of the comparison with Apache Kafka's LogValidator (see run and BatchCheck.java).
 *
 *   batch_check gen OUT SEED COUNT   COUNT random produced batches, the topic's rules, and what we say to them
 *
 * The file, big-endian: count i32, then per case
 *   flags i32 (1 from a client, 2 compacted, 4 LogAppendTime, 8 refused by our stricter rule),
 *   now i64, before.max i64, after.max i64, the topic's codec i32, size i32, batch,
 *   outcome i32 (0 sound, 1 INVALID_RECORD, 2 INVALID_TIMESTAMP), largest timestamp i64,
 *   count of refused records i32, their indexes i32 …, digest i32 (0 if not sound)
 */
#include "base/be.h"
#include "base/mem.h"
#include "base/rng.h"
#include "wire/batch_validate.h"
#include "wire/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW              INT64_C(1700000000000)
#define BASE_OFFSET      1000
#define RECORDS_MAX      60
#define BATCH_BYTES_MAX  ((size_t)8 << 20)
#define RECORD_BYTES_MAX (1 << 22)

enum {
    FLAG_CLIENT = 1,
    FLAG_COMPACTED = 2,
    FLAG_APPEND_TIME = 4,
    FLAG_STRICTER = 8,
    FLAG_DIGEST = 16
};

NORETURN static void stop(const char *what)
{
    fprintf(stderr, "batch_check: %s\n", what);
    exit(1);
}

static struct bytes random_run(struct rng *rng, uint8_t *to, size_t size_max)
{
    if (rng_chance(rng, 100000))
        return BYTES_NULL;
    const size_t size = rng_below(rng, size_max);
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)('a' + rng_below(rng, 1 + i % 7));
    return bytes_from(to, size);
}

static int64_t random_timestamp(struct rng *rng)
{
    if (rng_chance(rng, 30000))
        return -1;
    return NOW + rng_between(rng, -1000, 1000) * (rng_chance(rng, 20000) ? 1000000 : 1);
}

/* Random records, some batches with deltas that are not 0, 1, 2 …, one record in a hundred of 100 KB and more. */
static void add_records(struct rng *rng, struct batch_builder *b, int32_t count)
{
    static uint8_t key[100];
    static uint8_t header_value[50];
    uint8_t *value = mem_alloc(300000);
    const uint32_t gap_in_a_million = rng_chance(rng, 200000) ? 300000 : 0;
    int32_t delta = 0;
    for (int32_t i = 0; i < count; i++) {
        const struct record_header headers[2] = {
            { BYTES_LITERAL("header"), random_run(rng, header_value, sizeof(header_value)) },
            { BYTES_LITERAL(""), BYTES_LITERAL("") },
        };
        const size_t value_bytes_max = rng_chance(rng, 10000) ? 300000 : 200;
        if (batch_builder_add_at(b, delta, random_timestamp(rng), random_run(rng, key, sizeof(key)),
                                 random_run(rng, value, value_bytes_max), headers,
                                 (int32_t)rng_below(rng, 3)) < 0)
            stop("a batch grew too large");
        delta += rng_chance(rng, gap_in_a_million) ? (int32_t)rng_between(rng, 2, 100) : 1;
    }
    mem_free(value);
}

/* Some bytes of the records are changed, cut off or added. */
static void damage(struct rng *rng, struct buf *records)
{
    for (int64_t i = rng_between(rng, 0, 2); i > 0; i--)
        records->data[rng_below(rng, records->size)] =
            (uint8_t)rng_below(rng, rng_chance(rng, 500000) ? 256 : 8);
    if (rng_chance(rng, 100000))
        records->size -= rng_below(rng, records->size);
    if (rng_chance(rng, 100000))
        buf_put(records, "\x0c\0\0\0\1\1\0", rng_below(rng, 8));
}

/* Field values that headers of strangers may have. */
static void damage_header(struct rng *rng, uint8_t *batch)
{
    switch (rng_below(rng, 12)) {
    case 0:
        be_store_u32(batch + 57, (uint32_t)rng_between(rng, -2, RECORDS_MAX)); /* count */
        break;
    case 1:
        be_store_u32(batch + 23,
                     (uint32_t)rng_between(rng, -2, RECORDS_MAX)); /* last offset delta */
        break;
    case 2:
        batch[22] |= BATCH_CONTROL;
        break;
    case 3:
        batch[22] |= BATCH_LOG_APPEND_TIME;
        be_store_u64(batch + 35, (uint64_t)random_timestamp(rng)); /* max timestamp */
        break;
    case 4:
        be_store_u64(batch + 43, 7); /* producer id and epoch, and perhaps a sequence */
        be_store_u16(batch + 51, 0);
        be_store_u32(batch + 53, (uint32_t)rng_between(rng, -1, 0));
        break;
    case 5:
        be_store_u64(batch + 35, (uint64_t)random_timestamp(rng));
        break;
    default:
        break;
    }
}

/* One batch as a client might send it, in out. */
static void make_batch(struct rng *rng, struct buf *out)
{
    const enum codec codec = (enum codec)rng_below(rng, CODEC_COUNT);
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.leader_epoch = 0;
    options.size_bytes_max = BATCH_BYTES_MAX;
    struct batch_builder b;
    batch_builder_init(&b, &options);
    const int32_t count = (int32_t)rng_between(rng, 1, RECORDS_MAX);
    add_records(rng, &b, count);
    struct bytes whole;
    if (batch_builder_finish(&b, &whole) < 0)
        stop("a batch could not be built");

    AUTO(buf_deinit) struct buf records;
    buf_init(&records, BATCH_BYTES_MAX);
    buf_put(&records, whole.data + BATCH_OVERHEAD_BYTES, whole.size - BATCH_OVERHEAD_BYTES);
    const bool is_damaged = rng_chance(rng, 400000);
    if (is_damaged)
        damage(rng, &records);
    buf_clear(out);
    buf_put(out, whole.data, BATCH_OVERHEAD_BYTES);
    if (codec_compress(NULL, codec, COMPRESS_LEVEL_DEFAULT, buf_view(&records), out) < 0)
        stop("records could not be compressed");
    batch_builder_deinit(&b);

    be_store_u32(out->data + 8, (uint32_t)out->size - 12); /* length */
    be_store_u16(out->data + 21, (uint16_t)codec);         /* attributes */
    be_store_u32(out->data + 23, (uint32_t)count - 1);     /* what a client with odd deltas says */
    if (rng_chance(rng, 400000))
        damage_header(rng, out->data);
    batch_seal(out->data, out->size);
}

static void digest_run(struct buf *out, struct bytes run)
{
    buf_put_i32(out, bytes_is_null(run) ? -1 : (int32_t)run.size);
    buf_put_bytes(out, run);
}

/* The CRC-32C of all that a consumer sees of the batch. */
static uint32_t digest(const struct batch_view *view)
{
    AUTO(buf_deinit) struct buf out;
    buf_init(&out, BATCH_BYTES_MAX);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    buf_put_i64(&out, view->base_offset);
    buf_put_i64(&out, batch_last_offset(view));
    buf_put_i64(&out, view->max_timestamp);
    struct record record;
    struct record_header *headers;
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, view, NULL, RECORD_BYTES_MAX);
    int r;
    while ((r = record_walk_next(&walk, &record)) > 0) {
        buf_put_i64(&out, record.offset);
        buf_put_i64(&out, record.timestamp);
        digest_run(&out, record.key);
        digest_run(&out, record.value);
        const int32_t count = record_headers(&record, &arena, &headers);
        if (count < 0)
            stop("a sound record's headers cannot be read");
        for (int32_t i = 0; i < count; i++) {
            if (bytes_is_utf8(headers[i].key)) /* others cannot be told from one another in Java */
                digest_run(&out, headers[i].key);
            digest_run(&out, headers[i].value);
        }
        arena_reset(&arena);
    }
    if (r < 0)
        stop("a sound batch cannot be walked");
    arena_deinit(&arena);
    return crc32c(0, out.data, out.size);
}

struct case_rules {
    struct batch_rules rules;
    enum codec topic_codec; /* compression.type; the batch's own: producer */
};

/* What a leader does with a sound batch (batch_validate.h): its digest afterwards. */
static uint32_t append(const struct batch_view *view, const struct case_rules *c,
                       const struct batch_verdict *verdict)
{
    AUTO(buf_deinit) struct buf out;
    buf_init(&out, BATCH_BYTES_MAX);
    if (verdict->are_deltas_consecutive && c->topic_codec == batch_codec(view)) {
        buf_put_bytes(&out, view->bytes);
    } else {
        const struct batch_rebuild how = {
            .codec = c->topic_codec,
            .codec_level = COMPRESS_LEVEL_DEFAULT,
            .are_deltas_consecutive = verdict->are_deltas_consecutive,
            .uncompressed_bytes_max = verdict->uncompressed_bytes,
        };
        if (batch_rebuild(view, &how, &out) < 0)
            stop("a sound batch cannot be rebuilt");
    }
    if (c->rules.is_log_append_time)
        batch_set_append_time(out.data, NOW);
    else
        batch_set_create_time(out.data, verdict->max_timestamp);
    batch_seal(out.data, out.size);
    batch_set_base_offset(out.data, BASE_OFFSET);
    struct batch_view appended;
    if (batch_parse(buf_view(&out), &appended) < 0 || batch_check_crc(&appended) < 0)
        stop("an appended batch cannot be parsed");
    return digest(&appended);
}

static bool has_negative_time(const struct batch_view *view)
{
    struct record record;
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, view, NULL, RECORD_BYTES_MAX);
    while (record_walk_next(&walk, &record) > 0) {
        if (record.timestamp < -1)
            return true;
    }
    return false;
}

/* Left out is what Apache Kafka 4.3.1 does by accident, and what nobody sends. A compressed batch with odd deltas
 * fails it, because the keys and values that it would need to rebuild the batch were skipped; an uncompressed one is
 * appended with the offsets that it claims. When a batch is rebuilt, times below -1 and producers without sequence are
 * refused, and a header that says LogAppendTime has other effects than otherwise. */
static bool is_comparable(const struct batch_view *view, const struct case_rules *c,
                          const struct batch_verdict *verdict)
{
    const bool is_rebuilt = c->topic_codec != batch_codec(view) || !verdict->are_deltas_consecutive;
    if (verdict->fault != BATCH_SOUND)
        return view->record_count !=
               0; /* of a broker: Apache Kafka ignores what follows the header */
    if (view->record_count - 1 != view->last_offset_delta)
        return false; /* of a broker's own batch, which nobody asks for its offsets */
    if (is_rebuilt && ((view->attributes & BATCH_LOG_APPEND_TIME) != 0 || has_negative_time(view) ||
                       (view->producer_id >= 0 && view->base_sequence < 0)))
        return false;
    return verdict->are_deltas_consecutive || c->topic_codec != batch_codec(view);
}

static struct case_rules random_rules(struct rng *rng, enum codec batch_codec)
{
    struct case_rules c = {
        .rules = {
            .is_from_client = rng_chance(rng, 800000),
            .is_compacted = rng_chance(rng, 150000),
            .is_log_append_time = rng_chance(rng, 200000),
            .now_ms = NOW,
            .timestamp_before_max_ms = rng_chance(rng, 600000) ? INT64_MAX : rng_between(rng, 0, 1500),
            .timestamp_after_max_ms = rng_chance(rng, 600000) ? 3600000 : rng_between(rng, 0, 1500),
            .uncompressed_bytes_max = BATCH_UNCOMPRESSED_BYTES_MAX,
        },
        .topic_codec = batch_codec,
    };
    if (rng_chance(rng, 250000))
        c.topic_codec = (enum codec)rng_below(rng, CODEC_COUNT);
    return c;
}

/* Appends one case to the file; false if it was not one to compare. */
static bool write_case(struct rng *rng, struct buf *file)
{
    AUTO(buf_deinit) struct buf batch;
    buf_init(&batch, BATCH_BYTES_MAX);
    make_batch(rng, &batch);
    struct batch_view view;
    if (batch_parse(buf_view(&batch), &view) < 0)
        stop("a made batch cannot be parsed");
    struct record_fault faults[RECORDS_MAX];
    struct case_rules c = random_rules(rng, batch_codec(&view));
    c.rules.record_faults = faults;
    c.rules.record_faults_max = RECORDS_MAX;
    if ((view.attributes & BATCH_CONTROL) != 0)
        c.topic_codec = batch_codec(&view); /* control batches are never rebuilt */
    struct batch_verdict verdict;
    const enum batch_fault fault = batch_validate(&view, &c.rules, &verdict);
    if (!is_comparable(&view, &c, &verdict))
        return false;

    const bool is_stricter = batch_codec(&view) != CODEC_NONE &&
                             (fault == BATCH_FAULT_RECORD || fault == BATCH_FAULT_TRAILING ||
                              fault == BATCH_FAULT_TRUNCATED);
    buf_put_i32(file, (c.rules.is_from_client ? FLAG_CLIENT : 0) |
                          (c.rules.is_compacted ? FLAG_COMPACTED : 0) |
                          (c.rules.is_log_append_time ? FLAG_APPEND_TIME : 0) |
                          (is_stricter ? FLAG_STRICTER : 0));
    buf_put_i64(file, c.rules.now_ms);
    buf_put_i64(file, c.rules.timestamp_before_max_ms);
    buf_put_i64(file, c.rules.timestamp_after_max_ms);
    buf_put_i32(file, (int32_t)c.topic_codec);
    buf_put_i32(file, (int32_t)batch.size);
    buf_put_bytes(file, buf_view(&batch));
    buf_put_i32(file, fault == BATCH_SOUND ? 0 : verdict.has_timestamp_fault ? 2 : 1);
    buf_put_i64(file, c.rules.is_log_append_time ? NOW : verdict.max_timestamp);
    buf_put_i32(file, (int32_t)verdict.record_fault_count);
    for (uint32_t i = 0; i < verdict.record_fault_count; i++)
        buf_put_i32(file, faults[i].index);
    buf_put_i32(file, fault == BATCH_SOUND ? (int32_t)append(&view, &c, &verdict) : 0);
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 5 || strcmp(argv[1], "gen") != 0) {
        fprintf(stderr, "usage: batch_check gen OUT SEED COUNT\n");
        return 2;
    }
    struct rng rng = rng_from_seed(strtoull(argv[3], NULL, 10));
    const int32_t count = (int32_t)strtol(argv[4], NULL, 10);
    FILE *out = fopen(argv[2], "wb");
    if (out == NULL)
        stop("the output cannot be opened");
    AUTO(buf_deinit) struct buf one;
    buf_init(&one, 2 * BATCH_BYTES_MAX);
    buf_put_i32(&one, count);
    for (int32_t done = 0; done < count;) {
        done += write_case(&rng, &one);
        if (!buf_is_ok(&one) || fwrite(one.data, 1, one.size, out) != one.size)
            stop("the output cannot be written");
        buf_clear(&one);
    }
    if (fclose(out) != 0)
        stop("the output cannot be written");
    return 0;
}
