/* A metadata record as a value: which message, which version, and its struct.
 *
 * Everybody who makes metadata records (controller, snapshot, bootstrap) makes these; wire/record_frame.h turns one
 * into the bytes of a record's value.
 */
#pragma once

#include "base/base.h"
#include "base/vec.h"

struct wire_message;

struct metadata_record {
    const struct wire_message *message; /* &topic_record_message … */
    int16_t version;
    const void *value; /* the message's struct; who owns it says the giver */
};
