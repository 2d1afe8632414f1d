/* The few questions a load asks before and after: one request, its answer, one after the other. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "options.h"

/* A connected socket; ends the process when there is none. */
int load_connect(const struct load_options *options);
/* Or why there is none, negative. */
int load_try_connect(const struct load_options *options);

/* Asks, and decodes the answer into `out`; it lives in the arena. */
void load_ask(int fd, int16_t api_key, int16_t version, const void *message, struct arena *arena,
              void *out);

/* Decodes an answer without its size prefix into `out`; it lives in the arena, and in the answer. */
void load_decode(int16_t api_key, int16_t version, struct bytes answer, struct arena *arena,
                 void *out);

/* Creates the topic (there already: an error), and waits until each of its partitions answers. */
void load_create_topic(const struct load_options *options);

/* Changes settings of the topic: options' `config`. */
void load_alter_topic(const struct load_options *options);

/* The first question makes the coordinators' topic: waits until one is named. What each of them has still to load,
 * its first request finds out. */
enum load_coordinator { LOAD_COORDINATOR_OF_GROUP, LOAD_COORDINATOR_OF_TRANSACTION };
void load_find_coordinator(const struct load_options *options, enum load_coordinator of);

/* Sum of the offsets at which the topic's partitions end, and, unless NULL, each of them. */
int64_t load_end_offsets(const struct load_options *options, int64_t *out_ends);

/* Appends a request's size, header and message to `out`. */
void load_put_request(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id,
                      const void *message);

#define LOAD_CLIENT_ID "bench"

/* Whether somebody answers there: ApiVersions, whose answer is not looked at. */
void load_hello(const struct load_options *options);
