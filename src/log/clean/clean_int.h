/* One cleaning under way. See log_clean.h. Inside this folder only.
 *
 *   MAP ──► REWRITE ──► SEAL ──► COMMIT ──► FINISH ──► (the next group: REWRITE, or the end)
 *    └─────────┴──────────┴─── stopped, damage, no space ───► UNDO ──► the end
 *
 * Each step is a job's, which then owns everything here; between two jobs it is the shard's. From COMMIT on nothing stops it.
 */
#pragma once

#include "log/clean/log_clean.h"
#include "log/clean/offset_map.h"
#include "log/clean/plan.h"
#include "log/clean/txns.h"
#include "log/log_int.h"
#include "wire/batch_filter.h"

enum clean_stage {
    CLEAN_MAP,
    CLEAN_REWRITE,
    CLEAN_SEAL,
    CLEAN_COMMIT,
    CLEAN_FINISH,
    CLEAN_UNDO,
};

/* Where FINISH is: it may be tried again. */
enum clean_finish { CLEAN_FINISH_OLD, CLEAN_FINISH_LOG, CLEAN_FINISH_REST, CLEAN_FINISH_DONE };

/* A producer's newest batch, as of the beginning. */
struct clean_producer {
    int64_t producer_id;
    int64_t last_offset; /* of its last batch of data; -1: none is known */
    int16_t epoch;
};

/* A .txnindex there is. */
struct clean_txn_file {
    int64_t base_offset;
    int64_t end_offset; /* of its segment; INT64_MAX: it is the active one */
};

/* The segment that is being read. */
struct clean_source {
    uint32_t index;       /* among the outlines */
    struct io_file *file; /* NULL: not opened yet */
    struct batch_scan scan;
    int64_t next_offset; /* no batch begins below */
};

/* The segment that is being written. */
struct clean_target {
    bool is_begun;  /* what follows is to be released, though the segment may be the log's by now */
    uint32_t first; /* outlines [first, end) become this one */
    uint32_t end;
    uint32_t last_source; /* the last of them that has a batch */
    struct segment *segment;
    struct segment_builder builder;
    struct io_file *file;
    int64_t written_bytes;
    struct buf out;     /* batches that are not written yet */
    struct buf aborted; /* its .txnindex */
    enum clean_finish finish;
};

struct log_cleaning {
    struct io_job job;
    struct io_timer timer;
    struct log *log;
    struct log_clean how;
    enum clean_stage stage;
    bool is_running; /* a job is */
    bool is_stopped;

    /* What the worker needs of the log. */
    struct log_place place; /* no cache; the directory's name is owned */
    struct clean_plan plan;
    struct clean_outline *outlines; /* owned; of all segments */
    VEC(struct clean_txn_file) txn_files;
    struct clean_group_limits limits;
    uint32_t index_interval_bytes;
    int64_t delete_retention_ms;
    VEC(struct clean_producer) producers;
    struct map_i64 producer_of; /* id -> one of these */

    struct codec_contexts *contexts;
    struct batch_filter filter;
    struct clean_map map;
    uint64_t map_seed;
    struct clean_txns txns;
    bool is_begun; /* txns are read, the map is there */
    bool is_map_full;
    int64_t mapped_end;        /* the map knows all keys of the dirty part below */
    int64_t legacy_horizon_ms; /* tombstones of magic 0 and 1 go from segments changed before */

    struct clean_source source;
    struct clean_target target;
    const struct batch_view *batch; /* that is being filtered */

    int64_t step_bytes; /* moved by the step */
    bool is_stage_done;
    bool is_read_error; /* result speaks of what was read */
    int result;
    struct log_clean_report report;
};

/* scan.c: reading. */
/* The next batch of the outline at `index`, whole; opens the file first. 1; 0 at the end, and the file is closed; or an error
 * with its note, is_read_error set. */
MUST_CHECK int clean__next(struct log_cleaning *c, uint32_t index, struct scanned_batch *out);
void clean__close_source(struct log_cleaning *c);
/* Words for a batch that cannot be used (-ERR_NOT_FOUND: see clean_txns_on_control); answers `error`. */
int clean__fail_batch(struct log_cleaning *c, int error, const struct scanned_batch *batch);

/* index.c: MAP; rewrite.c: REWRITE; both until step_bytes are moved or is_stage_done. */
MUST_CHECK int clean__map_step(struct log_cleaning *c);
MUST_CHECK int clean__rewrite_step(struct log_cleaning *c);
/* On the shard: outlines from `first` on, but none from `end` on. */
void clean__begin_target(struct log_cleaning *c, uint32_t first, uint32_t end);
void clean__end_target(struct log_cleaning *c);

/* swap.c: the rest. */
MUST_CHECK int clean__seal(struct log_cleaning *c);
MUST_CHECK int clean__commit(struct log_cleaning *c);
MUST_CHECK int clean__finish(struct log_cleaning *c);
/* What cannot be removed stands in the way of every swap that is to be completed: opening would take it for one that was not. */
MUST_CHECK int clean__undo(struct log_cleaning *c);
