/* Retention: which segments go, and how their files leave. See log.h.
 *
 * Oldest first, as long as a reason holds; never one that reaches to the high watermark, so that
 * the log start cannot pass it. Files are renamed `.deleted` by a job and unlinked after
 * file.delete.delay.ms: whoever is reading them holds a reference and is not disturbed.
 */
#include "log/log_int.h"

#include "base/mem.h"

#include <errno.h>

/* ---- which ----------------------------------------------------------------------------------- */

struct retention {
    int64_t now_ms;
    int64_t high_watermark;
    int64_t surplus_bytes; /* over retention.bytes; -1: no limit, or not over it */
    bool by_time;
};

static int is_expired(struct log *log, const struct retention *retention, struct segment *segment)
{
    const int r = log__look_at(log, segment);
    if (r < 0)
        return r;
    return retention->now_ms - log__largest_time(segment) > log->config.retention_ms;
}

static int is_due(struct log *log, struct retention *retention, uint32_t index, int64_t end)
{
    struct segment *segment = log->segments.items[index];
    if (index + 1 < log->segments.count && end <= log->offsets.start)
        return 1;
    if (retention->surplus_bytes >= (int64_t)segment->meter.size_bytes) {
        retention->surplus_bytes -= segment->meter.size_bytes;
        return 1;
    }
    return retention->by_time ? is_expired(log, retention, segment) : 0;
}

/* Whether the oldest segment may go: 1, 0, or an error. */
static int may_go(struct log *log, struct retention *retention, uint32_t index)
{
    const bool is_last = index + 1 == log->segments.count;
    const int64_t end =
        is_last ? log->offsets.end : log->segments.items[index + 1]->meter.base_offset;
    if (retention->high_watermark < end ||
        (is_last && log->segments.items[index]->meter.size_bytes == 0))
        return 0;
    const int r = is_due(log, retention, index, end);
    if (r <= 0 || end <= log->offsets.flushed_end)
        return r;
    /* Until its files are gone for good a crash may bring it back: whole, then, and not as a hole before the next. */
    log_flush(log);
    return end <= log->offsets.flushed_end;
}

/* ---- how ------------------------------------------------------------------------------------- */

/* One file that leaves. */
struct leaving {
    char *from; /* owned */
    char *to;   /* owned: the same with .deleted */
};

/* Renames the files of segments that have left the list, then hands them to the remover. One at a time, and tried again until
 * it is done: were later segments to leave before earlier ones, a crash would find a hole. */
struct log_departure {
    struct io_job job;
    bool is_running;
    struct log *log;
    struct io_fs *fs;
    char *directory; /* owned copy: valid on the worker */
    int64_t delay_ms;
    VEC(struct leaving) files;
    size_t log_count; /* so many .log files come first, then what belongs to them */
    int result;
};

static void departure_add(struct log_departure *departure, enum log_name_kind kind,
                          int64_t base_offset)
{
    struct log_name name = { .kind = kind, .base_offset = base_offset };
    struct leaving *leaving = VEC_PUSH(&departure->files);
    leaving->from = log_name_path(departure->directory, name);
    name.stage = LOG_NAME_DELETED;
    leaving->to = log_name_path(departure->directory, name);
}

/* Oldest first, each segment's .log for good before the next one's, and what stays for good before the first: whatever
 * happens in between, what is left has no hole, and is not nothing. The .log files leave for good before all others: none comes
 * back without them, and aborted transactions would be taken for committed. */
static void departure_run(struct io_job *job)
{
    struct log_departure *departure = CONTAINER_OF(job, struct log_departure, job);
    int r = 0;
    for (size_t i = 0; i < departure->files.count && r == 0; i++) {
        const struct leaving *leaving = &departure->files.items[i];
        if (i <= departure->log_count)
            r = io_fs_sync_directory(departure->fs, departure->directory);
        if (r == 0)
            r = io_fs_rename(departure->fs, leaving->from, leaving->to);
        r = r == -ENOENT ? 0 : r;
    }
    departure->result = r;
}

static void remove_renamed(struct log_departure *departure)
{
    struct log_files *files = departure->log->place.files;
    for (size_t i = 0; i < departure->files.count; i++) {
        const char *path = departure->files.items[i].to;
        if (files != NULL)
            log_files_remove_later(files, &path, 1, departure->delay_ms);
        else
            IGNORE_RESULT(io_fs_unlink(departure->fs, path)); /* else the next open does it */
    }
}

static void departure_done(struct io_job *job)
{
    struct log_departure *departure = CONTAINER_OF(job, struct log_departure, job);
    struct log *log = departure->log;
    departure->is_running = false;
    if (departure->result < 0) {
        struct err_note note;
        err_note(&note, departure->result, "rename segments of %s: %s", log->place.directory,
                 err_sentence(departure->result));
        IGNORE_RESULT(log__fail(log, departure->result, &note));
    } else {
        remove_renamed(departure);
        log__departure_free(TAKE(log->departure));
    }
    log__job_done(log);
}

static void depart(struct log_departure *departure)
{
    departure->is_running = true;
    log__run_job(departure->log, NULL, &departure->job);
}

void log__departure_free(struct log_departure *departure)
{
    if (departure == NULL)
        return;
    for (size_t i = 0; i < departure->files.count; i++) {
        mem_free(departure->files.items[i].from);
        mem_free(departure->files.items[i].to);
    }
    VEC_DEINIT(&departure->files);
    mem_free(departure->directory);
    mem_free(departure);
}

/* Takes the first `count` segments out of the log. */
static void remove_oldest(struct log *log, uint32_t count)
{
    struct log_departure *departure = MEM_NEW(struct log_departure);
    log->departure = departure;
    departure->job = (struct io_job){ .run = departure_run, .done = departure_done };
    departure->log = log;
    departure->fs = log->place.fs;
    departure->directory = mem_strdup(log->place.directory);
    departure->delay_ms = log->config.file_delete_delay_ms;
    for (uint32_t i = 0; i < count; i++)
        departure_add(departure, LOG_NAME_LOG, log->segments.items[i]->meter.base_offset);
    departure->log_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct segment *segment = log->segments.items[0];
        const int64_t base_offset = segment->meter.base_offset;
        /* What a crash leaves of these is an orphan. */
        departure_add(departure, LOG_NAME_OFFSET_INDEX, base_offset);
        departure_add(departure, LOG_NAME_TIME_INDEX, base_offset);
        if (segment->has_txn_index)
            departure_add(departure, LOG_NAME_TXN_INDEX, base_offset);
        segment_free(segment, log->place.files);
        VEC_REMOVE_AT(&log->segments, 0);
        /* The producers as they were before the first segment that is left: what is older served
         * only these. */
        while (log->snapshot_offsets.count > 0 && log->snapshot_offsets.items[0] <= base_offset) {
            departure_add(departure, LOG_NAME_SNAPSHOT, log->snapshot_offsets.items[0]);
            log__snapshot_forget(log, log->snapshot_offsets.items[0]);
        }
    }
    depart(departure);
}

/* How many of the oldest may go now. The producers of what goes are known after a crash from the snapshot behind it alone: while
 * a flush may write that, -ERR_WOULD_BLOCK; and where there is no room for it, only what lies before an older one goes. */
static int with_snapshot(struct log *log, uint32_t count, bool has_waited)
{
    struct segment *const *segments = log->segments.items;
    if (!has_waited && log__snapshot_is_awaited(log, segments[count]->meter.base_offset)) {
        if (!log_is_flushing(log))
            log_flush(log);
        log->awaits_snapshot = log_is_flushing(log);
        if (log->awaits_snapshot)
            return -ERR_WOULD_BLOCK;
    }
    while (count > 0 && log__snapshot_is_awaited(log, segments[count]->meter.base_offset))
        count--;
    return (int)count;
}

int log_retain(struct log *log, int64_t now_ms, int64_t high_watermark, struct err_note *note)
{
    ASSERT(!log_has_planned(log));
    if (log->failure != 0)
        return log->failure;
    if (log->on_detached != NULL || log->cleaning != NULL)
        return 0;
    if (log->departure != NULL) {
        if (!log->departure->is_running)
            depart(log->departure);
        return 0;
    }
    const bool has_waited = log->awaits_snapshot;
    log->awaits_snapshot = false;
    const bool deletes = log->config.cleanup_delete;
    struct retention retention = { .now_ms = now_ms,
                                   .high_watermark = high_watermark,
                                   .surplus_bytes = -1,
                                   .by_time = deletes && log->config.retention_ms >= 0 };
    if (deletes && log->config.retention_bytes >= 0)
        retention.surplus_bytes = log_size_bytes(log) - log->config.retention_bytes;

    uint32_t count = 0;
    int r = 0;
    while (count < log->segments.count && (r = may_go(log, &retention, count)) > 0)
        count++;
    if (r == -ERR_WOULD_BLOCK)
        return r;
    if (r < 0) {
        err_note(note, r, "look for old segments of %s: %s", log->place.directory, err_sentence(r));
        return log__fail(log, r, note);
    }
    if (count == 0)
        return 0;
    if (count == log->segments.count) {
        r = log_roll(log, now_ms, note);
        if (r < 0)
            return r;
    }
    r = with_snapshot(log, count, has_waited);
    if (r <= 0)
        return r;
    count = (uint32_t)r;
    const int64_t start = log->segments.items[count]->meter.base_offset;
    IGNORE_RESULT(
        log_advance_start(log, start, high_watermark)); /* start <= high watermark, see may_go */
    remove_oldest(log, count);
    return (int)count;
}
