/* Records as clients of a history write them, and as all who read tell whose they are.
 *
 *   value   client u32, number u32, padding;  null: a tombstone
 *   header  "of": the first eight bytes of a value, where there is none
 *   key     "k0" … on compacted topics; else null
 */
#pragma once

#include "model.h"
#include "wire/batch.h"

#define RECORDS_KEYS 12 /* there are; the first producers to write them need not be the last */

/* What a topic's records are like. */
struct record_style {
    size_t padding_bytes_max;
    bool has_keys;
};

/* Draws key and size, adds the record to the batch, and answers what the model is to know of it. */
struct model_record records_add(struct batch_builder *builder, struct rng *rng,
                                const struct record_style *style, struct model_record record,
                                int64_t timestamp_ms);
/* False: it is nobody's. */
bool records_parse(const struct record *record, struct model_record *out);
