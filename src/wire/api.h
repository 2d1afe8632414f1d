/* The table of APIs: what Apache Kafka 4.3.1 knows by key, with the messages of each.
 *
 * What this build *serves* is decided in server/ (its handler table); this is the vocabulary.
 * Generated from schema/api.
 */
#pragma once

#include "wire/message.h"

enum api_key {
#define API(key, constant) API_##constant = key,
#include "wire/messages/apis.def"
#undef API
};

#define API_KEY_COUNT 93

enum api_listener { API_ON_BROKER = 1, API_ON_CONTROLLER = 2 };

struct api {
    int16_t key;
    const char *name; /* "Produce" */
    int16_t version_min;
    int16_t version_max;                /* latest, unstable ones included */
    int16_t version_max_stable;         /* latest that is advertised */
    uint8_t listeners;                  /* bits of enum api_listener; 0: gone from Kafka 4 */
    const struct wire_message *request; /* NULL: gone from Kafka 4 */
    const struct wire_message *response;
};

const struct api *api_get(int16_t key); /* NULL for keys that Kafka does not know */

/* Header versions (KIP-482; ApiVersions always answers with header 0, KIP-511). Versions out of range
 * are fine; -1 for keys that are unknown or gone. */
int16_t api_request_header_version(int16_t key, int16_t version);
int16_t api_response_header_version(int16_t key, int16_t version);
