/* Topics that come into being because somebody asked for them: by Metadata where auto.create.topics.enable
 * allows it, and the internal ones by those who need them.
 */
#pragma once

#include "server/request.h"

/* Asks the controller to create the topic with the broker's defaults (internal topics: their own settings), unless that
 * is being asked already. Answers what the client is to be told now: UNKNOWN_TOPIC_OR_PARTITION (ask again), or
 * INVALID_REPLICATION_FACTOR when there are too few live brokers. */
enum kafka_error auto_topic_create(const struct request *request, struct bytes name);
