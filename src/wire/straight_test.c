/* Straight-line code answers as the interpreter does, whatever the message and whatever the bytes. */
#include "base/mem.h"
#include "base/test.h"
#include "wire/message_int.h"
#include "wire/message_random.h"

struct pair {
    const struct wire_message *fast;
    struct wire_message slow; /* the same without straight-line code */
    struct arena arena;
    struct buf fast_bytes;
    struct buf slow_bytes;
};

static void pair_init(struct pair *p, const struct wire_message *message)
{
    p->fast = message;
    p->slow = *message;
    p->slow.straight = NULL;
    arena_init(&p->arena, (size_t)64 << 20);
    buf_init(&p->fast_bytes, (size_t)16 << 20);
    buf_init(&p->slow_bytes, (size_t)16 << 20);
}

static void pair_deinit(struct pair *p)
{
    arena_deinit(&p->arena);
    buf_deinit(&p->fast_bytes);
    buf_deinit(&p->slow_bytes);
}

/* Both encode the instance; what they answer is the same. */
static int encode_both(struct pair *p, int16_t version, const void *in)
{
    struct writer_gap fast_gaps[64];
    struct writer_gap slow_gaps[64];
    struct err_note fast_note = { .text = "" };
    struct err_note slow_note = { .text = "" };
    buf_clear(&p->fast_bytes);
    buf_clear(&p->slow_bytes);
    struct writer fast = writer_with_gaps(&p->fast_bytes, fast_gaps, 64);
    struct writer slow = writer_with_gaps(&p->slow_bytes, slow_gaps, 64);
    const int result = wire_encode(p->fast, version, in, &fast, &fast_note);
    EXPECT_EQ(wire_encode(&p->slow, version, in, &slow, &slow_note), result);
    EXPECT_TEXT(fast_note.text, slow_note.text);
    EXPECT_EQ(wire_size(p->fast, version, in, NULL), wire_size(&p->slow, version, in, NULL));
    EXPECT_BYTES(buf_view(&p->fast_bytes), buf_view(&p->slow_bytes));
    EXPECT_EQ(fast.gap_count, slow.gap_count);
    for (uint32_t i = 0; i < fast.gap_count; i++)
        EXPECT(fast_gaps[i].position == slow_gaps[i].position &&
               fast_gaps[i].size_bytes == slow_gaps[i].size_bytes &&
               fast_gaps[i].region == slow_gaps[i].region);
    return result;
}

/* Both decode the bytes; what they answer, and what the instances encode to, is the same. */
static void decode_both(struct pair *p, int16_t version, struct bytes input)
{
    struct err_note fast_note = { .text = "" };
    struct err_note slow_note = { .text = "" };
    struct reader fast = reader_from(input);
    struct reader slow = fast;
    void *fast_out = arena_must_zalloc(&p->arena, 1, p->fast->struct_bytes);
    void *slow_out = arena_must_zalloc(&p->arena, 1, p->fast->struct_bytes);
    const int result = wire_decode(p->fast, version, &fast, &p->arena, fast_out, &fast_note);
    EXPECT_EQ(wire_decode(&p->slow, version, &slow, &p->arena, slow_out, &slow_note), result);
    EXPECT_TEXT(fast_note.text, slow_note.text);
    EXPECT_EQ(fast.position, slow.position);
    EXPECT_EQ(fast.error, slow.error);
    if (result < 0)
        return;
    EXPECT_OK(encode_both(p, version, fast_out));
    AUTO(mem_freep)
    uint8_t *from_fast = mem_dup(p->fast_bytes.data, p->fast_bytes.size);
    const size_t size = p->fast_bytes.size;
    EXPECT_OK(encode_both(p, version, slow_out));
    EXPECT_BYTES(bytes_from(from_fast, size), buf_view(&p->fast_bytes));
}

/* Sets a random member of the root to what was drawn for another version: so that it may be absent,
 * null, or past what can be written in this one. */
static void mix_versions(struct pair *p, struct rng *rng, void *out)
{
    const struct wire_message *m = p->fast;
    uint8_t *other = arena_must_zalloc(&p->arena, 1, m->struct_bytes);
    const int16_t version = (int16_t)rng_between(rng, m->version_min, m->version_max);
    wire_random(m, version, WIRE_RANDOM_MIXED, rng, &p->arena, other);
    const struct wire_field *field = &m->root->fields[rng_below(rng, m->root->field_count)];
    const size_t bytes = field->flags & WIRE_ARRAY     ? sizeof(void *) + sizeof(int32_t)
                         : field->flags & WIRE_POINTER ? sizeof(void *)
                                                       : wire__value_bytes(field);
    memcpy((uint8_t *)out + field->offset, other + field->offset, bytes);
}

static void compare(const struct wire_message *message, struct rng *rng)
{
    struct pair p;
    pair_init(&p, message);
    for (int16_t version = message->version_min; version <= message->version_max; version++) {
        for (uint32_t n = 0; n < 60; n++, arena_reset(&p.arena)) {
            void *in = arena_must_zalloc(&p.arena, 1, message->struct_bytes);
            wire_random(message, version, n < 2 ? (enum wire_random_style)n : WIRE_RANDOM_MIXED,
                        rng, &p.arena, in);
            EXPECT_OK(encode_both(&p, version, in));
            AUTO(mem_freep)
            uint8_t *input = mem_dup(p.fast_bytes.data, p.fast_bytes.size);
            const size_t size = p.fast_bytes.size;
            decode_both(&p, version, bytes_from(input, size));
            for (uint32_t i = 0; i < 8 && size > 0; i++) {
                decode_both(&p, version, bytes_from(input, rng_below(rng, size)));
                input[rng_below(rng, MIN(size, (size_t)200))] = (uint8_t)rng_u64(rng);
                decode_both(&p, version, bytes_from(input, size));
            }
            mix_versions(&p, rng, in);
            (void)encode_both(&p, version, in); /* may fail; both alike */
        }
    }
    pair_deinit(&p);
}

TEST(straight, answers_as_the_interpreter_does)
{
    struct rng rng = rng_from_seed(context->seed);
    uint32_t count;
    const struct wire_message *const *all = wire_messages(&count);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (all[i]->straight == NULL)
            continue;
        compare(all[i], &rng);
        seen++;
    }
    EXPECT(seen >= 6);
}
