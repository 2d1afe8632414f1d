/* The codecs: streams from strangers.
 *
 * Input: u8 codec (bit 7: as in messages of magic 0), u8 how much is read at a time, then the stream.
 * Properties: no more bytes than asked for, an end or an error that stays, the same bytes with kept contexts and
 * other steps; and the input, taken as plain bytes, comes back from every codec as it went in.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "wire/compress.h"

#include <string.h>

#define OUTPUT_BYTES_MAX ((size_t)2 << 20) /* of a bomb only the beginning is looked at */

/* Reads at most OUTPUT_BYTES_MAX; the last answer, which is positive where it stopped before the end. */
static int64_t read_stream(struct codec_contexts *contexts, uint8_t selector, struct bytes input,
                           size_t step, struct buf *out)
{
    struct decompressor *d;
    const enum codec codec = (enum codec)(selector & 7);
    const int r = (selector & 0x80) != 0 ? decompressor_open_magic_0(contexts, codec, input, &d)
                                         : decompressor_open(contexts, codec, input, &d);
    if (r < 0)
        return r;
    uint8_t *chunk = mem_alloc(step);
    int64_t count;
    while ((count = decompressor_read(d, chunk, step)) > 0) {
        ASSERT((size_t)count <= step);
        buf_put(out, chunk, (size_t)count);
        if (out->size > OUTPUT_BYTES_MAX)
            break;
    }
    if (count <= 0)
        ASSERT(decompressor_read(d, chunk, step) == count);
    mem_free(chunk);
    decompressor_close(d);
    return count;
}

static void check_stream(uint8_t selector, size_t step, struct bytes input)
{
    struct codec_contexts *contexts = codec_contexts_new();
    struct buf first;
    struct buf second;
    buf_init(&first, 2 * OUTPUT_BYTES_MAX);
    buf_init(&second, 2 * OUTPUT_BYTES_MAX);
    const int64_t r = read_stream(contexts, selector, input, step, &first);
    const int64_t again = read_stream(contexts, selector, input, 65536, &second);
    if (r <= 0 && again <= 0) {
        ASSERT(r == again);
        ASSERT(r < 0 || bytes_equal(buf_view(&first), buf_view(&second)));
    }
    buf_deinit(&first);
    buf_deinit(&second);
    codec_contexts_free(contexts);
}

static void check_round_trip(enum codec codec, struct bytes input)
{
    struct buf packed;
    struct buf out;
    buf_init(&packed, 2 * OUTPUT_BYTES_MAX);
    buf_init(&out, 2 * OUTPUT_BYTES_MAX);
    ASSERT(codec_compress(NULL, codec, COMPRESS_LEVEL_DEFAULT, input, &packed) == 0);
    ASSERT(read_stream(NULL, (uint8_t)codec, buf_view(&packed), 4096, &out) == 0);
    ASSERT(out.size == input.size &&
           (out.size == 0 || memcmp(out.data, input.data, out.size) == 0));
    buf_deinit(&packed);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct bytes input = bytes_from(data + 2, size - 2);
    check_stream(data[0], 1 + (size_t)data[1] * 40, input);
    check_round_trip((enum codec)(CODEC_GZIP + data[0] % (CODEC_COUNT - 1)), input);
    return 0;
}
