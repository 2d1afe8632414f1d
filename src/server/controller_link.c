/* See controller_link.h. */
#include "server/controller_link.h"

static void on_answer(void *context, enum kafka_error error, const void *response)
{
    struct request *request = context;
    void (*failed)(struct request *, enum kafka_error) =
        (void (*)(struct request *, enum kafka_error))request->wait;
    if (error == KAFKA_NONE)
        request_reply(request, response);
    else
        failed(request, error);
}

void forward_to_controller(struct request *request,
                           void (*failed)(struct request *request, enum kafka_error error))
{
    struct controller_link *link = request->shard->controller;
    request->wait = (void *)failed;
    link->ask(link, request->api->key, request->version, request->message, &request->principal,
              on_answer, request);
}
