/* DescribeLogDirs: the log directories, what lies in them and how full they are (KIP-113, KIP-827). */
#include "base/map.h"
#include "log/dirs/log_dirs.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/topic_lookup.h"
#include "wire/messages/describe_log_dirs_request.h"
#include "wire/messages/describe_log_dirs_response.h"

/* One directory's part of the answer, in the making. */
struct filling {
    struct request *request;
    const struct map_i64 *asked; /* struct partition, by its address; NULL: all are */
    struct describe_log_dirs_response_result *out;
    struct map topics; /* name → its place in `out` + 1, as a pointer */
};

/* The partitions asked for that are here. */
static void find_asked(const struct request *request, struct map_i64 *out)
{
    const struct describe_log_dirs_request *asked = request->message;
    const struct shard *shard = request->shard;
    for (int32_t t = 0; t < asked->topics_count; t++) {
        const struct metadata_topic *topic =
            metadata_topic_by_name(shard->image, asked->topics[t].topic);
        for (int32_t i = 0; topic != NULL && i < asked->topics[t].partitions_count; i++) {
            struct partition *p =
                replicas_get(shard->replicas, topic->id, asked->topics[t].partitions[i]);
            if (p != NULL)
                (void)map_i64_put(out, (int64_t)(intptr_t)p, p);
        }
    }
}

static bool is_asked(const struct filling *filling, const struct partition *p)
{
    return filling->asked == NULL || map_i64_get(filling->asked, (int64_t)(intptr_t)p) != NULL;
}

static uint32_t count_in(const struct replicas *replicas, uint32_t dir)
{
    uint32_t count = 0;
    for (const struct partition *p = NULL; (p = replicas_next(replicas, p)) != NULL;)
        count += p->log != NULL && p->log_dir_index == dir;
    return count;
}

/* Partitions a topic has here at most, so that its array can be made at once. */
static uint32_t partitions_max(const struct shard *shard, const char *name)
{
    const struct metadata_topic *topic =
        metadata_topic_by_name(shard->image, bytes_from_text(name));
    return topic == NULL ? replicas_count(shard->replicas) : metadata_topic_partition_count(topic);
}

static struct describe_log_dirs_response_topic *topic_of(struct filling *filling, const char *name)
{
    struct describe_log_dirs_response_result *out = filling->out;
    const struct bytes key = bytes_from_text(name);
    const uintptr_t place = (uintptr_t)map_get(&filling->topics, key);
    if (place != 0)
        return &out->topics[place - 1];
    struct describe_log_dirs_response_topic *topic = &out->topics[out->topics_count++];
    topic->name = key;
    topic->partitions = describe_log_dirs_response_partition_array(
        &filling->request->arena, partitions_max(filling->request->shard, name));
    (void)map_put(&filling->topics, key, (void *)(uintptr_t)out->topics_count);
    return topic;
}

static void fill_topics(struct filling *filling, uint32_t dir)
{
    const struct shard *shard = filling->request->shard;
    map_init(&filling->topics, shard->hash_seed);
    filling->out->topics = describe_log_dirs_response_topic_array(&filling->request->arena,
                                                                  count_in(shard->replicas, dir));
    for (const struct partition *p = NULL; (p = replicas_next(shard->replicas, p)) != NULL;) {
        if (p->log == NULL || p->log_dir_index != dir || !is_asked(filling, p))
            continue;
        struct describe_log_dirs_response_topic *topic = topic_of(filling, p->topic);
        struct describe_log_dirs_response_partition *partition =
            &topic->partitions[topic->partitions_count++];
        partition->partition_index = p->index;
        partition->partition_size = log_size_bytes(p->log);
        partition->offset_lag = MAX(p->high_watermark - log_offsets(p->log)->end, (int64_t)0);
    }
    map_deinit(&filling->topics);
}

static void fill(struct request *request, const struct map_i64 *asked, uint32_t dir,
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
    struct filling filling = { .request = request, .asked = asked, .out = out };
    fill_topics(&filling, dir);
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
    const struct describe_log_dirs_request *message = request->message;
    struct map_i64 asked;
    map_i64_init(&asked, request->shard->hash_seed);
    find_asked(request, &asked);
    for (uint32_t dir = 0; dir < count; dir++) {
        if (!log_dirs_at(request->shard->log_dirs, dir)->is_for_metadata)
            fill(request, message->topics_count < 0 ? NULL : &asked, dir,
                 &response.results[response.results_count++]);
    }
    map_i64_deinit(&asked);
    request_reply(request, &response);
}

const struct api_handler describe_log_dirs_handler = {
    .api_key = API_DESCRIBE_LOG_DIRS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
