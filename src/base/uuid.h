/* Kafka's 128-bit ids: on the wire 16 bytes, in text 22 characters of URL-safe base64 unpadded. */
#pragma once

#include "base/bytes.h"

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 23 /* with NUL */
#define UUID_ZERO      ((struct uuid){ { 0 } })

bool uuid_is_zero(struct uuid id);
bool uuid_equal(struct uuid a, struct uuid b);
int uuid_compare(struct uuid a, struct uuid b); /* Kafka's order: two signed 64-bit halves */

/* Version 4 from 16 random bytes. Kafka skips the reserved ids (0,0), (0,1) and ids whose text begins with
 * '-'; so the caller draws again while uuid_is_reserved. */
struct uuid uuid_from_random(const uint8_t random_bytes[16]);
bool uuid_is_reserved(struct uuid id);

void uuid_to_text(struct uuid id, char out[UUID_TEXT_SIZE]);
/* Also takes two '=' of padding, as Kafka does; -ERR_MALFORMED otherwise. */
MUST_CHECK int uuid_from_text(struct bytes text, struct uuid *out);
