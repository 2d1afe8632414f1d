/* Going through the batches of a file: see batch_scan.h. */
#include "log/batch_scan.h"

#include "log/batch_length.h"

#include "base/be.h"
#include "base/mem.h"
#include "wire/legacy.h"

#include <errno.h>
#include <string.h>

void batch_scan_init(struct batch_scan *scan, struct io_file *file, int64_t position, int64_t end,
                     uint32_t window_bytes)
{
    *scan = (struct batch_scan){ .file = file,
                                 .position = position,
                                 .end = end,
                                 .crc_from = INT64_MAX,
                                 .read_bytes = window_bytes,
                                 .window_position = position };
}

void batch_scan_deinit(struct batch_scan *scan)
{
    mem_free(scan->window);
    scan->window = NULL;
}

/* What the window holds from scan->position on. */
static struct bytes in_window(const struct batch_scan *scan)
{
    const int64_t skip = scan->position - scan->window_position;
    if (skip < 0 || (uint64_t)skip >= scan->window_size)
        return BYTES_NULL;
    return bytes_from(scan->window + skip, scan->window_size - (size_t)skip);
}

static int64_t read_window(struct batch_scan *scan, size_t at, size_t size)
{
    const int64_t position = scan->position + (int64_t)at;
    if (scan->may_sleep)
        return io_file_read(scan->file, position, scan->window + at, size);
    const int64_t n = io_file_read_cached(scan->file, position, scan->window + at, size);
    if (n != -EAGAIN)
        return n;
    scan->wanted_position = position;
    scan->wanted_bytes = (int64_t)size;
    return -ERR_WOULD_BLOCK;
}

/* Moves the window so that it begins at scan->position and holds at least `needed` bytes, which lie
 * before the end. */
static int refill(struct batch_scan *scan, size_t needed)
{
    const size_t left = (size_t)(scan->end - scan->position);
    const size_t wanted = MIN(MAX(needed, (size_t)scan->read_bytes), left);
    ASSERT(needed <= left);

    const struct bytes kept = in_window(scan);
    if (scan->window_capacity < wanted) {
        uint8_t *window = mem_alloc(wanted);
        if (kept.size > 0)
            memcpy(window, kept.data, kept.size);
        mem_free(scan->window);
        scan->window = window;
        scan->window_capacity = wanted;
    } else if (kept.size > 0) {
        memmove(scan->window, kept.data, kept.size);
    }
    scan->window_position = scan->position;
    scan->window_size = kept.size;

    const int64_t n = read_window(scan, kept.size, wanted - kept.size);
    if (n < 0)
        return (int)n;
    scan->window_size += (size_t)n;
    return scan->window_size < needed ? -ERR_OVERRUN : 0; /* the file is shorter than was thought */
}

/* At least size_bytes from scan->position on, of which the end may leave fewer: -ERR_OVERRUN. */
static int need(struct batch_scan *scan, size_t size_bytes, struct bytes *out)
{
    if (scan->end - scan->position < (int64_t)size_bytes)
        return -ERR_OVERRUN;
    *out = in_window(scan);
    if (out->size >= size_bytes)
        return 0;
    const int r = refill(scan, size_bytes);
    *out = in_window(scan);
    return r;
}

static int describe_legacy(struct batch_scan *scan, struct scanned_batch *out)
{
    struct bytes input;
    int r = need(scan, out->size_bytes, &input);
    if (r < 0)
        return r;
    struct legacy_view legacy;
    r = legacy_parse(input, &legacy);
    if (r < 0)
        return r == -ERR_VERSION ? -ERR_CORRUPT : r;
    if (scan->position >= scan->crc_from && (r = legacy_check_crc(&legacy)) < 0)
        return r;
    out->base_offset = out->last_offset = legacy.offset;
    out->max_timestamp = legacy.timestamp;
    out->leader_epoch = -1;
    out->producer_id = -1;
    return 0;
}

static int describe(struct batch_scan *scan, struct scanned_batch *out)
{
    const struct batch_view *view = &out->view;
    if (view->last_offset_delta < 0 || view->base_offset < 0 ||
        view->base_offset > INT64_MAX - view->last_offset_delta)
        return -ERR_CORRUPT;
    out->base_offset = view->base_offset;
    out->last_offset = batch_last_offset(view);
    out->max_timestamp = view->max_timestamp;
    out->leader_epoch = view->leader_epoch;
    out->producer_id = view->producer_id;
    if (scan->position < scan->crc_from)
        return 0;
    const int r = batch_scan_load(scan, out);
    return r < 0 ? r : batch_check_crc(view);
}

/* Where batches are large and only headers are looked at, small reads skip the bodies. */
static void adapt_read(struct batch_scan *scan, uint32_t size_bytes)
{
    if (scan->crc_from == INT64_MAX && size_bytes > scan->read_bytes)
        scan->read_bytes = BATCH_SCAN_WINDOW_SMALL;
}

int batch_scan_next(struct batch_scan *scan, struct scanned_batch *out)
{
    if (scan->position >= scan->end)
        return 0;
    struct bytes input;
    int r = need(scan, BATCH_PREFIX_BYTES, &input);
    if (r < 0)
        return r;
    const int size = batch_size(input);
    if (size < 0)
        return size;
    if (scan->end - scan->position < size)
        return -ERR_OVERRUN;

    *out = (struct scanned_batch){ .position = scan->position,
                                   .size_bytes = (uint32_t)size,
                                   .magic = (int8_t)input.data[BATCH_PREFIX_BYTES - 1] };
    if (out->magic == 0 || out->magic == 1) {
        r = describe_legacy(scan, out);
    } else if (out->magic == BATCH_MAGIC) {
        r = need(scan, BATCH_OVERHEAD_BYTES, &input);
        if (r >= 0)
            r = batch_parse_header(input, &out->view);
        if (r >= 0)
            r = describe(scan, out);
    } else {
        r = -ERR_CORRUPT;
    }
    if (r < 0)
        return r;
    adapt_read(scan, out->size_bytes);
    scan->position += size;
    return 1;
}

bool batch_scan_header(struct io_file *file, int64_t position, int64_t end,
                       struct scanned_batch *out)
{
    struct batch_scan scan;
    batch_scan_init(&scan, file, position, end, BATCH_OVERHEAD_BYTES);
    scan.may_sleep = true;
    const int r = batch_scan_next(&scan, out);
    batch_scan_deinit(&scan);
    return r > 0;
}

int batch_scan_load(struct batch_scan *scan, struct scanned_batch *batch)
{
    const int64_t position = scan->position;
    struct bytes input;
    scan->position = batch->position;
    const int r = need(scan, batch->size_bytes, &input);
    scan->position = position;
    if (r < 0)
        return r;
    batch->view.bytes = bytes_slice(input, 0, batch->size_bytes);
    return 0;
}

static bool is_offset(struct bytes input, int64_t first_offset, int64_t last_offset)
{
    const int64_t offset = be_load_i64(input.data);
    return offset >= first_offset && offset <= last_offset;
}

/* Whether these may be the first bytes of a batch, or of a message of the old formats, which are shorter: what costs least comes
 * first, and a CRC is computed only of what else is right. */
static bool is_plausible(struct bytes input, int64_t first_offset, int64_t last_offset)
{
    struct batch_view view;
    if (!is_offset(input, first_offset, last_offset))
        return false;
    const int r = batch_parse_header(input, &view);
    if (r <= 0)
        return r == -ERR_VERSION && (view.magic == 0 || view.magic == 1);
    return view.last_offset_delta >= 0 &&
           view.last_offset_delta <= last_offset - view.base_offset && view.record_count >= 0 &&
           view.record_count <= view.last_offset_delta + INT64_C(1);
}

/* Whether a whole batch of these offsets begins at scan->position, which stays. */
static int is_batch_here(struct batch_scan *scan, int64_t first_offset, int64_t last_offset)
{
    struct bytes input;
    const int64_t left = scan->end - scan->position;
    int r = need(scan, (size_t)MAX(MIN(left, BATCH_OVERHEAD_BYTES), BATCH_PREFIX_BYTES), &input);
    if (r < 0)
        return batch_scan_is_damage(r) ? 0 : r;
    if (!is_plausible(input, first_offset, last_offset))
        return 0;
    const int64_t position = scan->position;
    const int64_t crc_from = scan->crc_from;
    struct scanned_batch batch;
    scan->crc_from = 0;
    r = batch_scan_next(scan, &batch);
    scan->crc_from = crc_from;
    scan->position = position;
    return batch_scan_is_damage(r) ? 0 : r;
}

/* Past what has no such offset and is in the window: most of a file, at a nanosecond a byte. */
static void skip_in_window(struct batch_scan *scan, int64_t first_offset, int64_t last_offset)
{
    struct bytes left = in_window(scan);
    for (; left.size >= sizeof(int64_t) && !is_offset(left, first_offset, last_offset);
         left = bytes_slice(left, 1, SIZE_MAX))
        scan->position++;
}

int batch_scan_search(struct batch_scan *scan, int64_t first_offset, int64_t last_offset)
{
    int r = 0;
    while (scan->position < scan->end &&
           (r = is_batch_here(scan, first_offset, last_offset)) == 0) {
        scan->position++;
        skip_in_window(scan, first_offset, last_offset);
    }
    return r;
}

int batch_scan_resync(struct batch_scan *scan, int64_t first_offset, int64_t last_offset)
{
    const int64_t damaged = scan->position;
    const struct batch_bounds bounds = { .file = scan->file,
                                         .limit = scan->end,
                                         .first_offset = first_offset,
                                         .last_offset = last_offset };
    /* Where its end is known, what lies within its records may look like a batch, too. */
    const uint32_t size = batch_length_find(&bounds, damaged);
    int r = 0;
    if (size > 0) {
        scan->position = damaged + size;
        r = is_batch_here(scan, first_offset, last_offset);
    }
    if (r == 0) {
        scan->position = damaged + 1;
        r = batch_scan_search(scan, first_offset, last_offset);
    }
    if (r <= 0)
        scan->position = damaged;
    return r;
}

bool batch_scan_is_damage(int r)
{
    return r == -ERR_OVERRUN || r == -ERR_CORRUPT || r == -ERR_MALFORMED || r == -ERR_VERSION ||
           r == -ERR_LIMIT || r == -ERR_UNSUPPORTED;
}
