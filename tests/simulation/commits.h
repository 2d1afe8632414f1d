/* What is known of committed offsets. Stands outside the code under test.
 *
 * Promises that are checked here:
 *   - a committed offset that was acknowledged, or told, stays until another one is committed: also after the process was killed or
 *     stopped; after a power loss what is in the flushed part of the log stays, and nothing comes back that was older
 *   - a commit that was refused is not there
 *
 * Each commit of an offset carries a stamp (in its metadata), and stamps are never used twice, so that it is seen which of them
 * is there.
 */
#pragma once

#include "base/bytes.h"
#include "base/vec.h"
#include "scene.h"

#define COMMITS_GROUPS_MAX  2
#define COMMITS_MEMBERS_MAX 8
#define COMMITS_KEYS_MAX    12 /* partitions that a group reads */

struct commits;

/* A partition that groups read. */
struct commits_key {
    const char *topic;
    int32_t partition;
};

struct commits *commits_new(const struct scene *scene);
void commits_free(struct commits *commits);

uint32_t commits_group_count(const struct commits *commits);
const char *commits_group_name(const struct commits *commits, uint32_t group); /* "group0" */
int commits_find_group(const struct commits *commits,
                       struct bytes name); /* negative: none of these */
/* Which protocol its members speak: the consumer protocol (subscriber.h), the classic one (member.h), or both by turns (seat.h). */
bool commits_has_subscribers(const struct commits *commits, uint32_t group);
bool commits_has_classics(const struct commits *commits, uint32_t group);
bool commits_is_mixed(const struct commits *commits, uint32_t group);
/* Whether classic members keep their partitions while they join again (KIP-429). */
bool commits_is_cooperative(const struct commits *commits, uint32_t group);
uint32_t commits_key_count(const struct commits *commits);
struct commits_key commits_key(const struct commits *commits, uint32_t key);
int commits_find_key(const struct commits *commits, struct bytes topic, int32_t partition);

/* ---- offsets --------------------------------------------------------------------------------- */

enum commits_outcome {
    COMMITS_DONE,
    COMMITS_REFUSED, /* it has no effect */
    COMMITS_UNKNOWN, /* it may have an effect yet */
};

/* A commit of an offset is about to be sent: answers its stamp. */
int64_t commits_begin(struct commits *commits, uint32_t group, uint32_t key, int64_t offset);
void commits_end(struct commits *commits, uint32_t group, uint32_t key, int64_t stamp,
                 enum commits_outcome outcome);
char *commits_metadata(int64_t stamp); /* heap */
int64_t commits_stamp_of(struct bytes metadata);

/* How things stood when a question was asked. */
struct commits_look {
    uint64_t life;
    int64_t done[COMMITS_KEYS_MAX]; /* stamps; 0: none */
};
struct commits_look commits_look(const struct commits *commits, uint32_t group);
/* The answer to it: offset -1: none is committed. */
void commits_told(struct commits *commits, uint32_t group, uint32_t key,
                  const struct commits_look *look, int64_t offset, struct bytes metadata);

/* Power is lost. For each group and key, in the order of the log: begin, then each commit that is in it (is_flushed: surely
 * survives), then end. */
void commits_lose_begin(struct commits *commits);
void commits_lose_commit(struct commits *commits, uint32_t group, uint32_t key, int64_t stamp,
                         bool is_flushed);
