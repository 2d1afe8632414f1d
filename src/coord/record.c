/* See record.h. */
#include "coord/record.h"

#include "wire/record_frame.h"

static int64_t value_bytes(const struct record *record)
{
    if (record->value == NULL)
        return 0;
    return 2 + wire_size(record->value_type, record->value_version, record->value, NULL);
}

bool coord__record_encode(const struct record *record, size_t value_bytes_max, struct arena *arena,
                          struct coord_record *out)
{
    const int64_t value_size = value_bytes(record);
    if (value_size < 0 || (uint64_t)value_size > value_bytes_max)
        return false;
    struct buf bytes;
    buf_init(&bytes, INT32_MAX);
    struct writer w = writer_to(&bytes);
    int r = 0;
    if (record->key != NULL)
        r = coordinator_key_encode(record->key_type, record->key, &w, NULL);
    else
        buf_put_bytes(&bytes, record->raw_key);
    const size_t key_size = bytes.size;
    if (r == 0 && record->value != NULL)
        r = coordinator_value_encode(record->value_type, record->value_version, record->value, &w,
                                     NULL);
    if (r == 0 && buf_is_ok(&bytes)) {
        const uint8_t *data = arena_dup(arena, bytes.data, bytes.size);
        out->key = bytes_from(data, key_size);
        out->value =
            record->value == NULL ? BYTES_NULL : bytes_from(data + key_size, bytes.size - key_size);
    }
    const bool is_ok = r == 0 && buf_is_ok(&bytes);
    buf_deinit(&bytes);
    return is_ok;
}

size_t coord__record_bytes(const struct coord_record *record)
{
    return record->key.size + record->value.size + RECORD_OVERHEAD_BYTES;
}
