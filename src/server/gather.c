/* Answers of many coordinators. See gather.h. */
#include "server/gather.h"

void gather_begin(struct gather *gather, void (*finish)(struct gather *gather))
{
    *gather = (struct gather){ .left = 1, .error = KAFKA_NONE, .finish = finish };
}

void gather_expect(struct gather *gather)
{
    gather->left++;
}

bool gather_takes(struct gather *gather, int16_t error_code)
{
    if (error_code != KAFKA_NONE && error_code != KAFKA_NOT_COORDINATOR)
        gather->error = (enum kafka_error)error_code;
    return error_code == KAFKA_NONE && gather->error == KAFKA_NONE;
}

void gather_end(struct gather *gather)
{
    if (--gather->left == 0)
        gather->finish(gather);
}
