/* A coordinator's log as a test keeps it: the records that are in it, and the writes on their way there. */
#pragma once

#include "base/bytes.h"
#include "base/vec.h"

struct rig_record {
    int64_t producer_id; /* -1: in no transaction */
    struct bytes key;    /* owned; null: a marker that ends the producer's transaction */
    struct bytes value;  /* owned */
    bool is_commit;
};

struct rig_write {
    uint64_t id;
    VEC(struct rig_record) records;
};

struct rig_log {
    VEC(struct rig_record) records;
    VEC(struct rig_write) writes; /* under way, oldest first */
};

void rig_log_deinit(struct rig_log *log); /* zeroed: fine */

struct rig_record rig_record_new(int64_t producer_id, struct bytes key, struct bytes value);
void rig_record_deinit(struct rig_record *record);

/* A write begins; its records are added to it. */
struct rig_write *rig_log_write(struct rig_log *log, uint64_t id);
/* The write of an append: its records, or the marker that it is. */
struct coord_append;
struct rig_write *rig_log_append(struct rig_log *log, const struct coord_append *append);
/* The oldest write ends: its records are in the log, or it and all after it are not. Answers its id. */
uint64_t rig_log_end_write(struct rig_log *log, bool is_written);
void rig_log_forget_writes(struct rig_log *log);

/* What __transaction_state holds of an id, as records are replayed; in the arena. */
struct transaction_log_value;
struct coord_record;
struct arena;
struct coord_record rig_txn_record(struct bytes id, const struct transaction_log_value *value,
                                   struct arena *arena);
