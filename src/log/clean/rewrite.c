/* The second way through: a group of segments becomes one, of what stays. See clean_int.h. */
#include "log/clean/clean_int.h"
#include "log/txn_index.h"

#include "base/mem.h"
#include "wire/batch_validate.h"
#include "wire/legacy.h"

#include <string.h>

#define WRITE_BYTES ((size_t)1 << 20) /* written at once */

/* ---- which records stay ---------------------------------------------------------------------- */

static bool is_past_horizon(const struct log_cleaning *c, const struct batch_view *batch)
{
    return batch_has_delete_horizon(batch) && batch->base_timestamp <= c->how.look.now_ms;
}

/* Of records that the map knows of, and that have a key. */
static bool is_asked_for(const struct log_cleaning *c, int64_t offset, struct bytes key)
{
    return offset < c->mapped_end && !bytes_is_null(key);
}

static bool is_latest(struct log_cleaning *c, int64_t offset, struct wide_hash key)
{
    return offset >= clean_map_get(&c->map, key);
}

static void keep_latest(void *context, const struct batch_filter_record *records, int32_t count,
                        bool *out_kept)
{
    struct log_cleaning *c = context;
    const bool may_tombstones_stay = !is_past_horizon(c, c->batch);
    struct wide_hash keys[BATCH_FILTER_RUN_MAX];
    for (int32_t i = 0; i < count; i++) {
        if (is_asked_for(c, records[i].offset, records[i].key))
            keys[i] = clean_map_foresee(&c->map, records[i].key);
    }
    for (int32_t i = 0; i < count; i++) {
        if (is_asked_for(c, records[i].offset, records[i].key)) {
            out_kept[i] = is_latest(c, records[i].offset, keys[i]) &&
                          (records[i].has_value || may_tombstones_stay);
        } else {
            out_kept[i] = records[i].offset >= c->mapped_end;
            c->report.keyless_count += !out_kept[i];
        }
    }
}

static void keep_all(void *context, const struct batch_filter_record *records, int32_t count,
                     bool *out_kept)
{
    (void)context;
    (void)records;
    memset(out_kept, true, (size_t)count);
}

/* ---- which batches stay, empty if need be ---------------------------------------------------- */

static bool is_newest_of_producer(const struct log_cleaning *c, const struct batch_view *batch)
{
    if (batch->magic != BATCH_MAGIC || batch->producer_id < 0)
        return false;
    const struct clean_producer *producer = map_i64_get(&c->producer_of, batch->producer_id);
    if (producer == NULL)
        return false;
    if (producer->last_offset >= 0)
        return batch_last_offset(batch) == producer->last_offset;
    return (batch->attributes & BATCH_CONTROL) != 0 && batch->producer_epoch == producer->epoch;
}

/* The last batch of what is written: it says how far this segment goes. */
static bool is_last_of_target(const struct log_cleaning *c, const struct scanned_batch *batch)
{
    return c->source.index == c->target.last_source &&
           batch->position + batch->size_bytes == c->outlines[c->source.index].size_bytes;
}

/* ---- one batch ------------------------------------------------------------------------------- */

static int sift_control(struct log_cleaning *c, const struct batch_view *batch)
{
    struct clean_marker marker;
    const int r = clean_txns_on_control(&c->txns, batch, &marker);
    if (r < 0)
        return r;
    if (marker.aborted != NULL)
        txn_index_put(&c->target.aborted, marker.aborted);
    if (marker.is_spent && is_past_horizon(c, batch))
        return BATCH_FILTER_EMPTY;
    c->filter.keep = keep_all;
    const struct batch_filter_horizon horizon = {
        .delete_horizon_ms =
            marker.is_spent ? i64_add_clamped(c->how.look.now_ms, c->delete_retention_ms) : -1,
        .is_for_any = true,
    };
    return batch_filter_run(&c->filter, batch, &horizon, &c->target.out);
}

static int sift_data(struct log_cleaning *c, const struct batch_view *batch)
{
    if (clean_txns_on_data(&c->txns, batch))
        return BATCH_FILTER_EMPTY;
    c->filter.keep = keep_latest;
    const struct batch_filter_horizon horizon = {
        .delete_horizon_ms = i64_add_clamped(c->how.look.now_ms, c->delete_retention_ms),
    };
    return batch_filter_run(&c->filter, batch, &horizon, &c->target.out);
}

static bool may_legacy_tombstones_go(const struct log_cleaning *c)
{
    const struct log_name name = {
        .kind = LOG_NAME_LOG,
        .base_offset = c->outlines[c->source.index].base_offset,
    };
    AUTO(mem_freep) char *path = log_name_path(c->place.directory, name);
    struct io_stat st;
    return io_fs_stat(c->place.fs, path, &st) == 0 && st.modified_ms <= c->legacy_horizon_ms;
}

static bool is_legacy_kept(struct log_cleaning *c, const struct record *record)
{
    if (record->offset >= c->mapped_end)
        return true;
    if (bytes_is_null(record->key)) {
        c->report.keyless_count++;
        return false;
    }
    return is_latest(c, record->offset, clean_map_foresee(&c->map, record->key)) &&
           (!bytes_is_null(record->value) || !may_legacy_tombstones_go(c));
}

static struct batch_options options_of(const struct log_cleaning *c, const struct legacy_view *view)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec = legacy_codec(view);
    options.contexts = c->contexts;
    options.size_bytes_max = BATCH_UNCOMPRESSED_BYTES_MAX;
    if (legacy_is_log_append_time(view)) {
        options.attributes = BATCH_LOG_APPEND_TIME;
        options.append_time_ms = view->timestamp;
    }
    return options;
}

/* Offsets ascend, or nobody could say which of two records is the newer one. */
static int add_kept(struct batch_builder *kept, const struct record *record)
{
    if (kept->record_count == 0)
        kept->options.base_offset = record->offset;
    const int64_t delta = record->offset - kept->options.base_offset;
    if (delta <= kept->last_offset_delta || delta > INT32_MAX)
        return -ERR_MALFORMED;
    return batch_builder_add_at(kept, (int32_t)delta, record->timestamp, record->key, record->value,
                                NULL, 0);
}

/* What stays of a message or a compressed set of them. The old formats are not written: a set that loses some of its messages becomes
 * a batch, so that none is left that a tombstone has deleted, since the tombstone goes one day. */
static int sift_legacy(struct log_cleaning *c, const struct batch_view *batch)
{
    struct legacy_view view;
    int r = legacy_parse(batch->bytes, &view);
    if (r < 0)
        return r;
    struct legacy_walk walk;
    struct record record;
    int32_t count = 0;
    struct batch_builder kept;
    const struct batch_options options = options_of(c, &view);
    batch_builder_init(&kept, &options);
    legacy_walk_init(&walk, &view, c->contexts, INT32_MAX);
    while ((r = legacy_walk_next(&walk, &record)) > 0) {
        count++;
        if (is_legacy_kept(c, &record) && (r = add_kept(&kept, &record)) < 0)
            break;
    }
    legacy_walk_deinit(&walk);
    struct bytes made = BYTES_NULL;
    if (r == 0 && kept.record_count > 0 && kept.record_count < count)
        r = batch_builder_finish(&kept, &made);
    if (r == 0 && !bytes_is_null(made))
        buf_put_bytes(&c->target.out, made);
    if (r == 0)
        r = kept.record_count == 0 ? BATCH_FILTER_EMPTY
            : bytes_is_null(made)  ? BATCH_FILTER_SAME
                                   : BATCH_FILTER_CHANGED;
    batch_builder_deinit(&kept);
    return r;
}

static int sift(struct log_cleaning *c, const struct batch_view *batch)
{
    c->batch = batch;
    if (batch->magic != BATCH_MAGIC)
        return sift_legacy(c, batch);
    return (batch->attributes & BATCH_CONTROL) != 0 ? sift_control(c, batch) : sift_data(c, batch);
}

/* What was put behind size_before, if anything, is a batch of the new segment; without has_time the index of times does not lead
 * to it. */
static void count_batch(struct log_cleaning *c, const struct scanned_batch *source,
                        size_t size_before, bool has_time)
{
    struct buf *out = &c->target.out;
    if (out->size == size_before)
        return;
    struct scanned_batch made = *source;
    made.size_bytes = (uint32_t)(out->size - size_before);
    struct batch_view view;
    if (batch_parse_header(bytes_from(out->data + size_before, made.size_bytes), &view) >= 0) {
        made.max_timestamp = has_time ? view.max_timestamp : -1;
        made.last_offset = batch_last_offset(&view);
    }
    segment_builder_add(&c->target.builder, &made);
}

/* Nothing is damaged, but a file has its limit. */
static int too_large(struct log_cleaning *c)
{
    return err_note(
        &c->report.note, -ERR_LIMIT,
        "what is left of %" PRIu32 " segments of %s from offset %" PRId64 " on does not fit in one",
        c->target.end - c->target.first, c->place.directory, c->target.segment->meter.base_offset);
}

static bool fits(const struct log_cleaning *c, size_t size_before)
{
    const struct buf *out = &c->target.out;
    return buf_is_ok(out) &&
           (int64_t)c->target.builder.meter.size_bytes + (int64_t)(out->size - size_before) <=
               INT32_MAX;
}

/* The place of what is gone at the end of a segment. An index would lead to its time in vain. It has one for the sake of its producer,
 * whose last batch it is where those behind it are lost: without a time that would count as expired. */
static int keep_place(struct log_cleaning *c, const struct scanned_batch *batch)
{
    struct batch_view header = batch->view;
    if (header.producer_id < 0)
        header.max_timestamp = -1;
    const size_t size_before = c->target.out.size;
    if (batch_put_empty(&header, &c->target.out) < 0 || !fits(c, size_before))
        return too_large(c);
    count_batch(c, batch, size_before, false);
    return 0;
}

static int put_batch(struct log_cleaning *c, const struct scanned_batch *batch)
{
    struct buf *out = &c->target.out;
    const size_t size_before = out->size;
    int r = sift(c, &batch->view);
    if (r == BATCH_FILTER_SAME)
        buf_put_bytes(out, batch->view.bytes);
    else if (r == BATCH_FILTER_EMPTY)
        r = is_newest_of_producer(c, &batch->view) ? batch_put_empty(&batch->view, out) : 0;
    if (!fits(c, size_before))
        return too_large(c);
    if (r < 0)
        return clean__fail_batch(c, r, batch);
    count_batch(c, batch, size_before, true);
    if (is_last_of_target(c, batch) && c->target.builder.end_offset <= batch->last_offset)
        return keep_place(c, batch);
    return 0;
}

/* ---- the new file ---------------------------------------------------------------------------- */

static int write_out(struct log_cleaning *c)
{
    struct clean_target *target = &c->target;
    const size_t size = target->out.size;
    if (size == 0)
        return 0;
    const int r = io_file_write(target->file, target->written_bytes, target->out.data, size);
    if (r < 0)
        return err_note(&c->report.note, r, "write segment %020" PRId64 ".log.cleaned of %s: %s",
                        target->segment->meter.base_offset, c->place.directory, err_sentence(r));
    target->written_bytes += (int64_t)size;
    c->step_bytes += (int64_t)size;
    c->report.bytes_written += (int64_t)size;
    buf_clear(&target->out);
    return 0;
}

static int open_target(struct log_cleaning *c)
{
    AUTO(mem_freep)
    char *path = segment_path(c->target.segment, &c->place, LOG_NAME_LOG, LOG_NAME_CLEANED);
    const int r = io_file_open(c->place.fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE,
                               &c->target.file);
    return r < 0 ? err_note(&c->report.note, r, "make %s: %s", path, err_sentence(r)) : 0;
}

int clean__rewrite_step(struct log_cleaning *c)
{
    struct clean_target *target = &c->target;
    int r = target->file == NULL ? open_target(c) : 0;
    while (r >= 0 && c->step_bytes < c->how.step_bytes && c->source.index < target->end) {
        struct scanned_batch batch;
        r = clean__next(c, c->source.index, &batch);
        if (r > 0)
            r = put_batch(c, &batch);
        else if (r == 0)
            c->source.index++;
        if (r >= 0 && target->out.size >= WRITE_BYTES)
            r = write_out(c);
    }
    if (r >= 0 && c->source.index == target->end) {
        c->is_stage_done = true;
        r = write_out(c);
    }
    return MIN(r, 0);
}

void clean__begin_target(struct log_cleaning *c, uint32_t first, uint32_t end)
{
    const struct clean_outline *outlines = c->outlines;
    struct clean_target *target = &c->target;
    *target = (struct clean_target){ .is_begun = true, .first = first };
    target->end = first + clean_plan_group(outlines, first, end, &c->limits);
    target->last_source = first;
    for (uint32_t i = first; i < target->end; i++) {
        if (outlines[i].size_bytes > 0)
            target->last_source = i;
    }
    target->segment = segment_new(outlines[first].base_offset, c->how.look.now_ms, 0);
    segment_builder_init(&target->builder, target->segment, c->index_interval_bytes);
    buf_init(&target->out, INT32_MAX);
    buf_init(&target->aborted, TXN_INDEX_BYTES_MAX);
    c->source.index = first;
}

void clean__end_target(struct log_cleaning *c)
{
    struct clean_target *target = &c->target;
    segment_builder_deinit(&target->builder);
    buf_deinit(&target->out);
    buf_deinit(&target->aborted);
    io_file_unref(TAKE(target->file));
    segment_free(TAKE(target->segment), NULL);
    target->is_begun = false;
}
