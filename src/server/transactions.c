/* See transactions.h. */
#include "server/transactions.h"

#include "base/mem.h"
#include "config/config.h"
#include "metadata/feature.h"
#include "server/coord_log.h"
#include "server/producer_ids.h"
#include "server/topic_lookup.h"
#include "server/transaction_markers.h"
#include "server/transaction_questions.h"

/* What belongs to a partition beside its coordinator. */
struct slot {
    struct txn_effects effects;
    VEC(uint64_t) id_wants; /* to be asked for when the step is over: some are there at once */
    bool is_stepping;
};

/* A producer id that is on its way. Outlives its log. */
struct id_wait {
    struct list link;      /* in transactions->id_waits */
    struct coord_log *log; /* NULL: it has gone */
    uint64_t want_id;
};

struct transactions {
    struct shard *shard;
    struct config *config;        /* as of the last apply; counted */
    struct metadata_image *image; /* the same */
    struct txn_settings settings;
    struct coord_logs logs; /* of __transaction_state */
    struct map_i64 asks;    /* token → struct transaction_ask */
    uint64_t next_token;
    struct list id_waits;
    struct list questions; /* struct transaction_question, waiting */
    struct list markers;   /* struct marker, on their way */
};

/* A marker on its way to a partition. Outlives its log. */
struct marker {
    struct transaction_marker_write write;
    struct list link;
    struct coord_log *log; /* NULL: it has gone */
    uint64_t ending;
    char *topic; /* owned */
};

/* ---- settings ---------------------------------------------------------------------------------------- */

static struct txn_settings settings_of(const struct config *config)
{
    return (struct txn_settings){
        .timeout_ms_max = (int32_t)config_i64(config, SETTING_BROKER_TRANSACTION_MAX_TIMEOUT_MS),
        .allows_two_phase_commit =
            config_bool(config, SETTING_BROKER_TRANSACTION_TWO_PHASE_COMMIT_ENABLE),
        .abort_interval_ms = config_i64(
            config, SETTING_BROKER_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS),
        .expiration_ms = config_i64(config, SETTING_BROKER_TRANSACTIONAL_ID_EXPIRATION_MS),
        .expiry_interval_ms = config_i64(
            config, SETTING_BROKER_TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS),
        .batch_bytes_max = (uint32_t)config_i64(config, SETTING_BROKER_MESSAGE_MAX_BYTES),
    };
}

/* max.message.bytes of the partition itself, and what the cluster has agreed upon. */
static struct txn_settings settings_for(const struct coord_log *log)
{
    const struct transactions *transactions = log->logs->owner;
    struct txn_settings settings = transactions->settings;
    settings.batch_bytes_max = coord_log_batch_bytes_max(log, settings.batch_bytes_max);
    settings.transaction_version =
        metadata_feature_level(transactions->image, BYTES_LITERAL(FEATURE_TRANSACTION_VERSION));
    return settings;
}

/* ---- carrying out --------------------------------------------------------------------------------------- */

static void step(struct coord_log *log, struct txn_event event);

static void answer(struct transactions *transactions, const struct coord_answer *answer)
{
    struct transaction_ask *ask = map_i64_remove(&transactions->asks, (int64_t)answer->token);
    if (ask != NULL)
        ask->done(ask, answer->message);
}

static void on_marked(struct transaction_marker_write *write, enum kafka_error error, bool is_gone)
{
    struct marker *marker = CONTAINER_OF(write, struct marker, write);
    const struct txn_marker_result result = { .ending = marker->ending,
                                              .topic = bytes_from_text(marker->topic),
                                              .partition = write->partition,
                                              .error = error,
                                              .is_gone = is_gone,
                                              .coordinator_epoch = write->coordinator_epoch,
                                              .why = bytes_from_text(write->why) };
    list_remove(&marker->link);
    if (marker->log != NULL)
        step(marker->log, (struct txn_event){ .type = TXN_ON_MARKERS,
                                              .markers = { .items = &result, .count = 1 } });
    mem_free(marker->topic);
    mem_free(marker);
}

static void send_marker(struct coord_log *log, const struct txn_marker *decided)
{
    struct transactions *transactions = log->logs->owner;
    struct marker *marker = MEM_NEW(struct marker);
    marker->log = log;
    marker->ending = decided->ending;
    marker->topic = bytes_to_text(decided->topic);
    list_push_back(&transactions->markers, &marker->link);
    marker->write = (struct transaction_marker_write){
        .topic = bytes_from_text(marker->topic),
        .partition = decided->partition,
        .producer_id = decided->producer_id,
        .producer_epoch = decided->producer_epoch,
        .coordinator_epoch = coord_log_epoch(log),
        .transaction_version = decided->transaction_version,
        .is_commit = decided->is_commit,
        .done = on_marked,
    };
    transaction_marker_write(log->logs->shard, &marker->write);
}

static void on_id(void *context, enum kafka_error error, int64_t producer_id)
{
    struct id_wait *wait = context;
    struct coord_log *log = wait->log;
    const struct txn_event event = {
        .type = TXN_ON_PRODUCER_ID,
        .producer_id = { .want_id = wait->want_id, .error = error, .producer_id = producer_id }
    };
    list_remove(&wait->link);
    mem_free(wait);
    if (log != NULL)
        step(log, event);
}

static void want_id(struct coord_log *log, uint64_t id)
{
    struct transactions *transactions = log->logs->owner;
    struct id_wait *wait = MEM_NEW(struct id_wait);
    wait->log = log;
    wait->want_id = id;
    list_push_back(&transactions->id_waits, &wait->link);
    producer_ids_take(transactions->shard->producer_ids, on_id, wait);
}

/* Appends in order; where one is refused the others must not be tried, and fail with it. */
static void carry_out(struct coord_log *log, struct txn_event *out_failed)
{
    struct slot *slot = log->own;
    struct txn_effects *effects = &slot->effects;
    struct txn_event failed = { .type = TXN_ON_APPENDED };
    out_failed->type = TXN_ON_TIMER;
    if (!coord_log_append(log, effects->appends.items, effects->appends.count,
                          &failed.appended.write_id, &failed.appended.error))
        *out_failed = failed;
    for (size_t i = 0; i < effects->answers.count; i++)
        answer(log->logs->owner, &effects->answers.items[i]);
    for (size_t i = 0; i < effects->markers.count; i++)
        send_marker(log, &effects->markers.items[i]);
    coord_log_print(log, &effects->lines);
    coord_log_arm(log, effects->deadline_ms);
}

static void step_once(struct coord_log *log, struct txn_event *event)
{
    struct slot *slot = log->own;
    struct io *io = log->logs->shard->io;
    bool has_failed;
    do {
        event->now_ms = io_monotonic_ns(io) / NS_PER_MS;
        event->wall_ms = io_now_ms(io);
        txn_coordinator_step(log->coordinator, event, &slot->effects);
        carry_out(log, event);
        has_failed = event->type == TXN_ON_APPENDED;
        for (size_t i = 0; i < slot->effects.id_wants.count; i++)
            VEC_ADD(&slot->id_wants, slot->effects.id_wants.items[i]);
        txn_effects_clear(&slot->effects);
    } while (has_failed);
}

/* Neither appends, answers nor markers call back into a step: what became of them is told at a turn's end. */
static void step(struct coord_log *log, struct txn_event event)
{
    struct slot *slot = log->own;
    ASSERT(!slot->is_stepping && log->state == COORD_LOG_SERVING);
    slot->is_stepping = true;
    step_once(log, &event);
    slot->is_stepping = false;
    while (slot->id_wants.count > 0) {
        const uint64_t id = slot->id_wants.items[0];
        VEC_REMOVE_AT(&slot->id_wants, 0);
        want_id(log, id);
    }
}

/* ---- as a kind of coordinator ---------------------------------------------------------------------------------- */

static void on_appended(struct coord_log *log, uint64_t write_id, enum kafka_error error)
{
    step(log, (struct txn_event){ .type = TXN_ON_APPENDED,
                                  .appended = { .write_id = write_id, .error = error } });
}

static void on_timer(struct coord_log *log)
{
    step(log, (struct txn_event){ .type = TXN_ON_TIMER });
}

static void *coordinator_new(struct coord_log *log)
{
    const struct txn_settings settings = settings_for(log);
    return txn_coordinator_new(&settings, log->logs->shard->hash_seed);
}

static void coordinator_free(void *coordinator)
{
    txn_coordinator_free(coordinator);
}

/* Nobody writes here in transactions. */
static int replay(void *coordinator, int64_t producer_id, struct bytes key, struct bytes value,
                  struct err_note *note)
{
    (void)producer_id;
    return txn_coordinator_replay(coordinator, key, value, note);
}

static void end_transaction(void *coordinator, int64_t producer_id, bool is_commit)
{
    (void)coordinator;
    (void)producer_id;
    (void)is_commit;
}

static void on_open(struct coord_log *log)
{
    struct slot *slot = MEM_NEW(struct slot);
    txn_effects_init(&slot->effects);
    log->own = slot;
}

static void on_loaded(struct coord_log *log, bool is_loaded)
{
    const struct txn_settings settings = settings_for(log);
    txn_coordinator_set_settings(log->coordinator, &settings);
    step(log, (struct txn_event){ .type = is_loaded ? TXN_ON_LOADED : TXN_ON_LOAD_FAILED });
}

static void on_unload(struct coord_log *log)
{
    step(log, (struct txn_event){ .type = TXN_ON_UNLOAD });
}

static void on_close(struct coord_log *log)
{
    struct transactions *transactions = log->logs->owner;
    struct slot *slot = log->own;
    LIST_FOR_EACH(&transactions->id_waits, link)
    {
        struct id_wait *wait = LIST_ENTRY(link, struct id_wait, link);
        if (wait->log == log)
            wait->log = NULL;
    }
    LIST_FOR_EACH(&transactions->markers, link)
    {
        struct marker *marker = LIST_ENTRY(link, struct marker, link);
        if (marker->log == log)
            marker->log = NULL;
    }
    txn_effects_deinit(&slot->effects);
    VEC_DEINIT(&slot->id_wants);
    mem_free(slot);
}

static const struct coord_kind transaction_kind = {
    .topic = TOPIC_TRANSACTION_STATE,
    .logger = "transactions",
    .things = "transactions",
    .base_sequence = -1,
    .coordinator_new = coordinator_new,
    .coordinator_free = coordinator_free,
    .replay = replay,
    .end_transaction = end_transaction,
    .on_open = on_open,
    .on_loaded = on_loaded,
    .on_appended = on_appended,
    .on_timer = on_timer,
    .on_unload = on_unload,
    .on_close = on_close,
};

/* ---- what it follows ------------------------------------------------------------------------------------------ */

static void follow_config(struct transactions *transactions)
{
    if (transactions->config == transactions->shard->config)
        return;
    config_unref(transactions->config);
    transactions->config = config_ref(transactions->shard->config);
    transactions->settings = settings_of(transactions->config);
    transactions->logs.slice_bytes = (uint32_t)config_i64(
        transactions->config, SETTING_BROKER_TRANSACTION_STATE_LOG_LOAD_BUFFER_SIZE);
}

static void refresh_settings(struct transactions *transactions)
{
    LIST_FOR_EACH(&transactions->logs.all, link)
    {
        struct coord_log *log = LIST_ENTRY(link, struct coord_log, link);
        const struct txn_settings settings = settings_for(log);
        if (log->state == COORD_LOG_SERVING)
            txn_coordinator_set_settings(log->coordinator, &settings);
    }
}

void transactions_apply(struct transactions *transactions)
{
    if (transactions->logs.is_closed)
        return;
    follow_config(transactions);
    if (transactions->image != transactions->shard->image) {
        metadata_image_unref(transactions->image);
        transactions->image = metadata_image_ref(transactions->shard->image);
        coord_logs_follow(&transactions->logs, transactions->image);
    }
    refresh_settings(transactions);
    coord_logs_load(&transactions->logs);
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct transactions *transactions_new(struct shard *shard)
{
    struct transactions *transactions = MEM_NEW(struct transactions);
    transactions->shard = shard;
    transactions->next_token = 1;
    list_init(&transactions->id_waits);
    list_init(&transactions->questions);
    list_init(&transactions->markers);
    coord_logs_init(&transactions->logs, &transaction_kind, shard, transactions);
    map_i64_init(&transactions->asks, shard->hash_seed);
    follow_config(transactions);
    return transactions;
}

void transactions_close(struct transactions *transactions, void (*done)(void *context),
                        void *context)
{
    transaction_questions_end(&transactions->questions);
    coord_logs_close(&transactions->logs, done, context);
}

void transactions_free(struct transactions *transactions)
{
    if (transactions == NULL)
        return;
    coord_logs_deinit(&transactions->logs);
    map_i64_deinit(&transactions->asks);
    for (struct list *link; (link = list_pop_front(&transactions->id_waits)) != NULL;)
        mem_free(LIST_ENTRY(link, struct id_wait, link));
    for (struct list *link; (link = list_pop_front(&transactions->markers)) != NULL;) {
        struct marker *marker = LIST_ENTRY(link, struct marker, link);
        io_timer_cancel(transactions->shard->io, &marker->write.timer);
        mem_free(marker->topic);
        mem_free(marker);
    }
    metadata_image_unref(transactions->image);
    config_unref(transactions->config);
    mem_free(transactions);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

int32_t transactions_partition_count(const struct shard *shard)
{
    return shard->transactions->logs.partition_count;
}

int32_t transactions_partition_of(const struct shard *shard, struct bytes transactional_id)
{
    const int32_t count = transactions_partition_count(shard);
    return count == 0 ? -1 : txn_partition_for(transactional_id, count);
}

void transactions_ask(struct shard *shard, int32_t partition, struct transaction_ask *ask)
{
    struct transactions *transactions = shard->transactions;
    enum kafka_error error = KAFKA_NONE;
    struct coord_log *log = coord_logs_serving(&transactions->logs, partition, &error);
    if (log == NULL) {
        ask->done(ask, txn_refusal(&ask->request, error, ask->arena));
        return;
    }
    ask->request.token = transactions->next_token++;
    (void)map_i64_put(&transactions->asks, (int64_t)ask->request.token, ask); /* tokens are new */
    step(log, (struct txn_event){ .type = TXN_ON_REQUEST, .request = ask->request });
}

struct list *transactions_questions(const struct shard *shard)
{
    return &shard->transactions->questions;
}
