/* One file of record batches with its indexes, and the account by which it is indexed and rolled.
 *
 * Batches lie back to back from byte 0; one once written never changes, but compaction may replace
 * the file. The file's name is the lowest offset it may hold; offsets within it fit 31 bits above
 * that. Inside this folder only. Threads: the log's.
 */
#pragma once

#include "log/batch_scan.h"
#include "log/index.h"
#include "log/log_config.h"
#include "log/names.h"

struct log_wait;
struct segment_checks;

/* What appending needs to know of a segment. A plain value: a plan advances a copy, and what was
 * written advances the segment's own. */
struct segment_meter {
    int64_t base_offset;
    uint32_t size_bytes;
    uint32_t bytes_since_entry; /* since the batch of the last index entry began */
    uint32_t offset_entries;
    uint32_t time_entries;
    int64_t indexed_timestamp; /* of the last entry of the time index; -1: none */
    int64_t max_timestamp;     /* -1: none */
    int64_t
        max_timestamp_offset; /* last offset of the first batch that has it; or the first offset of a damaged one that may */
    int64_t first_timestamp; /* largest timestamp of the first batch; -1: none */
    int64_t created_ms;
    int64_t roll_jitter_ms;
};

struct metered_batch {
    int64_t last_offset;
    int64_t max_timestamp;
    uint32_t size_bytes;
};

struct segment_entries {
    bool has_offset;
    bool has_time;
    struct index_entry offset;
    struct index_entry time;
};

/* Whether the batch must go to a new segment: the file or an index is full, it is old, or the
 * offset too far away. */
bool segment_meter_is_full(const struct segment_meter *meter, const struct log_config *config,
                           const struct metered_batch *batch, int64_t now_ms);
/* Counts the batch in, and answers the index entries that it brings. */
struct segment_entries segment_meter_add(struct segment_meter *meter, uint32_t index_interval_bytes,
                                         const struct metered_batch *batch);
/* The entry by which a sealed segment's time index ends; has_time false when it is there
 * already. */
struct segment_entries segment_meter_last(struct segment_meter *meter);

struct segment {
    struct segment_meter meter; /* of what is written */
    bool is_meter_ready;        /* the timestamps in it are known: segment_load_times */
    int64_t modified_ms;        /* when the .log was changed: its age, where no batch tells one */
    int64_t offset_limit;       /* no offset in it is larger, as of the time it was opened */
    bool is_sealed; /* nothing is appended any more: its indexes end with a last entry */
    bool is_dirty;  /* the file was written since the last sync */
    bool
        are_indexes_adopted; /* they were of no use, are made anew in memory, and not written: segment_mend */
    bool is_new;             /* its name may not be on stable storage */
    bool has_txn_index;
    bool is_end_told; /* log__tell_end */
    int64_t
        batches_end; /* the offset behind its last batch, as whoever came there last found it; -1: nobody has */
    int64_t
        doubted_offset; /* to which the offset index has misled, or a damaged batch; -1: it has not */
    uint32_t doubted_position; /* which it told; it is not asked until that is judged */
    bool is_replacement; /* compaction put it in the place of others, since the log was opened */
    bool
        is_swapping; /* its files are on their way from their .swap names to those of what it replaces */
    uint32_t
        good_from; /* what lies behind was written or read through by this process; see segment_checks.h */
    struct segment_checks *checks; /* a reference; NULL: nothing is known of what lies before */
    struct log_file file;
    struct index offsets;
    struct index times;
    struct log_file aborted; /* its .txnindex, while somebody reads it */
};

/* An empty one. Nothing is opened. */
struct segment *segment_new(int64_t base_offset, int64_t now_ms, int64_t roll_jitter_ms);
void segment_free(struct segment *segment,
                  struct log_files *files); /* closes its files; NULL is fine */
void segment_close_files(struct segment *segment, struct log_files *files);

static inline struct index_place segment_index_place(const struct segment *segment,
                                                     const struct log_place *place)
{
    return (struct index_place){ .log = place,
                                 .base_offset = segment->meter.base_offset,
                                 .is_swapping = segment->is_swapping };
}

static inline struct index_limits segment_index_limits(const struct segment *segment)
{
    return (struct index_limits){
        .segment_bytes = segment->meter.size_bytes,
        .relative_offset =
            MIN(segment->offset_limit - segment->meter.base_offset, (int64_t)INT32_MAX),
    };
}

/* The .log file; borrowed until the next call on the cache. `create` makes it when absent. */
MUST_CHECK int segment_file(struct segment *segment, const struct log_place *place, bool create,
                            struct io_file **out);

/* A walk over its batches in [position, end), which waits for the disk where the place may sleep: 0, or what io says. */
MUST_CHECK int segment_scan(struct segment *segment, const struct log_place *place,
                            uint32_t position, uint32_t end, uint32_t window_bytes,
                            struct batch_scan *out);

/* Makes both indexes ready. Where one is damaged both are made anew from the batches: 1 is answered then, and faults are to be told
 * (log__load_indexes). Where place->may_sleep is
 * false a job makes them (struct segment_build, in out_wait), and the call that is repeated with it as place->built takes them into
 * memory; the files stay as they are until segment_mend. Negative: as io says, -ERR_CORRUPT, -ERR_WOULD_BLOCK with out_wait set. */
MUST_CHECK int segment_load_indexes(struct segment *segment, const struct log_place *place,
                                    uint32_t index_interval_bytes, struct log_wait *out_wait);
/* Fills in the timestamps of a meter that was not: the last entry of the time index, once the batch that it names says the same and none
 * behind a later time, and the first batch. Errors and waiting as segment_load_indexes. */
MUST_CHECK int segment_load_times(struct segment *segment, const struct log_place *place,
                                  uint32_t index_interval_bytes, struct log_wait *out_wait);

/* The first batch from from_position on whose last offset is at least `offset`: 1, or 0 when there
 * is none. Uses the index when that is further. Errors as batch_scan_next. out_wait is set with
 * -ERR_WOULD_BLOCK. Indexes are ready. Unless the caller may sleep, only what was checked is looked at, and what
 * is found may be a batch that is damaged. */
struct segment_found {
    int64_t position;
    uint32_t size_bytes;
    int64_t base_offset;
    int64_t last_offset;
    int64_t max_timestamp;
    struct damaged_batch
        *damage; /* borrowed: the batch there is damaged, and nothing else is told; NULL */
};
MUST_CHECK int segment_find(struct segment *segment, const struct log_place *place, int64_t offset,
                            uint32_t from_position, struct segment_found *out,
                            struct log_wait *out_wait);

/* An offset that no batch which begins before `position` reaches, as near as the index tells: 1, or 0 when it tells none
 * (what follows the segment is one then). Errors as segment_find. Indexes are ready. */
MUST_CHECK int segment_bound_of_position(struct segment *segment, const struct log_place *place,
                                         uint32_t position, int64_t *out,
                                         struct log_wait *out_wait);

/* Meter and indexes made anew from the batches, in order from the first. Of a damaged batch nobody knows the time, but that the file was not changed
 * later: that is the segment's then, and the last entry of its time index names the batch. */
struct segment_builder {
    struct segment_meter meter;
    int64_t end_offset; /* behind the last batch; the segment's base: there was none */
    int64_t
        damaged_offset;   /* the first that the last damaged batch may have; -1: none is damaged */
    int64_t offset_limit; /* the segment's */
    int64_t modified_ms;  /* the segment's */
    uint32_t index_interval_bytes;
    struct buf offsets; /* entries in file form */
    struct buf times;
};
void segment_builder_init(struct segment_builder *builder, const struct segment *segment,
                          uint32_t index_interval_bytes);
void segment_builder_add(struct segment_builder *builder, const struct scanned_batch *batch);
/* What lies before `position` is damaged: an entry leads to the batch there, since nobody gets to it through the damage. */
void segment_builder_pass(struct segment_builder *builder, int64_t position);
/* Gives the segment what was built, the size too. On failure it is as unusable as before. */
MUST_CHECK int segment_builder_finish(struct segment_builder *builder, struct segment *segment,
                                      const struct log_place *place);
void segment_builder_deinit(struct segment_builder *builder);

/* Builds them from the whole file: 0, or 1 when the file is damaged somewhere (what
 * lies behind is indexed, as far as it can be found). Those of a sealed segment are synced. Sleeps. */
MUST_CHECK int segment_rebuild(struct segment *segment, const struct log_place *place,
                               uint32_t index_interval_bytes);

/* The same for a sealed segment of which the shard needs them now: a job builds, and nothing is written. A segment whose indexes
 * are not ready is as it was when its log was opened, so that its base and size name it. Or nothing is built, and the job looks for times
 * behind the batch that the last entry of the time index names, or everywhere. */
struct segment_build {
    struct segment_builder
        builder; /* of a tail: the meter's indexed_timestamp is the last entry's, its max_timestamp what is found */
    uint32_t size_bytes; /* of the file */
    bool is_tail;        /* only looked at, from tail_begin on; else all is built */
    uint32_t
        tail_begin; /* behind the batch that was named; 0: nobody gets to that, or it is damaged */
    enum index_fault fault; /* of the time index, by the tail */
    bool is_done;
    int result; /* 0, or why the file cannot be read */
};
/* On a worker. `file` is the segment's .log. */
void segment_build_run(struct segment_build *build, struct io_file *file);
void segment_build_free(struct segment_build *build); /* NULL is fine */
/* Writes and syncs the indexes that were taken into memory. Where there is no room the next open makes them again.
 * Sleeps. */
MUST_CHECK int segment_mend(struct segment *segment, const struct log_place *place);

/* Adds entries to the indexes; when those cannot be written for lack of space they are given up. */
MUST_CHECK int segment_add_entries(struct segment *segment, const struct log_place *place,
                                   const struct segment_entries *entries);

/* What a segment gets that is not written to any more, or is closed well: the last entry of its
 * time index, index files of exact size. */
MUST_CHECK int segment_seal(struct segment *segment, const struct log_place *place);
/* The same on a disk that may be full: 1, or 0 where there was no room. Then the time index has no file, and the next open makes
 * both anew. */
MUST_CHECK int segment_seal_if_room(struct segment *segment, const struct log_place *place);

/* Cuts the file at the beginning of a batch, and the indexes with it. Reads the rest through: may
 * sleep. */
MUST_CHECK int segment_truncate(struct segment *segment, const struct log_place *place,
                                uint32_t position, uint32_t index_interval_bytes, int64_t now_ms);

/* Heap: the segment's file path of a kind. */
char *segment_path(const struct segment *segment, const struct log_place *place,
                   enum log_name_kind kind, enum log_name_stage stage);
