/* Error codes of the Kafka protocol: outcomes that travel in answers. Their table is kafka_errors.def. */
#pragma once

#include "base/base.h"

enum kafka_error {
#define KAFKA_ERROR(code, name, retriable, sentence) KAFKA_##name = code,
#include "wire/kafka_errors.def"
#undef KAFKA_ERROR
};

/* "UNKNOWN_TOPIC_OR_PARTITION"; "UNKNOWN_SERVER_ERROR" for numbers that have no name. */
const char *kafka_error_name(int16_t code);
/* One sentence in our words, for error_message fields and tools. */
const char *kafka_error_sentence(int16_t code);
bool kafka_error_is_retriable(int16_t code);
