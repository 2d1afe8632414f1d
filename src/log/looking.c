/* Looking at segments for retention and compaction: their times are read by jobs, since they ask from timers. See log_int.h.
 *
 * The active segment was looked at when the log was opened. Of the others a look takes three or four small reads; where the latest time is not
 * the last batch's the batches behind it, too; and where indexes are damaged the whole segment is read through (segment_build).
 */
#include "log/log_int.h"

static void looking_run(struct io_job *job)
{
    log_wait_run(&CONTAINER_OF(job, struct log_looking, job)->wait);
}

static void looking_done(struct io_job *job)
{
    struct log *log = CONTAINER_OF(job, struct log, looking.job);
    log->looking.is_running = false;
    if (log->owner.on_looked != NULL)
        log->owner.on_looked(log->owner.context, log);
    log__job_done(log);
}

static void look_by_job(struct log *log)
{
    log->looking.job = (struct io_job){ .run = looking_run, .done = looking_done, .is_long = true };
    log->looking.is_running = true;
    log__run_job(log, NULL, &log->looking.job);
}

int log__look_at(struct log *log, struct segment *segment)
{
    if (segment->is_meter_ready)
        return 0;
    if (log->looking.is_running)
        return -ERR_WOULD_BLOCK;
    struct log_wait *wait = &log->looking.wait;
    struct log_call call = log__begin_call(log, log->place.files == NULL, wait);
    const int r = log__load_times(log, segment, wait);
    log__end_call(log, &call);
    if (r == -ERR_WOULD_BLOCK)
        look_by_job(log);
    return MIN(r, 0);
}
