/* See assignments.h. */
#include "node/assignments.h"

#include "base/mem.h"
#include "log/dirs/log_dirs.h"
#include "metadata/image.h"
#include "replica/replicas.h"
#include "server/controller_link.h"
#include "wire/messages/assign_replicas_to_dirs_request.h"
#include "wire/messages/assign_replicas_to_dirs_response.h"

#include <stdlib.h>

#define GATHER_MS   500
#define REQUEST_MAX 2000 /* replicas in one request */
#define ARENA_MAX   (4u << 20)

static const struct principal anonymous = { .type = "User", .name = "ANONYMOUS" };

static void on_timer(struct io_timer *timer);

void assignments_init(struct assignments *a, struct shard *shard,
                      int64_t (*broker_epoch)(void *context), void *context)
{
    *a = (struct assignments){ .shard = shard,
                               .broker_epoch = broker_epoch,
                               .context = context,
                               .timer = { .fire = on_timer } };
    arena_init(&a->arena, ARENA_MAX);
}

void assignments_stop(struct assignments *a)
{
    io_timer_cancel(a->shard->io, &a->timer);
}

void assignments_deinit(struct assignments *a)
{
    if (a->shard == NULL)
        return;
    assignments_stop(a);
    arena_deinit(&a->arena);
}

static uint32_t directory_count(const struct log_dirs *dirs)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < log_dirs_count(dirs); i++)
        count += !log_dirs_at(dirs, i)->is_for_metadata;
    return count;
}

void assignments_follow(struct assignments *a)
{
    if (directory_count(a->shard->log_dirs) > 1 && !io_timer_is_armed(&a->timer))
        io_timer_arm_after(a->shard->io, &a->timer, GATHER_MS);
}

/* ---- what differs ------------------------------------------------------------------------------ */

/* Where a replica lies. */
struct place {
    struct uuid directory;
    struct uuid topic_id;
    int32_t index;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    int order = uuid_compare(x->directory, y->directory);
    if (order == 0)
        order = uuid_compare(x->topic_id, y->topic_id);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* Whether the metadata has this replica elsewhere; of what they do not have at all there is nothing to tell. */
static bool is_news(const struct shard *shard, const struct partition *p, struct uuid directory)
{
    const struct metadata_topic *topic = metadata_topic_by_id(shard->image, p->topic_id);
    const struct metadata_partition *known =
        topic == NULL ? NULL : metadata_topic_partition(topic, p->index);
    return known != NULL && metadata_partition_has_replica(known, shard->node_id) &&
           !uuid_equal(metadata_partition_directory(known, shard->node_id), directory);
}

/* At most REQUEST_MAX, in order of directory and topic. */
static uint32_t gather(const struct shard *shard, struct place *out)
{
    uint32_t count = 0;
    for (const struct partition *p = replicas_next(shard->replicas, NULL);
         p != NULL && count < REQUEST_MAX; p = replicas_next(shard->replicas, p)) {
        if (p->log == NULL)
            continue;
        const struct uuid directory = log_dirs_at(shard->log_dirs, p->log_dir_index)->id;
        if (!uuid_is_zero(directory) && is_news(shard, p, directory))
            out[count++] = (struct place){ directory, p->topic_id, p->index };
    }
    if (count > 1)
        qsort(out, count, sizeof(*out), by_place);
    return count;
}

/* ---- the request ------------------------------------------------------------------------------- */

/* How many of them, from the first, lie in its directory, and with `of_topic` are of its topic. */
static uint32_t alike(const struct place *places, uint32_t count, bool of_topic)
{
    uint32_t n = 1;
    while (n < count && uuid_equal(places[n].directory, places[0].directory) &&
           (!of_topic || uuid_equal(places[n].topic_id, places[0].topic_id)))
        n++;
    return n;
}

static void fill_directory(struct arena *arena, const struct place *places, uint32_t count,
                           struct assign_replicas_to_dirs_request_directory_data *out)
{
    out->id = places[0].directory;
    out->topics = assign_replicas_to_dirs_request_topic_data_array(arena, count);
    for (uint32_t at = 0; at < count;) {
        const uint32_t n = alike(places + at, count - at, true);
        struct assign_replicas_to_dirs_request_topic_data *topic =
            &out->topics[out->topics_count++];
        topic->topic_id = places[at].topic_id;
        topic->partitions = assign_replicas_to_dirs_request_partition_data_array(arena, n);
        for (uint32_t i = 0; i < n; i++)
            topic->partitions[topic->partitions_count++].partition_index = places[at + i].index;
        at += n;
    }
}

static void on_answer(void *context, enum kafka_error error, const void *response)
{
    struct assignments *a = context;
    const struct assign_replicas_to_dirs_response *answer = response;
    a->is_asking = false;
    if (error == KAFKA_NONE)
        error = (enum kafka_error)answer->error_code;
    if (error == KAFKA_UNSUPPORTED_VERSION)
        return; /* before metadata.version 3.7-IV2 nobody wants to know */
    if (error != KAFKA_NONE || a->has_more)
        assignments_follow(a);
}

static void on_timer(struct io_timer *timer)
{
    struct assignments *a = CONTAINER_OF(timer, struct assignments, timer);
    const struct shard *shard = a->shard;
    if (a->is_asking) {
        assignments_follow(a);
        return;
    }
    arena_reset(&a->arena);
    struct place *places = ARENA_NEW_ARRAY(&a->arena, struct place, REQUEST_MAX);
    const uint32_t count = gather(shard, places);
    if (count == 0)
        return;
    struct assign_replicas_to_dirs_request *request =
        ARENA_NEW(&a->arena, struct assign_replicas_to_dirs_request);
    *request = assign_replicas_to_dirs_request_default;
    request->broker_id = shard->node_id;
    request->broker_epoch = a->broker_epoch(a->context);
    request->directories =
        assign_replicas_to_dirs_request_directory_data_array(&a->arena, LOG_DIRS_MAX);
    for (uint32_t at = 0; at < count;) {
        const uint32_t n = alike(places + at, count - at, false);
        fill_directory(&a->arena, places + at, n,
                       &request->directories[request->directories_count++]);
        at += n;
    }
    a->is_asking = true;
    a->has_more = count == REQUEST_MAX;
    shard->controller->ask(shard->controller, API_ASSIGN_REPLICAS_TO_DIRS, 0, request, &anonymous,
                           on_answer, a);
}
