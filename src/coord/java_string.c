/* See java_string.h. */
#include "coord/java_string.h"

/* The next character of a text that is not empty; its size is taken off `text`. */
static uint32_t next_character(struct bytes *text)
{
    const int step = bytes_utf8_step(*text);
    const uint8_t *p = text->data;
    const size_t size = (size_t)(step < 0 ? -step : step);
    text->data += size;
    text->size -= size;
    switch (step) {
    case 1:
        return p[0];
    case 2:
        return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    case 3:
        return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    case 4:
        return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
               (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
    default:
        return 0xfffd;
    }
}

int32_t java_string_hash(struct bytes text)
{
    uint32_t hash = 0;
    while (text.size > 0) {
        const uint32_t character = next_character(&text);
        if (character >= 0x10000) {
            hash = 31 * hash + (0xd800 + ((character - 0x10000) >> 10));
            hash = 31 * hash + (0xdc00 + ((character - 0x10000) & 0x3ff));
        } else {
            hash = 31 * hash + character;
        }
    }
    return (int32_t)hash;
}

/* Characters beyond U+FFFF are pairs of units from U+D800 on, below the last 8,192 of the others. */
static uint32_t rank_of(uint32_t character)
{
    return character >= 0xe000 && character < 0x10000 ? character + 0x110000 : character;
}

int java_string_compare(struct bytes a, struct bytes b)
{
    while (a.size > 0 && b.size > 0) {
        const uint32_t x = rank_of(next_character(&a));
        const uint32_t y = rank_of(next_character(&b));
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a.size > 0) - (b.size > 0);
}

size_t java_string_length(struct bytes text)
{
    size_t units = 0;
    while (text.size > 0)
        units += next_character(&text) >= 0x10000 ? 2 : 1;
    return units;
}

static void put_unit(struct buf *out, uint32_t unit)
{
    buf_put_u8(out, (uint8_t)(unit & 0xff));
    buf_put_u8(out, (uint8_t)(unit >> 8));
}

void java_string_put_units(struct bytes text, struct buf *out)
{
    while (text.size > 0) {
        const uint32_t character = next_character(&text);
        if (character >= 0x10000) {
            put_unit(out, 0xd800 + ((character - 0x10000) >> 10));
            put_unit(out, 0xdc00 + ((character - 0x10000) & 0x3ff));
        } else {
            put_unit(out, character);
        }
    }
}

int32_t java_partition_for(struct bytes id, int32_t partition_count)
{
    ASSERT(partition_count > 0);
    const int32_t hash = java_string_hash(id);
    const int32_t positive = hash == INT32_MIN ? 0 : (hash < 0 ? -hash : hash);
    return positive % partition_count;
}
