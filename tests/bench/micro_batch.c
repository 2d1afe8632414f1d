/* How fast one core sums, checks and unpacks record batches. No broker: only src/wire.
 *
 *     micro_batch [record bytes [batch bytes [codec]]]        default: 100-byte values, 64 KiB of records a batch
 *
 * Each line is the best of several rounds over some 110 MB of records: GB/s of what is read, and millions of
 * records a second. The working set of the first group is one batch (in cache, as after a receive);
 * `from memory` walks through all of them.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "wire/batch_validate.h"
#include "wire/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOTAL_BYTES ((size_t)110 << 20)
#define ROUNDS      7

struct workload {
    size_t value_bytes;
    size_t batch_bytes;
    uint32_t batch_count;
    struct bytes *batches; /* all different memory */
    uint64_t record_count;
    size_t total_bytes; /* as they are, compressed */
    size_t uncompressed_bytes;
};

/* CPU time of this thread: the machine may have others to serve. */
static double now_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* cannot fail */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Values like log lines: words, and some digits that differ. */
static void fill_value(struct rng *rng, uint8_t *out, size_t size)
{
    static const char line[] =
        "2026-01-31 12:00:00,123 INFO request served from 10.0.0.1 in 0 ms status=200 path=/index ";
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)line[i % (sizeof(line) - 1)];
    for (size_t i = 0; i < size; i += 6)
        out[i] = (uint8_t)('0' + rng_below(rng, 10));
}

static struct workload make(enum codec codec, size_t value_bytes, size_t batch_bytes)
{
    struct workload w = { .value_bytes = value_bytes, .batch_bytes = batch_bytes };
    w.batch_count = (uint32_t)(TOTAL_BYTES / batch_bytes);
    w.batches = MEM_NEW_ARRAY(struct bytes, w.batch_count);
    struct rng rng = rng_from_seed(1);
    uint8_t *value = mem_alloc(value_bytes);
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec = codec;
    struct batch_builder b;
    batch_builder_init(&b, &options);
    struct bytes first = BYTES_NULL;
    for (uint32_t i = 0; i < w.batch_count; i++) {
        if (codec != CODEC_NONE &&
            i % 16 != 0) { /* packing is slow, and its speed is not asked for here */
            w.batches[i] = bytes_dup(first);
        } else {
            batch_builder_reset(&b, &options);
            while (batch_builder_size(&b) < batch_bytes) {
                fill_value(&rng, value, value_bytes);
                if (batch_builder_add(&b, INT64_C(1700000000000) + b.record_count / 10, BYTES_NULL,
                                      bytes_from(value, value_bytes), NULL, 0) < 0)
                    abort();
            }
            struct bytes batch;
            if (batch_builder_finish(&b, &batch) < 0)
                abort();
            w.batches[i] = first = bytes_dup(batch);
        }
        struct batch_view view;
        if (batch_parse(w.batches[i], &view) < 0)
            abort();
        w.record_count += (uint64_t)view.record_count;
        w.total_bytes += view.bytes.size;
        w.uncompressed_bytes += batch_builder_size(&b);
    }
    batch_builder_deinit(&b);
    mem_free(value);
    return w;
}

static void drop(struct workload *w)
{
    for (uint32_t i = 0; i < w->batch_count; i++)
        bytes_free(w->batches[i]);
    mem_free(w->batches);
}

enum task { TASK_CRC, TASK_CRC_TABLES, TASK_CRC_IEEE, TASK_VALIDATE, TASK_CRC_VALIDATE, TASK_WALK };

static uint64_t run(enum task task, struct bytes batch, struct codec_contexts *contexts)
{
    struct batch_view view;
    if (batch_parse(batch, &view) < 0)
        abort();
    switch (task) {
    case TASK_CRC:
        return (uint64_t)batch_check_crc(&view);
    case TASK_CRC_TABLES:
        return crc32c_with_tables(0, batch.data, batch.size);
    case TASK_CRC_IEEE:
        return crc32_ieee(0, batch.data, batch.size);
    case TASK_CRC_VALIDATE:
        if (batch_check_crc(&view) < 0)
            abort();
        __attribute__((fallthrough));
    case TASK_VALIDATE: {
        const struct batch_rules rules = {
            .is_from_client = true,
            .now_ms = INT64_C(1700000000000),
            .timestamp_before_max_ms = INT64_MAX,
            .timestamp_after_max_ms = 3600000,
            .uncompressed_bytes_max = BATCH_UNCOMPRESSED_BYTES_MAX,
            .contexts = contexts,
        };
        struct batch_verdict verdict;
        if (batch_validate(&view, &rules, &verdict) != BATCH_SOUND)
            abort();
        return (uint64_t)verdict.max_timestamp;
    }
    case TASK_WALK: {
        struct record_walk walk;
        struct record record;
        uint64_t sum = 0;
        int r;
        record_walk_init(&walk, &view, contexts, 1 << 20);
        while ((r = record_walk_next(&walk, &record)) > 0)
            sum += record.value.size;
        if (r < 0)
            abort();
        record_walk_deinit(&walk);
        return sum;
    }
    }
    return 0;
}

static void measure(const char *what, enum task task, const struct workload *w, bool is_from_memory)
{
    struct codec_contexts *contexts = codec_contexts_new();
    double best = 1e9;
    uint64_t sum = 0; /* printed when it is impossible, so that the work is not optimised away */
    for (int round = 0; round < ROUNDS; round++) {
        const double start = now_seconds();
        for (uint32_t i = 0; i < w->batch_count; i++)
            sum += run(task, w->batches[is_from_memory ? i : 0], contexts);
        const double seconds = now_seconds() - start;
        if (seconds < best)
            best = seconds;
    }
    codec_contexts_free(contexts);
    if (sum == UINT64_MAX)
        printf("checksum %" PRIu64 "\n", sum);
    printf("%-34s %7.2f GB/s %7.2f GB/s unpacked %8.1f M records/s %7.2f ms per million\n", what,
           (double)w->total_bytes / best / 1e9, (double)w->uncompressed_bytes / best / 1e9,
           (double)w->record_count / best / 1e6, best * 1e9 / (double)w->record_count);
}

int main(int argc, char **argv)
{
    const size_t value_bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    const size_t batch_bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 64 << 10;
    if (value_bytes == 0 || value_bytes > 100000 || batch_bytes < 100 ||
        batch_bytes > TOTAL_BYTES) {
        fprintf(stderr, "usage: micro_batch [record bytes, 1 to 100000 [batch bytes, 100 to "
                        "115343360 [codec]]]\n");
        return 2;
    }
    printf("%zu-byte values, %zu-byte batches, CRC-32C by %s\n", value_bytes, batch_bytes,
           crc32c_has_instruction() ? "instruction" : "tables");
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        if (argc > 3 && strcmp(argv[3], codec_name(codec)) != 0)
            continue;
        struct workload w = make(codec, value_bytes, batch_bytes);
        if (codec == CODEC_NONE) {
            measure("crc32c", TASK_CRC, &w, false);
            measure("crc32c from memory", TASK_CRC, &w, true);
            measure("crc32c by tables", TASK_CRC_TABLES, &w, false);
            measure("crc32 (ieee)", TASK_CRC_IEEE, &w, false);
            measure("validate", TASK_VALIDATE, &w, false);
            measure("validate from memory", TASK_VALIDATE, &w, true);
            measure("crc32c + validate from memory", TASK_CRC_VALIDATE, &w, true);
            measure("walk", TASK_WALK, &w, false);
        } else {
            char what[64];
            (void)snprintf(what, sizeof(what), "%s: crc32c + validate", codec_name(codec));
            measure(what, TASK_CRC_VALIDATE, &w, true);
            (void)snprintf(what, sizeof(what), "%s: walk", codec_name(codec));
            measure(what, TASK_WALK, &w, true);
        }
        drop(&w);
    }
    return 0;
}
