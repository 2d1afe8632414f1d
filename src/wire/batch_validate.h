/* What a leader looks at before it appends a produced batch (Apache Kafka's LogValidator, magic 2).
 *
 * Every record is walked. Compressed batches are decompressed chunk by chunk and thrown away: keys and values
 * are skipped, not kept, so memory does not grow with the record. The CRC is not looked at here (batch_check_crc).
 *
 * What the caller does with a sound batch, as Apache Kafka does it:
 *   - LogAppendTime topic: batch_set_append_time(now), and seal;
 *   - CreateTime topic: where max_timestamp differs from the header's, or the header says LogAppendTime,
 *     batch_set_create_time(max_timestamp), and seal;
 *   - base offset and leader epoch are set, unsealed (they lie before the CRC);
 *   - where are_deltas_consecutive is false, or the topic's codec is another one, batch_rebuild makes a new batch.
 *     (Apache Kafka 4.3.1 rebuilds so where the codec differs. Where it does not, a compressed batch whose deltas are
 *     not 0, 1, 2 … fails it with UNKNOWN_SERVER_ERROR, and an uncompressed one is appended with the offsets it claims.
 *     Rebuilding is safe and refuses no client.)
 * Stricter than Apache Kafka in one thing: in compressed batches too, a record's length must be what its parts add
 * up to. No consumer could read such a record.
 */
#pragma once

#include "wire/batch.h"

/* Why a batch is refused. All but BATCH_FAULT_CODEC and BATCH_FAULT_RECORDS are INVALID_RECORD on the wire. */
enum batch_fault {
    BATCH_SOUND = 0,
    BATCH_FAULT_OFFSET_RANGE,      /* last_offset_delta < 0, or no room above base_offset */
    BATCH_FAULT_COUNT,             /* record_count <= 0 from a client, < 0 from anyone */
    BATCH_FAULT_COUNT_OFFSETS,     /* record_count is not last_offset_delta + 1, from a client */
    BATCH_FAULT_CONTROL,           /* a control batch from a client */
    BATCH_FAULT_SEQUENCE,          /* producer id without a sequence, from a client */
    BATCH_FAULT_CODEC,             /* no such codec: UNSUPPORTED_COMPRESSION_TYPE */
    BATCH_FAULT_COMPRESSION,       /* the codec cannot make sense of the bytes */
    BATCH_FAULT_TRUNCATED,         /* the records end before record_count of them are there */
    BATCH_FAULT_RECORD,            /* a record whose parts do not add up */
    BATCH_FAULT_TRAILING,          /* something follows the last record */
    BATCH_FAULT_UNCOMPRESSED_SIZE, /* past uncompressed_bytes_max: a bomb */
    BATCH_FAULT_RECORDS, /* single records are refused: see record_faults. INVALID_TIMESTAMP on the wire if
                                   has_timestamp_fault, else INVALID_RECORD */
};

/* Why a record is refused (the batch goes with it; KIP-467 tells the client which ones). */
enum record_fault_reason {
    RECORD_FAULT_NO_KEY,      /* topics with compaction need keys */
    RECORD_FAULT_TIMESTAMP,   /* outside [now - before_max, now + after_max] */
    RECORD_FAULT_APPEND_TIME, /* the producer set the type LogAppendTime, which is the broker's */
};

struct record_fault {
    enum record_fault_reason reason;
    int32_t index; /* in the batch */
    int64_t offset;
    int64_t timestamp;
    int32_t key_bytes; /* -1: null */
    int32_t value_bytes;
};

struct batch_rules {
    bool is_from_client; /* else from a coordinator or a raft leader: control batches are welcome */
    bool is_compacted;   /* cleanup.policy has compact */
    bool is_log_append_time; /* message.timestamp.type */
    int64_t now_ms;
    int64_t timestamp_before_max_ms;    /* message.timestamp.before.max.ms */
    int64_t timestamp_after_max_ms;     /* message.timestamp.after.max.ms */
    uint64_t uncompressed_bytes_max;    /* all records together */
    struct codec_contexts *contexts;    /* borrowed; may be NULL */
    struct record_fault *record_faults; /* where the first ones are told; borrowed; may be NULL */
    uint32_t record_faults_max;
};

/* Much more than any client can pack (they bound a batch before compression), little enough for a second. */
#define BATCH_UNCOMPRESSED_BYTES_MAX (UINT64_C(1) << 30)

struct batch_verdict {
    enum batch_fault fault;
    int32_t fault_index;         /* of the record where the fault was met; -1: the batch itself */
    uint32_t record_fault_count; /* may be more than record_faults_max */
    bool has_timestamp_fault;    /* among the record faults */
    bool are_deltas_consecutive; /* 0, 1, 2 … */
    int64_t
        max_timestamp; /* largest record timestamp, at least -1; of a header that says LogAppendTime: its own */
    int32_t max_timestamp_index; /* the first record that has it; -1: none above -1 */
    uint64_t uncompressed_bytes; /* of the records, as far as they were read */
};

/* Answers verdict->fault. Allocates only what the codec needs. */
enum batch_fault batch_validate(const struct batch_view *batch, const struct batch_rules *rules,
                                struct batch_verdict *out);

/* One sentence for people and error_message, without final full stop; static. */
const char *batch_fault_sentence(enum batch_fault fault);
const char *record_fault_sentence(enum record_fault_reason reason);

/* The same records in a new batch with another codec: offsets, timestamps, keys, values, headers, producer fields,
 * transactional and control bits stay. Deltas that were not 0, 1, 2 … become so, in the order of the records.
 * `out` gets the sealed batch appended; its maximum bounds memory, and so does uncompressed_bytes_max (known from the verdict).
 * Returns 0; with out->size as before: -ERR_CORRUPT, -ERR_OVERRUN, -ERR_MALFORMED, -ERR_UNSUPPORTED as record_walk_next,
 * -ERR_INVALID_ARGUMENT (codec or level), -ERR_LIMIT (either maximum). */
struct batch_rebuild {
    enum codec codec;
    int codec_level;             /* COMPRESS_LEVEL_DEFAULT */
    bool are_deltas_consecutive; /* from the verdict: the records' bytes can be kept */
    size_t uncompressed_bytes_max;
    struct codec_contexts *contexts; /* borrowed; may be NULL */
};
MUST_CHECK int batch_rebuild(const struct batch_view *batch, const struct batch_rebuild *how,
                             struct buf *out);
