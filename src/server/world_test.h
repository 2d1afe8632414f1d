/* A server with one client, which asks and waits for the answer: for tests of what requests do. */
#pragma once

#include "server/rig_test.h"

#define WORLD_ARENA_MAX         (64u << 20)
#define WORLD_FIRST_PRODUCER_ID 4000
#define WORLD_TRANSACTIONAL_ID  BYTES_LITERAL("T")

struct world {
    struct server_rig rig;
    struct rig_peer peer;
    struct arena arena; /* answers live in it, to the end */
    struct uuid topic;  /* "t", of two partitions */
    struct uuid offsets_topic;
    struct uuid transactions_topic;
    int32_t correlation_id; /* of the last request */
};

/* With the topics of the coordinators, too. */
void world_begin(struct world *w, uint64_t seed);
/* `settings`: lines of server.properties. */
void world_begin_with(struct world *w, uint64_t seed, const char *settings);
void world_end(struct world *w);

void world_send(struct world *w, int16_t api_key, int16_t version, const void *message);
/* The next answer, which is that request's. */
const void *world_take(struct world *w, int16_t api_key, int16_t version, int32_t correlation_id);
/* Both, with time in between; producer ids that are asked of the controller begin at WORLD_FIRST_PRODUCER_ID. */
const void *world_call(struct world *w, int16_t api_key, int16_t version, const void *message);
/* The client is gone, and another one has come. */
void world_leave(struct world *w);

/* ---- the transactional producer ------------------------------------------------------------------------------- */

/* Answers the epoch; the producer id is the first. */
int16_t world_init_producer(struct world *w);
/* The error. */
int16_t world_end_transaction(struct world *w, int16_t version, int16_t epoch, bool is_commit);
