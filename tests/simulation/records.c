/* See records.h. */
#include "records.h"

#include "base/be.h"

#include <stdio.h>

#define OWNER_BYTES     8
#define VALUE_BYTES_MAX 400
#define ARENA_BYTES_MAX (64u << 10)
#define TOMBSTONES      150000 /* in a million */

struct model_record records_add(struct batch_builder *builder, struct rng *rng,
                                const struct record_style *style, struct model_record record,
                                int64_t timestamp_ms)
{
    uint8_t value[VALUE_BYTES_MAX] = { 0 };
    char key[8];
    ASSERT(OWNER_BYTES + style->padding_bytes_max <= sizeof(value));
    be_store_u32(value, record.client);
    be_store_u32(value + 4, record.number);
    const size_t size = OWNER_BYTES + (size_t)rng_below(rng, style->padding_bytes_max);
    record.key = style->has_keys ? 1 + (uint8_t)rng_below(rng, RECORDS_KEYS) : 0;
    record.is_tombstone = style->has_keys && rng_chance(rng, TOMBSTONES);
    (void)snprintf(key, sizeof(key), "k%u", (unsigned)record.key);
    const struct record_header header = { .key = BYTES_LITERAL("of"),
                                          .value = bytes_from(value, OWNER_BYTES) };
    const int r = batch_builder_add(
        builder, timestamp_ms, style->has_keys ? bytes_from_text(key) : BYTES_NULL,
        record.is_tombstone ? BYTES_NULL : bytes_from(value, size), &header, record.is_tombstone);
    ASSERT(r == 0);
    return record;
}

static bool parse_owner(struct bytes owner, struct model_record *out)
{
    if (owner.size < OWNER_BYTES)
        return false;
    out->client = be_load_u32(owner.data);
    out->number = be_load_u32(owner.data + 4);
    return true;
}

static bool parse_header(const struct record *record, struct model_record *out)
{
    struct arena arena;
    struct record_header *headers;
    arena_init(&arena, ARENA_BYTES_MAX);
    const bool is_parsed =
        record_headers(record, &arena, &headers) == 1 && parse_owner(headers[0].value, out);
    arena_deinit(&arena);
    return is_parsed;
}

static bool parse_key(struct bytes key, uint8_t *out)
{
    int64_t number = 0;
    *out = 0;
    if (bytes_is_null(key))
        return true;
    if (key.size < 2 || key.data[0] != 'k' ||
        bytes_to_i64(bytes_slice(key, 1, key.size), &number) < 0 || number < 1 ||
        number > RECORDS_KEYS)
        return false;
    *out = (uint8_t)number;
    return true;
}

bool records_parse(const struct record *record, struct model_record *out)
{
    *out = (struct model_record){ .is_tombstone = bytes_is_null(record->value) };
    return parse_key(record->key, &out->key) &&
           (out->is_tombstone ? parse_header(record, out) : parse_owner(record->value, out));
}
