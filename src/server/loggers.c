/* See loggers.h. */
#include "server/loggers.h"

#include "wire/messages/incremental_alter_configs_request.h"

#include <string.h>

/* Sorted, as DescribeConfigs tells them. */
static const char *const names[] = {
    "broker", "config", "controller", "groups", "log",    "metadata",
    "net",    "node",   "raft",       "root",   "server", "transactions",
};
_Static_assert(ARRAY_LEN(names) == LOGGER_COUNT, "a level for each name");

enum { ROOT = 9 };

static const char *const level_names[LOGGER_LEVEL_COUNT] = { "TRACE", "DEBUG", "INFO",
                                                             "WARN",  "ERROR", "FATAL" };

enum { OPERATION_SET = 0, OPERATION_DELETE = 1, OPERATION_APPEND = 2 };

static int find_name(struct bytes name)
{
    for (int i = 0; i < LOGGER_COUNT; i++) {
        if (bytes_equal_text(name, names[i]))
            return i;
    }
    return -ERR_NOT_FOUND;
}

static int find_level(struct bytes text)
{
    for (int i = 0; i < LOGGER_LEVEL_COUNT; i++) {
        if (bytes_equal_text(text, level_names[i]))
            return i;
    }
    return -ERR_NOT_FOUND;
}

static enum logger_level effective_level(const struct loggers *loggers, unsigned index)
{
    const uint8_t own = __atomic_load_n(&loggers->levels[index], __ATOMIC_RELAXED);
    return own != LOGGER_INHERITED ? own
                                   : __atomic_load_n(&loggers->levels[ROOT], __ATOMIC_RELAXED);
}

/* ---- printing -------------------------------------------------------------------------------- */

static enum logger_level level_of_line(enum diag_level level)
{
    switch (level) {
    case DIAG_DEBUG:
        return LOGGER_DEBUG;
    case DIAG_INFO:
        return LOGGER_INFO;
    case DIAG_WARN:
        return LOGGER_WARN;
    case DIAG_ERROR:
        break;
    }
    return LOGGER_ERROR;
}

static void print(void *context, enum diag_level level, const char *part, const char *text)
{
    const struct loggers *loggers = context;
    const int index = find_name(bytes_from_text(part));
    if (loggers->below != NULL &&
        level_of_line(level) >= effective_level(loggers, index < 0 ? ROOT : (unsigned)index))
        loggers->below->line(loggers->below->context, level, part, text);
}

void loggers_init(struct loggers *loggers, const struct diag *below)
{
    *loggers = (struct loggers){ .below = below };
    loggers->diag = (struct diag){ .line = print, .context = loggers, .level_min = DIAG_DEBUG };
    memset(loggers->levels, LOGGER_INHERITED, sizeof(loggers->levels));
    loggers->levels[ROOT] = LOGGER_INFO;
}

/* ---- describing and altering ----------------------------------------------------------------- */

const char *logger_name(unsigned index)
{
    ASSERT(index < LOGGER_COUNT);
    return names[index];
}

const char *logger_level_name(const struct loggers *loggers, unsigned index)
{
    ASSERT(index < LOGGER_COUNT);
    return level_names[effective_level(loggers, index)];
}

static enum kafka_error
check_change(const struct incremental_alter_configs_request_alterable_config *change,
             struct err_note *note)
{
    const int index = find_name(change->name);
    if (change->config_operation != OPERATION_SET && change->config_operation != OPERATION_DELETE) {
        (void)err_note(note, 0, "%s operation is not allowed for the BROKER_LOGGER resource",
                       change->config_operation == OPERATION_APPEND ? "APPEND" : "SUBTRACT");
        return KAFKA_INVALID_REQUEST;
    }
    if (index < 0) {
        (void)err_note(note, 0, "Logger %.*s does not exist!",
                       BYTES_PRINTF(bytes_slice(change->name, 0, 100)));
        return KAFKA_INVALID_CONFIG;
    }
    if (change->config_operation == OPERATION_DELETE) {
        if (index != ROOT)
            return KAFKA_NONE;
        (void)err_note(note, 0, "Removing the log level of the root logger is not allowed");
        return KAFKA_INVALID_REQUEST;
    }
    if (bytes_is_null(change->value)) {
        (void)err_note(note, 0, "Null value not supported for : %s", names[index]);
        return KAFKA_INVALID_REQUEST;
    }
    if (find_level(change->value) < 0) {
        (void)err_note(note, 0,
                       "Cannot set the log level of %s to %.*s as it is not a supported log level. "
                       "Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
                       names[index], BYTES_PRINTF(bytes_slice(change->value, 0, 20)));
        return KAFKA_INVALID_CONFIG;
    }
    return KAFKA_NONE;
}

enum kafka_error
loggers_alter(struct loggers *loggers,
              const struct incremental_alter_configs_request_alterable_config *changes,
              int32_t count, bool is_trial, struct err_note *note)
{
    for (int32_t i = 0; i < count; i++) {
        for (int32_t k = 0; k < i; k++) {
            if (bytes_equal(changes[i].name, changes[k].name)) {
                (void)err_note(note, 0, "Error due to duplicate config keys");
                return KAFKA_INVALID_REQUEST;
            }
        }
        const enum kafka_error error = check_change(&changes[i], note);
        if (error != KAFKA_NONE)
            return error;
    }
    for (int32_t i = 0; i < count && !is_trial; i++) {
        const int index = find_name(changes[i].name);
        const int level = changes[i].config_operation == OPERATION_SET
                              ? find_level(changes[i].value)
                              : LOGGER_INHERITED;
        ASSERT(index >= 0 && level >= 0);
        __atomic_store_n(&loggers->levels[index], (uint8_t)level, __ATOMIC_RELAXED);
    }
    return KAFKA_NONE;
}
