/* Batches for tests. See batch_sample_test.h. */
#include "wire/batch_sample_test.h"

#include "base/test.h"
#include "wire/batch_int.h"

#include <string.h>

#define BATCH_BYTES_MAX ((size_t)64 << 20)

static struct bytes random_run(struct rng *rng, struct arena *arena, size_t size_max)
{
    if (rng_chance(rng, 100000))
        return BYTES_NULL;
    const size_t size = rng_chance(rng, 100000) ? 0 : rng_below(rng, size_max);
    uint8_t *data = arena_alloc(arena, size + 1);
    /* Half of it repeats, so that codecs have something to do. */
    rng_fill(rng, data, size / 2);
    memset(data + size / 2, 'r', size - size / 2);
    return bytes_from(data, size);
}

struct sample_record *sample_records(struct rng *rng, struct arena *arena, int32_t count)
{
    struct sample_record *records = ARENA_NEW_ARRAY(arena, struct sample_record, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        struct sample_record *r = &records[i];
        r->timestamp = INT64_C(1700000000000) + rng_between(rng, -100000, 100000);
        r->key = random_run(rng, arena, 40);
        r->value = random_run(rng, arena, rng_chance(rng, 10000) ? 200000 : 300);
        r->header_count = (int32_t)rng_below(rng, SAMPLE_HEADERS_MAX + 1);
        for (int32_t h = 0; h < r->header_count; h++) {
            r->headers[h].key = random_run(rng, arena, 20);
            if (bytes_is_null(r->headers[h].key))
                r->headers[h].key = BYTES_LITERAL("");
            r->headers[h].value = random_run(rng, arena, 100);
        }
    }
    return records;
}

static struct bytes keep(struct arena *arena, struct bytes b)
{
    return bytes_from(arena_dup(arena, b.data, b.size), b.size);
}

struct bytes sample_batch(struct arena *arena, const struct sample_record *records, int32_t count,
                          enum codec codec, int16_t attributes)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec = codec;
    options.attributes = attributes;
    options.size_bytes_max = BATCH_BYTES_MAX;
    AUTO(batch_builder_deinit) struct batch_builder b;
    batch_builder_init(&b, &options);
    for (int32_t i = 0; i < count; i++)
        EXPECT_OK(batch_builder_add(&b, records[i].timestamp, records[i].key, records[i].value,
                                    records[i].headers, records[i].header_count));
    struct bytes batch;
    EXPECT_OK(batch_builder_finish(&b, &batch));
    return keep(arena, batch);
}

struct bytes sample_batch_of(struct arena *arena, struct bytes records, int32_t count,
                             enum codec codec)
{
    AUTO(buf_deinit) struct buf out;
    buf_init(&out, BATCH_BYTES_MAX);
    (void)buf_extend(&out, BATCH_OVERHEAD_BYTES);
    EXPECT_OK(codec_compress(NULL, codec, COMPRESS_LEVEL_DEFAULT, records, &out));
    const struct batch_view header = {
        .leader_epoch = -1,
        .attributes = (int16_t)codec,
        .last_offset_delta = count - 1,
        .base_timestamp = 1000,
        .max_timestamp = 1000,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
        .record_count = count,
    };
    batch__store_header(out.data, &header, out.size);
    return keep(arena, buf_view(&out));
}

struct batch_view sample_view(struct bytes batch)
{
    struct batch_view view;
    EXPECT_EQ(batch_parse(batch, &view), batch.size);
    return view;
}
