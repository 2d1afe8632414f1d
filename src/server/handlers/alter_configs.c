/* AlterConfigs (KIP-133): decided by the controller; answered when this node has applied it. Of brokers a broker
 * takes up only what is for itself. */
#include "metadata/image.h"
#include "server/api_handler.h"
#include "server/controller_link.h"
#include "server/node_resource.h"
#include "wire/messages/alter_configs_request.h"
#include "wire/messages/alter_configs_response.h"

/* What is answered here, and what the controller is asked. Lives in the request's arena. */
struct job {
    struct request *request;
    struct alter_configs_response response; /* of all resources, in their order */
    struct alter_configs_request rest;      /* for the controller */
    int32_t *places;                        /* of the rest, in the response */
};

/* True: the resource is refused. */
static bool refuse_here(struct request *request,
                        const struct alter_configs_request_resource *resource,
                        struct alter_configs_response_resource_response *answer)
{
    if (resource->resource_type != METADATA_CONFIG_BROKER)
        return false;
    struct err_note note = { 0 };
    const enum kafka_error error =
        node_resource_check(request, resource->resource_type, resource->resource_name, &note);
    if (error == KAFKA_NONE)
        return false;
    answer->error_code = (int16_t)error;
    answer->error_message = bytes_from_text(arena_printf(&request->arena, "%s", note.text));
    return true;
}

static void on_answer(void *context, enum kafka_error error, const void *message)
{
    struct job *job = context;
    const struct alter_configs_response *answered = message;
    for (int32_t i = 0; i < job->rest.resources_count; i++) {
        struct alter_configs_response_resource_response *answer =
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

static void handle(struct request *request)
{
    const struct alter_configs_request *asked = request->message;
    const int32_t count = asked->resources_count;
    struct job *job = REQUEST_NEW(request, struct job);
    *job = (struct job){ .request = request,
                         .response = alter_configs_response_default,
                         .rest = *asked };
    job->response.responses =
        alter_configs_response_resource_response_array(&request->arena, (size_t)count);
    job->response.responses_count = count;
    job->rest.resources = REQUEST_NEW_ARRAY(request, struct alter_configs_request_resource, count);
    job->rest.resources_count = 0;
    job->places = REQUEST_NEW_ARRAY(request, int32_t, count);
    for (int32_t i = 0; i < count; i++) {
        struct alter_configs_response_resource_response *answer = &job->response.responses[i];
        answer->resource_type = asked->resources[i].resource_type;
        answer->resource_name = asked->resources[i].resource_name;
        if (refuse_here(request, &asked->resources[i], answer))
            continue;
        job->places[job->rest.resources_count] = i;
        job->rest.resources[job->rest.resources_count++] = asked->resources[i];
    }
    if (job->rest.resources_count == 0) {
        request_reply(request, &job->response);
        return;
    }
    struct controller_link *link = request->shard->controller;
    link->ask(link, request->api->key, request->version, &job->rest, &request->principal, on_answer,
              job);
}

const struct api_handler alter_configs_handler = {
    .api_key = API_ALTER_CONFIGS,
    .listeners = API_ON_BROKER | API_ON_CONTROLLER,
    .handle = handle,
};
