/* Whether to poll: a few tries, earned by short waits. */
#include "io/patience.h"

int64_t patience_poll_ns(struct patience *patience)
{
    if (patience->moved_bytes > PATIENCE_BYTES_MAX)
        patience->tries = 0;
    patience->moved_bytes = 0;
    return patience->tries > 0 ? PATIENCE_POLL_NS : 0;
}

void patience_on_waited(struct patience *patience, int64_t waited_ns)
{
    if (waited_ns < PATIENCE_POLL_NS)
        patience->tries = MIN(patience->tries + 1, PATIENCE_TRIES_MAX);
    else if (patience->tries > 0)
        patience->tries--;
}
