/* IncrementalAlterConfigs (KIP-339, KIP-412): loggers are this node's own; all else is decided by the controller, and
 * answered when this node has applied it. */
#include "base/map.h"
#include "metadata/image.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/controller_link.h"
#include "server/loggers.h"
#include "server/node_resource.h"
#include "wire/messages/incremental_alter_configs_request.h"
#include "wire/messages/incremental_alter_configs_response.h"

/* What is answered here, and what the controller is asked. Lives in the request's arena. */
struct job {
    struct request *request;
    struct incremental_alter_configs_response response; /* of all resources, in their order */
    struct incremental_alter_configs_request rest;      /* for the controller */
    int32_t *places;                                    /* of the rest, in the response */
    struct map loggers; /* how often each name of such a resource is there, while it is looked at */
};

static struct bytes keep_note(struct request *request, const struct err_note *note)
{
    return note->text[0] == '\0' ? BYTES_NULL
                                 : bytes_from_text(arena_printf(&request->arena, "%s", note->text));
}

static enum kafka_error
alter_loggers(const struct request *request,
              const struct incremental_alter_configs_request_alter_configs_resource *resource,
              struct err_note *note)
{
    const struct incremental_alter_configs_request *asked = request->message;
    if (!authorize(request, ACL_ALTER_CONFIGS, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster")))
        return KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    return loggers_alter(request->shard->loggers, resource->configs, resource->configs_count,
                         asked->validate_only, note);
}

/* True: the resource is answered. */
static bool
answer_here(struct job *job,
            const struct incremental_alter_configs_request_alter_configs_resource *resource,
            struct incremental_alter_configs_response_alter_configs_resource_response *answer)
{
    struct request *request = job->request;
    struct err_note note = { 0 };
    enum kafka_error error =
        node_resource_check(request, resource->resource_type, resource->resource_name, &note);
    const bool is_loggers = resource->resource_type == METADATA_CONFIG_BROKER_LOGGER;
    if (error == KAFKA_NONE &&
        (!is_loggers || map_tally(&job->loggers, resource->resource_name) > 1))
        return false; /* what is named twice is refused by the controller */
    if (error == KAFKA_NONE)
        error = alter_loggers(request, resource, &note);
    answer->error_code = (int16_t)error;
    answer->error_message = keep_note(request, &note);
    return true;
}

static void on_answer(void *context, enum kafka_error error, const void *message)
{
    struct job *job = context;
    const struct incremental_alter_configs_response *answered = message;
    for (int32_t i = 0; i < job->rest.resources_count; i++) {
        struct incremental_alter_configs_response_alter_configs_resource_response *answer =
            &job->response.responses[job->places[i]];
        if (error == KAFKA_NONE) {
            *answer = answered->responses[i];
            continue;
        }
        answer->error_code = (int16_t)error;
        answer->error_message = bytes_from_text(kafka_error_sentence((int16_t)error));
    }
    request_reply(job->request, &job->response);
}

/* Answers here what is of this node, and gathers what is not. */
static void answer_or_pass_on(struct job *job)
{
    struct request *request = job->request;
    const struct incremental_alter_configs_request *asked = request->message;
    map_init(&job->loggers, request->shard->hash_seed);
    for (int32_t i = 0; i < asked->resources_count; i++) {
        if (asked->resources[i].resource_type == METADATA_CONFIG_BROKER_LOGGER)
            map_tally_add(&job->loggers, asked->resources[i].resource_name);
    }
    for (int32_t i = 0; i < asked->resources_count; i++) {
        struct incremental_alter_configs_response_alter_configs_resource_response *answer =
            &job->response.responses[i];
        answer->resource_type = asked->resources[i].resource_type;
        answer->resource_name = asked->resources[i].resource_name;
        if (answer_here(job, &asked->resources[i], answer))
            continue;
        job->places[job->rest.resources_count] = i;
        job->rest.resources[job->rest.resources_count++] = asked->resources[i];
    }
    map_deinit(&job->loggers);
}

static void handle(struct request *request)
{
    const struct incremental_alter_configs_request *asked = request->message;
    const int32_t count = asked->resources_count;
    struct job *job = REQUEST_NEW(request, struct job);
    *job = (struct job){ .request = request,
                         .response = incremental_alter_configs_response_default,
                         .rest = *asked };
    job->response.responses =
        incremental_alter_configs_response_alter_configs_resource_response_array(&request->arena,
                                                                                 (size_t)count);
    job->response.responses_count = count;
    job->rest.resources = REQUEST_NEW_ARRAY(
        request, struct incremental_alter_configs_request_alter_configs_resource, count);
    job->rest.resources_count = 0;
    job->places = REQUEST_NEW_ARRAY(request, int32_t, count);
    answer_or_pass_on(job);
    if (job->rest.resources_count == 0) {
        request_reply(request, &job->response);
        return;
    }
    struct controller_link *link = request->shard->controller;
    link->ask(link, request->api->key, request->version, &job->rest, &request->principal, on_answer,
              job);
}

const struct api_handler incremental_alter_configs_handler = {
    .api_key = API_INCREMENTAL_ALTER_CONFIGS,
    .listeners = API_ON_BROKER | API_ON_CONTROLLER,
    .handle = handle,
};
