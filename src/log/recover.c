/* Recovery: the end of a log is found, and what a crash left beyond it is cut off. See recover.h.
 *
 * After a clean shutdown the last entry of the active segment's index leads to its last batches.
 * Otherwise every segment from the one that holds the recovery point on is read through: batches
 * must be whole and right (CRC) and ascend. What the files then lack or hold too much of in their
 * indexes is made good; index files that are right already, or merely lag behind, are not written.
 */
#include "log/recover.h"
#include "log/txn_index.h"
#include "log/txn_rebuild.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

/* ---- one segment ----------------------------------------------------------------------------- */

static void learn_epoch(struct log *log, const struct scanned_batch *batch)
{
    if (batch->leader_epoch > epochs_latest(&log->epochs))
        epochs_assign(&log->epochs, batch->leader_epoch, batch->base_offset);
}

static int learn_producer(struct recovery *recovery, struct log *log, struct batch_scan *scan,
                          struct scanned_batch *batch)
{
    struct producer_ended_txn ended;
    const int r = log__replay_producer(&log->producers, scan, batch, &ended);
    if (r > 0 && ended.is_aborted)
        txn_index_put(&recovery->aborted, &ended);
    return r < 0 ? r : 0;
}

/* 0, or why the batch cannot follow what was read so far. */
static int check_order(const struct recovery *recovery, const struct segment *segment,
                       const struct scanned_batch *batch)
{
    /* Of the old formats only the last offset is known. */
    const int64_t first = batch->magic == BATCH_MAGIC ? batch->base_offset : batch->last_offset;
    if (first < recovery->end_offset || first < segment->meter.base_offset)
        return -ERR_CORRUPT;
    /* Offsets lie before the CRC, which does not tell of a bad one; no index could hold this. */
    if (batch->last_offset - segment->meter.base_offset > INT32_MAX)
        return -ERR_CORRUPT;
    return 0;
}

/* Damage of what had been flushed, which stays as it is: reading answers what is wrong with it. */
static void note_kept(struct recovery *recovery, struct log *log, const struct segment *segment,
                      int64_t position, int64_t bytes, int64_t next_offset)
{
    AUTO(mem_freep) char *path = segment_path(segment, &log->place, LOG_NAME_LOG, LOG_NAME_LIVE);
    struct err_note note;
    err_note(&note, 0,
             "%s is damaged at byte %" PRId64 ": offsets %" PRId64 " to %" PRId64
             ", which had been flushed, cannot be read; %" PRId64 " bytes stay as they are",
             path, position, recovery->end_offset, next_offset - 1, bytes);
    log__mend_note(log, &note);
    recovery->was_left = true;
}

/* What is whole behind a damaged batch that had been flushed is no tail to be cut off: 1 with the scan at it, 0 where nothing
 * is, or what io says. */
static int pass_damage(struct recovery *recovery, struct log *log, struct segment *segment,
                       struct batch_scan *scan, struct segment_builder *builder)
{
    if (recovery->end_offset >= recovery->recovery_point ||
        recovery->end_offset < recovery->flushed_offset)
        return 0;
    const int64_t from = scan->position;
    int r = batch_scan_resync(scan, recovery->end_offset + 1,
                              MIN(segment->meter.base_offset + INT32_MAX, segment->offset_limit));
    struct scanned_batch next;
    if (r > 0)
        r = batch_scan_next(scan, &next);
    if (r <= 0)
        return r;
    scan->position = next.position;
    note_kept(recovery, log, segment, from, next.position - from, next.base_offset);
    segment_builder_pass(builder, next.position);
    recovery->end_offset = next.base_offset;
    return 1;
}

/* The next batch, if it is whole and right and may follow. */
static int next_batch(struct recovery *recovery, struct log *log, struct segment *segment,
                      struct batch_scan *scan, struct scanned_batch *batch)
{
    int r = batch_scan_next(scan, batch);
    if (r <= 0)
        return r;
    r = check_order(recovery, segment, batch);
    if (r == 0)
        r = learn_producer(recovery, log, scan, batch);
    if (r < 0)
        scan->position = batch->position;
    return r < 0 ? r : 1;
}

/* Goes through a segment's batches up to its end or the first that is bad, and is not passed over: then -ERR_OVERRUN or
 * -ERR_CORRUPT with scan->position at it. */
static int scan_batches(struct recovery *recovery, struct log *log, struct segment *segment,
                        struct batch_scan *scan, struct segment_builder *builder)
{
    for (;;) {
        struct scanned_batch batch;
        const int r = next_batch(recovery, log, segment, scan, &batch);
        if (batch_scan_is_damage(r)) {
            const int passed = pass_damage(recovery, log, segment, scan, builder);
            if (passed > 0)
                continue;
            return passed < 0 ? passed : r;
        }
        if (r <= 0)
            return r;
        segment_builder_add(builder, &batch);
        learn_epoch(log, &batch);
        recovery->end_offset = batch.last_offset + 1;
    }
}

/* A cut that nobody could make good. */
static int refuse_cut(const struct recovery *recovery, const struct log *log,
                      const struct segment *segment, int64_t position, struct err_note *note)
{
    AUTO(mem_freep) char *path = segment_path(segment, &log->place, LOG_NAME_LOG, LOG_NAME_LIVE);
    return err_note(note, -ERR_CORRUPT,
                    "%s is damaged or cut off at byte %" PRId64 ", offset %" PRId64
                    ", where everything up to offset %" PRId64 " had been flushed",
                    path, position, recovery->end_offset, recovery->flushed_offset);
}

/* What was cut off must not come back behind what is written from now on, nor in a log that is closed well. */
static int cut_for_good(struct io_file *file, int64_t position)
{
    const int r = io_file_truncate(file, position);
    return r < 0 ? r : io_file_sync(file);
}

static void note_cut(struct recovery *recovery, struct log *log, const struct segment *segment,
                     const struct batch_scan *scan, int error)
{
    AUTO(mem_freep) char *path = segment_path(segment, &log->place, LOG_NAME_LOG, LOG_NAME_LIVE);
    const int64_t cut = scan->end - scan->position;
    struct err_note note;
    err_note(
        &note, 0, "%s is cut at byte %" PRId64 ", offset %" PRId64 ": %s; %" PRId64 " bytes go%s",
        path, scan->position, recovery->end_offset,
        error == -ERR_OVERRUN ? "the last batch is not whole" : "the batch there is damaged", cut,
        recovery->end_offset < recovery->recovery_point ? ", which had been flushed" : "");
    log__mend_note(log, &note);
    log->recovery.bytes_cut += cut;
    recovery->was_cut = true;
}

/* What cannot be read any more at the end of a segment where it had been flushed stays for the sake of those that follow,
 * which may be whole. */
static void keep_end(struct recovery *recovery, struct log *log, struct segment *segment,
                     int64_t position, struct segment_builder *builder)
{
    const uint32_t at = log__segment_index(log, segment->meter.base_offset);
    const int64_t next_offset = log->segments.items[at + 1]->meter.base_offset;
    const uint32_t size = segment->meter.size_bytes;
    note_kept(recovery, log, segment, position, size - position, next_offset);
    if (position < size) /* else what is missing there has no batch */
        segment_builder_pass(builder, size);
    recovery->end_offset = next_offset;
}

/* Whether offsets that had been flushed are missing at the end of a segment, and others follow it. */
static bool lacks_end(const struct recovery *recovery, struct log *log, struct segment *segment)
{
    const uint32_t at = log__segment_index(log, segment->meter.base_offset);
    return at + 1 < log->segments.count && !log->config.cleanup_compact &&
           recovery->end_offset < recovery->recovery_point &&
           recovery->end_offset < log->segments.items[at + 1]->meter.base_offset;
}

/* As of an offset below which all is flushed. */
static int load_producers_at(const struct recovery *recovery, struct log *log, int64_t start_offset,
                             int64_t offset, struct err_note *note)
{
    const struct producers_load load = { .start_offset = start_offset,
                                         .end_offset = offset,
                                         .flushed_end = offset,
                                         .now_ms = recovery->now_ms };
    return log__load_producers(log, &load, note);
}

/* The aborted transactions of one segment that is damaged, or whose .txnindex is. */
static int rebuild_aborted(struct recovery *recovery, struct log *log, struct segment *segment,
                           int64_t end_offset)
{
    const int64_t base_offset = segment->meter.base_offset;
    const int64_t start_offset = MIN(recovery->start_offset, base_offset);
    const int r = load_producers_at(recovery, log, start_offset, base_offset, NULL);
    buf_clear(&recovery->aborted);
    return r < 0 ? r : txn_rebuild(log, segment, start_offset, end_offset, &recovery->aborted);
}

static int replace_aborted(struct recovery *recovery, struct log *log, struct segment *segment)
{
    segment->has_txn_index = recovery->aborted.size > 0;
    return txn_index_replace(&log->place, segment->meter.base_offset, buf_view(&recovery->aborted));
}

static int finish_segment(struct recovery *recovery, struct log *log, struct segment *segment,
                          struct segment_builder *builder)
{
    int r = segment_builder_finish(builder, segment, &log->place);
    if (r == 0 && recovery->was_left)
        r = rebuild_aborted(recovery, log, segment, recovery->end_offset);
    if (r == 0)
        r = replace_aborted(recovery, log, segment);
    if (r == 0 && segment != log__active(log))
        r = segment_seal(segment, &log->place);
    return r;
}

static int scan_file(struct recovery *recovery, struct log *log, struct segment *segment,
                     struct io_file *file, struct err_note *note)
{
    struct segment_builder builder;
    struct batch_scan scan;
    recovery->was_left = false;
    segment_builder_init(&builder, segment, log->config.index_interval_bytes);
    batch_scan_init(&scan, file, 0, segment->meter.size_bytes, BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    scan.crc_from = 0;
    buf_clear(&recovery->aborted);
    recovery->end_offset = MAX(recovery->end_offset, segment->meter.base_offset);

    int r = scan_batches(recovery, log, segment, &scan, &builder);
    log->recovery.segments_scanned++;
    log->recovery.bytes_scanned += scan.position;
    const bool is_last = segment == log__active(log);
    if ((batch_scan_is_damage(r) || (r == 0 && is_last)) &&
        recovery->end_offset < recovery->flushed_offset) {
        r = refuse_cut(recovery, log, segment, scan.position, note);
    } else if ((batch_scan_is_damage(r) && !is_last &&
                recovery->end_offset < recovery->recovery_point) ||
               (r == 0 && lacks_end(recovery, log, segment))) {
        keep_end(recovery, log, segment, scan.position, &builder);
        r = 0;
    } else if (batch_scan_is_damage(r)) {
        note_cut(recovery, log, segment, &scan, r);
        r = cut_for_good(file, scan.position);
    }
    if (r == 0)
        r = finish_segment(recovery, log, segment, &builder);
    if (r == 0 && !recovery->was_left)
        segment->good_from = 0; /* as long as it stays in memory */
    batch_scan_deinit(&scan);
    segment_builder_deinit(&builder);
    return r;
}

static int recover_segment(struct recovery *recovery, struct log *log, struct segment *segment,
                           struct err_note *note)
{
    struct io_file *file;
    int r = segment_file(segment, &log->place, false, &file);
    if (r == 0)
        r = scan_file(recovery, log, segment, file, note);
    if (r == -ERR_CORRUPT)
        return r; /* told where it was found */
    if (r < 0) {
        return err_note(note, r, "recover segment %020" PRId64 " of %s: %s",
                        segment->meter.base_offset, log->place.directory, err_sentence(r));
    }
    /* Recovery goes through many segments: one is open at a time. */
    segment_close_files(segment, NULL);
    return 0;
}

/* ---- all segments ---------------------------------------------------------------------------- */

static int remove_segments_after(struct log *log, uint32_t index, struct err_note *note)
{
    while (log->segments.count > index + 1) {
        struct segment *segment = log__active(log);
        const int64_t base_offset = segment->meter.base_offset;
        log->recovery.bytes_cut += segment->meter.size_bytes;
        const int r = log__segment_remove(log, VEC_POP(&log->segments));
        if (r < 0) {
            return err_note(note, r, "remove segment %020" PRId64 " of %s: %s", base_offset,
                            log->place.directory, err_sentence(r));
        }
        struct err_note mended;
        err_note(&mended, 0, "segment %020" PRId64 " of %s lies beyond the cut and is removed",
                 base_offset, log->place.directory);
        log__mend_note(log, &mended);
    }
    log__mark_sealed(log);
    return 0;
}

static bool is_after_hole(const struct recovery *recovery, const struct segment *segment,
                          int64_t end_offset)
{
    return recovery->is_point_known && segment->meter.base_offset > end_offset &&
           segment->meter.base_offset > recovery->recovery_point;
}

static void note_hole(const struct segment *segment, struct log *log, int64_t end_offset)
{
    struct err_note mended;
    err_note(&mended, 0,
             "segment %020" PRId64 " of %s does not begin at offset %" PRId64
             ", where the one before it ends, and had not been flushed: the log is cut there",
             segment->meter.base_offset, log->place.directory, end_offset);
    log__mend_note(log, &mended);
}

/* Whether the segment goes on where the ones before it end. After a power failure it may not: one
 * segment's bytes and another's name reach the disk in any order, and a truncation may have been
 * lost in part. Going on behind a hole would make this log differ from its replicas in the middle,
 * where nobody looks. */
static bool continues(const struct recovery *recovery, struct log *log,
                      const struct segment *segment)
{
    const bool overlaps = segment->meter.base_offset < recovery->end_offset;
    if (!overlaps &&
        (log->config.cleanup_compact || !is_after_hole(recovery, segment, recovery->end_offset)))
        return true;
    note_hole(segment, log, recovery->end_offset);
    return false;
}

/* The last segment with a batch, or the first one that was looked at. */
struct filled_end {
    uint32_t index;
    int64_t offset; /* where it ends */
};

/* Compaction leaves holes, but none that ends the log: where nothing but empty segments follows one, what was in it is lost,
 * and a reader would wait in it for the next record. */
static int cut_empty_end(struct recovery *recovery, struct log *log, struct filled_end filled,
                         struct err_note *note)
{
    uint32_t last = filled.index;
    if (last + 1 < log->segments.count &&
        log->segments.items[last + 1]->meter.base_offset == filled.offset)
        last++;
    if (last + 1 == log->segments.count || filled.offset < recovery->recovery_point ||
        !is_after_hole(recovery, log->segments.items[last + 1], filled.offset))
        return 0;
    note_hole(log->segments.items[last + 1], log, filled.offset);
    recovery->end_offset = filled.offset;
    return remove_segments_after(log, last, note);
}

static int recover_from(struct recovery *recovery, struct log *log, uint32_t first,
                        int64_t log_start_offset, struct err_note *note)
{
    const int64_t base_offset = log->segments.items[first]->meter.base_offset;
    const int64_t start_offset = MIN(log_start_offset, base_offset);
    int r = load_producers_at(recovery, log, start_offset, base_offset, note);
    recovery->end_offset = base_offset;
    recovery->was_cut = false;
    struct filled_end filled = { .index = first, .offset = base_offset };
    for (uint32_t i = first; r == 0 && i < log->segments.count; i++) {
        if (i > first && !continues(recovery, log, log->segments.items[i])) {
            const struct segment *before = log->segments.items[i - 1];
            r = recovery->end_offset < recovery->flushed_offset
                    ? refuse_cut(recovery, log, before, before->meter.size_bytes, note)
                    : remove_segments_after(log, i - 1, note);
            break;
        }
        if (i > first)
            log__snapshot_renew(log, log->segments.items[i]->meter.base_offset);
        r = recover_segment(recovery, log, log->segments.items[i], note);
        if (r == 0 && recovery->was_left && recovery->end_offset <= recovery->recovery_point)
            r = load_producers_at(recovery, log, start_offset, recovery->end_offset, note);
        if (r == 0 && recovery->was_cut)
            r = remove_segments_after(log, i, note);
        if (r == 0 && log->segments.items[i]->meter.size_bytes > 0)
            filled = (struct filled_end){ .index = i, .offset = recovery->end_offset };
    }
    recovery->has_producers = true;
    return r < 0 ? r : cut_empty_end(recovery, log, filled, note);
}

/* Where a segment ends, and in which epoch (-1: it has no batch, or one of an old format). */
struct segment_end {
    int64_t offset;
    int32_t epoch;
};

/* The end of a segment that was closed well, by its index: 1; 0 when the files are not as a close
 * leaves them. */
static int find_end(struct log *log, struct segment *segment, struct segment_end *out)
{
    *out = (struct segment_end){ .offset = segment->meter.base_offset, .epoch = -1 };
    if (segment->meter.size_bytes == 0)
        return 1;
    const struct index_place at = segment_index_place(segment, &log->place);
    struct index_wait wait;
    int r = index_load(&segment->offsets, at, segment_index_limits(segment), &wait);
    if (r > 0)
        segment->offsets.is_ready = false; /* who needs it finds its fault again */
    if (r != 0)
        return MIN(r, 0);
    struct index_entry last = { 0 };
    struct io_file *file;
    r = index_last(&segment->offsets, at, &last, &wait);
    if (r >= 0)
        r = segment_file(segment, &log->place, false, &file);
    if (r < 0)
        return r == -ERR_CORRUPT ? 0 : r;

    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, last.value, segment->meter.size_bytes, BATCH_SCAN_WINDOW_SMALL);
    scan.may_sleep = true;
    while ((r = batch_scan_next(&scan, &batch)) > 0) {
        if (batch.base_offset < out->offset && batch.magic == BATCH_MAGIC)
            break;
        *out = (struct segment_end){ .offset = batch.last_offset + 1, .epoch = batch.leader_epoch };
    }
    batch_scan_deinit(&scan);
    return r == 0 ? 1 : r > 0 || batch_scan_is_damage(r) ? 0 : r;
}

/* A sealed segment whose index files are missing gets new ones. What is inside them is looked at when they are used. */
static int mend_sealed_indexes(struct log *log, uint32_t end, struct err_note *note)
{
    for (uint32_t i = 0; i < end; i++) {
        struct segment *segment = log->segments.items[i];
        if (segment->meter.size_bytes == 0 ||
            (segment->offsets.has_file && segment->times.has_file))
            continue;
        if (!segment->offsets.has_file)
            segment->offsets.fault = INDEX_IS_MISSING;
        if (!segment->times.has_file)
            segment->times.fault = INDEX_IS_MISSING;
        const int r = segment_rebuild(segment, &log->place, log->config.index_interval_bytes);
        if (r < 0) {
            return err_note(note, r, "rebuild the indexes of segment %020" PRId64 " of %s: %s",
                            segment->meter.base_offset, log->place.directory, err_sentence(r));
        }
        segment_close_files(segment, NULL);
    }
    return 0;
}

/* What recovery does not read through: the .txnindex files there are looked at, since nothing else tells of a damaged one. */
static int mend_txn_indexes(struct recovery *recovery, struct log *log, uint32_t end,
                            struct err_note *note)
{
    for (uint32_t i = 0; i < end; i++) {
        struct segment *segment = log->segments.items[i];
        if (!segment->has_txn_index)
            continue;
        const int64_t base_offset = segment->meter.base_offset;
        const int64_t segment_end = i + 1 < log->segments.count
                                        ? log->segments.items[i + 1]->meter.base_offset
                                        : recovery->end_offset;
        int r = txn_index_read_right(&log->place, base_offset, segment_end, NULL, NULL);
        if (r == 0)
            continue;
        if (r > 0) {
            struct err_note mended;
            err_note(&mended, 0,
                     "the .txnindex of segment %020" PRId64 " of %s is damaged: it is built anew",
                     base_offset, log->place.directory);
            log__mend_note(log, &mended);
            r = rebuild_aborted(recovery, log, segment, segment_end);
            segment_close_files(segment, NULL);
            if (r == 0)
                r = replace_aborted(recovery, log, segment);
        }
        if (r < 0) {
            return err_note(note, r, "aborted transactions of segment %020" PRId64 " of %s: %s",
                            base_offset, log->place.directory, err_sentence(r));
        }
    }
    return 0;
}

/* Whether the epoch file knows of the batches before segment `end`, which recovery does not look at. It is not synced when a
 * log is closed: after a power loss an older one may be there, to which the newest of these batches is then strange. */
static int check_epochs(struct recovery *recovery, struct log *log, uint32_t end)
{
    while (end > 0 && log->segments.items[end - 1]->meter.size_bytes == 0)
        end--;
    if (end == 0 || recovery->are_epochs_lost)
        return 0;
    struct segment_end last;
    const int r = find_end(log, log->segments.items[end - 1], &last);
    recovery->are_epochs_lost =
        r == 0 || (last.epoch >= 0 && epochs_of(&log->epochs, last.offset - 1) != last.epoch);
    return r < 0 ? r : 0;
}

static int learn_all_epochs(struct log *log, uint32_t end, struct err_note *note)
{
    for (uint32_t i = 0; i < end; i++) {
        struct segment *segment = log->segments.items[i];
        struct io_file *file;
        int r = segment_file(segment, &log->place, false, &file);
        if (r < 0)
            return err_note(note, r, "open a segment of %s: %s", log->place.directory,
                            err_sentence(r));
        struct batch_scan scan;
        struct scanned_batch batch;
        batch_scan_init(&scan, file, 0, segment->meter.size_bytes, BATCH_SCAN_WINDOW_LARGE);
        scan.may_sleep = true;
        while ((r = batch_scan_next(&scan, &batch)) > 0)
            learn_epoch(log, &batch);
        batch_scan_deinit(&scan);
        log_file_close(NULL, &segment->file);
        if (r < 0 && !batch_scan_is_damage(r))
            return err_note(note, r, "read a segment of %s: %s", log->place.directory,
                            err_sentence(r));
    }
    return 0;
}

/* The first segment that must be read through; the count of segments when none must. */
static int choose_first(struct recovery *recovery, struct log *log, uint32_t *out_first)
{
    const uint32_t active = (uint32_t)log->segments.count - 1;
    struct segment_end end;
    if (recovery->is_clean) {
        const int r = find_end(log, log__active(log), &end);
        recovery->end_offset = end.offset;
        *out_first = r > 0 ? active + 1 : active;
        recovery->is_clean = r > 0;
        return r < 0 ? r : 0;
    }
    *out_first = log__segment_index(log, recovery->recovery_point);
    return 0;
}

/* ---- the segment before ---------------------------------------------------------------------- */

/* Goes through all of a segment that had been flushed, up to where it is damaged or reaches into the next one: where its
 * batches end is told by recovery->end_offset. */
static int scan_flushed(struct recovery *recovery, struct segment *segment, struct io_file *file,
                        int64_t next_offset, int64_t *out_position)
{
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, 0, segment->meter.size_bytes, BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    scan.crc_from = 0;
    recovery->end_offset = segment->meter.base_offset;
    int r;
    while ((r = batch_scan_next(&scan, &batch)) > 0) {
        r = check_order(recovery, segment, &batch);
        if (r == 0 && batch.last_offset >= next_offset)
            r = -ERR_CORRUPT;
        if (r < 0) {
            scan.position = batch.position;
            break;
        }
        recovery->end_offset = batch.last_offset + 1;
    }
    *out_position = scan.position;
    batch_scan_deinit(&scan);
    return r;
}

static int cut_remains(struct recovery *recovery, struct log *log, struct segment *segment,
                       struct io_file *file, int64_t position)
{
    AUTO(mem_freep) char *path = segment_path(segment, &log->place, LOG_NAME_LOG, LOG_NAME_LIVE);
    const int64_t cut = segment->meter.size_bytes - position;
    struct err_note note;
    err_note(&note, 0,
             "%s is cut at byte %" PRId64 ", offset %" PRId64
             ", where the next segment begins: %" PRId64 " bytes of a write that had failed go",
             path, position, recovery->end_offset, cut);
    log__mend_note(log, &note);
    log->recovery.bytes_cut += cut;
    segment->offsets.is_ready = segment->times.is_ready = false;
    const int r = cut_for_good(file, position);
    if (r == 0)
        segment->meter.size_bytes = (uint32_t)position;
    return r;
}

/* The last segment of which all had been flushed, when its end is not as a roll leaves it. A write that failed on a full
 * disk, and was cut off again, may have come back behind all that belongs there, and goes. Anything else is damage of what
 * nobody may take away. */
static int mend_flushed_end(struct recovery *recovery, struct log *log, struct segment *segment,
                            int64_t next_offset, struct err_note *note)
{
    struct io_file *file;
    int64_t position = 0;
    int r = segment_file(segment, &log->place, false, &file);
    if (r == 0)
        r = scan_flushed(recovery, segment, file, next_offset, &position);
    const bool is_whole = recovery->end_offset == next_offset;
    if (batch_scan_is_damage(r) && is_whole) {
        r = cut_remains(recovery, log, segment, file, position);
        if (r == 0)
            r = segment_rebuild(segment, &log->place, log->config.index_interval_bytes);
    } else if (batch_scan_is_damage(r) && recovery->end_offset < recovery->flushed_offset) {
        return refuse_cut(recovery, log, segment, position, note);
    } else if (batch_scan_is_damage(r) || (r == 0 && !is_whole && !log->config.cleanup_compact)) {
        note_kept(recovery, log, segment, position, segment->meter.size_bytes - position,
                  next_offset);
        r = 0;
    }
    segment_close_files(segment, NULL);
    return r < 0 ? err_note(note, r, "look at segment %020" PRId64 " of %s: %s",
                            segment->meter.base_offset, log->place.directory, err_sentence(r))
                 : 0;
}

static int look_before(struct recovery *recovery, struct log *log, uint32_t first,
                       struct err_note *note)
{
    if (recovery->is_clean || first == 0 || first >= log->segments.count)
        return 0;
    struct segment *before = log->segments.items[first - 1];
    const int64_t next_offset = log->segments.items[first]->meter.base_offset;
    struct segment_end end;
    const int r = find_end(log, before, &end);
    if (r < 0)
        return err_note(note, r, "look for the end of segment %020" PRId64 " of %s: %s",
                        before->meter.base_offset, log->place.directory, err_sentence(r));
    const bool is_right = r > 0 && (end.offset == next_offset ||
                                    (end.offset < next_offset && log->config.cleanup_compact));
    return is_right ? 0 : mend_flushed_end(recovery, log, before, next_offset, note);
}

/* ---- the whole ------------------------------------------------------------------------------- */

int recovery_run(struct recovery *recovery, struct log *log, int64_t log_start_offset,
                 struct err_note *note)
{
    uint32_t first;
    recovery->start_offset = log_start_offset;
    int r = choose_first(recovery, log, &first);
    if (r < 0) {
        return err_note(note, r, "look for the end of %s: %s", log->place.directory,
                        err_sentence(r));
    }
    r = mend_sealed_indexes(log, first, note);
    if (r == 0)
        r = look_before(recovery, log, first, note);
    if (r == 0) {
        r = check_epochs(recovery, log, first);
        if (r < 0)
            err_note(note, r, "look at the epochs of %s: %s", log->place.directory,
                     err_sentence(r));
    }
    if (r == 0 && recovery->are_epochs_lost)
        r = learn_all_epochs(log, first, note);
    buf_init(&recovery->aborted, TXN_INDEX_BYTES_MAX);
    if (r == 0)
        r = mend_txn_indexes(recovery, log, first, note);
    if (r == 0 && first < log->segments.count)
        r = recover_from(recovery, log, first, log_start_offset, note);
    buf_deinit(&recovery->aborted);
    return r;
}
