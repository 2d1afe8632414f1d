/* Consuming from brokers that refuse, lose and move: each record once and in order, from where it was meant to begin. */
#include "client/rig_eater_test.h"

#include "wire/control_record.h"
#include "wire/kafka_error.h"

#include <string.h>

/* ---- partitions of one's own choice ---------------------------------------------------------- */

TEST(consumer_poll, reads_everything_once_and_in_order)
{
    struct scene s;
    scene_begin(&s, context->seed, "");
    scene_fill(&s, 100);
    scene_assign(&s, -1, CONSUMER_OFFSET_EARLIEST);
    eater_eat(&s.eater, 300);
    scene_fill(&s, 10);
    eater_eat(&s.eater, 30);
    eater_expect_nothing(&s.eater, 3000);
    scene_end(&s);
}

TEST(consumer_poll, begins_where_it_is_told)
{
    struct scene s;
    scene_begin(&s, context->seed, "");
    scene_fill(&s, 50);
    scene_fill(&s, 50);
    s.topic->partitions[2].start_offset = 60;
    s.topic->partitions[2].batches.items[0].last_offset = -1; /* deleted */
    scene_assign(&s, 0, 42);
    scene_assign(&s, 1, CONSUMER_OFFSET_LATEST);
    scene_assign(&s, 2, CONSUMER_OFFSET_EARLIEST);
    s.eater.next[0] = 42;
    s.eater.next[1] = 100;
    s.eater.next[2] = 60;
    eater_eat(&s.eater, 58 + 40);
    eater_expect_nothing(&s.eater, 2000);
    scene_fill(&s, 1);
    eater_eat(&s.eater, 3);
    scene_end(&s);
}

TEST(consumer_poll, comes_back_in_time)
{
    struct scene s;
    scene_begin(&s, context->seed, "");
    scene_assign(&s, 0, 0);
    const int64_t begun_ns = sim_world_now_ns(s.rig.world);
    eater_expect_nothing(&s.eater, 1234);
    const int64_t passed_ms = (sim_world_now_ns(s.rig.world) - begun_ns) / NS_PER_MS;
    EXPECT(passed_ms >= 1234 && passed_ms <= 1240);
    eater_expect_nothing(&s.eater, 0);
    scene_end(&s);
}

static bool is_interrupted(void *context)
{
    return *(bool *)context;
}

TEST(consumer_poll, can_be_interrupted)
{
    struct scene s;
    scene_begin(&s, context->seed, "");
    scene_fill(&s, 100);
    scene_assign(&s, 0, 0);
    eater_eat(&s.eater, 1);
    bool is_over = true;
    s.eater.consumer->loop.is_interrupted = is_interrupted;
    s.eater.consumer->loop.context = &is_over;
    client_rig_run_ms(&s.rig, 1000);
    struct consumer_record record;
    EXPECT_ERR(consumer_poll(s.eater.consumer, INT64_MAX, &record, &s.eater.note), ERR_CANCELLED);
    is_over = false;
    eater_eat(&s.eater, 99); /* and nothing was skipped */
    scene_end(&s);
}

TEST(consumer_poll, knows_nothing_of_a_partition_that_is_not_there)
{
    struct scene s;
    scene_begin(&s, context->seed, "");
    scene_assign(&s, PARTITIONS, 0);
    eater_expect_failure(&s.eater, ERR_NOT_FOUND, "Partition t-3 is not there");
    scene_end(&s);
}

/* Asked about no more often than the back-off allows, until it is there. */
TEST(consumer_poll, waits_for_a_topic_to_come)
{
    struct scene s;
    scene_begin(&s, context->seed, "");
    struct rig_topic *topic = VEC_POP(&s.rig.topics);
    scene_assign(&s, -1, CONSUMER_OFFSET_EARLIEST);
    eater_expect_nothing(&s.eater, 10000);
    EXPECT(s.rig.counts[API_METADATA] >= 50 && s.rig.counts[API_METADATA] <= 110);
    VEC_ADD(&s.rig.topics, topic);
    scene_fill(&s, 5);
    eater_eat(&s.eater, 15);
    scene_end(&s);
}

/* Offsets that are gone: by auto.offset.reset. */
TEST(consumer_poll, begins_anew_where_its_place_is_gone)
{
    struct scene s;
    scene_begin(&s, context->seed, "");
    scene_fill(&s, 10);
    scene_assign(&s, 0, 1000);
    eater_eat(&s.eater, 10);
    scene_end(&s);

    scene_begin(&s, context->seed, "auto.offset.reset=latest");
    scene_fill(&s, 10);
    scene_assign(&s, 0, 1000);
    eater_expect_nothing(&s.eater, 2000);
    scene_fill(&s, 1);
    s.eater.next[0] = 10;
    eater_eat(&s.eater, 1);
    scene_end(&s);

    scene_begin(&s, context->seed, "auto.offset.reset=none");
    scene_fill(&s, 10);
    scene_assign(&s, 0, 1000);
    eater_expect_failure(&s.eater, ERR_NOT_FOUND,
                         "Fetch position 1000 is out of range for partition t-0");
    scene_end(&s);
}

/* Whatever happens to requests and answers, and whoever leads. */
TEST(consumer_poll, loses_and_repeats_nothing_whatever_is_lost)
{
    static const struct rig_rule troubles[] = {
        { .deed = RIG_REFUSE, .error = KAFKA_NOT_LEADER_OR_FOLLOWER },
        { .deed = RIG_REFUSE, .error = KAFKA_KAFKA_STORAGE_ERROR },
        { .deed = RIG_LOSE },
        { .deed = RIG_DO_AND_LOSE },
        { .deed = RIG_HOLD },
        { .deed = RIG_GARBLE },
        { .deed = RIG_BABBLE },
    };
    for (uint64_t seed = context->seed; seed < context->seed + 20; seed++) {
        struct scene s;
        scene_begin(&s, seed, "");
        struct rng rng = rng_from_seed(seed);
        scene_assign(&s, -1, CONSUMER_OFFSET_EARLIEST);
        int64_t due = 0;
        for (int i = 0; i < 40; i++) {
            struct rig_rule trouble = troubles[rng_below(&rng, ARRAY_LEN(troubles))];
            trouble.api_key = rng_chance(&rng, 800000) ? API_FETCH : API_LIST_OFFSETS;
            if (rng_chance(&rng, 300000))
                client_rig_rule(&s.rig, trouble);
            if (rng_chance(&rng, 100000))
                client_rig_lead(s.topic, (int32_t)rng_below(&rng, PARTITIONS),
                                1 + (int32_t)rng_below(&rng, CLIENT_RIG_BROKERS));
            const int32_t count = (int32_t)rng_between(&rng, 1, 20);
            scene_fill(&s, count);
            due += count * PARTITIONS;
            const int64_t some = rng_between(&rng, 0, due - eater_total(&s.eater));
            eater_eat(&s.eater, some);
        }
        eater_eat(&s.eater, due - eater_total(&s.eater));
        eater_expect_nothing(&s.eater, 3000);
        scene_end(&s);
    }
}

TEST(consumer_poll, fails_when_it_is_refused_for_good)
{
    struct scene s;
    scene_begin(&s, context->seed, "");
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_FETCH,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_TOPIC_AUTHORIZATION_FAILED });
    scene_assign(&s, 0, 0);
    eater_expect_failure(&s.eater, ERR_PROTOCOL, "t-0: ");
    scene_end(&s);
}

/* KIP-392: the leader sends us to a replica near by; from there back to it when that is no use. */
TEST(consumer_poll, reads_from_the_replica_it_is_sent_to)
{
    struct scene s;
    scene_begin(&s, context->seed, "client.rack=here");
    s.topic->partitions[0].read_replica = 3;
    scene_fill(&s, 20);
    scene_assign(&s, 0, 0);
    eater_eat(&s.eater, 20);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_FETCH,
                                               .broker = 3,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_OFFSET_OUT_OF_RANGE });
    scene_fill(&s, 20);
    eater_eat(&s.eater, 20); /* not from the beginning: the leader's word counts */
    client_rig_stop(&s.rig, 3);
    s.topic->partitions[0].read_replica = -1;
    scene_fill(&s, 20);
    eater_eat(&s.eater, 20);
    eater_expect_nothing(&s.eater, 1000);
    scene_end(&s);
}

/* ---- what is in batches ---------------------------------------------------------------------- */

/* Two records; offset deltas 0 and 1. */
static void append_transactional(struct rig_partition *p, int64_t producer_id, int16_t attributes)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.attributes = attributes;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    struct batch_builder b;
    batch_builder_init(&b, &options);
    for (int i = 0; i < 2; i++) {
        AUTO(mem_freep) char *text = mem_printf("%" PRId64, p->end_offset + i);
        EXPECT_OK(batch_builder_add(&b, 1, BYTES_NULL, bytes_from_text(text), NULL, 0));
    }
    struct bytes whole;
    EXPECT_OK(batch_builder_finish(&b, &whole));
    (void)rig_append(p, whole);
    batch_builder_deinit(&b);
}

static void append_marker(struct rig_partition *p, int64_t producer_id, enum control_type type)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.attributes = BATCH_CONTROL | BATCH_TRANSACTIONAL;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    struct batch_builder b;
    batch_builder_init(&b, &options);
    const uint8_t key[] = { 0, 0, 0, (uint8_t)type };
    const uint8_t value[] = { 0, 0, 0, 0, 0, 0 };
    EXPECT_OK(batch_builder_add(&b, 1, bytes_from(key, sizeof(key)),
                                bytes_from(value, sizeof(value)), NULL, 0));
    struct bytes whole;
    EXPECT_OK(batch_builder_finish(&b, &whole));
    (void)rig_append(p, whole);
    batch_builder_deinit(&b);
}

/* Offsets 0-1 of 7, 2-3 of 8, 4 ends 7, 5-6 of 7 again, 7 ends 8, 8 ends 7, 9-10 of nobody. */
static void append_transactions(struct scene *s)
{
    struct rig_partition *p = &s->topic->partitions[0];
    append_transactional(p, 7, BATCH_TRANSACTIONAL);
    append_transactional(p, 8, BATCH_TRANSACTIONAL);
    append_marker(p, 7, CONTROL_ABORT);
    append_transactional(p, 7, BATCH_TRANSACTIONAL);
    append_marker(p, 8, CONTROL_COMMIT);
    append_marker(p, 7, CONTROL_COMMIT);
    append_transactional(p, -1, 0);
    VEC_ADD(&p->aborted, ((struct rig_aborted){ .producer_id = 7, .first_offset = 0 }));
}

static void expect_offsets(struct eater *e, const int64_t *offsets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct consumer_record record;
        EXPECT_EQ(consumer_poll(e->consumer, 60000, &record, &e->note), 1);
        EXPECT_EQ(record.record.offset, offsets[i]);
    }
    eater_expect_nothing(e, 1000);
}

TEST(consumer_poll, leaves_out_what_was_aborted)
{
    struct scene s;
    scene_begin(&s, context->seed, "isolation.level=read_committed");
    append_transactions(&s);
    scene_assign(&s, 0, 0);
    expect_offsets(&s.eater, (const int64_t[]){ 2, 3, 5, 6, 9, 10 }, 6);
    scene_end(&s);

    scene_begin(&s, context->seed, "");
    append_transactions(&s);
    scene_assign(&s, 0, 0);
    expect_offsets(&s.eater, (const int64_t[]){ 0, 1, 2, 3, 5, 6, 9, 10 }, 8);
    scene_end(&s);
}

TEST(consumer_poll, finds_broken_batches)
{
    struct scene s;
    scene_begin(&s, context->seed, "");
    scene_fill(&s, 10);
    scene_fill(&s, 10);
    struct rig_batch *batch = &s.topic->partitions[0].batches.items[1];
    batch->data[batch->size - 2] ^= 0x01; /* in the last value: its CRC alone tells */
    scene_assign(&s, 0, 0);
    eater_eat(&s.eater, 10);
    eater_expect_failure(&s.eater, ERR_CORRUPT,
                         "Record batch for partition t-0 at offset 10 is invalid");
    scene_end(&s);

    scene_begin(&s, context->seed, "");
    scene_fill(&s, 10);
    batch = &s.topic->partitions[0].batches.items[0];
    batch->data[BATCH_OVERHEAD_BYTES] ^= 0x40; /* a length that cannot be */
    batch_seal(batch->data, batch->size);
    scene_assign(&s, 0, 0);
    struct consumer_record record;
    EXPECT(consumer_poll(s.eater.consumer, 60000, &record, &s.eater.note) < 0);
    EXPECT(strstr(s.eater.note.text, "A record of t-0 at offset 0 is broken") != NULL);
    scene_end(&s);
}
