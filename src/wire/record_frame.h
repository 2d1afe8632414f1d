/* What stands before a message inside a record of Kafka's internal topics.
 *
 *   metadata, remote log   value: frame version uvarint (1), type uvarint, version uvarint, message
 *   coordinators           key:   type i16, message (keys have one version)
 *                          value: version i16, message of the key's type; null is a tombstone
 *
 * Types are the `id` of a message and mean something within one family only, so that a family's kind
 * goes with them. What is decoded lives in the arena and borrows the record's bytes.
 * Source: KIP-631 (frames of metadata records), KIP-848 (types of coordinator records).
 */
#pragma once

#include "wire/message.h"

#define RECORD_FRAME_VERSION 1

/* A message of a type found in the bytes. */
struct framed_record {
    const struct wire_message *message;
    int16_t version;
    void *value; /* the message's struct, in the arena */
};

/* The message of a family (metadata and remote log records, keys and values of the coordinators) with this
 * type; NULL if there is none. */
const struct wire_message *wire_record_by_type(enum wire_kind kind, int64_t type);

/* Size and bytes of a framed metadata or remote log record; errors as wire_size and wire_encode. */
MUST_CHECK int64_t record_frame_size(const struct wire_message *message, int16_t version,
                                     const void *in, struct err_note *note);
MUST_CHECK int record_frame_encode(const struct wire_message *message, int16_t version,
                                   const void *in, struct writer *w, struct err_note *note);

/* kind: WIRE_KIND_METADATA_RECORD or WIRE_KIND_REMOTE_LOG_RECORD. Returns 0, or with a note:
 *   -ERR_UNKNOWN_RECORD  a type that this build does not know
 *   -ERR_VERSION         a frame version other than 1, or a record version that this build does not know
 *   -ERR_MALFORMED       also bytes left over after the message
 *   other codes          as wire_decode */
MUST_CHECK int record_frame_decode(enum wire_kind kind, struct bytes value, struct arena *arena,
                                   struct framed_record *out, struct err_note *note);

/* Keys are written in their highest version, which is the only one. */
MUST_CHECK int coordinator_key_encode(const struct wire_message *message, const void *in,
                                      struct writer *w, struct err_note *note);
MUST_CHECK int coordinator_value_encode(const struct wire_message *message, int16_t version,
                                        const void *in, struct writer *w, struct err_note *note);

/* kind: WIRE_KIND_GROUP_KEY, _TRANSACTION_KEY or _SHARE_KEY. -ERR_UNKNOWN_RECORD for other types, else as wire_decode.
 * Bytes after the message are left alone, as Kafka does. */
MUST_CHECK int coordinator_key_decode(enum wire_kind kind, struct bytes key, struct arena *arena,
                                      struct framed_record *out, struct err_note *note);
/* `key` is what coordinator_key_decode gave; value is not null. */
MUST_CHECK int coordinator_value_decode(const struct framed_record *key, struct bytes value,
                                        struct arena *arena, struct framed_record *out,
                                        struct err_note *note);
