/* See coord_log.h. */
#include "server/coord_log.h"

#include "base/mem.h"
#include "metadata/image.h"
#include "replica/replicas.h"
#include "server/coord_load.h"
#include "wire/batch.h"

#include <string.h>

/* Partitions that are read at once: each holds a slice in memory. */
#define LOADS_MAX 4

/* An append that is under way. Outlives its log. */
struct write_wait {
    struct append_wait wait;
    struct list link;      /* in logs->waits */
    struct coord_log *log; /* NULL: it has gone */
    uint64_t write_id;
};

/* ---- of one log ------------------------------------------------------------------------------------- */

static struct partition *partition_of(const struct coord_log *log)
{
    return replicas_get(log->logs->shard->replicas, log->topic_id, log->partition);
}

uint32_t coord_log_batch_bytes_max(const struct coord_log *log, uint32_t otherwise)
{
    const struct partition *p = partition_of(log);
    return p != NULL && p->log != NULL ? log_config(p->log)->message_bytes_max : otherwise;
}

int32_t coord_log_epoch(const struct coord_log *log)
{
    const struct partition *p = partition_of(log);
    return p == NULL ? -1 : p->leader_epoch;
}

void coord_log_arm(struct coord_log *log, int64_t deadline_ms)
{
    struct io *io = log->logs->shard->io;
    if (deadline_ms == INT64_MAX)
        io_timer_cancel(io, &log->timer);
    else
        io_timer_arm(io, &log->timer, deadline_ms * NS_PER_MS);
}

static void on_timer(struct io_timer *timer)
{
    struct coord_log *log = CONTAINER_OF(timer, struct coord_log, timer);
    log->logs->kind->on_timer(log);
}

/* ---- appending ------------------------------------------------------------------------------------------ */

static void on_written(struct append_wait *wait, enum kafka_error error)
{
    struct write_wait *write = CONTAINER_OF(wait, struct write_wait, wait);
    struct coord_log *log = write->log;
    const uint64_t write_id = write->write_id;
    list_remove(&write->link);
    mem_free(write);
    if (log != NULL)
        log->logs->kind->on_appended(log, write_id, error);
}

/* One batch as Apache Kafka's coordinators write it. */
static struct shared *build_batch(const struct coord_log *log, const struct coord_append *append)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec = log->logs->codec;
    options.base_sequence = log->logs->kind->base_sequence;
    if (append->transaction != NULL) {
        options.attributes = BATCH_TRANSACTIONAL;
        options.producer_id = append->transaction->producer_id;
        options.producer_epoch = append->transaction->producer_epoch;
    }
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    const int64_t now_ms = io_now_ms(log->logs->shard->io);
    int r = 0;
    for (uint32_t i = 0; i < append->record_count && r == 0; i++)
        r = batch_builder_add(&builder, now_ms, append->records[i].key, append->records[i].value,
                              NULL, 0);
    struct bytes whole = BYTES_NULL;
    if (r == 0)
        r = batch_builder_finish(&builder, &whole);
    struct shared *batch = NULL;
    if (r == 0) {
        batch = shared_new(whole.size);
        memcpy(batch->data, whole.data, whole.size);
    }
    batch_builder_deinit(&builder);
    return batch;
}

static enum kafka_error append_batch(const struct coord_log *log, struct partition *p,
                                     const struct coord_append *decided, struct append_wait *wait)
{
    struct shared *batch = build_batch(log, decided);
    if (batch == NULL)
        return KAFKA_MESSAGE_TOO_LARGE;
    const struct log_append planned = {
        .owner = batch,
        .records = batch->data,
        .size_bytes = (uint32_t)batch->size,
        .origin = LOG_ORIGIN_COORDINATOR,
        .now_ms = io_now_ms(log->logs->shard->io),
        .verification_guard =
            decided->transaction == NULL ? 0 : decided->transaction->verification_guard,
        .transaction_version = -1,
    };
    struct log_append_result result;
    partition_append(p, &planned, wait, &result);
    shared_unref(batch);
    return result.error;
}

static enum kafka_error append_marker(const struct coord_log *log, struct partition *p,
                                      const struct coord_transaction *end, struct append_wait *wait)
{
    const struct partition_marker marker = { .producer_id = end->producer_id,
                                             .producer_epoch = end->producer_epoch,
                                             .coordinator_epoch = end->coordinator_epoch,
                                             .transaction_version = end->transaction_version,
                                             .is_commit = end->is_commit,
                                             .now_ms = io_now_ms(log->logs->shard->io) };
    struct log_append_result result;
    partition_end_transaction(p, &marker, wait, &result);
    return result.error;
}

static enum kafka_error append(struct coord_log *log, const struct coord_append *decided)
{
    struct coord_logs *logs = log->logs;
    struct partition *p = partition_of(log);
    if (p == NULL)
        return KAFKA_NOT_LEADER_OR_FOLLOWER;
    struct write_wait *write = MEM_NEW(struct write_wait);
    *write = (struct write_wait){ .wait = { .is_all = true, .done = on_written },
                                  .log = log,
                                  .write_id = decided->write_id };
    const struct coord_transaction *transaction = decided->transaction;
    const enum kafka_error error = transaction != NULL && transaction->is_end
                                       ? append_marker(log, p, transaction, &write->wait)
                                       : append_batch(log, p, decided, &write->wait);
    if (error != KAFKA_NONE) {
        mem_free(write);
        return error;
    }
    list_push_back(&logs->waits, &write->link);
    return KAFKA_NONE;
}

bool coord_log_append(struct coord_log *log, const struct coord_append *appends, size_t count,
                      uint64_t *out_failed_id, enum kafka_error *out_error)
{
    for (size_t i = 0; i < count; i++) {
        *out_error = append(log, &appends[i]);
        *out_failed_id = appends[i].write_id;
        if (*out_error != KAFKA_NONE)
            return false;
    }
    return true;
}

void coord_log_print(const struct coord_log *log, const struct coord_lines *lines)
{
    const struct coord_logs *logs = log->logs;
    for (size_t i = 0; i < lines->items.count; i++)
        diag_print(logs->shard->diag, lines->items.items[i].level, logs->kind->logger, "%s",
                   lines->items.items[i].text);
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

static void tell_loaded(struct coord_logs *logs)
{
    if (logs->load_count > 0 || logs->loaded_count == 0)
        return;
    const int64_t took_ns = io_monotonic_ns(logs->shard->io) - logs->load_begun_ns;
    DIAG_INFO(logs->shard->diag, logs->kind->logger,
              "%u partitions of %s with %" PRIu64 " records are loaded, in %" PRId64 " ms",
              logs->loaded_count, logs->kind->topic, logs->loaded_records, took_ns / NS_PER_MS);
    logs->loaded_count = 0;
    logs->loaded_records = 0;
}

static void close_if_idle(struct coord_logs *logs)
{
    if (!logs->is_closed || logs->load_count > 0 || logs->job_count > 0 || logs->on_closed == NULL)
        return;
    void (*on_closed)(void *context) = logs->on_closed;
    logs->on_closed = NULL;
    on_closed(logs->closed_context);
}

void coord_logs_job_begun(struct coord_logs *logs)
{
    logs->job_count++;
}

void coord_logs_job_ended(struct coord_logs *logs)
{
    logs->job_count--;
    close_if_idle(logs);
}

static void on_loaded(void *context, void *owner, void *coordinator,
                      const struct coord_load_result *result)
{
    struct coord_logs *logs = context;
    struct coord_log *log = owner;
    logs->load_count--;
    if (log == NULL) {
        logs->kind->coordinator_free(coordinator);
    } else {
        log->load = NULL;
        log->state = COORD_LOG_SERVING;
        logs->loaded_count++;
        logs->loaded_records += result->record_count;
        if (result->error < 0)
            DIAG_ERROR(logs->shard->diag, logs->kind->logger,
                       "%s-%d cannot be loaded, its %s are not served: %s", logs->kind->topic,
                       log->partition, logs->kind->things, result->note->text);
        logs->kind->on_loaded(log, result->error >= 0);
    }
    coord_logs_load(logs);
    tell_loaded(logs);
    close_if_idle(logs);
}

static void start_load(struct coord_log *log)
{
    struct coord_logs *logs = log->logs;
    log->coordinator = logs->kind->coordinator_new(log);
    log->state = COORD_LOG_LOADING;
    if (logs->load_count++ == 0)
        logs->load_begun_ns = io_monotonic_ns(logs->shard->io);
    const struct coord_load_params params = {
        .io = logs->shard->io,
        .replicas = logs->shard->replicas,
        .topic_id = log->topic_id,
        .partition = log->partition,
        .slice_bytes = logs->slice_bytes,
        .coordinator = log->coordinator,
        .replay = logs->kind->replay,
        .end_transaction = logs->kind->end_transaction,
        .done = on_loaded,
        .context = logs,
        .owner = log,
    };
    log->load = coord_load_start(&params);
}

void coord_logs_load(struct coord_logs *logs)
{
    LIST_FOR_EACH(&logs->all, link)
    {
        struct coord_log *log = LIST_ENTRY(link, struct coord_log, link);
        if (logs->load_count == LOADS_MAX || logs->is_closed)
            return;
        const struct partition *p = partition_of(log);
        if (log->state == COORD_LOG_WAITING && p != NULL && p->state == PARTITION_ONLINE)
            start_load(log);
    }
}

/* ---- logs that come and go ------------------------------------------------------------------------------------ */

static void open_one(struct coord_logs *logs, int32_t partition)
{
    struct coord_log *log = MEM_NEW(struct coord_log);
    log->logs = logs;
    log->topic_id = logs->topic_id;
    log->partition = partition;
    log->timer.fire = on_timer;
    list_push_back(&logs->all, &log->link);
    logs->by_partition[partition] = log;
    logs->kind->on_open(log);
}

static void free_one(struct coord_log *log)
{
    LIST_FOR_EACH(&log->logs->waits, link)
    {
        struct write_wait *write = LIST_ENTRY(link, struct write_wait, link);
        if (write->log == log)
            write->log = NULL;
    }
    list_remove(&log->link);
    io_timer_cancel(log->logs->shard->io, &log->timer);
    if (log->load != NULL)
        coord_load_disown(log->load);
    else
        log->logs->kind->coordinator_free(log->coordinator);
    log->logs->kind->on_close(log);
    mem_free(log);
}

/* Leadership has gone: everyone who waits is told to look elsewhere. */
static void close_one(struct coord_log *log)
{
    log->logs->by_partition[log->partition] = NULL;
    if (log->state == COORD_LOG_SERVING)
        log->logs->kind->on_unload(log);
    free_one(log);
}

static void close_all(struct coord_logs *logs)
{
    LIST_FOR_EACH(&logs->all, link)
    close_one(LIST_ENTRY(link, struct coord_log, link));
}

static bool is_led_here(const struct coord_logs *logs, const struct metadata_topic *topic,
                        int32_t partition)
{
    const struct metadata_partition *told = metadata_topic_partition(topic, partition);
    return told != NULL && told->leader == logs->shard->node_id;
}

/* Partitions are added, or another topic of that name has taken the place of this one. */
static void resize(struct coord_logs *logs, struct uuid topic_id, int32_t count)
{
    const bool is_same = uuid_equal(topic_id, logs->topic_id);
    if (!is_same || count < logs->partition_count)
        close_all(logs);
    if (count > logs->partition_count || !is_same) {
        logs->by_partition = mem_reallocarray(logs->by_partition, (size_t)MAX(count, 1),
                                              sizeof(*logs->by_partition));
        for (int32_t i = is_same ? logs->partition_count : 0; i < count; i++)
            logs->by_partition[i] = NULL;
    }
    logs->topic_id = topic_id;
    logs->partition_count = count;
}

void coord_logs_follow(struct coord_logs *logs, const struct metadata_image *image)
{
    const struct metadata_topic *topic =
        metadata_topic_by_name(image, bytes_from_text(logs->kind->topic));
    resize(logs, topic == NULL ? UUID_ZERO : topic->id,
           topic == NULL ? 0 : (int32_t)metadata_topic_partition_count(topic));
    for (int32_t i = 0; i < logs->partition_count; i++) {
        struct coord_log *log = logs->by_partition[i];
        const bool is_ours = is_led_here(logs, topic, i);
        if (log != NULL && !is_ours)
            close_one(log);
        else if (log == NULL && is_ours)
            open_one(logs, i);
    }
}

struct coord_log *coord_logs_serving(const struct coord_logs *logs, int32_t partition,
                                     enum kafka_error *out_error)
{
    struct coord_log *log =
        partition < 0 || partition >= logs->partition_count ? NULL : logs->by_partition[partition];
    if (log != NULL && log->state == COORD_LOG_SERVING)
        return log;
    *out_error = log == NULL ? KAFKA_NOT_COORDINATOR : KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    return NULL;
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

void coord_logs_init(struct coord_logs *logs, const struct coord_kind *kind, struct shard *shard,
                     void *owner)
{
    *logs = (struct coord_logs){ .kind = kind, .shard = shard, .owner = owner };
    list_init(&logs->all);
    list_init(&logs->waits);
}

void coord_logs_close(struct coord_logs *logs, void (*done)(void *context), void *context)
{
    logs->is_closed = true;
    logs->on_closed = done;
    logs->closed_context = context;
    close_all(logs);
    close_if_idle(logs);
}

void coord_logs_deinit(struct coord_logs *logs)
{
    LIST_FOR_EACH(&logs->all, link)
    free_one(LIST_ENTRY(link, struct coord_log, link));
    LIST_FOR_EACH(&logs->waits, link)
    mem_free(LIST_ENTRY(link, struct write_wait, link));
    mem_free(logs->by_partition);
}
