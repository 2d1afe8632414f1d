/* See producer_ids.h. */
#include "server/producer_ids.h"

#include "server/controller_link.h"
#include "wire/messages/allocate_producer_ids_response.h"

static const struct principal anonymous = { .type = "User", .name = "ANONYMOUS" };

static void serve(struct producer_ids *ids, enum kafka_error error);

static void on_block(void *context, enum kafka_error error, const void *response)
{
    struct producer_ids *ids = context;
    const struct allocate_producer_ids_response *answer = response;
    ids->is_asking = false;
    if (error == KAFKA_NONE)
        error = (enum kafka_error)answer->error_code;
    if (error == KAFKA_NONE) {
        ids->next = answer->producer_id_start;
        ids->end = answer->producer_id_start + answer->producer_id_len;
    } else {
        DIAG_WARN(ids->shard->diag, "producer ids", "no block of producer ids could be had: %s",
                  kafka_error_name((int16_t)error));
    }
    serve(ids, error);
}

static void ask(struct producer_ids *ids)
{
    ids->is_asking = true;
    ids->request = allocate_producer_ids_request_default;
    ids->request.broker_id = ids->shard->node_id;
    ids->request.broker_epoch = ids->broker_epoch(ids->context);
    ids->shard->controller->ask(ids->shard->controller, API_ALLOCATE_PRODUCER_IDS, 0, &ids->request,
                                &anonymous, on_block, ids);
}

/* Gives ids to those who wait. With an error and an empty block they hear what Kafka's hear, whatever the cause, which is in the
 * log: that they may try again. */
static void serve(struct producer_ids *ids, enum kafka_error error)
{
    while (ids->waits.count > 0 && !ids->is_asking) {
        if (ids->next == ids->end && error == KAFKA_NONE) {
            ask(ids);
            return;
        }
        const struct producer_ids_wait wait = ids->waits.items[0];
        VEC_REMOVE_AT(&ids->waits, 0);
        if (ids->next < ids->end)
            wait.done(wait.context, KAFKA_NONE, ids->next++);
        else
            wait.done(wait.context, KAFKA_COORDINATOR_LOAD_IN_PROGRESS, -1);
    }
}

void producer_ids_init(struct producer_ids *ids, struct shard *shard,
                       int64_t (*broker_epoch)(void *context), void *context)
{
    *ids =
        (struct producer_ids){ .shard = shard, .broker_epoch = broker_epoch, .context = context };
}

void producer_ids_deinit(struct producer_ids *ids)
{
    VEC_DEINIT(&ids->waits);
}

void producer_ids_take(struct producer_ids *ids,
                       void (*done)(void *context, enum kafka_error error, int64_t producer_id),
                       void *context)
{
    VEC_ADD(&ids->waits, ((struct producer_ids_wait){ .done = done, .context = context }));
    serve(ids, KAFKA_NONE);
}
