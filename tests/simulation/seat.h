/* A place in a group. In most groups one client has it for good; in a mixed one two clients have it by turns, one of each protocol
 * (member.h, subscriber.h): whoever has left or vanished may come back as the other, so that the group is converted while others are
 * in it. A static seat is one static member, whoever has it.
 */
#pragma once

#include "scene.h"

struct seat {
    char instance[16]; /* name in the group, of a static one */
    bool is_static;
    bool is_shared;
    bool is_subscribers; /* it is the subscriber's turn, and not the classic member's */
};

void seat_init(struct seat *seat, const struct scene *scene, uint32_t group, uint32_t index);
/* Of a thousand times that who has it does something, so often it leaves, and as often it vanishes. */
uint64_t seat_going(const struct seat *seat);
/* How long it stays empty then, at most. */
int64_t seat_away_max_ns(const struct seat *seat);
/* Who has it is gone: the other one may come next. */
void seat_leave(struct seat *seat, struct rng *rng);
