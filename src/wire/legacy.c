/* Message sets of magic 0 and 1. See legacy.h. */
#include "wire/legacy.h"

#include "base/be.h"
#include "wire/crc32c.h"

enum {
    AT_OFFSET = 0,
    AT_SIZE = 8,
    AT_CRC = 12,
    AT_MAGIC = 16,
    AT_ATTRIBUTES = 17,
    AT_TIMESTAMP = 18, /* magic 1 */
    SIZE_OVERHEAD_BYTES = 12,
    SIZE_MIN_0 = LEGACY_OVERHEAD_BYTES_0 - SIZE_OVERHEAD_BYTES,
    NO_TIMESTAMP = -1,
};

/* Cuts a length and as many bytes off *input; false when they are not there. */
static bool take_run(struct bytes *input, struct bytes *out)
{
    if (input->size < 4)
        return false;
    const int32_t size = be_load_i32(input->data);
    *input = bytes_slice(*input, 4, SIZE_MAX);
    *out = BYTES_NULL;
    if (size < 0)
        return true;
    if ((size_t)size > input->size)
        return false;
    *out = bytes_slice(*input, 0, (size_t)size);
    *input = bytes_slice(*input, (size_t)size, SIZE_MAX);
    return true;
}

int legacy_parse(struct bytes input, struct legacy_view *out)
{
    const int size = batch_size(input);
    if (size < 0)
        return size;
    const uint8_t *p = input.data;
    const int8_t magic = (int8_t)p[AT_MAGIC];
    if (magic != 0 && magic != 1)
        return -ERR_VERSION;
    const size_t overhead = magic == 0 ? LEGACY_OVERHEAD_BYTES_0 : LEGACY_OVERHEAD_BYTES_1;
    if ((size_t)size < overhead)
        return -ERR_CORRUPT;
    if (input.size < (size_t)size)
        return -ERR_OVERRUN;

    struct legacy_view view = {
        .bytes = bytes_from(p, (size_t)size),
        .offset = be_load_i64(p + AT_OFFSET),
        .magic = magic,
        .attributes = (int8_t)p[AT_ATTRIBUTES],
        .crc = be_load_u32(p + AT_CRC),
        .timestamp = magic == 0 ? NO_TIMESTAMP : be_load_i64(p + AT_TIMESTAMP),
    };
    struct bytes content =
        bytes_slice(view.bytes, magic == 0 ? AT_TIMESTAMP : AT_TIMESTAMP + 8, SIZE_MAX);
    if (!take_run(&content, &view.key) || !take_run(&content, &view.value))
        return -ERR_CORRUPT;
    *out = view; /* bytes after the value are nobody's, as in Apache Kafka */
    return size;
}

int legacy_check_crc(const struct legacy_view *view)
{
    const struct bytes summed = bytes_slice(view->bytes, AT_MAGIC, SIZE_MAX);
    return crc32_ieee(0, summed.data, summed.size) == view->crc ? 0 : -ERR_CORRUPT;
}

int legacy_base_offset(const struct legacy_view *view, struct codec_contexts *contexts,
                       uint32_t record_bytes_max, int64_t *out)
{
    struct record record;
    AUTO(legacy_walk_deinit) struct legacy_walk walk;
    legacy_walk_init(&walk, view, contexts, record_bytes_max);
    const int r = legacy_walk_next(&walk, &record);
    if (r < 0)
        return r;
    ASSERT(r == 1); /* a wrapper without messages is an error */
    *out = record.offset;
    return 0;
}

void legacy_walk_init(struct legacy_walk *walk, const struct legacy_view *view,
                      struct codec_contexts *contexts, uint32_t record_bytes_max)
{
    *walk = (struct legacy_walk){
        .outer = *view,
        .contexts = contexts,
        .record_bytes_max = record_bytes_max,
    };
}

void legacy_walk_deinit(struct legacy_walk *walk)
{
    compress_window_close(&walk->window);
}

static int open_wrapper(struct legacy_walk *walk)
{
    compress_window_close(&walk->window);
    walk->index = 0;
    return compress_window_open(&walk->window, walk->contexts, legacy_codec(&walk->outer),
                                walk->outer.value, walk->outer.magic == 0);
}

/* Brings size_bytes of the wrapper into view: 1, 0 when it ends before, or an error. */
static int look(struct legacy_walk *walk, size_t size_bytes)
{
    while (compress_window_view(&walk->window).size < size_bytes) {
        const int64_t count = compress_window_fill(&walk->window);
        if (count <= 0)
            return (int)count;
    }
    return 1;
}

/* The next message of the wrapper: 1, 0 at its end, or an error. */
static int next_inner(struct legacy_walk *walk, struct legacy_view *out)
{
    int r = look(walk, SIZE_OVERHEAD_BYTES);
    if (r > 0) {
        const int32_t size = be_load_i32(compress_window_view(&walk->window).data + AT_SIZE);
        if (size < SIZE_MIN_0)
            return -ERR_CORRUPT;
        if ((uint32_t)size > walk->record_bytes_max)
            return -ERR_LIMIT;
        r = look(walk, (size_t)size + SIZE_OVERHEAD_BYTES);
    }
    if (r < 0)
        return r;
    if (r == 0) /* what is cut off by the wrapper's end is left out */
        return walk->index > 0 ? 0 : -ERR_CORRUPT;
    r = legacy_parse(compress_window_view(&walk->window), out);
    if (r < 0 || legacy_codec(out) != CODEC_NONE)
        return -ERR_CORRUPT;
    compress_window_advance(&walk->window, (size_t)r);
    walk->index++;
    return 1;
}

/* What the relative offsets of a magic 1 wrapper start from: found by going to its last message. An outer offset of 0 comes
 * from producers that did not know it, and is taken as the first. */
static int find_base(struct legacy_walk *walk)
{
    struct legacy_view inner = { 0 };
    int r;
    do {
        r = next_inner(walk, &inner);
    } while (r > 0);
    if (r < 0)
        return r;
    if (walk->outer.offset != 0 && walk->outer.offset < inner.offset)
        return -ERR_CORRUPT;
    walk->base_offset = walk->outer.offset == 0 ? 0 : walk->outer.offset - inner.offset;
    return 0;
}

static int begin(struct legacy_walk *walk)
{
    walk->is_begun = true;
    const enum codec codec = legacy_codec(&walk->outer);
    if (codec == CODEC_NONE)
        return 0;
    if (codec == CODEC_ZSTD)
        return -ERR_UNSUPPORTED; /* it came with magic 2 */
    if (bytes_is_null(walk->outer.value))
        return -ERR_CORRUPT;
    int r = open_wrapper(walk);
    if (r == 0 && walk->outer.magic == 1) {
        r = find_base(walk);
        if (r == 0)
            r = open_wrapper(walk);
    }
    return r;
}

static void fill_record(struct legacy_walk *walk, const struct legacy_view *view,
                        struct record *out)
{
    walk->inner = *view;
    const bool has_outer_time = legacy_is_log_append_time(&walk->outer) && view->magic == 1;
    *out = (struct record){
        .offset = (int64_t)((uint64_t)walk->base_offset + (uint64_t)view->offset),
        .timestamp = has_outer_time ? walk->outer.timestamp : view->timestamp,
        .key = view->key,
        .value = view->value,
        .headers = BYTES_LITERAL(""),
        .size_bytes = (uint32_t)view->bytes.size,
    };
}

static int step(struct legacy_walk *walk, struct record *out)
{
    struct legacy_view inner;
    int r = 0;
    if (!walk->is_begun)
        r = begin(walk);
    if (r < 0)
        return r;
    if (legacy_codec(&walk->outer) == CODEC_NONE) {
        if (walk->index++ > 0)
            return 0;
        fill_record(walk, &walk->outer, out);
        return 1;
    }
    r = next_inner(walk, &inner);
    if (r > 0)
        fill_record(walk, &inner, out);
    return r;
}

int legacy_walk_next(struct legacy_walk *walk, struct record *out)
{
    if (walk->error < 0)
        return walk->error;
    const int r = step(walk, out);
    if (r < 0)
        walk->error = r;
    return r;
}
