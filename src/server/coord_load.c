/* See coord_load.h. */
#include "server/coord_load.h"

#include "base/mem.h"
#include "replica/replicas.h"
#include "wire/control_record.h"
#include "wire/legacy.h"

/* No record of a coordinator comes near this. */
#define RECORD_BYTES_MAX (256u << 20)

struct coord_load {
    struct io_job job;
    struct coord_load_params params;
    int64_t next_offset;
    int64_t end_offset;
    struct log_wait wait;   /* of the job: bytes to bring into memory; or */
    struct log_piece piece; /* of the job: what to replay */
    struct coord_load_result result;
    struct err_note note;
    struct codec_contexts *codecs;
    bool is_disowned;
};

/* ---- on a worker ----------------------------------------------------------------------------------------- */

static int replay_record(struct coord_load *load, int64_t producer_id, const struct record *record)
{
    if (record->offset < load->next_offset || bytes_is_null(record->key))
        return 0; /* below where this read began; or nothing a compacted topic may hold */
    load->result.record_count++;
    const int r = load->params.replay(load->params.coordinator, producer_id, record->key,
                                      record->value, &load->note);
    return r < 0 ? err_note_prefix(&load->note, r, "offset %" PRId64, record->offset) : 0;
}

static int replay_marker(struct coord_load *load, const struct batch_view *batch,
                         const struct record *record)
{
    enum control_type type;
    const int r = control_record_parse(record->key, &type);
    if (r < 0)
        return err_note(&load->note, r, "offset %" PRId64 " holds no control record",
                        record->offset);
    if (type == CONTROL_COMMIT || type == CONTROL_ABORT)
        load->params.end_transaction(load->params.coordinator, batch->producer_id,
                                     type == CONTROL_COMMIT);
    return 0;
}

static int replay_batch(struct coord_load *load, const struct batch_view *batch)
{
    int r = batch_check_crc(batch);
    if (r < 0)
        return err_note(&load->note, r, "the batch at offset %" PRId64 " has a wrong checksum",
                        batch->base_offset);
    const bool is_control = (batch->attributes & BATCH_CONTROL) != 0;
    const bool is_transactional = (batch->attributes & BATCH_TRANSACTIONAL) != 0;
    AUTO(record_walk_deinit) struct record_walk walk;
    struct record record;
    record_walk_init(&walk, batch, load->codecs, RECORD_BYTES_MAX);
    while ((r = record_walk_next(&walk, &record)) > 0) {
        const int replayed =
            is_control ? replay_marker(load, batch, &record)
                       : replay_record(load, is_transactional ? batch->producer_id : -1, &record);
        if (replayed < 0)
            return replayed;
    }
    return r < 0 ? err_note(&load->note, r, "the batch at offset %" PRId64 " cannot be read",
                            batch->base_offset)
                 : 0;
}

/* Written by a broker before 0.11. */
static int replay_legacy(struct coord_load *load, struct bytes bytes, int64_t *out_last_offset)
{
    struct legacy_view view;
    int r = legacy_parse(bytes, &view);
    if (r < 0)
        return r;
    *out_last_offset = view.offset;
    AUTO(legacy_walk_deinit) struct legacy_walk walk;
    struct record record;
    legacy_walk_init(&walk, &view, load->codecs, RECORD_BYTES_MAX);
    while ((r = legacy_walk_next(&walk, &record)) > 0) {
        const int replayed = replay_record(load, -1, &record);
        if (replayed < 0)
            return replayed;
    }
    return r < 0 ? err_note(&load->note, r, "the message at offset %" PRId64 " cannot be read",
                            view.offset)
                 : 0;
}

/* Whole batches of the slice; the last may be cut. */
static int replay_slice(struct coord_load *load, struct bytes slice)
{
    while (slice.size > 0) {
        struct batch_view batch;
        int64_t last_offset = 0;
        const int size = batch_size(slice);
        if (size == -ERR_OVERRUN || (size > 0 && (size_t)size > slice.size))
            return 0;
        int r = size < 0 ? size : batch_parse(slice, &batch);
        if (r == -ERR_VERSION) {
            r = replay_legacy(load, slice, &last_offset);
        } else if (r > 0) {
            last_offset = batch_last_offset(&batch);
            r = replay_batch(load, &batch);
        }
        if (r < 0)
            return load->note.text[0] != '\0'
                       ? r
                       : err_note(&load->note, r, "no batch begins after offset %" PRId64,
                                  load->next_offset - 1);
        load->next_offset = MAX(load->next_offset, last_offset + 1);
        slice = bytes_slice(slice, (size_t)size, SIZE_MAX);
    }
    return 0;
}

static void run(struct io_job *job)
{
    struct coord_load *load = CONTAINER_OF(job, struct coord_load, job);
    if (load->wait.file != NULL) {
        log_wait_run(&load->wait);
        return;
    }
    const int64_t begun_at = load->next_offset;
    uint8_t *bytes = mem_alloc(load->piece.size_bytes);
    const int64_t got =
        io_file_read(load->piece.file, load->piece.position, bytes, load->piece.size_bytes);
    if (got < 0) {
        load->result.error =
            err_note(&load->note, (int)got, "offset %" PRId64 " cannot be read", begun_at);
    } else {
        load->result.bytes += got;
        load->result.error = replay_slice(load, bytes_from(bytes, (size_t)got));
        if (load->result.error == 0 && load->next_offset == begun_at)
            load->result.error =
                err_note(&load->note, -ERR_CORRUPT, "nothing follows at offset %" PRId64, begun_at);
    }
    mem_free(bytes);
    io_file_unref(load->piece.file);
    load->piece = (struct log_piece){ 0 };
}

/* ---- on the loop ------------------------------------------------------------------------------------------ */

static void finish(struct coord_load *load, int error)
{
    load->result.error = error;
    load->result.note = &load->note;
    load->params.done(load->params.context, load->is_disowned ? NULL : load->params.owner,
                      load->params.coordinator, &load->result);
    codec_contexts_free(load->codecs);
    log_wait_deinit(&load->wait);
    mem_free(load);
}

static void next_slice(struct coord_load *load)
{
    const struct partition *p =
        replicas_get(load->params.replicas, load->params.topic_id, load->params.partition);
    if (p == NULL || p->state != PARTITION_ONLINE) {
        finish(load, err_note(&load->note, -ERR_NOT_LEADER, "its log is not open here"));
        return;
    }
    const struct log_offsets *offsets = log_offsets(p->log);
    load->next_offset = MAX(load->next_offset, offsets->start); /* it may have moved up */
    if (load->next_offset >= load->end_offset) {
        finish(load, 0);
        return;
    }
    const struct log_read read = { .offset = load->next_offset,
                                   .end_offset = load->end_offset,
                                   .bytes_max = load->params.slice_bytes,
                                   .min_one = true };
    const int r = log_read(p->log, &read, &load->piece, &load->wait, &load->note);
    if (r < 0 && r != -ERR_WOULD_BLOCK)
        finish(load, r);
    else if (r == 0 && load->piece.size_bytes == 0)
        finish(load, 0); /* only what compaction removed was left */
    else
        io_submit(load->params.io, NULL, &load->job);
}

static void done(struct io_job *job)
{
    struct coord_load *load = CONTAINER_OF(job, struct coord_load, job);
    if (load->result.error < 0 || load->is_disowned)
        finish(load, load->result.error);
    else
        next_slice(load);
}

/* The first step, like every other, is taken on a job's return. */
static void begin_run(struct io_job *job)
{
    (void)job;
}

static void begin_done(struct io_job *job)
{
    struct coord_load *load = CONTAINER_OF(job, struct coord_load, job);
    load->job.run = run;
    load->job.done = done;
    done(job);
}

struct coord_load *coord_load_start(const struct coord_load_params *params)
{
    const struct partition *p = replicas_get(params->replicas, params->topic_id, params->partition);
    ASSERT(p != NULL && p->state == PARTITION_ONLINE);
    struct coord_load *load = MEM_NEW(struct coord_load);
    load->params = *params;
    load->codecs = codec_contexts_new();
    load->end_offset = log_offsets(p->log)->end;
    load->job.run = begin_run;
    load->job.done = begin_done;
    load->job.is_long = true;
    io_submit(params->io, NULL, &load->job);
    return load;
}

void coord_load_disown(struct coord_load *load)
{
    load->is_disowned = true;
}
