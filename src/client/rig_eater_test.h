/* Consumers in a rigged cluster that count what they read, for unit tests of this room. */
#pragma once

#include "client/consumer_int.h"
#include "client/rig_test.h"

#define PARTITIONS 3

/* One consumer, which counts on from number to number in each partition of the topic "t". */
struct eater {
    struct client_rig *rig;
    struct consumer *consumer;
    int64_t next[PARTITIONS];  /* the number that is due */
    int64_t count[PARTITIONS]; /* how many came */
    uint32_t assigned;         /* how often */
    uint32_t revoked;
    size_t share;
    struct err_note note;
};

/* A consumer in the rig, with the rig's settings; consumer_free ends it. */
void eater_open(struct client_rig *rig, struct eater *e);
int64_t eater_total(const struct eater *e); /* how many came */
/* Polls so many records; more are not due. */
void eater_eat(struct eater *e, int64_t count);
void eater_expect_nothing(struct eater *e, int64_t ms);
/* Polling fails for good, with these words in the note. */
void eater_expect_failure(struct eater *e, int code, const char *words);

/* ---- a cluster with one consumer ------------------------------------------------------------------------------- */

struct scene {
    struct client_rig rig;
    struct rig_topic *topic;
    struct eater eater;
};

void scene_begin(struct scene *s, uint64_t seed, const char *settings);
void scene_end(struct scene *s); /* ends its consumer, too */
/* The numbers of each partition go on. */
void scene_fill(struct scene *s, int32_t count);
void scene_assign(struct scene *s, int32_t partition, int64_t offset);
