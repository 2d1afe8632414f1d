/* Transactions with a coordinator that refuses, moves and loses answers: each is ended once, and never by half. */
#include "client/producer_int.h"

#include "client/rig_test.h"
#include "wire/kafka_error.h"

#include <stdio.h>
#include <string.h>

struct scene {
    struct client_rig rig;
    struct producer *producer;
    struct rig_topic *topic;
    uint32_t written;
    uint32_t given_up;
    int32_t sent;
};

static void on_delivery(void *context, const struct producer_delivery *delivery)
{
    struct scene *s = context;
    s->written += delivery->error == KAFKA_NONE;
    s->given_up += delivery->error != KAFKA_NONE;
}

static void make_producer(struct scene *s)
{
    const struct producer_owner owner = { .on_delivery = on_delivery, .context = s };
    EXPECT_OK(producer_new(&s->rig.loop, s->rig.config, &s->rig.diag, &owner, &s->producer, NULL));
}

static struct scene *begin(uint64_t seed)
{
    struct scene *s = MEM_NEW(struct scene);
    client_rig_begin(
        &s->rig, seed, SETTING_KIND_PRODUCER,
        "transactional.id=T\nlinger.ms=0\nrequest.timeout.ms=2000\nmax.block.ms=30000");
    s->topic = client_rig_topic(&s->rig, "t", 3);
    make_producer(s);
    return s;
}

static void end(struct scene *s)
{
    producer_free(s->producer);
    EXPECT_EQ(s->written + s->given_up, (uint32_t)s->sent);
    client_rig_end(&s->rig);
    mem_free(s);
}

static int try_send(struct scene *s, int32_t partition, struct err_note *note)
{
    AUTO(mem_freep) char *text = mem_printf("%" PRId32, s->sent);
    const struct producer_record record = { .topic = BYTES_LITERAL("t"),
                                            .partition = partition,
                                            .timestamp_ms = -1,
                                            .value = bytes_from_text(text),
                                            .context = s };
    const int r = producer_send_wait(s->producer, &record, note);
    s->sent += r == 0;
    return r;
}

static void send_to_all(struct scene *s)
{
    for (int32_t partition = 0; partition < 3; partition++)
        EXPECT_OK(try_send(s, partition, NULL));
}

/* Every batch is of a transaction, and under an epoch of its own in each. */
static void expect_batches(const struct scene *s, size_t count)
{
    for (int32_t i = 0; i < 3; i++) {
        const struct rig_partition *p = &s->topic->partitions[i];
        EXPECT_EQ(p->batches.count, count);
        for (size_t k = 0; k < count; k++) {
            struct batch_view view;
            EXPECT(batch_parse(bytes_from(p->batches.items[k].data, p->batches.items[k].size),
                               &view) > 0);
            EXPECT((view.attributes & BATCH_TRANSACTIONAL) != 0);
            EXPECT_EQ(view.producer_epoch, (int16_t)k);
            EXPECT_EQ(view.base_sequence, 0);
        }
    }
}

TEST(producer_transaction, is_ended_once_whatever_becomes_of_requests)
{
    static const struct {
        enum rig_deed deed;
        int16_t error;
    } trouble[] = { { RIG_REFUSE, KAFKA_CONCURRENT_TRANSACTIONS },
                    { RIG_REFUSE, KAFKA_NOT_COORDINATOR },
                    { RIG_REFUSE, KAFKA_COORDINATOR_LOAD_IN_PROGRESS },
                    { RIG_LOSE, 0 },
                    { RIG_DO_AND_LOSE, 0 } };
    static const int16_t apis[] = { API_FIND_COORDINATOR, API_PRODUCE, API_END_TXN };
    for (size_t i = 0; i < ARRAY_LEN(trouble) * ARRAY_LEN(apis); i++) {
        struct scene *s = begin(context->seed + i);
        const struct rig_rule rule = { .api_key = apis[i / ARRAY_LEN(trouble)],
                                       .deed = trouble[i % ARRAY_LEN(trouble)].deed,
                                       .error = trouble[i % ARRAY_LEN(trouble)].error,
                                       .times = 2 };
        client_rig_rule(&s->rig, rule);
        EXPECT_OK(producer_init_transactions(s->producer, NULL));
        for (uint32_t round = 0; round < 4; round++) {
            EXPECT_OK(producer_begin_transaction(s->producer, NULL));
            send_to_all(s);
            EXPECT_OK(producer_commit_transaction(s->producer, NULL));
            EXPECT_EQ(s->written, 3 * (round + 1));
            EXPECT_EQ(s->rig.transaction.commits, round + 1);
        }
        expect_batches(s, 4);
        end(s);
    }
}

TEST(producer_transaction, aborts_what_was_sent_and_goes_on)
{
    struct scene *s = begin(context->seed);
    EXPECT_OK(producer_init_transactions(s->producer, NULL));
    EXPECT_OK(producer_begin_transaction(s->producer, NULL));
    send_to_all(s);
    EXPECT_OK(producer_flush(s->producer));
    EXPECT_OK(producer_abort_transaction(s->producer, NULL));
    EXPECT_EQ(s->rig.transaction.aborts, 1);
    EXPECT_OK(producer_begin_transaction(s->producer, NULL));
    send_to_all(s);
    EXPECT_OK(producer_commit_transaction(s->producer, NULL));
    expect_batches(s, 2);
    end(s);
}

/* A commit that nobody heard of may have been done: it is not answered for an abort, neither before nor after it comes to an end. */
TEST(producer_transaction, is_not_aborted_after_a_commit_that_may_have_been)
{
    for (int is_late = 0; is_late <= 1; is_late++) {
        struct scene *s = begin(context->seed);
        EXPECT_OK(producer_init_transactions(s->producer, NULL));
        EXPECT_OK(producer_begin_transaction(s->producer, NULL));
        send_to_all(s);
        client_rig_rule(&s->rig,
                        (struct rig_rule){ .api_key = API_END_TXN, .deed = RIG_HOLD, .times = 60 });
        EXPECT_ERR(producer_commit_transaction(s->producer, NULL), ERR_TIMEOUT);
        if (is_late)
            client_rig_run_ms(&s->rig, 180000);
        struct err_note note = { 0 };
        EXPECT_ERR(producer_abort_transaction(s->producer, &note), ERR_PROTOCOL);
        EXPECT(strstr(note.text, "was to be committed") != NULL);
        int r;
        do
            r = producer_commit_transaction(s->producer, NULL);
        while (r == -ERR_TIMEOUT);
        EXPECT_OK(r);
        EXPECT_EQ(s->rig.transaction.commits, 1);
        EXPECT_EQ(s->rig.transaction.aborts, 0);
        EXPECT_OK(producer_begin_transaction(s->producer, NULL));
        send_to_all(s);
        EXPECT_OK(producer_abort_transaction(s->producer, NULL));
        end(s);
    }
}

/* Of a transaction in which nothing was written the coordinator knows nothing. */
TEST(producer_transaction, asks_nobody_where_nothing_was_sent)
{
    struct scene *s = begin(context->seed);
    EXPECT_OK(producer_init_transactions(s->producer, NULL));
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(producer_begin_transaction(s->producer, NULL));
        EXPECT_OK(i == 0 ? producer_commit_transaction(s->producer, NULL)
                         : producer_abort_transaction(s->producer, NULL));
    }
    EXPECT_EQ(s->rig.counts[API_END_TXN], 0);
    end(s);
}

/* One record that is given up: nothing of the transaction may count. */
TEST(producer_transaction, can_only_be_aborted_when_a_record_was_given_up)
{
    static const int16_t errors[] = { KAFKA_INVALID_RECORD, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                      KAFKA_TRANSACTION_ABORTABLE };
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct scene *s = begin(context->seed + i);
        struct err_note note = { 0 };
        EXPECT_OK(producer_init_transactions(s->producer, NULL));
        EXPECT_OK(producer_begin_transaction(s->producer, NULL));
        client_rig_rule(
            &s->rig,
            (struct rig_rule){ .api_key = API_PRODUCE, .deed = RIG_REFUSE, .error = errors[i] });
        send_to_all(s);
        EXPECT_ERR(producer_commit_transaction(s->producer, &note), ERR_PROTOCOL);
        EXPECT(note.text[0] != '\0');
        EXPECT(s->given_up > 0);
        EXPECT_ERR(try_send(s, 0, &note), ERR_PROTOCOL);
        EXPECT_OK(producer_abort_transaction(s->producer, NULL));
        EXPECT_EQ(s->rig.transaction.commits, 0);
        EXPECT_EQ(s->rig.transaction.aborts, 1);
        EXPECT_OK(producer_begin_transaction(s->producer, NULL));
        send_to_all(s);
        EXPECT_OK(producer_commit_transaction(s->producer, NULL));
        EXPECT_EQ(s->rig.transaction.commits, 1);
        end(s);
    }
}

TEST(producer_transaction, is_over_for_who_was_fenced)
{
    struct scene *s = begin(context->seed);
    struct err_note note = { 0 };
    EXPECT_OK(producer_init_transactions(s->producer, NULL));
    EXPECT_OK(producer_begin_transaction(s->producer, NULL));
    send_to_all(s);
    s->rig.transaction.epoch += 2;
    EXPECT_ERR(producer_commit_transaction(s->producer, &note), ERR_PROTOCOL);
    EXPECT_ERR(producer_begin_transaction(s->producer, &note), ERR_PROTOCOL);
    EXPECT_ERR(producer_abort_transaction(s->producer, &note), ERR_PROTOCOL);
    EXPECT_ERR(try_send(s, 0, &note), ERR_PROTOCOL);
    EXPECT_EQ(s->rig.transaction.commits, 0);
    end(s);
}

TEST(producer_transaction, is_not_for_clusters_of_old)
{
    struct scene *s = begin(context->seed);
    struct err_note note = { 0 };
    s->rig.transaction_version = 1;
    EXPECT_ERR(producer_init_transactions(s->producer, &note), ERR_PROTOCOL);
    EXPECT(strstr(note.text, "transaction.version is 1") != NULL);
    end(s);
}

/* The coordinator moves, or is away for a while: the same call goes on waiting. */
TEST(producer_transaction, follows_its_coordinator)
{
    struct scene *s = begin(context->seed);
    struct err_note note = { 0 };
    EXPECT_OK(producer_init_transactions(s->producer, NULL));
    EXPECT_OK(producer_begin_transaction(s->producer, NULL));
    send_to_all(s);
    s->rig.coordinator = 3;
    EXPECT_OK(producer_commit_transaction(s->producer, NULL));
    EXPECT_OK(producer_begin_transaction(s->producer, NULL));
    send_to_all(s);
    EXPECT_OK(producer_flush(s->producer));
    client_rig_stop(&s->rig, 3);
    EXPECT_ERR(producer_commit_transaction(s->producer, &note), ERR_TIMEOUT);
    EXPECT(strstr(note.text, "30000ms") != NULL);
    client_rig_start(&s->rig, 3);
    EXPECT_OK(producer_commit_transaction(s->producer, NULL));
    EXPECT_EQ(s->rig.transaction.commits, 2);
    end(s);
}
