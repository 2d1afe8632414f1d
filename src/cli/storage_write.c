/* kafka-storage format: the writing.
 *
 * A formatted directory holds meta.properties and bootstrap.checkpoint, and an empty recovery-point-offset-checkpoint
 * (Apache Kafka leaves that to the first start); the metadata directory of a controller whose
 * voters are dynamic (KIP-853) also __cluster_metadata-0/00000000000000000000-0000000000.checkpoint. meta.properties
 * is written last, so that a directory which was formatted half counts as not formatted.
 */
#include "base/mem.h"
#include "cli/storage.h"
#include "log/dirs/log_dirs.h"
#include "log/dirs/meta_properties.h"
#include "raft/snapshot.h"
#include "wire/messages/feature_level_record.h"
#include "wire/record_frame.h"

#include <string.h>

#define CLUSTER_METADATA_NAME "__cluster_metadata-0"

static void print_records(const struct storage_plan *f)
{
    cli_out(f->context, "Bootstrap metadata: BootstrapMetadata(records=[");
    for (uint32_t i = 0; i < f->record_count; i++) {
        const struct feature_level_record *record = f->records[i].value;
        cli_out(f->context,
                "%sApiMessageAndVersion(FeatureLevelRecord(name='%.*s', featureLevel=%d) at "
                "version %d)",
                i == 0 ? "" : ", ", BYTES_PRINTF(record->name), record->feature_level,
                f->records[i].version);
    }
    cli_out(f->context, "], metadataVersionLevel=%d, source=format command)\n", f->metadata_level);
}

static int encode_records(struct storage_plan *f, struct bytes *values, struct err_note *note)
{
    for (uint32_t i = 0; i < f->record_count; i++) {
        const struct metadata_record *record = &f->records[i];
        const int64_t size =
            record_frame_size(record->message, record->version, record->value, note);
        if (size < 0)
            return (int)size;
        struct buf buf;
        buf_init(&buf, (size_t)size);
        struct writer w = writer_to(&buf);
        const int r =
            record_frame_encode(record->message, record->version, record->value, &w, note);
        if (r == 0)
            values[i] = bytes_from(arena_dup(&f->arena, buf.data, buf.size), buf.size);
        buf_deinit(&buf);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_file(struct storage_plan *f, const char *directory, const char *name,
                      const struct buf *content, struct err_note *note)
{
    const char *path = arena_printf(&f->arena, "%s/%s", directory, name);
    const int r = buf_is_ok(content)
                      ? io_fs_replace(io_get_fs(f->context->io), path, buf_view(content))
                      : -ERR_LIMIT;
    return r < 0 ? err_note(note, r, "%s cannot be written: %s", path, err_sentence(r)) : 0;
}

static int write_bootstrap(struct storage_plan *f, const char *directory, struct err_note *note)
{
    struct bytes *values = ARENA_NEW_ARRAY(&f->arena, struct bytes, f->record_count);
    int r = encode_records(f, values, note);
    if (r < 0)
        return r;
    struct buf content;
    buf_init(&content, STORAGE_BOOTSTRAP_BYTES_MAX);
    snapshot_print_bootstrap(values, f->record_count, io_now_ms(f->context->io), &content);
    r = write_file(f, directory, "bootstrap.checkpoint", &content, note);
    buf_deinit(&content);
    return r;
}

static int write_voters(struct storage_plan *f, const char *directory, struct err_note *note)
{
    const char *log = arena_printf(&f->arena, "%s/" CLUSTER_METADATA_NAME, directory);
    int r = io_fs_make_directories(io_get_fs(f->context->io), log);
    if (r < 0)
        return err_note(note, r, "%s cannot be made: %s", log, err_sentence(r));
    char name[SNAPSHOT_NAME_SIZE];
    snapshot_name((struct snapshot_id){ .end_offset = 0, .epoch = 0 }, "", name);
    struct buf content;
    buf_init(&content, STORAGE_BOOTSTRAP_BYTES_MAX);
    snapshot_print_voters(&f->voters, io_now_ms(f->context->io), &content);
    r = write_file(f, log, name, &content, note);
    buf_deinit(&content);
    return r;
}

static bool is_empty(struct io_fs *fs, const char *directory)
{
    struct io_names names;
    if (io_fs_list(fs, directory, 1, &names) < 0) /* more than one: -ERR_LIMIT */
        return false;
    const bool is_empty = names.count == 0;
    io_names_deinit(&names);
    return is_empty;
}

static int format_directory(struct storage_plan *f, const char *directory, struct err_note *note)
{
    const bool is_metadata = strcmp(directory, f->directories.metadata) == 0;
    const bool has_voters = is_metadata && f->is_dynamic;
    const char *kind = !is_metadata                                      ? "data"
                       : !has_voters                                     ? "metadata"
                       : raft_voters_get(&f->voters, f->node_id) != NULL ? "dynamic metadata voter"
                                                                         : "dynamic metadata";
    cli_out(f->context, "Formatting %s directory %s with metadata.version %s.\n", kind, directory,
            metadata_level_name(f->metadata_level));
    struct io_fs *fs = io_get_fs(f->context->io);
    int r = io_fs_make_directories(fs, directory);
    if (r < 0)
        return err_note(note, r, "%s cannot be made: %s", directory, err_sentence(r));
    if (is_empty(fs, directory))
        r = log_dir_begin(fs, directory, note);
    if (r == 0)
        r = write_bootstrap(f, directory, note);
    if (r == 0 && has_voters)
        r = write_voters(f, directory, note);
    if (r < 0)
        return r;
    struct meta_properties meta = {
        .version = 1,
        .node_id = f->node_id,
        .directory_id = is_metadata ? f->own_id : io_random_uuid(f->context->io),
    };
    const char *cluster_id = cli_text(f->options, "cluster-id", "");
    memcpy(meta.cluster_id, cluster_id, strlen(cluster_id) + 1);
    return meta_properties_write(fs, directory, &meta, io_now_ms(f->context->io), note);
}

int storage_write(struct storage_plan *f, struct err_note *note)
{
    if (f->unformatted.count == 0) {
        cli_out(f->context, "All of the log directories are already formatted.\n");
        return 0;
    }
    print_records(f);
    int r = 0;
    for (size_t i = 0; r == 0 && i < f->unformatted.count; i++)
        r = format_directory(f, f->unformatted.items[i], note);
    return r;
}
