/* Consuming from brokers that refuse, lose and move: each record once and in order, from where it was meant to begin; and the
 * life of a member: joining, sharing, committing, leaving. */
#include "client/consumer_int.h"

#include "client/rig_test.h"
#include "wire/control_record.h"
#include "wire/kafka_error.h"

#include <string.h>

#define PARTITIONS 3

/* One consumer, which counts on from number to number in each partition of the topic "t". */
struct eater {
    struct client_rig *rig;
    struct consumer *consumer;
    int64_t next[PARTITIONS];  /* the number that is due */
    int64_t count[PARTITIONS]; /* how many came */
    uint32_t assigned;         /* how often */
    uint32_t revoked;
    size_t share;
    struct err_note note;
};

static void on_assigned(void *context, size_t partition_count)
{
    struct eater *e = context;
    e->assigned++;
    e->share = partition_count;
}

static void on_revoked(void *context)
{
    struct eater *e = context;
    e->revoked++;
    e->share = 0;
}

static void open_eater(struct client_rig *rig, struct eater *e)
{
    *e = (struct eater){ .rig = rig };
    const struct consumer_owner owner = { .on_assigned = on_assigned,
                                          .on_revoked = on_revoked,
                                          .context = e };
    EXPECT_OK(consumer_new(&rig->loop, rig->config, &rig->diag, &owner, &e->consumer, &e->note));
}

struct scene {
    struct client_rig rig;
    struct rig_topic *topic;
    struct eater eater;
};

static void begin(struct scene *s, uint64_t seed, const char *settings)
{
    AUTO(mem_freep)
    char *all = mem_printf("request.timeout.ms=2000\nfetch.max.wait.ms=500\n"
                           "auto.offset.reset=earliest\nallow.auto.create.topics=false\n%s",
                           settings);
    client_rig_begin(&s->rig, seed, SETTING_KIND_CONSUMER, all);
    s->topic = client_rig_topic(&s->rig, "t", PARTITIONS);
    open_eater(&s->rig, &s->eater);
}

static void end(struct scene *s)
{
    consumer_free(s->eater.consumer);
    client_rig_end(&s->rig);
}

/* The numbers of each partition go on. */
static void fill(struct scene *s, int32_t count)
{
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct rig_partition *p = &s->topic->partitions[i];
        rig_append_numbers(p, (int32_t)p->end_offset, count);
    }
}

static void take(struct eater *e, const struct consumer_record *record)
{
    int64_t number;
    EXPECT(bytes_equal_text(record->topic, "t"));
    EXPECT_OK(bytes_to_i64(record->record.value, &number));
    EXPECT_EQ(number, record->record.offset);
    EXPECT_EQ(number, e->next[record->partition]);
    e->next[record->partition]++;
    e->count[record->partition]++;
}

static int64_t total(const struct eater *e)
{
    int64_t count = 0;
    for (int32_t i = 0; i < PARTITIONS; i++)
        count += e->count[i];
    return count;
}

/* Polls so many records; more are not due. */
static void eat(struct eater *e, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct consumer_record record;
        const int r = consumer_poll(e->consumer, 60000, &record, &e->note);
        if (r != 1)
            test_fail(__FILE__, __LINE__, "record %" PRId64 " of %" PRId64 ": %s", i, count,
                      r == 0 ? "none came" : e->note.text);
        take(e, &record);
    }
}

static void expect_nothing(struct eater *e, int64_t ms)
{
    struct consumer_record record;
    EXPECT_EQ(consumer_poll(e->consumer, ms, &record, &e->note), 0);
}

static void expect_failure(struct eater *e, int code, const char *words)
{
    struct consumer_record record;
    EXPECT_EQ(consumer_poll(e->consumer, 60000, &record, &e->note), -code);
    if (strstr(e->note.text, words) == NULL)
        test_fail(__FILE__, __LINE__, "\"%s\" says nothing of \"%s\"", e->note.text, words);
    EXPECT_EQ(consumer_poll(e->consumer, 60000, &record, &e->note), -code); /* and it stays so */
}

static void assign(struct scene *s, int32_t partition, int64_t offset)
{
    consumer_assign(s->eater.consumer, BYTES_LITERAL("t"), partition, offset);
}

/* ---- partitions of one's own choice ---------------------------------------------------------- */

TEST(consumer_poll, reads_everything_once_and_in_order)
{
    struct scene s;
    begin(&s, context->seed, "");
    fill(&s, 100);
    assign(&s, -1, CONSUMER_OFFSET_EARLIEST);
    eat(&s.eater, 300);
    fill(&s, 10);
    eat(&s.eater, 30);
    expect_nothing(&s.eater, 3000);
    end(&s);
}

TEST(consumer_poll, begins_where_it_is_told)
{
    struct scene s;
    begin(&s, context->seed, "");
    fill(&s, 50);
    fill(&s, 50);
    s.topic->partitions[2].start_offset = 60;
    s.topic->partitions[2].batches.items[0].last_offset = -1; /* deleted */
    assign(&s, 0, 42);
    assign(&s, 1, CONSUMER_OFFSET_LATEST);
    assign(&s, 2, CONSUMER_OFFSET_EARLIEST);
    s.eater.next[0] = 42;
    s.eater.next[1] = 100;
    s.eater.next[2] = 60;
    eat(&s.eater, 58 + 40);
    expect_nothing(&s.eater, 2000);
    fill(&s, 1);
    eat(&s.eater, 3);
    end(&s);
}

TEST(consumer_poll, comes_back_in_time)
{
    struct scene s;
    begin(&s, context->seed, "");
    assign(&s, 0, 0);
    const int64_t begun_ns = sim_world_now_ns(s.rig.world);
    expect_nothing(&s.eater, 1234);
    const int64_t passed_ms = (sim_world_now_ns(s.rig.world) - begun_ns) / NS_PER_MS;
    EXPECT(passed_ms >= 1234 && passed_ms <= 1240);
    expect_nothing(&s.eater, 0);
    end(&s);
}

static bool is_interrupted(void *context)
{
    return *(bool *)context;
}

TEST(consumer_poll, can_be_interrupted)
{
    struct scene s;
    begin(&s, context->seed, "");
    fill(&s, 100);
    assign(&s, 0, 0);
    eat(&s.eater, 1);
    bool is_over = true;
    s.eater.consumer->loop.is_interrupted = is_interrupted;
    s.eater.consumer->loop.context = &is_over;
    client_rig_run_ms(&s.rig, 1000);
    struct consumer_record record;
    EXPECT_ERR(consumer_poll(s.eater.consumer, INT64_MAX, &record, &s.eater.note), ERR_CANCELLED);
    is_over = false;
    eat(&s.eater, 99); /* and nothing was skipped */
    end(&s);
}

TEST(consumer_poll, knows_nothing_of_a_partition_that_is_not_there)
{
    struct scene s;
    begin(&s, context->seed, "");
    assign(&s, PARTITIONS, 0);
    expect_failure(&s.eater, ERR_NOT_FOUND, "Partition t-3 is not there");
    end(&s);
}

/* Asked about no more often than the back-off allows, until it is there. */
TEST(consumer_poll, waits_for_a_topic_to_come)
{
    struct scene s;
    begin(&s, context->seed, "");
    struct rig_topic *topic = VEC_POP(&s.rig.topics);
    assign(&s, -1, CONSUMER_OFFSET_EARLIEST);
    expect_nothing(&s.eater, 10000);
    EXPECT(s.rig.counts[API_METADATA] >= 50 && s.rig.counts[API_METADATA] <= 110);
    VEC_ADD(&s.rig.topics, topic);
    fill(&s, 5);
    eat(&s.eater, 15);
    end(&s);
}

/* Offsets that are gone: by auto.offset.reset. */
TEST(consumer_poll, begins_anew_where_its_place_is_gone)
{
    struct scene s;
    begin(&s, context->seed, "");
    fill(&s, 10);
    assign(&s, 0, 1000);
    eat(&s.eater, 10);
    end(&s);

    begin(&s, context->seed, "auto.offset.reset=latest");
    fill(&s, 10);
    assign(&s, 0, 1000);
    expect_nothing(&s.eater, 2000);
    fill(&s, 1);
    s.eater.next[0] = 10;
    eat(&s.eater, 1);
    end(&s);

    begin(&s, context->seed, "auto.offset.reset=none");
    fill(&s, 10);
    assign(&s, 0, 1000);
    expect_failure(&s.eater, ERR_NOT_FOUND,
                   "Fetch position 1000 is out of range for partition t-0");
    end(&s);
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
        begin(&s, seed, "");
        struct rng rng = rng_from_seed(seed);
        assign(&s, -1, CONSUMER_OFFSET_EARLIEST);
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
            fill(&s, count);
            due += count * PARTITIONS;
            const int64_t some = rng_between(&rng, 0, due - total(&s.eater));
            eat(&s.eater, some);
        }
        eat(&s.eater, due - total(&s.eater));
        expect_nothing(&s.eater, 3000);
        end(&s);
    }
}

TEST(consumer_poll, fails_when_it_is_refused_for_good)
{
    struct scene s;
    begin(&s, context->seed, "");
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_FETCH,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_TOPIC_AUTHORIZATION_FAILED });
    assign(&s, 0, 0);
    expect_failure(&s.eater, ERR_PROTOCOL, "t-0: ");
    end(&s);
}

/* KIP-392: the leader sends us to a replica near by; from there back to it when that is no use. */
TEST(consumer_poll, reads_from_the_replica_it_is_sent_to)
{
    struct scene s;
    begin(&s, context->seed, "client.rack=here");
    s.topic->partitions[0].read_replica = 3;
    fill(&s, 20);
    assign(&s, 0, 0);
    eat(&s.eater, 20);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_FETCH,
                                               .broker = 3,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_OFFSET_OUT_OF_RANGE });
    fill(&s, 20);
    eat(&s.eater, 20); /* not from the beginning: the leader's word counts */
    client_rig_stop(&s.rig, 3);
    s.topic->partitions[0].read_replica = -1;
    fill(&s, 20);
    eat(&s.eater, 20);
    expect_nothing(&s.eater, 1000);
    end(&s);
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
    expect_nothing(e, 1000);
}

TEST(consumer_poll, leaves_out_what_was_aborted)
{
    struct scene s;
    begin(&s, context->seed, "isolation.level=read_committed");
    append_transactions(&s);
    assign(&s, 0, 0);
    expect_offsets(&s.eater, (const int64_t[]){ 2, 3, 5, 6, 9, 10 }, 6);
    end(&s);

    begin(&s, context->seed, "");
    append_transactions(&s);
    assign(&s, 0, 0);
    expect_offsets(&s.eater, (const int64_t[]){ 0, 1, 2, 3, 5, 6, 9, 10 }, 8);
    end(&s);
}

TEST(consumer_poll, finds_broken_batches)
{
    struct scene s;
    begin(&s, context->seed, "");
    fill(&s, 10);
    fill(&s, 10);
    struct rig_batch *batch = &s.topic->partitions[0].batches.items[1];
    batch->data[batch->size - 2] ^= 0x01; /* in the last value: its CRC alone tells */
    assign(&s, 0, 0);
    eat(&s.eater, 10);
    expect_failure(&s.eater, ERR_CORRUPT, "Record batch for partition t-0 at offset 10 is invalid");
    end(&s);

    begin(&s, context->seed, "");
    fill(&s, 10);
    batch = &s.topic->partitions[0].batches.items[0];
    batch->data[BATCH_OVERHEAD_BYTES] ^= 0x40; /* a length that cannot be */
    batch_seal(batch->data, batch->size);
    assign(&s, 0, 0);
    struct consumer_record record;
    EXPECT(consumer_poll(s.eater.consumer, 60000, &record, &s.eater.note) < 0);
    EXPECT(strstr(s.eater.note.text, "A record of t-0 at offset 0 is broken") != NULL);
    end(&s);
}

/* ---- groups ---------------------------------------------------------------------------------- */

#define GROUP "group.id=g\n"

static void subscribe(struct eater *e)
{
    consumer_subscribe(e->consumer, BYTES_LITERAL("t"));
}

/* Another member, with the same settings. */
static void join(struct scene *s, struct eater *other)
{
    open_eater(&s->rig, other);
    subscribe(other);
}

TEST(consumer_group, reads_on_where_it_was_committed)
{
    struct scene s;
    begin(&s, context->seed, GROUP);
    fill(&s, 100);
    subscribe(&s.eater);
    eat(&s.eater, 200);
    EXPECT_EQ(s.eater.assigned, 1);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    struct eater next;
    consumer_free(TAKE(s.eater.consumer)); /* commits and leaves */
    EXPECT_EQ(rig_group_members(&s.rig), 0);
    for (int32_t i = 0; i < PARTITIONS; i++)
        EXPECT_EQ(MAX(rig_group_committed(&s.rig, "t", i), 0), s.eater.next[i]);
    join(&s, &next);
    memcpy(next.next, s.eater.next, sizeof(next.next));
    eat(&next, 100);
    expect_nothing(&next, 2000);
    consumer_free(next.consumer);
    end(&s);
}

/* Both get their share, and all of it is read; who leaves leaves it to the other. */
TEST(consumer_group, shares_with_others)
{
    struct scene s;
    begin(&s, context->seed, GROUP "auto.commit.interval.ms=100");
    subscribe(&s.eater);
    expect_nothing(&s.eater, 2000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    struct eater other;
    join(&s, &other);
    for (int i = 0; i < 100; i++) {
        expect_nothing(&s.eater, 50);
        expect_nothing(&other, 50);
    }
    EXPECT_EQ(s.eater.share + other.share, PARTITIONS);
    EXPECT(s.eater.share > 0 && other.share > 0);
    EXPECT_EQ(s.eater.revoked, 1);
    EXPECT_EQ(rig_group_members(&s.rig), 2);
    fill(&s, 10);
    eat(&s.eater, 10 * (int64_t)s.eater.share);
    eat(&other, 10 * (int64_t)other.share);
    expect_nothing(&s.eater, 100);
    consumer_free(other.consumer);
    for (int32_t i = 0; i < PARTITIONS; i++)
        s.eater.next[i] = MAX(s.eater.next[i], other.next[i]);
    expect_nothing(&s.eater, 10000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    fill(&s, 10);
    eat(&s.eater, 30);
    end(&s);
}

/* However much there is to poll and however slowly it is worked on, the loop has its turns, and the member says that it lives. */
TEST(consumer_group, lives_while_there_is_much_to_poll)
{
    struct scene s;
    begin(&s, context->seed, GROUP);
    fill(&s, 100);
    subscribe(&s.eater);
    eat(&s.eater, 1);
    for (int i = 0; i < 200; i++) {
        const int64_t before_ns = s.eater.consumer->turned_ns;
        client_rig_run_ms(&s.rig, 100);
        eat(&s.eater, 1);
        EXPECT(s.eater.consumer->turned_ns > before_ns);
    }
    end(&s);
}

/* A record that is being worked on is not committed behind one's back, whoever turns the loop meanwhile. */
TEST(consumer_group, commits_what_is_done)
{
    struct scene s;
    begin(&s, context->seed, GROUP "auto.commit.interval.ms=100");
    rig_append_numbers(&s.topic->partitions[0], 0, 10);
    subscribe(&s.eater);
    eat(&s.eater, 4);
    client_rig_run_ms(&s.rig, 5000);
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 3);
    eat(&s.eater, 1);
    client_rig_run_ms(&s.rig, 5000);
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 4);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note)); /* says that it is done */
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 5);
    end(&s);
}

TEST(consumer_commit, is_tried_again_and_tells_when_it_failed)
{
    static const int16_t passing[] = { KAFKA_COORDINATOR_LOAD_IN_PROGRESS, KAFKA_NOT_COORDINATOR,
                                       KAFKA_COORDINATOR_NOT_AVAILABLE, KAFKA_REQUEST_TIMED_OUT };
    for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
        struct scene s;
        begin(&s, context->seed, GROUP "enable.auto.commit=false");
        fill(&s, 10);
        subscribe(&s.eater);
        eat(&s.eater, 30);
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_COMMIT,
                                                   .deed = RIG_REFUSE,
                                                   .error = passing[i] });
        EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
        EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 10);
        EXPECT_EQ(s.eater.revoked, 0);
        end(&s);
    }
    static const int16_t final[] = { KAFKA_UNKNOWN_MEMBER_ID, KAFKA_ILLEGAL_GENERATION,
                                     KAFKA_REBALANCE_IN_PROGRESS, KAFKA_OFFSET_METADATA_TOO_LARGE,
                                     KAFKA_GROUP_AUTHORIZATION_FAILED };
    for (size_t i = 0; i < ARRAY_LEN(final); i++) {
        struct scene s;
        begin(&s, context->seed, GROUP "enable.auto.commit=false");
        fill(&s, 10);
        subscribe(&s.eater);
        eat(&s.eater, 30);
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_COMMIT,
                                                   .deed = RIG_REFUSE,
                                                   .error = final[i] });
        EXPECT_ERR(consumer_commit(s.eater.consumer, &s.eater.note), ERR_PROTOCOL);
        EXPECT(strstr(s.eater.note.text, kafka_error_sentence(final[i])) != NULL);
        EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), -1);
        if (final[i] == KAFKA_UNKNOWN_MEMBER_ID)
            rig_group_forget_members(&s.rig);
        for (int32_t k = 0; k < PARTITIONS && i < 3; k++)
            s.eater.next[k] = 0; /* begins anew: nothing was committed */
        if (i < 3)
            eat(&s.eater, 30);
        EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
        EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 10);
        end(&s);
    }
}

/* Partitions of one's own choice, offsets of a group: the coordinator is found when it is needed. */
TEST(consumer_commit, needs_no_membership)
{
    struct scene s;
    begin(&s, context->seed, GROUP);
    fill(&s, 10);
    assign(&s, 0, 5);
    s.eater.next[0] = 5;
    eat(&s.eater, 2);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 7);
    eat(&s.eater, 2);
    consumer_free(TAKE(s.eater.consumer));
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 9);
    open_eater(&s.rig, &s.eater);
    assign(&s, 0, CONSUMER_OFFSET_GROUP);
    s.eater.next[0] = 9;
    eat(&s.eater, 1);
    end(&s);
}

/* KIP-320: with an offset goes the epoch of what is before it, that a leader may be asked later where that one ended. */
TEST(consumer_commit, tells_the_epoch_of_what_was_read)
{
    struct scene s;
    begin(&s, context->seed, GROUP "enable.auto.commit=false");
    subscribe(&s.eater);
    fill(&s, 2);
    client_rig_lead(s.topic, 0, 2);
    rig_append_numbers(&s.topic->partitions[0], 2, 2);
    eat(&s.eater, 2 * PARTITIONS + 2);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
    EXPECT_EQ(rig_group_committed_epoch(&s.rig, "t", 0), 6);
    EXPECT_EQ(rig_group_committed_epoch(&s.rig, "t", 1), 5);
    consumer_free(TAKE(s.eater.consumer));
    client_rig_lead(s.topic, 0, 3);
    open_eater(&s.rig, &s.eater); /* one that has read nothing knows it from the group */
    subscribe(&s.eater);
    expect_nothing(&s.eater, 1000);
    fill(&s, 1);
    for (int32_t i = 0; i < PARTITIONS; i++)
        s.eater.next[i] = s.topic->partitions[i].end_offset - 1;
    eat(&s.eater, PARTITIONS);
    consumer__commit(s.eater.consumer); /* what was polled last is not done with */
    client_rig_run_ms(&s.rig, 1000);
    int32_t sum = 0;
    for (int32_t i = 0; i < PARTITIONS; i++)
        sum += rig_group_committed_epoch(&s.rig, "t", i);
    EXPECT_EQ(sum, s.eater.consumer->given->partition == 0 ? 6 + 5 + 5 : 7 + 5 + 5);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
    EXPECT_EQ(rig_group_committed_epoch(&s.rig, "t", 0), 7);
    end(&s);
}

TEST(consumer_group, finds_a_coordinator_that_moves)
{
    struct scene s;
    begin(&s, context->seed, GROUP "auto.commit.interval.ms=100\nheartbeat.interval.ms=300");
    fill(&s, 10);
    subscribe(&s.eater);
    eat(&s.eater, 30);
    s.rig.coordinator = 3;
    expect_nothing(&s.eater, 5000);
    client_rig_stop(&s.rig, 3);
    expect_nothing(&s.eater, 5000);
    client_rig_start(&s.rig, 3);
    fill(&s, 10);
    for (int32_t i = 0; i < PARTITIONS; i++) { /* nobody may be led by who is down */
        if (s.topic->partitions[i].leader == 3)
            client_rig_lead(s.topic, i, 1);
    }
    eat(&s.eater, 30);
    expect_nothing(&s.eater, 2000);
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 20);
    EXPECT_EQ(s.eater.assigned, 1); /* still the same membership */
    EXPECT_EQ(s.eater.revoked, 0);
    end(&s);
}

/* A coordinator that knows the member no more gives it a new id and its share. */
TEST(consumer_group, joins_again_when_it_is_forgotten)
{
    struct scene s;
    begin(&s, context->seed, GROUP "enable.auto.commit=false\nheartbeat.interval.ms=300");
    fill(&s, 10);
    subscribe(&s.eater);
    eat(&s.eater, 30);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
    rig_group_forget_members(&s.rig);
    expect_nothing(&s.eater, 3000);
    EXPECT_EQ(rig_group_members(&s.rig), 1);
    EXPECT_EQ(s.eater.assigned, 2);
    EXPECT_EQ(s.eater.revoked, 1);
    fill(&s, 10);
    eat(&s.eater, 30);
    end(&s);
}

/* Each step of joining may be refused or lost, for a while or for good. */
TEST(consumer_group, joins_in_the_end)
{
    static const int16_t apis[] = { API_FIND_COORDINATOR, API_JOIN_GROUP, API_SYNC_GROUP,
                                    API_OFFSET_FETCH };
    static const struct rig_rule troubles[] = {
        { .deed = RIG_REFUSE, .error = KAFKA_COORDINATOR_NOT_AVAILABLE },
        { .deed = RIG_REFUSE, .error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS },
        { .deed = RIG_LOSE },
        { .deed = RIG_DO_AND_LOSE },
        { .deed = RIG_GARBLE },
    };
    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        for (size_t k = 0; k < ARRAY_LEN(troubles); k++) {
            struct scene s;
            begin(&s, context->seed, GROUP);
            fill(&s, 10);
            struct rig_rule rule = troubles[k];
            rule.api_key = apis[i];
            rule.times = 2;
            client_rig_rule(&s.rig, rule);
            subscribe(&s.eater);
            eat(&s.eater, 30);
            end(&s);
        }
        struct scene s;
        begin(&s, context->seed, GROUP);
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = apis[i],
                                                   .deed = RIG_REFUSE,
                                                   .error = KAFKA_GROUP_AUTHORIZATION_FAILED });
        subscribe(&s.eater);
        expect_failure(&s.eater, ERR_PROTOCOL, "Group g: ");
        end(&s);
    }
}

enum moment { BEFORE_JOINING, AS_MEMBER, WHILE_OTHERS_JOIN, BEFORE_LEAVING, MOMENT_COUNT };

static void trouble_at(struct scene *s, enum moment now, enum moment due,
                       const struct rig_rule *rule)
{
    if (now == due)
        client_rig_rule(&s->rig, *rule);
}

static void poll_both(struct scene *s, struct eater *other, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 100) {
        expect_nothing(&s->eater, 50);
        expect_nothing(other, 50);
    }
}

/* A member's life, with one trouble in it: each record is read once, and committed. */
static void live(struct scene *s, enum moment due, const struct rig_rule *rule)
{
    struct eater other;
    trouble_at(s, BEFORE_JOINING, due, rule);
    fill(s, 10);
    subscribe(&s->eater);
    eat(&s->eater, 30);
    trouble_at(s, AS_MEMBER, due, rule);
    expect_nothing(&s->eater, 6000);
    trouble_at(s, WHILE_OTHERS_JOIN, due, rule);
    join(s, &other);
    poll_both(s, &other, 12000);
    EXPECT_EQ(s->eater.share + other.share, PARTITIONS);
    EXPECT(s->eater.share > 0 && other.share > 0);
    EXPECT_EQ(rig_group_members(&s->rig), 2);
    memcpy(other.next, s->eater.next, sizeof(other.next));
    fill(s, 10);
    eat(&s->eater, 10 * (int64_t)s->eater.share);
    eat(&other, 10 * (int64_t)other.share);
    poll_both(s, &other, 6000);
    trouble_at(s, BEFORE_LEAVING, due, rule);
    consumer_free(other.consumer);
    consumer_free(TAKE(s->eater.consumer));
    for (int32_t i = 0; i < PARTITIONS; i++)
        EXPECT_EQ(rig_group_committed(&s->rig, "t", i), 20);
    /* A good-bye that is lost is not said again: the session ends by itself. */
    if (due != BEFORE_LEAVING && rule->api_key != API_LEAVE_GROUP)
        EXPECT_EQ(rig_group_members(&s->rig), 0);
}

/* Each API x each trouble x each moment of a member's life. */
TEST(consumer_group, lives_through_any_trouble)
{
    static const int16_t apis[] = { API_FIND_COORDINATOR, API_JOIN_GROUP,   API_SYNC_GROUP,
                                    API_HEARTBEAT,        API_OFFSET_FETCH, API_OFFSET_COMMIT,
                                    API_LEAVE_GROUP };
    static const struct rig_rule troubles[] = {
        { .deed = RIG_REFUSE, .error = KAFKA_COORDINATOR_NOT_AVAILABLE },
        { .deed = RIG_REFUSE, .error = KAFKA_NOT_COORDINATOR },
        { .deed = RIG_REFUSE, .error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS },
        { .deed = RIG_LOSE },
        { .deed = RIG_DO_AND_LOSE },
        { .deed = RIG_HOLD },
        { .deed = RIG_GARBLE },
        { .deed = RIG_BABBLE },
    };
    for (size_t i = 0; i < ARRAY_LEN(apis) * ARRAY_LEN(troubles); i++) {
        struct rig_rule rule = troubles[i % ARRAY_LEN(troubles)];
        rule.api_key = apis[i / ARRAY_LEN(troubles)];
        for (enum moment due = BEFORE_JOINING; due < MOMENT_COUNT; due++) {
            struct scene s;
            begin(&s, context->seed + i,
                  GROUP "auto.commit.interval.ms=200\nheartbeat.interval.ms=300\nmax.poll.interval."
                        "ms=1000");
            live(&s, due, &rule);
            end(&s);
        }
    }
}

/* The answer to one call says that the coordinator is another one, while a join is under way. */
TEST(consumer_group, loses_its_coordinator_while_it_joins)
{
    struct scene s;
    begin(&s, context->seed, GROUP "metadata.max.age.ms=1000");
    fill(&s, 10);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_FETCH, .deed = RIG_HOLD });
    subscribe(&s.eater);
    client_rig_run_ms(&s.rig, 800);
    EXPECT_EQ(client_rig_held(&s.rig), 1);
    rig_group_end(
        &s.rig); /* another topic: the member joins again, behind the look-up that waits */
    rig_group_begin(&s.rig);
    (void)client_rig_topic(&s.rig, "u", 1);
    consumer_subscribe(s.eater.consumer, BYTES_LITERAL("u"));
    client_rig_run_ms(&s.rig, 500);
    s.rig.coordinator = 3;
    client_rig_release(&s.rig);
    eat(&s.eater, 30);
    end(&s);
}

/* The same of one that does not lead: the commit before it joins again is refused, and the join is not. */
TEST(consumer_group, loses_its_coordinator_by_a_commit_before_it_joins)
{
    struct scene s;
    struct eater other;
    struct eater third;
    begin(&s, context->seed, GROUP "auto.commit.interval.ms=1000000\nheartbeat.interval.ms=300");
    subscribe(&s.eater);
    expect_nothing(&s.eater, 1000);
    join(&s, &other);
    poll_both(&s, &other, 3000);
    EXPECT(other.share > 0);
    fill(&s, 10);
    eat(&other, 10 * (int64_t)other.share);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_COMMIT,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_COORDINATOR_NOT_AVAILABLE,
                                               .times = 2 });
    join(&s, &third);
    client_rig_run_ms(&s.rig, 10000);
    EXPECT(s.eater.share == 1 && other.share == 1 && third.share == 1);
    consumer_free(third.consumer);
    consumer_free(other.consumer);
    end(&s);
}

/* Who subscribes to more joins again, and has all of it. */
TEST(consumer_group, takes_on_another_topic)
{
    struct scene s;
    begin(&s, context->seed, GROUP);
    (void)client_rig_topic(&s.rig, "u", 2);
    fill(&s, 10);
    subscribe(&s.eater);
    eat(&s.eater, 30);
    consumer_subscribe(s.eater.consumer, BYTES_LITERAL("u"));
    expect_nothing(&s.eater, 2000);
    EXPECT_EQ(s.eater.share, PARTITIONS + 2);
    EXPECT_EQ(s.eater.assigned, 2);
    EXPECT_EQ(s.eater.revoked, 1);
    fill(&s, 10);
    eat(&s.eater, 30);
    end(&s);
}

/* The leader knows nothing of a topic that another member wants, and learns of it before it shares out. */
TEST(consumer_group, shares_out_topics_that_it_does_not_want_itself)
{
    struct scene s;
    begin(&s, context->seed, GROUP "heartbeat.interval.ms=300");
    struct rig_topic *other_topic = client_rig_topic(&s.rig, "u", 4);
    subscribe(&s.eater);
    expect_nothing(&s.eater, 1000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    struct eater other;
    open_eater(&s.rig, &other);
    consumer_subscribe(other.consumer, BYTES_LITERAL("u"));
    for (int i = 0; i < 50; i++) {
        expect_nothing(&s.eater, 50);
        expect_nothing(&other, 50);
    }
    EXPECT_EQ(s.eater.share, PARTITIONS);
    EXPECT_EQ(other.share, other_topic->count);
    consumer_free(other.consumer);
    end(&s);
}

static bool begins_with_t(void *context, struct bytes topic)
{
    (void)context;
    return topic.size > 0 && topic.data[0] == 't';
}

TEST(consumer_subscribe_matching, follows_topics_that_come)
{
    struct scene s;
    begin(&s, context->seed, GROUP "metadata.max.age.ms=1000");
    client_rig_topic(&s.rig, "t-internal", 2)->is_internal = true;
    (void)client_rig_topic(&s.rig, "other", 2);
    const struct consumer_filter filter = { .matches = begins_with_t };
    consumer_subscribe_matching(s.eater.consumer, &filter);
    expect_nothing(&s.eater, 3000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    (void)client_rig_topic(&s.rig, "t2", 5);
    expect_nothing(&s.eater, 3000);
    EXPECT_EQ(s.eater.share, PARTITIONS + 5);
    EXPECT_EQ(s.eater.revoked, 1);
    end(&s);
}

/* Without a place of the group and without a rule where to begin. */
TEST(consumer_group, has_to_know_where_to_begin)
{
    struct scene s;
    begin(&s, context->seed, GROUP "auto.offset.reset=none");
    subscribe(&s.eater);
    expect_failure(&s.eater, ERR_NOT_FOUND,
                   "Undefined offset with no reset policy for partition t-");
    end(&s);

    begin(&s, context->seed, "");
    subscribe(&s.eater);
    expect_failure(&s.eater, ERR_INVALID_SETTING, "group.id");
    end(&s);

    begin(&s, context->seed,
          GROUP "partition.assignment.strategy=org.apache.kafka.clients.consumer.StickyAssignor");
    subscribe(&s.eater);
    expect_failure(&s.eater, ERR_UNSUPPORTED, "partition.assignment.strategy");
    end(&s);
}

TEST(consumer_new, refuses_what_it_cannot_do)
{
    struct client_rig rig;
    client_rig_begin(&rig, context->seed, SETTING_KIND_CONSUMER,
                     "auto.offset.reset=by_duration:PT1H");
    struct consumer *consumer;
    struct err_note note = { 0 };
    EXPECT_ERR(consumer_new(&rig.loop, rig.config, &rig.diag, NULL, &consumer, &note),
               ERR_UNSUPPORTED);
    EXPECT(strstr(note.text, "auto.offset.reset") != NULL);
    client_rig_end(&rig);
}

/* At any time: right away, while anything is asked, with records left. A static member says no good-bye. */
TEST(consumer_free, lets_go_at_any_time)
{
    static const int16_t held[] = { API_METADATA,   API_FIND_COORDINATOR, API_JOIN_GROUP,
                                    API_SYNC_GROUP, API_OFFSET_FETCH,     API_LIST_OFFSETS,
                                    API_FETCH,      API_HEARTBEAT,        API_OFFSET_COMMIT,
                                    API_LEAVE_GROUP };
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        struct scene s;
        begin(&s, context->seed, GROUP "auto.commit.interval.ms=100\nheartbeat.interval.ms=100");
        fill(&s, 10);
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = held[i], .deed = RIG_HOLD });
        subscribe(&s.eater);
        for (int k = 0; k < 5; k++) {
            struct consumer_record record;
            EXPECT(consumer_poll(s.eater.consumer, 300, &record, &s.eater.note) >= 0);
        }
        end(&s);
    }
    struct scene s;
    begin(&s, context->seed, GROUP);
    end(&s);
    begin(&s, context->seed, GROUP "group.instance.id=i");
    fill(&s, 10);
    subscribe(&s.eater);
    eat(&s.eater, 5);
    consumer_free(TAKE(s.eater.consumer));
    EXPECT_EQ(s.rig.counts[API_LEAVE_GROUP], 0);
    EXPECT_EQ(rig_group_members(&s.rig), 1);
    end(&s);
}

/* Not the broker alone forgets: who goes while it joins, with others to wait for, says so. */
TEST(consumer_free, leaves_while_it_joins)
{
    static const int16_t held[] = { API_JOIN_GROUP, API_SYNC_GROUP, API_OFFSET_FETCH };
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        struct scene s;
        begin(&s, context->seed, GROUP "heartbeat.interval.ms=1000000");
        subscribe(&s.eater);
        expect_nothing(&s.eater, 1000);
        EXPECT_EQ(rig_group_members(&s.rig), 1);
        struct eater other;
        join(&s, &other); /* waits for the first member, who does not know yet */
        client_rig_run_ms(&s.rig, 1000);
        EXPECT_EQ(rig_group_members(&s.rig), 2);
        EXPECT_EQ(other.consumer->group, GROUP_JOINING);
        if (held[i] != API_JOIN_GROUP) {
            client_rig_rule(&s.rig, (struct rig_rule){ .api_key = held[i], .deed = RIG_HOLD });
            consumer_free(TAKE(s.eater.consumer));
            client_rig_run_ms(&s.rig, 1000);
            EXPECT_EQ(client_rig_held(&s.rig), 1);
            EXPECT_EQ(rig_group_members(&s.rig), 1);
        }
        consumer_free(other.consumer);
        EXPECT_EQ(rig_group_members(&s.rig), held[i] == API_JOIN_GROUP ? 1 : 0);
        end(&s);
    }
}

/* A commit that waits for a coordinator while the group moves on has not happened, and one of a client that failed is not waited for. */
TEST(consumer_commit, tells_that_it_came_too_late)
{
    struct scene s;
    begin(&s, context->seed, GROUP "enable.auto.commit=false\nheartbeat.interval.ms=300");
    fill(&s, 10);
    subscribe(&s.eater);
    eat(&s.eater, 30);
    rig_group_forget_members(&s.rig);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_COMMIT,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS,
                                               .times = 100 });
    EXPECT_ERR(consumer_commit(s.eater.consumer, &s.eater.note), ERR_PROTOCOL);
    EXPECT(strstr(s.eater.note.text, "rebalancing") != NULL);
    EXPECT_EQ(s.eater.revoked, 1);
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), -1);
    end(&s);

    begin(&s, context->seed, GROUP "enable.auto.commit=false");
    fill(&s, 10);
    assign(&s, 0, 0);
    eat(&s.eater, 10);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_FIND_COORDINATOR,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_GROUP_AUTHORIZATION_FAILED });
    const int64_t begun_ns = sim_world_now_ns(s.rig.world);
    EXPECT_ERR(consumer_commit(s.eater.consumer, &s.eater.note), ERR_PROTOCOL);
    EXPECT(strstr(s.eater.note.text, kafka_error_sentence(KAFKA_GROUP_AUTHORIZATION_FAILED)) !=
           NULL);
    EXPECT(sim_world_now_ns(s.rig.world) - begun_ns < NS_PER_SECOND);
    end(&s);
}

/* The longest interval between polls there is leaves joins and syncs all the time they need. */
TEST(consumer_group, waits_for_others_as_long_as_it_may)
{
    struct scene s;
    begin(&s, context->seed, GROUP "max.poll.interval.ms=2147483647");
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_SYNC_GROUP, .deed = RIG_HOLD });
    subscribe(&s.eater);
    expect_nothing(&s.eater, 60000);
    client_rig_release(&s.rig);
    expect_nothing(&s.eater, 1000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    EXPECT_EQ(s.rig.counts[API_SYNC_GROUP], 1);
    end(&s);
}
