/* Inside the producer: what takes records (producer.c), the batches of a partition and their sequences (producer_queue.c), requests
 * and their answers (producer_flight.c), transactions (producer_transaction.c). */
#pragma once

#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"
#include "client/cluster.h"
#include "client/producer.h"
#include "client/settings.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/produce_request.h"

struct batch {
    struct list link;
    struct queue *queue;
    uint64_t number; /* batches of a queue ascend */
    struct batch_builder builder;
    VEC(void *) contexts;
    size_t bytes; /* what it takes of buffer.memory */
    int64_t born_ns;
    uint32_t attempts;
    bool has_sequence; /* of the queue's identity */
};

/* One partition. Its sequences count under an identity (producer id and epoch) of its own: when something that had a sequence is
 * lost for good, what follows can never be in sequence. So all that carries one comes in, or fails, and then the partition goes
 * on in the next epoch from 0, without a word to other partitions (KIP-360 as Kafka's client does it). */
struct queue {
    struct list link; /* in producer->queues */
    char *topic;
    int32_t partition;
    struct batch *open;
    struct list ready;  /* closed, in order */
    struct list flying; /* under way, in order */
    uint64_t next_number;
    uint32_t in_flight;    /* how many those are */
    int64_t not_before_ns; /* after a failure */
    int16_t failure; /* the last one, since something was delivered; KAFKA_NONE: there was none */

    int64_t producer_id; /* -1: none yet */
    int16_t producer_epoch;
    int32_t next_sequence;
    uint32_t sequenced; /* batches that carry a sequence, ready or under way */
    bool has_gap;       /* one of them was lost */
    bool
        is_anchored; /* the broker has taken something of the identity, and from then on only what follows */
};

struct topic_state {
    int32_t sticky; /* partition of records without key; -1: choose */
};

/* One Produce request. */
struct flight {
    struct producer *producer;
    struct client_call call;
    struct produce_request request;
    struct arena arena;
    int32_t leader;
    size_t bytes;
    VEC(struct batch *) batches;
};

enum transaction_state {
    TRANSACTION_NONE,   /* transactional.id is not set */
    TRANSACTION_NO_ID,  /* its producer id is still to come */
    TRANSACTION_IDLE,   /* none is open */
    TRANSACTION_OPEN,   /* records are taken */
    TRANSACTION_ENDING, /* all are delivered or given up, the coordinator is asked */
    TRANSACTION_OVER,   /* nothing can be done any more */
};

/* See producer_transaction.c. */
struct transaction {
    enum transaction_state state;
    const char *id;      /* the config's */
    int32_t timeout_ms;  /* until the coordinator aborts it */
    int32_t coordinator; /* -1: not known */
    bool is_commit;
    bool is_end_untold; /* somebody waited in vain to hear how the end went that was asked for */
    bool has_records;   /* something was sent under this epoch */
    bool must_abort;    /* something of it was given up */
    struct err_note why;
    struct client_call call; /* one at a time */
    struct find_coordinator_request find;
    struct end_txn_request end;
    uint32_t failures;
    int64_t not_before_ns;
};

struct producer {
    struct client_loop loop;
    struct io *io;
    struct cluster *cluster;
    struct client_settings settings;
    struct producer_owner owner;
    struct codec_contexts *codecs;
    enum codec codec;
    int codec_level;
    int16_t acks;
    bool is_idempotent;
    int64_t batch_bytes;
    int64_t linger_ns;
    int64_t delivery_ns;
    int64_t block_ms;
    int64_t request_bytes_max;
    int64_t memory_max;
    int64_t memory_used;
    int64_t retries;
    uint32_t in_flight_max;
    struct rng rng;

    struct list queues;          /* every partition that was written to, in order */
    struct map by_name;          /* "topic/partition" → struct queue */
    struct map topics;           /* name → struct topic_state */
    struct map_i64 leaders_busy; /* leader → requests under way, as a pointer's number */
    struct io_timer pump;
    uint64_t pending;
    bool is_flushing;
    bool is_short; /* of buffer.memory: nothing lingers */
    bool is_closing;

    struct client_call id_call;
    struct init_producer_id_request id_request;
    int64_t producer_id; /* -1: none yet, or used up */
    int16_t producer_epoch;
    uint32_t id_failures;
    int64_t id_not_before_ns;
    struct transaction transaction;
};

static inline void producer__pump_soon(struct producer *p)
{
    io_timer_arm(p->io, &p->pump, 0);
}

/* ---- producer_queue.c -------------------------------------------------------------------------- */

struct queue *producer__queue_of(struct producer *p, struct bytes topic, int32_t partition);
void producer__queue_free(struct producer *p, struct queue *q); /* gives up what is in it */
void producer__open_batch(struct producer *p, struct queue *q, size_t record_bytes);
void producer__close_batch(struct queue *q);

/* Is under way no more; then one of the next two. */
void producer__landed(struct batch *b);
/* It landed without a broker to go to: that counts as no attempt, as for Kafka, whose client keeps a batch until it is connected.
 * Only delivery.timeout.ms bounds it then. */
void producer__not_tried(struct batch *b);
/* Tells the owner of each record, and frees the batch. */
void producer__deliver(struct producer *p, struct batch *b, int16_t error, int64_t base_offset,
                       const char *words);
/* Refused, or not known to be written: goes back in its place, or is given up. `answer`: the broker's, which may tell what is wrong
 * with single records; NULL: there was none. */
struct produce_response_partition_produce_response;
void producer__failed(struct producer *p, struct batch *b, int16_t error, const char *words,
                      const struct produce_response_partition_produce_response *answer);
/* Gives up all that waits. */
void producer__fail_queue(struct producer *p, struct queue *q, int16_t error, const char *words);
/* Gives up what is over its time; *wake: when the next one is. */
void producer__drop_late(struct producer *p, struct queue *q, int64_t now_ns, int64_t *wake);

/* The batch that may leave now; NULL: none. If only time is lacking, *wake says when. */
struct batch *producer__next_batch(struct producer *p, struct queue *q, int64_t now_ns,
                                   int64_t *wake);
/* Lets it go, with a sequence where batches have one; the bytes are valid until it landed. Negative, and landed: it cannot be
 * sealed. */
MUST_CHECK int producer__take(struct producer *p, struct batch *b, struct bytes *out);

/* ---- producer_flight.c --------------------------------------------------------------------------- */

void producer__pump(struct io_timer *timer);

/* ---- producer_transaction.c ---------------------------------------------------------------------- */

bool producer__transaction_acts(
    const struct producer *p); /* the coordinator is to be asked something */
void producer__transaction_step(struct producer *p, int64_t now_ns, int64_t *wake);
/* Something of the open transaction is given up. */
void producer__transaction_fail(struct producer *p, const char *words);
/* Whether a record may be taken: 0 or -ERR_PROTOCOL. */
MUST_CHECK int producer__transaction_check(const struct producer *p, struct err_note *note);
