/* See log_rig.h. */
#include "log_rig.h"

#include <string.h>

struct log *log_rig_open(struct sim_disk *disk, struct log_params how)
{
    struct log_config config = LOG_CONFIG_DEFAULT;
    config.index_interval_bytes = 100;
    how.fs = sim_disk_fs(disk);
    how.log_dir = "/";
    how.topic = "t";
    how.config = &config;
    how.now_ms = LOG_RIG_NOW_MS;
    struct log *log;
    struct err_note note;
    ASSERT(log_open(&how, &log, &note) == 0);
    return log;
}

void log_rig_replace_file(struct sim_disk *disk, const char *path, struct bytes content)
{
    struct io_file *file;
    ASSERT(io_file_open(sim_disk_fs(disk), path, IO_OPEN_WRITE | IO_OPEN_TRUNCATE, &file) == 0);
    ASSERT(io_file_write(file, 0, content.data, content.size) == 0);
    ASSERT(io_file_sync(file) == 0);
    io_file_unref(file);
}

struct log_append_result log_rig_append(struct log *log, struct bytes batch, struct log_append how)
{
    struct shared *owner = shared_new(batch.size);
    memcpy(owner->data, batch.data, batch.size);
    how.owner = owner;
    how.records = owner->data;
    how.size_bytes = (uint32_t)owner->size;
    how.now_ms = LOG_RIG_NOW_MS;
    struct log_append_result result;
    log_append_plan(log, &how, &result);
    shared_unref(owner);
    return result;
}

struct log_append_result log_rig_append_record(struct log *log, const struct batch_options *options,
                                               int64_t timestamp_ms, struct bytes value,
                                               struct log_append how)
{
    struct batch_builder builder;
    batch_builder_init(&builder, options);
    ASSERT(batch_builder_add(&builder, timestamp_ms, BYTES_NULL, value, NULL, 0) == 0);
    struct bytes batch;
    ASSERT(batch_builder_finish(&builder, &batch) == 0);
    const struct log_append_result result = log_rig_append(log, batch, how);
    batch_builder_deinit(&builder);
    return result;
}
