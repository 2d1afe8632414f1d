/* What is told of segments that are not as they were written: once each, to the owner, or, while the log is opened, with the notes
 * of that. See log_int.h.
 */
#include "log/damages.h"
#include "log/log_int.h"

#include "base/mem.h"

#include <stdio.h>

/* ---- damaged batches ------------------------------------------------------------------------- */

static const char *cause_words(const struct damaged_batch *damage, char *space, size_t size_bytes)
{
    switch (damage->cause) {
    case DAMAGE_OF_CRC:
        (void)snprintf(space, size_bytes,
                       "its checksum was to be %08" PRIx32 ", and its bytes have %08" PRIx32,
                       damage->crc_expected, damage->crc_found);
        return space;
    case DAMAGE_OF_HEADER:
        return "its header cannot be";
    case DAMAGE_OF_LENGTH:
        (void)snprintf(
            space, size_bytes,
            "where it ends is not known, and the next whole batch begins at byte %" PRIu32,
            damage->position + damage->size_bytes);
        return space;
    case DAMAGE_OF_END:
        return damage_is_cut(damage) ? "the file ends within it, and readers pass over it"
                                     : "the file ends within it";
    case DAMAGE_OF_ORDER:
        return "its offset or leader epoch contradict the batches around it";
    }
    return "";
}

int log__tell_damage(struct log *log, const struct segment *segment, struct damaged_batch *damage,
                     struct err_note *note)
{
    char cause[120];
    char last[40] = "on";
    struct err_note own;
    AUTO(mem_freep) char *path = segment_path(segment, &log->place, LOG_NAME_LOG, LOG_NAME_LIVE);
    if (damage->last_offset < INT64_MAX)
        (void)snprintf(last, sizeof(last), "to %" PRId64, damage->last_offset);
    err_note(&own, -ERR_DAMAGED,
             "%s-%" PRId32 ": %s: the batch at byte %" PRIu32 ", offsets from %" PRId64
             " %s, is damaged: %s",
             log->topic, log->partition, path, damage->position, damage->first_offset, last,
             cause_words(damage, cause, sizeof(cause)));
    if (note != NULL)
        *note = own;
    if (!damage->is_told && log->owner.on_damaged != NULL)
        log->owner.on_damaged(log->owner.context, log, &own);
    damage->is_told = true;
    return -ERR_DAMAGED;
}

bool log__pass_cut(struct log *log, const struct segment *segment, struct damaged_batch *damage)
{
    return damage_is_cut(damage) && log__tell_damage(log, segment, damage, NULL) < 0;
}

/* ---- batches that are not there -------------------------------------------------------------- */

/* Whether the next segment must begin where this one ends: compaction may leave less. */
static bool must_reach(const struct log *log, const struct segment *segment)
{
    return segment->is_sealed && !log->config.cleanup_compact &&
           segment->meter.base_offset >= log->cleaned_end;
}

void log__tell_end(struct log *log, struct segment *segment)
{
    const int64_t next_offset = segment->offset_limit + 1;
    if (segment->is_end_told || !must_reach(log, segment) || segment->batches_end < 0 ||
        segment->batches_end >= next_offset)
        return;
    segment->is_end_told = true;
    AUTO(mem_freep) char *path = segment_path(segment, &log->place, LOG_NAME_LOG, LOG_NAME_LIVE);
    struct err_note note;
    err_note(&note, -ERR_DAMAGED,
             "%s-%" PRId32 ": %s ends at byte %" PRIu32 ", before offset %" PRId64
             ", and the next segment begins with offset %" PRId64
             ": what lay between is lost, and readers pass over it",
             log->topic, log->partition, path, segment->meter.size_bytes, segment->batches_end,
             next_offset);
    if (log->owner.on_damaged != NULL)
        log->owner.on_damaged(log->owner.context, log, &note);
    else
        log__mend_note(log, &note);
}

/* ---- indexes --------------------------------------------------------------------------------- */

static const char *fault_words(enum index_fault fault)
{
    switch (fault) {
    case INDEX_IS_RIGHT:
        break;
    case INDEX_IS_MISSING:
        return "is missing";
    case INDEX_IS_EMPTY:
        return "has no entries";
    case INDEX_HAS_ODD_SIZE:
        return "has a size that is no multiple of its entries'";
    case INDEX_ENDS_BADLY:
        return "ends with an entry that is none of this segment";
    case INDEX_HAS_WRONG_TIME:
        return "ends with a time that no batch has there";
    case INDEX_LACKS_TIMES:
        return "ends before the latest time of the batches";
    case INDEX_MISLEADS:
        return "leads to places where no batch of its offsets begins";
    }
    return "is right";
}

static void tell_fault(struct log *log, struct segment *segment, struct index *index)
{
    const enum index_fault fault = index->fault;
    const enum log_name_kind kind =
        index->kind == INDEX_OFFSET ? LOG_NAME_OFFSET_INDEX : LOG_NAME_TIME_INDEX;
    index->fault = INDEX_IS_RIGHT;
    if (fault == INDEX_IS_EMPTY && index_count(index) == 0)
        return; /* of batches without times: so it was to be */
    AUTO(mem_freep) char *path = segment_path(segment, &log->place, kind, LOG_NAME_LIVE);
    struct err_note note;
    err_note(&note, 0, "%s %s: it is built anew from the batches", path, fault_words(fault));
    if (log->owner.on_mended != NULL)
        log->owner.on_mended(log->owner.context, log, &note);
    else
        log__mend_note(log, &note);
}

void log__tell_mended(struct log *log, struct segment *segment)
{
    struct index *const indexes[] = { &segment->offsets, &segment->times };
    bool is_any = false;
    for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
        if (indexes[i]->fault == INDEX_IS_RIGHT || !indexes[i]->is_ready)
            continue;
        tell_fault(log, segment, indexes[i]);
        is_any = true;
    }
    if (is_any)
        log__tell_end(log, segment);
}

int log__load_indexes(struct log *log, struct segment *segment, struct log_wait *out_wait)
{
    const int r =
        segment_load_indexes(segment, &log->place, log->config.index_interval_bytes, out_wait);
    if (r > 0)
        log__tell_mended(log, segment);
    return r;
}

int log__load_times(struct log *log, struct segment *segment, struct log_wait *out_wait)
{
    const int r =
        segment_load_times(segment, &log->place, log->config.index_interval_bytes, out_wait);
    if (r > 0)
        log__tell_mended(log, segment);
    return r;
}
