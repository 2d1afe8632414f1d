/* Reading what is to be cleaned, batch by batch. See clean_int.h. */
#include "log/clean/clean_int.h"

#include "base/mem.h"

#include <errno.h>

static char *source_path(const struct log_cleaning *c, uint32_t index)
{
    return log_name_path(
        c->place.directory,
        (struct log_name){ .kind = LOG_NAME_LOG, .base_offset = c->outlines[index].base_offset });
}

static int read_failed(struct log_cleaning *c, int error, int64_t position)
{
    AUTO(mem_freep) char *path = source_path(c, c->source.index);
    c->is_read_error = true;
    return err_note(&c->report.note, error, "%s cannot be read at byte %" PRId64 ": %s", path,
                    position, err_sentence(error));
}

int clean__fail_batch(struct log_cleaning *c, int error, const struct scanned_batch *batch)
{
    AUTO(mem_freep) char *path = source_path(c, c->source.index);
    c->is_read_error = true;
    if (error == -ERR_NOT_FOUND)
        return err_note(&c->report.note, error,
                        "%s: the marker at offset %" PRId64
                        " ends an aborted transaction that no .txnindex tells of",
                        path, batch->base_offset);
    /* A batch may be whole and yet more than can be taken apart here. */
    const bool is_damage =
        batch_scan_is_damage(error) && error != -ERR_LIMIT && error != -ERR_UNSUPPORTED;
    return err_note(&c->report.note, error,
                    "%s: the batch at byte %" PRId64 ", offset %" PRId64 " %s: %s", path,
                    batch->position, batch->base_offset,
                    is_damage ? "is damaged" : "cannot be compacted", err_sentence(error));
}

static int open_source(struct log_cleaning *c, uint32_t index)
{
    struct clean_source *source = &c->source;
    source->index = index;
    source->next_offset = c->outlines[index].base_offset;
    AUTO(mem_freep) char *path = source_path(c, index);
    const int r = io_file_open(c->place.fs, path, IO_OPEN_READ, &source->file);
    if (r < 0)
        return read_failed(c, r, 0);
    const uint32_t size = c->outlines[index].size_bytes;
    batch_scan_init(&source->scan, source->file, 0, size, BATCH_SCAN_WINDOW_LARGE);
    source->scan.may_sleep = true;
    source->scan.crc_from = 0;
    return 0;
}

void clean__close_source(struct log_cleaning *c)
{
    if (c->source.file == NULL)
        return;
    batch_scan_deinit(&c->source.scan);
    io_file_unref(TAKE(c->source.file));
}

/* Offsets lie before the CRC: what contradicts their order is found here. */
static bool is_in_order(const struct log_cleaning *c, const struct scanned_batch *batch)
{
    const int64_t first = batch->magic == BATCH_MAGIC ? batch->base_offset : batch->last_offset;
    return first >= c->source.next_offset &&
           batch->last_offset < c->outlines[c->source.index + 1].base_offset;
}

int clean__next(struct log_cleaning *c, uint32_t index, struct scanned_batch *out)
{
    int r = c->source.file == NULL ? open_source(c, index) : 0;
    if (r < 0)
        return r;
    r = batch_scan_next(&c->source.scan, out);
    if (r > 0 && bytes_is_null(out->view.bytes)) {
        const int loaded = batch_scan_load(&c->source.scan, out);
        r = loaded < 0 ? loaded : r;
    }
    if (r < 0)
        return read_failed(c, r, c->source.scan.position);
    if (r == 0) {
        clean__close_source(c);
        return 0;
    }
    if (out->magic != BATCH_MAGIC) { /* of these the last offset alone is known */
        out->view.magic = out->magic;
        out->view.base_offset = out->last_offset;
    }
    if (!is_in_order(c, out))
        return clean__fail_batch(c, -ERR_CORRUPT, out);
    c->source.next_offset = out->last_offset + 1;
    c->step_bytes += out->size_bytes;
    c->report.bytes_read += out->size_bytes;
    return 1;
}
