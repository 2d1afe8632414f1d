/* Between the files of kafka-dump-log. */
#pragma once

#include "base/arena.h"
#include "base/vec.h"
#include "cli/deserializer.h"
#include "cli/options.h"
#include "wire/batch.h"
#include "wire/legacy.h"
#include "wire/message.h"

/* What does not fit together is told at the end, by kind and file. */
enum dump_fault {
    DUMP_INDEX_MISMATCH,  /* a: offset of the index, b: of the log */
    DUMP_TIME_MISMATCH,   /* times */
    DUMP_TIME_ORDER,      /* a time, and the one before it */
    DUMP_TIME_NOT_FOUND,  /* offsets */
    DUMP_NOT_CONSECUTIVE, /* an offset, and the next one */
};
struct dump_finding {
    enum dump_fault fault;
    const char *path; /* in the arena */
    int64_t a, b;
};

struct dump {
    const struct cli_context *context;
    struct arena arena; /* of the whole run */
    enum wire_kind decoder;
    bool has_decoder;
    enum deserializer key_decoder;
    enum deserializer value_decoder;
    bool prints_data;
    bool prints_records;
    bool skips_metadata;
    bool checks_only;   /* indexes: whether they are sound */
    bool verifies_only; /* indexes: against their log */
    int64_t bytes_max;  /* of a log */
    VEC(struct dump_finding) findings;
};

void dump_find(struct dump *dump, enum dump_fault fault, const char *path, int64_t a, int64_t b);

/* Each prints one file; 0, or negative after a line to standard error. name: the path's last part. */
MUST_CHECK int dump_batches(struct dump *dump, struct io_file *file, const char *path,
                            const char *name);
MUST_CHECK int dump_offset_index(struct dump *dump, struct io_file *file, const char *path);
MUST_CHECK int dump_time_index(struct dump *dump, struct io_file *file, const char *path);
MUST_CHECK int dump_transaction_index(struct dump *dump, struct io_file *file, const char *path);
MUST_CHECK int dump_producer_snapshot(struct dump *dump, struct io_file *file, const char *path);

/* Key and value of a record, as the decoder chosen reads them, each after `gap`. */
void dump_put_data(const struct dump *dump, const struct record *record, const char *gap,
                   struct buf *out);

/* A batch of any magic, as far as indexes and dumps ask. */
struct dump_batch {
    struct batch_view view; /* magic 2 */
    struct legacy_view legacy;
    bool is_legacy;
    size_t size_bytes;
    int64_t last_offset;
};
/* The batch at `position`: 1 with its view into *buffer, 0 at the end, or negative. */
MUST_CHECK int dump_read_batch(struct io_file *file, int64_t position, struct buf *buffer,
                               struct dump_batch *out);

/* The records of any batch. */
struct dump_walk {
    struct record_walk walk;
    struct legacy_walk legacy;
    bool is_legacy;
};
void dump_walk_init(struct dump_walk *walk, const struct dump_batch *batch);
MUST_CHECK int dump_walk_next(struct dump_walk *walk, struct record *out);
void dump_walk_deinit(struct dump_walk *walk);
