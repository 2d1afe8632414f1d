/* What members of groups were told of generations and assignments. Stands outside the code under test.
 *
 * Promises that are checked here:
 *   - generations do not come back: not by a restart either, once a member was told its assignment
 *   - of one generation there is one leader; each member gets what the leader gave it, and each partition has one owner
 *
 * (That an old generation cannot commit is seen by member.c.)
 */
#pragma once

#include "base/bytes.h"

struct commits;
struct generations;

struct generations *generations_new(const struct commits *commits); /* which it borrows */
void generations_free(struct generations *generations);

/* An answer to JoinGroup. */
void generations_joined(struct generations *generations, uint32_t group, int32_t number,
                        struct bytes leader, struct bytes member_id);
/* The leader gives a member (by id and, when it is static, by name) some keys: bits. */
void generations_assign(struct generations *generations, uint32_t group, int32_t number,
                        struct bytes member_id, struct bytes instance_id, uint32_t keys);
/* An answer to SyncGroup. */
void generations_synced(struct generations *generations, uint32_t group, int32_t number,
                        struct bytes member_id, struct bytes instance_id, uint32_t keys);
/* The broker's incarnation has ended: generations that nobody was told the assignment of may be given out again, and all of
 * them when the power was lost. */
void generations_life_ended(struct generations *generations, bool is_power_lost);
/* The newest that is known; older ones are over. 0: none. */
int32_t generations_newest(const struct generations *generations, uint32_t group);
