/* A naive model of a log: every batch that was ever written, in order, to compare a real one
 * with. */
#pragma once

#include "base/vec.h"
#include "log/sample_test.h"

struct history_batch {
    int64_t base_offset;
    int64_t last_offset;
    struct bytes bytes; /* as stored; in `ever` */
};

struct history {
    VEC(struct history_batch) batches; /* written ones, ascending */
    VEC(struct history_batch) planned;
    VEC(struct history_batch) ever; /* all that was ever planned: owns the bytes */
};

void history_deinit(struct history *history);

/* Plans an append of the batch (its reference is taken), and notes it when it was planned. */
struct log_append_result history_plan(struct history *history, struct log *log,
                                      enum log_origin origin, struct shared *batch);
/* log_write; what is below the written end then counts as written. */
int history_write(struct history *history, struct log *log);
/* Batches that reach to `offset` or beyond are gone. */
void history_truncate(struct history *history, int64_t offset);
int64_t history_end(const struct history *history, int64_t empty_end); /* after the last batch */

/* Expects that the log holds exactly the model's batches from its start to its end, byte for byte,
 * each found at its first and last offset. Words tell where a test was. */
void history_expect(const struct history *history, struct log *log, const char *where);

/* After a restart. Batches below safe_end must be those of the model. Above, what is there must
 * follow without a gap, and be what was once planned for its offset: writes that were not
 * acknowledged, or batches from before a truncation that did not last. The model then is what the
 * log holds. */
void history_resync(struct history *history, struct log *log, int64_t safe_end, const char *where);
