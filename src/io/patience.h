/* Whether a loop that has nothing to do should poll for a moment before it sleeps.
 *
 * To be woken costs a thread some tens of microseconds on a virtual machine, more than a small request needs. Where
 * requests follow one another closely, the loop does better to look again for about as long as a wake-up would take:
 * then it spends at most twice what the better of the two would have cost. It learns from its last waits which it is;
 * a wait that polling would not have shortened uses a try up, a turn that moved much data forbids it at once, since
 * then throughput counts and nobody notices a wake-up. A loop that hears little never polls.
 *
 * Pure: told of time and bytes, decides, remembers.
 */
#pragma once

#include "base/base.h"

#define PATIENCE_POLL_NS   (50 * INT64_C(1000)) /* about what a wake-up costs */
#define PATIENCE_TRIES_MAX 8u                   /* polls in vain before it sleeps at once again */
#define PATIENCE_BYTES_MAX (16u << 10) /* received and sent in a turn that is still small talk */

struct patience {
    uint32_t tries;
    uint64_t moved_bytes; /* by this turn so far */
};

/* Sockets have received or sent so much. */
static inline void patience_on_moved(struct patience *patience, uint64_t size_bytes)
{
    patience->moved_bytes += size_bytes;
}

/* A turn is over: how long the wait that now begins is to poll; 0: not at all. */
int64_t patience_poll_ns(struct patience *patience);

/* The wait took so long, polling and sleeping. */
void patience_on_waited(struct patience *patience, int64_t waited_ns);
