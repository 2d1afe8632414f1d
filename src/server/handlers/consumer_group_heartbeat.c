/* ConsumerGroupHeartbeat (KIP-848): see coord/group/consumer_heartbeat.c. Whether an expression is one, a job finds out before. */
#include "coord/group/group_coordinator.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "wire/messages/consumer_group_heartbeat_request.h"

static bool may_see_topics(struct request *request)
{
    const struct consumer_group_heartbeat_request *asked = request->message;
    for (int32_t i = 0; i < asked->subscribed_topic_names_count; i++) {
        if (!authorize(request, ACL_DESCRIBE, ACL_TOPIC, asked->subscribed_topic_names[i]))
            return false;
    }
    return true;
}

/* One with an expression. */
struct beat {
    struct group_ask ask;
    struct io_job job;
    struct err_note fault;
    bool is_well;
};

static void check_run(struct io_job *job)
{
    struct beat *beat = CONTAINER_OF(job, struct beat, job);
    beat->is_well = group_check_regex(beat->ask.request->message, &beat->fault);
}

static void reply(struct group_ask *ask, void *response)
{
    request_reply(ask->request, response);
}

static void check_done(struct io_job *job)
{
    struct beat *beat = CONTAINER_OF(job, struct beat, job);
    struct request *request = beat->ask.request;
    const struct consumer_group_heartbeat_request *asked = request->message;
    if (request->connection == NULL) { /* nobody joins any more */
        request_finish_without_reply(request);
        return;
    }
    if (!beat->is_well)
        beat->ask.regex_fault = beat->fault.text;
    groups_ask(request, groups_partition_of(request->shard, asked->group_id), asked, &beat->ask);
}

static void check_regex(struct request *request)
{
    struct beat *beat = REQUEST_NEW(request, struct beat);
    beat->ask = (struct group_ask){ .request = request, .done = reply };
    beat->job = (struct io_job){ .run = check_run, .done = check_done, .is_long = true };
    io_submit(request->shard->io, NULL, &beat->job);
}

static void handle(struct request *request)
{
    const struct consumer_group_heartbeat_request *asked = request->message;
    if (!groups_serve_consumers(request->shard))
        groups_refuse(request, KAFKA_UNSUPPORTED_VERSION);
    else if (!authorize(request, ACL_READ, ACL_GROUP, asked->group_id))
        groups_refuse(request, KAFKA_GROUP_AUTHORIZATION_FAILED);
    else if (!may_see_topics(request))
        groups_refuse(request, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    else if (asked->subscribed_topic_regex.size > 0)
        check_regex(request);
    else
        groups_forward(request, asked->group_id);
}

const struct api_handler consumer_group_heartbeat_handler = {
    .api_key = API_CONSUMER_GROUP_HEARTBEAT,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
