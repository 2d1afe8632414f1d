/* Random instances of any message in any version, made from the tables: for tests, fuzz targets and the
 * cross-check with Apache Kafka's classes. Not part of the product.
 *
 * An instance sets only what the version has, text is well-formed UTF-8, and unknown tags lie above the known
 * ones, so that it can always be encoded.
 */
#pragma once

#include "base/rng.h"
#include "wire/message.h"

enum wire_random_style {
    WIRE_RANDOM_DEFAULTS,
    WIRE_RANDOM_FULL,  /* every field is set, nothing is null or empty */
    WIRE_RANDOM_MIXED, /* anything goes; now and then long runs and arrays */
};

/* Fills `out` (message->struct_bytes); what it points to lives in the arena, which must have room (some MB). */
void wire_random(const struct wire_message *message, int16_t version, enum wire_random_style style,
                 struct rng *rng, struct arena *arena, void *out);
