/* Where a member of a group, of either protocol, reads on: positions that are learned from the group's offsets and committed there.
 * What is told is held against commits.h. One request at a time.
 */
#pragma once

#include "base/bytes.h"
#include "commits.h"

struct client;

/* Called once for each request, with `client` as the context. error: the last in the answer; taken: of a commit, the partitions whose
 * offsets were committed, bits. */
typedef void cursor_done(void *context, bool is_lost, int16_t error, uint32_t taken);

struct cursor_commit {
    int64_t stamp;
    int64_t offset;
};

struct cursor {
    struct client *client;
    uint32_t group;
    cursor_done *on_learned;
    cursor_done *on_committed;
    int64_t positions[COMMITS_KEYS_MAX];
    struct cursor_commit commits[COMMITS_KEYS_MAX]; /* under way */
    struct commits_look look;
    bool is_committing; /* and the outcome is not known yet */
};

/* Who asks; borrowed for the call. */
struct cursor_who {
    struct bytes member_id;
    struct bytes instance_id;
    int32_t epoch; /* or generation */
};
#define CURSOR_ANYBODY                                                                             \
    ((struct cursor_who){ .member_id = BYTES_NULL, .instance_id = BYTES_NULL, .epoch = -1 })

/* The positions of these partitions: bits. */
void cursor_learn(struct cursor *cursor, const struct cursor_who *who, uint32_t keys);
/* Commits offsets of some of these partitions. False: of none, and nothing is asked. */
bool cursor_commit(struct cursor *cursor, const struct cursor_who *who, uint32_t keys);
