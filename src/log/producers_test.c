/* Sequence checks, duplicates, fencing, transactions, and the file form of all that. */
#include "log/producers.h"

#include "log/producer_snapshot.h"
#include "log/sample_test.h"

#include <string.h>

static const struct producer_check client = { .origin = LOG_ORIGIN_CLIENT,
                                              .transaction_verified = true };

/* Data of producer 1: `count` records from `sequence` on, at `offset`. */
static struct producer_event data(int16_t epoch, int32_t sequence, int32_t count, int64_t offset)
{
    return (struct producer_event){ .producer_id = 1,
                                    .epoch = epoch,
                                    .first_sequence = sequence,
                                    .last_sequence = (int32_t)(((int64_t)sequence + count - 1) %
                                                               (INT32_MAX + INT64_C(1))),
                                    .first_offset = offset,
                                    .last_offset = offset + count - 1,
                                    .timestamp = offset };
}

static struct producer_event marker(int16_t epoch, bool is_commit, int32_t coordinator_epoch,
                                    int64_t offset)
{
    return (struct producer_event){ .producer_id = 1,
                                    .epoch = epoch,
                                    .is_transactional = true,
                                    .is_marker = true,
                                    .has_marker = true,
                                    .marker_type = is_commit ? CONTROL_COMMIT : CONTROL_ABORT,
                                    .coordinator_epoch = coordinator_epoch,
                                    .first_offset = offset,
                                    .last_offset = offset,
                                    .timestamp = offset };
}

static enum kafka_error try_check(const struct producers *producers, struct producer_event event,
                                  struct producer_check check)
{
    struct err_note note = { "" };
    const struct producer_verdict verdict = producers_check(producers, &event, &check, &note);
    EXPECT(!verdict.is_duplicate);
    EXPECT((verdict.error == KAFKA_NONE) == (note.text[0] == '\0'));
    return verdict.error;
}

static void apply(struct producers *producers, struct producer_event event)
{
    EXPECT_EQ(try_check(producers, event, client), KAFKA_NONE);
    producers_apply(producers, &event, NULL);
}

/* A client has up to five batches in flight: each of them may come again and is answered with its
 * old offsets; an older one cannot be told from a gap. */
TEST(producers, know_the_last_five_batches_again)
{
    struct producers producers;
    producers_init(&producers, 1);
    for (int32_t i = 0; i < 8; i++)
        apply(&producers, data(0, 3 * i, 3, 100 + 3 * i));
    for (int32_t i = 0; i < 8; i++) {
        const struct producer_event again = data(0, 3 * i, 3, 500);
        const struct producer_verdict verdict = producers_check(&producers, &again, &client, NULL);
        EXPECT_EQ(verdict.is_duplicate, i >= 3);
        if (i >= 3) {
            EXPECT_EQ(verdict.first_offset, 100 + 3 * i);
            EXPECT_EQ(verdict.last_offset, 102 + 3 * i);
        } else {
            EXPECT_EQ(verdict.error, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
    }
    /* Neither a part of a batch nor the same range in another epoch is a duplicate. */
    EXPECT_EQ(try_check(&producers, data(0, 21, 2, 500), client),
              KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_EQ(try_check(&producers, data(1, 21, 3, 500), client),
              KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producers_deinit(&producers);
}

TEST(producers, take_only_the_next_sequence)
{
    struct producers producers;
    producers_init(&producers, 1);
    /* Nothing is known of it (any more): any sequence may begin. */
    EXPECT_EQ(try_check(&producers, data(0, 17, 1, 0), client), KAFKA_NONE);
    apply(&producers, data(3, 0, 5, 0));
    EXPECT_EQ(try_check(&producers, data(3, 5, 1, 5), client), KAFKA_NONE);
    EXPECT_EQ(try_check(&producers, data(3, 6, 1, 5), client), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_EQ(try_check(&producers, data(3, 3, 1, 5), client), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_EQ(try_check(&producers, data(4, 0, 1, 5), client), KAFKA_NONE);
    EXPECT_EQ(try_check(&producers, data(4, 5, 1, 5), client), KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_EQ(try_check(&producers, data(2, 5, 1, 5), client), KAFKA_INVALID_PRODUCER_EPOCH);
    /* Coordinators have epochs and no sequences. */
    const struct producer_check coordinator = { .origin = LOG_ORIGIN_COORDINATOR,
                                                .transaction_verified = true };
    EXPECT_EQ(try_check(&producers, data(3, -1, 1, 5), coordinator), KAFKA_NONE);
    EXPECT_EQ(try_check(&producers, data(2, -1, 1, 5), coordinator), KAFKA_INVALID_PRODUCER_EPOCH);
    producers_deinit(&producers);
}

TEST(producers, go_on_at_0_after_the_largest_sequence)
{
    struct producers producers;
    producers_init(&producers, 1);
    apply(&producers, data(0, INT32_MAX - 1, 2, 0));
    apply(&producers, data(0, 0, 3, 2));
    const struct producer_event again = data(0, 0, 3, 9);
    EXPECT(producers_check(&producers, &again, &client, NULL).is_duplicate);
    producers_clear(&producers);
    apply(&producers, data(0, INT32_MAX, 4, 0)); /* a batch that spans it: INT32_MAX, 0, 1, 2 */
    const struct producer_event spanning = data(0, INT32_MAX, 4, 9);
    EXPECT(producers_check(&producers, &spanning, &client, NULL).is_duplicate);
    apply(&producers, data(0, 3, 1, 4));
    producers_deinit(&producers);
}

static struct producer_event in_transaction(struct producer_event event)
{
    event.is_transactional = true;
    return event;
}

TEST(producers, keep_transactions_and_their_markers)
{
    struct producers producers;
    producers_init(&producers, 1);
    struct producer_check unverified = client;
    unverified.transaction_verified = false;
    const struct producer_check coordinator = { .origin = LOG_ORIGIN_COORDINATOR };

    EXPECT_EQ(try_check(&producers, in_transaction(data(0, 0, 2, 10)), unverified),
              KAFKA_INVALID_TXN_STATE);
    apply(&producers, in_transaction(data(0, 0, 2, 10)));
    EXPECT_EQ(producers_first_unstable(&producers, 1000), 10);
    /* Once it is open, the log itself knows that batches belong to it. */
    EXPECT_EQ(try_check(&producers, in_transaction(data(0, 2, 1, 12)), unverified), KAFKA_NONE);
    EXPECT_EQ(try_check(&producers, data(0, 2, 1, 12), client), KAFKA_INVALID_TXN_STATE);

    EXPECT_EQ(try_check(&producers, marker(0, true, 7, 12), coordinator), KAFKA_NONE);
    struct producer_ended_txn ended;
    struct producer_event end = marker(0, true, 7, 12);
    EXPECT(producers_apply(&producers, &end, &ended));
    EXPECT(!ended.is_aborted);
    EXPECT_EQ(ended.first_offset, 10);
    EXPECT_EQ(ended.marker_offset, 12);
    EXPECT_EQ(ended.last_stable_offset, 13);
    /* Decided, but not stable before the marker is below the high watermark. */
    EXPECT_EQ(producers_first_unstable(&producers, 12), 10);
    EXPECT_EQ(producers_first_unstable(&producers, 13), -1);
    EXPECT_EQ(try_check(&producers, marker(0, true, 6, 13), coordinator),
              KAFKA_TRANSACTION_COORDINATOR_FENCED);
    producers_deinit(&producers);
}

/* From transaction version 2 on a marker has a higher epoch than the batches it ends; the same one
 * again, after the transaction has ended, is a repetition that does no harm (KIP-1228). */
TEST(producers, fence_late_markers_of_transactions_version_2)
{
    struct producers producers;
    producers_init(&producers, 1);
    const struct producer_check version_2 = { .origin = LOG_ORIGIN_COORDINATOR,
                                              .transaction_version = 2 };
    apply(&producers, in_transaction(data(4, 0, 1, 0)));
    EXPECT_EQ(try_check(&producers, marker(4, true, 0, 1), version_2),
              KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(try_check(&producers, marker(3, true, 0, 1), version_2),
              KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(try_check(&producers, marker(5, true, 0, 1), version_2), KAFKA_NONE);
    struct producer_event end = marker(5, true, 0, 1);
    EXPECT(producers_apply(&producers, &end, NULL));
    EXPECT_EQ(try_check(&producers, marker(5, true, 0, 2), version_2), KAFKA_NONE);
    EXPECT(!producers_apply(&producers, &end, NULL));
    producers_deinit(&producers);
}

static void random_event(struct rng *rng, int64_t offset, struct producer_event *out)
{
    *out = rng_chance(rng, 300000)
               ? marker((int16_t)rng_below(rng, 3), rng_chance(rng, 500000), 0, offset)
               : data((int16_t)rng_below(rng, 3), (int32_t)rng_below(rng, 50), 2, offset);
    out->is_transactional = out->is_marker || rng_chance(rng, 500000);
    out->producer_id = (int64_t)rng_below(rng, 3);
}

static void expect_equal(const struct producers *a, const struct producers *b)
{
    EXPECT_EQ(producers_count(a), producers_count(b));
    for (struct map_i64_walk walk = { 0 }; map_i64_next(&a->by_id, &walk);) {
        const struct producer *of_a = walk.value;
        const struct producer *of_b = producers_get(b, walk.key);
        EXPECT(of_b != NULL);
        EXPECT_EQ(of_a->epoch, of_b->epoch);
        EXPECT_EQ(of_a->batch_count, of_b->batch_count);
        for (uint32_t i = 0; i < of_a->batch_count; i++)
            EXPECT(memcmp(&of_a->batches[i], &of_b->batches[i], sizeof(of_a->batches[i])) == 0);
        EXPECT_EQ(of_a->coordinator_epoch, of_b->coordinator_epoch);
        EXPECT_EQ(of_a->last_timestamp, of_b->last_timestamp);
        EXPECT_EQ(of_a->txn_first_offset, of_b->txn_first_offset);
    }
    EXPECT_EQ(a->txns.count, b->txns.count);
    for (size_t i = 0; i < a->txns.count; i++) {
        EXPECT_EQ(a->txns.items[i].first_offset, b->txns.items[i].first_offset);
        EXPECT_EQ(a->txns.items[i].marker_offset, b->txns.items[i].marker_offset);
    }
}

/* A write may fail after any number of planned batches: the state is then what it would be without
 * the rest. */
TEST(producers, take_back_every_suffix_of_a_plan)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        for (int kept = 0; kept <= 12; kept++) {
            struct rng rng = rng_from_seed(seed);
            struct producers undone;
            struct producers never;
            producers_init(&undone, 1);
            producers_init(&never, 1);
            for (int i = 0; i < 8 + 12; i++) {
                struct producer_event event;
                random_event(&rng, 10 * i, &event);
                producers_apply(&undone, &event, NULL);
                if (i < 8 + kept)
                    producers_apply(&never, &event, NULL);
                if (i == 7)
                    producers_settle(&undone);
            }
            producers_undo(&undone, 10 * (8 + kept));
            expect_equal(&undone, &never);
            producers_deinit(&undone);
            producers_deinit(&never);
        }
    }
}

TEST(producers, expire_when_idle_and_outside_of_a_transaction)
{
    struct producers producers;
    producers_init(&producers, 1);
    struct producer_event event = data(0, 0, 1, 100); /* timestamp 100 */
    producers_apply(&producers, &event, NULL);
    event.producer_id = 2;
    event.timestamp = 200;
    producers_apply(&producers, &event, NULL);
    event.producer_id = 3;
    event.timestamp = 100;
    event.is_transactional = true;
    producers_apply(&producers, &event, NULL);
    producers_settle(&producers);
    producers_expire(&producers, 1099, 1000);
    EXPECT_EQ(producers_count(&producers), 3);
    producers_expire(&producers, 1100, 1000);
    EXPECT_EQ(producers_count(&producers), 2);
    EXPECT(producers_get(&producers, 1) == NULL);
    producers_deinit(&producers);
}

/* Of a producer that is not known any sequence may begin; but when its first batch could not be written, those behind it must
 * not be taken in its place. */
TEST(producers, await_a_first_batch_that_could_not_be_written)
{
    struct producers producers;
    producers_init(&producers, 1);
    const struct producer_event first = data(0, 40, 3, 100);
    const struct producer_event second = data(0, 43, 3, 103);
    producers_apply(&producers, &first, NULL);
    producers_apply(&producers, &second, NULL);
    producers_undo(&producers, 100);
    EXPECT(producers_get(&producers, 1) == NULL);
    EXPECT_EQ(try_check(&producers, data(0, 43, 3, 100), client),
              KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_EQ(try_check(&producers, data(1, 0, 3, 100), client), KAFKA_NONE);
    apply(&producers, data(0, 40, 3, 100));
    producers_settle(&producers);
    apply(&producers, data(0, 43, 3, 103));
    producers_undo(&producers, 103);
    EXPECT_EQ(try_check(&producers, data(0, 43, 3, 103), client), KAFKA_NONE);
    producers_deinit(&producers);
}

/* ---- snapshots ----------------------------------------------------------------------------- */

static void make_snapshot(struct buf *out)
{
    struct producers producers;
    producers_init(&producers, 1);
    struct rng rng = rng_from_seed(5);
    for (int i = 0; i < 30; i++) {
        struct producer_event event;
        random_event(&rng, 10 * i, &event);
        producers_apply(&producers, &event, NULL);
    }
    buf_init(out, 1u << 20);
    producer_snapshot_encode(&producers, out);
    producers_deinit(&producers);
}

TEST(producer_snapshot, holds_the_newest_batch_of_each_producer)
{
    struct producers before;
    struct producers after;
    producers_init(&before, 1);
    producers_init(&after, 1);
    apply(&before, data(2, 0, 4, 10));
    apply(&before, in_transaction(data(2, 4, 4, 14)));
    struct buf bytes;
    buf_init(&bytes, 1u << 20);
    producer_snapshot_encode(&before, &bytes);
    EXPECT_EQ(bytes.size, 10 + 46);
    EXPECT_OK(producer_snapshot_decode(buf_view(&bytes), 20, 1000, &after));
    const struct producer *found = producers_get(&after, 1);
    EXPECT_EQ(found->epoch, 2);
    EXPECT_EQ(found->batch_count, 1);
    EXPECT_EQ(found->batches[0].last_sequence, 7);
    EXPECT_EQ(found->batches[0].last_offset, 17);
    EXPECT_EQ(found->batches[0].offset_delta, 3);
    EXPECT_EQ(found->txn_first_offset, 14);
    EXPECT_EQ(producers_first_unstable(&after, 100), 14);
    buf_deinit(&bytes);
    producers_deinit(&before);
    producers_deinit(&after);
}

/* Cut anywhere, or with any bit flipped, it is refused, and nothing of it is taken. */
TEST(producer_snapshot, is_refused_at_every_cut_and_flipped_bit)
{
    struct buf bytes;
    make_snapshot(&bytes);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        struct producers producers;
        producers_init(&producers, 1);
        EXPECT(producer_snapshot_decode(bytes_from(bytes.data, cut), 0, INT64_MAX, &producers) < 0);
        EXPECT_EQ(producers_count(&producers), 0);
        producers_deinit(&producers);
    }
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        struct producers producers;
        producers_init(&producers, 1);
        bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        EXPECT(producer_snapshot_decode(buf_view(&bytes), 0, INT64_MAX, &producers) < 0);
        EXPECT_EQ(producers_count(&producers), 0);
        bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        producers_deinit(&producers);
    }
    buf_deinit(&bytes);
}

/* ---- verification ------------------------------------------------------------------------------ */

static enum kafka_error try_guarded(const struct producers *producers, struct producer_event event,
                                    uint64_t guard)
{
    return try_check(
        producers, in_transaction(event),
        (struct producer_check){ .origin = LOG_ORIGIN_CLIENT, .verification_guard = guard });
}

static struct producer_event marker_of(int16_t epoch, int64_t offset)
{
    struct producer_event event = in_transaction(data(epoch, -1, 1, offset));
    event.is_marker = event.has_marker = true;
    event.marker_type = CONTROL_ABORT;
    return event;
}

/* The answer of the coordinator counts for the transaction it was asked about: what ended meanwhile needs another. */
TEST(producers_verify, gives_a_guard_that_lasts_until_a_transaction_begins_or_ends)
{
    struct producers producers;
    producers_init(&producers, 1);
    const int64_t id = data(0, 0, 1, 0).producer_id;
    const uint64_t first = producers_verify(&producers, id, 0, 0, 1000);
    EXPECT(first != 0);
    EXPECT_EQ(producers_verify(&producers, id, 0, 0, 1001), first);
    EXPECT_EQ(try_guarded(&producers, data(0, 0, 1, 10), 0), KAFKA_INVALID_TXN_STATE);
    EXPECT_EQ(try_guarded(&producers, data(0, 0, 1, 10), first + 1), KAFKA_INVALID_TXN_STATE);
    EXPECT_EQ(try_guarded(&producers, data(0, 0, 1, 10), first), KAFKA_NONE);

    apply(&producers, marker_of(0, 10)); /* the transaction was aborted before its batch came */
    EXPECT_EQ(try_guarded(&producers, data(0, 0, 1, 11), first), KAFKA_INVALID_TXN_STATE);
    const uint64_t second = producers_verify(&producers, id, 0, 0, 1002);
    EXPECT(second != 0 && second != first);
    EXPECT_EQ(try_guarded(&producers, data(0, 0, 1, 11), second), KAFKA_NONE);

    apply(&producers, in_transaction(data(0, 0, 1, 11)));
    EXPECT_EQ(producers_verify(&producers, id, 0, 1, 1003),
              0); /* it is open: nobody need be asked */
    EXPECT_EQ(try_guarded(&producers, data(0, 1, 1, 12), 0), KAFKA_NONE);
    /* Another epoch is another transaction. */
    EXPECT(producers_verify(&producers, id, 1, 0, 1004) != 0);
    producers_deinit(&producers);
}

/* What was sent later waits for what was sent before it, which may be asked about again. */
TEST(producers_verify, lets_no_later_sequence_come_first)
{
    struct producers producers;
    producers_init(&producers, 1);
    const int64_t id = data(0, 0, 1, 0).producer_id;
    const uint64_t guard = producers_verify(&producers, id, 0, 7, 1000);
    EXPECT_EQ(producers_verify(&producers, id, 0, 5, 1000), guard);
    EXPECT_EQ(producers_verify(&producers, id, 0, 9, 1000), guard);
    EXPECT_EQ(try_guarded(&producers, data(0, 7, 1, 10), guard),
              KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT_EQ(try_guarded(&producers, data(0, 5, 1, 10), guard), KAFKA_NONE);
    /* A later epoch begins anew, and an earlier one changes nothing. */
    EXPECT_EQ(producers_verify(&producers, id, 1, 6, 1000), guard);
    EXPECT_EQ(producers_verify(&producers, id, 0, 0, 1000), guard);
    EXPECT_EQ(try_guarded(&producers, data(1, 6, 1, 10), guard), KAFKA_NONE);
    EXPECT_EQ(try_guarded(&producers, data(1, 7, 1, 10), guard),
              KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producers_deinit(&producers);
}

TEST(producers_verify, lets_a_transaction_of_version_2_begin_with_0_alone)
{
    struct producers producers;
    producers_init(&producers, 1);
    struct producer_check check = {
        .origin = LOG_ORIGIN_CLIENT,
        .verification_guard =
            producers_verify(&producers, data(0, 0, 1, 0).producer_id, 0, 5, 1000),
        .transaction_version = 2,
    };
    EXPECT_EQ(try_check(&producers, in_transaction(data(0, 5, 1, 10)), check),
              KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    check.transaction_version = -1; /* others may go on where the state was lost */
    EXPECT_EQ(try_check(&producers, in_transaction(data(0, 5, 1, 10)), check), KAFKA_NONE);
    check.transaction_version = 2;
    EXPECT_EQ(try_check(&producers, in_transaction(data(0, 0, 1, 10)), check), KAFKA_NONE);
    producers_deinit(&producers);
}

/* Who was fenced may ask and be refused: who goes on in its transaction does not notice. */
TEST(producers_verify, of_an_older_epoch_disturbs_nobody)
{
    struct producers producers;
    producers_init(&producers, 1);
    const int64_t id = data(0, 0, 1, 0).producer_id;
    const uint64_t guard = producers_verify(&producers, id, 1, 0, 1000);
    EXPECT_EQ(try_guarded(&producers, data(1, 0, 3, 10), guard), KAFKA_NONE);
    apply(&producers, in_transaction(data(1, 0, 3, 10)));
    EXPECT(producers_verify(&producers, id, 0, 0, 1001) != 0);
    EXPECT_EQ(try_guarded(&producers, data(1, 3, 1, 13), 0), KAFKA_NONE);
    producers_deinit(&producers);
}

TEST(producers_verify, is_forgotten_with_time)
{
    struct producers producers;
    producers_init(&producers, 1);
    const int64_t id = data(0, 0, 1, 0).producer_id;
    const uint64_t guard = producers_verify(&producers, id, 0, 0, 1000);
    producers_expire(&producers, 1999, 1000);
    EXPECT_EQ(try_guarded(&producers, data(0, 0, 1, 10), guard), KAFKA_NONE);
    producers_expire(&producers, 2000, 1000);
    EXPECT_EQ(try_guarded(&producers, data(0, 0, 1, 10), guard), KAFKA_INVALID_TXN_STATE);
    producers_deinit(&producers);
}

/* ---- transactions that have ended ------------------------------------------------------------- */

#define TXN_PRODUCERS 8
#define TXN_EVENTS    4000
#define TXN_LAG_MAX   20 /* of the high watermark */
#define TXN_SEGMENT   50 /* offsets of one */
#define TXN_UNFLUSHED (3 * TXN_SEGMENT)

struct txn_model {
    int64_t open[TXN_PRODUCERS];           /* first offsets; -1: none */
    struct producer_txn ended[TXN_EVENTS]; /* all that there ever were */
    int32_t ended_count;
};

static int64_t model_earliest(const struct txn_model *model, int64_t end, int32_t but)
{
    int64_t first = INT64_MAX;
    for (int32_t i = 0; i < TXN_PRODUCERS; i++) {
        if (model->open[i] >= 0 && i != but)
            first = MIN(first, model->open[i]);
    }
    for (int32_t i = 0; i < model->ended_count; i++) {
        if (model->ended[i].marker_offset >= end)
            first = MIN(first, model->ended[i].first_offset);
    }
    return first;
}

static void model_step(struct txn_model *model, struct producers *producers, int32_t by,
                       int64_t offset)
{
    const bool ends = model->open[by] >= 0;
    struct producer_event event = ends ? marker(0, true, 0, offset) : data(0, 0, 1, offset);
    event.producer_id = by;
    event.is_transactional = true;
    struct producer_ended_txn told;
    EXPECT_EQ(producers_apply(producers, &event, &told), ends);
    if (!ends) {
        model->open[by] = offset;
        return;
    }
    EXPECT_EQ(told.first_offset, model->open[by]);
    EXPECT_EQ(told.last_stable_offset, MIN(model_earliest(model, INT64_MAX, by), offset + 1));
    model->ended[model->ended_count++] =
        (struct producer_txn){ .first_offset = model->open[by], .marker_offset = offset };
    model->open[by] = -1;
}

/* Segments below it are flushed, and so are the markers of what began there. */
static int64_t durable_segment(int64_t first, int64_t flushed_end)
{
    return (first < 0 ? flushed_end : MIN(first, flushed_end)) / TXN_SEGMENT;
}

/* Nobody need read a log for those that have ended to be forgotten; what is stable, and what is durable, is known all the
 * same. */
TEST(producers, forget_ended_transactions_in_time)
{
    struct rng rng = rng_from_seed(context->seed);
    struct txn_model *model = MEM_NEW(struct txn_model);
    memset(model->open, 0xff, sizeof(model->open));
    struct producers producers;
    producers_init(&producers, 1);
    int64_t high_watermark = 0;
    int64_t flushed_end = 0;
    for (int64_t offset = 0; offset < TXN_EVENTS; offset++) {
        model_step(model, &producers, (int32_t)rng_below(&rng, TXN_PRODUCERS), offset);
        high_watermark = MAX(high_watermark, offset + 1 - (int64_t)rng_below(&rng, TXN_LAG_MAX));
        if (offset - flushed_end >= TXN_UNFLUSHED || rng_chance(&rng, 10000))
            flushed_end = offset + 1 - (int64_t)rng_below(&rng, TXN_LAG_MAX);
        producers_settle(&producers);
        const struct producers_bounds bounds = { .high_watermark = high_watermark,
                                                 .flushed_end = flushed_end,
                                                 .segment_base = offset - offset % TXN_SEGMENT };
        producers_forget_ended(&producers, &bounds);
        const int64_t first = model_earliest(model, high_watermark, -1);
        EXPECT_EQ(producers_first_unstable(&producers, high_watermark),
                  first == INT64_MAX ? -1 : first);
        EXPECT_EQ(durable_segment(producers_first_unstable(&producers, flushed_end), flushed_end),
                  durable_segment(model_earliest(model, flushed_end, -1), flushed_end));
        EXPECT(producers.txns.count <= 3 * (TXN_PRODUCERS + TXN_LAG_MAX + TXN_UNFLUSHED / 2));
    }
    producers_deinit(&producers);
    mem_free(model);
}

/* Markers that could not be written leave their transactions open. */
TEST(producers, open_transactions_again_whose_markers_were_taken_back)
{
    struct txn_model *model = MEM_NEW(struct txn_model);
    memset(model->open, 0xff, sizeof(model->open));
    struct producers producers;
    producers_init(&producers, 1);
    for (int32_t by = 0; by < 3; by++)
        model_step(model, &producers, by, by);
    producers_settle(&producers);
    struct producer_event event = marker(0, true, 0, 3);
    for (int32_t by = 0; by < 3; by++) {
        event.producer_id = by;
        event.first_offset = event.last_offset = 3 + by;
        EXPECT(producers_apply(&producers, &event, NULL));
    }
    EXPECT_EQ(producers_first_unstable(&producers, INT64_MAX), -1);
    producers_undo(&producers, 4);
    EXPECT_EQ(producers_first_unstable(&producers, INT64_MAX), 1);
    struct producer_ended_txn told;
    event.producer_id = 2;
    event.first_offset = event.last_offset = 4;
    EXPECT(producers_apply(&producers, &event, &told));
    EXPECT_EQ(told.last_stable_offset, 1);
    producers_deinit(&producers);
    mem_free(model);
}
