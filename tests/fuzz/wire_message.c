/* All message decoders.
 *
 * Input: u16 which message, u8 which version, u8 how, then
 *   how even  the bytes to decode
 *   how odd   u32 a seed: the bytes are those of a random instance, in which what follows (u16 place, u8 value)…
 *             replaces bytes
 * Properties: nothing is read beyond the input, memory stays in proportion to it, straight-line code and the
 * interpreter give the same, and what decodes encodes to something that decodes to the same.
 */
#include "fuzz.h"

#include "base/be.h"
#include "base/mem.h"
#include "wire/message_random.h"

/* Memory for a byte of input: the largest C struct over the fewest bytes that stand for it, twice where
 * straight-line code has given up, and what alignment adds. */
#define AMPLIFICATION_MAX 128
#define SLACK_BYTES       4096

#define OUTPUT_BYTES_MAX ((size_t)64 << 20)

struct subject {
    const struct wire_message *message;
    struct wire_message slow; /* the same without straight-line code */
    int16_t version;
};

static int decode(const struct wire_message *message, int16_t version, struct bytes input,
                  struct arena *arena, void *out)
{
    struct reader r = reader_from(input);
    struct err_note note;
    const int result = wire_decode(message, version, &r, arena, out, &note);
    ASSERT(r.position <= r.size);
    ASSERT((result < 0) || r.error == 0);
    return result;
}

/* The bytes of an instance; size and encode must agree, and it can be printed. */
static void encode(const struct wire_message *message, int16_t version, const void *in,
                   struct buf *out)
{
    struct writer w = writer_to(out);
    const int64_t size = wire_size(message, version, in, NULL);
    ASSERT(size >= 0);
    ASSERT(wire_encode(message, version, in, &w, NULL) == 0);
    ASSERT((uint64_t)size == out->size);
}

static void check_print(const struct subject *s, const void *in)
{
    struct buf json;
    buf_init(&json, OUTPUT_BYTES_MAX);
    wire_print(s->message, s->version, in, &json);
    ASSERT(buf_is_ok(&json) && json.data[0] == '{' && json.data[json.size - 1] == '}');
    ASSERT(bytes_is_utf8(buf_view(&json)));
    buf_deinit(&json);
}

/* Decode, encode, decode again: the two encodings are the same. */
static void check_round(const struct subject *s, struct bytes input, const void *decoded)
{
    struct buf first;
    struct buf second;
    struct arena arena;
    buf_init(&first, OUTPUT_BYTES_MAX);
    buf_init(&second, OUTPUT_BYTES_MAX);
    arena_init(&arena, AMPLIFICATION_MAX * input.size + SLACK_BYTES);
    encode(s->message, s->version, decoded, &first);
    void *again = arena_must_zalloc(&arena, 1, s->message->struct_bytes);
    ASSERT(decode(&s->slow, s->version, buf_view(&first), &arena, again) == 0);
    encode(&s->slow, s->version, again, &second);
    ASSERT(bytes_equal(buf_view(&first), buf_view(&second)));
    arena_deinit(&arena);
    buf_deinit(&first);
    buf_deinit(&second);
}

static void check(const struct subject *s, struct bytes input)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    void *out = mem_alloc(s->message->struct_bytes);
    const int result = decode(s->message, s->version, input, &arena, out);
    ASSERT(arena.used_bytes <= AMPLIFICATION_MAX * input.size + SLACK_BYTES);
    struct arena slow_arena;
    arena_init(&slow_arena, SIZE_MAX);
    void *slow_out = mem_alloc(s->message->struct_bytes);
    ASSERT(decode(&s->slow, s->version, input, &slow_arena, slow_out) == result);
    if (result == 0) {
        check_round(s, input, out);
        check_print(s, out);
    }
    mem_free(slow_out);
    arena_deinit(&slow_arena);
    mem_free(out);
    arena_deinit(&arena);
}

static void check_changed(const struct subject *s, uint32_t seed, struct bytes changes)
{
    struct arena arena;
    struct buf buf;
    arena_init(&arena, OUTPUT_BYTES_MAX);
    buf_init(&buf, OUTPUT_BYTES_MAX);
    struct rng rng = rng_from_seed(seed);
    void *instance = arena_must_zalloc(&arena, 1, s->message->struct_bytes);
    wire_random(s->message, s->version, seed % 2 == 0 ? WIRE_RANDOM_FULL : WIRE_RANDOM_MIXED, &rng,
                &arena, instance);
    encode(s->message, s->version, instance, &buf);
    for (; changes.size >= 3 && buf.size > 0; changes = bytes_slice(changes, 3, changes.size - 3))
        buf.data[be_load_u16(changes.data) % buf.size] = changes.data[2];
    uint8_t *exact = mem_dup(buf.data, buf.size);
    check(s, bytes_from(exact, buf.size));
    mem_free(exact);
    buf_deinit(&buf);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    uint32_t count;
    const struct wire_message *const *all = wire_messages(&count);
    struct subject s = { .message = all[be_load_u16(data) % count] };
    const int versions = s.message->version_max - s.message->version_min + 1;
    s.slow = *s.message;
    s.slow.straight = NULL;
    s.version = (int16_t)(s.message->version_min + data[2] % versions);
    if (data[3] % 2 == 0)
        check(&s, bytes_from(data + 4, size - 4));
    else if (size >= 8)
        check_changed(&s, be_load_u32(data + 4), bytes_from(data + 8, size - 8));
    return 0;
}
