/* What a consumer of a classic group subscribes to, read from its opaque metadata (ConsumerProtocolSubscription).
 *
 *   version i16, topics [string], … every later version begins with what version 0 says
 *
 * Brokers look into it only to learn whether committed offsets are still in use (KIP-211, KIP-496).
 */
#pragma once

#include "base/err.h"
#include "base/map.h"

/* Adds the topics to a set (names → any pointer). -ERR_OVERRUN or -ERR_MALFORMED: these bytes are none. */
MUST_CHECK int subscription_topics(struct bytes metadata, struct map *topics);
