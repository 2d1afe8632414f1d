/* A log that is compacted, beside a naive model of it: every record that was ever written, what became of its transaction, and
 * which cleaning took it away. */
#pragma once

#include "base/vec.h"
#include "log/clean/log_clean.h"
#include "log/sample_test.h"

#define CLEAN_KEYS         24
#define CLEAN_PRODUCERS    4 /* 0 has no id, 1 is idempotent, the others are transactional */
#define CLEAN_RETENTION_MS INT64_C(10000) /* delete.retention.ms */

enum clean_fate { CLEAN_OPEN, CLEAN_COMMITTED, CLEAN_ABORTED };

struct clean_record {
    int64_t offset;
    uint32_t key;
    uint32_t value; /* 0: a tombstone */
    int64_t batch;  /* base offset */
    uint32_t producer;
    enum clean_fate fate;
    bool is_gone;
};

struct clean_history {
    struct sim_disk *disk;
    struct log *log;
    struct log_config config;
    struct rng rng;
    int64_t now_ms;
    VEC(struct clean_record) records;
    VEC(int64_t) horizons; /* by offset, of the batch that begins there; -1: none */
    int32_t sequence[CLEAN_PRODUCERS];
    bool is_open[CLEAN_PRODUCERS];  /* a transaction */
    uint32_t step_bytes;            /* 0: drawn for each cleaning */
    struct log_clean_report report; /* of the last cleaning */
};

void clean_history_init(struct clean_history *h, uint64_t seed);
void clean_history_deinit(struct clean_history *h);

/* Batches, commits and aborts of all producers, until there are `segments` segments. */
void clean_history_fill(struct clean_history *h, uint32_t segments);
void clean_history_append(struct clean_history *h,
                          uint32_t producer); /* one batch; begins a transaction */
void clean_history_end(struct clean_history *h, uint32_t producer, bool is_commit);
/* Ends all open transactions. */
void clean_history_settle(struct clean_history *h);
/* One cleaning, with a map for about `keys` keys (0: for all). False: there was nothing to clean. The report is in h. */
bool clean_history_clean(struct clean_history *h, size_t keys);
/* The model is to follow a log that has lost its tail, and there the end of the producer's only transaction. */
void clean_history_lose(struct clean_history *h, uint32_t producer);
/* As after a crash; recovery begins at recovery_point. */
void clean_history_reopen(struct clean_history *h, int64_t recovery_point);
/* False: it could not be opened, and has to be reopened. */
bool clean_history_try_reopen(struct clean_history *h, int64_t recovery_point);

/* The log holds exactly what the model says. */
void clean_history_expect(const struct clean_history *h, const char *where);
/* What a cleaning may leave that did not come to its end: all that must stay is there, as it was and in order, and who replays it
 * has the latest value of each key. The model then is what the log holds. */
void clean_history_expect_safe(struct clean_history *h, const char *where);
