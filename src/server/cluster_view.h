/* The cluster as clients of one listener are told of it: which brokers live, and where they listen. */
#pragma once

#include "metadata/image.h"
#include "server/request.h"

/* The broker's endpoint for the listener the request came on; NULL: fenced, unknown, or without that listener. */
const struct metadata_endpoint *broker_endpoint(const struct request *request, int32_t broker_id);

/* A broker that may be named as controller: this one, or the first that lives (KRaft's controllers are not for
 * clients); -1. */
int32_t cluster_controller_id(const struct request *request);
