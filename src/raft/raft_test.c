/* A quorum of one: its first start as Apache Kafka makes it, crashes at every effect, disks that fail. */
#include "raft/raft.h"

#include "base/fixture.h"
#include "base/mem.h"
#include "raft/snapshot.h"
#include "raft/toy_test.h"
#include "wire/control_record.h"
#include "wire/kafka_error.h"
#include "wire/messages/describe_quorum_request.h"
#include "wire/messages/describe_quorum_response.h"

#include <stdio.h>
#include <string.h>

FIXTURE(formatted, "metadata/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint");
FIXTURE(kafka_log, "metadata/__cluster_metadata-0/00000000000000000000.log");

#define KAFKA_DIRECTORY "Uoc8llZDQzutC8egU4I2VA" /* of the node that wrote the fixtures */

static struct raft_settings sole_settings(void)
{
    struct raft_settings settings = { .node_id = 1,
                                      .election_timeout_ms = 1000,
                                      .election_backoff_max_ms = 1000,
                                      .fetch_timeout_ms = 2000 };
    EXPECT_OK(uuid_from_text(BYTES_LITERAL(KAFKA_DIRECTORY), &settings.directory_id));
    return settings;
}

static void sole(struct toy *toy, uint64_t seed)
{
    const struct raft_settings settings = sole_settings();
    toy_init(toy, &settings, seed);
    buf_put_bytes(&toy->checkpoint, FIXTURE_BYTES(formatted));
}

static struct buf without_times(struct bytes batches, uint32_t count)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct batch_view batch;
    for (uint32_t i = 0; i < count; i++) {
        const int size = batch_parse(batches, &batch);
        EXPECT(size > 0);
        uint8_t *copy = buf_extend(&out, (size_t)size);
        memcpy(copy, batch.bytes.data, (size_t)size);
        memset(copy + 17, 0, 4);
        memset(copy + 27, 0, 16);
        batches = bytes_slice(batches, (size_t)size, batches.size);
    }
    return out;
}

/* The first batch of a new cluster, byte for byte but for its time; and what quorum-state says then. */
TEST(raft_sole, first_start_is_kafkas)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy_start(&toy, true);
    EXPECT_EQ(raft_role(toy.raft), RAFT_ROLE_LEADER);
    EXPECT_EQ(raft_kraft_version(toy.raft), 1);
    toy_settle(&toy);
    EXPECT_EQ(toy.committed, 3);
    EXPECT_EQ(toy.lead_epoch, 1);
    EXPECT_EQ(toy.log.count, 1);
    struct buf ours =
        without_times(bytes_from(toy.log.items[0].bytes->data, toy.log.items[0].bytes->size), 1);
    struct buf theirs = without_times(FIXTURE_BYTES(kafka_log), 1);
    EXPECT_BYTES(buf_view(&ours), buf_view(&theirs));
    EXPECT_BYTES(
        bytes_from(toy.quorum_state->data, toy.quorum_state->size),
        BYTES_LITERAL("{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"votedDirectoryId\":"
                      "\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}"));
    /* The second start: a leader change alone, since the log knows the voters by now. */
    toy_crash(&toy);
    toy_start(&toy, true);
    toy_settle(&toy);
    EXPECT_EQ(toy.committed, 4);
    EXPECT_EQ(toy.lead_epoch, 2);
    EXPECT_EQ(raft_voters(toy.raft)->count, 1);
    buf_deinit(&ours);
    buf_deinit(&theirs);
    toy_deinit(&toy);
}

/* Static voters, as controller.quorum.voters names them: kraft.version 0. */
TEST(raft_sole, static_voters_mean_kraft_version_0)
{
    struct raft_voters voters;
    EXPECT_OK(
        raft_voters_from_setting(BYTES_LITERAL("1@h:9093"), BYTES_LITERAL("C"), &voters, NULL));
    struct raft_settings settings = sole_settings();
    settings.static_voters = &voters;
    struct toy toy;
    toy_init(&toy, &settings, context->seed);
    toy_start(&toy, true);
    toy_settle(&toy);
    EXPECT_EQ(toy.committed, 1);
    EXPECT_EQ(raft_kraft_version(toy.raft), 0);
    EXPECT_BYTES(bytes_from(toy.quorum_state->data, toy.quorum_state->size),
                 BYTES_LITERAL("{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-"
                               "1,\"appliedOffset\":0,"
                               "\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}"));
    toy_deinit(&toy);
    raft_voters_deinit(&voters);
}

/* A log of Apache Kafka goes on here in the next epoch. */
TEST(raft_sole, goes_on_where_apache_kafka_stopped)
{
    struct toy toy;
    sole(&toy, context->seed);
    struct bytes left = FIXTURE_BYTES(kafka_log);
    struct batch_view batch;
    int size;
    while (left.size > 0 && (size = batch_parse(left, &batch)) > 0) {
        struct shared *copy = shared_new((size_t)size);
        memcpy(copy->data, batch.bytes.data, (size_t)size);
        VEC_ADD(&toy.log, ((struct toy_batch){ .bytes = copy,
                                               .base_offset = batch.base_offset,
                                               .last_offset = batch_last_offset(&batch),
                                               .epoch = batch.leader_epoch }));
        left = bytes_slice(left, (size_t)size, left.size);
    }
    toy_check_log(&toy);
    toy_start(&toy, false);
    EXPECT_EQ(raft_epoch(toy.raft), 5);
    toy_settle(&toy);
    EXPECT_EQ(toy.committed, 123);
    EXPECT_EQ(raft_voters(toy.raft)->items[0].endpoints[0].port, 19701);
    toy_deinit(&toy);
}

TEST(raft_sole, not_a_voter_does_not_lead)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy.settings.directory_id.bytes[0] ^= 1; /* a new disk under an old id */
    toy_start(&toy, true);
    toy_settle(&toy);
    EXPECT_EQ(raft_role(toy.raft), RAFT_ROLE_UNATTACHED);
    EXPECT_EQ(toy.armed_ms, INT64_MAX);
    EXPECT_ERR(toy_append(&toy, "x"), ERR_NOT_LEADER);
    EXPECT_EQ(toy.log.count, 0);
    toy_deinit(&toy);
}

/* Nothing is told as committed before both the log and quorum-state are durable, in whatever order they come. */
TEST(raft_sole, commits_after_flush_and_state)
{
    for (int persist_first = 0; persist_first < 2; persist_first++) {
        struct toy toy;
        sole(&toy, context->seed);
        toy_start(&toy, true);
        if (persist_first)
            toy_finish_persist(&toy, true);
        else
            toy_finish_flush(&toy);
        EXPECT_EQ(toy.committed, -1);
        EXPECT_EQ(toy.lead_epoch, -1);
        EXPECT_EQ(raft_high_watermark(toy.raft), -1);
        toy_settle(&toy);
        EXPECT_EQ(toy.committed, 3);
        toy_deinit(&toy);
    }
}

TEST(raft_sole, appends_share_the_next_flush)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy_start(&toy, true);
    toy_settle(&toy);
    EXPECT_EQ(raft_next_offset(toy.raft), 3);
    EXPECT_OK(toy_append(&toy, "a"));
    EXPECT_EQ(toy.flushing_to, 4);
    EXPECT_OK(toy_append(&toy, "b"));
    EXPECT_OK(toy_append(&toy, "c"));
    EXPECT_EQ(toy.flushing_to, 4);
    toy_finish_flush(&toy);
    EXPECT_EQ(toy.committed, 4);
    EXPECT_EQ(toy.flushing_to, 6);
    toy_finish_flush(&toy);
    EXPECT_EQ(toy.committed, 6);
    AUTO(mem_freep) char *b = toy_value_at(&toy, 4);
    EXPECT_TEXT(b, "b");
    toy_deinit(&toy);
}

TEST(raft_sole, appends_have_limits)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy_start(&toy, true);
    toy_settle(&toy);
    AUTO(mem_freep) struct bytes *values = MEM_NEW_ARRAY(struct bytes, RAFT_BATCH_RECORDS_MAX + 1);
    for (size_t i = 0; i <= RAFT_BATCH_RECORDS_MAX; i++)
        values[i] = BYTES_LITERAL("v");
    struct raft_event event = {
        .type = RAFT_ON_APPEND,
        .append = { .epoch = 1, .values = values, .value_count = RAFT_BATCH_RECORDS_MAX + 1 }
    };
    EXPECT_ERR(toy_step(&toy, event), ERR_LIMIT);
    event.append.value_count = RAFT_BATCH_RECORDS_MAX;
    EXPECT_OK(toy_step(&toy, event));
    event.append.epoch = 2;
    EXPECT_ERR(toy_step(&toy, event), ERR_NOT_LEADER);
    AUTO(mem_freep) uint8_t *large = mem_zalloc(RAFT_BATCH_BYTES_MAX);
    values[0] = bytes_from(large, RAFT_BATCH_BYTES_MAX);
    event.append = (struct raft_append){ .epoch = 1, .values = values, .value_count = 1 };
    EXPECT_ERR(toy_step(&toy, event), ERR_LIMIT);
    EXPECT_EQ(raft_next_offset(toy.raft),
              3 + RAFT_BATCH_RECORDS_MAX); /* refused ones changed nothing */
    toy_settle(&toy);
    EXPECT_EQ(toy.committed, 3 + RAFT_BATCH_RECORDS_MAX);
    toy_deinit(&toy);
}

/* A full disk: leadership ends, what was written stays, and a new epoch begins when there is room again. */
TEST(raft_sole, stands_again_after_a_failed_append)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy_start(&toy, true);
    toy_settle(&toy);
    EXPECT_OK(toy_append(&toy, "kept"));
    toy.fail_appends = 3; /* this one, and the leader changes of two attempts */
    EXPECT_OK(toy_append(&toy, "lost"));
    EXPECT_EQ(toy.lead_epoch, -1);
    EXPECT_EQ(raft_role(toy.raft), RAFT_ROLE_RESIGNED);
    EXPECT_EQ(raft_leader_id(toy.raft), -1);
    EXPECT_ERR(toy_append(&toy, "refused"), ERR_NOT_LEADER);
    for (int attempt = 0; attempt < 2; attempt++) {
        toy_settle(&toy);
        EXPECT_EQ(toy.lead_epoch, -1);
        toy_fire(&toy);
    }
    toy_settle(&toy);
    toy_fire(&toy);
    toy_settle(&toy);
    EXPECT_EQ(toy.lead_epoch, 4);
    EXPECT_EQ(toy.committed, 5); /* 3 control records, "kept", the leader change of epoch 4 */
    AUTO(mem_freep) char *kept = toy_value_at(&toy, 3);
    EXPECT_TEXT(kept, "kept");
    EXPECT_OK(toy_append(&toy, "new"));
    toy_settle(&toy);
    EXPECT_EQ(toy.committed, 6);
    toy_check_log(&toy);
    toy_deinit(&toy);
}

TEST(raft_sole, quorum_state_is_written_again_after_a_failure)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy_start(&toy, true);
    toy_finish_flush(&toy);
    for (int i = 0; i < 3; i++) {
        toy_finish_persist(&toy, false);
        EXPECT(toy.quorum_state_coming == NULL);
        EXPECT_EQ(toy.committed, -1);
        toy_fire(&toy);
    }
    toy_finish_persist(&toy, true);
    EXPECT_EQ(toy.committed, 3);
    toy_deinit(&toy);
}

TEST(raft_sole, a_failed_flush_stops_the_node)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy_start(&toy, true);
    EXPECT_OK(toy_step(&toy, (struct raft_event){ .type = RAFT_ON_FLUSH_FAILED }));
    EXPECT(toy.is_stopped);
    EXPECT_EQ(toy.committed, -1);
    toy_deinit(&toy);
}

TEST(raft_sole, resigns_and_stands_again)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy_start(&toy, true);
    toy_settle(&toy);
    EXPECT_OK(toy_append(&toy, "on its way"));
    EXPECT_OK(toy_step(&toy, (struct raft_event){ .type = RAFT_ON_RESIGN }));
    EXPECT_EQ(toy.lead_epoch, -1);
    toy_settle(&toy);
    EXPECT_EQ(toy.committed, 3); /* flushed, but nobody leads */
    toy_fire(&toy);
    toy_settle(&toy);
    EXPECT_EQ(toy.lead_epoch, 2);
    EXPECT_EQ(toy.committed, 5); /* it came through with the new epoch's first batch */
    toy_deinit(&toy);
}

TEST(raft_sole, an_unreadable_quorum_state_is_told)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy.raft = raft_new(&toy.settings);
    struct raft_effects effects = { .count = 0 };
    struct err_note note;
    const struct raft_event event = { .type = RAFT_ON_START,
                                      .start = { .quorum_state = BYTES_LITERAL("{") } };
    EXPECT_ERR(raft_step(toy.raft, &event, &effects, &note), ERR_MALFORMED);
    EXPECT(strstr(note.text, "quorum-state") != NULL);
    EXPECT_EQ(effects.count, 0);
    toy_deinit(&toy);
}

TEST(raft_load, a_kraft_version_of_the_future_is_refused)
{
    struct batch_builder b;
    struct bytes bytes;
    struct batch_view batch;
    struct err_note note;
    control_batch_init(&b, 7, 1, 1000);
    EXPECT_OK(control_batch_add(&b, CONTROL_KRAFT_VERSION, 1, BYTES_LITERAL("\0\0\0\2\0")));
    EXPECT_OK(batch_builder_finish(&b, &bytes));
    EXPECT(batch_parse(bytes, &batch) > 0);
    const struct raft_settings settings = sole_settings();
    struct raft *raft = raft_new(&settings);
    EXPECT_ERR(raft_load_batch(raft, &batch, false, &note), ERR_VERSION);
    EXPECT(strstr(note.text, "kraft.version 2") != NULL);
    raft_free(raft);
    batch_builder_deinit(&b);
}

/* ---- crashes ---------------------------------------------------------------------------------------- */

/* What the outside was told: values by offset, for every offset below the highest high watermark ever. */
struct witness {
    VEC(char *) values;
};

static void remember(struct witness *w, const struct toy *toy)
{
    for (int64_t offset = (int64_t)w->values.count; offset < toy->committed; offset++)
        VEC_ADD(&w->values, toy_value_at(toy, offset));
}

static void expect_kept(const struct witness *w, const struct toy *toy)
{
    for (size_t i = 0; i < w->values.count; i++) {
        AUTO(mem_freep) char *value = toy_value_at(toy, (int64_t)i);
        EXPECT(value != NULL);
        EXPECT_TEXT(value, w->values.items[i]);
    }
}

static void forget(struct witness *w)
{
    for (size_t i = 0; i < w->values.count; i++)
        mem_free(w->values.items[i]);
    VEC_DEINIT(&w->values);
}

/* A life of the node with everything in it, ended by the power at the nth effect. */
static void live(struct toy *toy, struct witness *w)
{
    remember(w, toy);
    for (int i = 0; i < 4 && !toy->is_dead; i++) {
        char value[32];
        snprintf(value, sizeof(value), "%u-%d", toy->effect_count, i);
        if (i == 2)
            toy->fail_appends = 1;
        (void)toy_append(toy, value); /* refused after the failure: fine */
        if (i == 1)
            toy_finish_flush(toy);
        else
            toy_settle(toy);
        remember(w, toy);
    }
    for (int i = 0; i < 3; i++) {
        toy_fire(toy);
        toy_finish_flush(toy);
        remember(w, toy);
        toy_finish_persist(toy, i != 0);
        remember(w, toy);
    }
    (void)toy_append(toy, "last");
    toy_settle(toy);
    remember(w, toy);
}

TEST(raft_crash, at_every_effect_nothing_committed_is_lost)
{
    bool was_whole_life_seen = false;
    for (uint32_t crash_after = 0; !was_whole_life_seen; crash_after++) {
        for (uint64_t seed = 0; seed < 8; seed++) { /* what of the unsynced survives */
            struct toy toy;
            struct witness w = { .values = { 0 } };
            sole(&toy, seed * 1000 + crash_after);
            for (int life = 0; life < 3; life++) {
                toy.crash_after =
                    life == 1 ? crash_after : UINT32_MAX; /* with a past, and a future */
                toy_start(&toy, seed % 2 == 0);
                live(&toy, &w);
                if (life == 1)
                    was_whole_life_seen |= !toy.is_dead;
                toy_crash(&toy);
                toy_check_log(&toy);
                expect_kept(&w, &toy);
            }
            forget(&w);
            toy_deinit(&toy);
        }
    }
}

TEST(raft_crash, under_random_histories_nothing_committed_is_lost)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct toy toy;
        struct witness w = { .values = { 0 } };
        sole(&toy, context->seed * 1000 + seed);
        struct rng rng = rng_from_seed(context->seed * 7777 + seed);
        toy_start(&toy, true);
        for (int step = 0; step < 200; step++) {
            char value[32];
            snprintf(value, sizeof(value), "%d", step);
            switch (rng_below(&rng, 12)) {
            case 0:
                toy_crash(&toy);
                toy_check_log(&toy);
                expect_kept(&w, &toy);
                toy_start(&toy, rng_chance(&rng, 500000));
                break;
            case 1:
                toy.fail_appends = (uint32_t)rng_below(&rng, 3);
                break;
            case 2:
            case 3:
                toy_finish_persist(&toy, !rng_chance(&rng, 300000));
                break;
            case 4:
            case 5:
                toy_finish_flush(&toy);
                break;
            case 6:
                toy_fire(&toy);
                break;
            case 7:
                EXPECT_OK(toy_step(&toy, (struct raft_event){ .type = rng_chance(&rng, 100000)
                                                                          ? RAFT_ON_RESIGN
                                                                          : RAFT_ON_TIMER }));
                break;
            default:
                (void)toy_append(&toy, value); /* refused while nobody leads: fine */
                break;
            }
            remember(&w, &toy);
        }
        /* The faults end: every promise is met again. */
        toy.fail_appends = 0;
        for (int i = 0; i < 4; i++) {
            toy_settle(&toy);
            toy_fire(&toy);
        }
        toy_settle(&toy);
        EXPECT(toy.lead_epoch >= 0);
        EXPECT_OK(toy_append(&toy, "alive"));
        toy_settle(&toy);
        EXPECT_EQ(toy.committed, toy_log_end(&toy));
        remember(&w, &toy);
        expect_kept(&w, &toy);
        toy_check_log(&toy);
        forget(&w);
        toy_deinit(&toy);
    }
}

/* ---- DescribeQuorum ---------------------------------------------------------------------------------- */

static void describe(const struct toy *toy, const char *topic, const int32_t *partitions,
                     int32_t partition_count, int16_t version, struct arena *arena,
                     struct describe_quorum_response *out)
{
    struct describe_quorum_request request;
    describe_quorum_request_init(&request);
    request.topics = describe_quorum_request_topic_data_array(arena, 1);
    request.topics_count = 1;
    request.topics[0].topic_name = bytes_from_text(topic);
    request.topics[0].partitions =
        describe_quorum_request_partition_data_array(arena, (uint32_t)partition_count);
    request.topics[0].partitions_count = partition_count;
    for (int32_t i = 0; i < partition_count; i++)
        request.topics[0].partitions[i].partition_index = partitions[i];
    raft_describe_quorum(toy->raft, &request, version, 5000, arena, out);
    EXPECT(describe_quorum_response_size(version, out, NULL) >
           0); /* can be written in its version */
}

TEST(raft_describe, answers_as_kafka_in_every_version)
{
    struct toy toy;
    sole(&toy, context->seed);
    toy_start(&toy, true);
    toy_settle(&toy);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct describe_quorum_response answer;
    const int32_t zero[] = { 0, 1 };
    for (int16_t version = 0; version <= 2; version++) {
        describe(&toy, "__cluster_metadata", zero, 1, version, &arena, &answer);
        const struct describe_quorum_response_partition_data *p = &answer.topics[0].partitions[0];
        EXPECT_EQ(answer.error_code, KAFKA_NONE);
        EXPECT_EQ(p->error_code, KAFKA_NONE);
        EXPECT_EQ(p->leader_id, 1);
        EXPECT_EQ(p->leader_epoch, 1);
        EXPECT_EQ(p->high_watermark, 3);
        EXPECT_EQ(p->current_voters_count, 1);
        EXPECT_EQ(p->observers_count, 0);
        EXPECT_EQ(p->current_voters[0].log_end_offset, 3);
        EXPECT_EQ(p->current_voters[0].last_fetch_timestamp, 5000);
        EXPECT_EQ(p->current_voters[0].last_caught_up_timestamp, 5000);
        EXPECT_EQ(answer.nodes_count, version >= 2 ? 1 : 0);
        if (version >= 2)
            EXPECT(bytes_equal_text(answer.nodes[0].listeners[0].name, "CONTROLLER"));
    }
    describe(&toy, "__cluster_metadata", &zero[1], 1, 2, &arena, &answer);
    EXPECT_EQ(answer.topics[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    describe(&toy, "__cluster_metadata", zero, 2, 2, &arena, &answer);
    EXPECT_EQ(answer.topics[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_EQ(answer.topics[0].partitions[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    describe(&toy, "other", zero, 1, 1, &arena, &answer);
    EXPECT_EQ(answer.topics[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_OK(toy_step(&toy, (struct raft_event){ .type = RAFT_ON_RESIGN }));
    describe(&toy, "__cluster_metadata", zero, 1, 2, &arena, &answer);
    EXPECT_EQ(answer.topics[0].partitions[0].error_code, KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT_EQ(answer.nodes_count, 0);
    arena_deinit(&arena);
    toy_deinit(&toy);
}
