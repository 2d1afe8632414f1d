/* Random instances, led by the tables. */
#include "wire/message_random.h"

#include "wire/message_int.h"

/* Arrays deeper than this stay short, or instances would grow without bound. */
#define DEPTH_WIDE 2

#define PERCENT 10000 /* of rng_chance */

struct maker {
    int16_t version;
    bool is_flexible;
    enum wire_random_style style;
    struct rng *rng;
    struct arena *arena;
};

static void fill_struct(struct maker *m, const struct wire_struct *s, uint32_t depth, uint8_t *out);

/* 127 and more need a second byte where lengths are compact. */
static size_t random_length(struct maker *m)
{
    if (m->style == WIRE_RANDOM_MIXED) {
        if (rng_chance(m->rng, 10 * PERCENT))
            return 0;
        if (rng_chance(m->rng, 3 * PERCENT))
            return 120 + rng_below(m->rng, 20);
        if (rng_chance(m->rng, PERCENT / 10))
            return 16370 + rng_below(m->rng, 30); /* here a third one */
    }
    return 1 + rng_below(m->rng, 12);
}

static struct bytes random_run(struct maker *m)
{
    const size_t size = random_length(m);
    uint8_t *run = arena_must_zalloc(m->arena, 1, size + 1);
    rng_fill(m->rng, run, size);
    return bytes_from(run, size);
}

static uint32_t random_character(struct rng *rng)
{
    switch (rng_below(rng, 8)) {
    case 0:
        return (uint32_t)rng_below(rng, 0x20);
    case 1:
        return 0x80 + (uint32_t)rng_below(rng, 0x780);
    case 2:
        return 0x800 + (uint32_t)rng_below(rng, 0xd000); /* below the surrogates */
    case 3:
        return 0x10000 + (uint32_t)rng_below(rng, 0x100000);
    default:
        return 0x20 + (uint32_t)rng_below(rng, 0x5f);
    }
}

static size_t put_utf8(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    const size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = size - 1; i > 0; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(lead[size] | c);
    return size;
}

static struct bytes random_text(struct maker *m)
{
    const size_t count = MIN(random_length(m), (size_t)INT16_MAX / 4);
    uint8_t *text = arena_must_zalloc(m->arena, 1, 4 * count + 1);
    size_t size = 0;
    const bool is_plain = rng_below(m->rng, 2) == 0;
    for (size_t i = 0; i < count; i++)
        size += put_utf8(text + size, is_plain ? 'a' + (uint32_t)rng_below(m->rng, 26)
                                               : random_character(m->rng));
    return bytes_from(text, size);
}

/* Small numbers, extremes, or any bits at all. */
static int64_t random_number(struct rng *rng, uint32_t bits, bool is_signed)
{
    const uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    const uint64_t max = is_signed ? mask >> 1 : mask;
    switch (rng_below(rng, 8)) {
    case 0:
        return 0;
    case 1:
        return (int64_t)max;
    case 2:
        return is_signed ? -(int64_t)max - 1 : (int64_t)max;
    case 3:
        return is_signed ? -1 : 1;
    case 4:
    case 5:
        return (int64_t)rng_below(rng, 100);
    default: {
        const int64_t any = (int64_t)(rng_u64(rng) & max);
        return is_signed && rng_below(rng, 2) == 0 ? -any - 1 : any;
    }
    }
}

static double random_double(struct rng *rng)
{
    switch (rng_below(rng, 4)) {
    case 0:
        return (double)rng_below(rng, 1000);
    case 1:
        return (double)rng_below(rng, 1 << 20) / 16 - 1000;
    case 2:
        return -0.0;
    default: {
        const uint64_t bits = rng_u64(rng);
        double value;
        memcpy(&value, &bits, sizeof(value));
        return __builtin_isfinite(value) ? value : 4.9e-324;
    }
    }
}

static void fill_number(struct maker *m, const struct wire_field *field, uint8_t *out)
{
    static const struct {
        uint8_t bits;
        bool is_signed;
    } shape[] = {
        [WIRE_INT8] = { 8, true },   [WIRE_INT16] = { 16, true },   [WIRE_UINT16] = { 16, false },
        [WIRE_INT32] = { 32, true }, [WIRE_UINT32] = { 32, false }, [WIRE_INT64] = { 64, true },
    };
    /* Little-endian machines only, as everywhere in this project: the low bytes come first. */
    const int64_t number =
        random_number(m->rng, shape[field->type].bits, shape[field->type].is_signed);
    memcpy(out, &number, wire__value_bytes(field));
}

static void fill_value(struct maker *m, const struct wire_field *field, uint32_t depth,
                       uint8_t *out)
{
    switch ((enum wire_type)field->type) {
    case WIRE_BOOL:
        *(bool *)out = rng_below(m->rng, 2) == 0;
        return;
    case WIRE_FLOAT64: {
        const double value = random_double(m->rng);
        memcpy(out, &value, sizeof(value));
        return;
    }
    case WIRE_UUID:
        if (rng_below(m->rng, 10) == 0)
            memset(out, 0, sizeof(struct uuid));
        else
            rng_fill(m->rng, out, sizeof(struct uuid));
        return;
    case WIRE_STRING: {
        const struct bytes text = random_text(m);
        memcpy(out, &text, sizeof(text));
        return;
    }
    case WIRE_BYTES: {
        const struct bytes run = random_run(m);
        memcpy(out, &run, sizeof(run));
        return;
    }
    case WIRE_RECORDS: {
        const struct bytes run = random_run(m);
        const struct wire_records records = { .data = run.data, .size = run.size };
        memcpy(out, &records, sizeof(records));
        return;
    }
    case WIRE_STRUCT:
        fill_struct(m, field->element, depth + 1, out);
        return;
    case WIRE_INT8:
    case WIRE_INT16:
    case WIRE_UINT16:
    case WIRE_INT32:
    case WIRE_UINT32:
    case WIRE_INT64:
        fill_number(m, field, out);
        return;
    }
}

static int32_t random_count(struct maker *m, const struct wire_field *field, uint32_t depth)
{
    const bool is_wide = depth < DEPTH_WIDE;
    if (m->style == WIRE_RANDOM_FULL)
        return 1 + (int32_t)rng_below(m->rng, is_wide ? 3 : 2);
    if (rng_chance(m->rng, 20 * PERCENT))
        return 0;
    if (is_wide && rng_chance(m->rng, (field->type == WIRE_STRUCT ? 2 : 10) * PERCENT))
        return 120 + (int32_t)rng_below(m->rng, 20);
    return 1 + (int32_t)rng_below(m->rng, is_wide ? 4 : 2);
}

static void fill_array(struct maker *m, const struct wire_field *field, uint32_t depth,
                       uint8_t *member)
{
    const int32_t count = random_count(m, field, depth);
    const size_t item_bytes = wire__value_bytes(field);
    uint8_t *items = arena_must_zalloc(m->arena, (size_t)count + 1, item_bytes);
    for (int32_t i = 0; i < count; i++)
        fill_value(m, field, depth, items + (size_t)i * item_bytes);
    wire__set_items(member, items, count);
}

static void fill_null(const struct wire_field *field, uint8_t *member)
{
    if (field->flags & WIRE_ARRAY)
        wire__set_items(member, NULL, -1);
    else if (field->flags & WIRE_POINTER)
        memset(member, 0, sizeof(void *));
    else
        memset(member, 0, wire__value_bytes(field)); /* runs of bytes: no data is null */
}

static void fill_field(struct maker *m, const struct wire_field *field, uint32_t depth,
                       uint8_t *member)
{
    if (m->style == WIRE_RANDOM_MIXED) {
        if (wire__may_be_null(field, m->version) && rng_chance(m->rng, 25 * PERCENT)) {
            fill_null(field, member);
            return;
        }
        if (!(field->flags & WIRE_POINTER) && rng_chance(m->rng, 15 * PERCENT))
            return; /* stays at its default, which may be null, where null is allowed */
    }
    if (field->flags & WIRE_ARRAY) {
        fill_array(m, field, depth, member);
    } else if (field->flags & WIRE_POINTER) {
        uint8_t *value = arena_must_zalloc(m->arena, 1, field->element->struct_bytes);
        fill_struct(m, field->element, depth + 1, value);
        memcpy(member, &value, sizeof(value));
    } else {
        fill_value(m, field, depth, member);
    }
}

static void fill_unknown_tags(struct maker *m, const struct wire_struct *s, uint8_t *out)
{
    if (m->style == WIRE_RANDOM_MIXED && rng_chance(m->rng, 70 * PERCENT))
        return;
    struct wire_tags tags = { .count = 1 + (uint32_t)rng_below(m->rng, 3) };
    tags.items = arena_must_zalloc(m->arena, tags.count, sizeof(*tags.items));
    uint32_t next = s->tagged_count;
    for (uint32_t i = 0; i < tags.count; i++) {
        const uint32_t step = rng_below(m->rng, 2) == 0 ? 8 : INT32_MAX / 4;
        next += (uint32_t)rng_below(m->rng, step);
        tags.items[i] = (struct wire_tag){ .tag = next++, .value = random_run(m) };
    }
    memcpy(out + s->tags_offset, &tags, sizeof(tags));
}

static void fill_struct(struct maker *m, const struct wire_struct *s, uint32_t depth, uint8_t *out)
{
    memcpy(out, s->default_value, s->struct_bytes);
    if (m->style == WIRE_RANDOM_DEFAULTS)
        return;
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *field = &s->fields[i];
        if (wire__has_version(field, m->version))
            fill_field(m, field, depth, out + field->offset);
    }
    if (m->is_flexible)
        fill_unknown_tags(m, s, out);
}

void wire_random(const struct wire_message *message, int16_t version, enum wire_random_style style,
                 struct rng *rng, struct arena *arena, void *out)
{
    struct maker m = { .version = version,
                       .is_flexible = version >= message->flexible_min,
                       .style = style,
                       .rng = rng,
                       .arena = arena };
    fill_struct(&m, message->root, 0, out);
}
