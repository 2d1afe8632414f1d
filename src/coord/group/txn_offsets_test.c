/* Offsets in transactions under any history: plain commits, commits in transactions, markers, deletions and writes that fail, in
 * any order. Whatever became of the writes, memory tells what a reload of the log tells. */
#include "base/mem.h"
#include "base/test.h"
#include "coord/group/rig_group_test.h"
#include "wire/api.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/txn_offset_commit_request.h"
#include "wire/messages/txn_offset_commit_response.h"
#include "wire/messages/write_txn_markers_response.h"

enum { GROUPS = 2, PARTITIONS = 2, PRODUCERS = 3 };

struct story {
    struct rig_group rig;
    uint64_t asked;
    uint64_t answered;
    struct arena arena;
    int64_t next_offset;
};

static void on_answer(void *context, const struct coord_answer *answer)
{
    struct story *s = context;
    EXPECT(answer->token < s->rig.next_token);
    s->answered++;
}

/* ---- what happens ------------------------------------------------------------------------------ */

static struct bytes draw_group(struct story *s)
{
    return rng_below(&s->rig.rng, GROUPS) == 0 ? BYTES_LITERAL("a") : BYTES_LITERAL("b");
}

static void ask(struct story *s, int16_t api_key, int16_t version, const void *message)
{
    uint64_t token;
    s->asked++;
    rig_group_ask(&s->rig, &token, api_key, version, message);
}

static void commit(struct story *s)
{
    struct offset_commit_request *m = ARENA_NEW(&s->arena, struct offset_commit_request);
    offset_commit_request_init(m);
    m->group_id = draw_group(s);
    m->topics = offset_commit_request_topic_array(&s->arena, 1);
    m->topics_count = 1;
    m->topics[0].name = BYTES_LITERAL("t");
    m->topics[0].partitions = offset_commit_request_partition_array(&s->arena, 1);
    m->topics[0].partitions_count = 1;
    m->topics[0].partitions[0].partition_index = (int32_t)rng_below(&s->rig.rng, PARTITIONS);
    m->topics[0].partitions[0].committed_offset = s->next_offset++;
    ask(s, API_OFFSET_COMMIT, 9, m);
}

static void commit_in_transaction(struct story *s)
{
    struct txn_offset_commit_request *m = ARENA_NEW(&s->arena, struct txn_offset_commit_request);
    txn_offset_commit_request_init(m);
    m->group_id = draw_group(s);
    m->producer_id = (int64_t)rng_below(&s->rig.rng, PRODUCERS);
    m->topics = txn_offset_commit_request_topic_array(&s->arena, 1);
    m->topics_count = 1;
    m->topics[0].name = BYTES_LITERAL("t");
    m->topics[0].partitions = txn_offset_commit_request_partition_array(&s->arena, PARTITIONS);
    m->topics[0].partitions_count = 1 + (int32_t)rng_below(&s->rig.rng, PARTITIONS);
    for (int32_t i = 0; i < m->topics[0].partitions_count; i++) {
        m->topics[0].partitions[i].partition_index = i;
        m->topics[0].partitions[i].committed_offset = s->next_offset++;
        m->topics[0].partitions[i].committed_metadata =
            rng_chance(&s->rig.rng, 500000) ? BYTES_LITERAL("metadata") : BYTES_NULL;
    }
    ask(s, API_TXN_OFFSET_COMMIT, 5, m);
}

static void end_transaction(struct story *s)
{
    s->asked++;
    rig_group_step(
        &s->rig,
        (struct group_event){
            .type = GROUP_ON_TRANSACTION_END,
            .transaction_end = { .token = s->rig.next_token++,
                                 .end = { .producer_id = (int64_t)rng_below(&s->rig.rng, PRODUCERS),
                                          .is_commit = rng_chance(&s->rig.rng, 600000) } } });
}

static void delete_group(struct story *s)
{
    struct delete_groups_request *m = ARENA_NEW(&s->arena, struct delete_groups_request);
    delete_groups_request_init(m);
    m->groups_names = ARENA_NEW(&s->arena, struct bytes);
    m->groups_names_count = 1;
    m->groups_names[0] = draw_group(s);
    ask(s, API_DELETE_GROUPS, 2, m);
}

static void happen(struct story *s)
{
    const uint64_t dice = rng_below(&s->rig.rng, 100);
    if (dice < 45 && s->rig.log.writes.count > 0)
        rig_group_end_write(&s->rig, rng_chance(&s->rig.rng, 150000) ? KAFKA_NOT_ENOUGH_REPLICAS
                                                                     : KAFKA_NONE);
    else if (dice < 60)
        commit(s);
    else if (dice < 80)
        commit_in_transaction(s);
    else if (dice < 95)
        end_transaction(s);
    else
        delete_group(s);
    if (s->rig.log.writes.count == 0)
        rig_group_expect_reloadable(&s->rig);
}

static void live(uint64_t seed)
{
    struct story *s = MEM_NEW(struct story);
    s->rig.rng = rng_from_seed(seed);
    s->rig.settings = (struct group_settings){ .metadata_length_max = 4096,
                                               .member_count_max = 10,
                                               .offsets_retention_ms = INT64_C(1) << 40,
                                               .retention_check_interval_ms = INT64_C(1) << 40,
                                               .commit_timeout_ms = 5000,
                                               .batch_bytes_max = 1 << 20 };
    s->rig.on_answer = on_answer;
    s->rig.context = s;
    arena_init(&s->arena, 1 << 24);
    rig_group_begin(&s->rig);
    rig_group_step(&s->rig, (struct group_event){ .type = GROUP_ON_LOADED });
    for (int i = 0; i < 1000; i++)
        happen(s);
    while (s->rig.log.writes.count > 0)
        rig_group_end_write(&s->rig, KAFKA_NONE);
    rig_group_expect_reloadable(&s->rig);
    EXPECT_EQ(s->answered, s->asked);
    rig_group_end(&s->rig);
    arena_deinit(&s->arena);
    mem_free(s);
}

TEST(group_coordinator, any_history_of_transactions_is_what_the_log_tells)
{
    for (uint64_t i = 0; i < 50; i++)
        live(context->seed + i);
}
