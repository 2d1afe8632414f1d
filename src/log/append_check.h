/* The part of an append that depends on nothing but the settings. Inside this folder only. */
#pragma once

#include "log/log.h"
#include "wire/batch.h"

/* What may be appended, or why nothing may. */
struct log_append_checked {
    enum kafka_error error;
    struct bytes message; /* in the append's arena */
    struct log_record_error *record_errors;
    int32_t record_error_count;
    struct shared
        *owner; /* a reference: the append's, or of a batch made anew; NULL after an error */
    uint8_t *records;
    uint32_t size_bytes;     /* of whole batches; what follows them is left out */
    struct batch_view first; /* client and coordinator: the batch */
    int32_t record_count;
    int64_t append_time_ms; /* -1 */
    bool is_long; /* the records passed uncompressed_bytes_max, and nothing else is known */
};

#define LOG_CHECK_WHOLE UINT64_MAX
void log__append_check(const struct log_config *config, const struct log_append *append,
                       uint64_t uncompressed_bytes_max, struct log_append_checked *out);
void log__append_checked_deinit(struct log_append_checked *checked);
