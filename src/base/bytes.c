/* Borrowed bytes: comparison, small parsers, UTF-8, and the hash of names. See bytes.h. */
#include "base/bytes.h"

#include "base/err.h"
#include "base/mem.h"

#include <endian.h>
#include <string.h>

struct bytes bytes_from(const void *data, size_t size)
{
    return (struct bytes){ .data = data, .size = size };
}

struct bytes bytes_from_text(const char *text)
{
    return text == NULL ? BYTES_NULL : bytes_from(text, strlen(text));
}

bool bytes_is_null(struct bytes b)
{
    return b.data == NULL;
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    if (a.data == NULL || b.data == NULL)
        return a.data == b.data;
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_from_text(text));
}

int bytes_compare(struct bytes a, struct bytes b)
{
    if (a.data == NULL || b.data == NULL)
        return (a.data != NULL) - (b.data != NULL);
    const int r = memcmp(a.data, b.data, MIN(a.size, b.size));
    return r != 0 ? r : (a.size > b.size) - (a.size < b.size);
}

int bytes_compare_items(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

bool bytes_starts_with(struct bytes b, struct bytes prefix)
{
    return prefix.size == 0 ||
           (b.size >= prefix.size && memcmp(b.data, prefix.data, prefix.size) == 0);
}

struct bytes bytes_slice(struct bytes b, size_t from, size_t size)
{
    if (b.data == NULL)
        return b;
    from = MIN(from, b.size);
    return bytes_from(b.data + from, MIN(size, b.size - from));
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct bytes bytes_trim(struct bytes b)
{
    while (b.size > 0 && is_space(b.data[b.size - 1]))
        b.size--;
    while (b.size > 0 && is_space(b.data[0])) {
        b.data++;
        b.size--;
    }
    return b;
}

int bytes_to_i64(struct bytes b, int64_t *out)
{
    const bool negative = b.size > 0 && b.data[0] == '-';
    const size_t first = negative ? 1 : 0;
    if (b.size == first)
        return -ERR_MALFORMED;
    for (size_t i = first; i < b.size; i++) {
        if (b.data[i] < '0' || b.data[i] > '9')
            return -ERR_MALFORMED;
    }
    int64_t value = 0; /* gathered with its sign: the lowest number has no positive twin */
    for (size_t i = first; i < b.size; i++) {
        const int digit = b.data[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return -ERR_LIMIT;
    }
    *out = value;
    return 0;
}

struct bytes bytes_append(uint8_t **at, struct bytes b)
{
    if (bytes_is_null(b))
        return b;
    const struct bytes copy = bytes_from(*at, b.size);
    memcpy(*at, b.data, b.size);
    *at += b.size;
    return copy;
}

char *bytes_to_text(struct bytes b)
{
    if (b.data == NULL)
        return NULL;
    char *text = mem_alloc(b.size + 1);
    memcpy(text, b.data, b.size);
    text[b.size] = '\0';
    return text;
}

struct bytes bytes_dup(struct bytes b)
{
    return bytes_is_null(b) ? b : bytes_from(mem_dup(b.data, b.size), b.size);
}

void bytes_free(struct bytes b)
{
    mem_free((void *)(uintptr_t)b.data);
}

/* What RFC 3629 allows after each lead byte: how many bytes follow, and the range of the first of them,
 * which is where overlong forms, surrogates and numbers above U+10FFFF are caught. */
static int utf8_follow_count(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (lead < 0x80)
        return 0;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 1;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (lead == 0xe0)
            *low = 0xa0;
        if (lead == 0xed)
            *high = 0x9f;
        return 2;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (lead == 0xf0)
            *low = 0x90;
        if (lead == 0xf4)
            *high = 0x8f;
        return 3;
    }
    return -1;
}

int bytes_utf8_step(struct bytes b)
{
    uint8_t low, high;
    const int follow = utf8_follow_count(b.data[0], &low, &high);
    if (follow < 0)
        return -1;
    for (int i = 1; i <= follow; i++) {
        if ((size_t)i >= b.size || b.data[i] < low || b.data[i] > high)
            return -i;
        low = 0x80;
        high = 0xbf;
    }
    return follow + 1;
}

struct bytes bytes_utf8_prefix(struct bytes b, size_t size_max)
{
    if (b.size <= size_max)
        return b;
    size_t size = size_max;
    while (size > 0 && (b.data[size] & 0xc0) == 0x80)
        size--;
    return bytes_from(b.data, size);
}

bool bytes_is_utf8(struct bytes b)
{
    while (b.size > 0) {
        const int step = bytes_utf8_step(b);
        if (step < 0)
            return false;
        b = bytes_slice(b, (size_t)step, b.size);
    }
    return true;
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

ALWAYS_INLINE uint64_t rotate_left(uint64_t x, unsigned count)
{
    return (x << count) | (x >> (64 - count));
}

ALWAYS_INLINE void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

/* Eight bytes, little-endian whatever the machine, so that a seed means the same everywhere. */
ALWAYS_INLINE uint64_t load_le64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

/* Fewer than eight. */
static uint64_t load_le(const uint8_t *p, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

/* Takes in all of b; `variant` tells the two widths apart. */
ALWAYS_INLINE struct sip sip_absorb(struct bytes b, uint64_t seed, uint64_t variant)
{
    /* The second half of the key is made from the first such that the published test key (bytes
     * 00 … 0f) is the one of seed 0x0706050403020100. */
    const uint64_t key_0 = seed;
    const uint64_t key_1 = seed ^ UINT64_C(0x0808080808080808);
    struct sip s = { .v0 = key_0 ^ UINT64_C(0x736f6d6570736575),
                     .v1 = key_1 ^ UINT64_C(0x646f72616e646f6d) ^ variant,
                     .v2 = key_0 ^ UINT64_C(0x6c7967656e657261),
                     .v3 = key_1 ^ UINT64_C(0x7465646279746573) };
    if (b.data == NULL)
        b = BYTES_LITERAL(""); /* no arithmetic on null, not even by nothing */
    size_t at = 0;
    for (; b.size - at >= 8; at += 8) {
        const uint64_t word = load_le64(b.data + at);
        s.v3 ^= word;
        sip_round(&s);
        s.v0 ^= word;
    }
    const uint64_t last = load_le(b.data + at, b.size - at) | (uint64_t)b.size << 56;
    s.v3 ^= last;
    sip_round(&s);
    s.v0 ^= last;
    return s;
}

ALWAYS_INLINE uint64_t sip_squeeze(struct sip *s)
{
    for (int i = 0; i < 3; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t bytes_hash(struct bytes b, uint64_t seed)
{
    struct sip s = sip_absorb(b, seed, 0);
    s.v2 ^= 0xff;
    return sip_squeeze(&s);
}

struct wide_hash bytes_hash_wide(struct bytes b, uint64_t seed)
{
    struct sip s = sip_absorb(b, seed, 0xee);
    s.v2 ^= 0xee;
    struct wide_hash hash = { .low = sip_squeeze(&s) };
    s.v1 ^= 0xdd;
    hash.high = sip_squeeze(&s);
    return hash;
}
