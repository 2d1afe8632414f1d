/* The node's loggers: which lines of which part are printed. Kafka's broker loggers (KIP-412).
 *
 * A logger is the part that a line names at its end ("log", "raft"); "root" gives its level to all that have none of their
 * own. Levels are Kafka's, which has six; this build prints lines of four (DEBUG to ERROR). Nothing of it is stored: a
 * node begins with root at INFO.
 *
 * Threads: altered by the shard's thread, read by any that prints.
 */
#pragma once

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "wire/kafka_error.h"

struct incremental_alter_configs_request_alterable_config;

enum logger_level {
    LOGGER_TRACE,
    LOGGER_DEBUG,
    LOGGER_INFO,
    LOGGER_WARN,
    LOGGER_ERROR,
    LOGGER_FATAL,
    LOGGER_LEVEL_COUNT,
    LOGGER_INHERITED = LOGGER_LEVEL_COUNT,
};

#define LOGGER_COUNT 12

struct loggers {
    struct diag diag; /* what the node prints to; outlives the node's users of it */
    const struct diag *below;
    uint8_t levels[LOGGER_COUNT]; /* enum logger_level; atomic */
};

/* below: where lines go that are let through; outlives loggers; may be NULL. */
void loggers_init(struct loggers *loggers, const struct diag *below);

const char *logger_name(unsigned index); /* index < LOGGER_COUNT; "root" is one of them; static */
const char *logger_level_name(const struct loggers *loggers, unsigned index); /* as it has effect */

/* What IncrementalAlterConfigs asks for, all of it or, when one change is refused, nothing; with is_trial nothing either way.
 * NONE, or with a note INVALID_CONFIG (no such logger or level) or INVALID_REQUEST (an operation that loggers do not know). */
enum kafka_error
loggers_alter(struct loggers *loggers,
              const struct incremental_alter_configs_request_alterable_config *changes,
              int32_t count, bool is_trial, struct err_note *note);
