/* One seed, one history: a whole node under crashes and faults, clients of many kinds, checkers beside them. */
#pragma once

#include "base/base.h"

struct history_options {
    uint64_t seed;
    bool is_verbose; /* every event of the world, and the node's lines */
};

struct history_result {
    uint64_t trace; /* equal for equal seeds */
    uint64_t lives; /* incarnations of the broker */
    uint64_t power_losses;
    uint64_t acknowledged;
    uint64_t read;
    uint64_t compacted;
    uint64_t rotten;
};

/* Runs it to its end. A broken promise stops the process with a line that names it (the runner gives each seed a process
 * of its own). */
void history_run(const struct history_options *options, struct history_result *out);
