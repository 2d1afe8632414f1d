/* Compaction, as the shard sees it: what is due, the steps of a cleaning, and the list of segments. See log_clean.h, clean_int.h. */
#include "log/clean/clean_int.h"
#include "log/segment_checks.h"

#include "base/mem.h"

#define RETRY_MS 500

static struct io *loop_of(const struct log_cleaning *c)
{
    return c->log->place.files == NULL ? NULL : log_files_io(c->log->place.files);
}

/* ---- what is due ----------------------------------------------------------------------------- */

static bool has_lag(const struct log *log)
{
    return log->config.min_compaction_lag_ms > 0 || log->config.max_compaction_lag_ms < INT64_MAX;
}

/* What a plan needs of a segment. Times and indexes count where it was looked at, and for the active one, not at all. */
static struct clean_outline outline_of(const struct segment *segment)
{
    return (struct clean_outline){
        .base_offset = segment->meter.base_offset,
        .size_bytes = segment->meter.size_bytes,
        .offset_index_bytes = segment->meter.offset_entries * INDEX_ENTRY_OFFSET,
        .time_index_bytes = segment->meter.time_entries * INDEX_ENTRY_TIME,
        .first_ms = segment->meter.first_timestamp,
        .largest_ms = log__largest_time(segment),
    };
}

/* Looks at the segments before `end`. As log__look_at. */
static int look_at_all(struct log *log, uint32_t end)
{
    for (uint32_t i = 0; i < end; i++) {
        const int r = log__look_at(log, log->segments.items[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What is below stays whatever becomes of the power, and so does what readers take it for: of each transaction that has a
 * record there the marker is on stable storage too. */
static int64_t durable_end(const struct log *log)
{
    const int64_t unsettled = producers_first_unstable(&log->producers, log->offsets.flushed_end);
    const int64_t end = MIN(log->offsets.flushed_end, log->indexed_end);
    return unsettled < 0 ? end : MIN(end, unsettled);
}

static struct clean_view view_of(const struct log *log, const struct log_clean_look *look,
                                 const struct clean_outline *outlines)
{
    return (struct clean_view){
        .segments = outlines,
        .count = (uint32_t)log->segments.count,
        .log_start = log->offsets.start,
        .log_end = log->offsets.end,
        .stable_end = look->stable_end,
        .durable_end = durable_end(log),
        .cleaned_end = log->cleaned_end,
        .now_ms = look->now_ms,
        .min_lag_ms = MAX(log->config.min_compaction_lag_ms, INT64_C(0)),
        .max_lag_ms = log->config.max_compaction_lag_ms,
        .dirty_ratio_min = log->config.dirty_ratio_min,
    };
}

static bool may_be_cleaned(const struct log *log)
{
    return log->config.cleanup_compact && log->segments.count > 1 && log->cleaning == NULL &&
           log->departure == NULL && !log->is_set_aside && log->failure == 0 &&
           log->on_detached == NULL;
}

static void outline_all(const struct log *log, struct clean_outline *outlines)
{
    for (size_t i = 0; i < log->segments.count; i++)
        outlines[i] = outline_of(log->segments.items[i]);
}

/* 0 with one outline for each segment, and the plan that they make; or as log__look_at. */
static int look_and_plan(struct log *log, const struct log_clean_look *look, bool begins,
                         struct clean_outline *outlines, struct clean_plan *out)
{
    int r = has_lag(log) ? look_at_all(log, (uint32_t)log->segments.count - 1) : 0;
    if (r < 0)
        return r;
    outline_all(log, outlines);
    const struct clean_view view = view_of(log, look, outlines);
    const struct clean_plan plan = clean_plan_make(&view);
    /* What is merged into one segment depends on how large their indexes are. */
    if (begins || plan.is_due)
        r = look_at_all(log, plan.end_index);
    if (r < 0)
        return r;
    outline_all(log, outlines);
    *out = plan;
    return 0;
}

static int fail_look(struct log *log, int r, struct err_note *note)
{
    if (r == -ERR_WOULD_BLOCK)
        return r;
    log->is_set_aside |= !err_is_shortage(r);
    return err_note(note, r, "look at what is to be compacted of %s: %s", log->place.directory,
                    err_sentence(r));
}

int log_clean_look(struct log *log, const struct log_clean_look *look, struct log_clean_need *out,
                   struct err_note *note)
{
    *out = (struct log_clean_need){ 0 };
    if (!may_be_cleaned(log))
        return 0;
    AUTO(mem_freep)
    struct clean_outline *outlines = MEM_NEW_ARRAY(struct clean_outline, log->segments.count);
    struct clean_plan plan;
    const int r = look_and_plan(log, look, false, outlines, &plan);
    if (r < 0)
        return fail_look(log, r, note);
    if (plan.waits_for_flush)
        log_flush(log);
    *out = (struct log_clean_need){ .is_due = plan.is_due,
                                    .overdue_ms = plan.overdue_ms,
                                    .dirty_ratio = plan.dirty_ratio,
                                    .dirty_bytes = plan.dirty_bytes };
    if (plan.is_cleaned_end_wrong) {
        out->disbelieved_end = log->cleaned_end;
        log->cleaned_end = plan.first_dirty;
    }
    return 0;
}

/* ---- the beginning and the end --------------------------------------------------------------- */

static void copy_producers(struct log_cleaning *c)
{
    struct log_producer_walk walk = { 0 };
    while (log_producer_next(c->log, &walk))
        VEC_ADD(&c->producers, ((struct clean_producer){ .producer_id = walk.producer.producer_id,
                                                         .last_offset = walk.producer.last_offset,
                                                         .epoch = walk.producer.producer_epoch }));
    map_i64_init(&c->producer_of, rng_u64(&c->log->rng));
    for (size_t i = 0; i < c->producers.count; i++)
        (void)map_i64_put(&c->producer_of, c->producers.items[i].producer_id,
                          &c->producers.items[i]);
}

static void copy_txn_files(struct log_cleaning *c)
{
    int64_t end_offset = INT64_MAX;
    for (size_t i = c->log->segments.count; i > 0; i--) {
        const struct segment *segment = c->log->segments.items[i - 1];
        const int64_t base_offset = segment->meter.base_offset;
        if (segment->has_txn_index)
            VEC_ADD(&c->txn_files, ((struct clean_txn_file){ base_offset, end_offset }));
        end_offset = base_offset;
    }
}

static void on_step(struct io_job *job);
static void run_step(struct io_job *job);
static void on_timer(struct io_timer *timer);
static void go_on(struct log_cleaning *c);

static struct log_cleaning *cleaning_new(struct log *log, const struct log_clean *how)
{
    struct log_cleaning *c = MEM_NEW(struct log_cleaning);
    c->job = (struct io_job){ .run = run_step, .done = on_step, .is_long = true };
    c->timer.fire = on_timer;
    c->log = log;
    c->how = *how;
    c->place = (struct log_place){ .fs = log->place.fs,
                                   .directory = mem_strdup(log->place.directory),
                                   .may_sleep = true };
    c->limits = (struct clean_group_limits){ .segment_bytes = log->config.segment_bytes,
                                             .index_bytes = log->config.segment_index_bytes };
    c->index_interval_bytes = log->config.index_interval_bytes;
    c->delete_retention_ms = log->config.delete_retention_ms;
    c->map_seed = rng_u64(&log->rng);
    clean_txns_init(&c->txns, log->offsets.start, rng_u64(&log->rng));
    copy_producers(c);
    copy_txn_files(c);
    c->outlines = MEM_NEW_ARRAY(struct clean_outline, log->segments.count);
    return c;
}

static void cleaning_free(struct log_cleaning *c)
{
    clean__close_source(c);
    if (c->target.is_begun)
        clean__end_target(c);
    if (c->is_begun)
        batch_filter_deinit(&c->filter);
    codec_contexts_free(c->contexts);
    clean_map_deinit(&c->map);
    clean_txns_deinit(&c->txns);
    map_i64_deinit(&c->producer_of);
    VEC_DEINIT(&c->producers);
    mem_free(c->outlines);
    VEC_DEINIT(&c->txn_files);
    mem_free(c->place.directory);
    mem_free(c);
}

bool log_clean_begin(struct log *log, const struct log_clean *how)
{
    ASSERT(!log_has_planned(log) && how->step_bytes > 0 && how->done != NULL);
    if (!may_be_cleaned(log))
        return false;
    struct log_cleaning *c = cleaning_new(log, how);
    if (look_and_plan(log, &how->look, true, c->outlines, &c->plan) < 0 ||
        c->plan.dirty_bytes == 0) {
        cleaning_free(c);
        return false;
    }
    c->report.first_dirty = c->report.cleaned_end = c->plan.first_dirty;
    c->source.index = c->plan.dirty_index;
    c->mapped_end = c->plan.first_dirty;
    log->cleaning = c;
    go_on(c);
    return true;
}

/* Tells of it, and forgets it. */
static void end(struct log_cleaning *c)
{
    struct log *log = c->log;
    const struct log_clean how = c->how;
    const struct log_clean_report report = c->report;
    log->cleaning = NULL;
    log->is_set_aside |= report.is_set_aside;
    if (report.result == 0)
        log->cleaned_end = report.cleaned_end;
    cleaning_free(c);
    how.done(how.context, log, &report);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void run_step(struct io_job *job)
{
    struct log_cleaning *c = CONTAINER_OF(job, struct log_cleaning, job);
    switch (c->stage) {
    case CLEAN_MAP:
        c->result = clean__map_step(c);
        break;
    case CLEAN_REWRITE:
        c->result = clean__rewrite_step(c);
        break;
    case CLEAN_SEAL:
        c->result = clean__seal(c);
        break;
    case CLEAN_COMMIT:
        c->result = clean__commit(c);
        break;
    case CLEAN_FINISH:
        c->result = clean__finish(c);
        break;
    case CLEAN_UNDO:
        c->result = clean__undo(c);
        break;
    }
}

/* A step brings pages into memory that nobody has looked at for readers: what they know was good may have left it before. */
static void forget_checked(const struct log *log)
{
    for (size_t i = 0; i + 1 < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        segment_forget_checked(segment, 0, segment->meter.size_bytes);
    }
}

static void run(struct log_cleaning *c)
{
    forget_checked(c->log);
    c->is_running = true;
    c->step_bytes = 0;
    c->is_stage_done = false;
    c->is_read_error = false;
    log__run_job(c->log, NULL, &c->job);
}

static void on_timer(struct io_timer *timer)
{
    run(CONTAINER_OF(timer, struct log_cleaning, timer));
}

static void go_on_after(struct log_cleaning *c, int64_t delay_ms)
{
    if (delay_ms > 0 && loop_of(c) != NULL && c->log->on_detached == NULL)
        io_timer_arm_after(loop_of(c), &c->timer, delay_ms);
    else
        run(c);
}

static void go_on(struct log_cleaning *c)
{
    int64_t delay_ms = 0;
    if (c->how.pace != NULL && c->step_bytes > 0 && !c->is_stopped)
        delay_ms = c->how.pace(c->how.context, c->step_bytes);
    go_on_after(c, delay_ms);
}

/* ---- the list of segments -------------------------------------------------------------------- */

static uint32_t index_of_target(const struct log_cleaning *c)
{
    const int64_t base_offset = c->outlines[c->target.first].base_offset;
    const uint32_t index = log__segment_index(c->log, base_offset);
    ASSERT(c->log->segments.items[index]->meter.base_offset == base_offset);
    return index;
}

/* Committed: from now on the new segment is read. Regions that are being sent hold on to the old files. */
static void swap_in(struct log_cleaning *c)
{
    struct log *log = c->log;
    const uint32_t at = index_of_target(c);
    const uint32_t count = c->target.end - c->target.first;
    c->target.segment->modified_ms = log->segments.items[at + count - 1]->modified_ms;
    for (uint32_t i = 0; i < count; i++) {
        struct segment *old = log->segments.items[at + i];
        ASSERT(old->meter.base_offset == c->outlines[c->target.first + i].base_offset);
        c->report.bytes_before += old->meter.size_bytes;
        if (i > 0)
            log__snapshot_forget(log, old->meter.base_offset);
        segment_free(old, log->place.files);
    }
    c->target.segment->is_swapping = c->target.segment->is_replacement = true;
    log->segments.items[at] = TAKE(c->target.segment);
    for (uint32_t i = 1; i < count; i++)
        VEC_REMOVE_AT(&log->segments, at + 1);
    log__mark_sealed(log);
    c->report.segments_before += count;
    c->report.segments_after++;
}

static void remove_later(struct log_cleaning *c, uint32_t index)
{
    struct log *log = c->log;
    for (int kind = 0; kind < LOG_NAME_KINDS; kind++) {
        const struct log_name name = { .kind = (enum log_name_kind)kind,
                                       .stage = LOG_NAME_DELETED,
                                       .base_offset = c->outlines[index].base_offset };
        AUTO(mem_freep) char *path = log_name_path(c->place.directory, name);
        const char *const paths[] = { path };
        if (log->place.files != NULL)
            log_files_remove_later(log->place.files, paths, 1, log->config.file_delete_delay_ms);
        else
            IGNORE_RESULT(io_fs_unlink(log->place.fs, path)); /* else the next open does it */
    }
}

static void swapped(struct log_cleaning *c)
{
    c->log->segments.items[index_of_target(c)]->is_swapping = false;
    for (uint32_t i = c->target.first; i < c->target.end; i++)
        remove_later(c, i);
    clean__end_target(c);
}

/* ---- from stage to stage --------------------------------------------------------------------- */

/* The first segment behind what the map knows. */
static uint32_t rewrite_end(const struct log_cleaning *c)
{
    uint32_t end = c->plan.dirty_index;
    while (end < c->plan.end_index && c->outlines[end].base_offset < c->mapped_end)
        end++;
    return end;
}

static bool begin_group(struct log_cleaning *c, uint32_t first)
{
    const uint32_t until = rewrite_end(c);
    if (first >= until)
        return false;
    clean__close_source(c);
    clean__begin_target(c, first, until);
    c->stage = CLEAN_REWRITE;
    return true;
}

static void succeed(struct log_cleaning *c)
{
    c->report.cleaned_end = c->mapped_end;
    end(c);
}

static void undo(struct log_cleaning *c, int result)
{
    c->report.result = result;
    c->stage = CLEAN_UNDO;
    run(c);
}

static void fail(struct log_cleaning *c)
{
    struct log *log = c->log;
    const int error = c->result;
    const bool is_short = err_is_shortage(error);
    if (c->stage == CLEAN_UNDO) { /* the next open removes what is left of it */
        c->report.is_set_aside = true;
        end(c);
        return;
    }
    /* The files are what they are: it would end so each time. */
    if ((c->is_read_error || error == -ERR_LIMIT) && !is_short) {
        c->report.is_set_aside = true;
        undo(c, error);
        return;
    }
    c->report.result = error;
    if (c->stage == CLEAN_FINISH && is_short && log->on_detached == NULL && loop_of(c) != NULL) {
        c->report.result = 0;
        go_on_after(c, RETRY_MS);
        return;
    }
    if (!is_short)
        IGNORE_RESULT(log__fail(log, error, &c->report.note));
    /* What is committed stays so: the next open completes it. */
    if (c->stage == CLEAN_FINISH || (c->stage == CLEAN_COMMIT && !is_short))
        end(c);
    else
        undo(c, error);
}

/* Whether another group is begun; else it has ended. */
static bool finish_group(struct log_cleaning *c)
{
    const uint32_t next = c->target.end;
    swapped(c);
    if (next >= rewrite_end(c)) {
        succeed(c);
        return false;
    }
    if (c->is_stopped || c->log->failure != 0) {
        c->report.result = -ERR_CANCELLED;
        end(c);
        return false;
    }
    return begin_group(c, next);
}

static void after_stage(struct log_cleaning *c)
{
    switch (c->stage) {
    case CLEAN_MAP:
        clean_txns_begin(&c->txns, 0);
        if (!begin_group(c, 0)) {
            succeed(c);
            return;
        }
        break;
    case CLEAN_REWRITE:
        c->stage = CLEAN_SEAL;
        break;
    case CLEAN_SEAL:
        c->stage = CLEAN_COMMIT;
        break;
    case CLEAN_COMMIT:
        swap_in(c);
        c->stage = CLEAN_FINISH;
        break;
    case CLEAN_FINISH:
        if (!finish_group(c))
            return;
        break;
    case CLEAN_UNDO:
        end(c);
        return;
    }
    go_on(c);
}

static void advance(struct log_cleaning *c)
{
    const bool is_stopped = c->is_stopped || c->log->failure != 0;
    const bool has_stages = c->stage == CLEAN_MAP || c->stage == CLEAN_REWRITE;
    if (c->result < 0)
        fail(c);
    else if (is_stopped && c->stage < CLEAN_COMMIT)
        undo(c, -ERR_CANCELLED);
    else if (has_stages && !c->is_stage_done)
        go_on(c);
    else
        after_stage(c);
}

static void on_step(struct io_job *job)
{
    struct log_cleaning *c = CONTAINER_OF(job, struct log_cleaning, job);
    struct log *log = c->log;
    c->is_running = false;
    forget_checked(log); /* of checks that ran beside the step */
    advance(c);
    log__job_done(log);
}

/* ---- stopping -------------------------------------------------------------------------------- */

void log_clean_stop(struct log *log)
{
    struct log_cleaning *c = log->cleaning;
    if (c == NULL || c->is_stopped)
        return;
    c->is_stopped = true;
    if (c->is_running || c->stage == CLEAN_FINISH)
        return;
    io_timer_cancel(loop_of(c), &c->timer);
    undo(c, -ERR_CANCELLED);
}

void log__clean_detach(struct log *log)
{
    log_clean_stop(log);
    struct log_cleaning *c = log->cleaning;
    if (c == NULL || c->is_running)
        return;
    io_timer_cancel(loop_of(c), &c->timer); /* the next open finishes it */
    end(c);
}

bool log_is_cleaning(const struct log *log)
{
    return log->cleaning != NULL;
}

int64_t log_cleaned_end(const struct log *log)
{
    return log->cleaned_end;
}

bool log_is_set_aside(const struct log *log)
{
    return log->is_set_aside;
}
