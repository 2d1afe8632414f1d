/* The first way through: of each key in the dirty part the latest offset. See clean_int.h. */
#include "log/clean/clean_int.h"
#include "log/txn_index.h"

#include "base/mem.h"
#include "wire/batch_validate.h"
#include "wire/legacy.h"

/* ---- the beginning --------------------------------------------------------------------------- */

static void add_aborted(void *context, const struct producer_ended_txn *aborted)
{
    struct log_cleaning *c = context;
    if (aborted->first_offset < c->plan.first_uncleanable)
        clean_txns_add(&c->txns, aborted);
}

/* Aborted transactions of all segments: one that begins in what is cleaned may end behind it. */
static int read_aborted(struct log_cleaning *c)
{
    for (size_t i = 0; i < c->txn_files.count; i++) {
        const struct clean_txn_file *file = &c->txn_files.items[i];
        int r =
            txn_index_read_right(&c->place, file->base_offset, file->end_offset, add_aborted, c);
        if (r != 0) { /* without an entry what was aborted would be kept as committed, for good */
            r = r > 0 ? -ERR_CORRUPT : r;
            c->is_read_error = true;
            return err_note(&c->report.note, r, "read segment %020" PRId64 ".txnindex of %s: %s",
                            file->base_offset, c->place.directory, err_sentence(r));
        }
    }
    return 0;
}

/* Tombstones of the old formats have no horizon of their own: they go from segments that were last changed
 * delete.retention.ms before the newest clean one was. */
static int64_t legacy_horizon_ms(const struct log_cleaning *c)
{
    if (c->plan.dirty_index == 0)
        return 0;
    const struct log_name name = {
        .kind = LOG_NAME_LOG,
        .base_offset = c->outlines[c->plan.dirty_index - 1].base_offset,
    };
    AUTO(mem_freep) char *path = log_name_path(c->place.directory, name);
    struct io_stat st;
    return io_fs_stat(c->place.fs, path, &st) < 0 ? 0 : st.modified_ms - c->delete_retention_ms;
}

static int begin(struct log_cleaning *c)
{
    const int r = read_aborted(c);
    if (r < 0)
        return r;
    clean_txns_begin(&c->txns, c->plan.first_dirty);
    c->legacy_horizon_ms = legacy_horizon_ms(c);
    c->contexts = codec_contexts_new();
    batch_filter_init(&c->filter, c->contexts, BATCH_UNCOMPRESSED_BYTES_MAX);
    c->filter.context = c;
    clean_map_init(&c->map, c->how.map_bytes_max, c->how.map_load_factor,
                   (uint64_t)(c->plan.first_uncleanable - c->plan.first_dirty), c->plan.first_dirty,
                   c->map_seed);
    c->is_begun = true;
    return 0;
}

/* ---- batches --------------------------------------------------------------------------------- */

static void note_offset(struct log_cleaning *c, struct wide_hash key, int64_t offset)
{
    if (c->is_map_full || clean_map_put(&c->map, key, offset))
        return;
    c->is_map_full = true;
    c->mapped_end = offset;
}

static bool is_noted(const struct log_cleaning *c, const struct batch_filter_record *record)
{
    return record->offset >= c->plan.first_dirty && !bytes_is_null(record->key);
}

static void note_keys(void *context, const struct batch_filter_record *records, int32_t count,
                      bool *out_kept)
{
    struct log_cleaning *c = context;
    struct wide_hash keys[BATCH_FILTER_RUN_MAX];
    for (int32_t i = 0; i < count; i++) {
        if (is_noted(c, &records[i]))
            keys[i] = clean_map_foresee(&c->map, records[i].key);
    }
    for (int32_t i = 0; i < count; i++) {
        if (is_noted(c, &records[i]))
            note_offset(c, keys[i], records[i].offset);
        out_kept[i] = true;
    }
}

static int map_legacy(struct log_cleaning *c, struct bytes bytes)
{
    struct legacy_view view;
    int r = legacy_parse(bytes, &view);
    if (r < 0)
        return r;
    struct legacy_walk walk;
    struct record record;
    legacy_walk_init(&walk, &view, c->contexts, INT32_MAX);
    while ((r = legacy_walk_next(&walk, &record)) > 0) {
        if (record.offset >= c->plan.first_dirty && !bytes_is_null(record.key))
            note_offset(c, clean_map_foresee(&c->map, record.key), record.offset);
    }
    legacy_walk_deinit(&walk);
    return r;
}

static int map_records(struct log_cleaning *c, const struct batch_view *batch)
{
    static const struct batch_filter_horizon none = { .delete_horizon_ms = -1 };
    if (batch->magic != BATCH_MAGIC)
        return map_legacy(c, batch->bytes);
    c->filter.keep = note_keys;
    return batch_filter_run(&c->filter, batch, &none, NULL); /* all are kept: nothing is made */
}

static int map_batch(struct log_cleaning *c, const struct scanned_batch *batch)
{
    const struct batch_view *view = &batch->view;
    if (batch->last_offset < c->plan.first_dirty)
        return 0;
    int r = 0;
    struct clean_marker marker;
    if (batch->magic == BATCH_MAGIC && (view->attributes & BATCH_CONTROL) != 0)
        r = clean_txns_on_control(&c->txns, view, &marker);
    else if (batch->magic != BATCH_MAGIC || !clean_txns_on_data(&c->txns, view))
        r = map_records(c, view);
    if (r < 0)
        return clean__fail_batch(c, r, batch);
    if (!c->is_map_full)
        c->mapped_end = MAX(c->mapped_end, batch->last_offset + 1);
    return 0;
}

int clean__map_step(struct log_cleaning *c)
{
    int r = c->is_begun ? 0 : begin(c);
    while (r >= 0 && c->step_bytes < c->how.step_bytes && !c->is_stage_done) {
        struct scanned_batch batch;
        r = clean__next(c, c->source.index, &batch);
        if (r > 0) {
            r = map_batch(c, &batch);
        } else if (r == 0) {
            c->source.index++;
            c->mapped_end = c->outlines[c->source.index].base_offset;
        }
        c->is_stage_done = c->is_map_full || c->source.index == c->plan.end_index;
    }
    return MIN(r, 0);
}
