/* Batches of a segment whose bytes are not what was written: where they are, and what is known of them.
 *
 * A few are kept, so that one which is asked for again is neither read nor told again; the oldest goes for a newer one. Inside this
 * folder only. Threads: the log's.
 */
#pragma once

#include "base/vec.h"

#define DAMAGES_MAX 32u

enum damage_cause {
    DAMAGE_OF_CRC,    /* the checksum is another one */
    DAMAGE_OF_HEADER, /* an impossible length, format or offset delta */
    DAMAGE_OF_LENGTH, /* its length does not tell where it ends: all up to the next whole batch goes with it */
    DAMAGE_OF_END, /* by its length it goes on behind the end of the file */
    DAMAGE_OF_ORDER, /* offset or leader epoch, which no checksum covers, contradict the batches around it */
};

struct damaged_batch {
    uint32_t position;
    uint32_t size_bytes; /* 0: nothing whole follows up to the end of the segment */
    int64_t
        first_offset; /* behind the batch before; by its header, where nothing is known of that */
    int64_t
        last_offset; /* before the batch behind, by that one or, where that is damaged too, by either header; else before the next segment; INT64_MAX: there is none */
    enum damage_cause cause;
    uint32_t crc_found;    /* of the bytes; with DAMAGE_OF_CRC */
    uint32_t crc_expected; /* by the header */
    bool is_told;
};

/* The file of a sealed segment was cut off within it, and nothing of the segment follows. */
static inline bool damage_is_cut(const struct damaged_batch *damage)
{
    return damage->cause == DAMAGE_OF_END && damage->size_bytes == 0 &&
           damage->last_offset < INT64_MAX;
}

/* Zeroed: none. */
struct damages {
    VEC(struct damaged_batch) items; /* oldest first */
};
void damages_deinit(struct damages *damages);
/* Of one that is known already the newest holds, since more of what is behind it may be damaged by now. Answers the position of the one that had to go for it; -1: none had to. */
int64_t damages_add(struct damages *damages, const struct damaged_batch *batch);
/* The one that has the byte there; of one whose end is not known that is the first byte alone. NULL: none has. Valid as below. */
struct damaged_batch *damages_find(const struct damages *damages, uint32_t position);
/* The first that begins there or behind, or NULL. Valid until the next change. */
struct damaged_batch *damages_next(const struct damages *damages, uint32_t position);
