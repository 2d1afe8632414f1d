/* Putting a log on stable storage, by a job that owns references to the files. See log.h.
 *
 * In order: producer snapshots, partition.metadata and its name, leader epochs (so that a directory that has those has had
 * its topic's id), then the segments, then the names in the directory. Only when all of it is there does the flushed end move: below it nothing
 * is scanned for what the small files hold, unless there was no space for one of them, which is seen when it is read.
 * Two of a log may be submitted, in a lane: the second begins when the first is through, without waiting for the loop, whose turn
 * may be long. What is written until a worker begins one is taken along.
 *
 * Indexes are synced with the segments that are not written to any more; those of the active one are rebuilt after a crash, and
 * have a file.
 *
 * At the close all that was written is synced, the indexes of the active segment and the producers too: nobody would see
 * that an older index is there after a power failure. The epoch file alone is not, since each start makes a new one for
 * every log: opening asks the batches whether it is theirs. A log that is read through at each opening (the metadata log)
 * syncs batches only: a few milliseconds at a start. Its producer snapshots are written last: their names tell how far it was
 * synced (log_find_reach), and must not be there before that is so.
 */
#include "log/log_int.h"
#include "log/small_files.h"
#include "log/txn_index.h"

#include "base/mem.h"

#include <errno.h>

#define RETRY_MS 500
#define BEGUN    (-1)

struct log_flush {
    struct io_job job;
    struct log *log;
    struct io_fs *fs;
    char *directory; /* owned copy: valid on the worker */
    int64_t offset;  /* flushed below this, when done */
    int64_t
        taken_offset; /* the loop may raise it until the worker takes it, and leaves BEGUN: see extend */
    int64_t kept_end;                         /* the log was cut here meanwhile */
    int64_t bytes;                            /* that were not, when it began */
    int64_t indexed_end;                      /* and the indexes of segments below this */
    VEC(struct io_file *) files;              /* references */
    VEC(struct planned_snapshot *) snapshots; /* owned */
    struct buf epochs;
    bool has_epochs;
    bool lacks_epochs;   /* they could not be written for want of space */
    bool syncs_metadata; /* partition.metadata, and its name */
    bool has_new_names;  /* in the log's directory */
    char *new_in;    /* owned: the directory that holds the log's, when that is new; else NULL */
    bool is_close;   /* see log__flush_to_close */
    bool has_active; /* the file of the segment that is written to is among them */
    bool
        is_void; /* the flush before it came to nothing, which the device may have told that one alone */
    bool syncs_indexes;
    bool syncs_snapshots;    /* and what is one must be written */
    bool has_snapshots_last; /* their names tell what was synced */
    bool syncs_epochs;
    bool is_device_bad; /* a sync failed: what was written may be gone, whatever the code says */
    int result;
    struct err_note note;
};

static void flush_free(struct log_flush *flush)
{
    for (size_t i = 0; i < flush->files.count; i++)
        io_file_unref(flush->files.items[i]);
    for (size_t i = 0; i < flush->snapshots.count; i++)
        log__snapshot_free(flush->snapshots.items[i]);
    VEC_DEINIT(&flush->files);
    VEC_DEINIT(&flush->snapshots);
    buf_deinit(&flush->epochs);
    mem_free(flush->directory);
    mem_free(flush->new_in);
    mem_free(flush);
}

/* ---- on the worker --------------------------------------------------------------------------- */

static int write_file(const struct log_flush *flush, const char *path, struct bytes content,
                      bool syncs)
{
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    int r = io_file_open(flush->fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file);
    if (r == 0)
        r = io_file_write(file, 0, content.data, content.size);
    return r == 0 && syncs ? io_file_sync(file) : r;
}

static int write_snapshot(const struct log_flush *flush, const struct planned_snapshot *snapshot)
{
    if (!buf_is_ok(&snapshot->bytes))
        return -ERR_LIMIT;
    AUTO(mem_freep)
    char *path =
        log_name_path(flush->directory, (struct log_name){ .kind = LOG_NAME_SNAPSHOT,
                                                           .base_offset = snapshot->offset });
    return write_file(flush, path, buf_view(&snapshot->bytes), flush->syncs_snapshots);
}

/* One that finds no room is missed by nobody as long as the batches before it are there; but after a close it is believed that
 * all are. */
static int write_snapshots(struct log_flush *flush)
{
    const bool may_lack = !flush->is_close || !flush->syncs_snapshots;
    for (size_t i = 0; i < flush->snapshots.count; i++) {
        const int r = write_snapshot(flush, flush->snapshots.items[i]);
        flush->snapshots.items[i]->result = r;
        if (r < 0 && !(may_lack && (err_is_shortage(r) || r == -ERR_LIMIT)))
            return err_note(&flush->note, r, "write a producer snapshot of %s: %s",
                            flush->directory, err_sentence(r));
    }
    return 0;
}

static int write_epochs(struct log_flush *flush)
{
    AUTO(mem_freep) char *path = mem_printf("%s/%s", flush->directory, EPOCHS_FILE_NAME);
    AUTO(mem_freep) char *temporary = mem_printf("%s.tmp", path);
    int r = write_file(flush, temporary, buf_view(&flush->epochs), flush->syncs_epochs);
    if (r == 0)
        r = io_fs_rename(flush->fs, temporary, path);
    return r < 0 ? err_note(&flush->note, r, "write %s: %s", path, err_sentence(r)) : 0;
}

static int sync_path(struct log_flush *flush, const char *path)
{
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    int r = io_file_open(flush->fs, path, IO_OPEN_READ | IO_OPEN_WRITE, &file);
    if (r < 0)
        return err_note(&flush->note, r, "open %s: %s", path, err_sentence(r));
    r = io_file_sync(file);
    if (r < 0) {
        flush->is_device_bad = true;
        return err_note(&flush->note, r, "sync %s: %s", path, err_sentence(r));
    }
    return 0;
}

static int sync_files(struct log_flush *flush)
{
    for (size_t i = 0; i < flush->files.count; i++) {
        const int r = io_file_sync(flush->files.items[i]);
        if (r < 0) {
            flush->is_device_bad = true;
            return err_note(&flush->note, r, "sync a file of %s: %s", flush->directory,
                            err_sentence(r));
        }
    }
    return 0;
}

static int sync_directory(struct log_flush *flush, const char *path)
{
    const int r = io_fs_sync_directory(flush->fs, path);
    if (r == 0)
        return 0;
    flush->is_device_bad = true;
    return err_note(&flush->note, r, "sync %s: %s", path, err_sentence(r));
}

static int sync_metadata(struct log_flush *flush)
{
    AUTO(mem_freep)
    char *path = mem_printf("%s/%s", flush->directory, PARTITION_METADATA_NAME);
    const int r = sync_path(flush, path);
    return r < 0 ? r : sync_directory(flush, flush->directory);
}

static int flush_all(struct log_flush *flush)
{
    int r = flush->has_snapshots_last ? 0 : write_snapshots(flush);
    if (r == 0 && flush->syncs_metadata)
        r = sync_metadata(flush);
    if (r == 0 && flush->has_epochs) {
        r = write_epochs(flush);
        /* A full disk keeps nobody from syncing what is written; the epochs are in the batches. */
        flush->lacks_epochs = err_is_shortage(r);
        r = flush->lacks_epochs ? 0 : r;
    }
    if (r == 0)
        r = sync_files(flush);
    if (r == 0 && flush->has_new_names)
        r = sync_directory(flush, flush->directory);
    if (r == 0 && flush->new_in != NULL)
        r = sync_directory(flush, flush->new_in);
    if (r == 0 && flush->has_snapshots_last)
        r = write_snapshots(flush);
    return r;
}

static void flush_run(struct io_job *job)
{
    struct log_flush *flush = CONTAINER_OF(job, struct log_flush, job);
    flush->offset = __atomic_exchange_n(&flush->taken_offset, BEGUN, __ATOMIC_ACQ_REL);
    flush->result = flush_all(flush);
}

/* ---- on the shard ---------------------------------------------------------------------------- */

static int add_file(struct log_flush *flush, int r, struct io_file *file)
{
    if (r == 0)
        VEC_ADD(&flush->files, io_file_ref(file));
    return r;
}

static int add_index(struct log_flush *flush, struct index *index, struct index_place at)
{
    if (!index->is_dirty)
        return 0;
    struct io_file *file;
    int r = index_file(index, at, false, &file);
    if (r == -ENOENT) /* never written: the disk was full */
        return 0;
    r = add_file(flush, r, file);
    if (r == 0)
        index->is_dirty = false;
    return r;
}

/* Opened here: by the time of the sync retention may have taken it, or compaction put another in its place. */
static int add_txn_index(struct log_flush *flush, struct segment *segment)
{
    struct io_file *file;
    const int r = txn_index_file(&segment->aborted, &flush->log->place, segment->meter.base_offset,
                                 segment->is_swapping, &file);
    return add_file(flush, r, file);
}

/* A recovery point within a segment tells Apache Kafka that its index has a file: it calls one without damaged. The
 * entries may come later; where there is no room, they have no file either. */
static int make_index(struct log_flush *flush, struct segment *segment)
{
    struct log *log = flush->log;
    struct io_file *file;
    const int r =
        index_file(&segment->offsets, segment_index_place(segment, &log->place), true, &file);
    return err_is_shortage(r) ? 0 : r;
}

static int add_segment(struct log_flush *flush, struct segment *segment, bool is_active)
{
    struct log *log = flush->log;
    int r = 0;
    if (segment->is_dirty) {
        struct io_file *file;
        r = segment_file(segment, &log->place, false, &file);
        r = add_file(flush, r, file);
        if (r == 0)
            segment->is_dirty = false;
        flush->has_active = is_active;
    }
    if (r == 0 && is_active && segment->is_new && !log->is_always_recovered)
        r = make_index(flush, segment);
    flush->has_new_names |= segment->is_new;
    segment->is_new = false;
    if (r < 0 || !flush->syncs_indexes || (is_active && !flush->is_close))
        return r;
    flush->has_new_names |= is_active && segment->offsets.is_dirty; /* of its indexes */
    const struct index_place at = segment_index_place(segment, &log->place);
    if (segment->has_txn_index)
        r = add_txn_index(flush, segment);
    if (r == 0)
        r = add_index(flush, &segment->offsets, at);
    return r < 0 ? r : add_index(flush, &segment->times, at);
}

/* Where a flush begins: a segment that was closed when all its batches were flushed has indexes to be synced yet. */
static uint32_t first_unsynced(const struct log *log)
{
    return log__segment_index(log, MIN(log->offsets.flushed_end, log->indexed_end));
}

void log__settle_recovery_point(struct log *log)
{
    const uint32_t first = log__segment_index(log, log->indexed_end);
    const bool is_active = first + 1 == log->segments.count;
    const int64_t end =
        is_active ? log->offsets.end : log->segments.items[first + 1]->meter.base_offset;
    log->offsets.recovery_point = log->offsets.flushed_end;
    if (end > log->segments.items[first]->meter.base_offset)
        log->offsets.recovery_point = MIN(log->offsets.flushed_end, end - 1);
}

/* Takes along everything that must be durable for the flushed end to be `offset`. */
static int collect(struct log_flush *flush)
{
    struct log *log = flush->log;
    const struct segment *active = log__active(log);
    flush->indexed_end = active->meter.base_offset;
    for (uint32_t i = first_unsynced(log); i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        const bool is_fresh =
            segment->meter.base_offset >= flush->offset && segment->meter.base_offset > 0;
        if (is_fresh &&
            !(flush->is_close && segment->is_dirty)) /* what was cut off it is to stay so */
            break;
        const int r = add_segment(flush, segment, segment == active);
        if (r < 0)
            return err_note(&flush->note, r, "open a segment of %s: %s", flush->directory,
                            err_sentence(r));
    }
    for (size_t i = 0; i < log->snapshots.count; i++)
        VEC_ADD(&flush->snapshots, log->snapshots.items[i]);
    log->snapshots.count = 0;
    flush->has_new_names |= flush->snapshots.count > 0 && flush->syncs_snapshots;
    if (log->is_directory_new) {
        log->is_directory_new = false;
        flush->new_in = mem_strdup(log->log_dir);
    }
    flush->syncs_metadata = log->is_metadata_unsynced &&
                            (!flush->is_close || (flush->syncs_indexes && log->offsets.end > 0));
    log->is_metadata_unsynced &= !flush->syncs_metadata;
    if (log->epochs.is_dirty && !log->is_metadata_unsynced) {
        flush->has_new_names |= flush->syncs_epochs;
        flush->has_epochs = true;
        buf_init(&flush->epochs, EPOCHS_FILE_BYTES_MAX);
        epochs_encode(&log->epochs, &flush->epochs);
        log->epochs.is_dirty = false;
    }
    return 0;
}

void log__mark_unflushed(struct log *log)
{
    const uint32_t first = first_unsynced(log);
    log->indexed_end = MIN(log->indexed_end, log->segments.items[first]->meter.base_offset);
    for (uint32_t i = first; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        segment->is_dirty = segment->is_new = true;
        segment->offsets.is_dirty = segment->times.is_dirty = true;
    }
    log->epochs.is_dirty = true;
    if (log__has_flushed(log))
        return; /* the first flush saw to the directory itself */
    log->is_directory_new = true;
    log->is_metadata_unsynced = !uuid_is_zero(log->topic_id);
}

static void start_flush(struct log *log, int64_t offset);

static void on_retry(struct io_timer *timer)
{
    struct log *log = CONTAINER_OF(timer, struct log, flush_retry);
    log__flush_to(log, log->flush_retry_offset);
}

/* Whoever waits for the flushed end need not ask again: it is tried until there is room, or the log has failed. */
static void retry_later(struct log *log, int64_t offset)
{
    if (log->failure != 0 || log->place.files == NULL || log->on_detached != NULL)
        return;
    log->flush_retry.fire = on_retry;
    log->flush_retry_offset = MAX(log->flush_retry_offset, offset);
    io_timer_arm_after(log_files_io(log->place.files), &log->flush_retry, RETRY_MS);
}

/* What could not be written is for the next flush, unless it went meanwhile, or has no bytes to be written. */
static void keep_unwritten(struct log *log, struct log_flush *flush)
{
    for (size_t i = 0; i < flush->snapshots.count; i++) {
        struct planned_snapshot *snapshot = flush->snapshots.items[i];
        if (snapshot->result == 0 || snapshot->offset > flush->kept_end ||
            !log__snapshot_is_known(log, snapshot->offset))
            continue;
        if (buf_is_ok(&snapshot->bytes))
            VEC_ADD(&log->snapshots, TAKE(flush->snapshots.items[i]));
        else
            log__snapshot_forget(log, snapshot->offset);
    }
}

static bool has_awaited(const struct log_flush *flush, int64_t offset)
{
    for (size_t i = 0; flush != NULL && i < flush->snapshots.count; i++) {
        if (flush->snapshots.items[i]->offset == offset)
            return flush->snapshots.items[i]->has_producers;
    }
    return false;
}

bool log__snapshot_is_awaited(const struct log *log, int64_t offset)
{
    for (size_t i = 0; i < log->snapshots.count; i++) {
        if (log->snapshots.items[i]->offset == offset)
            return log->snapshots.items[i]->has_producers;
    }
    return has_awaited(log->flush, offset) || has_awaited(log->next_flush, offset);
}

static void settle(struct log *log, const struct log_flush *flush)
{
    struct log_offsets *offsets = &log->offsets;
    const int64_t end = MIN(MIN(flush->offset, flush->kept_end), offsets->end);
    offsets->flushed_end = MAX(offsets->flushed_end, end);
    if (flush->kept_end == INT64_MAX)
        log->indexed_end = MAX(log->indexed_end, flush->indexed_end);
    log->unflushed_bytes = MAX(log->unflushed_bytes - flush->bytes, INT64_C(0));
    if (offsets->flushed_end == offsets->end)
        log->unflushed_bytes = 0;
    if (log->next_flush != NULL)
        log->next_flush->bytes = MAX(log->next_flush->bytes - flush->bytes, INT64_C(0));
    log__settle_recovery_point(log);
    if (log->place.files == NULL)
        return;
    log->flushed_ms = io_now_ms(log_files_io(log->place.files));
    if (log->owner.on_flushed != NULL)
        log->owner.on_flushed(log->owner.context, log);
}

static void come_to_nothing(struct log *log, const struct log_flush *flush)
{
    log__mark_unflushed(log);
    if (log->next_flush != NULL)
        log->next_flush->is_void = true;
    if (flush->is_device_bad)
        log__break(log, flush->result, &flush->note);
    else if (flush->result < 0)
        IGNORE_RESULT(log__fail(log, flush->result, &flush->note));
    retry_later(log, flush->offset);
}

static void flush_done(struct io_job *job)
{
    struct log_flush *flush = CONTAINER_OF(job, struct log_flush, job);
    struct log *log = flush->log;
    ASSERT(log->flush == flush);
    log->epochs.is_dirty |= flush->lacks_epochs;
    keep_unwritten(log, flush);
    if (flush->result == 0 && !flush->is_void)
        settle(log, flush);
    else
        come_to_nothing(log, flush);
    log->flush = TAKE(log->next_flush);
    flush_free(flush);
    if (log->is_flush_wanted) {
        log->is_flush_wanted = false;
        log__flush_to(log, log->flush_wanted_offset);
    }
    if (log->awaits_snapshot && log->owner.on_looked != NULL)
        log->owner.on_looked(log->owner.context, log);
    log__job_done(log);
}

static struct log_flush *flush_new(struct log *log, int64_t offset)
{
    struct log_flush *flush = MEM_NEW(struct log_flush);
    flush->log = log;
    flush->fs = log->place.fs;
    flush->directory = mem_strdup(log->place.directory);
    flush->offset = flush->taken_offset = offset;
    flush->kept_end = INT64_MAX;
    flush->bytes = offset < log->offsets.end ? 0 : log->unflushed_bytes;
    flush->syncs_indexes = true;
    flush->syncs_snapshots = flush->syncs_epochs = !log->is_always_recovered;
    flush->has_snapshots_last = log->is_always_recovered;
    return flush;
}

static void start_flush(struct log *log, int64_t offset)
{
    struct log_flush *flush = flush_new(log, offset);
    flush->job = (struct io_job){ .run = flush_run, .done = flush_done };
    const int r = collect(flush);
    if (r < 0) {
        struct err_note note = flush->note;
        log__mark_unflushed(log);
        flush_free(flush);
        IGNORE_RESULT(log__fail(log, r, &note));
        retry_later(log, offset);
        return;
    }
    if (log->flush_lane == NULL && log->place.files != NULL)
        log->flush_lane = io_job_queue_new(log_files_io(log->place.files));
    *(log->flush == NULL ? &log->flush : &log->next_flush) = flush;
    log__run_job(log, log->flush_lane, &flush->job);
}

/* Whether a flush up to the end would take along no more than the file that is written to. */
static bool is_active_enough(const struct log *log)
{
    return log->snapshots.count == 0 && !log->is_directory_new && !log->is_metadata_unsynced &&
           !log->epochs.is_dirty && !log__active(log)->is_new;
}

/* Has a flush that no worker has begun reach to `offset`, so that jobs that wait for a worker, or for the one before them, serve
 * whoever writes meanwhile. False: it has begun, or would need more files than it has. */
static bool extend(struct log *log, struct log_flush *flush, int64_t offset)
{
    struct segment *active = log__active(log);
    int64_t offset_before = __atomic_load_n(&flush->taken_offset, __ATOMIC_RELAXED);
    if (offset_before == BEGUN || flush->is_void || !flush->has_active ||
        flush->indexed_end != active->meter.base_offset || !is_active_enough(log))
        return false;
    if (!__atomic_compare_exchange_n(&flush->taken_offset, &offset_before,
                                     MAX(offset_before, offset), false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    if (offset == log->offsets.end) {
        active->is_dirty = false;
        flush->bytes = log->unflushed_bytes;
    }
    return true;
}

void log__flush_to(struct log *log, int64_t offset)
{
    if (log->failure != 0 || log->on_detached != NULL)
        return;
    struct log_flush *last = log->next_flush != NULL ? log->next_flush : log->flush;
    if (last != NULL && extend(log, last, offset))
        return;
    if (log->next_flush == NULL) {
        start_flush(log, offset);
        return;
    }
    log->flush_wanted_offset =
        log->is_flush_wanted ? MAX(log->flush_wanted_offset, offset) : offset;
    log->is_flush_wanted = true;
}

void log__cut_flushes(struct log *log, int64_t end)
{
    if (log->flush != NULL)
        log->flush->kept_end = MIN(log->flush->kept_end, end);
    if (log->next_flush != NULL)
        log->next_flush->kept_end = MIN(log->next_flush->kept_end, end);
}

void log_flush(struct log *log)
{
    log__flush_to(log, log->offsets.end);
}

void log__follow_flush_messages(struct log *log)
{
    const int64_t unflushed = log->offsets.end - log->offsets.flushed_end;
    if (unflushed == 0 || unflushed < log->config.flush_messages)
        return;
    log->flush_due_end = log->offsets.end;
    log_flush(log);
}

bool log_is_flushing(const struct log *log)
{
    return log->flush != NULL;
}

/* ---- at the close ---------------------------------------------------------------------------- */

static void let_go_of_files(struct log_flush *flush)
{
    while (flush->files.count > 0)
        io_file_unref(VEC_POP(&flush->files));
}

int log__flush_to_close(struct log *log, bool sync, struct err_note *note)
{
    ASSERT(log->place.files == NULL && log->flush == NULL && log->next_flush == NULL);
    struct log_flush *flush = flush_new(log, log->offsets.end);
    flush->is_close = true;
    flush->syncs_indexes = sync && !log->is_always_recovered;
    flush->syncs_snapshots &= sync && producers_count(&log->producers) > 0;
    flush->syncs_epochs = false;
    int r = collect(flush);
    if (!sync) {
        let_go_of_files(flush);
        flush->has_new_names = false;
        mem_free(TAKE(flush->new_in));
    }
    if (r == 0)
        r = flush_all(flush);
    if (r == 0 && sync) {
        log->offsets.flushed_end = log->offsets.end;
        log->indexed_end = MAX(log->indexed_end, flush->indexed_end);
        log__settle_recovery_point(log);
    } else if (note != NULL)
        *note = flush->note;
    flush_free(flush);
    return r;
}
