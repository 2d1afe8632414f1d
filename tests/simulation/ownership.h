/* Who owns which partition in groups, in the eyes of their members, of either protocol. Stands outside the code under test.
 *
 * Promises that are checked here:
 *   - a partition is never with two members at once: who was given it keeps it until it says that it has given it up, or was not heard
 *     of for a session, or did not give it up or join again within its rebalance timeout
 *   - nobody is fenced without such a cause
 *   - epochs (generations) never go back: neither a member's, nor the group's in the eyes of who joins, also when it is converted;
 *     over a power loss not behind what was flushed
 *
 * (That who lost a partition cannot commit for it is seen by subscriber.c and member.c.)
 *
 * A claim is one membership: from the answer that took a member in until it is none any more. A power loss that may have taken
 * something that was acknowledged voids all claims: their members may live in what is no more, and nothing is checked of them until they
 * join again.
 *
 * What cannot be demanded of groups that are converted, since Kafka does not promise it:
 *   - a mixed group that is empty may be made anew under the other protocol, and begins with its first epoch: epochs count only as long as
 *     somebody who is in it for sure has seen them
 *   - a downgrade takes targets for what members have, and an upgrade what the leader sent, before they know: until a classic member was
 *     heard of again, what it has may be given away by an upgrade that follows a downgrade, or to the static member that
 *     took the last subscriber's place; and by one that comes between the leader's assignment and the member's SyncGroup
 */
#pragma once

#include "scene.h"

struct ownership;

struct ownership *ownership_new(const struct scene *scene); /* which it borrows */
void ownership_free(struct ownership *ownership);

/* The epoch below which nobody can be who joins from now on. */
struct ownership_floor {
    int32_t epoch;
    uint64_t era;
};
struct ownership_floor ownership_floor(struct ownership *ownership, uint32_t group);
/* Changes when claims are voided: what was asked before that says nothing any more. */
uint64_t ownership_round(const struct ownership *ownership);

/* A member was taken in. Answers the claim. */
struct ownership_entry {
    uint32_t group;
    const char *member; /* borrowed; lives as long as the history */
    bool is_classic;
    int32_t epoch;
    struct ownership_floor floor; /* when it asked */
};
uint32_t ownership_enter(struct ownership *ownership, const struct ownership_entry *entry);
/* It was answered again, what it asked then: it has said that it has these partitions (bits), and until `until_ns` nothing may be taken
 * from it. */
void ownership_heard(struct ownership *ownership, uint32_t claim, int32_t epoch, uint32_t keys,
                     int64_t asked_ns, int64_t until_ns);
/* Whether it may rely on what it was told last. */
bool ownership_is_in_force(const struct ownership *ownership, uint32_t claim);
bool ownership_is_void(const struct ownership *ownership, uint32_t claim);
void ownership_take(struct ownership *ownership, uint32_t claim, uint32_t keys);
void ownership_give_up(struct ownership *ownership, uint32_t claim, uint32_t keys);
/* It is no member any more, or not in its own eyes. */
void ownership_leave(struct ownership *ownership, uint32_t claim);
/* Of these partitions those that somebody else was given after it. */
uint32_t ownership_lost(const struct ownership *ownership, uint32_t claim, uint32_t keys);
/* It is told that it is not, or not so, in the group; has_doubts: an answer to it was lost before. */
void ownership_fenced(const struct ownership *ownership, uint32_t claim, bool has_doubts,
                      int16_t error);

/* ---- conversions ---------------------------------------------------------------------------------- */

/* A subscriber's wish to join was not answered: it may be in the group without knowing, and go without knowing. */
void ownership_doubts(struct ownership *ownership, uint32_t group);
/* A classic member is in a generation that has a leader, and has asked for it then: the group is a classic one. */
void ownership_is_led(struct ownership *ownership, uint32_t group, int64_t asked_ns);
/* The leader sends an assignment: until they are heard of again its members have what it says. */
void ownership_deal(struct ownership *ownership, uint32_t group);
/* Whether its last epoch is one of a classic generation. */
void ownership_set_led(struct ownership *ownership, uint32_t claim, bool is_led);

/* ---- power losses --------------------------------------------------------------------------------- */

/* Power is lost: begin, and then each epoch of an assignment of the group that is in the log, in order. */
void ownership_lose_begin(struct ownership *ownership);
void ownership_lose_epoch(struct ownership *ownership, uint32_t group, int32_t epoch,
                          bool is_flushed);
/* The group's epoch was told. */
void ownership_told_group(struct ownership *ownership, uint32_t group, int32_t epoch);
