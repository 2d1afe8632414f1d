/* What the unit tests of this folder share: batches to append, and a log to append them to. */
#pragma once

#include "base/arena.h"
#include "base/test.h"
#include "io/epoll.h"
#include "log/log.h"
#include "sim/sim_disk.h"
#include "wire/batch.h"

#define SAMPLE_NOW_MS INT64_C(1700000000000)

/* One batch of `count` records. Zeroed members mean: no producer, timestamps SAMPLE_NOW_MS + index,
 * values of 10 bytes. */
struct sample_batch {
    int32_t count;        /* 0: 1 */
    uint32_t value_bytes; /* 0: 10 */
    int64_t timestamp_ms; /* 0: SAMPLE_NOW_MS; of the first record */
    int32_t step_ms;      /* 0: 1; from each to the next */
    int64_t base_offset;
    int32_t leader_epoch;
    enum codec codec;
    int16_t attributes;
    bool has_producer;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t sequence;
    bool has_null_keys;
};
struct shared *sample_batch(const struct sample_batch *sample);
struct shared *sample_marker(int64_t producer_id, int16_t epoch, bool is_commit,
                             int32_t coordinator_epoch);

struct log_config sample_log_config(void); /* small segments, index entries often */

struct sample_open {
    struct io_fs *fs;
    const char *log_dir;             /* NULL: "/d" */
    const struct log_config *config; /* NULL: sample_log_config */
    bool is_unclean;
    bool is_always_recovered; /* with is_unclean */
    int64_t recovery_point;
    int64_t flushed_offset;
    int64_t log_start_offset;
    int64_t cleaned_end;
    int64_t now_ms; /* 0: SAMPLE_NOW_MS */
};
extern const struct uuid sample_topic_id;

/* Partition t-0; creates what is missing. */
int sample_try_open(const struct sample_open *open, struct log **out, struct err_note *note);
struct log *sample_open(const struct sample_open *open); /* expects success */

/* Plans as a client (or another origin) and answers the result; the batch's reference is taken. */
struct log_append_result sample_plan(struct log *log, enum log_origin origin, struct shared *batch);
/* Plans and writes; expects success; the base offset. */
int64_t sample_append(struct log *log, const struct sample_batch *sample);

/* All readable bytes from `offset` on, read piece by piece and put together; heap, freed with
 * mem_free. */
struct bytes sample_read_all(struct log *log, int64_t offset);
/* Expects that each offset of [start, end) is found by reading in a batch that holds it. */
void sample_expect_readable(struct log *log);
