/* Compaction of one log: of each key the newest record stays, at the offset that it has (Apache Kafka's log cleaner).
 *
 * What goes: records with a newer one of their key in the cleaned part; tombstones, once a cleaning has met them delete.retention.ms
 * before (KIP-534); records of aborted transactions; markers, when their transaction has left no batch, in the same time; records
 * without a key. What stays whatever the map says: all from the first uncleanable offset on (plan.h); the last batch of each
 * producer, empty if need be, for its sequence; and the last batch of each segment that is written, so that segments follow one
 * another without a hole (Kafka keeps the last of a cleaning so).
 *
 * How: a worker maps the keys of the dirty part (offset_map.h), then rewrites the segments group by group:
 *
 *   <first base>.log.cleaned …   written, synced
 *   <first base>.log.swap …      renamed, synced: from here on it is done, whatever crashes: opening completes it
 *   <base>.log.deleted …         those that are replaced; removed after file.delete.delay.ms
 *   <first base>.log …           renamed again, the .log for good before the others
 *
 * Work goes in steps of a few megabytes, each a job; between two of them the shard may make it wait or stop. Readers go on all
 * the time: with what they have open, then with the new segment. Of the old formats (magic 0 and 1) a set that loses some of its
 * messages becomes a batch.
 *
 * While a log is cleaned it is appended to, read, flushed and rolled as ever; log_retain waits, and log_truncate has to
 * (log_clean_stop). Every batch's CRC is checked on the way: one that is damaged ends the cleaning, and the log is set aside
 * (log_is_set_aside) until it is opened again. Threads: the log's. Sources: KIP-58, 98, 354, 534.
 */
#pragma once

#include "log/log.h"

struct log_clean_look {
    int64_t now_ms;
    int64_t stable_end; /* last stable offset; the high watermark where no transaction is open */
};

/* What a log has to clean. */
struct log_clean_need {
    bool is_due;
    int64_t overdue_ms; /* how far past max.compaction.lag.ms; 0: not */
    double dirty_ratio;
    int64_t dirty_bytes;
    int64_t
        disbelieved_end; /* it was taken for compacted below this, which lies outside of it; told once; 0: all is well */
};

/* Answers for a log of any policy; nothing is due where it is not compacted, is being cleaned or deleted from, was set aside or has
 * failed. May ask for a flush, without which nothing could be cleaned. 0; -ERR_WOULD_BLOCK, when the owner's on_looked is to be
 * awaited; or what reading says: the log is set aside then, unless it was a shortage. */
MUST_CHECK int log_clean_look(struct log *log, const struct log_clean_look *look,
                              struct log_clean_need *out, struct err_note *note);

struct log_clean_report {
    int result; /* 0; -ERR_CANCELLED: stopped; else why it came to nothing, which note tells */
    struct err_note note;
    bool is_set_aside; /* the log is not cleaned again */
    int64_t first_dirty;
    int64_t cleaned_end; /* records below were compared */
    int64_t bytes_read;
    int64_t bytes_written;
    int64_t bytes_before; /* of the segments that were replaced */
    uint32_t segments_before;
    uint32_t segments_after;
    uint64_t keyless_count; /* records that had no key: they are gone */
};

struct log_clean {
    struct log_clean_look look;
    size_t map_bytes_max;   /* log.cleaner.dedupe.buffer.size, one thread's share */
    double map_load_factor; /* log.cleaner.io.buffer.load.factor */
    uint32_t step_bytes; /* read and written between two questions of pace; at least a batch goes */
    /* How long to wait after so many bytes, in ms; NULL: not at all. */
    int64_t (*pace)(void *context, int64_t bytes);
    /* The last call of all; what it is told is gone after it. */
    void (*done)(void *context, struct log *log, const struct log_clean_report *report);
    void *context;
};

/* Begins to clean what was found due; false, and `done` is not called, when nothing can be cleaned now. Nothing may be planned.
 * `done` may come at once on a detached log, which is cleaned there and then. `how` is copied. */
bool log_clean_begin(struct log *log, const struct log_clean *how);
/* Ends a cleaning as soon as may be, with -ERR_CANCELLED unless it is through already; not under way: fine. Detaching does the
 * same. */
void log_clean_stop(struct log *log);
bool log_is_cleaning(const struct log *log);

int64_t log_cleaned_end(const struct log *log); /* for the checkpoint; 0: never cleaned */
bool log_is_set_aside(const struct log *log);   /* a cleaning met damage */
