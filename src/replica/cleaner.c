/* Which logs are compacted, when and how fast. Apache Kafka's cleaner threads as a timer, and jobs.
 *
 *   every log.cleaner.backoff.ms, and when a cleaning has ended:
 *     segments of compacted logs that retention takes (compact,delete), or that lie below the log start
 *     as long as fewer than log.cleaner.threads logs are being cleaned: the next one. That is the one that is furthest past
 *     max.compaction.lag.ms, else the one with the largest share of dirty bytes
 *
 * log.cleaner.dedupe.buffer.size is shared by the threads that there may be, log.cleaner.io.max.bytes.per.second by all cleanings.
 * Settings are read anew for each step. A log that is damaged is set aside with one line (log_clean.h). Each end of a
 * cleaning is checkpointed (cleaner-offset-checkpoint). A log that finds no space waits for log.cleaner.backoff.ms, at least, while the
 * others are looked at: they may fit where it does not, and make room.
 */
#include "log/clean/log_clean.h"
#include "replica/replicas_int.h"

#define STEP_BYTES_MAX (8u << 20)
#define STEP_BYTES_MIN (64u << 10)
#define STEPS_A_SECOND 4
#define RATE_MAX       1e15                /* bytes a second; more is no limit */
#define CREDIT_MAX_NS  (NS_PER_SECOND / 2) /* of what was not used before */
#define LOOKING_MAX    64                  /* logs that jobs look at */
#define LOOK_AGAIN_MS  10                  /* so that many of them are asked again together */

/* ---- pace ------------------------------------------------------------------------------------ */

static double rate_of(const struct replicas *r)
{
    return config_f64(r->config, SETTING_BROKER_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND);
}

static uint32_t step_bytes(const struct replicas *r)
{
    const double share = rate_of(r) / STEPS_A_SECOND;
    if (share >= STEP_BYTES_MAX)
        return STEP_BYTES_MAX;
    return share <= STEP_BYTES_MIN ? STEP_BYTES_MIN : (uint32_t)share;
}

static int64_t pace(void *context, int64_t bytes)
{
    struct replicas *r = context;
    const double rate = rate_of(r);
    if (rate >= RATE_MAX)
        return 0;
    const int64_t now_ns = io_monotonic_ns(r->io);
    const double cost_ns = (double)bytes / MAX(rate, 1.0) * (double)NS_PER_SECOND;
    r->clean_paid_ns = MAX(r->clean_paid_ns, now_ns - CREDIT_MAX_NS) +
                       (int64_t)MIN(cost_ns, 3600.0 * (double)NS_PER_SECOND);
    return MAX(r->clean_paid_ns - now_ns, INT64_C(0)) / NS_PER_MS;
}

/* ---- the end of one -------------------------------------------------------------------------- */

static int64_t backoff_ms(const struct replicas *r)
{
    return config_i64(r->config, SETTING_BROKER_LOG_CLEANER_BACKOFF_MS);
}

static void on_checkpointed(void *context, uint32_t log_dir_index, int error)
{
    replicas__checkpointed(context, log_dir_index, error);
}

static void checkpoint(struct replicas *r, uint32_t log_dir_index)
{
    struct offset_checkpoint cleaned = { 0 };
    replicas__gather_cleaned(r, log_dir_index, &cleaned);
    log_dirs_checkpoint(r->dirs, log_dir_index, LOG_CHECKPOINT_CLEANER, &cleaned, on_checkpointed,
                        r);
    offset_checkpoint_deinit(&cleaned);
}

static void tell_failure(const struct replicas *r, const struct log *log, int error, bool was_short,
                         const struct err_note *note)
{
    if (log_is_set_aside(log))
        DIAG_ERROR(r->diag, "log", "%s-%d is not compacted any more until it is opened again: %s",
                   log_topic(log), log_partition(log), note->text);
    else if (err_is_shortage(error) && !was_short)
        DIAG_WARN(r->diag, "log", "%s-%d could not be compacted, and will be tried again: %s",
                  log_topic(log), log_partition(log), note->text);
}

static void tell(struct replicas *r, const struct log *log, const struct log_clean_report *report,
                 bool was_short)
{
    const char *topic = log_topic(log);
    const int32_t index = log_partition(log);
    tell_failure(r, log, report->result, was_short, &report->note);
    if (report->result != 0)
        return;
    DIAG_INFO(r->diag, "log",
              "compacted %s-%d from offset %" PRId64 " to %" PRId64 ": %" PRIu32
              " segments of %" PRId64 " bytes became %" PRIu32 " of %" PRId64,
              topic, index, report->first_dirty, report->cleaned_end, report->segments_before,
              report->bytes_before, report->segments_after, report->bytes_written);
    if (report->keyless_count > 0)
        DIAG_WARN(r->diag, "log", "%s-%d had %" PRIu64 " records without a key: they are gone",
                  topic, index, report->keyless_count);
}

static void on_done(void *context, struct log *log, const struct log_clean_report *report)
{
    struct replicas *r = context;
    r->cleaning_count--;
    struct partition *p =
        replicas_get(r, log_topic_id(log), log_partition(log)); /* NULL: it is gone */
    tell(r, log, report, p != NULL && p->clean_after_ns > 0);
    const bool is_short = err_is_shortage(report->result);
    if (p != NULL)
        p->clean_after_ns = is_short ? io_monotonic_ns(r->io) + backoff_ms(r) * NS_PER_MS : 0;
    const int dir = log_dirs_find(r->dirs, log_parent_directory(log));
    if (r->is_closing || dir < 0 || !log_dirs_at(r->dirs, (uint32_t)dir)->is_online)
        return;
    if (report->result == 0)
        checkpoint(r, (uint32_t)dir);
    /* Not from here: somebody may be in the midst of something with this log. */
    if (report->result == 0 || report->is_set_aside || is_short)
        io_timer_arm_after(r->io, &r->clean_timer, 0);
}

/* ---- the next one ---------------------------------------------------------------------------- */

static bool is_idle(const struct partition *p)
{
    return p->state == PARTITION_ONLINE && log_config(p->log)->cleanup_compact &&
           !log_is_cleaning(p->log) && !log_has_planned(p->log);
}

static struct log_clean_look look_of(const struct replicas *r, const struct partition *p)
{
    return (struct log_clean_look){ .now_ms = io_now_ms(r->io),
                                    .stable_end = partition_last_stable_offset(p) };
}

static bool is_before(const struct log_clean_need *a, const struct log_clean_need *b)
{
    if (a->overdue_ms != b->overdue_ms)
        return a->overdue_ms > b->overdue_ms;
    return a->dirty_ratio > b->dirty_ratio;
}

/* As Apache Kafka: where old records are deleted too it is nothing to be told. */
static void tell_disbelieved(const struct replicas *r, const struct log *log,
                             const struct log_clean_need *need)
{
    if (need->disbelieved_end > 0 && !log_config(log)->cleanup_delete)
        DIAG_WARN(r->diag, "log",
                  "%s-%d begins at offset %" PRId64 ", and was compacted below offset %" PRId64
                  ", as its checkpoint says: all of it counts as not compacted",
                  log_topic(log), log_partition(log), log_offsets(log)->start,
                  need->disbelieved_end);
}

/* What the log has to clean: 0; or as log_clean_look, and it was told. */
static int look_at(struct replicas *r, struct partition *p, int64_t now_ns,
                   struct log_clean_need *out)
{
    const struct log_clean_look look = look_of(r, p);
    struct err_note note = { 0 };
    const int looked = log_clean_look(p->log, &look, out, &note);
    if (looked >= 0) {
        tell_disbelieved(r, p->log, out);
    } else if (looked != -ERR_WOULD_BLOCK) {
        tell_failure(r, p->log, looked, p->clean_after_ns > 0, &note);
        if (err_is_shortage(looked))
            p->clean_after_ns = now_ns + backoff_ms(r) * NS_PER_MS;
    }
    return looked;
}

/* Among what is known. Logs that jobs have to look at first wait for them, so many at a time. */
static struct partition *find_next(struct replicas *r)
{
    const int64_t now_ns = io_monotonic_ns(r->io);
    uint32_t looking_count = 0;
    struct partition *next = NULL;
    struct log_clean_need next_need = { 0 };
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        if (!is_idle(p) || log_is_set_aside(p->log) || p->clean_after_ns > now_ns)
            continue;
        struct log_clean_need need;
        const int looked = look_at(r, p, now_ns, &need);
        if (looked == -ERR_WOULD_BLOCK && ++looking_count == LOOKING_MAX)
            break;
        if (looked >= 0 && need.is_due && (next == NULL || is_before(&need, &next_need))) {
            next = p;
            next_need = need;
        }
    }
    return next;
}

static bool begin(struct replicas *r, struct partition *p, int64_t threads)
{
    const struct log_clean how = {
        .look = look_of(r, p),
        .map_bytes_max =
            (size_t)(config_i64(r->config, SETTING_BROKER_LOG_CLEANER_DEDUPE_BUFFER_SIZE) /
                     threads),
        .map_load_factor = config_f64(r->config, SETTING_BROKER_LOG_CLEANER_IO_BUFFER_LOAD_FACTOR),
        .step_bytes = step_bytes(r),
        .pace = pace,
        .done = on_done,
        .context = r,
    };
    r->cleaning_count++;
    const bool has_begun = log_clean_begin(p->log, &how);
    r->cleaning_count -= !has_begun;
    return has_begun;
}

static void retain_compacted(struct replicas *r)
{
    const int64_t now_ms = io_now_ms(r->io);
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        if (is_idle(p))
            replicas__retain(r, p, now_ms);
    }
}

static void on_timer(struct io_timer *timer)
{
    struct replicas *r = CONTAINER_OF(timer, struct replicas, clean_timer);
    if (r->is_closing)
        return;
    if (config_bool(r->config, SETTING_BROKER_LOG_CLEANER_ENABLE)) {
        retain_compacted(r);
        const int64_t threads = config_i64(r->config, SETTING_BROKER_LOG_CLEANER_THREADS);
        while (r->cleaning_count < threads) {
            struct partition *p = find_next(r);
            if (p == NULL || !begin(r, p, threads))
                break;
        }
    }
    io_timer_arm_after(r->io, timer, backoff_ms(r));
}

void replicas__begin_cleaning(struct replicas *r)
{
    r->clean_timer.fire = on_timer;
    io_timer_arm_after(r->io, &r->clean_timer, 0);
}

void replicas__clean_soon(struct replicas *r)
{
    if (!r->is_closing && r->clean_timer.fire != NULL)
        io_timer_arm_after(r->io, &r->clean_timer, LOOK_AGAIN_MS);
}

void replicas__end_cleaning(struct replicas *r)
{
    io_timer_cancel(r->io, &r->clean_timer);
}
