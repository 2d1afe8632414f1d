/* A log as a value: what it is, attaching and detaching, closing, deleting. See log.h. */
#include "log/clean/log_clean.h"
#include "log/log_int.h"
#include "log/small_files.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

/* ---- what it is ------------------------------------------------------------------------------ */

const struct log_offsets *log_offsets(const struct log *log)
{
    return &log->offsets;
}

int64_t log_settled_end(const struct log *log)
{
    return log->flush_due_end > log->offsets.flushed_end ? log->offsets.flushed_end
                                                         : log->offsets.end;
}

struct log_unflushed log_unflushed(const struct log *log)
{
    const int64_t offsets = log_settled_end(log) - log->offsets.flushed_end;
    return offsets <= 0
               ? (struct log_unflushed){ 0 }
               : (struct log_unflushed){ .offsets = offsets, .bytes = log->unflushed_bytes };
}

const char *log_topic(const struct log *log)
{
    return log->topic;
}

int32_t log_partition(const struct log *log)
{
    return log->partition;
}

struct uuid log_topic_id(const struct log *log)
{
    return log->topic_id;
}

const char *log_directory(const struct log *log)
{
    return log->place.directory;
}

const char *log_parent_directory(const struct log *log)
{
    return log->log_dir;
}

const struct log_config *log_config(const struct log *log)
{
    return &log->config;
}

void log_set_config(struct log *log, const struct log_config *config)
{
    log->config = *config;
    if (!config->cleanup_compact)
        log_clean_stop(log);
    if (log->place.files != NULL)
        log__follow_flush_messages(log);
}

int64_t log_size_bytes(const struct log *log)
{
    int64_t size = 0;
    for (size_t i = 0; i < log->segments.count; i++)
        size += log->segments.items[i]->meter.size_bytes;
    return size;
}

uint32_t log_segment_count(const struct log *log)
{
    return (uint32_t)log->segments.count;
}

int64_t log_segment_base(const struct log *log, uint32_t index)
{
    ASSERT(index < log->segments.count);
    return log->segments.items[index]->meter.base_offset;
}

int log_failure(const struct log *log)
{
    return log->failure;
}

struct log_recovery log_recovery(const struct log *log)
{
    return log->recovery;
}

int log_set_topic_id(struct log *log, struct uuid topic_id, struct err_note *note)
{
    if (uuid_equal(log->topic_id, topic_id))
        return 0;
    if (!uuid_is_zero(log->topic_id)) {
        char has[UUID_TEXT_SIZE];
        char wanted[UUID_TEXT_SIZE];
        uuid_to_text(log->topic_id, has);
        uuid_to_text(topic_id, wanted);
        return err_note(note, -ERR_EXISTS, "%s belongs to topic id %s, not %s",
                        log->place.directory, has, wanted);
    }
    const int r = partition_metadata_write(log->place.fs, log->place.directory, topic_id, note);
    if (r < 0)
        return log__fail(log, r, note);
    log->topic_id = topic_id;
    log->is_metadata_unsynced = true;
    return 0;
}

/* ---- epochs ---------------------------------------------------------------------------------- */

int32_t log_epoch_latest(const struct log *log)
{
    return epochs_latest(&log->epochs);
}

int32_t log_epoch_of(const struct log *log, int64_t offset)
{
    return epochs_of(&log->epochs, offset);
}

int32_t log_epoch_of_start(const struct log *log)
{
    /* Batches from before epochs were kept have none: the earliest entry says nothing about
     * them. */
    if (log->epochs.entries.count == 0 ||
        log->epochs.entries.items[0].start_offset > log->offsets.start)
        return -1;
    return log->epochs.entries.items[0].epoch;
}

void log_epoch_assign(struct log *log, int32_t leader_epoch)
{
    if (leader_epoch > epochs_latest(&log->epochs))
        epochs_assign(&log->epochs, leader_epoch, log->offsets.planned_end);
}

struct log_epoch_end log_end_offset_for_epoch(const struct log *log, int32_t leader_epoch)
{
    return epochs_end_of(&log->epochs, leader_epoch, log->offsets.end);
}

/* ---- producers ------------------------------------------------------------------------------- */

uint32_t log_producer_count(const struct log *log)
{
    return producers_count(&log->producers);
}

static struct log_producer describe(const struct producer *producer)
{
    const struct producer_batch *last =
        producer->batch_count == 0 ? NULL : &producer->batches[producer->batch_count - 1];
    return (struct log_producer){
        .producer_id = producer->id,
        .producer_epoch = producer->epoch,
        .last_sequence = last == NULL ? -1 : last->last_sequence,
        .last_offset = last == NULL ? -1 : last->last_offset,
        .last_timestamp = producer->last_timestamp,
        .coordinator_epoch = producer->coordinator_epoch,
        .txn_start_offset = producer->txn_first_offset,
    };
}

bool log_producer_next(const struct log *log, struct log_producer_walk *walk)
{
    struct map_i64_walk inner = { .walk = { .index = walk->index } };
    if (!map_i64_next(&log->producers.by_id, &inner))
        return false;
    walk->index = inner.walk.index;
    walk->producer = describe(inner.value);
    return true;
}

bool log_producer_get(const struct log *log, int64_t producer_id, struct log_producer *out)
{
    const struct producer *producer = producers_get(&log->producers, producer_id);
    if (producer != NULL)
        *out = describe(producer);
    return producer != NULL;
}

uint64_t log_verification_begin(struct log *log, int64_t producer_id, int16_t producer_epoch,
                                int32_t sequence, int64_t now_ms)
{
    return producers_verify(&log->producers, producer_id, producer_epoch, sequence, now_ms);
}

int64_t log_first_unstable_offset(const struct log *log, int64_t high_watermark)
{
    const int64_t first = producers_first_unstable(&log->producers, high_watermark);
    return first < 0 ? first : MAX(first, log->offsets.start);
}

void log_note_high_watermark(struct log *log, int64_t high_watermark)
{
    const struct producers_bounds bounds = { .high_watermark = high_watermark,
                                             .flushed_end = log->offsets.flushed_end,
                                             .segment_base = log__active(log)->meter.base_offset };
    producers_forget_ended(&log->producers, &bounds);
}

/* ---- shared inside --------------------------------------------------------------------------- */

uint32_t log__segment_index(const struct log *log, int64_t offset)
{
    /* Most questions are about the newest data. */
    const uint32_t count = (uint32_t)log->segments.count;
    if (log->segments.items[count - 1]->meter.base_offset <= offset)
        return count - 1;
    uint32_t low = 0; /* the answer is in [low, high) */
    uint32_t high = count - 1;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (log->segments.items[middle]->meter.base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int64_t log__draw_jitter(struct log *log)
{
    const int64_t bound = MIN(log->config.segment_jitter_ms, log->config.segment_ms);
    return bound <= 0 ? 0 : (int64_t)rng_below(&log->rng, (uint64_t)bound);
}

void log__break(struct log *log, int error, const struct err_note *note)
{
    ASSERT(error < 0);
    if (log->failure != 0)
        return;
    log->failure = error;
    struct err_note own = { "" };
    if (note == NULL || note->text[0] == '\0') {
        err_note(&own, error, "%s: %s", log->place.directory, err_sentence(error));
        note = &own;
    }
    if (log->place.files != NULL && log->owner.on_failed != NULL)
        log->owner.on_failed(log->owner.context, log, error, note);
}

int log__fail(struct log *log, int error, const struct err_note *note)
{
    if (!err_is_shortage(error))
        log__break(log, error, note);
    return error;
}

void log__mend_note(struct log *log, const struct err_note *note)
{
    if (log->recovery.note_count == LOG_NOTES_MAX) {
        log->recovery.more_count++;
        return;
    }
    if (log->notes == NULL)
        log->notes = MEM_NEW_ARRAY(struct err_note, LOG_NOTES_MAX);
    log->notes[log->recovery.note_count++] = *note;
    log->recovery.notes = log->notes;
}

void log__run_job(struct log *log, struct io_job_queue *lane, struct io_job *job)
{
    log->job_count++;
    if (log->place.files != NULL) {
        io_submit(log_files_io(log->place.files), lane, job);
    } else {
        job->run(job);
        job->done(job);
    }
}

static void finish_detach(struct log *log)
{
    void (*then)(void *, struct log *) = log->on_detached;
    for (size_t i = 0; i < log->segments.count; i++)
        segment_close_files(log->segments.items[i], log->place.files);
    io_job_queue_free(log_files_io(log->place.files), TAKE(log->flush_lane));
    log->place.files = NULL;
    log->on_detached = NULL;
    then(log->on_detached_context, log);
}

void log__job_done(struct log *log)
{
    ASSERT(log->job_count > 0);
    log->job_count--;
    if (log->job_count == 0 && log->on_detached != NULL)
        finish_detach(log);
}

/* ---- the tail -------------------------------------------------------------------------------- */

void log__tail_clear(struct log *log)
{
    log->tail.count = 0;
}

void log__tail_add(struct log *log, int64_t offset, uint32_t position)
{
    const int64_t relative = offset - log__active(log)->meter.base_offset;
    ASSERT(relative >= 0);
    if (relative > UINT32_MAX)
        return;
    const uint32_t slot = log->tail.count++ % LOG_TAIL_RUNS;
    log->tail.runs[slot].relative_offset = (uint32_t)relative;
    log->tail.runs[slot].position = position;
}

bool log__tail_find(const struct log *log, int64_t offset, uint32_t *out_position,
                    bool *out_is_exact)
{
    const int64_t relative = offset - log__active(log)->meter.base_offset;
    const uint32_t kept = MIN(log->tail.count, LOG_TAIL_RUNS);
    for (uint32_t i = 1; i <= kept; i++) {
        const uint32_t slot = (log->tail.count - i) % LOG_TAIL_RUNS;
        if (log->tail.runs[slot].relative_offset <= relative) {
            *out_position = log->tail.runs[slot].position;
            *out_is_exact = log->tail.runs[slot].relative_offset == relative;
            return true;
        }
    }
    return false;
}

/* ---- attach, detach -------------------------------------------------------------------------- */

void log_attach(struct log *log, struct log_files *files, const struct log_owner *owner)
{
    ASSERT(log->place.files == NULL && files != NULL);
    log->place.files = files;
    log->place.may_sleep = false;
    log->owner = *owner;
    for (size_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        if (segment->file.file != NULL)
            io_file_no_read_ahead(segment->file.file);
        log_file_adopt(files, &segment->file);
        log_file_adopt(files, &segment->offsets.file);
        log_file_adopt(files, &segment->times.file);
        log_file_adopt(files, &segment->aborted);
    }
    log__follow_flush_messages(log);
}

void log_detach(struct log *log, void (*then)(void *context, struct log *log), void *context)
{
    ASSERT(log->place.files != NULL && log->on_detached == NULL);
    ASSERT(!log_has_planned(log));
    log->is_flush_wanted = false;
    io_timer_cancel(log_files_io(log->place.files), &log->flush_retry);
    log->owner = (struct log_owner){ 0 };
    log->on_detached = then;
    log->on_detached_context = context;
    log__clean_detach(log);
    if (log->job_count == 0)
        finish_detach(log);
}

void log_tick(struct log *log, int64_t now_ms)
{
    if (log->failure != 0 || log->on_detached != NULL)
        return;
    if (log->config.flush_ms < INT64_MAX && log->offsets.end > log->offsets.flushed_end &&
        now_ms - log->flushed_ms >= log->config.flush_ms)
        log_flush(log);
    if (now_ms - log->expired_ms >= log->config.producer_id_check_interval_ms &&
        !log_has_planned(log)) {
        log->expired_ms = now_ms;
        producers_expire(&log->producers, now_ms, log->config.producer_id_expiration_ms);
    }
    struct segment *active = log__active(log);
    const bool is_idle = active->meter.size_bytes == log->tick_segment_bytes;
    log->tick_segment_bytes = active->meter.size_bytes;
    if (!is_idle)
        return;
    /* A log at rest keeps no buffers. What cannot be written now stays for the next time. */
    const struct index_place at = segment_index_place(active, &log->place);
    IGNORE_RESULT(index_flush(&active->offsets, at));
    IGNORE_RESULT(index_flush(&active->times, at));
}

/* ---- the end --------------------------------------------------------------------------------- */

void log__snapshot_free(struct planned_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    buf_deinit(&snapshot->bytes);
    mem_free(snapshot);
}

void log__free(struct log *log)
{
    if (log == NULL)
        return;
    ASSERT(log->job_count == 0 && log->flush == NULL && log->next_flush == NULL &&
           log->cleaning == NULL);
    for (size_t i = 0; i < log->segments.count; i++)
        segment_free(log->segments.items[i], log->place.files);
    for (size_t i = 0; i < log->plan.batches.count; i++) {
        shared_unref(log->plan.batches.items[i].owner);
        log__snapshot_free(log->plan.batches.items[i].snapshot);
    }
    for (size_t i = 0; i < log->snapshots.count; i++)
        log__snapshot_free(log->snapshots.items[i]);
    log__departure_free(log->departure);
    log_wait_deinit(&log->looking.wait);
    VEC_DEINIT(&log->segments);
    VEC_DEINIT(&log->plan.batches);
    epochs_deinit(&log->plan.epochs_before);
    VEC_DEINIT(&log->snapshots);
    VEC_DEINIT(&log->snapshot_offsets);
    epochs_deinit(&log->epochs);
    producers_deinit(&log->producers);
    mem_free(log->notes);
    mem_free(log->log_dir);
    mem_free(log->topic);
    mem_free(log->place.directory);
    mem_free(log);
}

void log_abandon(struct log *log)
{
    ASSERT(log == NULL || log->place.files == NULL);
    log__free(log);
}

static int rename_away(struct io_fs *fs, const char *from, const char *log_dir, const char *topic,
                       int32_t partition, struct uuid unique, char **out_path,
                       struct err_note *note)
{
    AUTO(mem_freep) char *name = log_directory_name(topic, partition, unique, LOG_DELETE_SUFFIX);
    AUTO(mem_freep) char *path = mem_printf("%s/%s", log_dir, name);
    const int r = io_fs_rename(fs, from, path);
    if (r < 0)
        return err_note(note, r, "rename %s to %s: %s", from, path, err_sentence(r));
    *out_path = TAKE(path);
    return 0;
}

int log_delete_unopened(struct io_fs *fs, const char *log_dir, const char *topic, int32_t partition,
                        struct uuid unique, char **out_path, struct err_note *note)
{
    AUTO(mem_freep) char *directory = mem_printf("%s/%s-%" PRId32, log_dir, topic, partition);
    return rename_away(fs, directory, log_dir, topic, partition, unique, out_path, note);
}

int log_delete(struct log *log, struct uuid unique, char **out_path, struct err_note *note)
{
    ASSERT(log->place.files == NULL);
    log->place.may_sleep = true;
    /* Apache Kafka opens what it is to remove, and misses indexes with an error in its log; nothing else is lost. */
    if (log->failure == 0)
        IGNORE_RESULT(log__seal_active(log, NULL));
    const int r = rename_away(log->place.fs, log->place.directory, log->log_dir, log->topic,
                              log->partition, unique, out_path, note);
    if (!err_is_shortage(r))
        log__free(log);
    return r;
}
