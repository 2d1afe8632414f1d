/* The two smallest files: a topic's id in a partition's directory, and the mark of a clean
 * shutdown.
 *
 *   partition.metadata       "version: 0\ntopic_id: <uuid>", no newline at the end (KIP-516); of a later version it is read all the same
 *   .kafka_cleanshutdown     {"version":0,"brokerEpoch":264} (KIP-966); empty, from before, is a
 * mark too
 *
 * Inside this folder only.
 */
#pragma once

#include "base/err.h"
#include "base/uuid.h"
#include "io/io.h"

#define PARTITION_METADATA_NAME "partition.metadata"
#define CLEAN_SHUTDOWN_NAME     ".kafka_cleanshutdown"

/* out: zero when the file is absent. -ERR_OVERRUN: not all of it is there, as a power loss may leave it before the first sync;
 * -ERR_MALFORMED: it is damaged; -ERR_VERSION: below 0; each with a note; or what io says. */
MUST_CHECK int partition_metadata_read(struct io_fs *fs, const char *directory, struct uuid *out,
                                       struct err_note *note);
/* Not synced: the log does that with its first flush. */
MUST_CHECK int partition_metadata_write(struct io_fs *fs, const char *directory, struct uuid id,
                                        struct err_note *note);

/* 1: there was a mark, out_broker_epoch is its epoch or -1; 0: there was none; or what io says. The
 * mark is removed. */
MUST_CHECK int clean_shutdown_take(struct io_fs *fs, const char *log_dir, int64_t *out_broker_epoch,
                                   struct err_note *note);
MUST_CHECK int clean_shutdown_leave(struct io_fs *fs, const char *log_dir, int64_t broker_epoch,
                                    struct err_note *note);
