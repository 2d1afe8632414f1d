/* How kafka-console-consumer prints a record: Kafka's message formatters. */
#pragma once

#include "cli/cli.h"
#include "cli/deserializer.h"

#include "client/consumer.h"
#include "config/properties.h"
#include "wire/message.h"

enum formatter_kind {
    FORMATTER_PARTS,       /* a line of its parts, parted by key.separator */
    FORMATTER_NOTHING,     /* what is read is only counted */
    FORMATTER_COORDINATOR, /* records of a coordinator's topic, as JSON */
};

struct formatter {
    enum formatter_kind kind;
    enum wire_kind keys; /* of a coordinator's records, and which types of them */
    int16_t type_min, type_max;
    struct properties properties; /* owned */
    bool timestamp, partition, offset, epoch, headers, key, value;
    const char *key_separator;
    const char *line_separator;
    const char *headers_separator;
    struct bytes null_literal;
    enum deserializer key_deserializer;
    enum deserializer value_deserializer;
    enum deserializer headers_deserializer;
};

/* class: "org.apache.kafka.tools.consumer.DefaultMessageFormatter" and its like. The properties are filled already
 * (formatter->properties) and stay as they are. -ERR_UNSUPPORTED with a note: a class that is not here. */
MUST_CHECK int formatter_init(struct formatter *formatter, const char *class,
                              struct err_note *note);
void formatter_deinit(struct formatter *formatter);

/* Appends what is to be printed. -ERR_MALFORMED and other codes of decoders with a note: what came before the bad part is appended. */
MUST_CHECK int formatter_put(const struct formatter *formatter,
                             const struct consumer_record *record, struct buf *out,
                             struct err_note *note);
