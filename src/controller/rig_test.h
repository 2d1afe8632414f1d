/* A controller on an image that tests make: brokers that live, a call for each request, and the loop of its owner in short:
 * what is decided is replayed, so that the next request decides on top of it.
 */
#pragma once

#include "controller/controller.h"
#include "metadata/sample_test.h"
#include "wire/kafka_error.h"

#define RIG_NODE       1
#define RIG_CLUSTER    "rigged"
#define RIG_SESSION_MS 9000
#define RIG_IDLE_MS    500

struct controller_rig {
    struct controller *controller;
    struct rng rng;
    struct arena arena; /* of the latest call */
    int64_t now_ms;
    struct controller_result result;
    char text[4096];        /* the records of the latest result: one line each, name and JSON */
    struct bytes forbidden; /* the one topic that is not allowed; null: all are */
};

/* Active on an image of `broker_count` live brokers, 1 … n, each in a rack of its own, with the features of the latest
 * version (ELR too). Topics: partitions by default 3, replication factor 1. */
void controller_rig_begin(struct controller_rig *rig, uint64_t seed, int32_t broker_count);
void controller_rig_end(struct controller_rig *rig);

/* Before each request; then the request's function with this call. */
const struct controller_call *controller_rig_call(struct controller_rig *rig);
/* After it: the records are replayed; the answer, which must be of that message. */
const void *controller_rig_take(struct controller_rig *rig, const struct wire_message *message);
/* The last result has a record of this message whose JSON contains `part` (NULL: any). */
bool controller_rig_has(const struct controller_rig *rig, const char *message, const char *part);
uint32_t controller_rig_count(const struct controller_rig *rig, const char *message);

/* A topic by name and number, created by a request, which must succeed; its id. */
struct uuid controller_rig_topic(struct controller_rig *rig, const char *name, int32_t partitions,
                                 int16_t replication_factor);
const struct metadata_partition *controller_rig_partition(const struct controller_rig *rig,
                                                          const char *topic, int32_t index);
/* A heartbeat of a broker with its own epoch; what it is told. */
struct broker_heartbeat_response;
const struct broker_heartbeat_response *controller_rig_beat(struct controller_rig *rig, int32_t id,
                                                            bool wants_fence, bool wants_shut_down);
/* Runs the timer until it has nothing more to do at now_ms. */
void controller_rig_timer(struct controller_rig *rig);

#define RULES_LIST    "cleanup.policy" /* of type LIST; default "delete" */
#define RULES_NUMBER  "retention.ms"   /* digits only */
#define RULES_MIN_ISR "min.insync.replicas"
