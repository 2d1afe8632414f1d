/* A log from within. Inside this folder only. */
#pragma once

#include "base/rng.h"
#include "log/epochs.h"
#include "log/log.h"
#include "log/producers.h"
#include "log/segment.h"

/* One batch between plan and write. */
struct planned_batch {
    struct shared *owner; /* a reference */
    const uint8_t *bytes;
    struct metered_batch metered;
    int64_t base_offset;
    int64_t now_ms;
    bool rolls;                        /* a new segment begins with it */
    struct planned_snapshot *snapshot; /* of the producers before it; with rolls, owned */
    bool ends_aborted_txn;
    struct producer_ended_txn ended;
};

/* A producer snapshot that is still to be written. */
struct planned_snapshot {
    int64_t offset;
    struct buf bytes;
    bool has_producers;
    int result; /* of the last try */
};
void log__snapshot_free(struct planned_snapshot *snapshot); /* NULL is fine */
/* Of the producers as they are now. */
struct planned_snapshot *log__take_snapshot(const struct log *log, int64_t offset);

struct log_plan {
    VEC(struct planned_batch) batches;
    struct segment_meter
        meter; /* of the segment that the planned end lies in; valid while batches.count > 0 */
    bool has_epochs_before; /* the epochs have changed since the last write; as they were: */
    struct epochs epochs_before;
};

/* Where the last runs of batches in the active segment begin. Who reads at the tail asks for such
 * offsets. */
#define LOG_TAIL_RUNS 32u
struct log_tail {
    uint32_t count; /* ever added; the newest LOG_TAIL_RUNS are kept */
    struct {
        uint32_t relative_offset; /* to the active segment's base */
        uint32_t position;
    } runs[LOG_TAIL_RUNS];
};

/* The job that looks at a segment, and what it found for the look that is repeated. */
struct log_looking {
    struct io_job job;
    bool is_running;
    struct log_wait wait;
};

struct log {
    struct log_offsets offsets;
    struct log_place place;
    struct log_owner owner;
    char *log_dir;
    char *topic;
    int32_t partition;
    struct uuid topic_id;
    bool is_directory_new;     /* made by this open, and not synced since */
    bool is_always_recovered;  /* as told at open */
    bool is_metadata_unsynced; /* partition.metadata was written since the last flush */
    struct log_config config;
    VEC(struct segment *) segments; /* ascending; at least one; the last is active */
    struct epochs epochs;
    struct producers producers;
    VEC(int64_t) snapshot_offsets; /* ascending: what there is, on disk or to be written */
    VEC(struct planned_snapshot *) snapshots; /* to be written by the next flush */
    bool awaits_snapshot;                     /* retention does; on_looked follows the flush */
    struct log_plan plan;
    struct log_tail tail;
    struct rng rng;
    int failure;

    struct log_flush *flush;      /* under way, or NULL */
    struct log_flush *next_flush; /* submitted to follow that one at once, or NULL */
    struct io_job_queue *
        flush_lane; /* so that no two sync a file at a time: an error is told only once. NULL: none yet */
    struct log_cleaning *cleaning; /* under way, or NULL */
    int64_t cleaned_end;           /* compacted below this; 0: never */
    bool is_set_aside;             /* compaction met damage */
    struct log_looking looking;
    struct log_departure *departure; /* owned: files that retention takes away; NULL: none */
    uint32_t job_count;              /* all jobs of this log under way */
    bool is_flush_wanted; /* again, when the present one is through and the next has begun */
    int64_t flush_wanted_offset;
    int64_t indexed_end; /* base of the first segment whose indexes may not be on stable storage */
    int64_t flush_due_end; /* what lies below is acknowledged when it is flushed: flush.messages */
    struct io_timer flush_retry; /* after one that found the disk full */
    int64_t flush_retry_offset;
    int64_t unflushed_bytes;     /* written, and not known to be flushed */
    int64_t flushed_ms;          /* when the last one was, or the log was opened */
    int64_t expired_ms;          /* when producers were last looked through */
    uint32_t tick_segment_bytes; /* active size at the last tick */
    void (*on_detached)(void *context, struct log *log);
    void *on_detached_context;

    struct log_recovery recovery;
    struct err_note *notes;
};

static inline struct segment *log__active(const struct log *log)
{
    return log->segments.items[log->segments.count - 1];
}

/* The segment that an offset belongs to: the last whose base is at most it; the first one below
 * all. */
uint32_t log__segment_index(const struct log *log, int64_t offset);

int64_t log__draw_jitter(struct log *log);

/* Marks the log failed, unless the disk is merely full, and tells the owner. Answers `error`. */
int log__fail(struct log *log, int error, const struct err_note *note);
/* The same for errors after which nothing can be trusted, whatever their code. */
void log__break(struct log *log, int error, const struct err_note *note);

/* Adds one note to those of the recovery. */
void log__mend_note(struct log *log, const struct err_note *note);

/* Runs a job of this log: on a worker while attached (in the lane, or NULL), else at once. `done` calls log__job_done. */
void log__run_job(struct log *log, struct io_job_queue *lane, struct io_job *job);
void log__job_done(struct log *log);

/* What lies from the flushed end on is to be taken along by the next flush, whatever was written of it by whom: after a flush
 * that came to nothing, and after a crash, when it may be in the page cache alone. */
void log__mark_unflushed(struct log *log);

/* Ends a cleaning, now or with the job that is under way. */
void log__clean_detach(struct log *log);

void log__departure_free(struct log_departure *departure); /* not running; NULL: fine */

/* Whether anything of what the log holds is flushed. */
static inline bool log__has_flushed(const struct log *log)
{
    return log->offsets.flushed_end > log->segments.items[0]->meter.base_offset;
}

/* Sets the recovery point by the flushed end and the segments there are. It is not beyond the last batch of one whose indexes
 * are to be synced, or that is written to yet: its end may be cut off and come back after a power loss, so it is looked at. */
void log__settle_recovery_point(struct log *log);
/* Begins a flush where as many messages are not flushed as flush.messages allows. */
void log__follow_flush_messages(struct log *log);
/* Asks for a flush up to `offset`: segments that begin below it. */
void log__flush_to(struct log *log, int64_t offset);
/* The log was cut at `end`: flushes that are under way tell nothing of what comes behind it. */
void log__cut_flushes(struct log *log, int64_t end);

/* The active segment as a reader finds it after a clean shutdown: indexes of exact size, the time index with its last
 * entry. For jobs. */
MUST_CHECK int log__seal_active(struct log *log, struct err_note *note);

/* For a detached log that is closed: small files are written and, with `sync`, batches put on
 * stable storage. */
MUST_CHECK int log__flush_to_close(struct log *log, bool sync, struct err_note *note);

/* Producers as of `end_offset`, from the newest usable snapshot and the batches after it. A snapshot does not tell of
 * transactions that have ended: none beyond the flushed end is used, so that it is known whose markers lie there.
 * Sleeps. */
struct producers_load {
    int64_t start_offset;
    int64_t end_offset;
    int64_t flushed_end;
    bool is_clean;
    int64_t now_ms;
};
MUST_CHECK int log__load_producers(struct log *log, const struct producers_load *load,
                                   struct err_note *note);
/* Feeds one batch read from disk to the producers: 1 when it ended a transaction, 0, or why its
 * record could not be read. */
MUST_CHECK int log__replay_producer(struct producers *producers, struct batch_scan *scan,
                                    struct scanned_batch *batch,
                                    struct producer_ended_txn *out_ended);
/* Looks in the log for the batches of a producer that its snapshot did not keep. What cannot be read is as if it was not
 * there. Sleeps, for a few hundred batches at most. */
void log__recall_batches(struct log *log, int64_t producer_id);
void log__snapshot_remember(struct log *log, int64_t offset);
void log__snapshot_forget(struct log *log, int64_t offset); /* not the file */
void log__snapshot_remove(struct log *log, int64_t offset); /* the file too, at once */
bool log__snapshot_is_known(const struct log *log, int64_t offset);
/* Plans one of the producers as they are now, if there are any. Whoever reads batches past the beginning of a segment asks for it: the
 * file may be missing, or not be all there. */
void log__snapshot_renew(struct log *log, int64_t offset);
/* Whether it has producers, and is not written yet. */
bool log__snapshot_is_awaited(const struct log *log, int64_t offset);

/* Removes a segment's files at once and for good (not its place in the list), and frees it. */
MUST_CHECK int log__segment_remove(struct log *log, struct segment *segment);

/* Tells each segment whether it is the active one. After every change of the list. */
void log__mark_sealed(struct log *log);

/* A new, empty active segment at base_offset; its file is made. */
MUST_CHECK int log__segment_add(struct log *log, int64_t base_offset, int64_t now_ms,
                                struct err_note *note);

/* What a call that may have to wait is made with: whether it may sleep, and what a job has made for it. */
struct log_call {
    bool may_sleep_before;
    struct segment_build *built; /* owned until the end */
};
struct log_call log__begin_call(struct log *log, bool may_sleep, struct log_wait *wait);
void log__end_call(struct log *log, struct log_call *call);

/* Words for a read that failed; answers `error`. */
int log__fail_read(struct log *log, int error, int64_t offset, struct err_note *note);

/* telling.c: what the owner hears of segments that are not as they were written, once; while the log is opened, its notes. */
/* Words for a damaged batch; answers -ERR_DAMAGED. */
int log__tell_damage(struct log *log, const struct segment *segment, struct damaged_batch *damage,
                     struct err_note *note);
/* Whether it is but where the file was cut, at the end of a segment, so that reading goes on with the next one: told as above. */
bool log__pass_cut(struct log *log, const struct segment *segment, struct damaged_batch *damage);
/* Batches that are missing where segment->batches_end tells that the file ends, and the next segment begins further on. */
void log__tell_end(struct log *log, struct segment *segment);
/* The faults of its indexes that are ready, and thus built anew. */
void log__tell_mended(struct log *log, struct segment *segment);
/* As segment_load_indexes and segment_load_times; faults are told. */
MUST_CHECK int log__load_indexes(struct log *log, struct segment *segment,
                                 struct log_wait *out_wait);
MUST_CHECK int log__load_times(struct log *log, struct segment *segment, struct log_wait *out_wait);

/* looking.c: what retention and compaction ask of segments. */
/* Brings times and counts of a segment's index entries into its meter, if they are not there. -ERR_WOULD_BLOCK, of an attached log:
 * a job is at it, and the owner's on_looked follows, when the look is to be repeated. Else as io says. */
MUST_CHECK int log__look_at(struct log *log, struct segment *segment);
/* Of one that was looked at: its largest timestamp; without any, when its file was last changed. */
static inline int64_t log__largest_time(const struct segment *segment)
{
    return segment->meter.max_timestamp >= 0 ? segment->meter.max_timestamp : segment->modified_ms;
}

void log__tail_clear(struct log *log);
void log__tail_add(struct log *log, int64_t offset, uint32_t position);
/* The position of the newest run that begins at or below offset: true when there is one. */
bool log__tail_find(const struct log *log, int64_t offset, uint32_t *out_position,
                    bool *out_is_exact);

/* Frees everything, closes files, writes nothing. */
void log__free(struct log *log);
