/* Which lines the loggers let through, and what of a change is refused. */
#include "server/loggers.h"

#include "base/test.h"
#include "wire/messages/incremental_alter_configs_request.h"

#include <string.h>

struct sink {
    struct diag diag;
    int count;
};

static void count_line(void *context, __attribute__((unused)) enum diag_level level,
                       __attribute__((unused)) const char *part,
                       __attribute__((unused)) const char *text)
{
    struct sink *sink = context;
    sink->count++;
}

static void sink_init(struct sink *sink)
{
    *sink = (struct sink){ .diag = { .line = count_line, .context = sink } };
}

enum { SET = 0, DELETE = 1, APPEND = 2 };

static enum kafka_error alter(struct loggers *loggers, const char *name, int8_t operation,
                              const char *value)
{
    const struct incremental_alter_configs_request_alterable_config change = {
        .name = bytes_from_text(name),
        .config_operation = operation,
        .value = bytes_from_text(value),
    };
    struct err_note note = { 0 };
    const enum kafka_error error = loggers_alter(loggers, &change, 1, false, &note);
    EXPECT((error == KAFKA_NONE) == (note.text[0] == '\0'));
    return error;
}

static const char *level_of(const struct loggers *loggers, const char *name)
{
    for (unsigned i = 0; i < LOGGER_COUNT; i++) {
        if (strcmp(logger_name(i), name) == 0)
            return logger_level_name(loggers, i);
    }
    return "no such logger";
}

static int lines_of(struct loggers *loggers, struct sink *sink, const char *part)
{
    sink->count = 0;
    DIAG_INFO(&loggers->diag, part, "said");
    DIAG_WARN(&loggers->diag, part, "warned");
    DIAG_ERROR(&loggers->diag, part, "failed");
    return sink->count;
}

TEST(loggers, let_through_what_their_level_says)
{
    struct sink sink;
    struct loggers loggers;
    sink_init(&sink);
    loggers_init(&loggers, &sink.diag);
    static const struct {
        const char *level;
        int lines;
    } rows[] = { { "TRACE", 3 }, { "DEBUG", 3 }, { "INFO", 3 },
                 { "WARN", 2 },  { "ERROR", 1 }, { "FATAL", 0 } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        EXPECT_EQ(alter(&loggers, "log", SET, rows[i].level), KAFKA_NONE);
        EXPECT_TEXT(level_of(&loggers, "log"), rows[i].level);
        EXPECT_EQ(lines_of(&loggers, &sink, "log"), rows[i].lines);
        EXPECT_EQ(lines_of(&loggers, &sink, "raft"), 3); /* the others are as before */
    }
}

/* What has no level of its own, a part without a name too, follows the root. */
TEST(loggers, inherit_from_the_root)
{
    struct sink sink;
    struct loggers loggers;
    sink_init(&sink);
    loggers_init(&loggers, &sink.diag);
    EXPECT_EQ(alter(&loggers, "log", SET, "INFO"), KAFKA_NONE);
    EXPECT_EQ(alter(&loggers, "root", SET, "ERROR"), KAFKA_NONE);
    EXPECT_EQ(lines_of(&loggers, &sink, "log"), 3);
    EXPECT_EQ(lines_of(&loggers, &sink, "raft"), 1);
    EXPECT_EQ(lines_of(&loggers, &sink, "a part to come"), 1);
    EXPECT_TEXT(level_of(&loggers, "raft"), "ERROR");
    EXPECT_EQ(alter(&loggers, "log", DELETE, NULL), KAFKA_NONE);
    EXPECT_EQ(lines_of(&loggers, &sink, "log"), 1);
    loggers_init(&loggers, NULL);
    DIAG_ERROR(&loggers.diag, "log", "for nobody");
}

TEST(loggers, refuse_with_the_codes_of_kafka)
{
    struct loggers loggers;
    loggers_init(&loggers, NULL);
    EXPECT_EQ(alter(&loggers, "kafka.controller", SET, "INFO"), KAFKA_INVALID_CONFIG);
    EXPECT_EQ(alter(&loggers, "log", SET, "info"), KAFKA_INVALID_CONFIG);
    EXPECT_EQ(alter(&loggers, "log", SET, NULL), KAFKA_INVALID_REQUEST);
    EXPECT_EQ(alter(&loggers, "log", APPEND, "INFO"), KAFKA_INVALID_REQUEST);
    EXPECT_EQ(alter(&loggers, "root", DELETE, NULL), KAFKA_INVALID_REQUEST);
}

/* All of a request or nothing of it, and nothing on trial. */
TEST(loggers, take_a_change_whole)
{
    struct loggers loggers;
    struct err_note note = { 0 };
    loggers_init(&loggers, NULL);
    struct incremental_alter_configs_request_alterable_config changes[] = {
        { .name = BYTES_LITERAL("log"), .value = BYTES_LITERAL("WARN") },
        { .name = BYTES_LITERAL("net"), .value = BYTES_LITERAL("WARN") },
    };
    EXPECT_EQ(loggers_alter(&loggers, changes, 2, true, &note), KAFKA_NONE);
    EXPECT_TEXT(level_of(&loggers, "log"), "INFO");
    changes[1].name = BYTES_LITERAL("log");
    EXPECT_EQ(loggers_alter(&loggers, changes, 2, false, &note), KAFKA_INVALID_REQUEST);
    changes[1].name = BYTES_LITERAL("no");
    EXPECT_EQ(loggers_alter(&loggers, changes, 2, false, &note), KAFKA_INVALID_CONFIG);
    EXPECT_TEXT(level_of(&loggers, "log"), "INFO");
    changes[1].name = BYTES_LITERAL("net");
    EXPECT_EQ(loggers_alter(&loggers, changes, 2, false, &note), KAFKA_NONE);
    EXPECT_TEXT(level_of(&loggers, "log"), "WARN");
    EXPECT_TEXT(level_of(&loggers, "net"), "WARN");
}
