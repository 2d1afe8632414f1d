/* The new segment takes the place of the old ones. See log_clean.h for the names, and open.c for what is made of them after a crash.
 *
 *   sealed      all of it is on stable storage under .cleaned names; a crash drops it
 *   committed   every file has its .swap name, on stable storage: a crash completes the swap. As long as one .cleaned name
 *               is left it drops all
 *   finished    old names are gone for good before the .log takes its own, and that is there for good before the others take
 *               theirs: opening would remove them for the sake of a .log.swap
 */
#include "log/clean/clean_int.h"
#include "log/txn_index.h"

#include "base/mem.h"

#include <errno.h>

static const enum log_name_kind segment_kinds[] = { LOG_NAME_LOG, LOG_NAME_OFFSET_INDEX,
                                                    LOG_NAME_TIME_INDEX, LOG_NAME_TXN_INDEX };

static char *target_path(const struct log_cleaning *c, enum log_name_kind kind,
                         enum log_name_stage stage)
{
    return log_name_path(
        c->place.directory,
        (struct log_name){ .kind = kind,
                           .stage = stage,
                           .base_offset = c->outlines[c->target.first].base_offset });
}

static int sync_names(struct log_cleaning *c)
{
    const int r = io_fs_sync_directory(c->place.fs, c->place.directory);
    return r < 0 ? err_note(&c->report.note, r, "sync %s: %s", c->place.directory, err_sentence(r))
                 : 0;
}

/* What is not there need not be renamed. */
static int rename_file(struct log_cleaning *c, const char *from, const char *to)
{
    const int r = io_fs_rename(c->place.fs, from, to);
    if (r < 0 && r != -ENOENT)
        return err_note(&c->report.note, r, "rename %s to %s: %s", from, to, err_sentence(r));
    return 0;
}

static int rename_target(struct log_cleaning *c, enum log_name_kind kind, enum log_name_stage from,
                         enum log_name_stage to)
{
    AUTO(mem_freep) char *from_path = target_path(c, kind, from);
    AUTO(mem_freep) char *to_path = target_path(c, kind, to);
    return rename_file(c, from_path, to_path);
}

/* ---- sealed ---------------------------------------------------------------------------------- */

static int write_beside(struct log_cleaning *c, enum log_name_kind kind, struct bytes content)
{
    AUTO(mem_freep) char *path = target_path(c, kind, LOG_NAME_CLEANED);
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    int r =
        io_file_open(c->place.fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file);
    if (r == 0 && content.size > 0)
        r = io_file_write(file, 0, content.data, content.size);
    if (r == 0)
        r = io_file_sync(file);
    return r < 0 ? err_note(&c->report.note, r, "write %s: %s", path, err_sentence(r)) : 0;
}

/* A log's age is told by when its file was last changed, where no record tells it. */
static int keep_modified(struct log_cleaning *c)
{
    const struct log_name last = {
        .kind = LOG_NAME_LOG,
        .base_offset = c->outlines[c->target.end - 1].base_offset,
    };
    AUTO(mem_freep) char *old_path = log_name_path(c->place.directory, last);
    AUTO(mem_freep) char *path = target_path(c, LOG_NAME_LOG, LOG_NAME_CLEANED);
    struct io_stat st;
    int r = io_fs_stat(c->place.fs, old_path, &st);
    if (r == 0)
        r = io_fs_set_modified(c->place.fs, path, st.modified_ms);
    return r < 0 ? err_note(&c->report.note, r, "set the time of %s: %s", path, err_sentence(r))
                 : 0;
}

static void settle_segment(struct clean_target *target)
{
    struct segment *segment = target->segment;
    segment->meter = target->builder.meter;
    segment->is_meter_ready = true;
    segment->has_txn_index = target->aborted.size > 0;
    segment->offsets.disk_count = segment->meter.offset_entries;
    segment->times.disk_count = segment->meter.time_entries;
    segment->offsets.is_ready = segment->times.is_ready = true;
    segment->offsets.has_file = segment->times.has_file = true;
}

int clean__seal(struct log_cleaning *c)
{
    struct clean_target *target = &c->target;
    struct segment_builder *builder = &target->builder;
    const struct segment_entries last = segment_meter_last(&builder->meter);
    if (last.has_time) {
        uint8_t *entry = buf_extend(&builder->times, INDEX_ENTRY_TIME);
        if (entry != NULL)
            index_encode(INDEX_TIME, last.time, entry);
    }
    if (!buf_is_ok(&builder->times) || !buf_is_ok(&builder->offsets) ||
        !buf_is_ok(&target->aborted))
        return err_note(&c->report.note, -ERR_LIMIT, "the indexes of %s grow too large",
                        c->place.directory);
    settle_segment(target);
    int r = write_beside(c, LOG_NAME_OFFSET_INDEX, buf_view(&builder->offsets));
    if (r == 0)
        r = write_beside(c, LOG_NAME_TIME_INDEX, buf_view(&builder->times));
    if (r == 0 && target->aborted.size > 0)
        r = write_beside(c, LOG_NAME_TXN_INDEX, buf_view(&target->aborted));
    if (r < 0)
        return r;
    r = io_file_sync(target->file);
    if (r < 0)
        return err_note(&c->report.note, r, "sync a new segment of %s: %s", c->place.directory,
                        err_sentence(r));
    io_file_unref(TAKE(target->file));
    r = keep_modified(c);
    return r < 0 ? r : sync_names(c);
}

/* ---- committed, finished --------------------------------------------------------------------- */

int clean__commit(struct log_cleaning *c)
{
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(segment_kinds) && r == 0; i++)
        r = rename_target(c, segment_kinds[i], LOG_NAME_CLEANED, LOG_NAME_SWAP);
    return r < 0 ? r : sync_names(c);
}

static int remove_old(struct log_cleaning *c, uint32_t index)
{
    int r = 0;
    for (int kind = 0; kind < LOG_NAME_KINDS && r == 0; kind++) {
        /* The snapshot before the first of them is the one before the new segment. */
        if (kind == LOG_NAME_SNAPSHOT && index == c->target.first)
            continue;
        struct log_name name = { .kind = (enum log_name_kind)kind,
                                 .base_offset = c->outlines[index].base_offset };
        AUTO(mem_freep) char *from = log_name_path(c->place.directory, name);
        name.stage = LOG_NAME_DELETED;
        AUTO(mem_freep) char *to = log_name_path(c->place.directory, name);
        r = rename_file(c, from, to);
    }
    return r;
}

static int finish_once(struct log_cleaning *c)
{
    int r = 0;
    switch (c->target.finish) {
    case CLEAN_FINISH_OLD:
        for (uint32_t i = c->target.first; i < c->target.end && r == 0; i++)
            r = remove_old(c, i);
        break;
    case CLEAN_FINISH_LOG:
        r = rename_target(c, LOG_NAME_LOG, LOG_NAME_SWAP, LOG_NAME_LIVE);
        break;
    case CLEAN_FINISH_REST:
        for (size_t i = 1; i < ARRAY_LEN(segment_kinds) && r == 0; i++)
            r = rename_target(c, segment_kinds[i], LOG_NAME_SWAP, LOG_NAME_LIVE);
        break;
    case CLEAN_FINISH_DONE:
        break;
    }
    return r < 0 ? r : sync_names(c);
}

int clean__finish(struct log_cleaning *c)
{
    while (c->target.finish != CLEAN_FINISH_DONE) {
        const int r = finish_once(c);
        if (r < 0)
            return r;
        c->target.finish++;
    }
    return 0;
}

/* The log last: indexes without one would be taken for those of a swap that is all but over. Answers whether there was any. */
static int unlink_all(struct log_cleaning *c, enum log_name_stage stage)
{
    int has_any = 0;
    for (size_t i = ARRAY_LEN(segment_kinds); i-- > 0;) {
        AUTO(mem_freep) char *path = target_path(c, segment_kinds[i], stage);
        const int r = io_fs_unlink(c->place.fs, path);
        if (r < 0 && r != -ENOENT)
            return err_note(&c->report.note, r, "remove %s: %s", path, err_sentence(r));
        has_any |= r == 0;
    }
    return has_any;
}

int clean__undo(struct log_cleaning *c)
{
    clean__close_source(c);
    if (c->target.segment == NULL)
        return 0;
    /* Those that could be taken for a swap go first, and for good. */
    int r = unlink_all(c, LOG_NAME_SWAP);
    if (r > 0)
        r = sync_names(c);
    if (r == 0)
        r = unlink_all(c, LOG_NAME_CLEANED);
    return MIN(r, 0);
}
