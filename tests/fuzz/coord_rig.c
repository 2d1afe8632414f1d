/* See coord_rig.h. */
#include "coord_rig.h"

bool coord_rig_read_record(struct reader *r, struct bytes *out_key, struct bytes *out_value)
{
    const size_t key_size = (uint8_t)read_i8(r);
    const struct bytes key = read_run(r, key_size);
    const uint16_t value_size = read_u16(r);
    const struct bytes value = value_size == UINT16_MAX ? BYTES_NULL : read_run(r, value_size);
    if (!reader_is_ok(r))
        return false;
    *out_key = key;
    *out_value = value;
    return true;
}
