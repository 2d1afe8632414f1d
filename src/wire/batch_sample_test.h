/* Batches for tests: random records, and the builder that packs them. */
#pragma once

#include "base/arena.h"
#include "base/rng.h"
#include "wire/batch.h"

#define SAMPLE_HEADERS_MAX 4

struct sample_record {
    int64_t timestamp;
    struct bytes key;
    struct bytes value;
    struct record_header headers[SAMPLE_HEADERS_MAX];
    int32_t header_count;
};

/* `count` records in the arena: keys, values and headers of any kind, null ones among them; one in a hundred
 * values is larger than a window of decompressed bytes. */
struct sample_record *sample_records(struct rng *rng, struct arena *arena, int32_t count);

/* The records in a batch of default options with this codec and these attributes; lives in the arena. */
struct bytes sample_batch(struct arena *arena, const struct sample_record *records, int32_t count,
                          enum codec codec, int16_t attributes);

/* As the builder, but what stands between header and end is the caller's: lengths, CRC and count are made to fit. */
struct bytes sample_batch_of(struct arena *arena, struct bytes records, int32_t count,
                             enum codec codec);

/* parse, expected to succeed. */
struct batch_view sample_view(struct bytes batch);
