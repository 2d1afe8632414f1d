/* Consuming: partitions that were chosen, or a share of topics as a member of a classic group.
 *
 * A group's member finds its coordinator, joins, learns its share, reads where the group stands, then fetches; heartbeats and commits
 * go on beside that. All of it happens while the loop turns, in consumer_poll too: who does not poll for session.timeout.ms is put out.
 * A rebalance gives up all partitions and takes the new share (eager): range and roundrobin are known; the KIP-848 protocol is
 * not here yet. Fetches are whole requests without sessions.
 * Threads: the loop's.
 */
#pragma once

#include "base/diag.h"
#include "client/loop.h"
#include "config/config.h"
#include "wire/batch.h"

struct consumer;

struct consumer_record {
    struct bytes topic; /* all borrowed until the next call to the consumer */
    int32_t partition;
    int32_t leader_epoch;
    bool is_append_time;
    struct record record;
};

#define CONSUMER_OFFSET_LATEST   (-1)
#define CONSUMER_OFFSET_EARLIEST (-2)
#define CONSUMER_OFFSET_GROUP    (-3) /* what is committed, else auto.offset.reset */

/* Which topics a subscription means; names of topics that come to be later are asked about too. */
struct consumer_filter {
    bool (*matches)(void *context, struct bytes topic);
    void *context;
};

/* Told when the share of partitions has changed; may be NULL. */
struct consumer_owner {
    void (*on_assigned)(void *context, size_t partition_count);
    void (*on_revoked)(void *context);
    void *context;
};

/* config: of kind consumer, borrowed until free, as is diag. -ERR_INVALID_SETTING. */
MUST_CHECK int consumer_new(const struct client_loop *loop, const struct config *config,
                            const struct diag *diag, const struct consumer_owner *owner,
                            struct consumer **out, struct err_note *note);
/* Commits where auto-commit is on, leaves the group, and lets go. NULL is fine. */
void consumer_free(struct consumer *consumer);

/* One of: a topic of one's own choice (partition -1: all of it), from an offset or CONSUMER_OFFSET_…; may be called several times. */
void consumer_assign(struct consumer *consumer, struct bytes topic, int32_t partition,
                     int64_t offset);
/* Or a subscription as a group's member; group.id must be set. */
void consumer_subscribe(struct consumer *consumer, struct bytes topic);
void consumer_subscribe_matching(struct consumer *consumer, const struct consumer_filter *filter);

/* The next record: 1; 0 when timeout_ms is over; or negative with a note: -ERR_CANCELLED (interrupted), -ERR_NOT_FOUND (an offset
 * that is not there and auto.offset.reset=none), -ERR_CORRUPT, -ERR_PROTOCOL (what the broker refused for good), or -ERR_INVALID_SETTING (no bootstrap
 * server's name is one). */
MUST_CHECK int consumer_poll(struct consumer *consumer, int64_t timeout_ms,
                             struct consumer_record *out, struct err_note *note);
/* Commits what was polled, and waits until the coordinator has it; what passes is tried again until default.api.timeout.ms. 0, or
 * negative with a note, and then not all of it is committed: -ERR_TIMEOUT, -ERR_CANCELLED (interrupted), -ERR_PROTOCOL (refused
 * for good, or a rebalance took the partitions first), or what consumer_poll fails with from now on. 0 too without a group.id. */
MUST_CHECK int consumer_commit(struct consumer *consumer, struct err_note *note);
