/* Big-endian loads and stores at any alignment. The caller knows that the bytes are there. */
#pragma once

#include "base/base.h"

#include <string.h>

static inline uint16_t be_load_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap16(v);
}
static inline uint32_t be_load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap32(v);
}
static inline uint64_t be_load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap64(v);
}
static inline int16_t be_load_i16(const void *p)
{
    return (int16_t)be_load_u16(p);
}
static inline int32_t be_load_i32(const void *p)
{
    return (int32_t)be_load_u32(p);
}
static inline int64_t be_load_i64(const void *p)
{
    return (int64_t)be_load_u64(p);
}
static inline void be_store_u16(void *p, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(p, &value, sizeof(value));
}
static inline void be_store_u32(void *p, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(p, &value, sizeof(value));
}
static inline void be_store_u64(void *p, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(p, &value, sizeof(value));
}
