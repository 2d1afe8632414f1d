/* Kafka's deserializers, as far as a tool can print what they make: the text that Java would print. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum deserializer {
    DESERIALIZER_NONE, /* the bytes as they are */
    DESERIALIZER_STRING,
    DESERIALIZER_BYTES, /* \xNN for what cannot be printed */
    DESERIALIZER_SHORT,
    DESERIALIZER_INTEGER,
    DESERIALIZER_LONG,
    DESERIALIZER_FLOAT,
    DESERIALIZER_DOUBLE,
    DESERIALIZER_BOOLEAN,
    DESERIALIZER_UUID,
};

/* By the name of its class, "org.apache.kafka.common.serialization.LongDeserializer"; -ERR_UNSUPPORTED for others. */
MUST_CHECK int deserializer_find(const char *class, enum deserializer *out);

/* Appends the text. -ERR_MALFORMED with a note and nothing appended: the bytes are none of the kind. */
MUST_CHECK int deserializer_put(enum deserializer deserializer, struct bytes bytes, struct buf *out,
                                struct err_note *note);

/* As Java's Double.toString and Float.toString: the fewest digits that mean this number and no other. */
void put_java_double(struct buf *out, double value);
void put_java_float(struct buf *out, float value);
