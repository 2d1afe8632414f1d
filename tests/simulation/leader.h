/* What the leader of a classic group gives its members: in turn, and to none what another one has not given up. generations.h and
 * ownership.h are told.
 */
#pragma once

#include "base/buf.h"
#include "commits.h"
#include "wire/messages/sync_group_request.h"

struct client;
struct join_group_response;

struct leader_plan {
    struct sync_group_request_assignment assignments[COMMITS_MEMBERS_MAX];
    struct buf bytes[COMMITS_MEMBERS_MAX]; /* of these; owned */
    int32_t count;
    uint32_t dealt; /* all that somebody wants: bits */
};

void leader_deal(struct client *client, uint32_t group, const struct join_group_response *joined,
                 struct leader_plan *out);
void leader_plan_deinit(struct leader_plan *plan);
