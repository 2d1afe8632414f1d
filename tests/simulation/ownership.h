/* Who owns which partition in groups of the consumer protocol (KIP-848), in the eyes of their members. Stands outside the code under
 * test.
 *
 * Promises that are checked here:
 *   - a partition is never with two members at once: who was given it keeps it until it says that it has given it up, or was not heard
 *     of for a session, or did not give it up within its rebalance timeout
 *   - nobody is fenced without such a cause
 *   - epochs never go back: neither a member's, nor the group's in the eyes of who joins; over a power loss not behind what was flushed
 *
 * (That who lost a partition cannot commit for it is seen by subscriber.c.)
 *
 * A claim is one membership: from the answer that took a member in until it gives everything up. A power loss that may have taken
 * something that was acknowledged voids all claims: their members may live in what is no more, and nothing is checked of them until they
 * join again.
 */
#pragma once

#include "scene.h"

struct ownership;

struct ownership *ownership_new(const struct scene *scene); /* which it borrows */
void ownership_free(struct ownership *ownership);

/* The epoch below which nobody can be who joins from now on. */
int32_t ownership_floor(const struct ownership *ownership, uint32_t group);
/* Changes when claims are voided: what was asked before that says nothing any more. */
uint64_t ownership_round(const struct ownership *ownership);

/* A member was taken in, with an epoch. floor: when it asked. Answers the claim. */
uint32_t ownership_enter(struct ownership *ownership, uint32_t group, const char *member,
                         int32_t epoch, int32_t floor);
/* It was answered again: it has said that it has these partitions (bits), and until then nothing may be taken from it. */
void ownership_heard(struct ownership *ownership, uint32_t claim, int32_t epoch, uint32_t keys,
                     int64_t until_ns);
/* Whether it may rely on what it was told last. */
bool ownership_is_in_force(const struct ownership *ownership, uint32_t claim);
void ownership_take(struct ownership *ownership, uint32_t claim, uint32_t keys);
void ownership_give_up(struct ownership *ownership, uint32_t claim, uint32_t keys);
/* Of these partitions those that somebody else was given after it. */
uint32_t ownership_lost(const struct ownership *ownership, uint32_t claim, uint32_t keys);
/* It is told that it is not, or not so, in the group; has_doubts: an answer to it was lost before. */
void ownership_fenced(const struct ownership *ownership, uint32_t claim, bool has_doubts,
                      int16_t error);

/* Power is lost: begin, and then each epoch of an assignment of the group that is in the log, in order. */
void ownership_lose_begin(struct ownership *ownership);
void ownership_lose_epoch(struct ownership *ownership, uint32_t group, int32_t epoch,
                          bool is_flushed);
/* The group's epoch was told. */
void ownership_told_group(const struct ownership *ownership, uint32_t group, int32_t epoch);
