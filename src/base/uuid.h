/* Kafka's 128-bit ids: on the wire 16 bytes, in text 22 characters of URL-safe base64 unpadded. */
#pragma once

#include "base/bytes.h"
#include "base/rng.h"

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 23 /* with NUL */
#define UUID_ZERO      ((struct uuid){ { 0 } })

bool uuid_is_zero(struct uuid id);
bool uuid_equal(struct uuid a, struct uuid b);
int uuid_compare(struct uuid a, struct uuid b); /* Kafka's order: two signed 64-bit halves */

struct uuid uuid_from_random(const uint8_t random_bytes[16]); /* version 4 */

/* (0,0), (0,1) and ids whose text begins with '-': Kafka gives none of them to a topic, directory or cluster. */
bool uuid_is_reserved(struct uuid id);

/* A new id, never a reserved one, from as many random bytes as it takes; `fill` gives them. From a node's own chance:
 * io_random_uuid. */
struct uuid uuid_draw(void (*fill)(void *source, void *out, size_t size_bytes), void *source);
struct uuid uuid_draw_from_rng(struct rng *rng);

void uuid_to_text(struct uuid id, char out[UUID_TEXT_SIZE]);
/* Also takes two '=' of padding, as Kafka does; -ERR_MALFORMED otherwise. */
MUST_CHECK int uuid_from_text(struct bytes text, struct uuid *out);
