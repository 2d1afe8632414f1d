/* KRaft snapshot files (KIP-630): `<end offset, 20 digits>-<epoch, 10 digits>.checkpoint`.
 *
 *   batch 1    control: snapshot header; with kraft.version 1 also kraft version and voters
 *   batches    data: records that rebuild the state, offsets counted on from 0
 *   last       control: snapshot footer
 * Every batch carries the snapshot's epoch as leader epoch. The snapshot holds the state of all records below
 * its end offset. A file without footer is not whole. While it is written it is called `….checkpoint.part`
 * (in Kafka a random infix follows the number; every name that ends so may be deleted at start); a file to be
 * deleted is renamed to `….checkpoint.deleted`.
 * `bootstrap.checkpoint`, beside meta.properties, has the same form with epoch 0 and no name of its own.
 *
 * Pure: the writer hands bytes to a sink, the reader pulls them from a source; memory is bounded by one batch.
 */
#pragma once

#include "raft/voters.h"
#include "wire/batch.h"

#define SNAPSHOT_NAME_SIZE       64 /* with NUL */
#define SNAPSHOT_BATCH_BYTES_MAX (8 * 1024 * 1024)

struct snapshot_id {
    int64_t end_offset; /* exclusive: the first offset that is not in it */
    int32_t epoch;      /* of the last record in it */
};
#define SNAPSHOT_ID_NONE ((struct snapshot_id){ .end_offset = -1, .epoch = -1 })

int snapshot_id_compare(struct snapshot_id a, struct snapshot_id b);
/* "00000000000000000000-0000000000.checkpoint" with `suffix` ("", ".part", ".deleted") after it. */
void snapshot_name(struct snapshot_id id, const char *suffix, char out[SNAPSHOT_NAME_SIZE]);

enum snapshot_file_kind {
    SNAPSHOT_FILE_NONE,
    SNAPSHOT_FILE_WHOLE,
    SNAPSHOT_FILE_PART,
    SNAPSHOT_FILE_DELETED
};
/* What a file's name says it is; out set unless NONE. */
enum snapshot_file_kind snapshot_name_parse(struct bytes name, struct snapshot_id *out);

/* Receives the bytes in order. A negative answer ends the writing and is passed on. */
struct snapshot_sink {
    int (*put)(void *context, struct bytes bytes);
    void *context;
};

struct snapshot_header {
    struct snapshot_id id;
    int64_t last_contained_log_timestamp; /* of the last record in it; ms */
    int16_t kraft_version;
    const struct raft_voters
        *voters; /* written with kraft_version 1; borrowed for the call of open */
};

struct snapshot_writer {
    struct snapshot_sink sink;
    struct batch_builder batch;
    struct snapshot_id id;
    int64_t wall_ms;
    int64_t next_offset; /* of the next batch */
    size_t batch_bytes_max;
    size_t size_bytes; /* so far */
    int error;
};
/* open writes the header at once; add gathers record values (wire/record_frame.h) into batches; finish writes the
 * rest and the footer. The first failure is kept and answered by every later call. deinit in any state. */
MUST_CHECK int snapshot_writer_open(struct snapshot_writer *w, const struct snapshot_header *header,
                                    int64_t wall_ms, struct snapshot_sink sink);
MUST_CHECK int snapshot_writer_add(struct snapshot_writer *w, struct bytes value);
MUST_CHECK int snapshot_writer_finish(struct snapshot_writer *w);
void snapshot_writer_deinit(struct snapshot_writer *w);

/* Gives up to `size` bytes at `position`: the count (less only at the end), or negative. */
struct snapshot_source {
    int64_t (*read)(void *context, int64_t position, void *out, size_t size);
    void *context;
};

struct snapshot_reader {
    struct snapshot_source source;
    struct buf batch; /* the current batch */
    struct batch_view view;
    struct record_walk walk;
    bool walk_is_open;
    bool has_header;
    bool has_footer;
    int64_t position;
    int64_t last_contained_log_timestamp;
};
void snapshot_reader_init(struct snapshot_reader *r, struct snapshot_source source);
void snapshot_reader_deinit(struct snapshot_reader *r);

/* The next whole batch, CRC checked: 1, or 0 at a proper end (after the footer). Control batches are given too
 * (raft_load_batch wants them); `out` is valid until the next call.
 * -ERR_CORRUPT (CRC, length, bytes after the footer, a second header), -ERR_OVERRUN (ends without a footer),
 * -ERR_LIMIT (a batch above SNAPSHOT_BATCH_BYTES_MAX), -ERR_VERSION, or what the source answered; the note names the
 * byte. */
MUST_CHECK int snapshot_reader_next_batch(struct snapshot_reader *r, struct batch_view *out,
                                          struct err_note *note);
/* The next data record's value, passing over control batches: 1, 0 at the end, or as above. Use one of the two
 * ways with a reader, not both. */
MUST_CHECK int snapshot_reader_next(struct snapshot_reader *r, struct bytes *out_value,
                                    struct err_note *note);

/* What formatting writes. `out` receives the file's bytes.
 * bootstrap.checkpoint: the records that a new cluster begins with (metadata/bootstrap.h).
 * 00000000000000000000-0000000000.checkpoint: only where the voter set is dynamic (--standalone,
 * --initial-controllers). */
void snapshot_print_bootstrap(const struct bytes *values, uint32_t value_count, int64_t wall_ms,
                              struct buf *out);
void snapshot_print_voters(const struct raft_voters *voters, int64_t wall_ms, struct buf *out);
