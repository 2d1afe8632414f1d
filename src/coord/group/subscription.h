/* What a consumer of the classic protocol subscribes to, and what it is given: its opaque bytes (ConsumerProtocolSubscription,
 * ConsumerProtocolAssignment).
 *
 *   version i16, topics [string], … every later version begins with what version 0 says
 *
 * Brokers look into them to learn whether committed offsets are still in use (KIP-211, KIP-496), and where members of both
 * protocols are in one group (KIP-848).
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

/* Adds the topics to a set (names → any pointer). -ERR_OVERRUN or -ERR_MALFORMED: these bytes are none. */
MUST_CHECK int subscription_topics(struct bytes metadata, struct map *topics);

struct consumer_protocol_subscription;
struct consumer_protocol_assignment;

/* Everything that is told, in the arena, texts borrowed. A version of the future is read as the newest one known. Failures as
 * above, and others of wire_decode. */
MUST_CHECK int subscription_read(struct bytes metadata, struct arena *arena,
                                 struct consumer_protocol_subscription *out);
MUST_CHECK int protocol_assignment_read(struct bytes assignment, struct arena *arena,
                                        struct consumer_protocol_assignment *out);
/* In the version that the member's subscription is of. -ERR_MALFORMED: that is none. */
MUST_CHECK int protocol_assignment_write(struct bytes subscription,
                                         const struct consumer_protocol_assignment *in,
                                         struct buf *out);
