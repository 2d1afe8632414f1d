/* One partition: appends and who waits for them, watches, what may be read, and writes that fail. */
#include "metrics/metrics.h"
#include "replica/rig_test.h"

#include <errno.h>
#include <string.h>

static const int32_t alone[] = { REPLICA_RIG_NODE };
static const int32_t both[] = { REPLICA_RIG_NODE, REPLICA_RIG_OTHER_NODE };

static struct partition *get(struct replica_rig *rig, struct uuid topic, int32_t index)
{
    struct partition *p = replicas_get(rig->replicas, topic, index);
    EXPECT(p != NULL);
    return p;
}

/* ---- acks ------------------------------------------------------------------------------------ */

/* Offsets are given at once; that they are safe is told at the turn's end, and never earlier. */
TEST(partition_append, tells_at_the_turns_end_what_is_safe)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    struct rig_append one, all;
    replica_rig_append(p, 3, false, &one);
    replica_rig_append(p, 2, true, &all);
    EXPECT_EQ(one.result.error, KAFKA_NONE);
    EXPECT_EQ(one.result.first_offset, 0);
    EXPECT_EQ(all.result.first_offset, 3);
    EXPECT_EQ(all.result.last_offset, 4);
    EXPECT_EQ(one.done_count + all.done_count, 0);
    EXPECT_EQ(p->high_watermark, 0);
    EXPECT_EQ(partition_readable_end(p, FETCH_LOG_END), 0);

    replica_rig_turn(&rig);
    EXPECT_EQ(one.done_count, 1);
    EXPECT_EQ(all.done_count, 1);
    EXPECT_EQ(one.error, KAFKA_NONE);
    EXPECT_EQ(all.error, KAFKA_NONE);
    EXPECT_EQ(p->high_watermark, 5);
    replica_rig_end(&rig);
}

/* Appends of one turn leave as one write, however many there were. */
TEST(partition_append, of_one_turn_is_one_write)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    struct partition *p = get(&rig, replica_rig_topic(&rig, "t", 1), 0);
    struct rig_append appends[20];
    replica_rig_append(p, 1, false, &appends[0]);
    replica_rig_run_ms(&rig, 1000); /* the segment is open now, and no job under way */
    const uint64_t before = sim_disk_change_count(sim_node_disk(rig.machine));
    for (size_t i = 0; i < ARRAY_LEN(appends); i++)
        replica_rig_append(p, 1, i % 2 == 0, &appends[i]);
    replica_rig_turn(&rig);
    EXPECT_EQ(sim_disk_change_count(sim_node_disk(rig.machine)) - before, 1);
    for (size_t i = 0; i < ARRAY_LEN(appends); i++)
        EXPECT_EQ(appends[i].done_count, 1);
    replica_rig_end(&rig);
}

/* With another replica in sync, written is enough for acks=1 and not for acks=all; when the ISR shrinks to this node, what
 * waited is committed. */
TEST(partition_append, waits_for_the_high_watermark_with_acks_all)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    struct rig_append one, all, later;
    replica_rig_append(p, 1, true, &all);
    replica_rig_append(p, 1, false, &one);
    replica_rig_turn(&rig);
    replica_rig_append(p, 1, true, &later);
    replica_rig_turn(&rig);
    replica_rig_run_ms(&rig, 5000);
    EXPECT_EQ(one.done_count, 1);
    EXPECT_EQ(all.done_count + later.done_count, 0);
    EXPECT_EQ(partition_readable_end(p, FETCH_LOG_END), 3);
    EXPECT_EQ(partition_readable_end(p, FETCH_HIGH_WATERMARK), 0);
    EXPECT_EQ(partition_readable_end(p, FETCH_COMMITTED), 0);

    replica_rig_change(&rig, topic, 0, REPLICA_RIG_NODE, alone, 1);
    replica_rig_turn(&rig);
    EXPECT_EQ(all.done_count, 1);
    EXPECT_EQ(later.done_count, 1);
    EXPECT_EQ(all.error, KAFKA_NONE);
    EXPECT_EQ(p->high_watermark, 3);
    replica_rig_end(&rig);
}

/* min.insync.replicas binds acks=all alone, and more than there are replicas means all of them. */
TEST(partition_append, asks_for_enough_replicas_with_acks_all)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "min.insync.replicas=5");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    struct rig_append first, refused, append;
    replica_rig_append(p, 1, true, &first);
    EXPECT_EQ(first.result.error, KAFKA_NONE);
    replica_rig_turn(&rig);

    replica_rig_change(&rig, topic, 0, REPLICA_RIG_NODE, alone, 1);
    replica_rig_append(p, 1, true, &refused);
    EXPECT_EQ(refused.result.error, KAFKA_NOT_ENOUGH_REPLICAS);
    EXPECT_EQ(refused.result.first_offset, -1);
    EXPECT_EQ(log_offsets(p->log)->planned_end, 1);
    replica_rig_append(p, 1, false, &append);
    EXPECT_EQ(append.result.error, KAFKA_NONE);
    replica_rig_turn(&rig);
    EXPECT_EQ(refused.done_count, 0);

    /* A topic's own setting counts over the broker's, at once. */
    sample_config(rig.loader, METADATA_CONFIG_TOPIC, "t", "min.insync.replicas", "1");
    replica_rig_apply(&rig);
    replica_rig_append(p, 1, true, &append);
    EXPECT_EQ(append.result.error, KAFKA_NONE);
    replica_rig_turn(&rig);
    replica_rig_end(&rig);
}

/* The last of five batches of a producer, sent again: the offsets it had, told when they are as safe as the original. */
TEST(partition_append, answers_a_duplicate_when_the_original_is_safe)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    struct rig_append appends[2];
    for (size_t i = 0; i < 2; i++) {
        struct shared *batch = sample_batch(&(struct sample_batch){
            .count = 2, .has_producer = true, .producer_id = 9, .sequence = 0 });
        struct rig_append probe;
        replica_rig_append(p, 1, false, &probe); /* for its `done` */
        replica_rig_turn(&rig);
        appends[i] = (struct rig_append){ .wait = { .is_all = true, .done = probe.wait.done } };
        const struct log_append planned = { .owner = batch,
                                            .records = batch->data,
                                            .size_bytes = (uint32_t)batch->size,
                                            .origin = LOG_ORIGIN_CLIENT,
                                            .now_ms = SAMPLE_NOW_MS,
                                            .transaction_version = -1 };
        partition_append(p, &planned, &appends[i].wait, &appends[i].result);
        shared_unref(batch);
        replica_rig_turn(&rig);
    }
    EXPECT(appends[1].result.is_duplicate);
    EXPECT_EQ(appends[1].result.first_offset, appends[0].result.first_offset);
    EXPECT_EQ(appends[0].done_count + appends[1].done_count, 0);
    replica_rig_change(&rig, topic, 0, REPLICA_RIG_NODE, alone, 1);
    replica_rig_turn(&rig);
    EXPECT_EQ(appends[0].done_count, 1);
    EXPECT_EQ(appends[1].done_count, 1);
    replica_rig_end(&rig);
}

/* ---- leadership ------------------------------------------------------------------------------ */

/* Every pair of what the client believes and what is so (KIP-320). */
TEST(partition_check_leader, compares_epochs_before_it_looks_who_leads)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    for (int32_t i = 0; i < 2; i++) { /* epoch 2, led here */
        replica_rig_change(&rig, topic, 0, REPLICA_RIG_OTHER_NODE, both, 2);
        EXPECT_EQ(partition_check_leader(p, p->leader_epoch), KAFKA_NOT_LEADER_OR_FOLLOWER);
        EXPECT_EQ(partition_check_leader(p, p->leader_epoch - 1), KAFKA_FENCED_LEADER_EPOCH);
        EXPECT_EQ(partition_check_leader(p, p->leader_epoch + 1), KAFKA_UNKNOWN_LEADER_EPOCH);
        replica_rig_change(&rig, topic, 0, REPLICA_RIG_NODE, both, 2);
        EXPECT_EQ(partition_check_leader(p, -1), KAFKA_NONE);
        EXPECT_EQ(partition_check_leader(p, p->leader_epoch), KAFKA_NONE);
        EXPECT_EQ(partition_check_leader(p, p->leader_epoch - 1), KAFKA_FENCED_LEADER_EPOCH);
        EXPECT_EQ(partition_check_leader(p, p->leader_epoch + 1), KAFKA_UNKNOWN_LEADER_EPOCH);
    }
    EXPECT_EQ(log_epoch_latest(p->log), p->leader_epoch);
    replica_rig_end(&rig);
}

/* Whoever waits for a leader that it no longer is looks for the next one. */
TEST(partition_lead, tells_who_waits_when_another_leads)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    struct rig_append waits, refused;
    replica_rig_append(p, 1, true, &waits);
    replica_rig_turn(&rig);
    replica_rig_change(&rig, topic, 0, REPLICA_RIG_OTHER_NODE, both, 2);
    EXPECT_EQ(waits.done_count, 1);
    EXPECT_EQ(waits.error, KAFKA_NOT_LEADER_OR_FOLLOWER);
    replica_rig_append(p, 1, true, &refused);
    EXPECT_EQ(refused.result.error, KAFKA_NOT_LEADER_OR_FOLLOWER);
    EXPECT_EQ(log_offsets(p->log)->end, 1); /* what was written stays */
    replica_rig_end(&rig);
}

/* ---- watches --------------------------------------------------------------------------------- */

struct watcher {
    struct fetch_watch watch;
    struct partition *partition; /* watched again at each wake, when not NULL */
    struct watcher *other;       /* taken away at each wake, when not NULL */
    uint32_t wake_count;
};

static void on_wake(struct fetch_watch *watch)
{
    struct watcher *watcher = watch->owner;
    watcher->wake_count++;
    if (watcher->other != NULL)
        fetch_watch_remove(&watcher->other->watch);
    if (watcher->partition != NULL)
        partition_watch(watcher->partition, &watcher->watch);
}

static void watch(struct partition *p, struct watcher *watcher)
{
    watcher->watch.owner = watcher;
    watcher->watch.wake = on_wake;
    partition_watch(p, &watcher->watch);
}

/* A wake may watch again: it hears of the next change, and not of this one for ever. */
TEST(partition_watch, wakes_once_for_each_turn_that_writes)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    struct partition *p = get(&rig, replica_rig_topic(&rig, "t", 1), 0);
    struct watcher again = { .partition = p }, once = { 0 }, never = { 0 };
    watch(p, &again);
    watch(p, &once);
    watch(p, &never);
    fetch_watch_remove(&never.watch);
    fetch_watch_remove(&never.watch); /* twice is fine */
    for (uint32_t turn = 1; turn <= 3; turn++) {
        struct rig_append appends[2];
        replica_rig_append(p, 1, false, &appends[0]);
        replica_rig_append(p, 1, false, &appends[1]);
        EXPECT_EQ(again.wake_count, turn - 1);
        replica_rig_turn(&rig);
        EXPECT_EQ(again.wake_count, turn);
        EXPECT_EQ(once.wake_count, 1);
    }
    EXPECT_EQ(never.wake_count, 0);
    fetch_watch_remove(&again.watch);
    replica_rig_end(&rig);
}

/* One that is woken may take away another that is to be woken in the same turn. */
TEST(partition_watch, may_be_taken_away_by_another_that_is_woken)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    struct partition *p = get(&rig, replica_rig_topic(&rig, "t", 1), 0);
    struct watcher first = { 0 }, second = { 0 };
    first.other = &second;
    second.other = &first;
    watch(p, &first);
    watch(p, &second);
    struct rig_append append;
    replica_rig_append(p, 1, false, &append);
    replica_rig_turn(&rig);
    EXPECT_EQ(first.wake_count, 1);
    EXPECT_EQ(second.wake_count, 0);
    EXPECT(!list_is_linked(&second.watch.link));
    replica_rig_end(&rig);
}

/* Readers learn of everything that ends their wait: a commit, another leader, the end of the topic. */
TEST(partition_watch, hears_of_whatever_ends_the_wait)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    struct rig_append append;
    replica_rig_append(p, 1, true, &append);
    replica_rig_turn(&rig);

    struct watcher reader = { 0 };
    watch(p, &reader);
    replica_rig_change(&rig, topic, 0, REPLICA_RIG_NODE, alone, 1); /* commits */
    replica_rig_turn(&rig);
    EXPECT_EQ(reader.wake_count, 1);
    watch(p, &reader);
    replica_rig_change(&rig, topic, 0, REPLICA_RIG_OTHER_NODE, both, 2);
    EXPECT_EQ(reader.wake_count, 2);
    watch(p, &reader);
    replica_rig_delete(&rig, topic);
    EXPECT_EQ(reader.wake_count, 3);
    EXPECT(!list_is_linked(&reader.watch.link));
    replica_rig_end(&rig);
}

/* ---- what may be read ------------------------------------------------------------------------ */

/* Who reads committed records stops where an open transaction begins. */
TEST(partition_readable_end, stops_at_the_first_open_transaction_for_committed_readers)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "transaction.partition.verification.enable=false");
    struct partition *p = get(&rig, replica_rig_topic(&rig, "t", 1), 0);
    struct rig_append before;
    replica_rig_append(p, 2, false, &before);
    struct shared *batch = sample_batch(&(struct sample_batch){
        .attributes = BATCH_TRANSACTIONAL, .has_producer = true, .producer_id = 5, .sequence = 0 });
    const struct log_append planned = { .owner = batch,
                                        .records = batch->data,
                                        .size_bytes = (uint32_t)batch->size,
                                        .origin = LOG_ORIGIN_CLIENT,
                                        .now_ms = SAMPLE_NOW_MS,
                                        .transaction_version = -1 };
    struct log_append_result result;
    partition_append(p, &planned, NULL, &result);
    shared_unref(batch);
    EXPECT_EQ(result.error, KAFKA_NONE);
    struct rig_append after;
    replica_rig_append(p, 1, false, &after);
    replica_rig_turn(&rig);
    EXPECT_EQ(partition_readable_end(p, FETCH_HIGH_WATERMARK), 4);
    EXPECT_EQ(partition_readable_end(p, FETCH_COMMITTED), 2);
    EXPECT_EQ(partition_last_stable_offset(p), 2);
    EXPECT_EQ(partition_log_start(p), 0);
    replica_rig_end(&rig);
}

/* ---- ending transactions ---------------------------------------------------------------------- */

static enum kafka_error append_in_transaction(struct partition *p, int16_t epoch, int32_t sequence,
                                              uint64_t guard)
{
    struct shared *batch = sample_batch(&(struct sample_batch){ .attributes = BATCH_TRANSACTIONAL,
                                                                .has_producer = true,
                                                                .producer_id = 5,
                                                                .producer_epoch = epoch,
                                                                .sequence = sequence });
    const struct log_append planned = { .owner = batch,
                                        .records = batch->data,
                                        .size_bytes = (uint32_t)batch->size,
                                        .origin = LOG_ORIGIN_CLIENT,
                                        .now_ms = SAMPLE_NOW_MS,
                                        .verification_guard = guard,
                                        .transaction_version = -1 };
    struct log_append_result result;
    partition_append(p, &planned, NULL, &result);
    shared_unref(batch);
    return result.error;
}

static void count_done(struct append_wait *wait, enum kafka_error error)
{
    struct rig_append *append = CONTAINER_OF(wait, struct rig_append, wait);
    append->done_count++;
    append->error = error;
}

/* Planned: the caller has the turns. */
static enum kafka_error end_transaction(struct partition *p, struct partition_marker marker,
                                        struct rig_append *append)
{
    *append = (struct rig_append){ .wait = { .done = count_done } };
    marker.producer_id = 5;
    marker.now_ms = SAMPLE_NOW_MS;
    partition_end_transaction(p, &marker, &append->wait, &append->result);
    return append->result.error;
}

/* A marker ends the transaction when it is committed itself, and only that of who may. */
TEST(partition_end_transaction, lets_committed_readers_go_on)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "transaction.partition.verification.enable=false");
    struct partition *p = get(&rig, replica_rig_topic(&rig, "t", 1), 0);
    struct rig_append marker;
    EXPECT_EQ(append_in_transaction(p, 3, 0, 0), KAFKA_NONE);
    replica_rig_turn(&rig);
    EXPECT_EQ(partition_last_stable_offset(p), 0);

    EXPECT_EQ(end_transaction(p, (struct partition_marker){ .producer_epoch = 2 }, &marker),
              KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(
        end_transaction(
            p, (struct partition_marker){ .producer_epoch = 3, .transaction_version = 2 }, &marker),
        KAFKA_INVALID_PRODUCER_EPOCH); /* the coordinator raises the epoch first (KIP-1228) */
    EXPECT_EQ(
        end_transaction(p, (struct partition_marker){ .producer_epoch = 3, .coordinator_epoch = 8 },
                        &marker),
        KAFKA_NONE);
    EXPECT_EQ(marker.done_count, 0);
    replica_rig_turn(&rig);
    EXPECT_EQ(marker.done_count, 1);
    EXPECT_EQ(marker.error, KAFKA_NONE);
    EXPECT_EQ(partition_last_stable_offset(p), 2);
    EXPECT_EQ(
        end_transaction(p, (struct partition_marker){ .producer_epoch = 3, .coordinator_epoch = 7 },
                        &marker),
        KAFKA_TRANSACTION_COORDINATOR_FENCED);
    /* One more is written, as the coordinator may have lost the first answer. */
    EXPECT_EQ(end_transaction(p,
                              (struct partition_marker){ .producer_epoch = 3,
                                                         .transaction_version = 2,
                                                         .coordinator_epoch = 8 },
                              &marker),
              KAFKA_NONE);
    replica_rig_turn(&rig);
    EXPECT_EQ(log_offsets(p->log)->end, 3);
    replica_rig_end(&rig);
}

/* Where the ISR is larger the marker waits to be committed, and committed readers with it. */
TEST(partition_end_transaction, waits_for_the_high_watermark)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "transaction.partition.verification.enable=false");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    struct rig_append marker;
    EXPECT_EQ(append_in_transaction(p, 0, 0, 0), KAFKA_NONE);
    EXPECT_EQ(end_transaction(p, (struct partition_marker){ .is_commit = true }, &marker),
              KAFKA_NONE);
    replica_rig_turn(&rig);
    EXPECT_EQ(marker.done_count, 0);
    replica_rig_change(&rig, topic, 0, REPLICA_RIG_NODE, (const int32_t[]){ REPLICA_RIG_NODE }, 1);
    replica_rig_turn(&rig);
    EXPECT_EQ(marker.done_count, 1);
    EXPECT_EQ(partition_last_stable_offset(p), 2);
    replica_rig_change(&rig, topic, 0, REPLICA_RIG_OTHER_NODE,
                       (const int32_t[]){ REPLICA_RIG_OTHER_NODE }, 1);
    EXPECT_EQ(end_transaction(p, (struct partition_marker){ .is_commit = true }, &marker),
              KAFKA_NOT_LEADER_OR_FOLLOWER);
    replica_rig_end(&rig);
}

/* A batch that opens a transaction needs the coordinator's word, which a marker makes void (KIP-890). */
TEST(partition_append, opens_a_transaction_only_with_a_guard_that_is_valid)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    struct partition *p = get(&rig, replica_rig_topic(&rig, "t", 1), 0);
    struct rig_append marker;
    EXPECT_EQ(append_in_transaction(p, 0, 0, 0), KAFKA_INVALID_TXN_STATE);
    const uint64_t stale = log_verification_begin(p->log, 5, 0, 0, SAMPLE_NOW_MS);
    EXPECT_EQ(end_transaction(p, (struct partition_marker){ 0 }, &marker), KAFKA_NONE);
    EXPECT_EQ(append_in_transaction(p, 0, 0, stale), KAFKA_INVALID_TXN_STATE);
    const uint64_t guard = log_verification_begin(p->log, 5, 0, 0, SAMPLE_NOW_MS);
    EXPECT_EQ(append_in_transaction(p, 0, 0, guard), KAFKA_NONE);
    EXPECT_EQ(log_verification_begin(p->log, 5, 0, 1, SAMPLE_NOW_MS), 0);
    EXPECT_EQ(append_in_transaction(p, 0, 1, 0), KAFKA_NONE);
    replica_rig_turn(&rig);
    replica_rig_end(&rig);
}

/* A crash keeps what was committed as far as the checkpoint says, and never more than the log has. */
TEST(partition, begins_at_its_checkpointed_high_watermark)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct rig_append append;
    replica_rig_append(get(&rig, topic, 0), 4, true, &append);
    replica_rig_change(&rig, topic, 0, REPLICA_RIG_NODE, alone, 1); /* 4 are committed */
    replica_rig_turn(&rig);
    replica_rig_change(&rig, topic, 0, REPLICA_RIG_NODE, both, 2);
    replica_rig_append(get(&rig, topic, 0), 3, false, &append);
    replica_rig_turn(&rig);
    replicas_checkpoint(rig.replicas);
    replica_rig_run_ms(&rig, 1000);
    replica_rig_crash(&rig, SIM_PROCESS_KILLED);
    replica_rig_start(&rig);
    EXPECT_EQ(get(&rig, topic, 0)->high_watermark, 4);
    EXPECT_EQ(partition_readable_end(get(&rig, topic, 0), FETCH_LOG_END), 7);

    log_flush(get(&rig, topic, 0)->log);
    replica_rig_run_ms(&rig, 1000);
    replica_rig_stop(&rig);
    replica_rig_start(&rig);
    EXPECT_EQ(get(&rig, topic, 0)->high_watermark, 4);
    replica_rig_end(&rig);
}

/* ---- writes that fail ------------------------------------------------------------------------ */

static void fail_writes(struct replica_rig *rig, const char *path_part, int error)
{
    sim_disk_add_fault(
        sim_node_disk(rig->machine),
        &(struct sim_fault){ .calls = SIM_WRITE, .path_part = path_part, .error = error });
}

/* The gauge: what was acknowledged and could go with the power. Under flush.messages=1 there is nothing of the kind. */
TEST(replicas_measure, counts_what_is_acknowledged_and_not_flushed)
{
    for (int is_flushed = 0; is_flushed < 2; is_flushed++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed, 1,
                          is_flushed ? "log.flush.interval.messages=1" : "");
        const struct uuid topic = replica_rig_topic(&rig, "t", 2);
        struct rig_append appends[2];
        for (int32_t i = 0; i < 2; i++)
            replica_rig_append(get(&rig, topic, i), 3, true, &appends[i]);
        const int64_t bytes = (int64_t)appends[0].result.size_bytes * 2;
        replica_rig_run_ms(&rig, 1000);
        EXPECT_EQ(appends[1].done_count, 1);
        struct metrics *metrics = metrics_new();
        int64_t *offsets_now =
            metrics_gauge(metrics, METRIC_UNFLUSHED_OFFSETS, METRIC_LABELS("/a"));
        int64_t *bytes_now = metrics_gauge(metrics, METRIC_UNFLUSHED_BYTES, METRIC_LABELS("/a"));
        replicas_measure(rig.replicas, metrics);
        EXPECT_EQ(*offsets_now, is_flushed ? 0 : 6);
        EXPECT_EQ(*bytes_now, is_flushed ? 0 : bytes);

        log_flush(get(&rig, topic, 0)->log);
        replica_rig_run_ms(&rig, 1000);
        *offsets_now = *bytes_now = 0;
        replicas_measure(rig.replicas, metrics);
        EXPECT_EQ(*offsets_now, is_flushed ? 0 : 3);
        EXPECT_EQ(*bytes_now, is_flushed ? 0 : bytes / 2);

        replica_rig_crash(&rig, SIM_PROCESS_KILLED); /* it may be in the page cache alone */
        replica_rig_start(&rig);
        *offsets_now = *bytes_now = 0;
        replicas_measure(rig.replicas, metrics);
        EXPECT(is_flushed || (*offsets_now >= 3 && *bytes_now >= bytes / 2));
        metrics_free(metrics);
        replica_rig_end(&rig);
    }
}

/* A full disk refuses the appends of the turn and nothing else: what was written waits on, reading goes on, and the next
 * append that finds space gets the next offset. The operator hears of it once, and once of its end. */
TEST(partition_write, refuses_what_finds_no_space_and_goes_on_when_there_is)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    struct rig_append written, refused[20], later;
    replica_rig_append(p, 2, true, &written); /* waits for the other replica */
    replica_rig_turn(&rig);

    fail_writes(&rig, "/t-0/", -ENOSPC);
    struct watcher reader = { 0 };
    watch(p, &reader);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        replica_rig_append(p, 1, i % 2 == 0, &refused[i]);
        EXPECT_EQ(refused[i].result.first_offset, 2);
        replica_rig_turn(&rig);
        EXPECT_EQ(refused[i].done_count, 1);
        EXPECT_EQ(refused[i].error, KAFKA_KAFKA_STORAGE_ERROR);
    }
    EXPECT_EQ(written.done_count, 0);
    EXPECT_EQ(p->state, PARTITION_ONLINE);
    EXPECT_EQ(rig.failed_dirs, 0);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    EXPECT(strstr(rig.last_line, "/a: No space left on device; appends are refused") != NULL);
    EXPECT_EQ(partition_readable_end(p, FETCH_LOG_END), 2);

    sim_disk_clear_faults(sim_node_disk(rig.machine));
    replicas_tick(rig.replicas, SAMPLE_NOW_MS);
    replica_rig_append(p, 1, false, &later);
    replica_rig_turn(&rig);
    EXPECT_EQ(later.error, KAFKA_NONE);
    EXPECT_EQ(later.result.first_offset, 2);
    replicas_tick(rig.replicas, SAMPLE_NOW_MS);
    EXPECT_EQ(rig.line_counts[DIAG_INFO], 1);
    EXPECT(strstr(rig.last_line, "/a: appends succeed again") != NULL);
    replica_rig_change(&rig, topic, 0, REPLICA_RIG_NODE, alone, 1);
    replica_rig_turn(&rig);
    EXPECT_EQ(written.error, KAFKA_NONE);
    EXPECT_EQ(written.done_count, 1);
    replica_rig_end(&rig);
}

/* Any other failure takes the directory offline, with all its partitions; those of the other directory never notice. */
TEST(partition_write, takes_its_directory_offline_when_it_fails)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 2, "log.dirs=/a,/b");
    const struct uuid topic = replica_rig_topic(&rig, "t", 4);
    fail_writes(&rig, "/a/", -EIO);
    struct rig_append appends[4], next[4];
    struct watcher readers[4] = { 0 };
    for (int32_t i = 0; i < 4; i++) {
        watch(get(&rig, topic, i), &readers[i]);
        replica_rig_append(get(&rig, topic, i), 1, true, &appends[i]);
    }
    replica_rig_turn(&rig);
    uint32_t offline = 0;
    for (int32_t i = 0; i < 4; i++) {
        struct partition *p = get(&rig, topic, i);
        const bool is_bad = p->log_dir_index == 0;
        offline += is_bad;
        EXPECT_EQ(appends[i].done_count, 1);
        EXPECT_EQ(appends[i].error, is_bad ? KAFKA_KAFKA_STORAGE_ERROR : KAFKA_NONE);
        EXPECT_EQ(partition_check_leader(p, -1), is_bad ? KAFKA_KAFKA_STORAGE_ERROR : KAFKA_NONE);
        EXPECT(readers[i].wake_count > 0);
        replica_rig_append(p, 1, false, &next[i]);
        EXPECT_EQ(next[i].result.error, is_bad ? KAFKA_KAFKA_STORAGE_ERROR : KAFKA_NONE);
    }
    EXPECT_EQ(offline, 2);
    EXPECT_EQ(rig.failed_dirs, 1);
    EXPECT_EQ(rig.dirs_left, 1);
    replica_rig_turn(&rig);
    replica_rig_end(&rig);
}

/* ---- deleting -------------------------------------------------------------------------------- */

/* What was planned in this turn is written before the topic goes; what waits for others is told. */
TEST(partition_delete, tells_everyone_who_waits)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_shared_topic(&rig, "t", 1);
    struct partition *p = get(&rig, topic, 0);
    struct rig_append old, planned, all;
    struct watcher reader = { 0 };
    replica_rig_append(p, 1, true, &old);
    replica_rig_turn(&rig);
    watch(p, &reader);
    replica_rig_append(p, 1, false, &planned);
    replica_rig_append(p, 1, true, &all);
    replica_rig_delete(&rig, topic);
    EXPECT_EQ(planned.error, KAFKA_NONE);
    EXPECT_EQ(old.error, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_EQ(all.error, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_EQ(planned.done_count, 1);
    EXPECT_EQ(old.done_count, 1);
    EXPECT_EQ(all.done_count, 1);
    EXPECT_EQ(reader.wake_count, 1);
    EXPECT(replicas_get(rig.replicas, topic, 0) == NULL);
    EXPECT_EQ(replicas_count(rig.replicas), 0);
    replica_rig_end(&rig);
}
