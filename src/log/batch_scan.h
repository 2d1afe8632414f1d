/* A walk over the batches of one segment file, from one batch's first byte to a given end, through
 * a window in memory.
 *
 * Headers are decoded; the CRC is checked from a given position on. Bodies that nobody needs are
 * not read. Inside this folder only. Threads: the caller's; the file is only read.
 */
#pragma once

#include "io/io.h"
#include "wire/batch.h"

#define BATCH_SCAN_WINDOW_SMALL 4096u /* to find one batch */
#define BATCH_SCAN_WINDOW_LARGE                                                                    \
    (256u << 10) /* to go through a file; stays in a core's cache for the CRC */

struct batch_scan {
    struct io_file *file;    /* borrowed */
    int64_t position;        /* of the next batch */
    int64_t end;             /* nothing is read from here on */
    int64_t crc_from;        /* from here on batches are CRC-checked; INT64_MAX: none is */
    bool may_sleep;          /* else -ERR_WOULD_BLOCK where the bytes are not in memory */
    int64_t wanted_position; /* set with -ERR_WOULD_BLOCK: what to warm */
    int64_t wanted_bytes;
    uint32_t read_bytes; /* by one refill */
    uint8_t *window;     /* owned */
    size_t window_capacity;
    int64_t window_position;
    size_t window_size;
};

struct scanned_batch {
    int64_t position;
    uint32_t size_bytes;
    int8_t magic;
    int64_t base_offset; /* magic 0 and 1: the last offset; the first would need decompression */
    int64_t last_offset;
    int64_t max_timestamp; /* -1: none */
    int32_t leader_epoch;  /* -1: none */
    int64_t producer_id;   /* -1: none */
    struct batch_view
        view; /* magic 2; bytes only where they are in the window, until the next call; else null */
};

/* window_bytes: one of BATCH_SCAN_WINDOW_*; nothing is allocated before the first read. */
void batch_scan_init(struct batch_scan *scan, struct io_file *file, int64_t position, int64_t end,
                     uint32_t window_bytes);
void batch_scan_deinit(struct batch_scan *scan);

/* 1; 0 at the end exactly; -ERR_OVERRUN: the last batch is cut off by the end; -ERR_CORRUPT: an
 * impossible length, magic, offset delta or CRC; -ERR_WOULD_BLOCK; or what io says. After an error
 * position is that of the batch. */
MUST_CHECK int batch_scan_next(struct batch_scan *scan, struct scanned_batch *out);

/* The header at a position, by itself, of a batch that ends by `end`: false when none can begin there. It may wait for the disk. */
MUST_CHECK bool batch_scan_header(struct io_file *file, int64_t position, int64_t end,
                                  struct scanned_batch *out);

/* Brings the whole of the batch just answered into the window, for its records: sets
 * out->view.bytes. 0, or as above. */
MUST_CHECK int batch_scan_load(struct batch_scan *scan, struct scanned_batch *batch);

/* After an answer that speaks of damage: on to the next whole batch behind scan->position whose CRC is right and whose
 * offsets lie in [first_offset, last_offset]: 1; 0 when there is none up to the end, and position is as it was; or what io says. */
MUST_CHECK int batch_scan_resync(struct batch_scan *scan, int64_t first_offset,
                                 int64_t last_offset);

/* On to the first such batch at scan->position or behind: 1; 0 with position at the end; or what io says. */
MUST_CHECK int batch_scan_search(struct batch_scan *scan, int64_t first_offset,
                                 int64_t last_offset);

/* Whether a negative answer speaks of the bytes, not of the device. */
bool batch_scan_is_damage(int r);
