/* Elections among several voters, on a network that loses and delays, with crashes: one leader an epoch, and one in the end.
 *
 * Replication between nodes is not there yet, so logs grow on leaders alone and nothing is committed: that the best
 * log wins is seen by itself below.
 */
#include "raft/raft.h"

#include "base/mem.h"
#include "raft/toy_test.h"
#include "wire/kafka_error.h"

#include <stdio.h>
#include <string.h>

enum { NODES_MAX = 5 };

struct letter {
    int from;
    int to;
    struct raft_event event;
};

struct net {
    struct toy toys[NODES_MAX];
    bool is_up[NODES_MAX];
    int count;
    VEC(struct letter) letters;
    VEC(int32_t) leader_of; /* by epoch: who was seen to lead; -1 */
    struct rng rng;
    uint32_t loss; /* in a million */
};

static void net_init(struct net *net, int count, uint64_t seed)
{
    *net = (struct net){ .count = count, .rng = rng_from_seed(seed) };
    char text[128] = "";
    for (int i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d@h:%d", i == 0 ? "" : ",",
                 i, i + 1);
    struct raft_voters voters;
    EXPECT_OK(raft_voters_from_setting(bytes_from_text(text), BYTES_LITERAL("C"), &voters, NULL));
    for (int i = 0; i < count; i++) {
        const struct raft_settings settings = { .node_id = i,
                                                .directory_id = { .bytes = { (uint8_t)(i + 1) } },
                                                .static_voters = &voters,
                                                .election_timeout_ms = 1000,
                                                .election_backoff_max_ms = 300,
                                                .fetch_timeout_ms = 2000 };
        toy_init(&net->toys[i], &settings, seed * 100 + (uint64_t)i);
        toy_start(&net->toys[i], true);
        net->is_up[i] = true;
    }
    /* The settings keep a pointer for restarts: all nodes share one copy, freed at the end. */
    struct raft_voters *kept = MEM_NEW(struct raft_voters);
    raft_voters_copy(&voters, kept);
    for (int i = 0; i < count; i++)
        net->toys[i].settings.static_voters = kept;
    raft_voters_deinit(&voters);
}

static void net_deinit(struct net *net)
{
    struct raft_voters *kept = NULL;
    memcpy(&kept, &net->toys[0].settings.static_voters, sizeof(kept));
    for (int i = 0; i < net->count; i++)
        toy_deinit(&net->toys[i]);
    raft_voters_deinit(kept);
    mem_free(kept);
    VEC_DEINIT(&net->letters);
    VEC_DEINIT(&net->leader_of);
}

static void witness_leaders(struct net *net)
{
    for (int i = 0; i < net->count; i++) {
        if (!net->is_up[i] || raft_role(net->toys[i].raft) != RAFT_ROLE_LEADER)
            continue;
        const size_t epoch = (size_t)raft_epoch(net->toys[i].raft);
        while (net->leader_of.count <= epoch)
            VEC_ADD(&net->leader_of, -1);
        if (net->leader_of.items[epoch] == -1)
            net->leader_of.items[epoch] = i;
        if (net->leader_of.items[epoch] != i)
            test_fail(__FILE__, __LINE__, "epoch %zu is led by %d and by %d", epoch,
                      net->leader_of.items[epoch], i);
    }
}

static void post(struct net *net, int from, int to, struct raft_event event)
{
    VEC_ADD(&net->letters, ((struct letter){ .from = from, .to = to, .event = event }));
}

/* Requests become events there; answers go back by the sender's number in the correlation. */
static void collect(struct net *net, int node)
{
    struct toy *toy = &net->toys[node];
    for (size_t i = 0; i < toy->outbox.count; i++) {
        struct raft_effect *e = &toy->outbox.items[i].effect;
        struct raft_event event = { .type = RAFT_ON_TIMER };
        switch ((int)e->type) {
        case RAFT_DO_SEND_VOTE:
            event.type = RAFT_ON_VOTE_REQUEST;
            event.vote_request = e->vote;
            event.vote_request.correlation = (uint64_t)node;
            post(net, node, e->vote.voter_id, event);
            break;
        case RAFT_DO_ANSWER_VOTE:
            event.type = RAFT_ON_VOTE_ANSWER;
            event.vote_answer = e->vote_answer.answer;
            post(net, node, (int)e->vote_answer.correlation, event);
            break;
        case RAFT_DO_SEND_BEGIN_EPOCH:
        case RAFT_DO_SEND_END_EPOCH:
            event.type =
                e->type == RAFT_DO_SEND_BEGIN_EPOCH ? RAFT_ON_BEGIN_EPOCH : RAFT_ON_END_EPOCH;
            event.epoch_message = e->epoch_message;
            event.epoch_message.from_id = node;
            event.epoch_message.correlation = (uint64_t)node;
            post(net, node, e->epoch_message.from_id, event);
            break;
        case RAFT_DO_ANSWER_EPOCH:
            event.type = RAFT_ON_BEGIN_EPOCH_ANSWER;
            event.epoch_message = e->epoch_message;
            post(net, node, (int)e->epoch_message.correlation, event);
            break;
        default:
            EXPECT(false);
        }
    }
    toy->outbox.count = 0;
}

static void after(struct net *net, int node)
{
    collect(net, node);
    witness_leaders(net);
}

static void deliver_one(struct net *net)
{
    if (net->letters.count == 0)
        return;
    const size_t i = rng_below(&net->rng, net->letters.count);
    const struct letter letter = net->letters.items[i];
    VEC_REMOVE_AT(&net->letters, i);
    if (rng_chance(&net->rng, net->loss) || !net->is_up[letter.to])
        return;
    EXPECT_OK(toy_step(&net->toys[letter.to], letter.event));
    after(net, letter.to);
}

/* The node whose timer is next; time goes on for all alike. */
static void fire_next(struct net *net)
{
    int next = -1;
    for (int i = 0; i < net->count; i++) {
        if (net->is_up[i] && net->toys[i].armed_ms != INT64_MAX &&
            (next < 0 || net->toys[i].armed_ms < net->toys[next].armed_ms))
            next = i;
    }
    if (next < 0)
        return;
    const int64_t now_ms = MAX(net->toys[next].armed_ms, net->toys[next].now_ms);
    for (int i = 0; i < net->count; i++)
        net->toys[i].now_ms = MAX(net->toys[i].now_ms, now_ms);
    toy_fire(&net->toys[next]);
    after(net, next);
}

static void finish_disk(struct net *net, int node, bool ok)
{
    toy_finish_persist(&net->toys[node], ok);
    toy_finish_flush(&net->toys[node]);
    after(net, node);
}

static void restart(struct net *net, int node)
{
    const int64_t now_ms = net->toys[node].now_ms;
    if (net->is_up[node])
        toy_crash(&net->toys[node]);
    net->is_up[node] = true;
    net->toys[node].now_ms = now_ms;
    toy_start(&net->toys[node], true);
    after(net, node);
}

static int leader_of(const struct net *net)
{
    int leader = -1;
    int32_t epoch = -1;
    for (int i = 0; i < net->count; i++) {
        if (net->is_up[i] && raft_role(net->toys[i].raft) == RAFT_ROLE_LEADER &&
            raft_epoch(net->toys[i].raft) > epoch) {
            leader = i;
            epoch = raft_epoch(net->toys[i].raft);
        }
    }
    return leader;
}

/* Everything arrives and every disk is quick; timers fire only when nothing else is left to do. */
static void heal(struct net *net, int timers)
{
    net->loss = 0;
    for (int round = 0; round < timers; round++) {
        bool is_busy = true;
        while (is_busy) {
            is_busy = net->letters.count > 0;
            deliver_one(net);
            for (int i = 0; i < net->count; i++) {
                if (net->is_up[i])
                    finish_disk(net, i, true);
            }
        }
        if (leader_of(net) >= 0)
            return;
        fire_next(net);
    }
}

TEST(raft_election, three_nodes_agree_on_one)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct net net;
        net_init(&net, 3, context->seed * 1000 + seed);
        heal(&net, 20);
        const int leader = leader_of(&net);
        EXPECT(leader >= 0);
        for (int i = 0; i < 3; i++) {
            EXPECT_EQ(raft_leader_id(net.toys[i].raft), leader);
            EXPECT_EQ(raft_role(net.toys[i].raft),
                      i == leader ? RAFT_ROLE_LEADER : RAFT_ROLE_FOLLOWER);
        }
        net_deinit(&net);
    }
}

TEST(raft_election, one_leader_an_epoch_under_loss_and_crashes_and_one_in_the_end)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct net net;
        net_init(&net, seed % 2 == 0 ? 3 : 5, context->seed * 5000 + seed);
        net.loss = (uint32_t)rng_below(&net.rng, 4) * 150000;
        for (int step = 0; step < 600; step++) {
            const int node = (int)rng_below(&net.rng, (uint64_t)net.count);
            switch (rng_below(&net.rng, 16)) {
            case 0:
                if (rng_chance(&net.rng, 200000))
                    restart(&net, node);
                break;
            case 1:
            case 2:
                fire_next(&net);
                break;
            case 3:
            case 4:
            case 5:
                if (net.is_up[node])
                    finish_disk(&net, node, !rng_chance(&net.rng, 100000));
                break;
            case 6:
                if (rng_chance(&net.rng, 100000)) {
                    EXPECT_OK(
                        toy_step(&net.toys[node], (struct raft_event){ .type = RAFT_ON_RESIGN }));
                    after(&net, node);
                }
                break;
            default:
                deliver_one(&net);
                break;
            }
        }
        for (int i = 0; i < net.count; i++)
            EXPECT_OK(toy_step(&net.toys[i], (struct raft_event){ .type = RAFT_ON_RESIGN }));
        net.letters.count = 0;
        heal(&net, 200);
        EXPECT(leader_of(&net) >= 0);
        net_deinit(&net);
    }
}

/* A vote counts only when it cannot be forgotten: no answer leaves before quorum-state is durable. */
TEST(raft_election, a_vote_leaves_after_it_is_durable)
{
    struct net net;
    net_init(&net, 3, context->seed);
    struct toy *toy = &net.toys[1];
    const struct raft_event ask = { .type = RAFT_ON_VOTE_REQUEST,
                                    .vote_request = { .replica_id = 2,
                                                      .replica_directory_id = { .bytes = { 3 } },
                                                      .voter_id = 1,
                                                      .epoch = 5,
                                                      .correlation = 77 } };
    EXPECT_OK(toy_step(toy, ask));
    EXPECT_EQ(toy->outbox.count, 0);
    EXPECT(toy->quorum_state_coming != NULL);
    toy_finish_persist(toy, false);
    EXPECT_EQ(toy->outbox.count, 0);
    toy_fire(toy);
    toy_finish_persist(toy, true);
    EXPECT_EQ(toy->outbox.count, 1);
    EXPECT_EQ(toy->outbox.items[0].effect.vote_answer.correlation, 77);
    EXPECT(toy->outbox.items[0].effect.vote_answer.answer.is_granted);
    struct raft_event other_disk = ask; /* the same id with a new disk is another replica */
    other_disk.vote_request.replica_directory_id.bytes[0] = 9;
    EXPECT_OK(toy_step(toy, other_disk));
    EXPECT(!toy->outbox.items[1].effect.vote_answer.answer.is_granted);
    /* And it stands across a restart: another candidate of the same epoch is refused, the same one is not. */
    toy_crash(toy);
    toy_start(toy, true);
    struct raft_event other = ask;
    other.vote_request.replica_id = 0;
    EXPECT_OK(toy_step(toy, other));
    EXPECT(!toy->outbox.items[0].effect.vote_answer.answer.is_granted);
    EXPECT_OK(toy_step(toy, ask));
    EXPECT(toy->outbox.items[1].effect.vote_answer.answer.is_granted);
    net_deinit(&net);
}

/* Gives a node's answer to a vote request in its present role. */
static struct raft_vote_answer ask(struct toy *toy, struct raft_vote_request request)
{
    toy->outbox.count = 0;
    EXPECT_OK(toy_step(
        toy, (struct raft_event){ .type = RAFT_ON_VOTE_REQUEST, .vote_request = request }));
    toy_finish_persist(toy, true);
    EXPECT_EQ(toy->outbox.count, 1);
    return toy->outbox.items[0].effect.vote_answer.answer;
}

TEST(raft_election, votes_go_to_logs_that_are_not_behind)
{
    struct net net;
    net_init(&net, 3, context->seed);
    heal(&net, 20);
    const int leader = leader_of(&net);
    restart(&net, leader); /* its log has the leader change; it may not go on in that epoch */
    struct toy *toy = &net.toys[leader];
    const int32_t epoch = raft_epoch(toy->raft);
    const int64_t end = raft_next_offset(toy->raft);
    const struct raft_vote_request behind = { .replica_id = (leader + 1) % 3,
                                              .voter_id = leader,
                                              .epoch = epoch + 1,
                                              .last_epoch = epoch,
                                              .last_offset = end - 1 };
    struct raft_vote_request request = behind;
    EXPECT(!ask(toy, request).is_granted);
    EXPECT_EQ(raft_epoch(toy->raft), epoch + 1); /* a higher epoch is believed all the same */
    request.last_epoch = epoch - 1;
    request.last_offset = end + 100;
    EXPECT(!ask(toy, request).is_granted);
    request.last_epoch = epoch;
    request.last_offset = end;
    request.is_pre_vote = true;
    EXPECT(ask(toy, request).is_granted);
    request.is_pre_vote = false;
    EXPECT(ask(toy, request).is_granted);
    net_deinit(&net);
}

TEST(raft_election, requests_that_cannot_be_are_refused)
{
    struct net net;
    net_init(&net, 3, context->seed);
    heal(&net, 20);
    const int leader = leader_of(&net);
    struct toy *toy = &net.toys[(leader + 1) % 3];
    const int32_t epoch = raft_epoch(toy->raft);
    const struct raft_vote_request good = { .replica_id = (leader + 2) % 3,
                                            .voter_id = (leader + 1) % 3,
                                            .epoch = epoch,
                                            .last_epoch = epoch,
                                            .last_offset = 100 };
    struct raft_vote_request r = good;
    r.epoch = epoch - 1;
    r.last_epoch = epoch - 1;
    EXPECT_EQ(ask(toy, r).error, KAFKA_FENCED_LEADER_EPOCH);
    r = good;
    r.voter_id = leader;
    EXPECT_EQ(ask(toy, r).error, KAFKA_INVALID_VOTER_KEY);
    r = good;
    r.voter_directory_id.bytes[0] = 77;
    EXPECT_EQ(ask(toy, r).error, KAFKA_INVALID_VOTER_KEY);
    r = good;
    r.last_epoch = epoch + 1;
    EXPECT_EQ(ask(toy, r).error, KAFKA_INVALID_REQUEST);
    r = good;
    r.last_offset = -1;
    EXPECT_EQ(ask(toy, r).error, KAFKA_INVALID_REQUEST);
    EXPECT_EQ(ask(toy, good).error, KAFKA_NONE);
    EXPECT(!ask(toy, good).is_granted); /* this epoch has its leader */
    EXPECT_EQ(ask(toy, good).leader_id, leader);

    /* Two leaders in one epoch cannot be. */
    toy->outbox.count = 0;
    EXPECT_OK(toy_step(toy, (struct raft_event){ .type = RAFT_ON_BEGIN_EPOCH,
                                                 .epoch_message = { .from_id = (leader + 2) % 3,
                                                                    .epoch = epoch } }));
    EXPECT_EQ(toy->outbox.items[0].effect.epoch_message.error, KAFKA_INVALID_REQUEST);
    EXPECT_EQ(raft_leader_id(toy->raft), leader);
    EXPECT_OK(toy_step(
        toy, (struct raft_event){ .type = RAFT_ON_BEGIN_EPOCH,
                                  .epoch_message = { .from_id = leader, .epoch = epoch - 1 } }));
    EXPECT_EQ(toy->outbox.items[1].effect.epoch_message.error, KAFKA_FENCED_LEADER_EPOCH);
    net_deinit(&net);
}

/* A node that cannot reach the others does not raise its epoch for it, and so does not disturb them when it is back. */
TEST(raft_election, a_cut_off_node_stays_in_its_epoch)
{
    struct net net;
    net_init(&net, 3, context->seed);
    heal(&net, 20);
    const int leader = leader_of(&net);
    const int alone = (leader + 1) % 3;
    const int32_t epoch = raft_epoch(net.toys[alone].raft);
    for (int i = 0; i < 20; i++) {
        toy_fire(&net.toys[alone]);
        toy_finish_persist(&net.toys[alone], true);
        net.toys[alone].outbox.count = 0; /* nothing gets through */
    }
    EXPECT_EQ(raft_role(net.toys[alone].raft), RAFT_ROLE_PROSPECTIVE);
    EXPECT_EQ(raft_epoch(net.toys[alone].raft), epoch);
    net_deinit(&net);
}

/* The leader's side of replication: what a majority has flushed is committed, once this epoch's first batch is. */
TEST(raft_leader, commits_what_a_majority_has_flushed)
{
    struct net net;
    net_init(&net, 3, context->seed);
    heal(&net, 20);
    const int leader = leader_of(&net);
    struct toy *toy = &net.toys[leader];
    EXPECT_OK(toy_append(toy, "a"));
    toy_settle(toy);
    EXPECT_EQ(toy->committed, -1);
    const int64_t end = raft_next_offset(toy->raft);
    struct raft_event fetched = { .type = RAFT_ON_REPLICA_FETCHED,
                                  .replica_fetched = { .replica_id = (leader + 1) % 3,
                                                       .fetch_offset = end - 1 } };
    EXPECT_OK(toy_step(toy, fetched));
    EXPECT_EQ(toy->committed, end - 1);
    EXPECT_EQ(toy->lead_epoch, raft_epoch(toy->raft));
    fetched.replica_fetched.fetch_offset = end + 50; /* nobody has more than the leader */
    EXPECT_OK(toy_step(toy, fetched));
    EXPECT_EQ(toy->committed, end);
    fetched.replica_fetched.replica_id = 99; /* no voter: counts for nothing */
    EXPECT_OK(toy_append(toy, "b"));
    toy_settle(toy);
    EXPECT_OK(toy_step(toy, fetched));
    EXPECT_EQ(toy->committed, end);
    net_deinit(&net);
}
