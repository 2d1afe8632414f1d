/* Producer ids, handed out from blocks that the controller allocates to this broker (KIP-730).
 *
 * Threads: the shard's. While a block is asked for, those who want an id wait in order.
 */
#pragma once

#include "base/vec.h"
#include "server/shard.h"
#include "wire/kafka_error.h"
#include "wire/messages/allocate_producer_ids_request.h"

struct producer_ids_wait {
    void (*done)(void *context, enum kafka_error error, int64_t producer_id);
    void *context;
};

struct producer_ids {
    struct shard *shard;
    int64_t next; /* of the current block */
    int64_t end;  /* exclusive */
    bool is_asking;
    VEC(struct producer_ids_wait) waits;
    int64_t (*broker_epoch)(
        void *context); /* given by node: allocations name the broker's incarnation */
    void *context;
    struct allocate_producer_ids_request request; /* under way */
};

void producer_ids_init(struct producer_ids *ids, struct shard *shard,
                       int64_t (*broker_epoch)(void *context), void *context);
void producer_ids_deinit(struct producer_ids *ids); /* those who wait hear nothing */

/* `done` is called once, now or later, with an id that nobody else has, or COORDINATOR_LOAD_IN_PROGRESS (retriable). */
void producer_ids_take(struct producer_ids *ids,
                       void (*done)(void *context, enum kafka_error error, int64_t producer_id),
                       void *context);
