/* A record on its way into a coordinator's log: its meaning as message structs, and its bytes. */
#pragma once

#include "coord/coordinator.h"
#include "wire/message.h"

/* What a record and a batch add to keys and values, at most. */
#define RECORD_OVERHEAD_BYTES 21
#define BATCH_OVERHEAD_BYTES  61

struct record {
    const struct wire_message *key_type;
    const void *key;
    const struct wire_message *value_type;
    int16_t value_version;
    const void *value;    /* NULL: a tombstone */
    struct bytes raw_key; /* instead of key, for records of other protocols */
};

/* The bytes, in the arena. False: they cannot be, or the value alone is more than value_bytes_max. */
bool coord__record_encode(const struct record *record, size_t value_bytes_max, struct arena *arena,
                          struct coord_record *out);
/* What it takes of a batch, at most. */
size_t coord__record_bytes(const struct coord_record *record);
