/* See leader.h. */
#include "leader.h"

#include "client.h"
#include "embedded.h"
#include "generations.h"
#include "model.h"
#include "ownership.h"
#include "wire/messages/join_group_response.h"

#define ASSIGNMENT_BYTES_MAX ((size_t)4 << 10)

static void check_members(const char *group, const struct join_group_response *joined)
{
    if (joined->members_count < 1 || joined->members_count > COMMITS_MEMBERS_MAX)
        model_fail("generation %d of %s has %d members", joined->generation_id, group,
                   joined->members_count);
    for (int32_t i = 0; i < joined->members_count; i++) {
        for (int32_t k = 0; k < i; k++) {
            if (bytes_equal(joined->members[k].member_id, joined->members[i].member_id))
                model_fail("generation %d of %s has member '%.*s' twice", joined->generation_id,
                           group, BYTES_PRINTF(joined->members[i].member_id));
        }
    }
}

/* Who has it by its own words; of two, in the newer generation. Negative: nobody. */
static int find_owner(const struct embedded_subscription *told, int32_t count, uint32_t key)
{
    int owner = -1;
    for (int32_t i = 0; i < count; i++) {
        if ((told[i].owned & key) != 0 &&
            (owner < 0 || told[i].generation > told[owner].generation))
            owner = i;
    }
    return owner;
}

/* In turn, beginning anywhere; what somebody has stays there mostly, and else goes to nobody before it was given up. */
static void share_out(struct client *client, const struct embedded_subscription *told,
                      int32_t count, uint32_t *keys)
{
    const uint64_t first = rng_below(&client->rng, COMMITS_MEMBERS_MAX);
    for (uint32_t k = 0; k < commits_key_count(client->scene->commits); k++) {
        const uint32_t key = 1u << k;
        const int owner = find_owner(told, count, key);
        const bool moves = !client->scene->is_calm && rng_chance(&client->rng, 100000);
        uint64_t to = (first + k) % (uint32_t)count;
        for (int32_t tries = 0; tries < count && (told[to].wants & key) == 0; tries++)
            to = (to + 1) % (uint32_t)count;
        if ((told[to].wants & key) == 0)
            continue;
        if (owner < 0 || to == (uint64_t)owner)
            keys[to] |= key;
        else if (!moves)
            keys[owner] |= key;
    }
}

void leader_deal(struct client *client, uint32_t group, const struct join_group_response *joined,
                 struct leader_plan *out)
{
    struct scene *scene = client->scene;
    struct embedded_subscription told[COMMITS_MEMBERS_MAX];
    uint32_t keys[COMMITS_MEMBERS_MAX] = { 0 };
    check_members(commits_group_name(scene->commits, group), joined);
    out->count = joined->members_count;
    out->dealt = 0;
    for (int32_t i = 0; i < out->count; i++) {
        told[i] = embedded_read_subscription(scene, joined->members[i].metadata);
        out->dealt |= told[i].wants;
    }
    share_out(client, told, out->count, keys);
    for (int32_t i = 0; i < out->count; i++) {
        const struct join_group_response_member *member = &joined->members[i];
        buf_init(&out->bytes[i], ASSIGNMENT_BYTES_MAX);
        embedded_write_assignment(scene, keys[i], &out->bytes[i]);
        out->assignments[i] = sync_group_request_assignment_default;
        out->assignments[i].member_id = member->member_id;
        out->assignments[i].assignment = buf_view(&out->bytes[i]);
        if (!commits_is_mixed(scene->commits, group))
            generations_assign(scene->generations, group, joined->generation_id, member->member_id,
                               member->group_instance_id, keys[i]);
    }
    ownership_deal(scene->ownership, group);
}

void leader_plan_deinit(struct leader_plan *plan)
{
    for (int32_t i = 0; i < plan->count; i++)
        buf_deinit(&plan->bytes[i]);
}
