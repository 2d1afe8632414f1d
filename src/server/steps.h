/* Work of a request that is cut into steps, so that others get their turns of the loop: a request may name 200,000 partitions.
 *
 * The first step is taken at once. While more is left, each turn takes one step of one request of each purse, in rotation,
 * however many are cut. What they hold meanwhile counts as answers that are not read yet: where that is too much, no others
 * start, and they end one after the other; where too much really is not read, they wait. What a request has from the image or
 * from partitions is looked up anew in each step; the answer keeps nothing of them.
 *
 * Threads: the shard's.
 */
#pragma once

#include "server/request.h"

enum steps_result {
    STEPS_MORE,
    STEPS_DONE,
    STEPS_WAIT, /* a job goes on with it, and calls steps_go_on */
};

/* Lives in the request's arena. */
struct steps {
    struct list link; /* in server->stepping, of its purse */
    struct request *request;
    enum steps_result (*step)(struct steps *steps);
    /* All is done, or the peer is gone: the answer, and the end of `steps`. */
    void (*end)(struct steps *steps);
    size_t held_bytes; /* counted while it waits for its turn */
    uint32_t work;     /* of this step */
    size_t began_bytes;
};

void steps_begin(struct steps *steps, struct request *request,
                 enum steps_result (*step)(struct steps *steps), void (*end)(struct steps *steps));
void steps_go_on(struct steps *steps);

/* Within a step: whether there is room in it for a part that costs so much, 1 being a look-up of a partition (a microsecond). What
 * the answer grew by counts, too. */
bool steps_may_add(struct steps *steps, uint32_t cost);
