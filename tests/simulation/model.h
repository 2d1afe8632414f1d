/* What clients were told, and what may therefore be asked of the broker. Stands outside the code under test. */
#pragma once

#include "base/vec.h"

/* One record that a client sent: its value is `client` and `number`, so that every record is told apart. */
struct model_record {
    uint32_t client;
    uint32_t number;
};

/* What is known of one offset. */
struct model_slot {
    bool is_known; /* acknowledged, or read */
    struct model_record record;
};

struct model_partition {
    VEC(struct model_slot) slots; /* by offset */
    int64_t acknowledged_end;     /* every offset below it was acknowledged or read at some time */
    int64_t read_end;             /* highest high watermark that a reader was told */
};

void model_deinit(struct model_partition *partition);
/* A broken promise stops the process: an offset given twice to different records. */
void model_acknowledge(struct model_partition *partition, int64_t offset,
                       struct model_record record);
void model_read(struct model_partition *partition, int64_t offset, struct model_record record);
/* After a power loss: offsets from here on were not on stable storage and may be given out again. */
void model_forget_from(struct model_partition *partition, int64_t offset);
NORETURN void model_fail(const char *format, ...) PRINTF_LIKE(1, 2);
