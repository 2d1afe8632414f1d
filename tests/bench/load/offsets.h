/* Groups that nobody is a member of: their committed offsets. Groups are called "bench-0" and so on; each commits one
 * offset for each of the topic's partitions that are asked for. */
#pragma once

#include "base/arena.h"
#include "options.h"

/* Commits offsets of partitions `first` to `partitions` - 1 for each group, one request a group. */
void load_commit(const struct load_options *options);

/* Whether the coordinators tell every offset of every group; false: one of them still loads. */
bool load_offsets_are_told(int fd, const struct load_options *options, struct arena *arena);
