/* See rig_log_test.h. */
#include "coord/rig_log_test.h"

#include "base/mem.h"
#include "coord/coordinator.h"
#include "coord/record.h"
#include "wire/messages/transaction_log_key.h"
#include "wire/messages/transaction_log_value.h"

struct rig_record rig_record_new(int64_t producer_id, struct bytes key, struct bytes value)
{
    return (struct rig_record){ .producer_id = producer_id,
                                .key = bytes_dup(key),
                                .value = bytes_dup(value) };
}

void rig_record_deinit(struct rig_record *record)
{
    bytes_free(record->key);
    bytes_free(record->value);
}

struct rig_write *rig_log_write(struct rig_log *log, uint64_t id)
{
    struct rig_write *write = VEC_PUSH(&log->writes);
    write->id = id;
    return write;
}

struct rig_write *rig_log_append(struct rig_log *log, const struct coord_append *append)
{
    struct rig_write *write = rig_log_write(log, append->write_id);
    const struct coord_transaction *transaction = append->transaction;
    const int64_t producer_id = transaction == NULL ? -1 : transaction->producer_id;
    if (transaction != NULL && transaction->is_end)
        VEC_ADD(&write->records, ((struct rig_record){ .producer_id = producer_id,
                                                       .is_commit = transaction->is_commit }));
    for (uint32_t i = 0; i < append->record_count; i++)
        VEC_ADD(&write->records,
                rig_record_new(producer_id, append->records[i].key, append->records[i].value));
    return write;
}

void rig_log_forget_writes(struct rig_log *log)
{
    while (log->writes.count > 0) {
        struct rig_write *write = &log->writes.items[--log->writes.count];
        for (size_t i = 0; i < write->records.count; i++)
            rig_record_deinit(&write->records.items[i]);
        VEC_DEINIT(&write->records);
    }
}

uint64_t rig_log_end_write(struct rig_log *log, bool is_written)
{
    ASSERT(log->writes.count > 0);
    const uint64_t id = log->writes.items[0].id;
    if (!is_written) {
        rig_log_forget_writes(log);
        return id;
    }
    struct rig_write write = log->writes.items[0];
    VEC_REMOVE_AT(&log->writes, 0);
    for (size_t i = 0; i < write.records.count; i++)
        VEC_ADD(&log->records, write.records.items[i]);
    VEC_DEINIT(&write.records);
    return id;
}

void rig_log_deinit(struct rig_log *log)
{
    rig_log_forget_writes(log);
    VEC_DEINIT(&log->writes);
    for (size_t i = 0; i < log->records.count; i++)
        rig_record_deinit(&log->records.items[i]);
    VEC_DEINIT(&log->records);
}

struct coord_record rig_txn_record(struct bytes id, const struct transaction_log_value *value,
                                   struct arena *arena)
{
    struct transaction_log_key key = transaction_log_key_default;
    key.transactional_id = id;
    const struct record record = { .key_type = &transaction_log_key_message,
                                   .key = &key,
                                   .value_type = &transaction_log_value_message,
                                   .value = value };
    struct coord_record bytes;
    const bool is_whole = coord__record_encode(&record, 1 << 16, arena, &bytes);
    ASSERT(is_whole);
    return bytes;
}
