/* Opening a log: what lies in its directory is sorted, leftovers of deletions and of compaction are
 * cleared, and segments are trusted or recovered (recover.c). See log.h.
 */
#include "log/recover.h"
#include "log/small_files.h"

#include "base/mem.h"
#include "base/topic_name.h"

#include <errno.h>
#include <string.h>

#define DIRECTORY_NAMES_MAX (1u << 24)

/* The files of a log's directory, by name. */
struct inventory {
    struct io_names names;
    int64_t cleaned_min; /* lowest base of a .cleaned file, of work that did not come to its end */
    int64_t swap_min;    /* bases that .swap files replace: [swap_min, swap_max) */
    int64_t swap_max;
};

static char *path_in(const struct log *log, const char *name)
{
    return mem_printf("%s/%s", log->place.directory, name);
}

static int remove_file(struct log *log, const char *name, struct err_note *note)
{
    AUTO(mem_freep) char *path = path_in(log, name);
    const int r = io_fs_unlink(log->place.fs, path);
    if (r < 0 && r != -ENOENT)
        return err_note(note, r, "remove %s: %s", path, err_sentence(r));
    return 0;
}

static int list_names(struct log *log, struct inventory *inventory, struct err_note *note)
{
    io_names_deinit(&inventory->names);
    const int r =
        io_fs_list(log->place.fs, log->place.directory, DIRECTORY_NAMES_MAX, &inventory->names);
    return r < 0 ? err_note(note, r, "list %s: %s", log->place.directory, err_sentence(r)) : 0;
}

/* ---- leftovers ------------------------------------------------------------------------------- */

/* The offset after the last batch of a segment that is to be swapped in. */
static int swap_end(struct log *log, const char *name, int64_t base_offset, int64_t *out,
                    struct err_note *note)
{
    AUTO(mem_freep) char *path = path_in(log, name);
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    int r = io_file_open(log->place.fs, path, IO_OPEN_READ, &file);
    if (r < 0)
        return err_note(note, r, "open %s: %s", path, err_sentence(r));
    const int64_t size = io_file_size(file);
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, 0, MAX(size, INT64_C(0)), BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    *out = base_offset;
    while ((r = batch_scan_next(&scan, &batch)) > 0)
        *out = batch.last_offset + 1;
    batch_scan_deinit(&scan);
    r = size < 0 ? (int)size : r;
    if (r == 0 || batch_scan_is_damage(r))
        return 0; /* a bad end is found again when the segment is recovered */
    /* What cannot be read now may be all there: what it replaces is not to be told by a part of it. */
    return err_note(note, r, "read %s: %s", path, err_sentence(r));
}

/* First pass: .deleted and .cleaned files go, and .swap files of a split that was not finished; the
 * others tell what they replace. */
static int sort_leftovers(struct log *log, struct inventory *inventory, struct err_note *note)
{
    inventory->cleaned_min = inventory->swap_min = INT64_MAX;
    inventory->swap_max = INT64_MIN;
    for (uint32_t i = 0; i < inventory->names.count; i++) {
        const struct log_name name = log_name_parse(inventory->names.items[i]);
        if (name.kind != LOG_NAME_KINDS && name.stage == LOG_NAME_CLEANED)
            inventory->cleaned_min = MIN(inventory->cleaned_min, name.base_offset);
    }
    for (uint32_t i = 0; i < inventory->names.count; i++) {
        const char *text = inventory->names.items[i];
        const struct log_name name = log_name_parse(text);
        if (name.kind == LOG_NAME_KINDS || name.stage == LOG_NAME_LIVE)
            continue;
        const bool is_valid_swap =
            name.stage == LOG_NAME_SWAP && name.base_offset < inventory->cleaned_min;
        int r = 0;
        if (!is_valid_swap) {
            r = remove_file(log, text, note);
        } else if (name.kind == LOG_NAME_LOG) {
            int64_t end = name.base_offset;
            r = swap_end(log, text, name.base_offset, &end, note);
            if (r < 0)
                return r;
            inventory->swap_min = MIN(inventory->swap_min, name.base_offset);
            inventory->swap_max = MAX(inventory->swap_max, end);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int remove_replaced(struct log *log, struct inventory *inventory, struct err_note *note)
{
    int r = 0;
    for (uint32_t i = 0; i < inventory->names.count && r == 0; i++) {
        const struct log_name name = log_name_parse(inventory->names.items[i]);
        if (name.kind != LOG_NAME_KINDS && name.stage == LOG_NAME_LIVE &&
            name.base_offset >= inventory->swap_min && name.base_offset < inventory->swap_max)
            r = remove_file(log, inventory->names.items[i], note);
    }
    return r;
}

/* Gives the .swap files their names: the .log ones, or all others. */
static int rename_swaps(struct log *log, struct inventory *inventory, bool are_logs,
                        struct err_note *note)
{
    for (uint32_t i = 0; i < inventory->names.count; i++) {
        struct log_name name = log_name_parse(inventory->names.items[i]);
        if (name.kind == LOG_NAME_KINDS || name.stage != LOG_NAME_SWAP ||
            name.base_offset >= inventory->cleaned_min || (name.kind == LOG_NAME_LOG) != are_logs)
            continue;
        AUTO(mem_freep) char *from = path_in(log, inventory->names.items[i]);
        name.stage = LOG_NAME_LIVE;
        AUTO(mem_freep) char *to = log_name_path(log->place.directory, name);
        const int r = io_fs_rename(log->place.fs, from, to);
        if (r < 0)
            return err_note(note, r, "rename %s to %s: %s", from, to, err_sentence(r));
    }
    return 0;
}

static int sync_names(struct log *log, struct err_note *note)
{
    const int r = io_fs_sync_directory(log->place.fs, log->place.directory);
    return r < 0 ? err_note(note, r, "sync %s: %s", log->place.directory, err_sentence(r)) : 0;
}

/* Second pass: the names that call it a swap are put on stable storage, for they may be a killed process's; what was replaced goes,
 * then its replacement gets the name, the .log before the others: each for good before the next, as in swap.c, for the
 * power may fail here, too. */
static int finish_swaps(struct log *log, struct inventory *inventory, struct err_note *note)
{
    int r = sync_names(log, note);
    if (r == 0)
        r = remove_replaced(log, inventory, note);
    if (r == 0)
        r = sync_names(log, note);
    if (r == 0)
        r = rename_swaps(log, inventory, true, note);
    if (r == 0)
        r = sync_names(log, note);
    if (r == 0)
        r = rename_swaps(log, inventory, false, note);
    return r < 0 ? r : sync_names(log, note);
}

static bool has_swaps(const struct inventory *inventory)
{
    for (uint32_t i = 0; i < inventory->names.count; i++) {
        const struct log_name name = log_name_parse(inventory->names.items[i]);
        if (name.kind != LOG_NAME_KINDS && name.stage == LOG_NAME_SWAP &&
            name.base_offset < inventory->cleaned_min)
            return true;
    }
    return false;
}

static bool has_leftovers(const struct inventory *inventory)
{
    for (uint32_t i = 0; i < inventory->names.count; i++) {
        const struct log_name name = log_name_parse(inventory->names.items[i]);
        if (name.kind != LOG_NAME_KINDS && name.stage != LOG_NAME_LIVE)
            return true;
    }
    return false;
}

static int clear_leftovers(struct log *log, struct inventory *inventory, struct err_note *note)
{
    if (!has_leftovers(inventory))
        return 0;
    int r = sort_leftovers(log, inventory, note);
    if (r == 0 && has_swaps(inventory))
        r = finish_swaps(log, inventory, note);
    return r < 0 ? r : list_names(log, inventory, note);
}

/* ---- segments -------------------------------------------------------------------------------- */

static int add_segment(struct log *log, int64_t base_offset, int64_t now_ms, struct err_note *note)
{
    struct segment *segment = segment_new(base_offset, now_ms, log__draw_jitter(log));
    VEC_ADD(&log->segments, segment);
    AUTO(mem_freep) char *path = segment_path(segment, &log->place, LOG_NAME_LOG, LOG_NAME_LIVE);
    struct io_stat st;
    const int r = io_fs_stat(log->place.fs, path, &st);
    if (r < 0)
        return err_note(note, r, "look at %s: %s", path, err_sentence(r));
    if (st.is_directory || st.size_bytes > INT32_MAX) {
        return err_note(note, -ERR_CORRUPT,
                        "%s has %" PRId64 " bytes; a segment has at most %" PRId32, path,
                        st.size_bytes, INT32_MAX);
    }
    segment->meter.size_bytes = segment->good_from = (uint32_t)st.size_bytes;
    segment->modified_ms = st.modified_ms;
    return 0;
}

static struct segment *segment_with_base(struct log *log, int64_t base_offset)
{
    if (log->segments.count == 0)
        return NULL;
    struct segment *segment = log->segments.items[log__segment_index(log, base_offset)];
    return segment->meter.base_offset == base_offset ? segment : NULL;
}

/* A crash in the midst of a removal leaves such files; so does a segment that got lost. */
static int remove_orphan(struct log *log, const char *name, struct err_note *note)
{
    struct err_note mended;
    err_note(&mended, 0, "%s/%s belongs to no segment, and goes", log->place.directory, name);
    log__mend_note(log, &mended);
    return remove_file(log, name, note);
}

/* ".index" precedes ".log" of the same base: segments are added in a pass of their own. */
static int collect_segments(struct log *log, const struct inventory *inventory, int64_t now_ms,
                            struct err_note *note)
{
    int r = 0;
    for (uint32_t i = 0; i < inventory->names.count && r == 0; i++) {
        const struct log_name name = log_name_parse(inventory->names.items[i]);
        if (name.kind == LOG_NAME_LOG)
            r = add_segment(log, name.base_offset, now_ms, note);
        else if (name.kind == LOG_NAME_SNAPSHOT)
            log__snapshot_remember(log, name.base_offset);
    }
    for (uint32_t i = 0; i < inventory->names.count && r == 0; i++) {
        const struct log_name name = log_name_parse(inventory->names.items[i]);
        if (name.kind == LOG_NAME_KINDS || name.kind == LOG_NAME_LOG ||
            name.kind == LOG_NAME_SNAPSHOT)
            continue;
        struct segment *segment = segment_with_base(log, name.base_offset);
        if (segment == NULL)
            r = remove_orphan(log, inventory->names.items[i], note);
        else if (name.kind == LOG_NAME_TXN_INDEX)
            segment->has_txn_index = true;
        else if (name.kind == LOG_NAME_OFFSET_INDEX)
            segment->offsets.has_file = true;
        else
            segment->times.has_file = true;
    }
    return r;
}

/* Snapshots are kept where a segment begins, and the newest one above the last segment, of a clean
 * shutdown. */
static void remove_stray_snapshots(struct log *log, int64_t end_offset)
{
    const int64_t active_base = log__active(log)->meter.base_offset;
    bool is_newest = true;
    for (size_t i = log->snapshot_offsets.count; i > 0; i--) {
        const int64_t offset = log->snapshot_offsets.items[i - 1];
        const bool is_kept = offset <= end_offset && ((is_newest && offset > active_base) ||
                                                      segment_with_base(log, offset) != NULL);
        if (!is_kept)
            log__snapshot_remove(log, offset);
        else
            is_newest = false;
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static struct log *make_log(const struct log_params *params)
{
    struct log *log = MEM_NEW(struct log);
    log->place.fs = params->fs;
    log->place.may_sleep = true;
    log->log_dir = mem_strdup(params->log_dir);
    log->topic = mem_strdup(params->topic);
    log->partition = params->partition;
    log->topic_id = params->topic_id;
    log->is_always_recovered = params->is_always_recovered;
    log->config = *params->config;
    log->rng = rng_from_seed(params->seed);
    log->flushed_ms = log->expired_ms = params->now_ms;
    const char *suffix = params->dir_suffix == NULL ? "" : params->dir_suffix;
    log->place.directory = mem_printf("%s/%s-%" PRId32 "%s", params->log_dir, params->topic,
                                      params->partition, suffix);
    producers_init(&log->producers, rng_u64(&log->rng));
    return log;
}

static int open_directory(struct log *log, const struct log_params *params,
                          struct inventory *inventory, struct err_note *note)
{
    int r = list_names(log, inventory, note);
    if (r != -ENOENT || !params->create)
        return r;
    r = io_fs_make_directory(log->place.fs, log->place.directory);
    log->is_directory_new = true;
    if (r < 0 && r != -EEXIST)
        return err_note(note, r, "make %s: %s", log->place.directory, err_sentence(r));
    return list_names(log, inventory, note);
}

/* What is known of the topic that a directory is of. */
struct identity {
    bool has_file;
    bool is_damaged; /* as no loss of power leaves it */
    bool
        has_been_synced; /* it was on stable storage once: a flush sees to it before it writes the epochs */
};

/* The topic id that the directory has; zero: none that can be read. */
static int find_topic_id(struct log *log, const struct inventory *inventory,
                         struct identity *identity, struct err_note *note)
{
    for (uint32_t i = 0; i < inventory->names.count; i++) {
        identity->has_file |= strcmp(inventory->names.items[i], PARTITION_METADATA_NAME) == 0;
        identity->has_been_synced |= strcmp(inventory->names.items[i], EPOCHS_FILE_NAME) == 0;
    }
    struct uuid found = UUID_ZERO;
    if (identity->has_file) {
        struct err_note own = { "" };
        const int r = partition_metadata_read(log->place.fs, log->place.directory, &found, &own);
        identity->is_damaged = r == -ERR_MALFORMED;
        if (r < 0 && r != -ERR_MALFORMED && r != -ERR_OVERRUN) {
            if (note != NULL)
                *note = own;
            return r;
        }
        if (r < 0)
            log__mend_note(log, &own);
    }
    log->topic_id = found;
    return 0;
}

static bool has_batches(const struct log *log)
{
    for (size_t i = 0; i < log->segments.count; i++) {
        if (log->segments.items[i]->meter.size_bytes > 0)
            return true;
    }
    return false;
}

/* A power loss may bring back the directory of a topic that was deleted, and take its id away, or a part of it. Whatever was
 * flushed has its id, the checkpoint may lag. */
static bool may_be_another_topics(const struct log *log, const struct log_params *params,
                                  const struct identity *identity)
{
    if (!uuid_is_zero(log->topic_id) || params->had_clean_shutdown ||
        !params->is_recovery_point_known || identity->is_damaged || identity->has_been_synced)
        return false;
    return has_batches(log) && params->recovery_point <= log->segments.items[0]->meter.base_offset;
}

static int claim(struct log *log, const struct log_params *params, const struct identity *identity,
                 struct err_note *note)
{
    if (uuid_is_zero(params->topic_id))
        return 0;
    if (may_be_another_topics(log, params, identity))
        return err_note(note, -ERR_EXISTS, "%s does not say which topic it is of",
                        log->place.directory);
    const bool is_lost = uuid_is_zero(log->topic_id) && has_batches(log);
    const int r = log_set_topic_id(log, params->topic_id, note);
    if (r < 0 || !is_lost)
        return r;
    char id[UUID_TEXT_SIZE];
    uuid_to_text(params->topic_id, id);
    struct err_note mended;
    err_note(&mended, 0, "%s/%s was %s: it is written anew, of the topic %s that has this name",
             log->place.directory, PARTITION_METADATA_NAME,
             identity->has_file ? "not to be read" : "missing", id);
    log__mend_note(log, &mended);
    return 0;
}

/* An unreadable epoch file is no reason to stop: the batches know. */
static int open_epochs(struct log *log, bool *out_is_lost)
{
    struct err_note note = { "" };
    const int r = epochs_read(log->place.fs, log->place.directory, &log->epochs, &note);
    *out_is_lost = r == -ERR_MALFORMED || r == -ERR_VERSION || r == -ERR_LIMIT;
    if (!*out_is_lost)
        return r;
    log->epochs.is_dirty = true;
    log__mend_note(log, &note);
    return 0;
}

/* What was cut in a file has been told; files may also be missing, or have lost whole batches. */
static void note_loss(struct log *log, const struct log_params *params,
                      const struct recovery *recovery)
{
    if (recovery->end_offset >= params->recovery_point || recovery->was_cut)
        return;
    struct err_note note;
    err_note(&note, 0,
             "%s ends at offset %" PRId64 ", where everything up to offset %" PRId64
             " had been flushed: its files were removed or cut off",
             log->place.directory, recovery->end_offset, params->recovery_point);
    log__mend_note(log, &note);
}

/* Beyond the end it speaks of records that are lost: what comes in their place was never compared. As Apache Kafka, all is. */
static void set_cleaned_end(struct log *log, int64_t cleaned_end)
{
    log->cleaned_end = cleaned_end;
    if (cleaned_end <= log->offsets.end)
        return;
    log->cleaned_end = 0;
    struct err_note mended;
    err_note(&mended, 0,
             "%s ends at offset %" PRId64
             ", and was checkpointed as compacted below offset %" PRId64
             ": all of it counts as not compacted",
             log->place.directory, log->offsets.end, cleaned_end);
    log__mend_note(log, &mended);
}

static void set_offsets(struct log *log, const struct log_params *params, int64_t end_offset)
{
    const int64_t base = log->segments.items[0]->meter.base_offset;
    log->offsets = (struct log_offsets){
        .start = MAX(params->log_start_offset, base),
        .local_start = MAX(params->log_start_offset, base),
        .planned_end = end_offset,
        .end = end_offset,
        .flushed_end = params->had_clean_shutdown
                           ? end_offset
                           : MIN(MAX(params->recovery_point, base), end_offset),
    };
    log->indexed_end = params->had_clean_shutdown
                           ? log__active(log)->meter.base_offset
                           : log->segments.items[log__segment_index(log, log->offsets.flushed_end)]
                                 ->meter.base_offset;
    set_cleaned_end(log, params->cleaned_end);
    log__settle_recovery_point(log);
    log__active(log)->offset_limit = end_offset - 1;
    epochs_truncate_from_end(&log->epochs, end_offset);
    epochs_truncate_from_start(&log->epochs, log->offsets.start);
}

/* The first segment. Where it begins beyond 0 its name is the only place of that, once the checkpoint follows the segment. */
static int begin_at(struct log *log, int64_t offset, int64_t now_ms, struct err_note *note)
{
    int r = log__segment_add(log, offset, now_ms, note);
    if (r < 0 || offset == 0)
        return r;
    r = io_fs_sync_directory(log->place.fs, log->place.directory);
    if (r == 0)
        r = io_fs_sync_directory(log->place.fs, log->log_dir);
    return r < 0 ? err_note(note, r, "sync %s: %s", log->place.directory, err_sentence(r)) : 0;
}

/* The files say that the log ends before the start that was checkpointed: they were removed behind
 * our back, and begin anew there. */
static int restart_at_checkpoint(struct log *log, const struct log_params *params,
                                 int64_t *end_offset, struct err_note *note)
{
    if (*end_offset >= params->log_start_offset)
        return 0;
    struct err_note mended;
    err_note(&mended, 0,
             "%s ends at offset %" PRId64 ", below its checkpointed start %" PRId64
             ": it begins anew there",
             log->place.directory, *end_offset, params->log_start_offset);
    log__mend_note(log, &mended);
    while (log->segments.count > 0) {
        const int r = log__segment_remove(log, VEC_POP(&log->segments));
        if (r < 0)
            return err_note(note, r, "remove a segment of %s: %s", log->place.directory,
                            err_sentence(r));
    }
    while (log->snapshot_offsets.count > 0)
        log__snapshot_remove(log, log->snapshot_offsets.items[log->snapshot_offsets.count - 1]);
    epochs_clear(&log->epochs);
    *end_offset = params->log_start_offset;
    return begin_at(log, *end_offset, params->now_ms, note);
}

static int load_producers(struct log *log, const struct recovery *recovery, struct err_note *note)
{
    const struct producers_load load = { .start_offset = log->offsets.start,
                                         .end_offset = recovery->end_offset,
                                         .flushed_end = log->offsets.flushed_end,
                                         .is_clean = recovery->is_clean,
                                         .now_ms = recovery->now_ms };
    return log__load_producers(log, &load, note);
}

/* What there is, by name and size. */
static int take_stock(struct log *log, const struct log_params *params, struct inventory *inventory,
                      struct err_note *note)
{
    struct identity identity = { 0 };
    int r = open_directory(log, params, inventory, note);
    if (r == 0)
        r = find_topic_id(log, inventory, &identity, note);
    if (r == 0)
        r = clear_leftovers(log, inventory, note);
    if (r == 0)
        r = collect_segments(log, inventory, params->now_ms, note);
    if (r == 0)
        r = claim(log, params, &identity, note);
    log__mark_sealed(log);
    return r;
}

/* Whole segments and epochs, and where they end. */
static int recover(struct log *log, const struct log_params *params, struct recovery *recovery,
                   struct err_note *note)
{
    int r = open_epochs(log, &recovery->are_epochs_lost);
    if (r == 0 && log->segments.count == 0)
        r = begin_at(log, params->log_start_offset, params->now_ms, note);
    if (r == 0)
        r = recovery_run(recovery, log, params->log_start_offset, note);
    if (r == 0)
        note_loss(log, params, recovery);
    if (r == 0)
        r = restart_at_checkpoint(log, params, &recovery->end_offset, note);
    return r;
}

/* What is not known to be on stable storage. */
static void count_unflushed(struct log *log, const struct log_params *params)
{
    if (!params->had_clean_shutdown)
        log__mark_unflushed(log);
    const uint32_t first = log__segment_index(log, log->offsets.flushed_end);
    for (uint32_t i = first; i < log->segments.count && log->offsets.flushed_end < log->offsets.end;
         i++)
        log->unflushed_bytes += log->segments.items[i]->meter.size_bytes;
    log->is_metadata_unsynced |= !log__has_flushed(log) && !uuid_is_zero(log->topic_id);
}

/* Times and indexes of the segment that is written to: no append, and no look at the age of a log of one segment, waits for the
 * disk. */
static int load_active(struct log *log, struct err_note *note)
{
    const int r =
        segment_load_times(log__active(log), &log->place, log->config.index_interval_bytes, NULL);
    if (r >= 0)
        return 0;
    return err_note(note, r, "look at the active segment of %s: %s", log->place.directory,
                    err_sentence(r));
}

/* What was acknowledged as flushed stays so, and readable: before anybody asks. */
static int flush_what_is_due(struct log *log, struct err_note *note)
{
    log__follow_flush_messages(log);
    const int r = log->failure;
    return r < 0 ? err_note(note, r, "sync %s: %s", log->place.directory, err_sentence(r)) : 0;
}

static int open_files(struct log *log, const struct log_params *params, struct inventory *inventory,
                      struct err_note *note)
{
    struct recovery recovery = { .recovery_point = params->recovery_point,
                                 .flushed_offset = params->flushed_offset,
                                 .is_point_known = params->is_recovery_point_known,
                                 .is_clean = params->had_clean_shutdown,
                                 .now_ms = params->now_ms };
    int r = take_stock(log, params, inventory, note);
    if (r == 0)
        r = recover(log, params, &recovery, note);
    if (r < 0)
        return r;
    set_offsets(log, params, recovery.end_offset);
    count_unflushed(log, params);
    remove_stray_snapshots(log, recovery.end_offset);
    if (!recovery.has_producers)
        r = load_producers(log, &recovery, note);
    if (r == 0)
        r = load_active(log, note);
    for (size_t i = 0; i < log->segments.count; i++)
        log__tell_mended(log, log->segments.items[i]);
    return r < 0 ? r : flush_what_is_due(log, note);
}

int log_open(const struct log_params *params, struct log **out, struct err_note *note)
{
    if (!topic_name_is_legal(bytes_from_text(params->topic), NULL)) {
        return err_note(note, -ERR_INVALID_ARGUMENT, "'%.80s' is no legal topic name",
                        params->topic);
    }
    ASSERT(params->partition >= 0 && params->log_start_offset >= 0 && params->recovery_point >= 0);
    ASSERT(!params->is_always_recovered ||
           (!params->had_clean_shutdown && params->recovery_point == 0));
    struct log *log = make_log(params);
    struct inventory inventory = { 0 };
    const int r = open_files(log, params, &inventory, note);
    io_names_deinit(&inventory.names);
    if (r < 0) {
        /* Half a log would stand in the way of the next of its name, which is another topic's. */
        if (log->is_directory_new)
            IGNORE_RESULT(io_fs_remove_tree(params->fs, log->place.directory));
        log__free(log);
        return r;
    }
    for (size_t i = 0; i < log->segments.count; i++)
        segment_close_files(log->segments.items[i], NULL);
    *out = log;
    return 0;
}
