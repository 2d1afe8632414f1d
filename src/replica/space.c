/* How full the log directories are, who may still append, and the bytes that are kept back for the metadata log.
 *
 *   free     ┌──────────── everybody appends
 *   mark ──► ├──────────── clients are refused (KAFKA_STORAGE_ERROR: they try again); resumed an eighth above
 *   mark/4 ► ├──────────── groups, transactions and new topics too; the metadata log, checkpoints and compaction go on
 *   0 ─────► └──────────── the metadata log takes the reserve (log_dirs_release_reserve)
 *
 * The mark is ottla.disk.min.free.bytes. Space is measured by a job: at each tick, and after so many appended bytes as reach the
 * mark half-way, or a quarter of it, for others write there too. Who fills the disk in between makes writes fail with -ENOSPC, which refuses appends as well
 * (replicas_write). Whatever refuses them, the operator is told once, and once of its end; and retention does not wait for its time:
 * the next tick looks what may go. Nor do files that were deleted, in any directory (file.delete.delay.ms).
 */
#include "replica/replicas_int.h"

#define MARK_DEFAULT_MAX (INT64_C(64) << 20)
#define MARK_SHARE       32 /* of the file system, at most, by default */
#define URGENT_SHARE     4  /* of the mark: below it nobody appends */
#define RESUME_SHARE                                                                               \
    8 /* of the mark, above it, before appends go on: so that they do not flicker */

#define MEASURE_BYTES_MIN (INT64_C(64) << 10)
#define MEASURE_BYTES_MAX (INT64_C(16) << 20)

static int64_t mark_of(const struct replicas *r, const struct log_dir_space *space)
{
    const int64_t wanted = config_i64(r->config, SETTING_BROKER_OTTLA_DISK_MIN_FREE_BYTES);
    return wanted >= 0 ? wanted : MIN(MARK_DEFAULT_MAX, space->total_bytes / MARK_SHARE);
}

static int64_t resume_bytes(const struct replicas_dir *dir)
{
    return dir->mark_bytes + MIN(dir->mark_bytes / RESUME_SHARE, INT64_MAX - dir->mark_bytes);
}

/* What is free and should be in the reserve: clients shall not have it. */
static int64_t missing_reserve(const struct replicas *r, uint32_t log_dir_index)
{
    const struct replicas_dir *dir = &r->dir_states[log_dir_index];
    if (log_dir_index != r->metadata_dir_index || dir->mark_bytes == 0)
        return 0;
    const int64_t wanted = config_i64(r->config, SETTING_BROKER_OTTLA_DISK_RESERVE_BYTES);
    return MAX(wanted - dir->reserve_bytes, INT64_C(0));
}

/* ---- who may append -------------------------------------------------------------------------- */

static void begin_full(struct replicas *r, uint32_t log_dir_index)
{
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    dir->is_full = r->is_retention_due = true;
    if (dir->is_short)
        return; /* it was told when a write failed */
    dir->is_short = true;
    DIAG_ERROR(r->diag, "log",
               "log directory %s: %" PRId64
               " bytes are free, and ottla.disk.min.free.bytes keeps %" PRId64
               ": appends are refused until there are %" PRId64
               " (of groups, so that their members wait, and of transactions below %" PRId64 ")",
               log_dirs_at(r->dirs, log_dir_index)->path, dir->free_bytes, dir->mark_bytes,
               i64_add_clamped(resume_bytes(dir), missing_reserve(r, log_dir_index)),
               dir->mark_bytes / URGENT_SHARE);
}

static void end_full(struct replicas *r, uint32_t log_dir_index)
{
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    dir->is_full = dir->is_short = false;
    dir->retry_wait_ns = 0;
    DIAG_INFO(r->diag, "log",
              "log directory %s: appends succeed again: %" PRId64
              " bytes are free, and ottla.disk.min.free.bytes keeps %" PRId64,
              log_dirs_at(r->dirs, log_dir_index)->path, dir->free_bytes, dir->mark_bytes);
}

bool replicas__lacks_space(const struct replicas *r, uint32_t log_dir_index,
                           const struct log_append *append, struct log_append_result *out)
{
    const struct replicas_dir *dir = &r->dir_states[log_dir_index];
    if (!dir->is_full || (append->origin != LOG_ORIGIN_CLIENT && !dir->is_nearly_out))
        return false;
    *out = (struct log_append_result){ .error = KAFKA_KAFKA_STORAGE_ERROR,
                                       .first_offset = -1,
                                       .last_offset = -1,
                                       .append_time_ms = -1,
                                       .log_start_offset = -1 };
    if (append->arena != NULL)
        out->message = bytes_from_text(arena_printf(
            append->arena,
            "Log directory %s has %" PRId64 " bytes free, of which %" PRId64
            " are kept: try again when there is space",
            log_dirs_at(r->dirs, log_dir_index)->path, dir->free_bytes, dir->mark_bytes));
    return true;
}

/* What is left of the reserve, when it was given up, is for a start and for deletions. */
static bool has_given_up_reserve(const struct replicas *r)
{
    return r->dir_states[r->metadata_dir_index].is_full &&
           missing_reserve(r, r->metadata_dir_index) > 0;
}

bool replicas_lacks_space_for_logs(const struct replicas *r)
{
    bool has_room = false;
    for (uint32_t i = 0; i < log_dirs_count(r->dirs); i++)
        has_room |= log_dirs_at(r->dirs, i)->is_online && !r->dir_states[i].is_nearly_out;
    return !has_room || has_given_up_reserve(r) ||
           r->dir_states[r->metadata_dir_index].is_nearly_out;
}

/* ---- the reserve ----------------------------------------------------------------------------- */

static void on_reserved(void *context, uint32_t log_dir_index, int error)
{
    struct replicas *r = context;
    r->is_reserving = false;
    if (error == 0 || r->is_closing)
        return;
    if (err_is_shortage(error)) {
        r->reserved_bytes = -1; /* there was less than it seemed */
        return;
    }
    DIAG_WARN(r->diag, "log",
              "%s/%s: %s: no space is kept back for the metadata log (ottla.disk.reserve.bytes)",
              log_dirs_at(r->dirs, log_dir_index)->path, LOG_RESERVE_NAME, err_sentence(error));
}

static void keep_reserve(struct replicas *r)
{
    const int64_t wanted = config_i64(r->config, SETTING_BROKER_OTTLA_DISK_RESERVE_BYTES);
    const struct replicas_dir *dir = &r->dir_states[r->metadata_dir_index];
    if (r->is_reserving || wanted == r->reserved_bytes || r->is_loading)
        return;
    const bool is_more = wanted > MAX(r->reserved_bytes, INT64_C(0));
    if (is_more && (dir->free_bytes / 2 < wanted || dir->free_bytes - wanted < resume_bytes(dir)))
        return;
    r->is_reserving = true;
    r->reserved_bytes = wanted;
    log_dirs_reserve(r->dirs, r->metadata_dir_index, wanted, on_reserved, r);
}

bool replicas_release_reserve(struct replicas *r)
{
    if (r->is_reserving)
        return false;
    r->reserved_bytes = -1;
    r->dir_states[r->metadata_dir_index].reserve_bytes = 0;
    return log_dirs_release_reserve(r->dirs, r->metadata_dir_index);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void on_measured(void *context, uint32_t log_dir_index, const struct log_dir_space *space)
{
    struct replicas *r = context;
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    dir->is_measuring = false;
    if (r->is_closing || space->free_bytes < 0 || space->total_bytes < 0 ||
        !log_dirs_at(r->dirs, log_dir_index)->is_online)
        return; /* what cannot be found out changes nothing */
    dir->free_bytes = space->free_bytes;
    dir->reserve_bytes = space->reserve_bytes;
    dir->mark_bytes = mark_of(r, space);
    const int64_t half_way = MIN((dir->free_bytes - dir->mark_bytes) / 2, dir->mark_bytes / 4);
    dir->measure_bytes = dir->mark_bytes == 0
                             ? INT64_MAX /* nobody is refused: at ticks is enough */
                             : MIN(MAX(half_way, MEASURE_BYTES_MIN), MEASURE_BYTES_MAX);
    dir->is_nearly_out = dir->free_bytes < dir->mark_bytes / URGENT_SHARE;
    const int64_t usable_bytes = dir->free_bytes - missing_reserve(r, log_dir_index);
    if (!dir->is_full && usable_bytes < dir->mark_bytes)
        begin_full(r, log_dir_index);
    else if (dir->is_full && usable_bytes >= resume_bytes(dir))
        end_full(r, log_dir_index);
    if (log_dir_index == r->metadata_dir_index)
        keep_reserve(r);
}

void replicas__measure(struct replicas *r, uint32_t log_dir_index)
{
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    if (dir->is_measuring || !log_dirs_at(r->dirs, log_dir_index)->is_online)
        return;
    dir->is_measuring = true;
    dir->unmeasured_bytes = 0;
    log_dirs_measure(r->dirs, log_dir_index, on_measured, r);
}

/* ---- telling --------------------------------------------------------------------------------- */

void replicas__tell_write(struct replicas *r, const struct partition *p,
                          const struct err_note *note)
{
    struct replicas_dir *dir = &r->dir_states[p->log_dir_index];
    if (p->write_error == 0) {
        dir->was_written = true;
        return;
    }
    if (!err_is_shortage(p->write_error)) {
        DIAG_ERROR(r->diag, "log", "appends to %s-%d failed: %s: %s", p->topic, p->index,
                   err_sentence(p->write_error), note->text);
        return;
    }
    dir->was_refused = true;
    r->is_retention_due |= !dir->is_short;
    if (!dir->is_short)
        DIAG_ERROR(r->diag, "log",
                   "log directory %s: %s; appends are refused until there is more (%s-%d: %s)",
                   log_dirs_at(r->dirs, p->log_dir_index)->path, err_sentence(p->write_error),
                   p->topic, p->index, note->text);
    dir->is_short = true;
    replicas__measure(r, p->log_dir_index);
}

void replicas__tell_space(struct replicas *r)
{
    bool is_short = false;
    for (uint32_t i = 0; i < log_dirs_count(r->dirs); i++) {
        struct replicas_dir *dir = &r->dir_states[i];
        if (dir->is_short && !dir->is_full && dir->was_written && !dir->was_refused) {
            dir->is_short = false;
            DIAG_INFO(r->diag, "log", "log directory %s: appends succeed again",
                      log_dirs_at(r->dirs, i)->path);
        }
        is_short |= dir->is_short;
        dir->was_written = dir->was_refused = false;
        replicas__measure(r, i);
    }
    if (is_short) {
        log_files_hurry(r->files);
        log_dirs_hurry_removals(r->dirs);
    }
}
