/* One partition's log: segments of record batches on disk, byte for byte as Apache Kafka keeps
 * them.
 *
 *   <log dir>/<topic>-<partition>/
 *     00000000000000000000.log        batches back to back (wire/batch.h); named by the base offset
 *     00000000000000000000.index      sparse: offset -> position (index.h)
 *     00000000000000000000.timeindex  sparse: timestamp -> offset
 *     00000000000000000000.txnindex   aborted transactions; only where there are some
 *     00000000000000000042.snapshot   producers as of an offset (producer_snapshot.h)
 *     leader-epoch-checkpoint         where each leader epoch begins (epochs.h; KIP-101)
 *     partition.metadata              the topic's id
 *
 * Ends. An append is *planned* (offsets, producers and epochs advance), *written* by log_write at
 * the end of the turn (readers, acks and the high watermark see only this), and *flushed* later.
 * All appends planned since the last log_write share its fate.
 *
 * Threads. A log is either detached: touched by one thread at a time, a worker's job for instance;
 * or attached to a shard's log_files, and then touched on that shard only. What may sleep long
 * (open, close, delete, truncate) works on a detached log, so that a job can do it; the rest needs
 * an attached one. The log's own jobs (flush, removal) touch only what they own.
 *
 * Failures. A full disk (-ENOSPC, -EDQUOT) fails the appends at hand and nothing else. Any other
 * error of a write, sync, rename or truncate leaves the log failed: log_failure() answers it,
 * appends are refused with KAFKA_STORAGE_ERROR, and the owner takes the directory offline
 * (log_dirs_fail). Sources: KIP-32, 33, 79, 98, 101, 107, 360, 447, 664, 890, 1228.
 */
#pragma once

#include "base/arena.h"
#include "base/shared.h"
#include "base/uuid.h"
#include "io/io.h"
#include "log/log_config.h"
#include "log/log_files.h"
#include "wire/compress.h"
#include "wire/kafka_error.h"

struct log;

/* ---- open, attach, detach, close ----------------------------------------------------------- */

struct log_params {
    struct io_fs *fs;
    const char *log_dir; /* "/data"; copied */
    const char *topic;   /* copied */
    int32_t partition;
    const char *dir_suffix; /* "" or NULL; "-future", ".<hex>-delete" as found on disk */
    struct uuid topic_id;   /* zero: not known, or none (__cluster_metadata) */
    const struct log_config *config;
    bool create;             /* make the directory if it is absent */
    bool had_clean_shutdown; /* of the log directory: nothing needs a scan */
    /* No opening ever trusts a clean shutdown or a recovery point: all batches are read each time.
     * What they tell is not synced elsewhere then. */
    bool is_always_recovered;
    int64_t recovery_point; /* from the checkpoint; 0 if it has none */
    /* Everything below was on stable storage, and nobody else has it: where it is not whole, opening
     * fails with -ERR_CORRUPT, and the batches stay as they are. 0: cut where recovery cuts. */
    int64_t flushed_offset;
    /* The checkpoint file could be read, so that what lies above was surely not flushed. Then a
     * hole between two segments there is what a crash left, and the log is cut at it, unless it is
     * a compacted one. */
    bool is_recovery_point_known;
    int64_t log_start_offset;
    int64_t cleaned_end; /* as log_cleaned_end (log_clean.h) told it; 0: never compacted */
    int64_t now_ms;
    uint64_t seed; /* of hashes and of segment.jitter.ms */
};

/* Opens or creates the log; touches only fs, so it may run in a job. What a crash left is put in
 * order: leftovers of deletion and compaction are removed or completed, segments from the recovery
 * point on are checked, the first bad byte and every later segment are cut off, indexes are
 * rebuilt, producers loaded. The answer is detached.
 *
 * Errors, with the note naming file, byte and cause: what the kernel says; -ERR_CORRUPT (the files
 * contradict each other so that opening would lose flushed records); -ERR_EXISTS
 * (partition.metadata holds another topic id, or a crash left none and nothing was flushed: it may be another topic's);
 * -ERR_INVALID_ARGUMENT (an illegal topic name);
 * -ENOENT without `create`. */
MUST_CHECK int log_open(const struct log_params *params, struct log **out, struct err_note *note);

/* What the names in a directory tell of its log, before it is opened: a producer snapshot of a log that is_always_recovered is
 * written when all below its offset is on stable storage (Apache Kafka: written). No directory: zeroes. */
struct log_reach {
    int64_t flushed_offset; /* of the newest producer snapshot: the log ends there, or behind it */
    bool has_bytes;         /* a segment is not empty */
};
MUST_CHECK int log_find_reach(struct io_fs *fs, const char *directory, struct log_reach *out,
                              struct err_note *note);

/* What opening had to mend, in words to print once; valid as long as the log. */
#define LOG_NOTES_MAX 8
struct log_recovery {
    uint32_t segments_scanned;
    int64_t bytes_scanned;
    int64_t bytes_cut;
    const struct err_note *notes;
    uint32_t note_count;
    uint32_t more_count; /* what passes LOG_NOTES_MAX is not kept, but counted */
};
struct log_recovery log_recovery(const struct log *log);

/* The owner hears of the log's own jobs here, on the shard's loop. Members may be NULL. */
struct log_owner {
    void (*on_flushed)(void *context, struct log *log); /* the flushed end has moved */
    /* log_retain or log_clean_look answered -ERR_WOULD_BLOCK, and may be called again, also from here. */
    void (*on_looked)(void *context, struct log *log);
    /* The log has failed (see above); `error` as io gave it. Called once, in the midst of whatever the log is doing: it
     * may be marked, but not detached, within. */
    void (*on_failed)(void *context, struct log *log, int error, const struct err_note *note);
    /* A batch is damaged: its place, offsets and checksums, once for each that a reader met; nothing else follows from it. Or batches
     * are missing at the end of a segment file, or a part of its last one, which readers pass over: once for each. Members of
     * the log are not to be called within. */
    void (*on_damaged)(void *context, struct log *log, const struct err_note *note);
    /* An index file was of no use, for the cause that is told, and is built anew: once for each file. As on_damaged. */
    void (*on_mended)(void *context, struct log *log, const struct err_note *note);
    void *context;
};

void log_attach(struct log *log, struct log_files *files, const struct log_owner *owner);

/* Detaches once the log's jobs are through: calls `then` now or later, on the loop; the owner hears nothing any more.
 * Nothing may be planned. Until then reading is allowed, appending and flushing are not. */
void log_detach(struct log *log, void (*then)(void *context, struct log *log), void *context);

/* Closes a detached log well: index entries, producer snapshot and epochs are written and, with
 * `flush`, batches put on stable storage, so that the next open with had_clean_shutdown needs no
 * scan. Frees the log, also on failure. out_offsets (optional): what the checkpoints are to say. One that is_always_recovered
 * is always flushed. */
struct log_offsets;
MUST_CHECK int log_close(struct log *log, bool flush, struct log_offsets *out_offsets,
                         struct err_note *note);

/* Frees a detached log and writes nothing: its directory is offline, or the process is to look
 * killed. NULL is fine. */
void log_abandon(struct log *log);

/* Cuts its indexes to what is in them, as Apache Kafka wants to find them, renames the directory of a detached log to
 * `<topic>-<partition>.<32 hex digits>-delete` and frees the log; out_path (heap) names the renamed directory, to be removed after file.delete.delay.ms
 * (log_dirs_remove_later). On failure the log is freed too, but for a shortage (err_is_shortage): then it may be
 * tried again. The hex digits are those of `unique`,
 * which the caller draws at random. */
MUST_CHECK int log_delete(struct log *log, struct uuid unique, char **out_path,
                          struct err_note *note);
/* The same with the directory of a log that could not be opened; -ENOENT: there is none. */
MUST_CHECK int log_delete_unopened(struct io_fs *fs, const char *log_dir, const char *topic,
                                   int32_t partition, struct uuid unique, char **out_path,
                                   struct err_note *note);

/* ---- what it is ---------------------------------------------------------------------------- */

struct log_offsets {
    int64_t start;       /* first offset that may be read (DeleteRecords, retention, tiers) */
    int64_t local_start; /* first offset on this disk; >= start once segments live in a tier */
    int64_t planned_end; /* next offset to be assigned */
    int64_t end;         /* written: first offset that cannot be read yet; Kafka's log end offset */
    int64_t flushed_end; /* on stable storage below this */
    /* What the checkpoint is to say: recovery looks at the segment of this offset and those behind it. Below flushed_end
     * for a segment whose indexes are not synced yet, or that is written to. */
    int64_t recovery_point;
};
const struct log_offsets *log_offsets(const struct log *log); /* borrowed; changes in place */
/* Appends below it may be acknowledged: the written end, or, while a flush that flush.messages asked for is under way, the
 * flushed end. It goes back where such a flush begins; what was acknowledged stays so. */
int64_t log_settled_end(const struct log *log);
/* What may have been acknowledged and is not on stable storage: offsets from the flushed end to the settled one, and the bytes
 * written since the last flush began that went well. After an unclean opening all of the segments that it looked at counts, until they
 * are flushed. */
struct log_unflushed {
    int64_t offsets;
    int64_t bytes;
};
struct log_unflushed log_unflushed(const struct log *log);

const char *log_topic(const struct log *log);
int32_t log_partition(const struct log *log);
struct uuid log_topic_id(const struct log *log); /* from partition.metadata or params; zero: none */
const char *log_directory(const struct log *log);        /* "/data/orders-0" */
const char *log_parent_directory(const struct log *log); /* "/data" */
const struct log_config *log_config(const struct log *log);
void log_set_config(struct log *log, const struct log_config *config);
int64_t log_size_bytes(const struct log *log); /* of all segments, written */
uint32_t log_segment_count(const struct log *log);
/* Base offset of the index-th segment, oldest first. */
int64_t log_segment_base(const struct log *log, uint32_t index);
int log_failure(const struct log *log); /* 0 or the error that failed it */

/* Gives a log without a topic id its id (partition.metadata is written). -ERR_EXISTS: it has
 * another one. */
MUST_CHECK int log_set_topic_id(struct log *log, struct uuid topic_id, struct err_note *note);

/* ---- append -------------------------------------------------------------------------------- */

enum log_origin {
    LOG_ORIGIN_CLIENT,      /* Produce: one batch, fully checked; offsets assigned */
    LOG_ORIGIN_COORDINATOR, /* of this node, control batches too: no sequence checks; assigned */
    LOG_ORIGIN_RAFT_LEADER, /* offsets and epochs are in the batches and must continue the log */
    LOG_ORIGIN_REPLICATION, /* copied from a leader (fetch or raft): offsets kept, gaps are legal */
};

struct log_append_checked;

struct log_append {
    struct shared *owner; /* what `records` lies in; a reference is kept until written */
    uint8_t *records;     /* whole batches; offsets, epoch and append time are patched in place */
    uint32_t size_bytes;
    enum log_origin origin;
    int32_t leader_epoch;
    int64_t now_ms;
    bool
        transaction_verified; /* KIP-890: the coordinator knows the transaction, whatever came since */
    uint64_t
        verification_guard; /* of log_verification_begin: it has said so since then; 0: nobody has asked */
    int16_t
        transaction_version; /* of a marker's (KIP-1228) or a batch's transaction; -1 not known */
    struct arena *arena;     /* of the request: words for errors; may be NULL: none are made */
    struct codec_contexts *contexts; /* of the thread; NULL: the shard's, where there is one */
    struct log_append_checked
        *checked; /* borrowed: what log_append_check answered; NULL: it is checked now */
};

struct log_record_error {
    int32_t batch_index; /* of the record in its batch */
    struct bytes message;
};

/* How it went; everything points into the append's arena. */
struct log_append_result {
    enum kafka_error error;
    struct bytes message; /* names thing, value and limit; null when error is NONE */
    struct log_record_error *record_errors; /* with INVALID_RECORD and INVALID_TIMESTAMP */
    int32_t record_error_count;
    int64_t first_offset;
    int64_t last_offset;
    int64_t append_time_ms; /* -1 under CreateTime */
    int64_t log_start_offset;
    int32_t record_count;
    uint32_t size_bytes; /* as stored; 0 for a duplicate */
    bool is_duplicate;   /* of one of the producer's last five batches: its offsets are answered */
};

/* Checks and plans one append as Kafka's LogValidator and producer state do. With error NONE it is
 * planned (or a duplicate, which counts as acknowledged no earlier than the original: once the
 * written end has passed last_offset). Otherwise nothing has changed, `records` possibly excepted.
 * The errors: CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP, MESSAGE_TOO_LARGE,
 * RECORD_LIST_TOO_LARGE, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE,
 * TRANSACTION_COORDINATOR_FENCED, KAFKA_STORAGE_ERROR, UNKNOWN_SERVER_ERROR (a replicated batch
 * below the log's end). */
void log_append_plan(struct log *log, const struct log_append *append,
                     struct log_append_result *out);

/* The part of it that depends on nothing but the config: CRC, sizes, records, timestamps, recompression. It may take long, since
 * a batch of some KB may hold gigabytes of records: so it can be done first. On the shard as far as LOG_QUICK_BYTES_MAX bytes of
 * records go (NULL: they are more, or would have to be compressed anew; nothing else is known), else by log_append_check in a
 * job, with a copy of the config. log_append_plan with the answer as append->checked does the rest; log_append_checked_free after
 * it, whatever it said; NULL is fine. What the append points to stays until then. */
#define LOG_QUICK_BYTES_MAX (256u << 10)
struct log_append_checked *log_append_check_quickly(struct log *log,
                                                    const struct log_append *append);
struct log_append_checked *log_append_check(const struct log_config *config,
                                            const struct log_append *append);
void log_append_checked_free(struct log_append_checked *checked);

bool log_has_planned(const struct log *log);

/* Writes all that was planned: one pwritev, unless a segment rolls in between; then index entries
 * and the written end. Returns 0; on failure the log is as it was after the last success (producers
 * and epochs too), every append planned since has failed, and the code tells why: -ENOSPC, -EDQUOT:
 * try again later; others: the log has failed. */
MUST_CHECK int log_write(struct log *log, struct err_note *note);

/* Every append planned since the last write has failed: the log is as it was before them. */
void log_forget_planned(struct log *log);

/* ---- read ---------------------------------------------------------------------------------- */

/* What must happen before a call can go on: bytes come into memory, and are checked; indexes that cannot be used are made anew from a
 * whole segment, or the headers behind the last entry of a time index are looked at; or, of a look-up by time, a batch is looked through
 * that holds more than a shard looks through in passing. Zero at first. Run log_wait_run in a job, then repeat the call with it: what the
 * job found goes in so. It is empty after any answer but -ERR_WOULD_BLOCK; who gives up instead of repeating lets go of it by
 * log_wait_deinit, on the log's loop. */
struct long_search;
struct piece_check;
struct segment_build;
struct log_wait {
    struct io_file *file; /* a reference; NULL: nothing to wait for */
    int64_t position;
    int64_t size_bytes;
    struct long_search *search;  /* owned; to be done, or how far a look-up by time has got; NULL */
    struct segment_build *build; /* owned; to be done, or done; NULL */
    struct piece_check *check;   /* owned; to be done, or what it has found; NULL */
};
/* On a worker. Lets go of the file; what was found or made stays for the repeated call. */
void log_wait_run(struct log_wait *wait);
void log_wait_deinit(struct log_wait *wait); /* lets go of all */

struct log_read {
    int64_t offset;
    int64_t end_offset; /* nothing from here on: high watermark, last stable offset or log end */
    uint32_t bytes_max;
    bool min_one;   /* the first batch is answered whole though it passes bytes_max */
    bool may_sleep; /* on a worker or at start: reads from disk, never answers -ERR_WOULD_BLOCK */
    uint32_t copy_max;   /* pieces up to this size are copied to `arena` */
    struct arena *arena; /* NULL: never copied */
};

/* Whole batches, the first of which may begin below the offset asked for; the last may be cut, as
 * Kafka's may. All empty: there is nothing below end_offset yet. */
struct log_piece {
    struct io_file *file; /* a reference that is the caller's; NULL: empty or copied */
    int64_t position;
    const uint8_t *data; /* in the arena; NULL: not copied */
    uint32_t size_bytes;
    bool first_is_cut; /* without min_one: the first batch is larger than bytes_max */
    bool
        is_cut_short; /* there is more, but a damaged batch comes next, or checking more of it would take long */
    int64_t segment_base; /* with position: where `offset` was found; -1 when empty */
};

/* What is answered was checked: bytes that come from the disk are believed only when the batches in them, CRC and order, are
 * right. Returns 0; -ERR_OFFSET_OUT_OF_RANGE below the start or above the end; -ERR_WOULD_BLOCK with
 * `wait` set; -ERR_DAMAGED when the batch with that offset is damaged (the note names file, byte and offsets; what lies before
 * and behind it can be read); -ERR_CORRUPT when the file does not hold what it should otherwise (the note names file and
 * byte); or what io says. */
MUST_CHECK int log_read(struct log *log, const struct log_read *request, struct log_piece *out,
                        struct log_wait *wait, struct err_note *note);

/* A transaction that came to nothing: who reads what is committed leaves out the batches of this producer from there to its
 * marker. */
struct log_aborted_txn {
    int64_t producer_id;
    int64_t first_offset;
};
struct log_aborted {
    const struct log_aborted_txn *txns; /* in the arena, in order of their markers */
    uint32_t count;
};

/* The aborted transactions that concern a piece that was read from `offset`: those that end there or later and begin before
 * the piece's end, which is taken as far as the next entry of the offset index, as Kafka takes it. None for a piece of no bytes. As log_read;
 * the piece stays the caller's. */
MUST_CHECK int log_aborted_txns(struct log *log, int64_t offset, const struct log_piece *piece,
                                bool may_sleep, struct arena *arena, struct log_aborted *out,
                                struct log_wait *wait, struct err_note *note);

/* ---- offsets by time and epoch ------------------------------------------------------------- */

struct log_time_offset {
    int64_t offset;       /* -1: there is none */
    int64_t timestamp;    /* -1: not asked for */
    int32_t leader_epoch; /* -1: not known */
};

/* The first record, not below the log start, whose timestamp is at least timestamp_ms. Errors and
 * waiting as log_read. */
MUST_CHECK int log_offset_for_time(struct log *log, int64_t timestamp_ms, bool may_sleep,
                                   struct log_time_offset *out, struct log_wait *wait,
                                   struct err_note *note);
/* The record with the largest timestamp, the earliest of several (ListOffsets -3, KIP-734); -ERR_DAMAGED where a damaged batch may have a larger one. */
MUST_CHECK int log_offset_of_max_time(struct log *log, bool may_sleep, struct log_time_offset *out,
                                      struct log_wait *wait, struct err_note *note);

int32_t log_epoch_latest(const struct log *log);             /* -1: none */
int32_t log_epoch_of(const struct log *log, int64_t offset); /* -1: not known */
int32_t log_epoch_of_start(const struct log *log);           /* as ListOffsets -2 answers it */
/* Becoming leader: the epoch begins at the log's end. No effect when it is not newer. */
void log_epoch_assign(struct log *log, int32_t leader_epoch);

struct log_epoch_end {
    int32_t leader_epoch; /* -1: not known */
    int64_t end_offset;   /* -1: not known */
};
/* OffsetForLeaderEpoch (KIP-101, KIP-279). */
struct log_epoch_end log_end_offset_for_epoch(const struct log *log, int32_t leader_epoch);

/* ---- cutting ------------------------------------------------------------------------------- */

/* Removes every offset >= `offset`; a batch that reaches over it goes whole. Nothing may be
 * planned, and no cleaning be under way (log_clean_stop). Reads from disk: the producers are rebuilt from the newest snapshot below. Attached or
 * detached. Where the flushed end goes back with it, the owner writes the recovery-point checkpoint
 * before it acknowledges anything new: recovery begins at what that says. 0, or the log has
 * failed. */
MUST_CHECK int log_truncate(struct log *log, int64_t offset, int64_t now_ms, struct err_note *note);
/* Removes everything; the next offset will be `offset`. start_offset: of the log, at most
 * `offset`. */
MUST_CHECK int log_truncate_fully(struct log *log, int64_t offset, int64_t start_offset,
                                  int64_t now_ms, struct err_note *note);

/* DeleteRecords, or a follower that learns its leader's start (KIP-107): 1 when the start moved, 0
 * when it was there already, -ERR_OFFSET_OUT_OF_RANGE above the high watermark. Segments below go
 * with the next log_retain. */
MUST_CHECK int log_advance_start(struct log *log, int64_t start_offset, int64_t high_watermark);

/* Removes the segments that retention by time, size and log start allow, none at or above the high
 * watermark: renamed `.deleted` by a job and unlinked after file.delete.delay.ms.
 * cleanup.policy=compact alone keeps all but what lies below the log start. Does nothing while the log is cleaned. What is not
 * flushed waits for that, and so do batches of producers for the snapshot that follows them; all wait until those before them
 * have left. Returns how many segments went, or a negative error: -ERR_WOULD_BLOCK, when on_looked is to be awaited,
 * with nothing changed but for a roll; others have failed the log. Attached logs, or detached ones (then all is done at once). */
MUST_CHECK int log_retain(struct log *log, int64_t now_ms, int64_t high_watermark,
                          struct err_note *note);

/* Closes the active segment and begins a new one at the end; nothing happens when it is empty. */
MUST_CHECK int log_roll(struct log *log, int64_t now_ms, struct err_note *note);

/* ---- flush and housekeeping ---------------------------------------------------------------- */

/* Asks for everything written so far to be put on stable storage, by a job; on_flushed follows, unless the log fails:
 * where the disk is full it is tried again until there is room. Requests while one is under way are served together by
 * the next. */
void log_flush(struct log *log);
bool log_is_flushing(const struct log *log);

/* Call now and then (each second or so where something was appended, else each minute): flush.ms,
 * expiry of producers, buffers of index entries that have not been added to for a while. */
void log_tick(struct log *log, int64_t now_ms);

/* ---- producers and transactions -------------------------------------------------------------- */

struct log_producer {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t last_sequence; /* -1: none */
    int64_t last_offset;   /* of its last data batch; -1: none */
    int64_t last_timestamp;
    int32_t coordinator_epoch; /* -1: none */
    int64_t txn_start_offset;  /* of its open transaction; -1: none */
};
uint32_t log_producer_count(const struct log *log);
/* for (struct log_producer_walk w = { 0 }; log_producer_next(log, &w);) use(w.producer); in order
 * of appearance. */
struct log_producer_walk {
    uint32_t index;
    struct log_producer producer;
};
bool log_producer_next(const struct log *log, struct log_producer_walk *walk);
bool log_producer_get(const struct log *log, int64_t producer_id, struct log_producer *out);

/* Whether a transactional batch that is about to be appended opens a transaction here, so that the coordinator is to be asked
 * first (KIP-890): the guard for log_append, to be used once it has said yes. 0: it need not be asked. Until then no later sequence
 * of the producer is taken. Under transaction.partition.verification.enable=false appends need no guard. Whatever begins or ends a
 * transaction of the producer here makes the guard void; the append is refused with INVALID_TXN_STATE then. */
uint64_t log_verification_begin(struct log *log, int64_t producer_id, int16_t producer_epoch,
                                int32_t sequence, int64_t now_ms);

/* First offset that may not be read by read_committed readers: of the earliest transaction that is
 * open, or whose marker lies at or above the high watermark. -1: all is stable. Transactions that
 * are only planned count. */
int64_t log_first_unstable_offset(const struct log *log, int64_t high_watermark);
/* Whoever moves the high watermark tells it: what has ended below is forgotten in time. */
void log_note_high_watermark(struct log *log, int64_t high_watermark);
