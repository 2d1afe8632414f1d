/* Records to brokers that refuse, lose, repeat and move: each is written once, in order, or given up and told. */
#include "client/producer_int.h"

#include "client/partitioner.h"
#include "client/rig_test.h"
#include "wire/kafka_error.h"

#include <stdio.h>
#include <string.h>

#define RECORDS_MAX 4000

struct fate {
    uint32_t told;
    int16_t error;
    int32_t partition;
    int64_t offset;
    char words[48]; /* of a failure, cut */
};

struct scene {
    struct client_rig rig;
    struct producer *producer;
    struct rig_topic *topic;
    struct fate fates[RECORDS_MAX]; /* by number */
    int32_t sent;
    int32_t told;
    int32_t last_told; /* number of the latest */
    char last_words[256];
    int64_t begun_ns;
};

static int64_t passed_ms(const struct scene *s)
{
    return (sim_world_now_ns(s->rig.world) - s->begun_ns) / NS_PER_MS;
}

static void on_delivery(void *context, const struct producer_delivery *delivery)
{
    struct scene *s = context;
    const int32_t number = (int32_t)(uintptr_t)delivery->context;
    struct fate *fate = &s->fates[number];
    fate->told++;
    fate->error = delivery->error;
    fate->partition = delivery->partition;
    fate->offset = delivery->offset;
    EXPECT(bytes_equal_text(delivery->topic, "t"));
    if (delivery->error != KAFKA_NONE) {
        EXPECT(delivery->words != NULL);
        (void)snprintf(s->last_words, sizeof(s->last_words), "%s", delivery->words);
        (void)snprintf(fate->words, sizeof(fate->words), "%.47s", delivery->words);
    }
    s->told++;
    s->last_told = number;
}

/* A topic "t" of three partitions; batches of 100 bytes or so, eight records. */
static struct scene *begin(uint64_t seed, const char *settings)
{
    struct scene *s = MEM_NEW(struct scene);
    AUTO(mem_freep)
    char *all = mem_printf("batch.size=110\nlinger.ms=0\nrequest.timeout.ms=2000\n%s", settings);
    client_rig_begin(&s->rig, seed, SETTING_KIND_PRODUCER, all);
    s->topic = client_rig_topic(&s->rig, "t", 3);
    const struct producer_owner owner = { .on_delivery = on_delivery, .context = s };
    struct err_note note = { 0 };
    EXPECT_OK(producer_new(&s->rig.loop, s->rig.config, &s->rig.diag, &owner, &s->producer, &note));
    s->begun_ns = sim_world_now_ns(s->rig.world);
    return s;
}

static void end(struct scene *s)
{
    producer_free(s->producer);
    EXPECT_EQ(s->told, s->sent);
    for (int32_t i = 0; i < s->sent; i++)
        EXPECT_EQ(s->fates[i].told, 1);
    client_rig_end(&s->rig);
    mem_free(s);
}

/* The next number, to a partition. */
static int try_send(struct scene *s, int32_t partition, const char *key, struct err_note *note)
{
    AUTO(mem_freep) char *text = mem_printf("%" PRId32, s->sent);
    const struct producer_record record = {
        .topic = BYTES_LITERAL("t"),
        .partition = partition,
        .timestamp_ms = -1,
        .key = bytes_from_text(key),
        .value = bytes_from_text(text),
        .context = (void *)(uintptr_t)s->sent, /* NOLINT */
    };
    const int r = producer_send_wait(s->producer, &record, note);
    s->sent += r == 0;
    return r;
}

static void send(struct scene *s, int32_t partition, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct err_note note = { 0 };
        if (try_send(s, partition, NULL, &note) < 0)
            test_fail(__FILE__, __LINE__, "%s", note.text);
    }
}

static void flush(struct scene *s)
{
    EXPECT_OK(producer_flush(s->producer));
    EXPECT_EQ(producer_pending(s->producer), 0);
    EXPECT_EQ(s->told, s->sent);
}

static void expect_all_written(const struct scene *s)
{
    for (int32_t i = 0; i < s->sent; i++)
        EXPECT_EQ(s->fates[i].error, KAFKA_NONE);
    rig_expect_numbers(&s->topic->partitions[0], s->sent);
}

static void rule(struct scene *s, enum rig_deed deed, int16_t error, uint32_t times)
{
    client_rig_rule(
        &s->rig,
        (struct rig_rule){ .api_key = API_PRODUCE, .deed = deed, .error = error, .times = times });
}

/* ---- the plain way --------------------------------------------------------------------------- */

TEST(producer, delivers_in_order_and_tells_offsets)
{
    struct scene *s = begin(context->seed, "");
    send(s, 0, 200);
    flush(s);
    expect_all_written(s);
    for (int32_t i = 0; i < s->sent; i++)
        EXPECT_EQ(s->fates[i].offset, i);
    EXPECT(s->rig.counts[API_PRODUCE] <= 45);
    end(s);
}

/* One request to a leader carries the batches of all its partitions. */
TEST(producer, gathers_partitions_into_a_request)
{
    struct scene *s = begin(context->seed, "linger.ms=100");
    client_rig_lead(s->topic, 1, 1);
    client_rig_lead(s->topic, 2, 1);
    for (int32_t partition = 0; partition < 3; partition++)
        send(s, partition, 1);
    flush(s);
    EXPECT_EQ(s->rig.counts[API_PRODUCE], 1);
    end(s);
}

static const struct batch_view *first_batch(const struct rig_partition *p, struct batch_view *out)
{
    EXPECT(p->batches.count > 0);
    EXPECT(batch_parse(bytes_from(p->batches.items[0].data, p->batches.items[0].size), out) > 0);
    return out;
}

TEST(producer, waits_for_more_as_long_as_it_lingers)
{
    struct scene *s = begin(context->seed, "linger.ms=500\nbatch.size=16384");
    send(s, 0, 1);
    client_rig_run_ms(&s->rig, 400);
    send(s, 0, 9);
    EXPECT_EQ(s->rig.counts[API_PRODUCE], 0);
    client_rig_run_ms(&s->rig, 400);
    EXPECT_EQ(s->rig.counts[API_PRODUCE], 1);
    EXPECT_EQ(s->told, 10);
    struct batch_view view;
    EXPECT_EQ(first_batch(&s->topic->partitions[0], &view)->record_count, 10);
    send(s, 0, 1);
    flush(s); /* at once */
    EXPECT_EQ(s->told, 11);
    end(s);
}

/* A partition that has to wait holds up no other. */
TEST(producer, lingers_for_each_partition_by_itself)
{
    struct scene *s = begin(context->seed, "retry.backoff.ms=1000\nlinger.ms=5");
    client_rig_lead(s->topic, 1, -1);
    send(s, 0, 1);
    flush(s);
    send(s, 1, 1);
    client_rig_run_ms(&s->rig, 100);
    send(s, 0, 1);
    client_rig_run_ms(&s->rig, 100);
    EXPECT_EQ(s->fates[2].told, 1);
    EXPECT_EQ(s->fates[1].told, 0);
    end(s);
}

TEST(producer, keeps_a_key_on_its_partition)
{
    struct scene *s = begin(context->seed, "");
    static const char *const keys[] = { "a", "b", "c", "kafka", "", "0123456789" };
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            EXPECT_OK(try_send(s, -1, keys[i], NULL));
    }
    flush(s);
    for (int32_t i = 0; i < s->sent; i++)
        EXPECT_EQ(s->fates[i].partition,
                  partitioner_of_key(bytes_from_text(keys[(size_t)i % ARRAY_LEN(keys)]), 3));
    end(s);
}

/* Without a key: whole batches, on partitions that can be written to. */
TEST(producer, stays_on_a_partition_for_a_batch)
{
    struct scene *s = begin(context->seed, "linger.ms=50");
    client_rig_lead(s->topic, 1, -1);
    send(s, -1, 300);
    flush(s);
    int32_t changes = 0;
    for (int32_t i = 0; i < s->sent; i++) {
        EXPECT_EQ(s->fates[i].error, KAFKA_NONE);
        EXPECT(s->fates[i].partition != 1);
        changes += i > 0 && s->fates[i].partition != s->fates[i - 1].partition;
    }
    EXPECT(changes > 5 && changes < 100);
    EXPECT(s->topic->partitions[0].end_offset > 0 && s->topic->partitions[2].end_offset > 0);
    end(s);
}

/* No more requests to a broker than are allowed at a time. */
TEST(producer, bounds_what_is_in_flight)
{
    static const struct {
        const char *settings;
        uint32_t most;
    } cases[] = { { "max.in.flight.requests.per.connection=1", 1 },
                  { "max.in.flight.requests.per.connection=3", 3 },
                  { "", 5 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene *s = begin(context->seed, cases[i].settings);
        send(s, 0, 1);
        flush(s);
        rule(s, RIG_HOLD, 0, 1);
        const uint32_t before = s->rig.counts[API_PRODUCE];
        send(s, 0, 100);
        client_rig_run_ms(&s->rig, 500);
        EXPECT_EQ(s->rig.counts[API_PRODUCE] - before, cases[i].most);
        client_rig_release(&s->rig);
        flush(s);
        expect_all_written(s);
        end(s);
    }
}

TEST(producer, tells_no_offset_where_nobody_answers)
{
    struct scene *s = begin(context->seed, "acks=0");
    send(s, 0, 50);
    flush(s);
    client_rig_run_ms(&s->rig, 1000);
    expect_all_written(s);
    EXPECT_EQ(s->fates[49].offset, -1);
    EXPECT_EQ(s->rig.counts[API_INIT_PRODUCER_ID], 0);
    end(s);
}

/* ---- what is refused or lost ----------------------------------------------------------------- */

/* Idempotence: whatever happens to requests and answers, each record is there once and in order. */
TEST(producer, writes_each_record_once_whatever_is_lost)
{
    static const struct rig_rule troubles[] = {
        { .deed = RIG_REFUSE, .error = KAFKA_NOT_LEADER_OR_FOLLOWER },
        { .deed = RIG_REFUSE, .error = KAFKA_NOT_ENOUGH_REPLICAS },
        { .deed = RIG_REFUSE, .error = KAFKA_KAFKA_STORAGE_ERROR },
        { .deed = RIG_LOSE },
        { .deed = RIG_DO_AND_LOSE },
        { .deed = RIG_HOLD },
        { .deed = RIG_GARBLE },
        { .deed = RIG_BABBLE },
    };
    for (uint64_t seed = context->seed; seed < context->seed + 30; seed++) {
        struct scene *s = begin(seed, "delivery.timeout.ms=600000");
        struct rng rng = rng_from_seed(seed);
        for (int i = 0; i < 60; i++) {
            const struct rig_rule *trouble = &troubles[rng_below(&rng, ARRAY_LEN(troubles))];
            send(s, 0, (int32_t)rng_below(&rng, 20));
            if (rng_chance(&rng, 300000))
                rule(s, trouble->deed, trouble->error, 1);
            if (rng_chance(&rng, 100000))
                client_rig_lead(s->topic, 0, 1 + (int32_t)rng_below(&rng, 3));
            client_rig_run_ms(&s->rig, rng_between(&rng, 0, 200));
        }
        flush(s);
        expect_all_written(s);
        end(s);
    }
}

/* Each record of a batch that is refused for the sake of some of them hears what is wrong with it, or that it is another one. */
TEST(producer, tells_each_record_what_the_broker_says_of_it)
{
    static const int16_t errors[] = { KAFKA_INVALID_RECORD, KAFKA_INVALID_TIMESTAMP };
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct scene *s = begin(context->seed, "linger.ms=1000");
        rule(s, RIG_REFUSE, errors[i], 1);
        send(s, 0, 4);
        flush(s);
        EXPECT_EQ(s->fates[1].error, errors[i]);
        EXPECT(strcmp(s->fates[1].words, "it has no key") == 0);
        for (int32_t k = 0; k < 4; k++) {
            const bool is_named = k == 1 || (k == 2 && errors[i] == KAFKA_INVALID_RECORD);
            EXPECT_EQ(s->fates[k].error, k == 1 ? errors[i] : KAFKA_INVALID_RECORD);
            EXPECT_EQ(strstr(s->fates[k].words, "another record") == NULL, is_named);
        }
        EXPECT(errors[i] != KAFKA_INVALID_RECORD ||
               strcmp(s->fates[2].words, "records have been rejected") == 0);
        send(s, 0, 1);
        flush(s);
        EXPECT_EQ(s->fates[4].error, KAFKA_NONE);
        end(s);
    }
}

/* A batch that is refused for good is given up; those behind it, under way already, are written once and in order. */
TEST(producer, goes_on_after_a_batch_that_cannot_be_written)
{
    static const int16_t errors[] = { KAFKA_MESSAGE_TOO_LARGE, KAFKA_INVALID_RECORD,
                                      KAFKA_TOPIC_AUTHORIZATION_FAILED,
                                      KAFKA_INVALID_PRODUCER_EPOCH };
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct scene *s = begin(context->seed, "");
        send(s, 0, 5);
        flush(s);
        rule(s, RIG_HOLD, 0, 1);
        send(s, 0, 1);
        client_rig_run_ms(&s->rig, 100);
        rule(s, RIG_REFUSE, errors[i], 1);
        send(s, 0, 40);
        client_rig_run_ms(&s->rig, 100);
        client_rig_release(&s->rig);
        flush(s);
        int32_t given_up = 0;
        for (int32_t k = 0; k < s->sent; k++) {
            EXPECT(s->fates[k].error == KAFKA_NONE || s->fates[k].error == errors[i]);
            given_up += s->fates[k].error != KAFKA_NONE;
        }
        EXPECT(given_up > 0 && given_up <= 10); /* one batch */
        EXPECT_EQ(s->topic->partitions[0].end_offset, s->sent - given_up);
        int64_t last = -1;
        for (int32_t k = 0; k < s->sent; k++) {
            if (s->fates[k].error != KAFKA_NONE)
                continue;
            EXPECT_EQ(s->fates[k].offset, last + 1);
            last = s->fates[k].offset;
        }
        EXPECT_EQ(s->rig.counts[API_INIT_PRODUCER_ID], 1); /* the next epoch is enough */
        end(s);
    }
}

/* What is given up after its time may be written or not; what follows is written once and in order in either case. */
TEST(producer, goes_on_after_what_it_does_not_know)
{
    static const enum rig_deed deeds[] = { RIG_LOSE, RIG_DO_AND_LOSE };
    for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
        struct scene *s =
            begin(context->seed, "delivery.timeout.ms=10000\nrequest.timeout.ms=1000");
        send(s, 0, 5);
        flush(s);
        rule(s, deeds[i], 0, 1);
        rule(s, RIG_LOSE, 0, 1000);
        send(s, 0, 5);
        client_rig_run_ms(&s->rig, 8000);
        send(s, 0, 10);
        client_rig_run_ms(&s->rig, 4000);
        EXPECT_EQ(s->fates[9].error, KAFKA_REQUEST_TIMED_OUT);
        s->rig.rules.count = 0;
        flush(s);
        send(s, 0, 10);
        flush(s);
        const int64_t unknown = s->topic->partitions[0].end_offset;
        int32_t written = 0;
        int64_t last = 4;
        for (int32_t k = 10; k < s->sent; k++) {
            EXPECT_EQ(s->fates[k].error, KAFKA_NONE);
            EXPECT(s->fates[k].offset > last);
            last = s->fates[k].offset;
            written++;
        }
        EXPECT_EQ(unknown, 5 + written + (deeds[i] == RIG_DO_AND_LOSE ? 5 : 0));
        end(s);
    }
}

/* The leader lost what it had acknowledged, and with it the sequence (an unclean election): a new epoch, and on. */
TEST(producer, begins_a_new_epoch_when_the_broker_has_forgotten)
{
    struct scene *s = begin(context->seed, "");
    send(s, 0, 20);
    flush(s);
    s->topic->partitions[0].producers.items[0].last_sequence = 3;
    s->topic->partitions[0].producers.items[0].recent_count = 0;
    send(s, 0, 30);
    flush(s);
    expect_all_written(s);
    EXPECT_EQ(s->topic->partitions[0].producers.items[0].epoch, 1);
    EXPECT_EQ(s->rig.counts[API_INIT_PRODUCER_ID], 1);
    end(s);
}

/* Epochs end some time: then it is another id, for this partition; others keep theirs. */
TEST(producer, takes_a_new_id_when_its_epochs_are_used_up)
{
    struct scene *s = begin(context->seed, "");
    send(s, 0, 5);
    send(s, 1, 5);
    flush(s);
    struct queue *q = LIST_ENTRY(s->producer->queues.next, struct queue, link);
    EXPECT_EQ(q->partition, 0);
    q->producer_epoch = INT16_MAX;
    q->next_sequence = 0;
    send(s, 0, 5);
    flush(s);
    rule(s, RIG_REFUSE, KAFKA_INVALID_RECORD, 1);
    send(s, 0, 5);
    flush(s);
    send(s, 0, 5);
    flush(s); /* nothing else wakes the producer */
    send(s, 1, 5);
    flush(s);
    EXPECT_EQ(s->rig.counts[API_INIT_PRODUCER_ID], 2);
    EXPECT_EQ(s->topic->partitions[0].producers.count, 2);
    EXPECT_EQ(s->topic->partitions[1].producers.count, 1);
    EXPECT_EQ(s->fates[s->sent - 1].error, KAFKA_NONE);
    end(s);
}

TEST(producer, tells_why_it_has_no_id)
{
    struct scene *s = begin(context->seed, "");
    client_rig_rule(&s->rig, (struct rig_rule){ .api_key = API_INIT_PRODUCER_ID,
                                                .deed = RIG_REFUSE,
                                                .error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS,
                                                .times = 3 });
    send(s, 0, 5);
    flush(s);
    expect_all_written(s);
    end(s);

    s = begin(context->seed, "");
    client_rig_rule(&s->rig, (struct rig_rule){ .api_key = API_INIT_PRODUCER_ID,
                                                .deed = RIG_REFUSE,
                                                .error = KAFKA_CLUSTER_AUTHORIZATION_FAILED });
    send(s, 0, 5);
    client_rig_run_ms(&s->rig, 1000);
    EXPECT_EQ(s->told, 5);
    EXPECT_EQ(s->fates[0].error, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    send(s, 0, 5); /* allowed meanwhile */
    flush(s);
    EXPECT_EQ(s->fates[9].error, KAFKA_NONE);
    end(s);
}

/* Without idempotence: tried again as often as is allowed, and what comes back keeps its order. */
TEST(producer, keeps_the_order_of_what_comes_back)
{
    struct scene *s = begin(context->seed, "enable.idempotence=false\nacks=1");
    send(s, 0, 5);
    flush(s);
    rule(s, RIG_LOSE, 0, 1);
    send(s, 0, 40);
    flush(s);
    expect_all_written(s);
    end(s);

    s = begin(context->seed, "enable.idempotence=false\nacks=1\nretries=2");
    rule(s, RIG_REFUSE, KAFKA_NOT_ENOUGH_REPLICAS, 3);
    send(s, 0, 1);
    flush(s);
    EXPECT_EQ(s->fates[0].error, KAFKA_NOT_ENOUGH_REPLICAS);
    EXPECT_EQ(s->rig.counts[API_PRODUCE], 3);
    end(s);
}

/* The new leader is learnt from the refusal or from metadata. */
TEST(producer, follows_the_leader)
{
    struct scene *s = begin(context->seed, "");
    send(s, 0, 5);
    flush(s);
    for (int32_t i = 0; i < 6; i++) {
        client_rig_lead(s->topic, 0, 1 + i % 3);
        send(s, 0, 10);
        client_rig_run_ms(&s->rig, 20);
    }
    client_rig_stop(&s->rig, 3);
    client_rig_lead(s->topic, 0, 2);
    send(s, 0, 10);
    flush(s);
    expect_all_written(s);
    end(s);
}

/* A broker that starts again refuses connections more often than there are retries; only what was sent counts as one. */
TEST(producer, waits_for_a_broker_that_starts_again)
{
    static const char *const kinds[] = { "retries=1", "retries=1\nenable.idempotence=false" };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct scene *s = begin(context->seed, kinds[i]);
        send(s, 0, 20);
        flush(s);
        client_rig_stop(&s->rig, 1);
        send(s, 0, 20);
        client_rig_run_ms(&s->rig, 20000);
        EXPECT_EQ(s->told, 20);
        client_rig_start(&s->rig, 1);
        flush(s);
        expect_all_written(s);
        end(s);
    }
}

/* It comes never, and the time is over; nothing was tried. */
TEST(producer, gives_up_a_broker_that_stays_away)
{
    struct scene *s = begin(context->seed, "delivery.timeout.ms=5000");
    send(s, 0, 1);
    flush(s);
    client_rig_stop(&s->rig, 1);
    s->begun_ns = sim_world_now_ns(s->rig.world);
    send(s, 0, 10);
    flush(s);
    EXPECT(passed_ms(s) >= 5000 && passed_ms(s) < 8000);
    for (int32_t i = 1; i <= 10; i++)
        EXPECT_EQ(s->fates[i].error, KAFKA_REQUEST_TIMED_OUT);
    end(s);
}

/* Nobody leads for longer than delivery.timeout.ms. */
TEST(producer, gives_up_when_the_time_is_over)
{
    struct scene *s = begin(context->seed, "delivery.timeout.ms=5000");
    send(s, 0, 1);
    flush(s);
    client_rig_lead(s->topic, 0, -1);
    rule(s, RIG_REFUSE, KAFKA_NOT_LEADER_OR_FOLLOWER, 1);
    s->begun_ns = sim_world_now_ns(s->rig.world);
    send(s, 0, 10);
    flush(s);
    EXPECT(passed_ms(s) >= 5000 && passed_ms(s) < 5500);
    for (int32_t i = 1; i <= 10; i++)
        EXPECT_EQ(s->fates[i].error, KAFKA_REQUEST_TIMED_OUT);
    EXPECT_TEXT(s->last_words,
                "delivery.timeout.ms is over; the last try ended with NOT_LEADER_OR_FOLLOWER");
    client_rig_lead(s->topic, 0, 2);
    send(s, 0, 5);
    flush(s);
    EXPECT_EQ(s->fates[s->sent - 1].error, KAFKA_NONE);
    end(s);
}

/* ---- taking records -------------------------------------------------------------------------- */

TEST(producer_send, says_what_cannot_be_taken)
{
    struct scene *s = begin(context->seed, "max.request.size=1000\nmax.block.ms=1500\n"
                                           "buffer.memory=800");
    struct err_note note = { 0 };
    EXPECT_ERR(try_send(s, 3, NULL, &note), ERR_NOT_FOUND);
    EXPECT_TEXT(note.text, "Partition 3 of topic t is not there: it has 3");
    char value[2000] = { 0 };
    struct producer_record record = { .topic = BYTES_LITERAL("t"),
                                      .timestamp_ms = -1,
                                      .value = bytes_from(value, sizeof(value)) };
    EXPECT_ERR(producer_send(s->producer, &record, &note), ERR_LIMIT);
    EXPECT(strstr(note.text, "max.request.size") != NULL);
    record.value = bytes_from(value, 900);
    EXPECT_ERR(producer_send(s->producer, &record, &note), ERR_LIMIT);
    EXPECT(strstr(note.text, "buffer.memory") != NULL);
    s->topic->error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    client_rig_run_ms(&s->rig, 310000); /* metadata.max.age.ms */
    EXPECT_ERR(try_send(s, 0, NULL, &note), ERR_NOT_FOUND);
    EXPECT(note.text[0] != '\0');
    record = (struct producer_record){ .topic = BYTES_LITERAL("absent"), .timestamp_ms = -1 };
    s->begun_ns = sim_world_now_ns(s->rig.world);
    EXPECT_ERR(producer_send_wait(s->producer, &record, &note), ERR_TIMEOUT);
    EXPECT(passed_ms(s) >= 1500 && passed_ms(s) < 1700);
    EXPECT(strstr(note.text, "Topic absent not present in metadata") != NULL);
    end(s);
}

/* A topic that comes to be is found; meanwhile metadata is asked for no more often than the back-off allows. */
TEST(producer_send, waits_for_a_topic_to_come)
{
    struct scene *s = begin(context->seed, "");
    const struct producer_record record = { .topic = BYTES_LITERAL("later"), .timestamp_ms = -1 };
    EXPECT_ERR(producer_send(s->producer, &record, NULL), ERR_WOULD_BLOCK);
    for (int i = 0; i < 500; i++) {
        client_rig_run_ms(&s->rig, 10);
        EXPECT_ERR(producer_send(s->producer, &record, NULL), ERR_WOULD_BLOCK);
    }
    EXPECT(s->rig.counts[API_METADATA] >= 30 && s->rig.counts[API_METADATA] <= 60);
    (void)client_rig_topic(&s->rig, "later", 1);
    client_rig_run_ms(&s->rig, 500);
    EXPECT_EQ(producer_pending(s->producer), 0);
    s->rig.topics.items[1]->error = KAFKA_LEADER_NOT_AVAILABLE;
    end(s);
}

/* A name that nobody knows is no server that is down: there is nothing to wait for. */
TEST(producer_send, does_not_wait_for_servers_without_an_address)
{
    struct scene *s = begin(context->seed, "bootstrap.servers=nobody:9092,no-one:9092");
    struct err_note note = { 0 };
    EXPECT_ERR(try_send(s, 0, NULL, &note), ERR_INVALID_SETTING);
    EXPECT(strstr(note.text, "there is no host nobody") != NULL);
    EXPECT(passed_ms(s) < 10000);
    end(s);
}

/* buffer.memory: full, it is emptied at once, however long batches may linger, and goes on. */
TEST(producer_send, waits_for_room)
{
    struct scene *s = begin(context->seed, "buffer.memory=1000\nlinger.ms=600000");
    send(s, 0, 1);
    const struct producer_record record = { .topic = BYTES_LITERAL("t"),
                                            .timestamp_ms = -1,
                                            .value = BYTES_LITERAL("1") };
    (void)record;
    send(s, 0, 500);
    send(s, 1, 5);
    send(s, 2, 5);
    EXPECT(s->told > 400);
    EXPECT(s->producer->memory_used <= 1000);
    flush(s);
    EXPECT_EQ(s->producer->memory_used, 0);
    client_rig_lead(s->topic, 0, -1);
    rule(s, RIG_REFUSE, KAFKA_NOT_LEADER_OR_FOLLOWER, 1);
    struct err_note note = { 0 };
    int r = 0;
    for (int i = 0; i < 200 && r == 0; i++)
        r = try_send(s, 0, NULL, &note);
    EXPECT_ERR(r, ERR_TIMEOUT);
    EXPECT(strstr(note.text, "No room for the record in buffer.memory (1000 bytes)") != NULL);
    end(s);
}

static bool is_interrupted(void *context)
{
    const struct scene *s = context;
    return passed_ms(s) > 60000;
}

TEST(producer_flush, can_be_interrupted)
{
    struct scene *s = begin(context->seed, "delivery.timeout.ms=600000");
    send(s, 0, 1);
    flush(s);
    client_rig_lead(s->topic, 0, -1);
    rule(s, RIG_REFUSE, KAFKA_NOT_LEADER_OR_FOLLOWER, 1);
    send(s, 0, 3);
    s->producer->loop.is_interrupted = is_interrupted;
    s->producer->loop.context = s;
    EXPECT_ERR(producer_flush(s->producer), ERR_CANCELLED);
    EXPECT_EQ(producer_pending(s->producer), 3);
    end(s);
}

/* Whatever is under way or waits: everybody is told once. */
TEST(producer_free, gives_up_what_is_not_delivered)
{
    static const char *const settings[] = { "", "linger.ms=600000",
                                            "enable.idempotence=false\nacks=1" };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct scene *s = begin(context->seed, settings[i]);
        send(s, 0, 1);
        flush(s);
        rule(s, RIG_HOLD, 0, 1);
        send(s, 0, 50);
        send(s, 1, 50);
        client_rig_run_ms(&s->rig, 100);
        EXPECT(producer_pending(s->producer) > 0);
        producer_free(TAKE(s->producer));
        EXPECT_EQ(s->told, s->sent);
        end(s);
    }
    struct scene *s = begin(context->seed, ""); /* before anything is known */
    const struct producer_record record = { .topic = BYTES_LITERAL("t"), .timestamp_ms = -1 };
    EXPECT_ERR(producer_send(s->producer, &record, NULL), ERR_WOULD_BLOCK);
    end(s);
}

TEST(producer_new, refuses_what_it_cannot_do)
{
    struct client_rig rig;
    client_rig_begin(&rig, context->seed, SETTING_KIND_PRODUCER, "transactional.id=x\nacks=1");
    const struct producer_owner owner = { .on_delivery = on_delivery };
    struct producer *producer;
    struct err_note note = { 0 };
    EXPECT_ERR(producer_new(&rig.loop, rig.config, &rig.diag, &owner, &producer, &note),
               ERR_INVALID_SETTING);
    EXPECT(strstr(note.text, "transactional.id") != NULL);
    client_rig_end(&rig);
}
