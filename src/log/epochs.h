/* Where each leader epoch begins in one log (KIP-101, KIP-279), and its checkpoint file.
 *
 *   leader-epoch-checkpoint:  0            version
 *                             2            count
 *                             0 0          epoch, first offset
 *                             3 4711
 *
 * Entries ascend strictly in both numbers. The file may lag behind while the log is open:
 * everything it lacks stands in batches at or above the recovery point, from which opening learns
 * it. Inside this folder only. Threads: the log's.
 */
#pragma once

#include "base/buf.h"
#include "base/vec.h"
#include "log/log.h"

#define EPOCHS_FILE_NAME      "leader-epoch-checkpoint"
#define EPOCHS_FILE_BYTES_MAX (64u << 20)

struct epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};

struct epochs {
    VEC(struct epoch_entry) entries;
    bool is_dirty; /* the file does not say the same */
};

void epochs_deinit(struct epochs *epochs);
void epochs_clear(struct epochs *epochs);

/* Entries that contradict the new one are removed from the end, as Kafka does. No effect when the
 * latest epoch is the same and begins no later. Epochs below 0 are not noted. */
void epochs_assign(struct epochs *epochs, int32_t epoch, int64_t start_offset);

/* Forgets what begins at or above end_offset. */
void epochs_truncate_from_end(struct epochs *epochs, int64_t end_offset);
/* Forgets what ends at or below start_offset; the epoch that spans it begins there from now on. */
void epochs_truncate_from_start(struct epochs *epochs, int64_t start_offset);

int32_t epochs_latest(const struct epochs *epochs);             /* -1: none */
int32_t epochs_of(const struct epochs *epochs, int64_t offset); /* -1: not known */
struct log_epoch_end epochs_end_of(const struct epochs *epochs, int32_t epoch,
                                   int64_t log_end_offset);

/* <directory>/leader-epoch-checkpoint. Absent: no entries. -ERR_MALFORMED, -ERR_VERSION, or what io
 * says: out is empty then. */
MUST_CHECK int epochs_read(struct io_fs *fs, const char *directory, struct epochs *out,
                           struct err_note *note);
void epochs_encode(const struct epochs *epochs, struct buf *out); /* the file's text, appended */
