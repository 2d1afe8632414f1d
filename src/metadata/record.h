/* A metadata record as a value: which message, which version, and its struct (KIP-631).
 *
 * Everybody who makes metadata records (controller, snapshot, bootstrap) makes these; wire/record_frame.h turns one
 * into the bytes of a record's value.
 */
#pragma once

#include "base/base.h"

struct wire_message;

struct metadata_record {
    const struct wire_message *message; /* &topic_record_message … */
    int16_t version;
    const void *value; /* the message's struct; who owns it says the giver */
};

/* Types, as in the frame of a record. Types 6, 13 and 16 are not used by Kafka 4. */
enum metadata_record_type {
    METADATA_REGISTER_BROKER = 0,
    METADATA_UNREGISTER_BROKER = 1,
    METADATA_TOPIC = 2,
    METADATA_PARTITION = 3,
    METADATA_CONFIG = 4,
    METADATA_PARTITION_CHANGE = 5,
    METADATA_FENCE_BROKER = 7,
    METADATA_UNFENCE_BROKER = 8,
    METADATA_REMOVE_TOPIC = 9,
    METADATA_DELEGATION_TOKEN = 10,
    METADATA_USER_SCRAM_CREDENTIAL = 11,
    METADATA_FEATURE_LEVEL = 12,
    METADATA_CLIENT_QUOTA = 14,
    METADATA_PRODUCER_IDS = 15,
    METADATA_BROKER_REGISTRATION_CHANGE = 17,
    METADATA_ACCESS_CONTROL_ENTRY = 18,
    METADATA_REMOVE_ACCESS_CONTROL_ENTRY = 19,
    METADATA_NO_OP = 20,
    METADATA_ZK_MIGRATION_STATE = 21,
    METADATA_REMOVE_USER_SCRAM_CREDENTIAL = 22,
    METADATA_BEGIN_TRANSACTION = 23,
    METADATA_END_TRANSACTION = 24,
    METADATA_ABORT_TRANSACTION = 25,
    METADATA_REMOVE_DELEGATION_TOKEN = 26,
    METADATA_REGISTER_CONTROLLER = 27,
    METADATA_CLEAR_ELR = 28,
};
