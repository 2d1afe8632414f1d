/* One question put to many coordinators of this broker, and one answer when the last of them has answered. For handlers that
 * ask every partition of an internal topic; lives in such a handler's own struct, as long as its request. */
#pragma once

#include "server/request.h"

struct gather {
    int32_t left; /* to be answered, and one while they are asked */
    enum kafka_error error;
    void (*finish)(struct gather *gather); /* all have answered */
};

void gather_begin(struct gather *gather, void (*finish)(struct gather *gather));
void gather_expect(struct gather *gather); /* before each question: its answer may come at once */

/* An answer's error counts for all; but NOT_COORDINATOR is none, others lead those. Whether the answer's content is to be taken:
 * nothing has failed. */
bool gather_takes(struct gather *gather, int16_t error_code);

/* After each answer, and once when all have been asked; the last one finishes. */
void gather_end(struct gather *gather);
