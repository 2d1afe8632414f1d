/* Offsets in transactions under any history: plain commits, commits in transactions, markers, deletions and writes that fail, in
 * any order. Whatever became of the writes, memory tells what a reload of the log tells. */
#include "base/mem.h"
#include "base/test.h"
#include "coord/group_coordinator.h"
#include "wire/api.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/txn_offset_commit_request.h"
#include "wire/messages/txn_offset_commit_response.h"
#include "wire/messages/write_txn_markers_response.h"

#include <string.h>

enum { GROUPS = 2, PARTITIONS = 2, PRODUCERS = 3 };

/* A record of the log, or a marker (key null). */
struct line {
    int64_t producer_id;
    bool is_commit;
    struct bytes key;
    struct bytes value;
};

struct pending_write {
    uint64_t id;
    VEC(struct line) lines;
};

struct story {
    struct rng rng;
    struct group_settings settings;
    struct group_coordinator *coordinator;
    struct group_effects effects;
    int64_t now_ms;
    uint64_t next_token;
    uint64_t asked;
    uint64_t answered;
    struct arena arena;
    VEC(struct line) log;
    VEC(struct pending_write) writes;
    int64_t next_offset;
};

static struct bytes keep(struct bytes b)
{
    return bytes_is_null(b) ? b : bytes_from(mem_dup(b.data, b.size), b.size);
}

static void lines_free(struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mem_free((void *)(uintptr_t)lines[i].key.data);
        mem_free((void *)(uintptr_t)lines[i].value.data);
    }
}

static void take_append(struct story *s, const struct coord_append *append)
{
    const struct coord_transaction *transaction = append->transaction;
    struct pending_write *write = VEC_PUSH(&s->writes);
    write->id = append->write_id;
    if (transaction != NULL && transaction->is_end) {
        EXPECT_EQ(append->record_count, 0);
        VEC_ADD(&write->lines, ((struct line){ .producer_id = transaction->producer_id,
                                               .is_commit = transaction->is_commit,
                                               .key = BYTES_NULL,
                                               .value = BYTES_NULL }));
    }
    for (uint32_t i = 0; i < append->record_count; i++)
        VEC_ADD(&write->lines,
                ((struct line){ .producer_id = transaction == NULL ? -1 : transaction->producer_id,
                                .key = keep(append->records[i].key),
                                .value = keep(append->records[i].value) }));
}

static void step(struct story *s, struct group_event event)
{
    event.now_ms = s->now_ms;
    event.wall_ms = 1000000 + s->now_ms;
    group_coordinator_step(s->coordinator, &event, &s->effects);
    for (size_t i = 0; i < s->effects.appends.count; i++)
        take_append(s, &s->effects.appends.items[i]);
    s->answered += s->effects.answers.count;
    group_effects_clear(&s->effects);
}

static void writes_forget(struct story *s)
{
    for (size_t i = 0; i < s->writes.count; i++) {
        lines_free(s->writes.items[i].lines.items, s->writes.items[i].lines.count);
        VEC_DEINIT(&s->writes.items[i].lines);
    }
    s->writes.count = 0;
}

static void end_write(struct story *s, enum kafka_error error)
{
    struct pending_write write = s->writes.items[0];
    VEC_REMOVE_AT(&s->writes, 0);
    if (error == KAFKA_NONE) {
        for (size_t i = 0; i < write.lines.count; i++)
            VEC_ADD(&s->log, write.lines.items[i]);
    } else {
        lines_free(write.lines.items, write.lines.count);
        writes_forget(s); /* those behind it fail with it */
    }
    VEC_DEINIT(&write.lines);
    step(s, (struct group_event){ .type = GROUP_ON_APPENDED,
                                  .appended = { .write_id = write.id, .error = error } });
}

static struct group_coordinator *coordinator_from_log(const struct story *s)
{
    struct group_coordinator *coordinator = group_coordinator_new(&s->settings, 99);
    for (size_t i = 0; i < s->log.count; i++) {
        const struct line *line = &s->log.items[i];
        if (bytes_is_null(line->key))
            group_coordinator_end_transaction(coordinator, line->producer_id, line->is_commit);
        else
            EXPECT_OK(group_coordinator_replay(coordinator, line->producer_id, line->key,
                                               line->value, NULL));
    }
    return coordinator;
}

/* Nothing is under way. */
static void expect_same_after_reload(const struct story *s)
{
    struct buf live;
    struct buf loaded;
    buf_init(&live, 1 << 20);
    buf_init(&loaded, 1 << 20);
    group_coordinator_print(s->coordinator, &live);
    struct group_coordinator *coordinator = coordinator_from_log(s);
    group_coordinator_print(coordinator, &loaded);
    group_coordinator_free(coordinator);
    EXPECT_BYTES(buf_view(&loaded), buf_view(&live));
    buf_deinit(&live);
    buf_deinit(&loaded);
}

/* ---- what happens ------------------------------------------------------------------------------ */

static struct bytes draw_group(struct story *s)
{
    return rng_below(&s->rng, GROUPS) == 0 ? BYTES_LITERAL("a") : BYTES_LITERAL("b");
}

static void ask(struct story *s, int16_t api_key, int16_t version, const void *message)
{
    s->asked++;
    step(s, (struct group_event){ .type = GROUP_ON_REQUEST,
                                  .request = { .token = s->next_token++,
                                               .api_key = api_key,
                                               .version = version,
                                               .client_id = BYTES_LITERAL("c"),
                                               .client_host = BYTES_LITERAL("/h"),
                                               .message = message } });
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
    m->topics[0].partitions[0].partition_index = (int32_t)rng_below(&s->rng, PARTITIONS);
    m->topics[0].partitions[0].committed_offset = s->next_offset++;
    ask(s, API_OFFSET_COMMIT, 9, m);
}

static void commit_in_transaction(struct story *s)
{
    struct txn_offset_commit_request *m = ARENA_NEW(&s->arena, struct txn_offset_commit_request);
    txn_offset_commit_request_init(m);
    m->group_id = draw_group(s);
    m->producer_id = (int64_t)rng_below(&s->rng, PRODUCERS);
    m->topics = txn_offset_commit_request_topic_array(&s->arena, 1);
    m->topics_count = 1;
    m->topics[0].name = BYTES_LITERAL("t");
    m->topics[0].partitions = txn_offset_commit_request_partition_array(&s->arena, PARTITIONS);
    m->topics[0].partitions_count = 1 + (int32_t)rng_below(&s->rng, PARTITIONS);
    for (int32_t i = 0; i < m->topics[0].partitions_count; i++) {
        m->topics[0].partitions[i].partition_index = i;
        m->topics[0].partitions[i].committed_offset = s->next_offset++;
        m->topics[0].partitions[i].committed_metadata =
            rng_chance(&s->rng, 500000) ? BYTES_LITERAL("metadata") : BYTES_NULL;
    }
    ask(s, API_TXN_OFFSET_COMMIT, 5, m);
}

static void end_transaction(struct story *s)
{
    s->asked++;
    step(s, (struct group_event){
                .type = GROUP_ON_TRANSACTION_END,
                .transaction_end = { .token = s->next_token++,
                                     .end = { .producer_id = (int64_t)rng_below(&s->rng, PRODUCERS),
                                              .is_commit = rng_chance(&s->rng, 600000) } } });
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
    const uint64_t dice = rng_below(&s->rng, 100);
    if (dice < 45 && s->writes.count > 0)
        end_write(s, rng_chance(&s->rng, 150000) ? KAFKA_NOT_ENOUGH_REPLICAS : KAFKA_NONE);
    else if (dice < 60)
        commit(s);
    else if (dice < 80)
        commit_in_transaction(s);
    else if (dice < 95)
        end_transaction(s);
    else
        delete_group(s);
    if (s->writes.count == 0)
        expect_same_after_reload(s);
}

static void live(uint64_t seed)
{
    struct story *s = MEM_NEW(struct story);
    s->rng = rng_from_seed(seed);
    s->settings = (struct group_settings){ .metadata_length_max = 4096,
                                           .member_count_max = 10,
                                           .offsets_retention_ms = INT64_C(1) << 40,
                                           .retention_check_interval_ms = INT64_C(1) << 40,
                                           .commit_timeout_ms = 5000,
                                           .batch_bytes_max = 1 << 20 };
    group_effects_init(&s->effects);
    arena_init(&s->arena, 1 << 24);
    s->coordinator = group_coordinator_new(&s->settings, seed);
    step(s, (struct group_event){ .type = GROUP_ON_LOADED });
    for (int i = 0; i < 1000; i++)
        happen(s);
    while (s->writes.count > 0)
        end_write(s, KAFKA_NONE);
    expect_same_after_reload(s);
    EXPECT_EQ(s->answered, s->asked);
    VEC_DEINIT(&s->writes);
    lines_free(s->log.items, s->log.count);
    VEC_DEINIT(&s->log);
    group_coordinator_free(s->coordinator);
    group_effects_deinit(&s->effects);
    arena_deinit(&s->arena);
    mem_free(s);
}

TEST(group_coordinator, any_history_of_transactions_is_what_the_log_tells)
{
    for (uint64_t i = 0; i < 50; i++)
        live(context->seed + i);
}
