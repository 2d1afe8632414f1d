/* CRC-32C by hardware or by tables, and zlib's CRC-32. See crc32c.h.
 *
 * The crc32 instruction of SSE4.2 takes 8 bytes every cycle but answers after three, so three runs of
 * bytes are summed side by side. A run's sum is carried past the runs behind it by one carry-less
 * multiplication: with bits in reflected order, `crc32(0, clmul(sum, K))` is sum * K * x^33 mod P, hence
 * K = x^(8 * bytes - 33) mod P moves a sum over `bytes` bytes. (V. Gopal et al., "Fast CRC Computation for
 * iSCSI Polynomial Using CRC32 Instruction", Intel 2011.)
 */
#include "wire/crc32c.h"

#include <string.h>
#include <zlib.h>

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* Eight bytes a turn, one table row for each. */
static uint32_t crc32c_by_tables(uint32_t crc, const uint8_t *p, size_t size_bytes)
{
    static const uint32_t table[8][256] = {
#include "wire/crc32c_table.def"
    };

    for (; size_bytes >= 8; p += 8, size_bytes -= 8) {
        const uint64_t v = load_le64(p) ^ crc;
        crc = table[7][v & 0xff] ^ table[6][(v >> 8) & 0xff] ^ table[5][(v >> 16) & 0xff] ^
              table[4][(v >> 24) & 0xff] ^ table[3][(v >> 32) & 0xff] ^ table[2][(v >> 40) & 0xff] ^
              table[1][(v >> 48) & 0xff] ^ table[0][v >> 56];
    }
    for (; size_bytes > 0; p++, size_bytes--)
        crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
    return crc;
}

#ifdef __x86_64__
#    include <nmmintrin.h>
#    include <wmmintrin.h>

#    define TARGET_CRC __attribute__((target("sse4.2,pclmul")))

/* A length of the three runs, and what carries a sum over one and over two of them. */
struct lanes {
    size_t lane_bytes;
    uint64_t over_one; /* x^(8 * lane_bytes - 33) mod P, reflected */
    uint64_t over_two; /* x^(16 * lane_bytes - 33) mod P, reflected */
};

TARGET_CRC static inline uint64_t carry(uint64_t crc, uint64_t constant)
{
    const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc),
                                                 _mm_cvtsi64_si128((int64_t)constant), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

/* Sums 3 * lane_bytes bytes at p. */
TARGET_CRC static inline uint64_t crc32c_lanes(uint64_t crc, const uint8_t *p, struct lanes lanes)
{
    const size_t n = lanes.lane_bytes;
    uint64_t a = crc;
    uint64_t b = 0;
    uint64_t c = 0;
    for (size_t i = 0; i < n - 8; i += 8) {
        a = _mm_crc32_u64(a, load_le64(p + i));
        b = _mm_crc32_u64(b, load_le64(p + n + i));
        c = _mm_crc32_u64(c, load_le64(p + n * 2 + i));
    }
    a = _mm_crc32_u64(a, load_le64(p + n - 8));
    b = _mm_crc32_u64(b, load_le64(p + n * 2 - 8));
    const uint64_t last = load_le64(p + n * 3 - 8);
    return _mm_crc32_u64(c, last ^ carry(a, lanes.over_two) ^ carry(b, lanes.over_one));
}

TARGET_CRC static uint32_t crc32c_by_instruction(uint32_t start, const uint8_t *p,
                                                 size_t size_bytes)
{
    static const struct lanes long_lanes = { 2048, 0xa51b6135, 0x82f89c77 };
    static const struct lanes short_lanes = { 256, 0xb9e02b86, 0xdd7e3b0c };

    uint64_t crc = start;
    for (; size_bytes >= 3 * long_lanes.lane_bytes; size_bytes -= 3 * long_lanes.lane_bytes) {
        crc = crc32c_lanes(crc, p, long_lanes);
        p += 3 * long_lanes.lane_bytes;
    }
    for (; size_bytes >= 3 * short_lanes.lane_bytes; size_bytes -= 3 * short_lanes.lane_bytes) {
        crc = crc32c_lanes(crc, p, short_lanes);
        p += 3 * short_lanes.lane_bytes;
    }
    for (; size_bytes >= 8; p += 8, size_bytes -= 8)
        crc = _mm_crc32_u64(crc, load_le64(p));
    for (; size_bytes > 0; p++, size_bytes--)
        crc = _mm_crc32_u8((uint32_t)crc, *p);
    return (uint32_t)crc;
}
#endif

bool crc32c_has_instruction(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
#else
    return false;
#endif
}

uint32_t crc32c_with_tables(uint32_t crc, const void *bytes, size_t size_bytes)
{
    return ~crc32c_by_tables(~crc, bytes, size_bytes);
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size_bytes)
{
#ifdef __x86_64__
    if (LIKELY(crc32c_has_instruction()))
        return ~crc32c_by_instruction(~crc, bytes, size_bytes);
#endif
    return crc32c_with_tables(crc, bytes, size_bytes);
}

uint32_t crc32_ieee(uint32_t crc, const void *bytes, size_t size_bytes)
{
    return size_bytes == 0 ? crc
                           : (uint32_t)crc32_z(crc, bytes, size_bytes); /* NULL would start anew */
}
