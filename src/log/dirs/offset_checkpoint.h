/* Kafka's checkpoint files of offsets by partition.
 *
 *   0                          version
 *   2                          count of lines that follow
 *   orders 0 4711              topic, partition, offset; a space between
 *   orders 1 4712
 */
#pragma once

#include "base/err.h"
#include "base/vec.h"
#include "io/io.h"

#define OFFSET_CHECKPOINT_BYTES_MAX (256u << 20)

struct offset_checkpoint_entry {
    char *topic; /* owned by the checkpoint; entries in a row of one topic share it */
    int32_t partition;
    int64_t offset;
};

struct offset_checkpoint {
    VEC(struct offset_checkpoint_entry) entries;
    bool
        is_nothing_known; /* written as an empty file, whatever the entries are; reading leaves it false */
};

void offset_checkpoint_add(struct offset_checkpoint *checkpoint, const char *topic,
                           int32_t partition, int64_t offset);
void offset_checkpoint_deinit(struct offset_checkpoint *checkpoint); /* zeroed or released: fine */

/* An absent or empty file gives no entries. -ERR_VERSION, -ERR_MALFORMED (the note names file, line
 * and value), -ERR_LIMIT, or what io says; then out is empty. */
MUST_CHECK int offset_checkpoint_read(struct io_fs *fs, const char *path,
                                      struct offset_checkpoint *out, struct err_note *note);
/* Atomically, synced. `written` (optional) tells apart what the file holds since the last call with
 * it, 0 at first: when that has not changed, nothing is written. */
MUST_CHECK int offset_checkpoint_write(struct io_fs *fs, const char *path,
                                       const struct offset_checkpoint *checkpoint,
                                       uint64_t *written, struct err_note *note);
