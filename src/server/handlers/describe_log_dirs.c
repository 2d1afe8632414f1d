/* DescribeLogDirs: the log directories, what lies in them and how full they are (KIP-113, KIP-827). */
#include "log/log_dirs.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/topic_lookup.h"
#include "wire/messages/describe_log_dirs_request.h"
#include "wire/messages/describe_log_dirs_response.h"

static bool is_asked(const struct describe_log_dirs_request *asked, const struct partition *p)
{
    if (asked->topics_count < 0)
        return true;
    for (int32_t t = 0; t < asked->topics_count; t++) {
        if (!bytes_equal_text(asked->topics[t].topic, p->topic))
            continue;
        for (int32_t i = 0; i < asked->topics[t].partitions_count; i++) {
            if (asked->topics[t].partitions[i] == p->index)
                return true;
        }
    }
    return false;
}

static uint32_t count_in(const struct replicas *replicas, uint32_t dir)
{
    uint32_t count = 0;
    for (const struct partition *p = NULL; (p = replicas_next(replicas, p)) != NULL;)
        count += p->log != NULL && p->log_dir_index == dir;
    return count;
}

static struct describe_log_dirs_response_topic *
topic_of(struct request *request, struct describe_log_dirs_response_result *out, const char *name,
         uint32_t partitions_max)
{
    for (int32_t t = out->topics_count; t-- > 0;) {
        if (bytes_equal_text(out->topics[t].name, name))
            return &out->topics[t];
    }
    struct describe_log_dirs_response_topic *topic = &out->topics[out->topics_count++];
    topic->name = bytes_from_text(name);
    topic->partitions = describe_log_dirs_response_partition_array(&request->arena, partitions_max);
    return topic;
}

/* Partitions a topic has here at most, so that its array can be made at once. */
static uint32_t partitions_max(const struct shard *shard, const char *name)
{
    const struct metadata_topic *topic =
        metadata_topic_by_name(shard->image, bytes_from_text(name));
    return topic == NULL ? replicas_count(shard->replicas) : metadata_topic_partition_count(topic);
}

static void fill(struct request *request, uint32_t dir,
                 struct describe_log_dirs_response_result *out)
{
    const struct shard *shard = request->shard;
    const struct log_dir *log_dir = log_dirs_at(shard->log_dirs, dir);
    out->log_dir = bytes_from_text(log_dir->path);
    if (!log_dir->is_online) {
        out->error_code = KAFKA_KAFKA_STORAGE_ERROR;
        return;
    }
    struct io_fs *fs = io_get_fs(shard->io);
    out->total_bytes = MAX(io_fs_total_bytes(fs, log_dir->path), (int64_t)-1);
    out->usable_bytes = MAX(io_fs_free_bytes(fs, log_dir->path), (int64_t)-1);
    out->topics =
        describe_log_dirs_response_topic_array(&request->arena, count_in(shard->replicas, dir));
    for (const struct partition *p = NULL; (p = replicas_next(shard->replicas, p)) != NULL;) {
        if (p->log == NULL || p->log_dir_index != dir || !is_asked(request->message, p))
            continue;
        struct describe_log_dirs_response_topic *topic =
            topic_of(request, out, p->topic, partitions_max(shard, p->topic));
        struct describe_log_dirs_response_partition *partition =
            &topic->partitions[topic->partitions_count++];
        partition->partition_index = p->index;
        partition->partition_size = log_size_bytes(p->log);
        partition->offset_lag = MAX(p->high_watermark - log_offsets(p->log)->end, (int64_t)0);
    }
}

static void handle(struct request *request)
{
    struct describe_log_dirs_response response = describe_log_dirs_response_default;
    if (!authorize(request, ACL_DESCRIBE, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster"))) {
        response.error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        request_reply(request, &response);
        return;
    }
    const uint32_t count = log_dirs_count(request->shard->log_dirs);
    response.results = describe_log_dirs_response_result_array(&request->arena, count);
    response.results_count = (int32_t)count;
    for (uint32_t dir = 0; dir < count; dir++)
        fill(request, dir, &response.results[dir]);
    request_reply(request, &response);
}

const struct api_handler describe_log_dirs_handler = {
    .api_key = API_DESCRIBE_LOG_DIRS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
