/* Topics that come into being because somebody asked for them: by Metadata where auto.create.topics.enable
 * allows it, and the internal ones by those who need them.
 */
#pragma once

#include "server/request.h"

/* Asks the controller to create the topic with the broker's defaults (internal topics: their own settings), unless that
 * is being asked already, or too many are. Whoever wanted it is told UNKNOWN_TOPIC_OR_PARTITION, and asks again. */
void auto_topic_create(const struct request *request, struct bytes name);
