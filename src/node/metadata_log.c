/* See metadata_log.h. */
#include "node/metadata_log.h"

#include "base/mem.h"
#include "metadata/writer.h"
#include "wire/record_frame.h"

#include <string.h>

#define METADATA_PARTITION     0
#define SNAPSHOTS_MAX          10000
#define READ_BYTES_MAX         (1u << 20)
#define BOOTSTRAP_FILE         "bootstrap.checkpoint"
#define METADATA_SEGMENT_BYTES (1u << 30)
#define METADATA_SEGMENT_MS    (7 * 24 * 3600 * MS_PER_SECOND)

/* ---- snapshots as files ---------------------------------------------------------------------- */

static char *snapshot_path(const struct metadata_log *m, struct snapshot_id id, const char *suffix)
{
    char name[SNAPSHOT_NAME_SIZE];
    snapshot_name(id, suffix, name);
    return mem_printf("%s/%s", m->directory, name);
}

static int64_t read_file(void *context, int64_t position, void *out, size_t size)
{
    return io_file_read(context, position, out, size);
}

/* The snapshot's size and the timestamp in its header: reads its first batch. Where that is damaged they are 0. */
static int stat_snapshot(struct metadata_log *m, struct snapshot_id id, struct snapshot_stat *out,
                         struct err_note *note)
{
    char *path = snapshot_path(m, id, "");
    *out = (struct snapshot_stat){ .id = id };
    *note = (struct err_note){ 0 }; /* the words may be of the one before */
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    int r = io_file_open(io_get_fs(m->io), path, IO_OPEN_READ, &file);
    if (r == 0) {
        struct snapshot_reader reader;
        struct batch_view batch;
        snapshot_reader_init(&reader,
                             (struct snapshot_source){ .read = read_file, .context = file });
        r = snapshot_reader_next_batch(&reader, &batch, note);
        *out = (struct snapshot_stat){ .id = id,
                                       .size_bytes = io_file_size(file),
                                       .last_contained_log_timestamp =
                                           reader.last_contained_log_timestamp };
        snapshot_reader_deinit(&reader);
    }
    if (r < 0)
        r = err_note_prefix(note, r, "snapshot %s", path);
    mem_free(path);
    return r < 0 ? r : 0;
}

static int find_snapshots(struct metadata_log *m, struct err_note *note)
{
    struct io_fs *fs = io_get_fs(m->io);
    struct io_names names;
    int r = io_fs_list(fs, m->directory, 2 * SNAPSHOTS_MAX, &names);
    if (r == -ENOENT)
        return 0; /* a new one */
    if (r < 0)
        return err_note(note, r, "directory %s cannot be listed", m->directory);
    struct err_note damage = { 0 };
    for (uint32_t i = 0; i < names.count; i++) {
        struct snapshot_id id;
        const enum snapshot_file_kind kind =
            snapshot_name_parse(bytes_from_text(names.items[i]), &id);
        if (kind == SNAPSHOT_FILE_WHOLE) {
            /* By name they are in order. The newest is what is loaded; an older one that is damaged harms nobody. */
            if (r < 0)
                DIAG_WARN(m->diag, "metadata", "%s: a newer one is used", damage.text);
            r = stat_snapshot(m, id, VEC_PUSH(&m->snapshots), &damage);
        } else if (kind != SNAPSHOT_FILE_NONE) {
            char *path = mem_printf("%s/%s", m->directory, names.items[i]);
            if (io_fs_unlink(fs, path) < 0)
                DIAG_WARN(m->diag, "metadata", "%s, left by a crash, cannot be removed", path);
            mem_free(path);
        }
    }
    io_names_deinit(&names);
    if (r < 0 && note != NULL)
        *note = damage;
    return r < 0 ? r : 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_log(struct metadata_log *m, const struct metadata_log_params *params,
                    int64_t flushed_offset, struct err_note *note)
{
    struct log_config config = LOG_CONFIG_DEFAULT;
    config.segment_bytes = METADATA_SEGMENT_BYTES;
    config.segment_ms = METADATA_SEGMENT_MS;
    config.cleanup_delete = false; /* the log shrinks by snapshots only */
    config.message_bytes_max = RAFT_BATCH_BYTES_MAX;
    config.file_delete_delay_ms = 0;
    const struct log_params log_params = {
        .fs = io_get_fs(params->io),
        .log_dir = params->log_dir,
        .topic = METADATA_TOPIC_NAME,
        .partition = METADATA_PARTITION,
        .config = &config,
        .create = true,
        .had_clean_shutdown = false,
        .is_always_recovered = true,
        .flushed_offset = flushed_offset,
        .now_ms = io_now_ms(params->io),
        .seed = params->seed,
    };
    const int r = log_open(&log_params, &m->log, note);
    if (r < 0)
        return r;
    const struct log_recovery mended = log_recovery(m->log);
    for (uint32_t i = 0; i < mended.note_count; i++)
        DIAG_WARN(m->diag, "metadata", "%s", mended.notes[i].text);
    if (mended.more_count > 0)
        DIAG_WARN(m->diag, "metadata", "%s: and %" PRIu32 " more of these", m->directory,
                  mended.more_count);
    const int64_t end = log_offsets(m->log)->planned_end;
    if (end < flushed_offset)
        return err_note(note, -ERR_CORRUPT,
                        "%s ends at offset %" PRId64 ", where everything up to offset %" PRId64
                        " had been flushed",
                        m->directory, end, flushed_offset);
    return 0;
}

/* Below what offset nothing may be missing in the log: the checkpoint tells, or, since that may be lost, the names in its directory.
 * What a snapshot holds the log need not hold; but where some of it is left, and ends before the snapshot, what came behind the
 * snapshot is gone with the rest. */
static int find_flushed(struct metadata_log *m, int64_t committed_offset, int64_t snapshot_end,
                        int64_t *out, struct err_note *note)
{
    struct log_reach reach;
    const int r = log_find_reach(io_get_fs(m->io), m->directory, &reach, note);
    *out = MAX(committed_offset, reach.flushed_offset);
    if (*out <= snapshot_end)
        *out = reach.has_bytes ? snapshot_end : 0;
    return r;
}

int metadata_log_open(struct metadata_log *m, const struct metadata_log_params *params,
                      const struct log_owner *owner, struct err_note *note)
{
    *m = (struct metadata_log){ .io = params->io, .diag = params->diag };
    m->directory = mem_printf("%s/%s-%d", params->log_dir, METADATA_TOPIC_NAME, METADATA_PARTITION);
    int r = find_snapshots(m, note);
    const int64_t snapshot_end =
        m->snapshots.count == 0 ? 0 : m->snapshots.items[m->snapshots.count - 1].id.end_offset;
    int64_t flushed_offset = 0;
    if (r == 0)
        r = find_flushed(m, params->committed_offset, snapshot_end, &flushed_offset, note);
    if (r == 0)
        r = open_log(m, params, flushed_offset, note);
    /* A crash while the log shrank to what is behind a snapshot may leave nothing of it. */
    if (r == 0 && log_offsets(m->log)->planned_end < snapshot_end)
        r = log_truncate_fully(m->log, snapshot_end, snapshot_end, io_now_ms(m->io), note);
    if (r < 0) {
        metadata_log_abandon(m);
        return r;
    }
    log_attach(m->log, params->files, owner);
    m->is_attached = true;
    return 0;
}

void metadata_log_detach(struct metadata_log *m, void (*then)(void *context, struct log *log),
                         void *context)
{
    m->is_attached = false;
    log_detach(TAKE(m->log), then, context);
}

static void on_detached(void *context, struct log *log)
{
    (void)context;
    log_abandon(log);
}

void metadata_log_abandon(struct metadata_log *m)
{
    if (m->is_attached)
        log_detach(m->log, on_detached, NULL);
    else
        log_abandon(m->log);
    mem_free(m->directory);
    VEC_DEINIT(&m->snapshots);
    *m = (struct metadata_log){ 0 };
}

char *metadata_log_quorum_state_path(const struct metadata_log *m)
{
    return mem_printf("%s/%s", m->directory, QUORUM_STATE_FILE);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Calls `on_batch` for each whole batch of [from, to). */
static int each_batch(struct metadata_log *m, int64_t from, int64_t to,
                      int (*on_batch)(void *context, const struct batch_view *batch,
                                      struct err_note *note),
                      void *context, struct err_note *note)
{
    struct arena arena;
    arena_init(&arena, 4 * (size_t)RAFT_BATCH_BYTES_MAX);
    int r = 0;
    while (from < to && r == 0) {
        const struct log_read read = {
            .offset = from,
            .end_offset = to,
            .bytes_max = READ_BYTES_MAX,
            .min_one = true,
            .may_sleep = true,
            .copy_max = UINT32_MAX,
            .arena = &arena,
        };
        struct log_piece piece = { 0 };
        struct log_wait wait = { 0 };
        r = log_read(m->log, &read, &piece, &wait, note);
        if (r < 0)
            break;
        struct bytes left = bytes_from(piece.data, piece.size_bytes);
        const int64_t before = from;
        struct batch_view batch;
        while (r == 0 && from < to && batch_parse(left, &batch) > 0) {
            left = bytes_slice(left, batch.bytes.size, left.size - batch.bytes.size);
            if (batch_last_offset(&batch) < from)
                continue;
            r = on_batch(context, &batch, note);
            from = batch_last_offset(&batch) + 1;
        }
        if (r == 0 && from == before)
            r = err_note(note, -ERR_CORRUPT, "%s: no whole batch at offset %" PRId64, m->directory,
                         from);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return r;
}

struct replay {
    struct metadata_loader *loader;
    const struct snapshot_stat *snapshot; /* NULL: batches of the log */
    int64_t bytes;
};

static struct metadata_provenance provenance_of(const struct snapshot_stat *snapshot)
{
    return (struct metadata_provenance){
        .offset = snapshot->id.end_offset - 1,
        .epoch = snapshot->id.epoch,
        .timestamp_ms = snapshot->last_contained_log_timestamp,
    };
}

static int replay_batch(void *context, const struct batch_view *batch, struct err_note *note)
{
    struct replay *replay = context;
    struct metadata_provenance where = {
        .offset = batch_last_offset(batch),
        .epoch = batch->leader_epoch,
        .timestamp_ms = batch->max_timestamp,
    };
    if (replay->snapshot != NULL)
        where = provenance_of(replay->snapshot);
    replay->bytes += (int64_t)batch->bytes.size;
    if ((batch->attributes & BATCH_CONTROL) != 0) {
        metadata_loader_skip(replay->loader, where);
        return 0;
    }
    struct record_walk walk;
    struct record record;
    record_walk_init(&walk, batch, NULL, RAFT_BATCH_BYTES_MAX);
    int r;
    while ((r = record_walk_next(&walk, &record)) > 0) {
        if (replay->snapshot == NULL)
            where.offset = record.offset;
        r = metadata_loader_replay_bytes(replay->loader, where, record.value, note);
        if (r < 0)
            break;
    }
    record_walk_deinit(&walk);
    return r;
}

int metadata_log_replay(struct metadata_log *m, int64_t from, int64_t to,
                        struct metadata_loader *loader, int64_t *out_bytes, struct err_note *note)
{
    struct replay replay = { .loader = loader };
    const int r = each_batch(m, from, to, replay_batch, &replay, note);
    if (r == 0)
        *out_bytes = replay.bytes;
    return r;
}

static int feed_raft(void *context, const struct batch_view *batch, struct err_note *note)
{
    return raft_load_batch(context, batch, false, note);
}

static int load_snapshot_batch(const struct batch_view *batch, struct raft *raft,
                               struct metadata_loader *loader, const struct snapshot_stat *snapshot,
                               struct err_note *note)
{
    int r = raft_load_batch(raft, batch, true, note);
    if (r < 0 || (batch->attributes & BATCH_CONTROL) != 0)
        return r;
    struct replay replay = { .loader = loader, .snapshot = snapshot };
    return replay_batch(&replay, batch, note);
}

static int load_snapshot(struct metadata_log *m, const struct snapshot_stat *snapshot,
                         struct raft *raft, struct metadata_loader *loader, struct err_note *note)
{
    char *path = snapshot_path(m, snapshot->id, "");
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    int r = io_file_open(io_get_fs(m->io), path, IO_OPEN_READ, &file);
    if (r == 0) {
        struct snapshot_reader reader;
        struct batch_view batch;
        snapshot_reader_init(&reader,
                             (struct snapshot_source){ .read = read_file, .context = file });
        while ((r = snapshot_reader_next_batch(&reader, &batch, note)) > 0) {
            r = load_snapshot_batch(&batch, raft, loader, snapshot, note);
            if (r < 0)
                break;
        }
        snapshot_reader_deinit(&reader);
    }
    if (r < 0)
        r = err_note_prefix(note, r, "snapshot %s", path);
    mem_free(path);
    if (r == 0)
        metadata_loader_skip(loader,
                             provenance_of(snapshot)); /* also where the snapshot has no records */
    return r;
}

int metadata_log_load(struct metadata_log *m, struct raft *raft, struct metadata_loader *loader,
                      struct raft_start *out_start, struct err_note *note)
{
    const struct log_offsets *offsets = log_offsets(m->log);
    struct raft_start start = {
        .log_start_offset = offsets->start,
        .log_end_offset = offsets->planned_end,
        .flushed_end_offset = offsets->start, /* what recovery found is flushed before it counts */
        .log_end_epoch = MAX(log_epoch_latest(m->log), 0),
    };
    int64_t from = offsets->start;
    if (m->snapshots.count > 0) {
        const struct snapshot_stat *newest = &m->snapshots.items[m->snapshots.count - 1];
        const int r = load_snapshot(m, newest, raft, loader, note);
        if (r < 0)
            return r;
        from = MAX(from, newest->id.end_offset);
        start.log_end_epoch = MAX(start.log_end_epoch, newest->id.epoch);
    } else if (from > 0) {
        return err_note(note, -ERR_CORRUPT,
                        "%s begins at offset %" PRId64
                        ", but there is no snapshot of what came before",
                        m->directory, from);
    }
    int r = each_batch(m, from, offsets->end, feed_raft, raft, note);
    if (r < 0)
        return r;

    char *path = metadata_log_quorum_state_path(m);
    uint8_t *text = NULL;
    size_t size = 0;
    r = io_fs_read_whole(io_get_fs(m->io), path, QUORUM_STATE_SIZE_BYTES_MAX, &text, &size);
    if (r < 0 && r != -ENOENT)
        r = err_note(note, r, "%s cannot be read", path);
    mem_free(path);
    if (r < 0 && r != -ENOENT)
        return r;
    start.quorum_state = text == NULL ? BYTES_NULL : bytes_from(text, size);
    *out_start = start;
    return 0;
}

int metadata_log_bootstrap(struct metadata_log *m, const char *log_dir, struct arena *arena,
                           struct metadata_record **out, uint32_t *out_count, struct err_note *note)
{
    char *path = mem_printf("%s/%s", log_dir, BOOTSTRAP_FILE);
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    VEC(struct metadata_record) records = { 0 };
    int r = io_file_open(io_get_fs(m->io), path, IO_OPEN_READ, &file);
    if (r == 0) {
        struct snapshot_reader reader;
        struct bytes value;
        snapshot_reader_init(&reader,
                             (struct snapshot_source){ .read = read_file, .context = file });
        while ((r = snapshot_reader_next(&reader, &value, note)) > 0) {
            struct framed_record framed;
            value.data = arena_dup(arena, value.data, value.size);
            r = record_frame_decode(WIRE_KIND_METADATA_RECORD, value, arena, &framed, note);
            if (r < 0)
                break;
            VEC_ADD(&records, ((struct metadata_record){ .message = framed.message,
                                                         .version = framed.version,
                                                         .value = framed.value }));
        }
        snapshot_reader_deinit(&reader);
    }
    if (r == -ENOENT)
        r = 0;
    if (r < 0) {
        r = err_note_prefix(note, r, "%s", path);
    } else {
        *out = arena_dup(arena, records.items, records.count * sizeof(*records.items));
        *out_count = (uint32_t)records.count;
    }
    VEC_DEINIT(&records);
    mem_free(path);
    return r;
}

/* ---- writing snapshots ----------------------------------------------------------------------- */

struct snapshot_job {
    struct io_job job;
    struct metadata_log *log;
    struct metadata_image *image;
    struct raft_voters voters;
    struct snapshot_header header;
    int64_t wall_ms;
    struct io_file *file;
    int64_t position;
    struct snapshot_writer writer;
    struct buf value;
    int result;
    bool has_leftover; /* the unfinished file could not be removed */
    void (*done)(void *context, int error);
    void *context;
};

static int put_bytes(void *context, struct bytes bytes)
{
    struct snapshot_job *s = context;
    const int r = io_file_write(s->file, s->position, bytes.data, bytes.size);
    s->position += (int64_t)bytes.size;
    return r;
}

static int put_record(void *context, const struct metadata_record *record)
{
    struct snapshot_job *s = context;
    buf_clear(&s->value);
    struct writer w = writer_to(&s->value);
    const int r = record_frame_encode(record->message, record->version, record->value, &w, NULL);
    return r < 0 ? r : snapshot_writer_add(&s->writer, buf_view(&s->value));
}

static int write_records(struct snapshot_job *s)
{
    const struct snapshot_sink sink = { .put = put_bytes, .context = s };
    int r = snapshot_writer_open(&s->writer, &s->header, s->wall_ms, sink);
    if (r == 0)
        r = metadata_image_write(s->image,
                                 (struct metadata_sink){ .put = put_record, .context = s });
    if (r == 0)
        r = snapshot_writer_finish(&s->writer);
    snapshot_writer_deinit(&s->writer);
    return r;
}

static void snapshot_run(struct io_job *job)
{
    struct snapshot_job *s = CONTAINER_OF(job, struct snapshot_job, job);
    struct io_fs *fs = io_get_fs(s->log->io);
    char *part = snapshot_path(s->log, s->header.id, ".part");
    char *whole = snapshot_path(s->log, s->header.id, "");
    s->result = io_file_open(fs, part, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &s->file);
    if (s->result == 0)
        s->result = write_records(s);
    if (s->result == 0)
        s->result = io_file_sync(s->file);
    if (s->result == 0)
        s->result = io_fs_rename(fs, part, whole);
    if (s->result == 0)
        s->result = io_fs_sync_directory(fs, s->log->directory);
    else if (io_fs_unlink(fs, part) < 0)
        s->has_leftover = true; /* the next start removes it */
    io_file_unref(s->file);
    mem_free(part);
    mem_free(whole);
}

static void snapshot_done(struct io_job *job)
{
    struct snapshot_job *s = CONTAINER_OF(job, struct snapshot_job, job);
    if (s->result == 0)
        VEC_ADD(&s->log->snapshots,
                ((struct snapshot_stat){ .id = s->header.id,
                                         .size_bytes = s->position,
                                         .last_contained_log_timestamp =
                                             s->header.last_contained_log_timestamp }));
    s->done(s->context, s->result);
    metadata_image_unref(s->image);
    raft_voters_deinit(&s->voters);
    buf_deinit(&s->value);
    mem_free(s);
}

void metadata_log_write_snapshot(struct metadata_log *m, struct metadata_image *image,
                                 int64_t last_timestamp_ms, const struct raft *raft,
                                 void (*done)(void *context, int error), void *context)
{
    struct snapshot_job *s = MEM_NEW(struct snapshot_job);
    s->job = (struct io_job){ .run = snapshot_run, .done = snapshot_done };
    s->log = m;
    s->image = metadata_image_ref(image);
    s->wall_ms = io_now_ms(m->io);
    s->done = done;
    s->context = context;
    raft_voters_copy(raft_voters(raft), &s->voters);
    s->header = (struct snapshot_header){
        .id = { .end_offset = image->provenance.offset + 1, .epoch = image->provenance.epoch },
        .last_contained_log_timestamp = last_timestamp_ms,
        .kraft_version = raft_kraft_version(raft),
        .voters = &s->voters,
    };
    buf_init(&s->value, RAFT_BATCH_BYTES_MAX);
    io_submit(m->io, NULL, &s->job);
}

/* ---- cleaning -------------------------------------------------------------------------------- */

void metadata_log_clean(struct metadata_log *m, const struct snapshot_settings *settings)
{
    if (m->snapshots.count == 0)
        return;
    const uint32_t count =
        snapshot_plan_deletion(m->snapshots.items, (uint32_t)m->snapshots.count,
                               log_size_bytes(m->log), settings, io_now_ms(m->io));
    for (uint32_t i = 0; i < count; i++) {
        char *path = snapshot_path(m, m->snapshots.items[0].id, "");
        const int r = io_fs_unlink(io_get_fs(m->io), path);
        if (r < 0)
            DIAG_WARN(m->diag, "metadata", "old snapshot %s cannot be removed: %s", path,
                      err_sentence(r));
        mem_free(path);
        VEC_REMOVE_AT(&m->snapshots, 0);
    }
    const int64_t start = m->snapshots.items[0].id.end_offset;
    if (start <= log_offsets(m->log)->start)
        return;
    struct err_note note = { 0 };
    int r = log_advance_start(m->log, start, log_offsets(m->log)->end);
    if (r >= 0)
        r = log_retain(m->log, io_now_ms(m->io), log_offsets(m->log)->end, &note);
    if (r < 0)
        DIAG_WARN(m->diag, "metadata", "the metadata log cannot be shortened: %s: %s",
                  err_sentence(r), note.text);
}
