/* Ids and their text (RFC 4648 section 5, as Kafka prints them). See uuid.h. */
#include "base/uuid.h"

#include "base/be.h"
#include "base/err.h"

#define TEXT_CHARS   22
#define PADDED_CHARS 24

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_is_zero(struct uuid id)
{
    return uuid_equal(id, UUID_ZERO);
}

bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

int uuid_compare(struct uuid a, struct uuid b)
{
    for (size_t half = 0; half < sizeof(a.bytes); half += 8) {
        const int64_t x = be_load_i64(a.bytes + half);
        const int64_t y = be_load_i64(b.bytes + half);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

struct uuid uuid_from_random(const uint8_t random_bytes[16])
{
    struct uuid id;
    memcpy(id.bytes, random_bytes, sizeof(id.bytes));
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

bool uuid_is_reserved(struct uuid id)
{
    const uint64_t high = be_load_u64(id.bytes);
    const uint64_t low = be_load_u64(id.bytes + 8);
    return (high == 0 && low <= 1) || alphabet[id.bytes[0] >> 2] == '-';
}

struct uuid uuid_draw(void (*fill)(void *source, void *out, size_t size_bytes), void *source)
{
    struct uuid id;
    do {
        uint8_t random[16];
        fill(source, random, sizeof(random));
        id = uuid_from_random(random);
    } while (uuid_is_reserved(id));
    return id;
}

static void fill_from_rng(void *source, void *out, size_t size_bytes)
{
    rng_fill(source, out, size_bytes);
}

struct uuid uuid_draw_from_rng(struct rng *rng)
{
    return uuid_draw(fill_from_rng, rng);
}

void uuid_to_text(struct uuid id, char out[UUID_TEXT_SIZE])
{
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t at = 0;
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        bits = bits << 8 | id.bytes[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            out[at++] = alphabet[bits >> bit_count & 63];
        }
    }
    out[at++] = alphabet[bits << (6 - bit_count) & 63]; /* two bits are left after 16 bytes */
    out[at] = '\0';
}

static int digit_of(uint8_t c)
{
    const char *place = c == '\0' ? NULL : strchr(alphabet, c);
    return place == NULL ? -1 : (int)(place - alphabet);
}

int uuid_from_text(struct bytes text, struct uuid *out)
{
    if (text.size == PADDED_CHARS && text.data[22] == '=' && text.data[23] == '=')
        text.size = TEXT_CHARS;
    if (text.size != TEXT_CHARS)
        return -ERR_MALFORMED;
    struct uuid id;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t filled = 0;
    for (size_t i = 0; i < TEXT_CHARS; i++) {
        const int digit = digit_of(text.data[i]);
        if (digit < 0)
            return -ERR_MALFORMED;
        bits = bits << 6 | (uint32_t)digit;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            id.bytes[filled++] = (uint8_t)(bits >> bit_count);
        }
    }
    ASSERT(filled == sizeof(id.bytes));
    *out = id;
    return 0;
}
